package syncpoint

import (
	"context"

	"trueup/replication"
	"trueup/server"
)

// Held is a replica whose applier stands exactly at an epoch, with the snapshots of that epoch.
type Held struct {
	Epoch           *Epoch
	Source, Replica *server.Session
	// Stands returns nil where the applier is seen, now, to stand exactly at the epoch without an error. It may not stand any more a
	// moment later (somebody starts it, or the dead man's switch does, of a process that stood still); what was locked on the replica before that moment is
	// as it was at the epoch.
	Stands func(context.Context) error
}

// hold hands the replica, which stands at the last epoch, to whoever asked for it.
func (s *stepper) hold(ctx context.Context, epoch *Epoch, target replication.Position, source, reader *server.Session) {
	ctx, cancel := context.WithTimeout(ctx, s.options.HoldMax)
	defer cancel()
	s.options.Held(ctx, s.number, Held{Epoch: epoch, Source: source, Replica: reader, Stands: func(ctx context.Context) error {
		return s.standsAt(ctx, target)
	}})
}

// standsAt is an error unless the applier stands at the target.
func (s *stepper) standsAt(ctx context.Context, target replication.Position) error {
	_, err := s.proveStands(ctx, target)
	if err == nil && s.deadMan.fired.Load() {
		return s.firedMeanwhile()
	}
	return err
}

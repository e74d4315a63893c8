package syncpoint

import (
	"context"
	"time"

	"trueup/internal/audit"
	"trueup/replication"
)

// watchOver tells the guard of a pause that may come, before the dead man's switch is armed: it disarms that too.
func (s *stepper) watchOver() {
	s.pause.Identity, s.pause.Channel = s.replica.Server.Identity(), s.replica.Channel
	s.pause.Sessions = []uint64{s.control.ID(), s.stopping.ID()}
	s.watched = s.options.Guard != nil
	s.tell(func(*Pause) {})
}

// announce writes the pause into the journal before anything is stopped; without that nothing is. The dead man's switch is armed.
func (s *stepper) announce(ctx context.Context) error {
	status, err := s.status(ctx)
	if err != nil {
		return err
	}
	if err := s.record(ctx, KindPause, s.pause.ID, "", s.pauseRecord(status)); err != nil {
		return s.refuse(JournalUnwritable, err, "its applier was not stopped, since the journal that has to say so before cannot be written (--state-dir chooses another folder)")
	}
	s.announced = true
	return nil
}

func (s *stepper) pauseRecord(status replication.Status) PauseRecord {
	identity := s.pause.Identity
	return PauseRecord{
		Replica: s.address(), Flavor: identity.Flavor.String(), Version: identity.VersionText, ServerID: identity.ServerID, ServerUUID: identity.UUID,
		Hostname: identity.Hostname, Port: identity.Port, DataDir: identity.DataDir, Channel: s.replica.Channel,
		ExecutedFile: status.Executed.File, ExecutedOffset: status.Executed.Offset, ExecutedGTID: status.ExecutedGTID,
		Account: s.replica.Server.Endpoint().User, Sessions: s.pause.Sessions, SwitchSession: s.deadMan.firstID, SwitchDelaySeconds: s.options.SwitchDelay.Seconds(),
		StartStatement: replication.StartApplierStatement(identity, s.replica.Channel),
	}
}

// record writes an entry into the journal, where there is one.
func (s *stepper) record(ctx context.Context, kind, opens, closes string, data any) error {
	if s.options.Recorder == nil {
		return nil
	}
	entry, err := audit.NewEntry(kind, data)
	if err != nil {
		return err
	}
	entry.Opens, entry.Closes = opens, closes
	return s.options.Recorder.Record(ctx, entry)
}

// tell changes what is known of the pause and tells the guard, before the step that changes it is taken.
func (s *stepper) tell(change func(*Pause)) {
	change(&s.pause)
	s.pause.Told = time.Now().Round(0)
	if !s.watched {
		return
	}
	err := protect(func() error {
		return s.options.Guard.Watch(s.places.source.Server().Endpoint(), s.replica.Server.Endpoint(), s.pause)
	})
	if err != nil {
		_ = protect(func() error {
			s.logger.Warn("no guard process watches over this run: should it be killed while an applier stands, only the dead man's switch on the server starts that", "error", err)
			return nil
		})
	}
}

// stands notes where the applier stands.
func (s *stepper) stands(status replication.Status) {
	s.stoppedAt, s.stood = status.Executed, status
	s.tell(func(p *Pause) {
		p.Stood, p.StoodGTID, p.ShownUntil, p.Starting = status.Executed, status.ExecutedGTID, status.Until, false
	})
}

// recordPaused says in the journal where the applier stood. The applier need not wait for the disk: done returns when it is there.
func (s *stepper) recordPaused(ctx context.Context, status replication.Status) (done func()) {
	recorded := make(chan error, 1)
	record := pausedRecord{Pause: s.pause.ID, File: status.Executed.File, Offset: status.Executed.Offset, GTID: status.ExecutedGTID}
	go func() {
		recorded <- protect(func() error { return s.record(context.WithoutCancel(ctx), KindPaused, "", "", record) })
	}()
	return func() { s.logFailure("writing the journal", <-recorded) }
}

// conclude says that the pause is over, unless the applier is ours to start and could not be started: the guard tries that
// again when this process is gone, and whoever comes next finds the pause open.
func (s *stepper) conclude() {
	s.recorded()
	if s.resumeErr != nil && !stoppedByError(s.resumeErr) {
		return
	}
	if s.announced {
		s.announced = false
		s.recordEnd()
	}
	s.unwatch()
}

func (s *stepper) unwatch() {
	if s.watched {
		s.watched = false
		s.logFailure("telling the guard process that a pause is over", protect(func() error { return s.options.Guard.Unwatch(s.pause) }))
	}
}

// recordEnd closes the pause in the journal.
func (s *stepper) recordEnd() {
	end := PauseEnd{Pause: s.pause.ID, How: EndResumed, By: ByRun}
	switch {
	case s.resumeErr != nil:
		end.How, end.Why = EndLeft, s.resumeErr.Error()
	case s.pause.Left:
		end.How, end.Why = EndLeft, "somebody else stopped it"
	case s.pausedAt.IsZero():
		end.How = EndNotPaused
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	s.logFailure("writing the journal", protect(func() error { return s.record(ctx, KindPauseEnded, "", s.pause.ID, end) }))
}

const recordTimeout = 10 * time.Second

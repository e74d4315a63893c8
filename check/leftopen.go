package check

import (
	"context"
	"strings"
	"sync"

	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// leftOpen is what runs that died have left open, read once. It is safe for concurrent use.
type leftOpen struct {
	once   sync.Once
	pauses []syncpoint.OpenPause
	mutex  sync.Mutex // held while a journal is written: several replicas may be in one
}

func (r *run) readLeftOpen() {
	open, problems, err := syncpoint.OpenPauses(*r.request.Journals)
	if err != nil {
		r.warn("whether a run that died has left a pause open is not known: %v", err)
	}
	for _, problem := range problems {
		r.warn("journal %s", problem)
	}
	r.leftOpen.pauses = open
}

// settleLeftOpen looks what became of pauses of the replica's channel that a dead run left open. Those that are over are
// closed in their journal. An applier that still stands makes an error with the statement that starts it.
func (r *run) settleLeftOpen(ctx context.Context, m *member) error {
	session, err := m.server.Session(ctx, server.SessionOptions{})
	if err != nil {
		return err
	}
	defer session.Close()
	r.leftOpen.once.Do(r.readLeftOpen)
	found := false
	for _, pause := range r.leftOpen.pauses {
		if pause.Held || !pause.Concerns(m.server.Identity(), m.status.Channel) {
			continue
		}
		found = true
		how, why, err := pause.Settle(ctx, session, r.request.Now)
		if err != nil {
			return err
		}
		r.closeLeftOpen(ctx, pause, how, why)
	}
	if !found {
		return nil
	}
	m.status, err = replication.ReadStatus(ctx, session, m.status.Channel)
	return err
}

func (r *run) closeLeftOpen(ctx context.Context, pause syncpoint.OpenPause, how, why string) {
	r.leftOpen.mutex.Lock()
	defer r.leftOpen.mutex.Unlock()
	if err := pause.Close(ctx, *r.request.Journals, how, why); err != nil {
		r.warn("that the pause of %s which run %s left open is over could not be written down: %s", pause.Replica, pause.Run, strings.TrimSpace(err.Error()))
	}
}

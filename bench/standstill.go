package main

import (
	"context"
	"sync"
	"time"

	"trueup/server"
)

// standstillEvery is how often the applier is looked at.
const standstillEvery = 5 * time.Millisecond

// standstill watches the replica's applier from outside of every tool.
type standstill struct {
	stop  context.CancelFunc
	ended sync.WaitGroup

	longest time.Duration
	err     error
}

func watchApplier(ctx context.Context, on *servers) (*standstill, error) {
	w := &standstill{}
	stop, err := inBackground(ctx, on.replica.AdminEndpoint(), &w.ended, w.watch)
	if err != nil {
		return nil, err
	}
	w.stop = stop
	return w, nil
}

// watch measures from the last look that saw the applier run to the next that does.
func (w *standstill) watch(ctx context.Context, session *server.Session) {
	ticker := time.NewTicker(standstillEvery)
	defer ticker.Stop()
	ran := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		records, err := session.Records(ctx, "SHOW SLAVE STATUS")
		if ctx.Err() != nil {
			return
		}
		if err != nil || len(records) == 0 {
			w.err = err
			return
		}
		stands := records[0].Text("Slave_SQL_Running") != "Yes"
		if now := time.Now(); !stands {
			ran = now
		} else {
			w.longest = max(w.longest, now.Sub(ran))
		}
	}
}

// finish stops watching and returns the longest time for which the applier stood; 0 where it was never seen standing.
func (w *standstill) finish() (time.Duration, error) {
	w.stop()
	w.ended.Wait()
	return w.longest, w.err
}

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"trueup/server"
)

// beat is one small commit: when it was begun and how long it took.
type beat struct {
	at   time.Time
	took time.Duration
}

// beatEvery is the time from one commit to the next, unless the commit takes longer.
const beatEvery = time.Millisecond

// heartbeat is a writer outside of every tool: it updates one row of the checked table after the other, each in a commit of
// its own, and notes how long that took. What it waits is what an application's writes wait.
type heartbeat struct {
	stop  context.CancelFunc
	ended sync.WaitGroup

	mutex sync.Mutex
	beats []beat
	err   error
}

func startHeartbeat(ctx context.Context, on *servers, rows int64) (*heartbeat, error) {
	h := &heartbeat{}
	stop, err := inBackground(ctx, on.endpoint(on.source), &h.ended, func(ctx context.Context, session *server.Session) { h.write(ctx, session, rows) })
	if err != nil {
		return nil, err
	}
	h.stop = stop
	return h, nil
}

func (h *heartbeat) write(ctx context.Context, session *server.Session, rows int64) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	// A stride that shares no factor with the number of rows spreads the writes over the whole table.
	for row := int64(0); ; row = (row + 7919) % rows {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		began := time.Now()
		err := session.Exec(ctx, fmt.Sprintf("UPDATE %s.%s SET k = k + 1 WHERE id = %d", database, table, firstID+row))
		took := time.Since(began)
		if ctx.Err() != nil {
			return
		}
		h.mutex.Lock()
		h.beats = append(h.beats, beat{began, took})
		h.err = err
		h.mutex.Unlock()
		if err != nil {
			return
		}
	}
}

// inBackground does something on a session of its own until stop is called; it has come to its end when ended has.
func inBackground(ctx context.Context, on server.Endpoint, ended *sync.WaitGroup, do func(context.Context, *server.Session)) (stop context.CancelFunc, err error) {
	opened, err := server.Open(ctx, on)
	if err != nil {
		return nil, err
	}
	session, err := opened.Session(ctx, server.SessionOptions{})
	if err != nil {
		_ = opened.Close()
		return nil, err
	}
	ctx, stop = context.WithCancel(ctx)
	ended.Go(func() {
		defer opened.Close()
		defer session.Close()
		do(ctx, session)
	})
	return stop, nil
}

// finish stops the writer and returns what it measured.
func (h *heartbeat) finish() ([]beat, error) {
	h.stop()
	h.ended.Wait()
	return h.beats, h.err
}

// window is a span of time.
type window struct{ from, to time.Time }

// within are the times, in milliseconds, of the commits that ran in one of the windows, at least in part.
func within(beats []beat, windows ...window) []float64 {
	var took []float64
	for _, b := range beats {
		for _, w := range windows {
			if b.at.Before(w.to) && b.at.Add(b.took).After(w.from) {
				took = append(took, milliseconds(b.took))
				break
			}
		}
	}
	return took
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// percentile is the least number that p percent of the numbers do not exceed; 0 of none.
func percentile(numbers []float64, p int) float64 {
	if len(numbers) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(numbers))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

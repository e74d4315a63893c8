package check

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// openPoint makes a sync point of the replicas that are still usable. What may pass by itself (a lost connection, a server that
// restarts, an applier that could not be stopped in time) gets as long as a replica has to reach a position; meanwhile no
// snapshot is held and no applier stopped. A replica that does not make it is given up.
func (r *run) openPoint(ctx context.Context, firstEpoch int) (*syncpoint.Point, *identities, error) {
	const firstWait, longestWait = 50 * time.Millisecond, 2 * time.Second
	deadline := time.Now().Add(r.request.SyncTimeout)
	tries := map[*member]int{}
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		point, before, err := r.tryPoint(ctx, firstEpoch)
		last := ctx.Err() != nil || time.Now().Add(wait).After(deadline)
		// In the middle of a run a long transaction costs patience, not the rest of the tables.
		again := err != nil && (passesAtSource(err) || firstEpoch > 1 && syncpoint.IsNotGranted(err))
		if err == nil && !last {
			again = r.awaitLost(ctx, point, tries, deadline)
		}
		if !again || last {
			if err != nil {
				return nil, nil, err
			}
			r.usePoint(point)
			return point, before, nil
		}
		if point != nil {
			_ = point.Close()
		}
		if err := pauseFor(ctx, wait); err != nil {
			return nil, nil, err
		}
	}
}

// mostPointTries is how often a replica that is kept out of a point costs the others, and the source, another one.
const mostPointTries = 3

// awaitLost decides whether another point is made for replicas that may make the next one. A server that cannot be reached is
// waited for first, without a point: the others are not paused for it.
func (r *run) awaitLost(ctx context.Context, point *syncpoint.Point, tries map[*member]int, deadline time.Time) (again bool) {
	var lost []*member
	for i, m := range r.members {
		failed := point.Failed(i)
		if failed == nil || failed.Code == syncpoint.LeftOut || !failed.MayPass() {
			continue
		}
		if tries[m]++; tries[m] >= mostPointTries {
			continue
		}
		r.request.Logger.Info("a replica is tried again", "replica", m.address, "why", failed)
		again = true
		if failed.Code == syncpoint.ReplicaLost {
			lost = append(lost, m)
		}
	}
	if len(lost) > 0 {
		_ = point.Close() // nobody holds a snapshot while a server restarts
	}
	for _, m := range lost {
		if session, err := reconnectUntil(ctx, m.server, server.SessionOptions{}, deadline); err == nil {
			_ = session.Close()
		}
	}
	return again
}

// pauseFor waits, unless ctx ends before.
func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tryPoint makes a sync point once.
func (r *run) tryPoint(ctx context.Context, firstEpoch int) (point *syncpoint.Point, before *identities, err error) {
	defer r.throttle.pausing()()
	if before, err = r.readIdentities(ctx); err != nil {
		return nil, nil, err
	}
	// A point numbers its replicas as the run does; those that are out get no session.
	replicas := make([]syncpoint.Replica, len(r.members))
	for i, m := range r.members {
		if r.isUsable(m) && m.strategy.isSynced() {
			replicas[i] = m.replica()
		}
	}
	locked, err := r.lockedTables(ctx)
	if err != nil {
		return nil, nil, err
	}
	options := r.pointOptions(firstEpoch)
	options.Tables = locked
	point, err = syncpoint.Open(ctx, r.source, replicas, options)
	return point, before, err
}

// pointOptions are those of the request, for any tables.
func (r *run) pointOptions(firstEpoch int) syncpoint.Options {
	return syncpoint.Options{Workers: r.request.Workers, Timeout: r.request.SyncTimeout,
		Pauses: r.request.Pauses, Recorder: r.request.Recorder, Guard: r.request.Guard, Logger: slog.New(&warningHandler{Handler: r.request.Logger.Handler(), warn: r.warnOnce}), FirstEpoch: firstEpoch,
		LockTimeout: r.request.LockTimeout, LockHoldMax: r.request.LockHoldMax}
}

// passesAtSource tells whether a source that could not be read may come back. An applier that could not be started again is a
// matter for a person.
func passesAtSource(err error) bool {
	var replica *syncpoint.Unverifiable
	var connect *server.ConnectError
	if errors.As(err, &replica) {
		return false
	}
	return server.IsConnectionLost(err) || server.IsQueryInterrupted(err) || errors.Is(err, syncpoint.ErrSourceSlow) || errors.As(err, &connect) && connect.Failure != server.ConnectDenied
}

// usePoint notes what the point is, and gives up the replicas that are not part of it.
func (r *run) usePoint(point *syncpoint.Point) {
	for i, m := range r.members {
		if failed := point.Failed(i); failed != nil && failed.Code != syncpoint.LeftOut {
			r.giveUpReplica(m, string(failed.Code), failed)
		}
	}
	for _, epoch := range point.Epochs {
		r.addEpoch(epoch)
	}
}

// reconnect opens a session, trying for as long as a replica has to reach a position.
func (r *run) reconnect(ctx context.Context, to *server.Server, options server.SessionOptions) (*server.Session, error) {
	return reconnectUntil(ctx, to, options, time.Now().Add(r.request.SyncTimeout))
}

func reconnectUntil(ctx context.Context, to *server.Server, options server.SessionOptions, deadline time.Time) (*server.Session, error) {
	const wait = 500 * time.Millisecond
	for {
		session, err := to.Session(ctx, options)
		if err == nil || !passesAtSource(err) || time.Now().Add(wait).After(deadline) {
			return session, err
		}
		if err := pauseFor(ctx, wait); err != nil {
			return nil, err
		}
	}
}

package syncpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trueup/replication"
	"trueup/server"
)

// Under the strategy Lock a replica's applier is never stopped. While the checked tables are locked on the source nothing can
// come for them: a replica that has executed all that was committed before has their rows exactly, however far it is with
// other tables. The lock is held until every such replica has opened its snapshots, or its time is over: writers wait out the
// replicas' lag, for LockHoldMax at the most.

// locking is the time in which the checked tables are locked, as the replicas' steppers see it.
type locking struct {
	held     chan struct{} // closed once the lock is held, or will never be
	position replication.Position
	deadline time.Time
	err      error // why it is not held
	lock     *tableLock
	followed chan struct{} // closed once every follower is through or out
	// follow and pause tell whether there are replicas of that kind.
	follow, pause bool
}

// follows tells whether the replica is read under the lock, without a pause.
func (s *stepper) follows() bool { return s.replica.Strategy == Lock }

// let lets the followers begin.
func (l *locking) let(position replication.Position, lock *tableLock) {
	l.position, l.lock = position, lock
	// What is left of the time is for saying that it is over before the server does.
	l.deadline = lock.heldSince.Add(lock.holdMax * 3 / 4)
	close(l.held)
}

// cancel tells the followers that the lock will not be held, unless it is or was.
func (l *locking) cancel(err error) {
	select {
	case <-l.held:
	default:
		l.err = err
		close(l.held)
	}
}

// follow waits until the replica has executed all that was committed before the lock, and opens its snapshots.
func (s *stepper) follow(ctx context.Context, l *locking) error {
	<-l.held
	if l.err != nil {
		return l.err
	}
	ctx, cancel := context.WithDeadline(ctx, l.deadline)
	defer cancel()
	target := l.position
	if s.upstream != nil {
		var err error
		if target, err = s.upstreamEnd(ctx, underLock); err != nil {
			return err
		}
	}
	status, err := s.awaitPassed(ctx, target)
	if err != nil {
		return err
	}
	end, err := s.logEnd(ctx)
	if err != nil {
		return err
	}
	s.bulletin.tell(underLock, end)
	for _, reader := range s.readers {
		if err := reader.Exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
			return s.refuseSnapshot(err)
		}
	}
	if err := l.lock.proveStillHeld(ctx); err != nil {
		return s.refuse(NotExact, err, "the lock under which it was read was lost")
	}
	if end, err = s.logEnd(ctx); err != nil {
		return err
	}
	s.followedAt = status
	return s.proveReturns(ctx, s.readers[0], end)
}

// refuseSnapshot says why a replica's snapshot could not be opened. One whose connection was lost may have it in the next point.
func (s *stepper) refuseSnapshot(err error) error {
	switch {
	case server.IsConnectionLost(err):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return s.refuse(ReplicaLost, err, "it did not answer in time when its snapshot was opened")
	}
	return s.refuse(SnapshotRefused, err, "opening its snapshot failed")
}

// underLock stands for the epochs that a lock makes the same for those below a follower: none of them is of a pause.
var underLock = &Epoch{}

// awaitPassed waits until the replica has executed everything before the target.
func (s *stepper) awaitPassed(ctx context.Context, target replication.Position) (replication.Status, error) {
	var last replication.Status
	answered := time.Now()
	for {
		status, err := s.status(ctx)
		if err == nil {
			last, answered = status, time.Now()
			err = s.refuseUnfit(status)
		}
		passed := false
		if err == nil {
			passed, err = s.hasPassed(ctx, status, target)
		}
		if ctx.Err() == nil && (err != nil || passed) {
			return status, err
		}
		if sleep(ctx, pollInterval) != nil {
			if silent := time.Since(answered); silent > s.options.LockHoldMax/2 {
				return status, s.refuse(ReplicaLost, err, "it did not answer for %v while the source's tables were locked", silent.Round(time.Millisecond))
			}
			return status, s.refuse(Lagging, nil, "the replica had executed %s when the locked source stood at %s, and did not get there while the lock may be held (--lock-hold-max %v)",
				last.Executed, target, s.options.LockHoldMax)
		}
	}
}

// hasPassed tells whether the replica has executed everything before the target. Where it executes several domains in parallel,
// only the GTIDs say so.
func (s *stepper) hasPassed(ctx context.Context, status replication.Status, target replication.Position) (bool, error) {
	if !status.SeveralDomains() {
		if status.Executed.Compare(target) >= 0 && !status.Executed.IsZero() {
			return true, nil
		}
		return s.isAt(ctx, status, target)
	}
	return s.hasExecuted(ctx, status, target)
}

// noteFollowers puts the followers into every epoch: for the locked tables they are all the same.
func (o *opening) noteFollowers() {
	for i, s := range o.steppers {
		if o.point.failed[i] != nil || !s.follows() {
			continue
		}
		for _, epoch := range o.point.Epochs {
			epoch.Replicas[i] = EpochReplica{Executed: s.followedAt.Executed, GTID: s.followedAt.ExecutedGTID, Exact: true}
		}
	}
}

// refusePrepared refuses a MariaDB source with prepared XA transactions: the commit of one whose session is gone does not wait
// for LOCK TABLES (seen on 10.11).
func (o *opening) refusePrepared(ctx context.Context) error {
	if o.source.Identity().Flavor != server.MariaDB {
		return nil
	}
	prepared, err := o.control.Records(ctx, "XA RECOVER")
	if err != nil {
		return err
	}
	if len(prepared) > 0 {
		return fmt.Errorf("%s: %d prepared XA transactions (see XA RECOVER) may be committed at any moment, which a read lock does not keep off on MariaDB: end them, or check with --sync until",
			o.source.Address(), len(prepared))
	}
	return nil
}

package syncpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"trueup/replication"
	"trueup/server"
)

const (
	// stopTimeout bounds STOP: the server waits in it for the applier's running statement.
	stopTimeout = 5 * time.Second
	// resumeTimeout bounds starting an applier again; afterwards the dead man's switch is all that is left.
	resumeTimeout    = 20 * time.Second
	unreachableLimit = 5 * time.Second
	// pollInterval is how often a status is read while an applier runs to a position: the applier's pause is as
	// exact as this.
	pollInterval = time.Millisecond
	lagInterval  = 20 * time.Millisecond
	// lookInterval is after how many polls an applier that did not move is compared with its target by the source's log.
	lookInterval = 20
)

// stepper brings one replica from position to position and back to where it was found. It is for one goroutine at a
// time.
type stepper struct {
	number  int
	replica Replica
	options Options
	logger  *slog.Logger
	places  *places

	control    *server.Session
	stopping   *server.Session // STOP has a connection of its own: it can hang, and is then cut off
	readers    []*server.Session
	deadMan    *deadMan
	stopped    bool      // we have stopped the applier, or may have
	pending    uint64    // session whose STOP we did not see end; 0: none
	startCut   time.Time // when a START of ours was cut off, or may have been; see noteCut
	stoppedAt  replication.Position
	stood      replication.Status // when last seen to stand
	pausedAt   time.Time
	ran        time.Duration      // on its way to positions since then
	epochs     []*Epoch           // in which this replica stands
	followedAt replication.Status // under the lock

	upstream   *stepper // nil: the source
	channels   int      // of the replica
	depth      int      // how many replicas lie between the source and this one
	feeds      bool     // it is the upstream of another
	bulletin   *bulletin
	log        *places // the replica's own log, where somebody has to look into it
	lastTarget replication.Position
	gtids      map[replication.Position]string // of targets, where they were asked for
	back       *back                           // nil: the source does not replicate from this replica
	resumeErr  error
	// sourceExecuted are the GTIDs that a MySQL source had executed when its snapshots were open; see noteExecuted.
	sourceExecuted string
	ignores        func(serverID string) bool // as of the last status

	pause     Pause  // what others have to know of it
	watched   bool   // the guard knows of it
	announced bool   // the journal names it
	recorded  func() // waits for the journal
}

func (s *stepper) address() string { return s.replica.Server.Address() }

// refuse makes the reason why this replica cannot be part of the point.
func (s *stepper) refuse(code Code, err error, format string, args ...any) error {
	return &Unverifiable{Address: s.address(), Code: code, Reason: fmt.Sprintf(format, args...), Err: err}
}

// unverifiable gives every error of a replica a code.
func (s *stepper) unverifiable(err error) *Unverifiable {
	var u *Unverifiable
	var changed *server.IdentityChangedError
	var connect *server.ConnectError
	switch {
	case errors.As(err, &u):
		return u
	case errors.As(err, &changed):
		return &Unverifiable{Address: s.address(), Code: IdentityChanged, Reason: "another server answers at its address", Err: err}
	case errors.As(err, &connect) && connect.Failure == server.ConnectDenied:
		return &Unverifiable{Address: s.address(), Code: AccessDenied, Reason: "it does not let the account in any more", Err: err}
	case server.IsConnectionLost(err), connect != nil && unreachable(err) && connect.Failure != server.ConnectCanceled:
		return &Unverifiable{Address: s.address(), Code: ReplicaLost, Reason: "the connection to the replica was lost", Err: err}
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return &Unverifiable{Address: s.address(), Code: Lagging, Reason: "the sync point was not reached in time", Err: err}
	default:
		return &Unverifiable{Address: s.address(), Code: CannotPause, Reason: "the replica could not be brought to the sync position", Err: err}
	}
}

// connect opens every session that the pause will need.
func (s *stepper) connect(ctx context.Context, workers int, keep func(*server.Session)) (err error) {
	if s.control, err = s.replica.Server.Session(ctx, server.SessionOptions{}); err != nil {
		return err
	}
	if s.stopping, err = s.replica.Server.Session(ctx, server.SessionOptions{}); err != nil {
		return err
	}
	for range workers {
		session, err := s.replica.Server.Session(ctx, server.SessionOptions{Reader: true})
		if err != nil {
			return err
		}
		keep(session)
		s.readers = append(s.readers, session)
	}
	statuses, err := replication.ReadStatuses(ctx, s.control)
	s.channels = len(statuses)
	return err
}

func (s *stepper) close() {
	for _, session := range []*server.Session{s.control, s.stopping} {
		if session != nil {
			_ = session.Close()
		}
	}
	if s.log != nil {
		_ = s.log.source.Close()
	}
	if s.back != nil {
		_ = s.back.session.Close()
	}
}

func (s *stepper) closeReaders() {
	for _, session := range s.readers {
		_ = session.Close()
	}
}

func (s *stepper) status(ctx context.Context) (replication.Status, error) {
	status, err := replication.ReadStatus(ctx, s.control, s.replica.Channel)
	s.ignores = status.Ignores(s.replica.Server.Identity())
	return status, err
}

// catchUp waits until the applier has passed the target, the receiver is connected and no long transaction is being executed, so
// that the pause will be short, and refuses replicas that do not run.
func (s *stepper) catchUp(ctx context.Context, target replication.Position) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	if err := s.awaitTarget(ctx, target); err != nil || s.follows() {
		return err
	}
	s.logger.Debug("the replica has caught up")
	return s.awaitBetween(ctx)
}

func (s *stepper) awaitTarget(ctx context.Context, target replication.Position) error {
	var last replication.Position
	for {
		status, err := s.status(ctx)
		if err != nil {
			return err
		}
		if err := s.refuseUnfit(status); err != nil {
			return err
		}
		if status.ReceiverState == replication.Running {
			passed := !status.Executed.IsZero() && status.Executed.Compare(target) >= 0
			if status.SeveralDomains() {
				if passed, err = s.hasExecuted(ctx, status, target); err != nil {
					return err
				}
			}
			if passed {
				return s.refuseBeyond(ctx, status.Executed)
			}
			if status.Executed == last { // it may stand at another name of the target; an error says that it does not
				if there, err := s.isAt(ctx, status, target); err == nil && there {
					return nil
				}
			}
		}
		last = status.Executed
		if err := sleep(ctx, lagInterval); err != nil {
			return s.refuseLate(status, target)
		}
	}
}

func (s *stepper) refuseLate(status replication.Status, target replication.Position) error {
	if status.ReceiverState != replication.Running {
		return s.refuse(ReceiverError, nil, "its receiver could not connect to its source within %v (--sync-timeout): %s", s.options.Timeout, status.ReceiverError)
	}
	return s.refuse(Lagging, nil, "the replica had executed %s when the source stood at %s, and did not get there within %v (--sync-timeout)",
		status.Executed, target, s.options.Timeout)
}

// refuseBeyond refuses a replica that has executed more than its source has written.
func (s *stepper) refuseBeyond(ctx context.Context, executed replication.Position) error {
	end, err := s.places.end(ctx)
	if err != nil {
		return err
	}
	if executed.Compare(end) <= 0 {
		return nil
	}
	return s.refuse(OtherHistory, nil, "it has executed its source's log up to %s, and this source's log ends at %s: it does not replicate from this source, or the source lost the end of its log in a crash",
		executed, end)
}

// mayPass tells whether a receiver that is not connected may come back by itself. It goes on trying whatever the reason
// is, but only a source that restarts, a network, or a limit on connections gives way without anybody's help.
func mayPass(status replication.Status) bool {
	number := status.ReceiverError.Number
	return number == 0 || status.ReceiverState == replication.Connecting &&
		(number >= 2000 && number < 3000 || slices.Contains([]int{1040, 1053, 1158, 1159, 1160, 1161, 1203, 1226}, number))
}

// refuseUnfit says why an applier in that state is not ours to stop and start.
func (s *stepper) refuseUnfit(status replication.Status) error {
	return Unfit(s.replica.Server, status, s.options.Timeout)
}

// Unfit says, as an *Unverifiable, why a replica in that state cannot be brought to a position within the timeout; nil when
// it can. A receiver that reconnects is given the time.
func Unfit(replica *server.Server, status replication.Status, timeout time.Duration) error {
	refuse := func(code Code, format string, args ...any) error {
		return &Unverifiable{Address: replica.Address(), Code: code, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case !status.ApplierError.IsZero() && !status.ApplierRunning:
		return refuse(ApplierError, "replication is stopped by an error: %s", status.ApplierError)
	case !status.ApplierRunning:
		return refuse(ApplierStopped, "its applier was stopped before the check (started by nobody since: whoever stopped it may need it so); start it with %s",
			replication.StartApplierStatement(replica.Identity(), status.Channel))
	case status.Until.Condition != "":
		return refuse(ForeignUntil, "its applier runs up to a position somebody else gave (UNTIL %s); it is left alone", status.Until.Condition)
	case status.ReceiverState != replication.Running && !mayPass(status):
		return refuse(ReceiverError, "it does not receive from its source: %s", status.ReceiverError)
	case status.ReceiverState == replication.Stopped:
		return refuse(ReceiverStopped, "its receiver is stopped, so it cannot reach the source's position")
	case status.Delay >= timeout:
		return refuse(Delayed, "it is delayed by %v, more than --sync-timeout %v; its delay is not changed", status.Delay, timeout)
	}
	return nil
}

package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trueup/server"
)

const (
	// resumePoll is how often a started applier is looked at.
	resumePoll = 20 * time.Millisecond
	// nextErrorWait is how long an applier that has passed a transaction is watched for failing at the next one.
	nextErrorWait = time.Second
	// leastLooks is how often it is looked at in that time, at the least.
	leastLooks = 10
)

// ErrStoppedByOthers says that an applier which was to pass a transaction was stopped before it, without an error: by somebody else.
var ErrStoppedByOthers = errors.New("the applier was stopped by somebody else before it reached the transaction's end")

// Resume starts an applier that stands at a transaction and waits until it has passed it: executed it, after what stood against it
// is gone, or skipped it. passed is false where it stopped with an error again and has not; the status then has that error. Where passed
// is true the status may have the error of a later transaction: the applier is watched for up to a second more where there is more to
// execute.
//
// The error is ctx's where it ends first, with the applier left running; ErrStoppedByOthers; ErrCannotTell; or that of a statement.
func Resume(ctx context.Context, replica *server.Session, failing Failing) (status Status, passed bool, err error) {
	status, err = ReadStatus(ctx, replica, failing.Channel)
	if err != nil {
		return Status{}, false, err
	}
	// Better known now than once it is started.
	if _, err := hasPassed(replica.Server().Identity().Flavor, status, failing); err != nil {
		return status, false, fmt.Errorf("%s: channel %q: %w", replica.Server().Address(), failing.Channel, err)
	}
	if err := StartApplier(ctx, replica, failing.Channel); err != nil {
		return status, false, err
	}
	return waitPassed(ctx, replica, failing, Position{})
}

// ErrCannotTell says that nobody could tell whether a replica has passed the transaction: its position is out of date for as long as it
// executes several GTID domains in parallel, and the transaction's GTID is not known.
var ErrCannotTell = errors.New("whether the replica has passed the transaction shows in its GTIDs only, and the transaction's GTID is not known")

// waitPassed watches an applier that was just started. An error in the status of one that runs may be an old one. reach is how far there
// is something to execute, at the least.
func waitPassed(ctx context.Context, replica *server.Session, failing Failing, reach Position) (Status, bool, error) {
	var passedAt time.Time
	looks := 0 // since then: a machine that stands still for a moment has not watched
	for {
		status, err := ReadStatus(ctx, replica, failing.Channel)
		if err != nil {
			return Status{}, false, err
		}
		passed, err := hasPassed(replica.Server().Identity().Flavor, status, failing)
		if err != nil {
			return status, false, fmt.Errorf("%s: channel %q: %w", replica.Server().Address(), failing.Channel, err)
		}
		switch {
		case status.StoppedByError():
			return status, passed || failedBehind(replica.Server().Identity().Flavor, status, failing), nil
		case passed && !status.ApplierRunning:
			return status, true, nil
		case !status.ApplierRunning:
			return status, false, fmt.Errorf("%s: channel %q stands at %s: %w", replica.Server().Address(), failing.Channel, status.Executed, ErrStoppedByOthers)
		case passed && passedAt.IsZero():
			passedAt = time.Now()
			if status.Received.Compare(reach) > 0 {
				reach = status.Received
			}
		}
		if passed {
			looks++
		}
		if passed && (status.Executed.Compare(reach) >= 0 || time.Since(passedAt) > nextErrorWait && looks > leastLooks) {
			return status, true, nil
		}
		select {
		case <-ctx.Done():
			return status, passed, fmt.Errorf("%s: waiting until channel %q has passed the transaction at %s: %w", replica.Server().Address(), failing.Channel, failing.Position, ctx.Err())
		case <-time.After(resumePoll):
		}
	}
}

// failedBehind tells whether the error of an applier without parallel workers is that of a later transaction. MySQL since 8.4 has one worker
// then, and does not move the applier's position over what that has executed when it stops with an error (seen on 9.7).
func failedBehind(flavor server.Flavor, status Status, failing Failing) bool {
	end, told := eventEnd(status.ApplierError.Message)
	return flavor == server.MySQL && status.Workers <= 1 && told && !failing.End.IsZero() && end.Compare(failing.End) > 0
}

// hasPassed tells whether a replica has the transaction behind it.
func hasPassed(flavor server.Flavor, status Status, failing Failing) (bool, error) {
	// MySQL's set is exact. On MariaDB it is of use only where the position is not: a sequence number says nothing of other servers' in
	// the same domain.
	if failing.GTID != "" && (flavor == server.MySQL || status.SeveralDomains()) {
		one, err := ParseGTIDSet(flavor, failing.GTID)
		if err != nil {
			return false, err
		}
		executed, err := ParseGTIDSet(flavor, status.ExecutedGTID)
		return err == nil && executed.Contains(one), err
	}
	if status.SeveralDomains() {
		return false, ErrCannotTell
	}
	// The position is always between two groups. Of parallel workers it may move on and not be behind the one that failed.
	switch {
	case !failing.End.IsZero():
		return status.Executed.Compare(failing.End) >= 0, nil
	case failing.EventFileSure:
		return status.Executed.Compare(failing.EventEnd) >= 0, nil
	}
	failsAgain := status.StoppedByError() && (maybeSameFailure(failing.Error, status.ApplierError) || failing.Unnamed() && status.ApplierError.Number == failing.Error.Number)
	// The file that a worker names is the event's, or the one before.
	behind := failing.EventEnd.File == "" || status.Executed.Compare(failing.EventEnd) >= 0
	return behind && status.Executed.Compare(failing.Position) > 0 && !failsAgain, nil
}

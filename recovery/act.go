package recovery

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"trueup/repair"
	"trueup/replication"
	"trueup/server"
)

// act carries out a way out, and waits until the replica has passed the transaction. passed is false where it stopped at it again.
func (r *run) act(ctx context.Context, f *failure, a *Attempt) (status replication.Status, passed bool, err error) {
	switch a.Action {
	case Fix:
		if err := r.fix(ctx, f, a); err != nil {
			return status, false, err
		}
		return r.resume(ctx, f, a)
	case Retry:
		return r.resume(ctx, f, a)
	case Skip:
		return r.skip(ctx, f, a)
	case Plan, Rebuild:
	}
	return status, false, fmt.Errorf("%s is nothing that trueup carries out", a.Action)
}

// fix changes the replica's rows such that the transaction applies.
func (r *run) fix(ctx context.Context, f *failure, a *Attempt) error {
	rewritings, _ := f.plan.rewriteTables()
	step := stepRecord{What: fmt.Sprintf("change %s of the replica, unlogged, in one transaction", count(int64(f.plan.rows()), "row"))}
	var err error
	if step.Statements, err = f.plan.statements(r.replica.Identity()); err != nil {
		return err
	}
	return r.step(ctx, a, step, func() (string, error) {
		done, err := repair.Rewrite(ctx, repair.RewriteRequest{On: r.replica, Source: r.request.Check.Source.Address, Replica: r.replica.Address(), Channel: r.channel, Version: r.request.Version,
			Tables: rewritings, Stands: func(ctx context.Context) error { return r.stands(ctx, f.failing) }, Journal: r.request.Journal, Numbers: &r.groups})
		if err != nil {
			return "", err
		}
		a.Undo += done.Groups
		return fmt.Sprintf("%s changed by %s", count(done.Rows, "row"), count(done.Statements, "statement")), nil
	})
}

// errMoved says that the channel is not any more as it was diagnosed.
var errMoved = errors.New("the channel is not any more as it was diagnosed")

// stands makes sure that the applier stands where it stood, with the same error.
func (r *run) stands(ctx context.Context, failing replication.Failing) error {
	session, err := r.replica.Session(ctx, server.SessionOptions{})
	if err != nil {
		return err
	}
	defer session.Close()
	now, status, err := replication.ReadFailing(ctx, session, r.channel)
	switch {
	case errors.Is(err, replication.ErrNotFailing):
		return fmt.Errorf("%w: its applier does not stand because of an error now; nothing was changed", errMoved)
	case err != nil:
		return err
	case now.Error != failing.Error || now.Position != failing.Position:
		return fmt.Errorf("%w: it stands at %s with %s now; nothing was changed", errMoved, status.Executed, now.Error)
	}
	return replication.RequireNoCounter(ctx, session, r.channel)
}

// resume starts the applier and waits until it has passed the transaction.
func (r *run) resume(ctx context.Context, f *failure, a *Attempt) (status replication.Status, passed bool, err error) {
	if err := r.stands(ctx, f.failing); err != nil {
		return status, false, err
	}
	limited, cancel := context.WithTimeout(ctx, r.request.Check.SyncTimeout)
	defer cancel()
	err = r.step(ctx, a, stepRecord{What: "start the applier", SQL: replication.StartApplierStatement(r.replica.Identity(), r.channel)}, func() (string, error) {
		status, passed, err = replication.Resume(limited, r.control, f.failing)
		switch {
		case err != nil:
			return "", r.explainTimeout(ctx, limited, err)
		case !passed && r.failsLater(ctx, f.failing):
			passed = true // as far as anybody can tell; the proof is what counts
			return fmt.Sprintf("it stopped at a later transaction: %s; whether its workers have executed all before that shows once it is past it", status.ApplierError), nil
		case f.failing.Unnamed():
			return wentOn(status, passed), nil
		case !passed:
			return fmt.Sprintf("it stopped at the same transaction again: %s", status.ApplierError), nil
		case status.StoppedByError():
			return fmt.Sprintf("it passed the transaction, and stopped at a later one: %s", status.ApplierError), nil
		}
		return "it passed the transaction", nil
	})
	return status, passed, err
}

// wentOn is what came of a start where nothing had said at which transaction the applier stood.
func wentOn(status replication.Status, passed bool) string {
	switch {
	case !passed:
		return fmt.Sprintf("it stopped again, maybe at the same transaction: %s", status.ApplierError)
	case status.StoppedByError():
		return fmt.Sprintf("it went on, and stopped again, maybe at a later transaction: %s", status.ApplierError)
	}
	return "it goes on, and is further than it was; which transaction had failed is not known, and one that waits for a lock stops it only after innodb_lock_wait_timeout: look again then (trueup status)"
}

// failsLater tells whether an applier of MySQL, whose position stays behind what its parallel workers have executed, stands with the error of a later
// transaction than the failing one. With GTIDs the executed set says it exactly.
func (r *run) failsLater(ctx context.Context, failing replication.Failing) bool {
	if r.replica.Identity().Flavor != server.MySQL || failing.GTID != "" || failing.End.IsZero() {
		return false
	}
	now, _, err := replication.ReadFailing(ctx, r.control, r.channel)
	if err != nil || now.EventEnd.IsZero() {
		return false
	}
	if !now.EventFileSure && fileBefore(now.EventEnd.File, now.Position.File) {
		now.EventEnd.File = now.Position.File // nothing before the low-water mark fails
	}
	return now.EventEnd.Compare(failing.End) > 0
}

// explainTimeout tells a wait that took too long from an interruption.
func (r *run) explainTimeout(ctx, limited context.Context, err error) error {
	if ctx.Err() == nil && limited.Err() != nil {
		return fmt.Errorf("the applier runs, but has not passed the transaction within %v (--sync-timeout): look at it with trueup status, and go on with --continue", r.request.Check.SyncTimeout)
	}
	return err
}

// skip passes over the transaction.
func (r *run) skip(ctx context.Context, f *failure, a *Attempt) (status replication.Status, passed bool, err error) {
	var source *server.Session
	if r.source != nil {
		if source, err = r.source.Session(ctx, server.SessionOptions{}); err != nil {
			return status, false, err
		}
		defer source.Close()
	}
	limited, cancel := context.WithTimeout(ctx, r.request.Check.SyncTimeout)
	defer cancel()
	var last *Step
	outcome, err := replication.Skip(limited, r.control, source, f.failing, f.method, func(ctx context.Context, step replication.SkipStep) error {
		if last != nil {
			r.stepDone(a, *last, "done")
		}
		last = &Step{What: step.What, SQL: step.SQL}
		return r.write(ctx, KindStep, "", "", stepRecord{What: step.What, SQL: step.SQL})
	})
	if err != nil {
		err = r.explainTimeout(ctx, limited, err)
	}
	if last != nil {
		result := "done: the transaction was passed over"
		if err != nil {
			result = strings.TrimPrefix(err.Error(), last.What+": ")
		}
		r.stepDone(a, *last, result)
	}
	for _, warning := range outcome.Warnings {
		r.warn("%s: %s", r.replica.Address(), warning)
	}
	return outcome.After, err == nil, err
}

// stepDone notes what came of a step that was written into the journal before.
func (r *run) stepDone(a *Attempt, step Step, result string) {
	step.At, step.Result = r.request.Check.Now(), result
	a.Steps = append(a.Steps, step)
	r.send(StepTaken{At: r.now(), Step: step})
	if err := r.writeAfter(KindStepDone, "", stepRecord{What: step.What, SQL: step.SQL, Result: result}); err != nil {
		r.warn("%v", err)
	}
}

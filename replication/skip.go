package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trueup/server"
)

var (
	// ErrFailingChanged says that the applier does not stand any more as it did when the transaction was looked at: nothing was
	// skipped. Look at it anew.
	ErrFailingChanged = errors.New("the replica does not stand at that transaction with that error any more")
	// ErrSkipWithoutEffect says that the skip has not had the effect it was to have: the transaction was not skipped.
	ErrSkipWithoutEffect = errors.New("the skip had no effect")
	// ErrSourceLogPurged says that the source has no binary logs any more from where the replica would have to read them again.
	ErrSourceLogPurged = errors.New("the source does not have the binary logs any more from the replica's GTID position on")
)

// settleLimit bounds what has to be put back after ctx has ended.
const settleLimit = 20 * time.Second

// SkipStep is a statement that Skip is about to run on the replica, and what for.
type SkipStep struct {
	What string
	SQL  string
}

// SkipOutcome is what came of a skip.
type SkipOutcome struct {
	Method SkipMethod
	Before Position // where the applier stood, at the failing transaction (but see Failing.Position)
	// After is the channel once the transaction was passed. Where the applier stopped with an error again (StoppedByError), that
	// is the next one.
	After Status
	// Warnings are the server's, and are not against the skip having had effect.
	Warnings []string
}

// skipper is one Skip at work.
type skipper struct {
	replica, source *server.Session
	terms           terms
	failing         Failing
	before          func(context.Context, SkipStep) error
	warnings        []string
}

// Skip makes a replica pass over exactly one transaction, the one at which its applier stands, starts the applier and waits until it
// has passed it. before is called ahead of each statement that changes anything on the replica: where it returns an error the
// statement is not run, unless it puts back what an earlier one changed. Sessions are control sessions (not Writer); the source's is read only, for
// SkipByGTIDPosition and for parallel appliers without GTID, and may be nil else.
//
// The replica's account needs REPLICATION SLAVE ADMIN (MariaDB; SUPER for the counter, also on newer ones), REPLICATION_SLAVE_ADMIN and SYSTEM_VARIABLES_ADMIN (MySQL, and
// TRANSACTION_GTID_TAG for a GTID with a tag), or SUPER (older ones), besides what ReadFailing needs; the source's BINLOG MONITOR, or
// REPLICATION SLAVE on MySQL.
//
// Everything that the transaction does is lost on the replica, the rows that stood against nothing included. The GTID of an empty
// transaction enters the replica's own binary log.
//
// Errors: ErrFailingChanged, where the error, the position or the GTID is another than failing says, or the applier runs;
// ErrSkipWithoutEffect, after what was set is set back; ErrSourceLogPurged; ErrCannotSkip; ErrCannotTell; ErrStoppedByOthers; ctx's where it ends
// before the applier has passed the transaction, which it may still do. None of them is worth a retry with the same failing.
func Skip(ctx context.Context, replica, source *server.Session, failing Failing, method SkipMethod, before func(ctx context.Context, step SkipStep) error) (SkipOutcome, error) {
	s := &skipper{replica: replica, source: source, terms: termsOf(replica.Server().Identity()), failing: failing, before: before}
	outcome := SkipOutcome{Method: method}
	if err := s.unchanged(ctx); err != nil {
		return outcome, err
	}
	skip, known := map[SkipMethod]func(context.Context) (Status, bool, error){
		SkipByCounter: s.byCounter, SkipByEmptyTransaction: s.byEmptyTransaction, SkipByGTIDPosition: s.byGTIDPosition,
	}[method]
	if !known {
		return outcome, s.errorf("%q is no way to skip a transaction: %w", method, ErrCannotSkip)
	}
	after, passed, err := skip(ctx)
	outcome.Before, outcome.After, outcome.Warnings = s.failing.Position, after, s.warnings
	if err == nil && !passed {
		err = s.errorf("the applier stands at %s with %s: %w", after.Executed, after.ApplierError, ErrSkipWithoutEffect)
	}
	return outcome, err
}

// errorf names the server and the channel in an error.
func (s *skipper) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: channel %q: %w", s.replica.Server().Address(), s.failing.Channel, fmt.Errorf(format, args...))
}

// unchanged makes sure that the applier still stands where it stood when the transaction was looked at, and that it will show when it
// has passed it.
func (s *skipper) unchanged(ctx context.Context) error {
	now, status, err := ReadFailing(ctx, s.replica, s.failing.Channel)
	if errors.Is(err, ErrNotFailing) {
		state := "stands without an error"
		if status.ApplierRunning {
			state = "runs"
		}
		return s.errorf("its applier %s: %w", state, ErrFailingChanged)
	}
	if err != nil {
		return err
	}
	s.failing.Channel = now.Channel // in the server's letters
	// The caller may know the GTID from the source's log.
	switch {
	case now.Error != s.failing.Error:
		return s.errorf("its error is now %s, it was %s: %w", now.Error, s.failing.Error, ErrFailingChanged)
	case now.Position != s.failing.Position:
		return s.errorf("it stands at %s now, it stood at %s: %w", now.Position, s.failing.Position, ErrFailingChanged)
	case now.GTID != "" && now.GTID != s.failing.GTID:
		return s.errorf("the failing transaction is %s now, it was %q: %w", now.GTID, s.failing.GTID, ErrFailingChanged)
	}
	if _, err := hasPassed(s.terms.flavor, status, s.failing); err != nil {
		return s.errorf("%w", err)
	}
	return nil
}

// do announces a statement and runs it.
func (s *skipper) do(ctx context.Context, what, statement string) error {
	if err := s.before(ctx, SkipStep{What: what, SQL: statement}); err != nil {
		return fmt.Errorf("before this was done: %s: %w", what, err)
	}
	if err := s.replica.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// putBack runs a statement that takes back what an earlier one did: also where ctx has ended, where it cannot be announced, and on another
// session where this one is lost.
func (s *skipper) putBack(ctx context.Context, what, statement string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	announced := s.before(ctx, SkipStep{What: what, SQL: statement})
	err := s.replica.Exec(ctx, statement)
	if server.IsConnectionLost(err) {
		err = s.elsewhere(ctx, statement)
	}
	if err != nil {
		return errors.Join(announced, fmt.Errorf("%s: %w", what, err))
	}
	return announced
}

// elsewhere runs a statement on a session of its own.
func (s *skipper) elsewhere(ctx context.Context, statement string) error {
	fresh, err := s.replica.Server().Session(ctx, server.SessionOptions{})
	if err != nil {
		return err
	}
	defer func() { _ = fresh.Close() }()
	return fresh.Exec(ctx, statement)
}

// start starts the applier and waits until it has passed the transaction.
func (s *skipper) start(ctx context.Context) (Status, bool, error) {
	if err := s.do(ctx, "start the applier", s.terms.startApplier(s.failing.Channel)); err != nil {
		return Status{}, false, err
	}
	return waitPassed(ctx, s.replica, s.failing, Position{})
}

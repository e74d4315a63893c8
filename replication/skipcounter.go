package replication

import (
	"context"
	"errors"
	"fmt"

	"trueup/server"
)

// harmlessWarning is of a variable's name that a newer one replaces (ER_WARN_DEPRECATED_SYNTAX). assigningOnly says that the counter
// is for channels only that give GTIDs to anonymous transactions (4016).
const (
	harmlessWarning = "1287"
	assigningOnly   = "4016"
)

// byCounter skips with the counter. MySQL's is one for the whole server, and the applier that is started next takes it; MariaDB has
// one for each channel.
//
// MySQL manual, "sql_replica_skip_counter"; MariaDB manual, "Multi-Source Replication".
func (s *skipper) byCounter(ctx context.Context) (status Status, passed bool, err error) {
	if err := s.pinGroup(ctx); err != nil {
		return Status{}, false, err
	}
	if err := s.chooseConnection(ctx); err != nil {
		return Status{}, false, err
	}
	defer func() { err = errors.Join(err, s.leaveConnection(ctx)) }()
	left, err := s.counter(ctx)
	if err == nil && left != "0" {
		err = s.errorf("@@%s is %s already, somebody else is about to skip: %w", s.terms.skipCounter(), left, ErrCannotSkip)
	}
	if err != nil {
		return Status{}, false, err
	}
	// MySQL 5.6 keeps the warnings of earlier statements until one that uses a table.
	if _, err := s.replica.Records(ctx, "SELECT 1 FROM information_schema.SCHEMATA LIMIT 1"); err != nil {
		return Status{}, false, fmt.Errorf("clearing the warnings: %w", err)
	}
	set := fmt.Sprintf("SET GLOBAL %s = 1", s.terms.skipCounter())
	if err := s.do(ctx, "skip the next event group", set); err != nil {
		// Where its answer was lost, the statement may have been carried out all the same.
		return Status{}, false, errors.Join(err, s.counterUsed(ctx))
	}
	// Somebody else's skip may have come between: then the counter would be for the next transaction.
	if err := errors.Join(s.counterHolds(ctx), s.unchanged(ctx)); err != nil {
		return Status{}, false, errors.Join(err, s.clearCounter(ctx))
	}
	status, passed, err = s.start(ctx)
	return status, passed, errors.Join(err, s.counterUsed(ctx))
}

// ErrCounterSet says that somebody has set the skip counter: the applier that is started next passes over transactions. Where it was left
// behind, set it to 0.
var ErrCounterSet = errors.New("somebody is about to skip")

// RequireNoCounter returns an error that wraps ErrCounterSet where starting the channel's applier would skip something. The session is a
// control session.
func RequireNoCounter(ctx context.Context, replica *server.Session, channel string) (err error) {
	s := &skipper{replica: replica, terms: termsOf(replica.Server().Identity()), failing: Failing{Channel: channel},
		before: func(context.Context, SkipStep) error { return nil }}
	if err := s.chooseConnection(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.leaveConnection(ctx)) }()
	left, err := s.counter(ctx)
	if err == nil && left != "0" {
		err = s.errorf("@@%s is %s, and the applier that is started next will use it: %w", s.terms.skipCounter(), left, ErrCounterSet)
	}
	return err
}

// chooseConnection makes @@sql_slave_skip_counter that of the channel, in this session; on MySQL there is nothing to choose.
func (s *skipper) chooseConnection(ctx context.Context) error {
	if s.terms.flavor != server.MariaDB {
		return nil
	}
	return s.do(ctx, "choose the connection that the counter is for", "SET SESSION default_master_connection = "+quote(s.failing.Channel))
}

func (s *skipper) leaveConnection(ctx context.Context) error {
	if s.terms.flavor != server.MariaDB || s.failing.Channel == "" {
		return nil
	}
	return s.putBack(ctx, "choose the default connection again", "SET SESSION default_master_connection = ''")
}

func (s *skipper) counter(ctx context.Context) (string, error) {
	record, err := s.replica.One(ctx, fmt.Sprintf("SELECT @@GLOBAL.%s AS counter", s.terms.skipCounter()))
	if err != nil {
		return "", fmt.Errorf("reading the skip counter: %w", err)
	}
	return record.Text("counter"), nil
}

// counterHolds looks whether the server has taken the counter, and will heed it.
func (s *skipper) counterHolds(ctx context.Context) error {
	warnings, err := s.replica.Records(ctx, "SHOW WARNINGS")
	if err != nil {
		return fmt.Errorf("reading the warnings of the skip counter: %w", err)
	}
	for _, warning := range warnings {
		code, text := warning.Text("Code"), fmt.Sprintf("%s %s: %s", warning.Text("Level"), warning.Text("Code"), warning.Text("Message"))
		harmless := code == harmlessWarning
		if code == assigningOnly {
			assigned, err := assignedUUID(ctx, s.replica, s.failing.Channel)
			if err != nil {
				return err
			}
			harmless = assigned != ""
		}
		if !harmless {
			return s.errorf("the server says: %s: %w", text, ErrSkipWithoutEffect)
		}
		s.warnings = append(s.warnings, text)
	}
	counter, err := s.counter(ctx)
	if err == nil && counter != "1" {
		err = s.errorf("@@%s is %q after it was set to 1: %w", s.terms.skipCounter(), counter, ErrSkipWithoutEffect)
	}
	return err
}

// clearCounter: a counter that is left behind would skip some later transaction.
func (s *skipper) clearCounter(ctx context.Context) error {
	return s.putBack(ctx, "take the skip counter back", fmt.Sprintf("SET GLOBAL %s = 0", s.terms.skipCounter()))
}

// counterUsed makes sure that nothing is left of the counter, on another session where this one was lost.
func (s *skipper) counterUsed(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	left, err := s.counter(ctx)
	if server.IsConnectionLost(err) {
		fresh, openErr := s.replica.Server().Session(ctx, server.SessionOptions{})
		if openErr != nil {
			return s.errorf("whether the skip counter is left behind cannot be seen (look at @@%s): %w", s.terms.skipCounter(), openErr)
		}
		defer func() { _ = fresh.Close() }()
		other := *s
		other.replica = fresh
		if err := other.chooseConnection(ctx); err != nil {
			return err
		}
		s = &other
		left, err = s.counter(ctx)
	}
	if err != nil || left == "0" {
		return err
	}
	// A MariaDB whose applier runs refuses it (error 1198); then it is on its way over the group.
	if err := s.clearCounter(ctx); err != nil {
		return s.errorf("the skip counter is still %s and could not be taken back (look at @@%s): %w", left, s.terms.skipCounter(), err)
	}
	return nil
}

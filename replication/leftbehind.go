package replication

import (
	"context"
	"errors"
	"strings"

	"trueup/server"
)

// TakeBackSkip puts back what a Skip has left behind that was killed: a counter that would skip some later transaction, appliers and
// receivers that it had stopped. statements are those that Skip announced, in their order. Where the transaction may be passed over already the applier
// is started, and watched until it has passed it or stands again: its status shows the old error until then, wherever its position is (MariaDB keeps it over
// STOP SLAVE, MySQL over the empty transaction). Other channels that stand because of an error are left as they are, and so is everything
// where the applier of the channel runs: then the skip came to its end. before is called ahead of each statement.
func TakeBackSkip(ctx context.Context, replica *server.Session, failing Failing, statements []string, before func(ctx context.Context, step SkipStep) error) error {
	s := &skipper{replica: replica, terms: termsOf(replica.Server().Identity()), failing: failing, before: before}
	statuses, err := ReadStatuses(ctx, replica)
	if err != nil {
		return err
	}
	var errs []error
	for _, status := range statuses {
		switch own := strings.EqualFold(status.Channel, failing.Channel); {
		case status.ApplierRunning:
		case own:
			errs = append(errs, s.takeBackOwn(ctx, status, statements))
		case !status.StoppedByError() && s.has(statements, s.terms.stopApplier(status.Channel)):
			errs = append(errs, s.do(ctx, "start the applier, which the interrupted skip had stopped", s.terms.startApplier(status.Channel)))
		}
	}
	return errors.Join(errs...)
}

// takeBackOwn puts back what was done to the channel itself.
func (s *skipper) takeBackOwn(ctx context.Context, status Status, statements []string) error {
	if err := s.takeBackCounter(ctx); err != nil {
		return err
	}
	var err error
	switch stopped := s.has(statements, s.terms.stopChannel(status.Channel)); {
	case stopped && status.ReceiverState == Stopped:
		err = s.do(ctx, "start receiver and applier, which the interrupted skip had stopped", s.terms.startChannel(status.Channel))
	case stopped, s.has(statements, commitStatement), !status.StoppedByError() && s.has(statements, s.terms.startApplier(status.Channel)):
		err = s.do(ctx, "start the applier, as the interrupted skip was to", s.terms.startApplier(status.Channel))
	default:
		return nil
	}
	if err != nil {
		return err
	}
	_, _, err = waitPassed(ctx, s.replica, s.failing, Position{})
	return err
}

// has tells whether Skip has announced a statement.
func (s *skipper) has(statements []string, wanted string) bool {
	for _, statement := range statements {
		if statement == wanted {
			return true
		}
	}
	return false
}

// takeBackCounter sets the channel's counter to 0 where it is not.
func (s *skipper) takeBackCounter(ctx context.Context) (err error) {
	if err := s.chooseConnection(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.leaveConnection(ctx)) }()
	left, err := s.counter(ctx)
	if err != nil || left == "0" {
		return err
	}
	return s.clearCounter(ctx)
}

package replication

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"trueup/server"
)

// How much of the source's log is looked at for the end of a group: 16,384 events.
const (
	groupPages = 64
	groupPage  = 256 // events
)

// groupEnd finds in a MySQL source's log where the event group ends that begins at a position; zero where it is too long, or the log
// is not there any more.
func groupEnd(ctx context.Context, source *server.Session, at Position) (Position, error) {
	inside := false
	for range groupPages {
		events, err := source.Records(ctx, fmt.Sprintf("SHOW BINLOG EVENTS IN %s FROM %d LIMIT %d", quote(at.File), at.Offset, groupPage))
		if number, ok := server.ErrorNumber(err); ok && number == 1220 { // no such log, no such position in it
			return Position{}, nil
		}
		if err != nil {
			return Position{}, fmt.Errorf("looking for the end of the transaction at %s: %w", at, err)
		}
		for _, event := range events {
			end, err := positionIn(source, at.File, event, "End_log_pos")
			if err != nil {
				return Position{}, err
			}
			at = end
			switch info := event.Text("Info"); event.Text("Event_type") {
			case "Query":
				if info == "BEGIN" || strings.HasPrefix(info, "XA START") {
					inside = true
				} else if !inside || info == "COMMIT" || info == "ROLLBACK" {
					return end, nil
				}
			case "Xid", "XA_prepare", "Transaction_payload":
				return end, nil
			case "Rotate", "Stop":
				return Position{}, nil
			}
		}
		if len(events) < groupPage {
			break // the log ends within the group
		}
	}
	return Position{}, nil
}

// pinGroup makes sure that the group at the channel's position is the one that failed. Where MySQL executes anonymous transactions in
// parallel the position is a low-water mark: the groups before the failing one may be executed without that it has moved, or may be left out. Then
// they are executed, and the applier fails again behind them.
func (s *skipper) pinGroup(ctx context.Context) error {
	if s.terms.flavor != server.MySQL {
		return nil
	}
	status, err := ReadStatus(ctx, s.replica, s.failing.Channel)
	if err != nil || status.Workers == 0 && !s.failing.OfWorker() {
		return err
	}
	if s.failing.EventEnd.IsZero() {
		return s.errorf("which transaction failed cannot be told: the text of %s names no position: %w", s.failing.Error, ErrCannotSkip)
	}
	diagnosed := s.failing.End
	if s.failing.EventFileSure {
		if holds, err := s.groupFailed(ctx); err != nil || holds {
			return errors.Join(err, s.isDiagnosed(diagnosed))
		}
	}
	if err := s.fillGaps(ctx); err != nil {
		return err
	}
	// It failed as the first one from there on, so that the file is the position's even where the text has none.
	holds, err := s.groupFailed(ctx)
	if err == nil && !holds {
		err = s.errorf("the transaction at %s is not the one whose event at %s failed: %w", s.failing.Position, s.failing.EventEnd, ErrCannotSkip)
	}
	if err != nil {
		return err
	}
	return s.isDiagnosed(diagnosed)
}

// isDiagnosed makes sure that what is about to be passed over is what was explained, and will be compared, where that is known.
func (s *skipper) isDiagnosed(end Position) error {
	if end.IsZero() || s.failing.End == end {
		return nil
	}
	return s.errorf("the transaction that failed ends at %s, and not at %s as was found before: %w", s.failing.End, end, ErrFailingChanged)
}

// groupFailed tells whether the group at the position holds the event that failed.
func (s *skipper) groupFailed(ctx context.Context) (bool, error) {
	if s.source == nil {
		return false, s.errorf("without the source nobody can say which transaction is at %s: %w", s.failing.Position, ErrCannotSkip)
	}
	end, err := groupEnd(ctx, s.source, s.failing.Position)
	if err != nil {
		return false, err
	}
	if end.IsZero() {
		return false, s.errorf("where the transaction at %s ends cannot be read from the source's log, and so not whether it is the one that failed: %w", s.failing.Position, ErrCannotSkip)
	}
	failed := s.failing.EventEnd
	if !s.failing.EventFileSure {
		failed.File = s.failing.Position.File
	}
	if s.failing.Position.Compare(failed) >= 0 || failed.Compare(end) > 0 {
		return false, nil
	}
	s.failing.End = end
	return true, nil
}

// fillGaps makes the applier execute what comes ahead of the failing transaction, and fail there again, at the same event.
//
// MySQL manual, "START REPLICA Statement", SQL_AFTER_MTS_GAPS.
func (s *skipper) fillGaps(ctx context.Context) error {
	if err := s.do(ctx, "execute what parallel workers have left out before the failing transaction", s.terms.startApplierAfterGaps(s.failing.Channel)); err != nil {
		return err
	}
	status, err := s.waitStopped(ctx)
	if err == nil && !status.StoppedByError() {
		if err = s.do(ctx, "start the applier, to see it fail where it stands now", s.terms.startApplier(s.failing.Channel)); err == nil {
			_, err = s.waitStopped(ctx)
		}
	}
	if err != nil {
		return err
	}
	now, status, err := ReadFailing(ctx, s.replica, s.failing.Channel)
	if err != nil && !errors.Is(err, ErrNotFailing) {
		return err
	}
	if err != nil || now.Error.Number != s.failing.Error.Number || now.EventEnd.Offset != s.failing.EventEnd.Offset {
		return s.errorf("what comes before the failing transaction was executed, and the applier stands at %s with %q now: %w", status.Executed, status.ApplierError, ErrFailingChanged)
	}
	s.failing = now
	return nil
}

// waitStopped waits until the applier stands.
func (s *skipper) waitStopped(ctx context.Context) (Status, error) {
	for {
		status, err := ReadStatus(ctx, s.replica, s.failing.Channel)
		if err != nil || !status.ApplierRunning {
			return status, err
		}
		select {
		case <-ctx.Done():
			return status, s.errorf("waiting until the applier stands: %w", ctx.Err())
		case <-time.After(resumePoll):
		}
	}
}

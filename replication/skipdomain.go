package replication

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trueup/server"
)

// byGTIDPosition sets @@gtid_slave_pos behind the failing transaction, for its domain only. The server takes it only while no applier
// of any channel runs (error 1198), and with receiver and applier of the channel stopped it throws the relay log away: all that is not
// executed is read from the source again, so the source is asked first whether it still has it.
//
// MariaDB manual, "gtid_slave_pos".
func (s *skipper) byGTIDPosition(ctx context.Context) (status Status, passed bool, err error) {
	gtid, err := s.oneGTID(server.MariaDB)
	if err != nil {
		return Status{}, false, err
	}
	if err := s.sourceHasLogs(ctx); err != nil {
		return Status{}, false, err
	}
	channel, others, err := s.running(ctx)
	if err != nil {
		return Status{}, false, err
	}
	started := false
	defer func() {
		if channel.ReceiverState != Stopped && !started { // what it had before
			err = errors.Join(err, s.putBack(ctx, "start the receiver again", s.terms.startReceiver(s.failing.Channel)))
		}
		for _, other := range others {
			err = errors.Join(err, s.putBack(ctx, fmt.Sprintf("start the applier of channel %q again", other), s.terms.startApplier(other)))
		}
	}()
	for _, other := range others {
		if err := s.do(ctx, fmt.Sprintf("stop the applier of channel %q for a moment: the GTID position is that of all channels", other), s.terms.stopApplier(other)); err != nil {
			return Status{}, false, err
		}
	}
	if err := s.do(ctx, "stop receiver and applier", s.terms.stopChannel(s.failing.Channel)); err != nil {
		return Status{}, false, err
	}
	if err := s.setPosition(ctx, gtid); err != nil {
		return Status{}, false, err
	}
	started = true
	if err := s.do(ctx, "start receiver and applier", s.terms.startChannel(s.failing.Channel)); err != nil {
		started = false
		return Status{}, false, err
	}
	if err := s.waitReceiving(ctx); err != nil {
		return Status{}, false, err
	}
	s.failing.GTID = gtid
	// The receiver begins anew, and what it has received says nothing yet.
	return waitPassed(ctx, s.replica, s.failing, channel.Received)
}

// running returns the channel, and the others whose appliers run.
func (s *skipper) running(ctx context.Context) (channel Status, others []string, err error) {
	statuses, err := ReadStatuses(ctx, s.replica)
	for _, status := range statuses {
		if status.Channel == s.failing.Channel {
			channel = status
		} else if status.ApplierRunning {
			others = append(others, status.Channel)
		}
	}
	return channel, others, err
}

// setPosition reads the position only now that nothing moves it: with an older one for another domain, what that has executed since
// would be executed once more.
func (s *skipper) setPosition(ctx context.Context, gtid string) error {
	now, err := ExecutedGTID(ctx, s.replica)
	if err != nil {
		return err
	}
	next, err := positionBehind(now, gtid)
	if err != nil {
		return s.errorf("%w", err)
	}
	if err := s.do(ctx, "set the GTID position behind the failing transaction", "SET GLOBAL gtid_slave_pos = "+quote(next)); err != nil {
		return err
	}
	set, err := ExecutedGTID(ctx, s.replica)
	if err != nil {
		return err
	}
	wanted, wantErr := ParseGTIDSet(server.MariaDB, next)
	got, gotErr := ParseGTIDSet(server.MariaDB, set)
	if err := errors.Join(wantErr, gotErr); err != nil {
		return err
	}
	if !got.Equal(wanted) {
		return s.errorf("@@gtid_slave_pos is %q after it was set to %q: %w", set, next, ErrSkipWithoutEffect)
	}
	return nil
}

// positionBehind is a MariaDB position with one domain moved on to a GTID.
func positionBehind(position, gtid string) (string, error) {
	now, err := ParseGTIDSet(server.MariaDB, position)
	if err != nil {
		return "", err
	}
	one, err := ParseGTIDSet(server.MariaDB, gtid)
	if err != nil {
		return "", err
	}
	if now.Contains(one) {
		return "", fmt.Errorf("the replica is at %s and has passed %s already: %w", position, gtid, ErrFailingChanged)
	}
	next := map[uint32]mariaGTID{}
	for domain, last := range now.domains {
		next[domain] = last
	}
	for domain, last := range one.domains {
		next[domain] = last
	}
	return GTIDSet{domains: next}.String(), nil
}

// sourceHasLogs proves that the source's oldest binary log begins at or before the replica's GTID position in each domain.
func (s *skipper) sourceHasLogs(ctx context.Context) error {
	if s.source == nil {
		return s.errorf("without the source nobody can say whether it still has what would have to be read again: %w", ErrCannotSkip)
	}
	executed, err := ExecutedGTID(ctx, s.replica)
	if err != nil {
		return err
	}
	oldest, err := oldestGTID(ctx, s.source)
	if err != nil {
		return err
	}
	at, atErr := ParseGTIDSet(server.MariaDB, executed)
	purged, purgedErr := ParseGTIDSet(server.MariaDB, oldest)
	if err := errors.Join(atErr, purgedErr); err != nil {
		return err
	}
	if !at.Contains(purged) {
		return s.errorf("the oldest log of %s begins after %s, the replica is at %s: %w", s.source.Server().Address(), oldest, executed, ErrSourceLogPurged)
	}
	return nil
}

// oldestGTID is the GTID position of a MariaDB source where its oldest binary log begins: what it has of each domain in logs that are
// purged. It needs BINLOG MONITOR.
func oldestGTID(ctx context.Context, source *server.Session) (string, error) {
	logs, err := source.Records(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return "", fmt.Errorf("reading which binary logs the source has: %w", err)
	}
	if len(logs) == 0 {
		return "", fmt.Errorf("%s: %w", source.Server().Address(), ErrBinlogOff)
	}
	file := logs[0].Text("Log_name")
	const headers = 8 // format, encryption, GTID list, checkpoint
	events, err := source.Records(ctx, fmt.Sprintf("SHOW BINLOG EVENTS IN %s LIMIT %d", quote(file), headers))
	if err != nil {
		return "", fmt.Errorf("reading where the source's oldest binary log begins: %w", err)
	}
	for _, event := range events {
		if event.Text("Event_type") == "Gtid_list" {
			at, err := positionIn(source, file, event, "End_log_pos")
			if err != nil {
				return "", err
			}
			return GTIDAt(ctx, source, at)
		}
	}
	return "", fmt.Errorf("%s: the binary log %s does not say at which GTIDs it begins: %w", source.Server().Address(), file, ErrCannotSkip)
}

// waitReceiving waits until the receiver reads from the source again, or has stopped because it cannot.
func (s *skipper) waitReceiving(ctx context.Context) error {
	for {
		status, err := ReadStatus(ctx, s.replica, s.failing.Channel)
		switch {
		case err != nil:
			return err
		case status.ReceiverState == Running || status.StoppedByError():
			return nil
		case status.ReceiverState == Stopped && !status.ReceiverError.IsZero():
			return s.errorf("the GTID position is behind the transaction, but the receiver stopped with %s", status.ReceiverError)
		}
		select {
		case <-ctx.Done():
			return s.errorf("the GTID position is behind the transaction, but the receiver does not read from the source (%s): %w", status.ReceiverState, ctx.Err())
		case <-time.After(resumePoll):
		}
	}
}

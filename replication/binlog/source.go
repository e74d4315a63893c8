package binlog

import (
	"context"
	"strings"

	"trueup/replication"
	"trueup/server"
)

// ReadFrom reads the transactions of a server's binary log from a position that lies between two of them, and hands each to
// visit until that returns false or an error, which is returned as it is. It never waits for the log to grow: at its end
// the error is ErrEnd. A transaction is visit's to keep.
//
// The account needs REPLICATION SLAVE. Other errors: *server.ConnectError,
// *server.IdentityChangedError, *DeniedError, *PurgedError, *PositionError, *DamagedError, and those of a connection that was lost, for which
// server.IsConnectionLost is true and which may be done again from the last transaction's EndPosition.
func ReadFrom(ctx context.Context, on *server.Server, from replication.Position, limits Limits, visit func(*Transaction) (more bool, err error)) error {
	const firstEvent = 4
	from.Offset = max(from.Offset, firstEvent)
	if err := checkOffset(on.Address(), from); err != nil {
		return err
	}
	d, err := dial(ctx, on)
	if err != nil {
		return err
	}
	defer d.close()
	if err := d.ask(from); err != nil {
		return err
	}
	s := newStream(on.Address(), on.Identity().Flavor.String(), from, limits, visit)
	for {
		raw, err := d.next()
		if err != nil {
			return refused(on, s.at, err)
		}
		if raw == nil {
			return ErrEnd
		}
		if more, err := s.take(raw); err != nil || !more {
			return err
		}
	}
}

// refused gives what a server says instead of sending its log a type. The number is the same for all that is wrong with the log
// (ER_MASTER_FATAL_ERROR_READING_BINLOG); only the text tells.
func refused(on *server.Server, at replication.Position, err error) error {
	const fatal, newer = 1236, 13114
	if server.IsAccessDenied(err) {
		return &DeniedError{Address: on.Address(), Privilege: "REPLICATION SLAVE ON *.*", Err: err}
	}
	number, ok := server.ErrorNumber(err)
	if !ok || number != fatal && number != newer {
		return err
	}
	text := strings.ToLower(server.ErrorText(err))
	for _, missing := range []string{"could not find first log file", "purged", "could not open log file", "file not found"} {
		if strings.Contains(text, missing) {
			return &PurgedError{Address: on.Address(), Position: at, Err: err}
		}
	}
	return &PositionError{Address: on.Address(), Position: at, Why: server.ErrorText(err), Err: err}
}

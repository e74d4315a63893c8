package binlog

import (
	"errors"
	"fmt"

	"trueup/replication"
	"trueup/server"
)

// ErrEnd says that the log has no more transactions at the moment. Reading again from the end of the last one finds those
// that were written meanwhile.
var ErrEnd = errors.New("the log ends here")

// PurgedError is returned where the log file that is asked for is not there (any more): the source's error 1236, in newer
// replicas' status 13114. Retrying does not help; the replica's relay log may still have it.
type PurgedError struct {
	Address  string
	Position replication.Position
	Err      error
}

func (e *PurgedError) Error() string {
	return fmt.Sprintf("%s does not have the log file of %s (any more): %s", e.Address, e.Position, server.ErrorText(e.Err))
}

// Unwrap returns what the server said.
func (e *PurgedError) Unwrap() error { return e.Err }

// PositionError is returned where no event begins at the position that is asked for, or no transaction: retrying does not help.
type PositionError struct {
	Address  string
	Position replication.Position
	Why      string
	Err      error // what the server said; nil where it said nothing
}

func (e *PositionError) Error() string {
	return fmt.Sprintf("%s: the log cannot be read from %s: %s", e.Address, e.Position, e.Why)
}

// Unwrap returns what the server said.
func (e *PositionError) Unwrap() error { return e.Err }

// DamagedError is an event that cannot be read: broken, or of a kind that this version does not know. Retrying does not help.
type DamagedError struct {
	Where    string // the server's address, or the relay log's file
	Position replication.Position
	Err      error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s: the log has an event at %s that cannot be read: %v", e.Where, e.Position, e.Err)
}

// Unwrap returns what is wrong with it.
func (e *DamagedError) Unwrap() error { return e.Err }

// DeniedError is returned where the account may not read the log: the grant it names is missing.
type DeniedError struct {
	Address   string
	Privilege string
	Err       error
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("%s: the account may not read the binary log: grant it %s (%s)", e.Address, e.Privilege, server.ErrorText(e.Err))
}

// Unwrap returns what the server said; server.IsAccessDenied is true of it.
func (e *DeniedError) Unwrap() error { return e.Err }

// UnreadableError is returned by Field.As where the log does not tell the value as the server would show it.
type UnreadableError struct {
	Column string
	Why    string
}

func (e *UnreadableError) Error() string {
	return fmt.Sprintf("the value of column %s cannot be read from the log: %s", e.Column, e.Why)
}

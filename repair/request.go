package repair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"trueup/check"
	"trueup/replication/syncpoint"
)

// Via is the server that a repair is written to.
type Via string

// The ways.
const (
	// ViaReplica writes to the replica itself, unlogged.
	ViaReplica Via = "replica"
	// ViaSource writes statements on the source that change nothing there and are replicated.
	ViaSource Via = "source"
)

const (
	// DefaultMaxRows is how many rows a repair changes before somebody has to allow more.
	DefaultMaxRows = 10_000
	// DefaultMaxPause is how long an applier stands for groups of rows.
	DefaultMaxPause = 5 * time.Second
)

// Request is what a repair is asked to do. DefaultRequest fills in what a user need not say.
type Request struct {
	// Check is the check that the repair begins with: servers, filters, settings, nets. Its Ranges are those of a stored check.
	Check check.Request
	// From are the servers of the stored check whose ranges the check is restricted to; nil: there is none. Others are refused.
	From *Stored
	// Apply changes the replicas; else the result is a plan.
	Apply    bool
	Via      Via
	MaxRows  int64         // differing rows of all replicas together, beyond which nothing is applied
	MaxPause time.Duration // of an applier, at a time
	// WithSchema creates missing tables on the replicas, and drops extra ones once they are empty.
	WithSchema bool
	// LeaveDownstream repairs a replica that has replicas of its own, which are not part of the run and do not get what is repaired.
	LeaveDownstream bool
	// Confirm is asked before anything is changed; nil: nobody is.
	Confirm func(ctx context.Context, planned *Result) (bool, error)
	// Script is where a plan's SQL goes; nil: nowhere. It is called once a replica, in their order.
	Script func(replica check.ReplicaResult) io.Writer
	// Journal gets every group's undo before the group is applied. Required with Apply.
	Journal syncpoint.Recorder
	// OnlyRanges: what is checked afterwards are the ranges that were found to differ, and no more, wherever their differences may have moved.
	OnlyRanges bool
	// Numbers number the groups of the journal where others write into it too; nil: nobody does, and each replica's begin with 1.
	Numbers *Numbers
	// Version is trueup's own, for the headers of scripts.
	Version string
}

// Stored are the servers of a stored check.
type Stored struct {
	RunID    string
	Source   StoredServer
	Replicas []StoredServer
}

// StoredServer is what a stored check tells of a server.
type StoredServer struct {
	Address  string
	Flavor   string
	ServerID uint32
	UUID     string
}

// DefaultRequest is a request with every setting at its default; Check.Source remains to be said.
func DefaultRequest() Request {
	return Request{Check: check.DefaultRequest(), Via: ViaReplica, MaxRows: DefaultMaxRows, MaxPause: DefaultMaxPause}
}

// Validate says what cannot be asked for.
func (r Request) Validate() error {
	if err := r.validateOwn(); err != nil {
		return &check.RequestError{Err: err}
	}
	return r.Check.Validate()
}

func (r Request) validateOwn() error {
	const leastPause, mostPause = 100 * time.Millisecond, 10 * time.Minute
	switch {
	case r.Via != ViaReplica && r.Via != ViaSource:
		return fmt.Errorf("--via %q: replica or source", r.Via)
	case r.MaxRows < 1:
		return fmt.Errorf("--max-rows %d: at least 1", r.MaxRows)
	case r.MaxPause < leastPause || r.MaxPause > mostPause:
		return fmt.Errorf("--max-pause %v: from %v to %v", r.MaxPause, leastPause, mostPause)
	case r.Check.MaxDuration > 0:
		return errors.New("--max-duration does not bound a repair: it would end the check that the repair begins with, and leave out what was not compared by then; choose fewer tables, or end the repair with Ctrl-C, which ends it in good order")
	case r.Apply && r.Journal == nil:
		return errors.New("nothing is applied without a journal for the rows' images")
	}
	return nil
}

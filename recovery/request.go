package recovery

import (
	"context"
	"errors"
	"fmt"

	"trueup/check"
	"trueup/replication/syncpoint"
)

// DefaultMaxErrors is how many errors an unattended recovery deals with.
const DefaultMaxErrors = 1

// Choice is what a person, or the command line, decided about an error.
type Choice struct {
	Action Action // Plan: leave the replica as it is
	By     string // "terminal" or "command line"
}

// Request is what a recovery is asked to do. DefaultRequest fills in what a user need not say.
type Request struct {
	// Check holds the servers (Source, and exactly one of Replicas), settings and nets; the proof is a check with them. Its filters are
	// not used: what was touched is compared.
	Check check.Request
	// Channel is the stopped one; "" with ChannelNamed unset: the one that is stopped, or the only one.
	Channel      string
	ChannelNamed bool
	// Choose decides about a diagnosis; nil: everything is explained and nothing done.
	Choose func(ctx context.Context, diagnosis *Diagnosis) (Choice, error)
	// CheckTables proves the touched tables as a whole, not only the touched rows.
	CheckTables bool
	MaxErrors   int // that are dealt with, one after the other
	// Continue is what a recovery that was cut short has left; nil: this one is new.
	Continue *Left
	// Journal gets every step before it is taken. Required where Choose is set.
	Journal syncpoint.Recorder
	// User is who runs trueup, for the journal.
	User    string
	Version string
	// LocalFiles is whether relay logs may be read as files of this machine, where the replica runs on it.
	LocalFiles bool
}

// DefaultRequest is a request with every setting at its default; the servers remain to be said.
func DefaultRequest() Request {
	return Request{Check: check.DefaultRequest(), MaxErrors: DefaultMaxErrors, LocalFiles: true}
}

// Validate says what cannot be asked for.
func (r Request) Validate() error {
	var problems []error
	if len(r.Check.Replicas) != 1 {
		problems = append(problems, fmt.Errorf("one replica is recovered at a time, and %d are named", len(r.Check.Replicas)))
	}
	if r.MaxErrors < 1 {
		problems = append(problems, fmt.Errorf("--max-errors %d: at least 1", r.MaxErrors))
	}
	if r.Choose != nil && r.Journal == nil {
		problems = append(problems, errors.New("nothing is done without a journal"))
	}
	if len(problems) > 0 {
		return &check.RequestError{Err: errors.Join(problems...)}
	}
	return nil
}

package check

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"trueup/chunker"
	"trueup/internal/audit"
	"trueup/replication/syncpoint"
	"trueup/schema"
	"trueup/server"
)

// Request is what a check is asked to do. DefaultRequest fills in what a user need not say.
type Request struct {
	RunID    string // names the run in reports; NewRunID makes one
	Source   server.Endpoint
	Replicas []server.Endpoint // empty: discovered from the source
	// Known: the replicas are those of another check, so that one which is not the source's any more is unverified, and no error of the request.
	Known   bool
	Filters Filters
	// Ranges restrict the check to parts of tables; nil: all of the tables that the filters choose.
	Ranges []Range

	Sync           Strategy // how source and replicas are read; DefaultRequest: Until
	Workers        int
	Size           chunker.SizeOptions
	SyncTimeout    time.Duration // for a replica to reach the position, waiting for lag included
	SyncMaxAge     time.Duration // a sync point older than this is replaced by a new one
	LockTimeout    time.Duration // for all locks on a MySQL source together
	LockHoldMax    time.Duration // how long those locks are held at the most
	Throttle       Throttle      // when to wait instead of reading
	MaxDuration    time.Duration // the run ends then, with what it has; 0: it takes as long as it takes
	MaxDifferences int           // rows listed in the result; all are counted
	// Differences gets every row that differs, also those that the result does not list; nil: nobody does.
	Differences DifferenceSink
	Pauses      *syncpoint.Pauses
	// Recorder and Guard are told of every pause of a replica's applier before it begins; each may be nil.
	Recorder syncpoint.Recorder
	Guard    syncpoint.Guard
	// Journals are where runs that died may have left pauses open; nil: nobody looks.
	Journals *audit.Folder
	Logger   *slog.Logger
	Now      func() time.Time
}

// Range is a part of a table that a check of one replica is restricted to, (Lower, Upper] of a key, as a DifferentRange names it. Without a key, or where
// the table is not split by that key any more, it stands for the whole table.
type Range struct {
	Replica         string // address
	Database, Table string
	Key             string
	Lower, Upper    []NamedValue // nil: the range has no end there
}

// DifferenceSink takes in differing rows as they are found. Write is called by one goroutine at a time; its error ends the
// run, as a *SinkError.
type DifferenceSink interface {
	Write(RowDifference) error
}

// SinkError is a run that ended because its differences could not be written down.
type SinkError struct{ Err error }

func (e *SinkError) Error() string { return "writing down the differences: " + e.Err.Error() }

// Unwrap returns the sink's error.
func (e *SinkError) Unwrap() error { return e.Err }

const (
	// DefaultMaxDifferences is how many differing rows a result lists.
	DefaultMaxDifferences = 1000
	// DefaultSyncMaxAge is how long snapshots are held: they keep the servers from purging old row versions.
	DefaultSyncMaxAge = 5 * time.Minute
)

// DefaultWorkers is how many chunks are read at once: reading is the servers' work more than ours.
func DefaultWorkers() int { return max(2, min(4, runtime.NumCPU())) }

// DefaultRequest is a request with every setting at its default; Source remains to be said.
func DefaultRequest() Request {
	return Request{
		RunID:          NewRunID(time.Now()),
		Sync:           Until,
		Workers:        DefaultWorkers(),
		Size:           chunker.SizeOptions{Time: chunker.DefaultTime},
		SyncTimeout:    syncpoint.DefaultTimeout,
		SyncMaxAge:     DefaultSyncMaxAge,
		LockTimeout:    syncpoint.DefaultLockTimeout,
		LockHoldMax:    syncpoint.DefaultLockHoldMax,
		MaxDifferences: DefaultMaxDifferences,
		Pauses:         &syncpoint.Pauses{},
		Logger:         slog.New(slog.DiscardHandler),
		Now:            time.Now,
	}
}

// NewRunID makes a name for a run that sorts by time and that no other run has.
func NewRunID(now time.Time) string {
	return now.UTC().Format("20060102T150405Z") + "-" + rand.Text()[:6]
}

// Validate says what cannot be asked for.
func (r Request) Validate() error {
	var problems []error
	if r.Workers < 1 || r.Workers > maxWorkers {
		problems = append(problems, fmt.Errorf("workers: %d is not between 1 and %d", r.Workers, maxWorkers))
	}
	if r.Size.Rows < 0 {
		problems = append(problems, fmt.Errorf("chunk size: %d rows is less than 1", r.Size.Rows))
	}
	if r.Size.Rows == 0 && r.Size.Time <= 0 {
		problems = append(problems, fmt.Errorf("chunk time: %v is not a time", r.Size.Time))
	}
	if r.SyncTimeout <= 0 || r.SyncMaxAge <= 0 || r.LockTimeout <= 0 || r.LockHoldMax <= 0 {
		problems = append(problems, errors.New("sync timeout, sync max age, lock timeout and lock hold max must be above 0"))
	}
	if r.MaxDuration < 0 {
		problems = append(problems, fmt.Errorf("max duration: %v is below 0", r.MaxDuration))
	}
	problems = append(problems, r.Throttle.problems(r.Workers)...)
	if r.Throttle.MaxLag > 0 && r.Sync == None {
		problems = append(problems, errors.New("max lag: with --sync none nothing is asked of replication, so nobody knows a lag; leave one of the two out"))
	}
	if err := r.Sync.validate(); err != nil {
		problems = append(problems, err)
	}
	if _, err := r.Filters.selector(); err != nil {
		problems = append(problems, err)
	}
	if r.MaxDifferences < 0 {
		problems = append(problems, fmt.Errorf("max differences: %d is below 0", r.MaxDifferences))
	}
	if len(problems) > 0 {
		return &RequestError{Err: errors.Join(problems...)}
	}
	return nil
}

// selector makes the filters' patterns what chooses tables.
func (f Filters) selector() (*schema.Selector, error) {
	return schema.ParseFilter(schema.Filter{Databases: f.Databases, Tables: f.Tables, IgnoreDatabases: f.IgnoreDatabases,
		IgnoreTables: f.IgnoreTables, IgnoreColumns: f.IgnoreColumns})
}

// maxWorkers bounds the connections to a server.
const maxWorkers = 64

// RequestError is a request that cannot be carried out as it stands: wrong settings, patterns that match nothing,
// servers that do not belong together. Nothing was compared and nothing touched; retrying without a change is useless.
type RequestError struct{ Err error }

func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *RequestError) Unwrap() error { return e.Err }

func requestErrorf(format string, args ...any) error {
	return &RequestError{Err: fmt.Errorf(format, args...)}
}

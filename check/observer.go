package check

import "time"

// Observer is told what a running check does. Event is called by one goroutine at a time, in order; it must
// return quickly, since the check waits for it.
type Observer interface {
	Event(Event)
}

// Event is one thing that happened: one of the …Event types below, with the time it happened.
type Event interface{ eventTime() time.Time }

// At is the time of an event; every event embeds it.
type At struct{ Time time.Time }

func (a At) eventTime() time.Time { return a.Time }

// RunStarted opens every run.
type RunStarted struct {
	At
	RunID  string
	Source ServerInfo
}

// ReplicaFound reports one replica that was named or discovered, with its verdict so far: Unverified when it
// cannot be compared, else Equal.
type ReplicaFound struct {
	At
	Replica ReplicaResult
}

// SchemaCompared comes once the definitions of both sides are known.
type SchemaCompared struct {
	At
	Tables            int
	RowsEstimate      int64
	SchemaDifferences []SchemaDifference
}

// EpochOpened reports a new sync position.
type EpochOpened struct {
	At
	Epoch Epoch
}

// Throttled says why the run waits (Request.Throttle). It comes when a wait begins, when the reason changes, and every few
// seconds while it lasts.
type Throttled struct {
	At
	Reason string // one sentence, with the present numbers
}

// Resumed ends a wait.
type Resumed struct {
	At
	Waited time.Duration
}

// TableStarted comes before a table's first chunk.
type TableStarted struct {
	At
	Database, Table string
	KeyUsed         string
	RowsEstimate    int64
}

// ChunkDone comes after a chunk was compared on every replica.
type ChunkDone struct {
	At
	Database, Table string
	Epoch           int
	Rows            int64 // on the source
	Bytes           int64 // on the source
	Duration        time.Duration
	Different       bool
}

// DifferenceFound carries one differing row of those that are listed.
type DifferenceFound struct {
	At
	Difference RowDifference
}

// Warned carries a warning that will also stand in Result.Warnings.
type Warned struct {
	At
	Message string
}

// TableDone carries a table's final result, also for tables that were not compared.
type TableDone struct {
	At
	Table TableResult
}

// RunFinished closes every run.
type RunFinished struct {
	At
	Result *Result
}

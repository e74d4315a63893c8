package check

import (
	"time"

	"trueup/schema"
	"trueup/server"
)

// Verdict is what is known about a run, a replica or a table. The values never collapse into one another:
// Unverified means that no difference was seen but something asked for could not be compared; Failed means
// that an error prevented any statement.
type Verdict uint8

// The verdicts.
const (
	Equal Verdict = iota
	NotCompared
	Unverified
	Failed
	Different
)

// Result is all that a check found out. It is complete also when the check was interrupted: what was not
// reached is Unverified then.
type Result struct {
	RunID             string
	StartedAt         time.Time
	FinishedAt        time.Time
	Throttled         time.Duration // spent waiting because of Request.Throttle
	Interrupted       bool
	Verdict           Verdict
	Err               error // set when Verdict is Failed: why
	Filters           Filters
	Warnings          []string
	Source            ServerInfo
	Sync              SyncInfo
	Replicas          []ReplicaResult
	Tables            []TableResult // ordered by database, table
	SchemaDifferences []SchemaDifference
	DifferentRanges   []DifferentRange // complete; neighbours merged
	Differences       []RowDifference  // a sample of at most Request.MaxDifferences
	// DifferencesTruncated is true when there are more row differences than Differences lists.
	DifferencesTruncated bool

	timeUp     bool // Request.MaxDuration ended the run
	restricted bool // to Request.Ranges
}

// Filters are the patterns the check was asked for, as they were given.
type Filters struct {
	Databases, Tables, IgnoreDatabases, IgnoreTables, IgnoreColumns []string
}

// ServerInfo identifies a server in a Result.
type ServerInfo struct {
	Address  string
	Identity server.Identity // zero where the server was never reached
}

// SyncInfo says how and where the servers were read at one position.
type SyncInfo struct {
	Strategy Strategy // that was asked for
	Epochs   []Epoch
}

// Epoch is one position of the source's binary log at which source and replicas were read.
type Epoch struct {
	ID       int // from 1
	File     string
	Position uint64
	GTID     string
	OpenedAt time.Time
	// SourceWritesBlocked is how long writers of the checked tables had to wait for this epoch; 0 where no lock was needed.
	SourceWritesBlocked time.Duration
	Replicas            []EpochReplica
}

// EpochReplica is where one replica stood when its snapshot of an epoch was opened.
type EpochReplica struct {
	Address  string
	File     string // executed position in the source's coordinates
	Position uint64
	GTID     string
	Exact    bool // the applier stood exactly at the epoch's position, without error
	// ApplierPaused is how long the applier stood still for this epoch's sync point.
	ApplierPaused time.Duration
}

// ReplicaResult is one replica's part of a Result.
type ReplicaResult struct {
	ServerInfo
	Strategy   Strategy // that was used
	Channel    string
	Upstream   string         // address of the replica it replicates from; empty: the source
	Renamed    []DatabaseName // databases that replication has renamed, in the source's order
	Verdict    Verdict
	ReasonCode string // empty when the verdict needs none; see docs/reasons.md
	Reason     string // one sentence for a person
}

// TableResult is one table's part of a Result.
type TableResult struct {
	Database, Table  string
	Verdict          Verdict
	ReasonCode       string
	Reason           string
	KeyUsed          string // the key whose ranges split the table; empty when none was used
	Digest           string // the digest's algorithm, "xxh64-rows"
	Rows             int64  // on the source
	Bytes            int64  // encoded bytes read from the source
	ChunksVerified   int
	ChunksUnverified int
	ChunksDifferent  int
	Epochs           []int
	Coverage         Coverage
	Duration         time.Duration // from the first chunk handed out to the last one compared
	IgnoredColumns   []string      // columns that were left out: asked for, or not comparable by value
	Converted        []string      // columns that were not compared as they are stored, and how instead
	Replicas         []TableReplicaResult
}

// Coverage is the proof that the chunks of a table that were compared on every replica cover every key exactly once.
type Coverage struct {
	// Proven: the first chunk began at −∞, the last ended at +∞, and each began where the one before it ended.
	Proven bool
	Chunks []EpochChunks // ordered by epoch
	// RowsCounted: the servers were asked how many rows the table has, and each has as many as its chunks held. It needs one
	// epoch for the whole table, and is not done for a single chunk, which has no bounds, nor for very large tables.
	RowsCounted bool
}

// EpochChunks is how many of a table's chunks were compared in one epoch.
type EpochChunks struct{ Epoch, Chunks int }

// TableReplicaResult compares one table on one replica with the source.
type TableReplicaResult struct {
	Address    string
	Verdict    Verdict
	ReasonCode string
	Reason     string
	Rows       int64
	Missing    int64 // rows on the source only
	Extra      int64 // rows on the replica only
	Changed    int64 // rows on both with unequal values
}

// SchemaDifference is a difference in definition between the source and one replica.
type SchemaDifference struct {
	Replica string
	schema.Difference
}

// Value is one value as it is shown: exact, never rounded.
type Value struct {
	Text string
	Hex  bool // Text is the hexadecimal form of bytes that are not valid text
	Null bool
	// Bytes is how long the whole value is where Text is only a part of it, from the byte Offset on; else 0.
	Bytes, Offset int64
}

// NamedValue is a column's name with its value.
type NamedValue struct {
	Name  string
	Value Value
}

// DifferentRange is a range of a key, (Lower, Upper], in which one replica's rows differ.
type DifferentRange struct {
	Replica         string
	Database, Table string
	Key             string
	Lower, Upper    []NamedValue // nil: the range has no end there
	Missing         int64
	Extra           int64
	Changed         int64
}

// DifferenceKind says how a row differs.
type DifferenceKind uint8

// The kinds of row difference.
const (
	Missing DifferenceKind = iota // on the source, not on the replica
	Extra                         // on the replica only
	Changed                       // on both, with unequal values
)

// ColumnDifference is one column of a differing row. Of a missing row only Source is set, of an extra row only Replica.
type ColumnDifference struct {
	Name            string
	Source, Replica *Value
}

// RowDifference is one row that differs between the source and one replica.
type RowDifference struct {
	Replica         string
	Database, Table string
	Kind            DifferenceKind
	Count           int64
	Key             []NamedValue
	// Columns holds the unequal columns of a changed row; every column of a missing or extra one.
	Columns []ColumnDifference
}

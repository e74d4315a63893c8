package repair

import (
	"time"

	"trueup/check"
	"trueup/replication"
)

// Result is what a repair came to.
type Result struct {
	// Check is the check that the repair began with.
	Check    *check.Result
	Applied  bool // changes were asked for and allowed
	Declined bool // the person who was asked said no
	Via      Via
	Replicas []ReplicaResult // those that differ, in the check's order
	// Verified is the check of everything that was touched, made afterwards; nil where nothing was applied.
	Verified   *check.Result
	Err        error // why the repair as a whole failed; the check's own error is in Check
	FinishedAt time.Time
	Warnings   []string // beyond the check's
}

// ReplicaResult is one replica's part.
type ReplicaResult struct {
	check.ServerInfo
	Tables     []TableResult
	Refused    []Refusal // of the replica as a whole
	Notes      []string  // what a person should know
	Statements int64     // of the plan, or that were run
	Pauses     int       // of its applier, for groups of rows
	Paused     time.Duration
	// Before and After are where the applier stood for the first and the last group; for a plan both are the plan's position.
	Before, After replication.Position
	BeforeGTID    string
	AfterGTID     string
	// Undo is how many groups the journal can undo.
	Undo int
}

// TableResult is one table of one replica.
type TableResult struct {
	Database, Table string
	Planned         Counts // rows, as the check found them
	Done            Counts // rows of the plan's statements, or that were changed
	Groups          int    // transactions
	Conflicts       int64  // rows of other ranges that had to change along, since they held a unique value
	Refused         []Refusal
	Notes           []string // what was taken care of: foreign keys, generated columns …
	// DDL is the statement that would create a missing table; "" else.
	DDL string
}

// Counts are rows by kind.
type Counts struct{ Missing, Extra, Changed int64 }

// Total is all of them.
func (c Counts) Total() int64 { return c.Missing + c.Extra + c.Changed }

// Refusal is something that was not repaired, and why.
type Refusal struct {
	Code   string // one of the Refused… constants
	Reason string // one sentence for a person, with what to do
	Rows   int64  // that are left as they are, where that is known
}

// The codes of refusals; docs/reasons.md explains each.
const (
	RefusedUnverified   = "replica_unverified"     // the replica could not be compared, or not held
	RefusedCluster      = "cluster_member"         // Galera and group members are not repaired one by one
	RefusedStrategy     = "applier_not_held"       // --sync lock, recheck, none: the applier does not stand while rows change
	RefusedPrivilege    = "missing_privilege"      // of the account, to write
	RefusedReadOnly     = "super_read_only"        // nobody can write
	RefusedDownstream   = "has_replicas"           // and what is repaired here does not flow down to them
	RefusedMaxRows      = "max_rows"               // more rows differ than allowed
	RefusedMissingTable = "table_missing"          // --with-schema creates it
	RefusedExtraTable   = "table_extra"            // --with-schema drops it
	RefusedSchema       = "definition_differs"     // in columns
	RefusedOtherSource  = "other_source"           // rows may be those of another channel
	RefusedTriggers     = "triggers"               // would fire
	RefusedKind         = "table_kind"             // history would be written
	RefusedForeignKey   = "foreign_key"            // a row would be left without its parent
	RefusedUniqueKey    = "unique_key"             // a value that another row has
	RefusedValue        = "value_not_writable"     // no statement writes it exactly
	RefusedMoved        = "rows_keep_changing"     // somebody else writes them on the replica
	RefusedPause        = "max_pause"              // the smallest group takes longer
	RefusedWrite        = "write_failed"           // the server refused a statement
	RefusedNotStatement = "not_statement_format"   // --via source
	RefusedNotVerified  = "not_equal_after_repair" // the digest after the change
)

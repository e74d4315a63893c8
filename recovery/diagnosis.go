package recovery

import (
	"time"

	"trueup/check"
	"trueup/replication"
	"trueup/schema"
)

// Part is which half of a channel an error has stopped.
type Part string

// The parts; the empty one: the channel is not stopped by an error.
const (
	Applier  Part = "applier"
	Receiver Part = "receiver"
)

// Diagnosis is all that is known of a stopped channel. Nothing was changed to learn it.
type Diagnosis struct {
	At      time.Time
	Source  check.ServerInfo // zero address where the source was not reached
	Replica check.ServerInfo
	Status  replication.Status
	// Part and Error say what stopped the channel; Part is empty where nothing did.
	Part  Part
	Error replication.ChannelError
	Class Class
	// Why says in plain words what failed: the first sentence of the answer a person wants.
	Why []string
	// Advice is what to do where trueup cannot, or before it can.
	Advice []string
	// Transaction is the one that failed; nil where it is not known, and NotRead says why.
	Transaction *Transaction
	NotRead     string
	// Rows are the rows of the transaction as both sides have them now, up to MostRows, those that explain the error first.
	Rows []RowState
	// InTheWay are rows that the transaction does not change itself, and for which it fails: those that hold a unique value which it writes, child rows of a
	// row that it takes away, and parents that are missing. They have no Kind and no images; up to MostRows.
	InTheWay []RowState
	// Errant are transactions that were written to the replica directly, "" for none that is known of.
	Errant string
	// DirectWrites are those of the replica's own log that touched the rows in question, the newest first.
	DirectWrites []DirectWrite
	// Hiding are settings that let the replica drift without an error.
	Hiding  []string
	Options []Option
}

// MostRows is how many of a transaction's rows a diagnosis shows, and of those in its way.
const MostRows = 1000

// Stopped tells whether an error has stopped the channel.
func (d *Diagnosis) Stopped() bool { return d.Part != "" }

// Option returns the option of that action; nil where it is not offered.
func (d *Diagnosis) Option(action Action) *Option {
	for i := range d.Options {
		if d.Options[i].Action == action {
			return &d.Options[i]
		}
	}
	return nil
}

// Transaction is the failing transaction as it is shown.
type Transaction struct {
	GTID       string
	From       string // "source" or "relay log"
	File       string
	Start, End uint64
	At         time.Time
	Bytes      int64
	Statements []Statement
	Rows       int64  // row changes
	Format     string // "row", "statement", "mixed"
	Truncated  bool   // it has more rows than are read
	Partial    bool   // its images leave columns out (binlog_row_image), or cannot be shown
	XA         string
	Compressed bool
	Tables     []schema.Name // that its row changes name, as the source calls them
}

// Statement is SQL of the failing transaction.
type Statement struct {
	Database, Text string
	Annotation     bool // the text behind row changes, which is not executed on the replica
}

// RowState is one row change of the failing transaction, or a row in its way, and the row as both sides have it now.
type RowState struct {
	Database, Table string // as the source calls them
	Kind            string // "insert", "update" or "delete"
	Key             []check.NamedValue
	// Before and After are the images in the log; nil: the change has none. Columns that an image leaves out are missing.
	Before, After []check.NamedValue
	// Source and Replica are the rows as they are now; nil: there is none, or it was not read, and Unknown says why.
	Source, Replica []check.NamedValue
	Unknown         string
	// Problem says why this row cannot be changed as the transaction does; "" for innocent rows.
	Problem string
}

// DirectWrite is a transaction that somebody wrote on the replica itself.
type DirectWrite struct {
	GTID, File string
	Offset     uint64
	At         time.Time
	ServerID   uint32
	Statements []string
	Rows       []string // "insert shop.orders id=5"
}

// Mended tells whether nothing stands against the transaction any more, so that to start the applier is all that is left of a fix.
func (d *Diagnosis) Mended() bool {
	retry := d.Option(Retry)
	return retry != nil && retry.Recommended && !d.Class.passesByItself()
}

// Action is a way out.
type Action string

// The actions, the safest first. Plan is none: everything is explained and nothing done.
const (
	Plan    Action = "plan"
	Fix     Action = "fix"
	Retry   Action = "retry"
	Skip    Action = "skip"
	Rebuild Action = "rebuild" // explained, never carried out
)

// Option is a way out, with what it does and what it loses.
type Option struct {
	Action Action
	// Recommended marks the first sound one.
	Recommended bool
	// Doubtful: rows of another source may be removed or changed, and are not compared with that one (Loses says which source, and where). Nobody should choose it
	// who has not looked at the rows.
	Doubtful bool
	// FailsAgain: a retry with the rows as they are now ends at the same error.
	FailsAgain bool
	Does       []string // sentences, in order
	Loses      []string // what would be lost, or would have to be repaired afterwards; none: nothing
	Statements []string // the first of the SQL that would be run on the replica, as far as it is known before
	// Lost are the row changes that a skip leaves out, innocent ones included ("update shop.orders id=4"), and what will be repaired.
	Lost []string
	// Whole are tables of which it is not known which rows are touched, so that all of them is compared afterwards.
	Whole []schema.Name

	stays bool // what it loses could not be repaired afterwards, as things are
}

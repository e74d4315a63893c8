package binlog

import (
	"time"

	"trueup/replication"
)

// Transaction is one event group of a log: what a replica executes, and skips, as one.
type Transaction struct {
	// GTID is the family's form, "uuid:7" or "uuid:tag:7" on MySQL and "0-1-7" on MariaDB; "" without one.
	GTID string
	// File, Start and End are its place in the source's binary log: from its first event (that of the GTID, if there is one)
	// to the end of its last. Of a relay log whose file names no source they are where ReadRelay was told that it begins.
	File       string
	Start, End uint64
	// At is when its first statement began, in whole seconds of the source's clock.
	At       time.Time
	ServerID uint32 // of the server that executed it first
	ThreadID uint32 // of the connection that executed it; 0 where that was not logged
	Size     int64  // bytes in the log; a compressed transaction's as it is compressed
	// Statements are those that were logged as text, but for BEGIN, COMMIT and their like, and the text that was logged
	// beside rows (binlog_annotate_row_events, binlog_rows_query_log_events), in order.
	Statements []Statement
	// Changes are the changes of rows in order, up to the limits.
	Changes []Change
	// Rows is how many changes there are, those beyond the limits too.
	Rows int64
	// Truncated is true where the limits cut Changes or a statement's text off.
	Truncated bool
	// DDL is true where a statement stands outside of BEGIN and COMMIT: a change of a definition, which commits by itself.
	DDL bool
	// XID is true where a storage engine committed it (InnoDB), and not a statement COMMIT (MyISAM and others).
	XID bool
	// XA is the xid of a transaction of XA as the server writes it, "X'61',X'',1"; "" of any other. It has two groups: one
	// with the changes, up to XA PREPARE, and one with XA COMMIT or XA ROLLBACK among its statements.
	XA string
	// Compressed is true where its events were compressed (binlog_transaction_compression, log_bin_compress).
	Compressed bool
}

// StartPosition is the place of the transaction's first event.
func (t *Transaction) StartPosition() replication.Position {
	return replication.Position{File: t.File, Offset: t.Start}
}

// EndPosition is the place behind its last event, where the next one begins.
func (t *Transaction) EndPosition() replication.Position {
	return replication.Position{File: t.File, Offset: t.End}
}

// Statement is a statement's text.
type Statement struct {
	Database string // the default database; "" for none, and for an annotation
	Text     string
	// Annotation is true of text that says where changes of rows come from; the replica does not execute it.
	Annotation bool
	End        uint64 // offset of the end of its event
	// ErrorCode is that with which the statement ended on the source, where it is logged all the same; 0: none.
	ErrorCode int
}

// Kind is what became of a row.
type Kind uint8

// The kinds of changes.
const (
	Inserted Kind = iota + 1
	Updated
	Deleted
)

// String is insert, update or delete.
func (k Kind) String() string {
	switch k {
	case Inserted:
		return "insert"
	case Updated:
		return "update"
	case Deleted:
		return "delete"
	default:
		return "unknown"
	}
}

// Change is the change of one row. Before is nil of an inserted row, After of a deleted one; else they have a field for
// each column of the table.
type Change struct {
	Table         *Table
	Kind          Kind
	Before, After []Field
	Statement     int    // index of its annotation in Statements; -1: none
	End           uint64 // offset of the end of its event
}

// Table is a table as the log describes it. Changes of one event share it.
type Table struct {
	Database, Name string
	Columns        []Column
}

// Column is what the log says of a column.
type Column struct {
	// Type is the server's number of the type (enum_field_types), with ENUM and SET told from CHAR.
	Type byte
	// Meta is what of the type is needed to read a value: a length, or precision and scale, or fractional digits.
	Meta     uint16
	Nullable bool
	// Unsigned is known of numbers where SignKnown is true: MySQL 8.0 and newer, and MariaDB with binlog_row_metadata=MINIMAL or FULL.
	Unsigned, SignKnown bool
	// Name is "" unless the source has binlog_row_metadata=FULL.
	Name string
}

// Field is one column's value in an image of a row.
type Field struct {
	// Present is false where the image does not have the column (binlog_row_image=MINIMAL or NOBLOB), and where it only has
	// what changed inside a JSON document.
	Present bool
	// Partial is true of a JSON document of which the log only has what changed in it (binlog_row_value_options=PARTIAL_JSON).
	Partial bool
	// Value is good to be shown where the column's definition is not known: nil is NULL; else int64 (of an integer whose sign
	// is not known as if it had one), uint64 (above 2^63-1, and numbers of ENUM and SET members), float32, float64, string (what
	// the server prints of DECIMAL, JSON, dates and times) or []byte (everything else: text in the column's character set).
	Value any

	column Column
	raw    []byte // as it lies in the log
}

// Limits bound what is kept of one transaction; what is beyond them is still counted.
type Limits struct {
	Rows  int   // changes; 0: 10,000
	Bytes int64 // of images, and of statements' text; 0: 64 MB
}

func (l Limits) orDefault() Limits {
	const rows, bytes = 10_000, 64 << 20
	if l.Rows <= 0 {
		l.Rows = rows
	}
	if l.Bytes <= 0 {
		l.Bytes = bytes
	}
	return l
}

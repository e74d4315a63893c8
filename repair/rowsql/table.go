package rowsql

import (
	"fmt"
	"strings"

	"trueup/checksum"
	"trueup/schema"
	"trueup/server"
)

// Table is a table on the server that is written to, and how its rows are read. It is not changed by its methods and may be used by several
// goroutines.
type Table struct {
	// On is the server that runs the SQL.
	On server.Identity
	// Stored is how rows are read on that server: images of rows before a change.
	Stored *checksum.Layout
	// Incoming is how the rows that are to be written were read, in the same columns in the same order.
	Incoming *checksum.Layout

	reversed bool // Stored and Incoming have changed places
}

// Reversed is the table for statements that undo those of t: rows are found as Incoming reads them, and written as Stored reads them.
func (t *Table) Reversed() *Table {
	back := *t
	back.Stored, back.Incoming = t.Incoming.In(t.Stored.Database), t.Stored
	back.reversed = !t.reversed
	return &back
}

// definition is a column as the server that is written to has it.
func (t *Table) definition(i int) checksum.Column {
	if t.reversed {
		return t.Incoming.Columns[i]
	}
	return t.Stored.Columns[i]
}

// name is the table's, quoted.
func (t *Table) name() string { return schema.QuoteTable(t.Stored.Database, t.Stored.Table) }

// keyed tells whether the layouts have columns that tell one row from every other.
func (t *Table) keyed() bool { return len(t.Stored.Key.Columns) > 0 }

// check refuses layouts that do not belong together, and names that no statement of one line can hold.
func (t *Table) check() error {
	if len(t.Stored.Columns) != len(t.Incoming.Columns) {
		return fmt.Errorf("%s: internal error: rows of %d columns cannot be written as rows of %d", t.name(), len(t.Incoming.Columns), len(t.Stored.Columns))
	}
	names := []string{t.Stored.Database, t.Stored.Table}
	for i, column := range t.Stored.Columns {
		if column.Name != t.Incoming.Columns[i].Name {
			return fmt.Errorf("%s: internal error: column %d is %q on one side and %q on the other", t.name(), i+1, column.Name, t.Incoming.Columns[i].Name)
		}
		names = append(names, column.Name)
	}
	for _, name := range names {
		if err := CheckName(name); err != nil {
			return err
		}
	}
	return nil
}

// CheckName tells why no statement of one line can name an object so: no server can have it, or it holds a control character, which a
// client could take for the end of the line.
func CheckName(name string) error {
	if err := schema.CheckName(name); err != nil {
		return err
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 }) {
		return fmt.Errorf("the name %q holds a control character: rename it, or repair the table by hand", name)
	}
	return nil
}

// Change is what is to become of one row.
type Change struct {
	// Before is the row as Stored reads it; nil: there is none yet.
	Before checksum.Row
	// After is the row as Incoming reads it; nil: the row is to go.
	After checksum.Row
	// Count is how many equal rows the change is about: 1, but where the table has no key.
	Count int64
	// There is how many equal rows a table without a key has before the change; below 0: nobody knows. A guard makes sure of it, so that a
	// script which is run twice adds or removes nothing the second time. Of rows to delete, less than Count means that nobody knows.
	There int64
}

// Reversed is the change that undoes c, for the table that is reversed too.
func (c Change) Reversed() Change {
	back := Change{Before: c.After, After: c.Before, Count: c.Count, There: -1}
	switch {
	case c.There < 0:
	case c.Before == nil:
		back.There = c.There + c.Count
	case c.There >= c.Count:
		back.There = c.There - c.Count
	}
	return back
}

// Statement is one statement of SQL.
type Statement struct {
	SQL string // one line, without a semicolon
	// Rows is how many rows it must change (ROW_COUNT()); with another number the rows are not any more what they were.
	Rows int64
	// Lax: it must run without strict mode, which no server takes the error value of an ENUM in.
	Lax bool
}

// UnwritableError says that no statement can write, or find, a value exactly.
type UnwritableError struct {
	Column string
	Why    string
}

func (e *UnwritableError) Error() string {
	return fmt.Sprintf("column %s: no statement can write the value exactly: %s", e.Column, e.Why)
}

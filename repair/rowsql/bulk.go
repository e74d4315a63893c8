package rowsql

import (
	"fmt"

	"trueup/checksum"
	"trueup/schema"
)

// InsertRows appends one INSERT of several rows, with values as that layout (Stored or Incoming) reads them. lax is true where it must
// run without strict mode. Errors are those of Statements. Any row whose key is there already makes the statement fail as a whole.
func (t *Table) InsertRows(dst []byte, rows []checksum.Row, of *checksum.Layout) (sql []byte, lax bool, err error) {
	if err := t.check(); err != nil {
		return dst, false, err
	}
	if len(rows) == 0 {
		return dst, false, fmt.Errorf("%s: internal error: an INSERT of no rows", t.name())
	}
	dst = append(append(dst, "INSERT INTO "...), t.name()...)
	dst = append(append(dst, " ("...), t.columnList()...)
	dst = append(dst, ") VALUES "...)
	for i, row := range rows {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		var laxly bool
		if dst, laxly, err = t.appendValues(append(dst, '('), row, of); err != nil {
			return dst, false, err
		}
		lax = lax || laxly
		dst = append(dst, ')')
	}
	return dst, lax, nil
}

// DeleteRows appends one DELETE of the rows of these keys, as Stored reads them. There is no guard: the caller has read the rows again and
// holds their locks. It fails for a table without a key.
func (t *Table) DeleteRows(dst []byte, rows []checksum.Row) ([]byte, error) {
	if err := t.check(); err != nil {
		return dst, err
	}
	parts := len(t.Stored.Key.Columns)
	if parts == 0 || len(rows) == 0 {
		return dst, fmt.Errorf("%s: internal error: a DELETE of %d rows by a key of %d columns", t.name(), len(rows), parts)
	}
	dst = append(append(append(dst, "DELETE FROM "...), t.name()...), " WHERE "...)
	// Servers read an index for a list of integers of any length; of other conditions they do so up to some thousands.
	list := parts == 1 && t.Stored.Columns[0].Kind == schema.KindInteger && t.Stored.Columns[0].Conversion() == ""
	if list {
		dst = append(append(dst, schema.QuoteIdentifier(t.Stored.Columns[0].Name)...), " IN ("...)
	}
	for i, row := range rows {
		if len(row) < parts {
			return dst, fmt.Errorf("%s: internal error: a row of %d values for a key of %d columns", t.name(), len(row), parts)
		}
		var err error
		if list {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst, err = AppendLiteral(dst, t.Stored.Columns[0], row[0])
		} else {
			if i > 0 {
				dst = append(dst, " OR "...)
			}
			dst, err = t.appendKey(dst, row[:parts])
		}
		if err != nil {
			return dst, err
		}
	}
	if list {
		dst = append(dst, ')')
	}
	return dst, nil
}

// KeyCondition is SQL that holds for the row of the given one's key, as Stored reads it, whatever its other values are. It fails for a table
// without a key; else errors are those of AppendGuard.
func (t *Table) KeyCondition(row checksum.Row) (string, error) {
	parts := len(t.Stored.Key.Columns)
	if parts == 0 || len(row) < parts {
		return "", fmt.Errorf("%s: internal error: a row of %d values for a key of %d columns", t.name(), len(row), parts)
	}
	condition, err := t.appendKey(nil, row[:parts])
	return string(condition), err
}

// appendKey appends the condition that finds one row by its key: by equality, which the key's uniqueness makes exact, or by the value's
// guard where a server may not find it by its literal.
func (t *Table) appendKey(dst []byte, key checksum.Row) (_ []byte, err error) {
	dst = append(dst, '(')
	for i, value := range key {
		if i > 0 {
			dst = append(dst, " AND "...)
		}
		var found bool
		if dst, found = appendEquals(dst, t.Stored.Columns[i], value); found {
			continue
		}
		if dst, err = AppendGuard(dst, t.Stored.Columns[i], value); err != nil {
			return dst, err
		}
	}
	return append(dst, ')'), nil
}

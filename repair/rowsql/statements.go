package rowsql

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"trueup/checksum"
	"trueup/schema"
	"trueup/server"
)

// copiesPerStatement is how many equal rows one INSERT adds to a table without a key.
const copiesPerStatement = 1000

// Statements are those of one change, each guarded by the row that was read. With moves a changed row is deleted and inserted: what it
// takes is free then for another row of the same transaction, and the other way round. The error is an *UnwritableError where a value
// cannot be written.
func (t *Table) Statements(c Change, moves bool) ([]Statement, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	switch {
	case c.Before == nil && c.After == nil, c.Count < 1, c.Count > 1 && t.keyed():
		return nil, fmt.Errorf("%s: internal error: a change of %d rows that is none", t.name(), c.Count)
	case c.Before == nil:
		return t.insert(c)
	case c.After == nil:
		return t.remove(c)
	case moves || !t.keyed() || t.sameJSON(c):
		away, err := t.remove(Change{Before: c.Before, Count: c.Count, There: c.There})
		if err != nil {
			return nil, err
		}
		back, err := t.insert(Change{After: c.After, Count: c.Count, There: -1})
		return append(away, back...), err
	default:
		return t.update(c)
	}
}

// Condition is SQL that holds for exactly the rows that are, byte for byte, the given one as Stored reads it. It names the columns without their
// table.
func (t *Table) Condition(row checksum.Row) (string, error) {
	condition, err := t.appendCondition(nil, row)
	return string(condition), err
}

func (t *Table) appendCondition(dst []byte, row checksum.Row) (_ []byte, err error) {
	if len(row) != len(t.Stored.Columns) {
		return dst, fmt.Errorf("%s: internal error: a row of %d values for %d columns", t.name(), len(row), len(t.Stored.Columns))
	}
	start := len(dst)
	and := func(condition []byte) {
		if len(dst) > start {
			dst = append(dst, " AND "...)
		}
		dst = append(dst, condition...)
	}
	var guard []byte
	for i, column := range t.Stored.Columns {
		if guard, err = AppendGuard(guard[:0], column, row[i]); err != nil {
			return dst, err
		}
		if i < len(t.Stored.Key.Columns) {
			if equals, found := appendEquals(nil, column, row[i]); found && (column.Generated || !bytes.Equal(equals, guard)) {
				and(equals)
			}
		}
		if !column.Generated { // what is computed follows from the other columns, and may depend on the session
			and(guard)
		}
	}
	return dst, nil
}

// remove deletes rows. Of a table without a key it deletes some of those that are equal.
func (t *Table) remove(c Change) ([]Statement, error) {
	condition, err := t.Condition(c.Before)
	if err != nil {
		return nil, err
	}
	sql := "DELETE FROM " + t.name() + " WHERE " + condition
	if !t.keyed() {
		if c.There >= c.Count {
			sql += fmt.Sprintf(" AND (SELECT there.n FROM (SELECT COUNT(*) AS n FROM %s WHERE %s) AS there) = %d", t.name(), condition, c.There)
		}
		sql += fmt.Sprintf(" LIMIT %d", c.Count)
	}
	return []Statement{{SQL: sql, Rows: c.Count}}, nil
}

// insert adds rows. A row of a table with a key needs no guard but the key.
func (t *Table) insert(c Change) ([]Statement, error) {
	values, lax, err := t.appendValues(nil, c.After, t.Incoming)
	if err != nil {
		return nil, err
	}
	into, list := "INSERT INTO "+t.name()+" ("+t.columnList()+")", string(values)
	if t.keyed() {
		return []Statement{{SQL: into + " VALUES (" + list + ")", Rows: 1, Lax: lax}}, nil
	}
	condition, err := t.Reversed().Condition(c.After)
	if err != nil {
		return nil, err
	}
	var statements []Statement
	for done := int64(0); done < c.Count; done += copiesPerStatement {
		copies := min(copiesPerStatement, c.Count-done)
		sql := into + " SELECT " + list + " FROM (SELECT COUNT(*) AS n FROM " + t.name()
		if c.There >= 0 {
			sql += " WHERE " + condition
		}
		sql += ") AS there"
		if copies > 1 {
			sql += ", (SELECT 1 AS one" + strings.Repeat(" UNION ALL SELECT 1", int(copies)-1) + ") AS copies"
		}
		if c.There >= 0 {
			sql += fmt.Sprintf(" WHERE there.n = %d", c.There+done)
		}
		statements = append(statements, Statement{SQL: sql, Rows: copies, Lax: lax})
	}
	return statements, nil
}

// update sets the columns that differ, and those that the server would otherwise set by itself.
func (t *Table) update(c Change) ([]Statement, error) {
	condition, err := t.Condition(c.Before)
	if err != nil {
		return nil, err
	}
	if len(c.After) != len(t.Incoming.Columns) {
		return nil, fmt.Errorf("%s: internal error: a row of %d values for %d columns", t.name(), len(c.After), len(t.Incoming.Columns))
	}
	sets, lax, err := t.sets(c)
	if err != nil {
		return nil, err
	}
	return []Statement{{SQL: "UPDATE " + t.name() + " SET " + sets + " WHERE " + condition, Rows: 1, Lax: lax}}, nil
}

func (t *Table) sets(c Change) (_ string, lax bool, err error) {
	var sets []byte
	computed, changed := "", false
	for i, column := range t.Incoming.Columns {
		differs, err := t.differs(i, c)
		switch {
		case err != nil:
			return "", false, err
		case column.Generated:
			if differs {
				computed = column.Name
			}
			continue
		case column.IsCompanion():
			continue
		}
		changed = changed || differs
		if !differs && !strings.Contains(strings.ToLower(t.definition(i).Extra), "on update") {
			continue
		}
		if len(sets) > 0 {
			sets = append(sets, ", "...)
		}
		var laxly bool
		sets = append(append(sets, schema.QuoteIdentifier(column.Name)...), " = "...)
		if sets, laxly, err = t.appendValue(sets, i, c.After, t.Incoming); err != nil {
			return "", false, err
		}
		lax = lax || laxly
	}
	switch {
	case changed:
		return string(sets), lax, nil
	case computed != "":
		return "", false, &UnwritableError{computed, "the server computes it, and the columns that it follows from are equal"}
	default:
		return "", false, errors.New(t.name() + ": internal error: a change of a row that changes nothing")
	}
}

// differs tells whether a value is to change. What the sides read in different ways counts as different: setting it again does no harm.
func (t *Table) differs(i int, c Change) (bool, error) {
	before, after := t.Stored.Columns[i], t.Incoming.Columns[i]
	if before.Kind != after.Kind || before.Expression() != after.Expression() {
		return true, nil
	}
	same, err := t.Stored.SameValue(i, c.Before[i], c.After[i])
	if err != nil || !same || !t.hasCompanion(i, t.Incoming) || !t.hasCompanion(i, t.Stored) {
		return !same, err
	}
	return t.differs(i+1, c) // an ENUM or SET whose members read alike
}

// sameJSON tells whether a JSON document is to be written in another way only, 1.0 for 1: MySQL takes the row for unchanged and leaves it as it
// is (9.7.4).
func (t *Table) sameJSON(c Change) bool {
	for i := range t.Stored.Columns {
		if t.definition(i).Kind != schema.KindJSON {
			continue
		}
		before, errBefore := checksum.AppendValue(nil, schema.KindJSONValue, c.Before[i])
		after, errAfter := checksum.AppendValue(nil, schema.KindJSONValue, c.After[i])
		if same, err := t.Stored.SameValue(i, c.Before[i], c.After[i]); !same && err == nil && errBefore == nil && errAfter == nil && bytes.Equal(before, after) {
			return true
		}
	}
	return false
}

func (t *Table) hasCompanion(i int, of *checksum.Layout) bool {
	return i+1 < len(of.Columns) && of.Columns[i+1].IsNumberOf(of.Columns[i].Name)
}

// columnList is the columns that can be written, quoted.
func (t *Table) columnList() string {
	var names []string
	for _, column := range t.Incoming.Columns {
		if isWritten(column) {
			names = append(names, schema.QuoteIdentifier(column.Name))
		}
	}
	return strings.Join(names, ", ")
}

// isWritten is false for columns that are only read.
func isWritten(column checksum.Column) bool { return !column.Generated && !column.IsCompanion() }

// appendValues appends a row's literals for the columns of columnList.
func (t *Table) appendValues(dst []byte, row checksum.Row, of *checksum.Layout) (_ []byte, lax bool, err error) {
	if len(row) != len(of.Columns) {
		return dst, false, fmt.Errorf("%s: internal error: a row of %d values for %d columns", t.name(), len(row), len(of.Columns))
	}
	start := len(dst)
	for i, column := range of.Columns {
		if !isWritten(column) {
			continue
		}
		if len(dst) > start {
			dst = append(dst, ", "...)
		}
		var laxly bool
		if dst, laxly, err = t.appendValue(dst, i, row, of); err != nil {
			return dst, false, err
		}
		lax = lax || laxly
	}
	return dst, lax, nil
}

// appendValue appends the literal of one value; lax is true where only a session without strict mode stores it.
func (t *Table) appendValue(dst []byte, i int, row checksum.Row, of *checksum.Layout) (_ []byte, lax bool, err error) {
	column, value := of.Columns[i], row[i]
	switch v := value.(type) {
	case float32, float64:
		if t.losesSign() && isNegativeZero(v) {
			return dst, false, &UnwritableError{column.Name, "this server stores 0 in the place of -0.0"}
		}
	case []byte:
		paired := t.hasCompanion(i, of) && row[i+1] != nil
		// Where two members read alike, or none, the number tells which it is.
		if none := paired && isZero(row[i+1]); none || paired && strings.EqualFold(column.ColumnType, t.definition(i).ColumnType) {
			dst, err = AppendLiteral(dst, of.Columns[i+1], row[i+1])
			return dst, none && column.Kind == schema.KindEnum, err
		}
		lax = len(v) == 0 && column.Kind == schema.KindEnum && !paired
		if number, found := memberNumber(t.definition(i), column, v); found {
			return strconv.AppendUint(dst, number, 10), false, nil
		}
	}
	dst, err = appendLiteral(dst, column, value, isLoose(t.On))
	return dst, lax, err
}

// losesSign tells whether the server stores 0 where a statement gives it -0.0: MariaDB 10.11 does, 11.8 does not.
func (t *Table) losesSign() bool {
	return t.On.Flavor == server.MariaDB && !t.On.Version.AtLeast(11, 8, 0)
}

func isNegativeZero(value driver.Value) bool {
	switch v := value.(type) {
	case float32:
		return v == 0 && math.Signbit(float64(v))
	case float64:
		return v == 0 && math.Signbit(v)
	}
	return false
}

func isZero(value driver.Value) bool { return value == int64(0) || value == uint64(0) }

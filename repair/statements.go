package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"trueup/checksum"
	"trueup/repair/rowsql"
	"trueup/server"
)

// moves tells whether a changed row is deleted and inserted anew: a unique value of it may be one that another row of the group gives
// up.
func (t *target) moves(c rowsql.Change) bool {
	if c.Before == nil || c.After == nil {
		return false
	}
	for _, key := range t.keys {
		if t.changes(key, c) {
			return true
		}
	}
	return false
}

// statements are the guarded statements of one change.
func (t *target) statements(c rowsql.Change) ([]rowsql.Statement, error) {
	return t.sql.Statements(c, t.moves(c))
}

// undoStatements are those that take it back.
func (t *target) undoStatements(c rowsql.Change) ([]rowsql.Statement, error) {
	return t.sql.Reversed().Statements(c.Reversed(), t.moves(c))
}

// ordered are the statements of a transaction: what is to go first, so that its unique values are free, and what is new last.
func ordered(changes []rowsql.Change, of func(rowsql.Change) ([]rowsql.Statement, error)) ([]rowsql.Statement, error) {
	var deletes, updates, inserts []rowsql.Statement
	for _, c := range changes {
		statements, err := of(c)
		if err != nil {
			return nil, err
		}
		switch {
		case c.Before != nil && c.After != nil && len(statements) > 1: // it moves
			deletes, inserts = append(deletes, statements[0]), append(inserts, statements[1:]...)
		case c.Before != nil && c.After != nil:
			updates = append(updates, statements...)
		case c.Before != nil:
			deletes = append(deletes, statements...)
		default:
			inserts = append(inserts, statements...)
		}
	}
	return slices.Concat(deletes, updates, inserts), nil
}

// undoOf are the statements that take a transaction's changes back.
func (t *target) undoOf(changes []rowsql.Change) ([]rowsql.Statement, error) {
	back := t.sql.Reversed()
	reversed := make([]rowsql.Change, len(changes))
	moving := make([]bool, len(changes))
	for i, c := range changes {
		reversed[i] = c.Reversed()
		moving[i] = t.moves(c)
	}
	i := -1
	return ordered(reversed, func(c rowsql.Change) ([]rowsql.Statement, error) {
		i++
		return back.Statements(c, moving[i])
	})
}

const (
	// batchRows and batchBytes bound one statement of many rows.
	batchRows  = 500
	batchBytes = 512 << 10
)

// write changes the rows, which are locked and known: those that go and those that change are deleted by key, then what is to be is
// inserted. A table without a key gets guarded statements, one a row.
func (h *holding) write(ctx context.Context, t *target, changes []rowsql.Change) error {
	if !t.hasKey() {
		return h.writeGuarded(ctx, t, changes)
	}
	before, after := sidesOf(changes)
	for batch := range batches(before) {
		sql, err := t.sql.DeleteRows(nil, batch)
		if err != nil {
			return asUnwritable(err)
		}
		if err := h.changeRows(ctx, string(sql), int64(len(batch)), false); err != nil {
			return err
		}
	}
	for batch := range batches(after) {
		sql, lax, err := t.sql.InsertRows(nil, batch, t.sql.Incoming)
		if err != nil {
			return asUnwritable(err)
		}
		if err := h.changeRows(ctx, string(sql), int64(len(batch)), lax); err != nil {
			return err
		}
	}
	return nil
}

// sidesOf are the rows that are there, and those that are to be.
func sidesOf(changes []rowsql.Change) (before, after []checksum.Row) {
	for _, c := range changes {
		if c.Before != nil {
			before = append(before, c.Before)
		}
		if c.After != nil {
			after = append(after, c.After)
		}
	}
	return before, after
}

// asUnwritable refuses a row for a value.
func asUnwritable(err error) error {
	return &rowError{Refusal{Code: RefusedValue, Reason: err.Error()}}
}

// mostPacket is how many bytes a statement may have for a server, and for our driver.
func mostPacket(ctx context.Context, session *server.Session) (int64, error) {
	record, err := session.One(ctx, "SELECT @@session.max_allowed_packet AS most")
	if err != nil {
		return 0, err
	}
	most, err := strconv.ParseInt(record.Text("most"), 10, 64)
	return min(most, server.MostPacket) - 1<<10, err
}

// batches cuts rows into portions for one statement each.
func batches(rows []checksum.Row) func(yield func([]checksum.Row) bool) {
	return func(yield func([]checksum.Row) bool) {
		for len(rows) > 0 {
			n, bytes := 0, int64(0)
			for n < len(rows) && n < batchRows && (n == 0 || bytes+rowBytes(rows[n]) <= batchBytes) {
				bytes += rowBytes(rows[n])
				n++
			}
			if !yield(rows[:n]) {
				return
			}
			rows = rows[n:]
		}
	}
}

// writeGuarded runs the statements that a person would.
func (h *holding) writeGuarded(ctx context.Context, t *target, changes []rowsql.Change) error {
	changes = slices.Clone(changes)
	for i := range changes {
		changes[i].There = -1 // the rows are locked and were counted
	}
	statements, err := ordered(changes, t.statements)
	if err != nil {
		return asUnwritable(err)
	}
	for _, statement := range statements {
		if err := h.changeRows(ctx, statement.SQL, statement.Rows, statement.Lax); err != nil {
			return err
		}
	}
	return nil
}

// changeRows runs a statement that must change so many rows.
func (h *holding) changeRows(ctx context.Context, sql string, rows int64, lax bool) error {
	if int64(len(sql)) >= h.packet {
		return &rowError{Refusal{Code: RefusedValue, Reason: fmt.Sprintf("as a statement it takes %d bytes, and the replica takes %d at the most (max_allowed_packet)", len(sql), h.packet)}}
	}
	return changeRows(ctx, h.writer, sql, rows, lax)
}

func changeRows(ctx context.Context, writer *server.Session, sql string, rows int64, lax bool) error {
	if lax {
		if err := writer.Exec(ctx, rowsql.Lax); err != nil {
			return err
		}
	}
	changed, err := writer.Change(ctx, sql)
	if lax && !server.IsConnectionLost(err) {
		err = errors.Join(err, writer.Exec(ctx, rowsql.Strict))
	}
	if err != nil {
		return asRowError(err)
	}
	if changed != rows {
		return fmt.Errorf("%w: a statement changed %d rows instead of %d", errMoved, changed, rows)
	}
	return nil
}

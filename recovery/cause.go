package recovery

import (
	"context"
	"slices"

	"trueup/checksum"
	"trueup/replication/binlog"
	"trueup/schema"
)

// readDirectWrites looks in the replica's own log for what was written there directly to the rows in question. Finding nothing out is no
// reason not to go on.
func (r *run) readDirectWrites(ctx context.Context, f *failure) error {
	tables := map[schema.Name]bool{}
	for _, t := range f.touched.tables.all {
		tables[t.there] = true
	}
	if len(tables) == 0 {
		return nil
	}
	found, notes, err := directWrites(ctx, r.replica, f.diagnosis.Errant, tables, f.isTouched)
	if err != nil {
		return err
	}
	f.diagnosis.DirectWrites = found
	for _, note := range notes {
		r.warn("%s", note)
	}
	return nil
}

// isTouched tells whether a change in the replica's own log is about a row that the transaction, or the fix, is about. Rows that cannot be
// told count.
func (f *failure) isTouched(there schema.Name, change *binlog.Change) bool {
	for _, t := range f.touched.tables.all {
		if t.there != there {
			continue
		}
		rows := f.touched.rows[t]
		if t.layout == nil || !t.keyed || len(t.replica.Columns) != len(change.Table.Columns) || slices.Contains(f.touched.whole, t.name) {
			return true
		}
		if rows == nil && f.plan == nil { // a table beside those of the transaction, of which nobody knows which rows count
			return true
		}
		for _, image := range [][]binlog.Field{change.Before, change.After} {
			if image == nil {
				continue
			}
			row, present, _, err := t.row(image)
			if err != nil || !t.hasKey(present) || f.knows(t, row) {
				return true
			}
		}
	}
	return false
}

// knows tells whether a row of a table is one of the transaction's, or of the fix.
func (f *failure) knows(t *table, row checksum.Row) bool {
	key, err := t.layout.KeyOf(row)
	if rows := f.touched.rows[t]; err != nil || rows != nil && rows.by[key] != nil {
		return true
	}
	if f.plan == nil {
		return false
	}
	_, found := f.plan.has(t, key)
	return found
}

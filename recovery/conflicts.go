package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair/rowsql"
	"trueup/schema"
)

// mostConflicts bounds the rows that change since others of them hold a unique value.
const mostConflicts = 10_000

// planConflicts looks for rows that the transaction does not touch, and that hold a unique value which one of its rows is to get.
func (p *planner) planConflicts(ctx context.Context) error {
	queue := p.incoming()
	for found := 0; len(queue) > 0; {
		next := queue[0]
		queue = queue[1:]
		for _, key := range next.table.replica.Keys {
			condition, err := next.table.sameKey(key, next.row)
			if err != nil || condition == "" {
				continue // what cannot be looked for, the server will name
			}
			var holders []checksum.Row
			err = p.replica.reader(next.table).Where(ctx, condition, chunker.Range{}, func(row checksum.Row) error {
				holders = append(holders, row)
				return nil
			})
			if err != nil {
				return err
			}
			for _, holder := range holders {
				put, err := p.makeRoom(ctx, next, key, holder)
				if err != nil {
					return err
				}
				if put != nil {
					queue = append(queue, rowOf{next.table, put, true})
				}
				if found++; found > mostConflicts {
					p.plan.obstruct("more than %d rows of the replica hold unique values that the transaction is to write: the replica is to be rebuilt", mostConflicts)
					return nil
				}
			}
		}
	}
	return nil
}

type rowOf struct {
	table *table
	row   checksum.Row
	put   bool // by the fix: the transaction alone does not write it
}

// incoming are the rows that are to be there at some time: those that the transaction writes, and those that the fix puts back.
func (p *planner) incoming() (rows []rowOf) {
	for _, c := range p.touched.changes {
		if c.problem == "" && c.after != nil && c.wholeAfter && c.table.keyed {
			rows = append(rows, rowOf{table: c.table, row: c.after})
		}
	}
	for _, w := range p.plan.rewritings {
		for _, c := range w.changes {
			if c.After != nil && w.table.keyed {
				rows = append(rows, rowOf{w.table, c.After, true})
			}
		}
	}
	return rows
}

// sameKey is the condition that a row has what a unique key takes for the same values; "" for the layout's own key, for keys that are
// not unique or not made of columns, and where a value is NULL, which is like no other.
func (t *table) sameKey(key schema.Key, row checksum.Row) (string, error) {
	if !key.Unique || key.Name == t.layout.Key.Name {
		return "", nil
	}
	var parts []string
	for _, part := range key.Columns {
		n := slices.IndexFunc(t.layout.Columns, func(c checksum.Column) bool { return c.Name == part.Name && !c.IsCompanion() })
		if part.Expression != "" || n < 0 || row[n] == nil {
			return "", nil
		}
		column := t.layout.Columns[n]
		if part.Prefix > 0 {
			literal, err := rowsql.AppendLiteral(nil, column, row[n])
			if err != nil {
				return "", err
			}
			parts = append(parts, fmt.Sprintf("LEFT(%s, %d) = LEFT(%s, %[2]d)", schema.QuoteIdentifier(column.Name), part.Prefix, literal))
			continue
		}
		same, err := rowsql.AppendSame(nil, column, row[n])
		if err != nil {
			return "", err
		}
		parts = append(parts, string(same))
	}
	return strings.Join(parts, " AND "), nil
}

// makeRoom takes a unique value from a row of the replica that the transaction does not touch: the row gets the values that it has on the
// source now, or goes where the source has no such row, or has it with the same value. Whatever becomes of it later in the log, it is proven
// at the end. put is the row that is written instead, nil for none.
func (p *planner) makeRoom(ctx context.Context, incoming rowOf, key schema.Key, holder checksum.Row) (put checksum.Row, err error) {
	t := incoming.table
	encoded, err := t.layout.KeyOf(holder)
	if err != nil {
		return nil, err
	}
	if rows := p.touched.rows[t]; rows != nil && rows.by[encoded] != nil {
		return nil, nil
	}
	if _, known := p.plan.has(t, encoded); known {
		return nil, nil
	}
	name := fmt.Sprintf("row %s of %s.%s", t.describe(holder), t.there.Database, t.there.Table)
	problem := fmt.Sprintf("%s holds a value of the unique key %s on the replica that the transaction writes", name, key.Name)
	now, _, err := p.sourceRow(ctx, t, holder)
	if err != nil {
		return nil, err
	}
	if now != nil {
		same, err := sameUnique(t, key, holder, now)
		if err != nil {
			return nil, err
		}
		if !same {
			put = now
		}
	}
	p.plan.beside = append(p.plan.beside, besideRow{t, holder})
	why := reason{problem: problem, remedy: "it is removed (the source has no such row, or will write it again)", passes: incoming.put}
	if put != nil {
		why.remedy = "it is given the values that the source has for it now"
	}
	return put, p.plan.add(t, holder, put, 1, why)
}

// sameUnique tells whether two rows have the same values in a unique key, byte for byte.
func sameUnique(t *table, key schema.Key, a, b checksum.Row) (bool, error) {
	for _, part := range key.Columns {
		for i, column := range t.layout.Columns {
			if column.Name != part.Name || column.IsCompanion() {
				continue
			}
			if same, err := t.layout.SameValue(i, a[i], b[i]); err != nil || !same {
				return false, err
			}
		}
	}
	return true, nil
}

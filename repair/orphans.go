package repair

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"trueup/checksum"
	"trueup/repair/rowsql"
	"trueup/schema"
	"trueup/server"
)

// Foreign keys are not checked by the server while a repair writes: nothing cascades then, and the order of rows that refer to each
// other does not matter. Instead this looks, before the commit, for rows without their parent.

// linkError names the changes of a group that would leave a row without its parent; the others can be made.
type linkError struct {
	rowError
	bad []rowsql.Change
}

func (e *linkError) Unwrap() error { return &e.rowError }

// proveLinks makes sure that no written row lacks its parent, and no removed one leaves a child behind.
func (h *holding) proveLinks(ctx context.Context, t *target, changes []rowsql.Change) error {
	for _, l := range t.links.up {
		if err := h.findOrphans(ctx, l, changes, func(c rowsql.Change) ([]string, error) { return valuesOf(l.columns, c.After, t.sql.Incoming) }); err != nil {
			return err
		}
	}
	for _, l := range t.links.down {
		if err := h.findOrphans(ctx, l, changes, func(c rowsql.Change) ([]string, error) { return valuesOf(l.refers, c.Before, t.sql.Stored) }); err != nil {
			return err
		}
	}
	return nil
}

// findOrphans looks for rows of a link's child without their parent, among those that have the values of a change, as SQL; nil: it has
// none.
func (h *holding) findOrphans(ctx context.Context, l link, changes []rowsql.Change, valuesOf func(rowsql.Change) ([]string, error)) error {
	const atOnce = 500
	for batch := range slices.Chunk(changes, atOnce) {
		var lists []string
		var of []rowsql.Change
		for _, c := range batch {
			values, err := valuesOf(c)
			if err != nil {
				return err
			}
			if values != nil {
				lists, of = append(lists, "("+strings.Join(values, ", ")+")"), append(of, c)
			}
		}
		if len(lists) == 0 {
			continue
		}
		if found, err := h.areOrphans(ctx, l, strings.Join(lists, ", ")); err != nil || !found {
			if err != nil {
				return err
			}
			continue
		}
		failed := &linkError{rowError: rowError{Refusal{Code: RefusedForeignKey, Reason: l.reason()}}}
		for i, c := range of {
			found, err := h.areOrphans(ctx, l, lists[i])
			if err != nil {
				return err
			}
			if found {
				failed.bad = append(failed.bad, c)
			}
		}
		return failed
	}
	return nil
}

func (l link) reason() string {
	return fmt.Sprintf("a row of %s.%s would be left without its row of %s.%s (foreign key %s); repair that table with it", l.child.Database, l.child.Table, l.parent.Database, l.parent.Table, l.name)
}

// areOrphans tells whether rows of a link's child that have one of the values, which are lists as SQL, lack their parent, unless they do so on
// the source as well.
func (h *holding) areOrphans(ctx context.Context, l link, values string) (bool, error) {
	var same, there, shown []string
	for i, column := range l.columns {
		same = append(same, "p."+schema.QuoteIdentifier(l.refers[i])+" = c."+schema.QuoteIdentifier(column))
		there = append(there, "c."+schema.QuoteIdentifier(column))
		shown = append(shown, "HEX(CAST(c."+schema.QuoteIdentifier(column)+" AS BINARY))")
	}
	query := func(child, parent schema.Name) string {
		return fmt.Sprintf("SELECT DISTINCT CONCAT_WS(' ', %s) AS orphan FROM %s c WHERE (%s) IN (%s) AND NOT EXISTS (SELECT 1 FROM %s p WHERE %s)", strings.Join(shown, ", "),
			schema.QuoteTable(child.Database, child.Table), strings.Join(there, ", "), values, schema.QuoteTable(parent.Database, parent.Table), strings.Join(same, " AND "))
	}
	found, err := h.writer.Records(ctx, query(l.child, l.parent))
	if err != nil {
		return false, asRowError(err)
	}
	if len(found) == 0 {
		return false, nil
	}
	known, err := h.hasOrphans(ctx, query(h.work.onSource(l.child), h.work.onSource(l.parent)), found)
	return !known, err
}

// hasOrphans tells whether the source has the same rows without their parents: loaded with foreign_key_checks=0, for example.
func (h *holding) hasOrphans(ctx context.Context, query string, found []server.Record) (bool, error) {
	session := h.held.Source
	if err := session.Exec(ctx, "SAVEPOINT trueup_orphans"); err != nil {
		return false, err
	}
	there, err := session.Records(ctx, query)
	if err := session.Exec(ctx, "ROLLBACK TO SAVEPOINT trueup_orphans"); err != nil { // gives the tables' metadata locks back
		return false, err
	}
	if err != nil {
		return false, nil // the source has no such tables to ask
	}
	known := map[string]bool{}
	for _, record := range there {
		known[record.Text("orphan")] = true
	}
	return !slices.ContainsFunc(found, func(r server.Record) bool { return !known[r.Text("orphan")] }), nil
}

// onSource is the source's name of a table of the replica.
func (w *work) onSource(there schema.Name) schema.Name {
	for _, t := range w.targets {
		if t.there.Database == there.Database {
			return schema.Name{Database: t.name.Database, Table: there.Table}
		}
	}
	return there
}

// valuesOf are a row's values in some columns, as SQL; nil where it has no such row, or one of them is NULL.
func valuesOf(columns []string, row checksum.Row, layout *checksum.Layout) ([]string, error) {
	if row == nil {
		return nil, nil
	}
	var list []string
	for _, column := range columns {
		n := slices.IndexFunc(layout.Columns, func(c checksum.Column) bool { return strings.EqualFold(c.Name, column) && !c.IsCompanion() })
		if n < 0 {
			return nil, &refusedError{Refusal{Code: RefusedForeignKey, Reason: fmt.Sprintf("its foreign key's column %s is not compared", column)}}
		}
		if row[n] == nil {
			return nil, nil
		}
		literal, err := rowsql.AppendLiteral(nil, layout.Columns[n], row[n])
		if err != nil {
			return nil, asUnwritable(err)
		}
		list = append(list, string(literal))
	}
	return list, nil
}

// dropOrphans leaves out changes that would leave a row without its parent, for those who read in snapshots and cannot look at what became
// of a change: where the other table is not repaired in the same run, what it holds now is what it will hold.
func (v *views) dropOrphans(ctx context.Context, w *work, g *group, onRefused func(Refusal)) error {
	t := v.target
	for _, l := range t.links.up {
		if w.repairs(l.parent) {
			continue
		}
		err := g.drop(func(c rowsql.Change) (bool, error) {
			values, err := valuesOf(l.columns, c.After, t.sql.Incoming)
			if err != nil || values == nil {
				return false, err
			}
			there, err := v.holds(ctx, v.current, l.parent, l.refers, values)
			if err != nil || there {
				return false, err
			}
			return v.holds(ctx, v.incoming, w.onSource(l.parent), l.refers, values) // else it has none on the source either
		}, l, onRefused)
		if err != nil {
			return err
		}
	}
	for _, l := range t.links.down {
		if w.repairs(l.child) {
			continue
		}
		err := g.drop(func(c rowsql.Change) (bool, error) {
			values, err := valuesOf(l.refers, c.Before, t.sql.Stored)
			if err != nil || values == nil {
				return false, err
			}
			if stay, err := valuesOf(l.refers, c.After, t.sql.Incoming); err != nil || slices.Equal(stay, values) {
				return false, err
			}
			there, err := v.holds(ctx, v.current, l.child, l.columns, values)
			if err != nil || !there {
				return false, err
			}
			alike, err := v.holds(ctx, v.incoming, w.onSource(l.child), l.columns, values)
			return !alike, err
		}, l, onRefused)
		if err != nil {
			return err
		}
	}
	return nil
}

// drop leaves out the changes that are bad for a link.
func (g *group) drop(isBad func(rowsql.Change) (bool, error), l link, onRefused func(Refusal)) error {
	var failed error
	g.changes = slices.DeleteFunc(g.changes, func(c rowsql.Change) bool {
		if failed != nil {
			return false
		}
		bad, err := isBad(c)
		if failed = err; bad && err == nil {
			onRefused(Refusal{Code: RefusedForeignKey, Reason: l.reason(), Rows: c.Count})
		}
		return bad && err == nil
	})
	return failed
}

// holds tells whether a table holds a row with the values, as SQL, in some columns, in the snapshot of a reader of another table. A table
// that does not exist, or may not be read, holds none.
func (v *views) holds(ctx context.Context, in *checksum.Reader, name schema.Name, columns, values []string) (found bool, err error) {
	var parts []string
	for i, column := range columns {
		parts = append(parts, schema.QuoteIdentifier(column)+" = "+values[i])
	}
	err = in.Released(ctx, func() error {
		records, err := in.Session().Records(ctx, "SELECT 1 FROM "+schema.QuoteTable(name.Database, name.Table)+" WHERE "+strings.Join(parts, " AND ")+" LIMIT 1")
		found = len(records) > 0
		return err
	})
	if server.IsNoSuchTable(err) {
		return false, nil
	}
	return found, asRowError(err)
}

// repairs tells whether a table of the replica is repaired in the run.
func (w *work) repairs(there schema.Name) bool {
	return slices.ContainsFunc(w.targets, func(t *target) bool { return t.there == there && len(t.result.Refused) == 0 })
}

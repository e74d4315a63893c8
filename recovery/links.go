package recovery

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair"
	"trueup/repair/rowsql"
	"trueup/schema"
)

// mostLinked is how many row changes of a transaction are looked at for their foreign keys where the error is about something else.
const mostLinked = 5000

// planLinks makes sure that rows have their parents on the replica, and that parents which go have no children there.
func (p *planner) planLinks(ctx context.Context) error {
	if len(p.links) == 0 || len(p.touched.changes) > mostLinked && !p.aboutLinks {
		return nil
	}
	queue := p.incoming()
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		for _, link := range p.links {
			if link.Child != next.table.there {
				continue
			}
			put, err := p.bringParent(ctx, link, next)
			if err != nil {
				return err
			}
			if put != nil {
				queue = append(queue, *put)
			}
		}
	}
	for i := range p.touched.changes {
		if err := p.removeChildren(ctx, &p.touched.changes[i]); err != nil {
			return err
		}
	}
	return p.removeOrphans(ctx)
}

// removeOrphans takes rows along that hang on rows of the replica which the fix removes, and that the source does not have: they came there
// together.
func (p *planner) removeOrphans(ctx context.Context) error {
	for w := 0; w < len(p.plan.rewritings); w++ {
		for n := 0; n < len(p.plan.rewritings[w].changes); n++ { // it grows
			if c := p.plan.rewritings[w].changes[n]; c.After == nil {
				if err := p.removeOrphansOf(ctx, p.plan.rewritings[w].table, c.Before); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (p *planner) removeOrphansOf(ctx context.Context, parent *table, gone checksum.Row) error {
	for _, link := range p.links {
		if link.Parent != parent.there || !parent.keyed {
			continue
		}
		child, err := p.load(ctx, link.Child)
		if err != nil {
			return err
		}
		values := parent.valuesOf(gone, link.Refers)
		if child == nil || values == nil {
			continue
		}
		condition, err := child.condition(link.Columns, values)
		if err != nil {
			continue // over a generated column: the proof sees what is left
		}
		holders, err := p.replica.where(ctx, child, condition)
		if err != nil {
			return err
		}
		for _, holder := range holders {
			if err := p.removeOrphan(ctx, link, parent, gone, child, holder); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *planner) removeOrphan(ctx context.Context, link repair.ForeignKey, parent *table, gone checksum.Row, child *table, holder checksum.Row) error {
	now, known, err := p.sourceRow(ctx, child, holder)
	if err != nil || !known || now != nil {
		return err
	}
	key, err := child.layout.KeyOf(holder)
	if err != nil {
		return err
	}
	if rows := p.touched.rows[child]; rows != nil && rows.by[key] != nil {
		return nil
	}
	p.plan.beside = append(p.plan.beside, besideRow{child, holder})
	return p.plan.add(child, holder, nil, 1, reason{problem: fmt.Sprintf("row %s of %s.%s on the replica hangs on row %s of %s.%s (foreign key %s), and the source does not have it", child.describe(holder),
		child.there.Database, child.there.Table, parent.describe(gone), parent.there.Database, parent.there.Table, link.Name), remedy: "it is removed with it"})
}

// valuesOf are a row's values in columns; nil where one is NULL, or is not read.
func (t *table) valuesOf(row checksum.Row, columns []string) []driver.Value {
	values := make([]driver.Value, len(columns))
	for i, name := range columns {
		n := slices.IndexFunc(t.layout.Columns, func(c checksum.Column) bool { return strings.EqualFold(c.Name, name) && !c.IsCompanion() })
		if n < 0 || row[n] == nil {
			return nil
		}
		values[i] = row[n]
	}
	return values
}

// condition holds for the rows that a foreign key takes to have these values.
func (t *table) condition(columns []string, values []driver.Value) (string, error) {
	var parts []string
	for i, name := range columns {
		n := slices.IndexFunc(t.layout.Columns, func(c checksum.Column) bool { return strings.EqualFold(c.Name, name) && !c.IsCompanion() })
		if n < 0 {
			return "", fmt.Errorf("column %s of %s.%s is generated", name, t.there.Database, t.there.Table)
		}
		same, err := rowsql.AppendSame(nil, t.layout.Columns[n], values[i])
		if err != nil {
			return "", err
		}
		parts = append(parts, string(same))
	}
	return strings.Join(parts, " AND "), nil
}

// where reads the rows that fulfil a condition.
func (s *sideReader) where(ctx context.Context, t *table, condition string) (rows []checksum.Row, err error) {
	err = s.reader(t).Where(ctx, condition, chunker.Range{}, func(row checksum.Row) error {
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// bringParent puts the parent of a row on the replica where it is not there, as the source has it now; put is that row.
func (p *planner) bringParent(ctx context.Context, link repair.ForeignKey, child rowOf) (put *rowOf, err error) {
	values := child.table.valuesOf(child.row, link.Columns)
	if values == nil {
		return nil, nil
	}
	missing := func(why string) {
		if p.aboutLinks {
			p.plan.obstruct("row %s of %s.%s has no parent in %s.%s on the replica (foreign key %s), and %s", child.table.describe(child.row), child.table.there.Database, child.table.there.Table,
				link.Parent.Database, link.Parent.Table, link.Name, why)
		}
	}
	parent, err := p.load(ctx, link.Parent)
	if err != nil {
		return nil, err
	}
	if parent == nil {
		missing("rows of that table cannot be read and written one by one")
		return nil, nil
	}
	condition, err := parent.condition(link.Refers, values)
	if err != nil {
		missing(err.Error())
		return nil, nil
	}
	there, err := p.replica.where(ctx, parent, condition)
	if err != nil || len(there) > 0 || p.writes(parent, link.Refers, values) {
		return nil, err
	}
	if p.source == nil || parent.source == nil {
		missing("how the source has it is not known")
		return nil, nil
	}
	now, err := p.source.where(ctx, parent, condition)
	if err != nil {
		return nil, err
	}
	remedy := "it is put there as the source has it now"
	if len(now) == 0 {
		later, err := p.later(ctx, parent, func(row checksum.Row) bool { return parent.keeps(link.Refers, row, values) })
		if err != nil {
			return nil, err
		}
		if later == nil {
			missing("the source has it no more")
			return nil, nil
		}
		now, remedy = []checksum.Row{later}, "it is put there as the source's log has it before a later change"
	}
	p.plan.beside = append(p.plan.beside, besideRow{parent, now[0]})
	problem := fmt.Sprintf("row %s of %s.%s, the parent of a row of %s.%s (foreign key %s), is missing on the replica", parent.describe(now[0]), parent.there.Database, parent.there.Table,
		child.table.there.Database, child.table.there.Table, link.Name)
	return &rowOf{table: parent, row: now[0]}, p.plan.add(parent, nil, now[0], 1, reason{problem: problem, remedy: remedy})
}

// writes tells whether the transaction, or the fix, writes a row with these values.
func (p *planner) writes(t *table, columns []string, values []driver.Value) bool {
	for _, w := range p.plan.rewritings {
		for i := range w.changes {
			if after := w.changes[i].After; w.table == t && after != nil && t.keeps(columns, after, values) {
				return true
			}
		}
	}
	for i := range p.touched.changes {
		c := &p.touched.changes[i]
		if c.table == t && c.problem == "" && c.after != nil && c.wholeAfter && t.keeps(columns, c.after, values) {
			return true
		}
	}
	return false
}

func sameList(t *table, columns []string, a, b []driver.Value) bool {
	for i, name := range columns {
		n := slices.IndexFunc(t.layout.Columns, func(c checksum.Column) bool { return strings.EqualFold(c.Name, name) && !c.IsCompanion() })
		if same, err := t.layout.SameValue(n, a[i], b[i]); err != nil || !same {
			return false
		}
	}
	return true
}

// removeChildren takes rows of the replica away that keep a parent from going: rows that the transaction does not know of.
func (p *planner) removeChildren(ctx context.Context, c *touchedChange) error {
	if c.problem != "" || c.before == nil || !c.table.keyed {
		return nil
	}
	for _, link := range p.links {
		if link.Parent != c.table.there || link.Acts {
			continue
		}
		values := c.table.valuesOf(c.before, link.Refers)
		if values == nil || c.after != nil && c.wholeAfter && c.table.keeps(link.Refers, c.after, values) {
			continue
		}
		if err := p.removeChildrenOf(ctx, link, c, values); err != nil {
			return err
		}
	}
	return nil
}

// keeps tells whether a row has these values.
func (t *table) keeps(columns []string, row checksum.Row, values []driver.Value) bool {
	own := t.valuesOf(row, columns)
	return own != nil && sameList(t, columns, own, values)
}

func (p *planner) removeChildrenOf(ctx context.Context, link repair.ForeignKey, c *touchedChange, values []driver.Value) error {
	obstacle := func(why string) {
		if p.aboutLinks {
			p.plan.obstruct("rows of %s.%s may refer to row %s of %s.%s on the replica (foreign key %s), and %s", link.Child.Database, link.Child.Table, c.table.describe(c.before),
				c.table.there.Database, c.table.there.Table, link.Name, why)
		}
	}
	child, err := p.load(ctx, link.Child)
	if err != nil {
		return err
	}
	if child == nil {
		obstacle("rows of that table cannot be read and written one by one")
		return nil
	}
	condition, err := child.condition(link.Columns, values)
	if err != nil {
		obstacle(err.Error())
		return nil
	}
	holders, err := p.replica.where(ctx, child, condition)
	if err != nil {
		return err
	}
	for _, holder := range holders {
		if err := p.removeChild(ctx, link, child, c, holder, values); err != nil {
			return err
		}
	}
	return nil
}

// removeChild takes one row away, or gives it the values that the source has for it, where it is no child there.
func (p *planner) removeChild(ctx context.Context, link repair.ForeignKey, child *table, c *touchedChange, holder checksum.Row, values []driver.Value) error {
	key, err := child.layout.KeyOf(holder)
	if err != nil {
		return err
	}
	if rows := p.touched.rows[child]; rows != nil && rows.by[key] != nil {
		return nil // the transaction itself takes it away before
	}
	now, _, err := p.sourceRow(ctx, child, holder)
	if err != nil {
		return err
	}
	if now != nil && child.keeps(link.Columns, now, values) {
		now = nil // it comes again later in the log
	}
	remedy := "it is removed (the source has no such row at that place of its log)"
	if now != nil {
		remedy = "it is given the values that the source has for it now"
	}
	p.plan.beside = append(p.plan.beside, besideRow{child, holder})
	return p.plan.add(child, holder, now, 1, reason{problem: fmt.Sprintf("row %s of %s.%s on the replica refers to row %s of %s.%s, which the transaction takes away (foreign key %s)", child.describe(holder),
		child.there.Database, child.there.Table, c.table.describe(c.before), c.table.there.Database, c.table.there.Table, link.Name), remedy: remedy})
}

// cascaded are the tables that a transaction changes without a word in the log: children whose foreign keys change them along with the
// rows of their parents (MySQL manual, "FOREIGN KEY Constraints": cascaded changes are not written to the binary log as such).
func cascaded(links []repair.ForeignKey, changed []*table) (children []schema.Name) {
	reached, found := map[schema.Name]bool{}, map[schema.Name]bool{}
	for _, t := range changed {
		reached[t.there] = true
	}
	for grown := true; grown; {
		grown = false
		for _, link := range links {
			// Also a table that the transaction itself changes: other rows of it may go along, by a key that refers to itself or in a circle.
			if link.Acts && reached[link.Parent] && !found[link.Child] {
				reached[link.Child], found[link.Child], grown = true, true, true
				children = append(children, link.Child)
			}
		}
	}
	return children
}

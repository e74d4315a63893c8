package recovery

import (
	"fmt"

	"trueup/checksum"
	"trueup/replication/binlog"
	"trueup/schema"
)

// touched is what a transaction does to rows: for each row that it names, what it has to find, and what it leaves.
type touched struct {
	tables  *tables
	changes []touchedChange
	rows    map[*table]*touchedRows
	// whole are tables of which it is not known which rows are touched; why says so.
	whole []schema.Name
	why   []string
}

// touchedRows are the rows of one table, in the order in which the transaction comes to them.
type touchedRows struct {
	order []string
	by    map[string]*touchedRow // by key, as checksum.Layout.KeyOf encodes it
	// equal are, for a table without a key, whole rows that have to be there, and how many of each.
	equal []*touchedRow
	// tooMany unlike ones, of which each would be looked for among all others and in the whole table.
	tooMany bool
}

// mostEqual is how many unlike rows of a table without a key are looked for.
const mostEqual = 1000

// touchedRow is one row of the transaction.
type touchedRow struct {
	key checksum.Row // with the key's values at least
	// initial is the row before the transaction; nil: there must be none.
	initial checksum.Row
	// partial: the row must be there, but the log does not have all of it.
	partial bool
	count   int64 // of a table without a key
	made    int64 // of those, how many the transaction has written itself by now
}

// touchedChange is one change of the transaction with its images as rows.
type touchedChange struct {
	change        *binlog.Change
	table         *table
	before, after checksum.Row // nil: there is none, or it cannot be shown
	// wholeBefore and wholeAfter tell whether the log has all of the image; hasAfter which columns of it.
	wholeBefore, wholeAfter bool
	hasAfter                []bool
	problem                 string // why it cannot be shown
}

// newTouched works out what a transaction does to the tables that the replica replicates: in those which its filters leave out, whatever is
// there is its own.
func newTouched(t *binlog.Transaction, loaded *tables, replicated func(schema.Name) bool) *touched {
	d := &touched{tables: loaded, rows: map[*table]*touchedRows{}}
	for i := range t.Changes {
		if of := t.Changes[i].Table; replicated(schema.Name{Database: of.Database, Table: of.Name}) {
			d.add(&t.Changes[i])
		}
	}
	if t.Truncated {
		d.doubt("the transaction has more row changes than are read at once")
		for _, one := range loaded.all {
			d.addWhole(one.name)
		}
	}
	return d
}

// add takes in one row change.
func (d *touched) add(change *binlog.Change) {
	name := schema.Name{Database: change.Table.Database, Table: change.Table.Name}
	c := touchedChange{change: change, table: d.tables.named(name)}
	defer func() { d.changes = append(d.changes, c) }()
	switch {
	case c.table == nil:
		c.problem = "its table was not looked at"
	case c.table.layout == nil:
		c.problem = c.table.problem
	case !c.table.fits(change.Table):
		if c.problem = c.table.doubt; c.problem == "" {
			c.problem = fmt.Sprintf("%s.%s was altered since the transaction: the log has %d columns", name.Database, name.Table, len(change.Table.Columns))
		}
	}
	if c.problem != "" {
		d.addWhole(name)
		return
	}
	var err error
	var hasBefore []bool
	if change.Before != nil {
		c.before, hasBefore, c.wholeBefore, err = c.table.row(change.Before)
	}
	if err == nil && change.After != nil {
		c.after, c.hasAfter, c.wholeAfter, err = c.table.row(change.After)
	}
	if err != nil {
		c.before, c.after, c.problem = nil, nil, err.Error()
		d.addWhole(name)
		return
	}
	d.fill(&c, hasBefore)
	d.follow(&c, hasBefore)
}

// fill completes the image after an update by the one before it, as far as the log has that.
func (d *touched) fill(c *touchedChange, hasBefore []bool) {
	if c.before == nil || c.after == nil || c.wholeAfter {
		return
	}
	c.wholeAfter = true
	for i, has := range c.hasAfter {
		if !has && hasBefore[i] {
			c.after[i], c.hasAfter[i] = c.before[i], true
		}
		c.wholeAfter = c.wholeAfter && c.hasAfter[i]
	}
}

// follow notes what the change has to find.
func (d *touched) follow(c *touchedChange, hasBefore []bool) {
	rows := d.rows[c.table]
	if rows == nil {
		rows = &touchedRows{by: map[string]*touchedRow{}}
		d.rows[c.table] = rows
	}
	if !c.table.keyed {
		d.addWhole(c.table.name)
		rows.followEqual(c)
		return
	}
	if c.before != nil && !c.table.hasKey(hasBefore) || c.after != nil && !c.table.hasKey(c.hasAfter) {
		c.problem = "the log does not have the values of the row's key (binlog_row_image)"
		d.addWhole(c.table.name)
		return
	}
	if c.before != nil {
		rows.need(c.table, c.before, c.before, !c.wholeBefore)
	}
	if c.after != nil {
		rows.need(c.table, c.after, nil, false)
	}
}

// need notes what has to be there under a key before the transaction, where this is the first change of it.
func (r *touchedRows) need(t *table, key, initial checksum.Row, partial bool) {
	encoded, err := t.layout.KeyOf(key)
	if err != nil || r.by[encoded] != nil {
		return
	}
	r.by[encoded] = &touchedRow{key: key, initial: initial, partial: partial, count: 1}
	r.order = append(r.order, encoded)
}

// followEqual notes for a table without a key that a row like that has to be there, unless the transaction itself has written it.
func (r *touchedRows) followEqual(c *touchedChange) {
	find := func(row checksum.Row) *touchedRow {
		for _, known := range r.equal {
			if sameValues(c.table.layout, known.key, row) {
				return known
			}
		}
		r.equal = append(r.equal, &touchedRow{key: row})
		return r.equal[len(r.equal)-1]
	}
	if r.tooMany = r.tooMany || len(r.equal) > mostEqual; r.tooMany {
		return
	}
	if c.before != nil {
		row := find(c.before)
		row.partial = row.partial || !c.wholeBefore
		if row.made > 0 {
			row.made--
		} else {
			row.count++
			row.initial = c.before
		}
	}
	if c.after != nil {
		find(c.after).made++
	}
}

// sameValues tells whether two whole rows are equal, byte for byte.
func sameValues(layout *checksum.Layout, a, b checksum.Row) bool {
	for i := range layout.Columns {
		if same, err := layout.SameValue(i, a[i], b[i]); err != nil || !same {
			return false
		}
	}
	return true
}

func (d *touched) addWhole(name schema.Name) {
	for _, known := range d.whole {
		if known == name {
			return
		}
	}
	d.whole = append(d.whole, name)
}

func (d *touched) doubt(why string) { d.why = append(d.why, why) }

package recovery

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/replication"
	"trueup/replication/binlog"
	"trueup/schema"
	"trueup/server"
)

// table is one table that the failing transaction changes.
type table struct {
	name    schema.Name   // on the source
	there   schema.Name   // on the replica
	source  *schema.Table // nil: the source was not reached, does not have it, or has altered it since the replica's position
	replica *schema.Table // nil: the replica does not have it
	// layout reads whole rows on the replica; nil: problem says why rows cannot be shown or written.
	layout  *checksum.Layout
	problem string
	// doubt says how the source's definition, as it is now, differs from the replica's; "": it does not.
	doubt string
	// ordinals are, for each column of the layout, the number of the column in the log.
	ordinals []int
	// keyed tells whether the layout has a key that tells rows apart.
	keyed bool
	// splits is the key by which a check splits the table; without columns: none.
	splits chunker.Key
}

// tables are those of a transaction, in the order in which it comes to them.
type tables struct {
	all []*table
}

func (t *tables) named(name schema.Name) *table {
	for _, one := range t.all {
		if one.name == name {
			return one
		}
	}
	return nil
}

// loadTables loads the definitions of tables on both sides; source may be nil.
func loadTables(ctx context.Context, source, replica *server.Session, status replication.Status, names []schema.Name) (*tables, error) {
	loaded := &tables{}
	for _, name := range names {
		there := schema.Name{Database: status.NameOf(name.Database), Table: name.Table}
		one := &table{name: name, there: there}
		var err error
		if source != nil {
			if one.source, err = loadTable(ctx, source, name); err != nil {
				return nil, err
			}
		}
		if one.replica, err = loadTable(ctx, replica, there); err != nil {
			return nil, err
		}
		one.plan()
		loaded.all = append(loaded.all, one)
	}
	return loaded, nil
}

// loadTable loads one table; nil where the server does not have it.
func loadTable(ctx context.Context, session *server.Session, name schema.Name) (*schema.Table, error) {
	selector, err := schema.ParseFilter(schema.Filter{Tables: []string{schema.QuoteTable(name.Database, name.Table)}})
	if err != nil {
		return nil, nil //nolint:nilerr // a system database, whose tables are nobody's to compare
	}
	catalog, err := schema.Load(ctx, session, selector)
	if err != nil {
		return nil, err
	}
	found, _ := catalog.Table(name.Database, name.Table)
	if found != nil && found.LoadError != "" {
		return nil, fmt.Errorf("%s: table %s.%s cannot be opened: %s", session.Server().Address(), name.Database, name.Table, found.LoadError)
	}
	return found, nil
}

// plan works out how whole rows of the table are read, and which of them are in the log.
func (t *table) plan() {
	switch {
	case t.replica == nil:
		t.problem = fmt.Sprintf("the replica has no table %s.%s", t.there.Database, t.there.Table)
		return
	case t.replica.Kind != schema.BaseTable:
		t.problem = fmt.Sprintf("%s.%s on the replica is no plain table", t.there.Database, t.there.Table)
		return
	}
	logged := t.replica
	if t.source != nil {
		if differs := t.definitionsDiffer(); differs == "" {
			logged = t.source
		} else {
			// An ALTER may be behind the transaction in the log: then that has the columns of the replica, which its images tell.
			t.doubt, t.source = differs, nil
		}
	}
	var columns []checksum.Column
	for _, column := range t.replica.Columns {
		if column.Generated {
			continue
		}
		columns = append(columns, checksum.Column{Column: column})
		if column.ReadsAlike() {
			columns = append(columns, checksum.NumberOf(column))
		}
	}
	if t.setLayout(columns); t.layout == nil {
		return
	}
	for _, column := range t.layout.Columns {
		t.ordinals = append(t.ordinals, slices.IndexFunc(logged.Columns, func(c schema.Column) bool {
			return strings.EqualFold(c.Name, column.Name) || column.IsNumberOf(c.Name)
		}))
	}
}

// definitionsDiffer says why rows of the source cannot be written to the replica as they are; "": they can. Columns in another order count:
// images have no names, an applier goes by the places of columns, and an ALTER that moved or swapped them may be behind the transaction.
func (t *table) definitionsDiffer() string {
	pairs, left := schema.ComparableColumns(t.source, t.replica)
	for _, column := range left {
		return fmt.Sprintf("the definitions of %s.%s differ: column %s: %s", t.name.Database, t.name.Table, column.Name, column.Why)
	}
	for _, pair := range pairs {
		if how := checksum.ColumnOf(pair).Conversion(); how != "" {
			return fmt.Sprintf("the definitions of %s.%s differ: column %s: %s", t.name.Database, t.name.Table, pair.Source.Name, how)
		}
	}
	for i, column := range t.source.Columns {
		if i >= len(t.replica.Columns) || !strings.EqualFold(column.Name, t.replica.Columns[i].Name) {
			return fmt.Sprintf("the definitions of %s.%s differ: column %s is at another place", t.name.Database, t.name.Table, column.Name)
		}
	}
	return ""
}

// setLayout chooses the key by which rows are found.
func (t *table) setLayout(columns []checksum.Column) {
	usable, _ := schema.SplitKeys(t.replica)
	for _, key := range usable {
		if slices.ContainsFunc(key.Columns, func(part schema.KeyColumn) bool {
			return !slices.ContainsFunc(columns, func(c checksum.Column) bool { return c.Name == part.Name })
		}) {
			continue // over generated columns, which no log needs to have
		}
		if joined, err := chunker.NewKey(t.replica, key); err == nil {
			t.layout, t.keyed = checksum.NewLayout(t.there.Database, t.there.Table, joined, columns), true
			t.splits = joined
			return
		}
	}
	t.layout = checksum.NewScanLayout(t.there.Database, t.there.Table, "", 0, columns)
}

// row is an image of the log as the layout reads rows. whole is false where the log leaves columns out, or holds values that cannot be
// shown: they are nil then and present says which are there.
func (t *table) row(image []binlog.Field) (row checksum.Row, present []bool, whole bool, err error) {
	row, present, whole = make(checksum.Row, len(t.layout.Columns)), make([]bool, len(t.layout.Columns)), true
	for i, column := range t.layout.Columns {
		n := t.ordinals[i]
		if n < 0 || n >= len(image) || !image[n].Present {
			whole = false
			continue
		}
		var value driver.Value
		if value, err = image[n].As(column.Column); err != nil {
			return nil, nil, false, fmt.Errorf("column %s of %s.%s: %w", column.Name, t.name.Database, t.name.Table, err)
		}
		row[i], present[i] = value, true
	}
	return row, present, whole, nil
}

// hasKey tells whether an image holds the key's values.
func (t *table) hasKey(present []bool) bool {
	return t.keyed && !slices.Contains(present[:len(t.layout.Key.Columns)], false)
}

// fits tells whether the columns of an image are those of the table as it is defined now, as far as their number tells; values of other types
// cannot be read.
func (t *table) fits(logged *binlog.Table) bool {
	of := t.source
	if of == nil {
		of = t.replica
	}
	return of != nil && len(of.Columns) == len(logged.Columns)
}

// String names a row by its key, or by its values where it has none: "id=5".
func (t *table) describe(row checksum.Row) string {
	columns := t.layout.Columns
	if t.keyed {
		columns = columns[:len(t.layout.Key.Columns)]
	}
	return describeValues(columns, row)
}

// onSource is the layout for the source's rows: the same columns under the names that the source has.
func (t *table) onSource() *checksum.Layout {
	if t.keyed {
		return checksum.NewLayout(t.name.Database, t.name.Table, t.layout.Key, t.layout.Columns)
	}
	return checksum.NewScanLayout(t.name.Database, t.name.Table, "", 0, t.layout.Columns)
}

package repair

import (
	"fmt"
	"slices"
	"strings"

	"trueup/check"
	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair/rowsql"
	"trueup/schema"
	"trueup/server"
)

// target is one table on one replica that is to be repaired.
type target struct {
	name     schema.Name // on the source
	there    schema.Name // on the replica
	source   *schema.Table
	replica  *schema.Table
	compared *checksum.Layout // on the source: what has to be equal
	sql      rowsql.Table     // how whole rows are read on both sides, and written
	ranges   []chunker.Range
	planned  Counts
	keys     []schema.Key // unique keys of the replica beside the one that names rows
	links    links
	// deletedFirst: rows that go are deleted in a pass of their own, children before parents.
	deletedFirst bool
	pending      bool // rows were left for a foreign key: another pass may do better
	result       *TableResult
}

// newTarget works out how the rows of a differing table are read whole: every column that both sides have, also those that are not
// compared, since a row that is removed must come back whole.
func newTarget(d check.DifferingTable, on server.Identity, result *TableResult) (*target, *Refusal) {
	t := &target{name: schema.Name{Database: d.Layout.Database, Table: d.Layout.Table}, there: schema.Name{Database: d.Database, Table: d.OnReplica.Name},
		source: d.Source, replica: d.OnReplica, compared: d.Layout, ranges: d.Ranges, result: result,
		planned: Counts{Missing: d.Missing, Extra: d.Extra, Changed: d.Changed}}
	if refused := t.refuseDefinition(d); refused != nil {
		return nil, refused
	}
	incoming, stored, err := t.wholeRows()
	if err != nil {
		return nil, &Refusal{Code: RefusedSchema, Reason: err.Error(), Rows: t.planned.Total()}
	}
	t.sql = rowsql.Table{On: on, Stored: stored, Incoming: incoming}
	for _, key := range d.OnReplica.Keys {
		if key.Unique && !t.namesRows(key) {
			t.keys = append(t.keys, key)
		}
	}
	return t, nil
}

// refuseDefinition refuses tables whose rows cannot be made equal as they are defined.
func (t *target) refuseDefinition(d check.DifferingTable) *Refusal {
	refuse := func(code, format string, args ...any) *Refusal {
		return &Refusal{Code: code, Reason: fmt.Sprintf(format, args...), Rows: t.planned.Total()}
	}
	switch {
	case t.replica.Kind == schema.SystemVersioned || t.source.Kind == schema.SystemVersioned:
		return refuse(RefusedKind, "the table keeps its history: whatever is changed on the replica is written into it as a change of now; rebuild the table, or repair it by hand")
	case len(d.UncomparableColumns) > 0:
		return refuse(RefusedSchema, "the columns differ: %s; make the definitions alike first", strings.Join(d.UncomparableColumns, "; "))
	case d.Layout.Scan && d.IgnoredColumns:
		return refuse(RefusedSchema, "it has no key that splits it, and --ignore-columns leaves columns out: its rows cannot be told apart without them")
	}
	return nil
}

// wholeRows are the layouts of all columns, on the source as it is compared and on the replica as it is stored. The first columns are
// those of the compared layout.
func (t *target) wholeRows() (incoming, stored *checksum.Layout, err error) {
	if t.compared.Scan { // its rows come from the comparison itself, which has all of the columns
		return t.compared, t.compared.In(t.there.Database), nil
	}
	pairs, _ := schema.ComparableColumns(t.source, t.replica)
	columns := slices.Clone(t.compared.Columns)
	for _, pair := range pairs {
		if !slices.ContainsFunc(columns, func(c checksum.Column) bool { return !c.IsCompanion() && c.Name == pair.Source.Name }) {
			carried := checksum.ColumnOf(pair)
			if how := carried.Conversion(); how != "" {
				return nil, nil, fmt.Errorf("column %s is not compared (--ignore-columns), but has to be carried along with its row, and its types differ (%s)", carried.Name, how)
			}
			columns = append(columns, carried)
		}
	}
	there := make([]checksum.Column, len(columns))
	for i, column := range columns {
		n := slices.IndexFunc(pairs, func(p schema.ColumnPair) bool {
			return column.Name == p.Source.Name && !column.IsCompanion() || column.IsNumberOf(p.Source.Name)
		})
		if n < 0 {
			return nil, nil, fmt.Errorf("column %s cannot be compared", column.Name)
		}
		definition := pairs[n].Replica
		definition.Name = pairs[n].Source.Name // letter case does not tell columns apart
		if there[i] = (checksum.Column{Column: definition}); column.IsCompanion() {
			there[i] = checksum.NumberOf(definition)
		}
	}
	named, found := t.replica.Key(t.compared.Key.Name)
	if !found {
		return nil, nil, fmt.Errorf("the replica has no key %s", t.compared.Key.Name)
	}
	key, err := chunker.NewKey(t.replica, named)
	if err != nil {
		return nil, nil, err
	}
	return checksum.NewLayout(t.name.Database, t.name.Table, t.compared.Key, columns), checksum.NewLayout(t.there.Database, t.there.Table, key, there), nil
}

// namesRows tells whether a key is the one by which rows are told apart.
func (t *target) namesRows(key schema.Key) bool {
	return key.Name == t.compared.Key.Name && len(t.compared.Key.Columns) > 0
}

// hasKey tells whether single rows can be named.
func (t *target) hasKey() bool { return len(t.compared.Key.Columns) > 0 }

// readsAlike tells whether rows are compared, read and stored in the same way on both sides, with all of their columns.
func (t *target) readsAlike() bool {
	return !t.compared.Scan && t.sql.Incoming.SameAs(t.compared) && t.sql.Stored.SameAs(t.compared)
}

// compares tells whether column number i of whole rows is compared; the others are carried along.
func (t *target) compares(i int) bool { return i < len(t.compared.Columns) }

func (t *target) refuse(code string, rows int64, format string, args ...any) {
	t.addRefusal(Refusal{Code: code, Reason: fmt.Sprintf(format, args...), Rows: rows})
}

// addRefusal notes a refusal; those of one code and reason are one.
func (t *target) addRefusal(refused Refusal) {
	for i, r := range t.result.Refused {
		if r.Code == refused.Code && r.Reason == refused.Reason {
			t.result.Refused[i].Rows += refused.Rows
			return
		}
	}
	const most = 20 // unlike reasons of one table that are told apart
	if len(t.result.Refused) >= most {
		t.result.Refused[most-1].Rows += refused.Rows
		return
	}
	t.result.Refused = append(t.result.Refused, refused)
}

func (t *target) note(format string, args ...any) {
	if note := fmt.Sprintf(format, args...); !slices.Contains(t.result.Notes, note) {
		t.result.Notes = append(t.result.Notes, note)
	}
}

// changes tells whether a changed row has other values in any of the key's columns.
func (t *target) changes(key schema.Key, c rowsql.Change) bool {
	for _, part := range key.Columns {
		for i, column := range t.sql.Stored.Columns {
			if part.Name != "" && column.Name != part.Name {
				continue // of a functional key any column may be part
			}
			if same, err := t.sameValue(i, c); err != nil || !same {
				return true
			}
		}
	}
	return false
}

// sameValue tells whether a change leaves a column's value. Values that are read in unlike ways count as unlike.
func (t *target) sameValue(i int, c rowsql.Change) (bool, error) {
	if t.sql.Incoming.Columns[i].Conversion() != "" {
		return false, nil
	}
	return t.sql.Stored.SameValue(i, c.After[i], c.Before[i])
}

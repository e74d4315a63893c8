package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/checksum"
	"trueup/repair/rowsql"
	"trueup/schema"
	"trueup/server"
)

// unlikeColumn is a column that is not the same on source and replica.
type unlikeColumn struct {
	source, replica string
	values          []string // all different, in the source's type and the replica's
}

var unlikeColumns = []unlikeColumn{
	{"VARCHAR(20) CHARACTER SET latin1", "VARCHAR(30) CHARACTER SET utf8mb4", []string{"'é'", "'e'", "'E'", "''"}},
	{"VARCHAR(20) CHARACTER SET utf8mb4", "VARCHAR(20) CHARACTER SET latin1", []string{"'é'", "'\\''", "'x\\\\'"}},
	{"TEXT CHARACTER SET utf8", "TEXT CHARACTER SET utf16", []string{"'日本'", "'a'", "'a '"}},
	{"ENUM('a','é') CHARACTER SET latin1", "ENUM('é','a') CHARACTER SET utf8mb4", []string{"'é'", "'a'", "0"}},
	{"ENUM('x','')", "ENUM('x','')", []string{"0", "1", "2"}},
	{"ENUM('','x')", "ENUM('x','')", []string{"'x'", "0"}},
	{"SET('a','b')", "SET('a','b')", []string{"''", "'a'", "'a,b'"}},
	{"DECIMAL(10,2)", "DECIMAL(12,4)", []string{"1.10", "-0.01", "99999999.99"}},
	{"BIT(8)", "BIT(16)", []string{"0", "1", "255"}},
	{"INT", "BIGINT", []string{"-1", "2147483647"}},
	{"JSON", "LONGTEXT CHARACTER SET utf8mb4", []string{`'{"a": 1}'`, `'["it''s"]'`, `'2'`}},
	{"LONGTEXT CHARACTER SET utf8mb4", "JSON", []string{`'{"a": 1}'`, `'["é"]'`, `'2'`}},
}

// TestRowsOfUnlikeTables: rows of a table whose columns are of other types on the replica are written as the replica has them, found again
// after that, and undone to the stored bytes that were there.
func TestRowsOfUnlikeTables(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		n := tp.Source
		n.Exec(t, "CREATE DATABASE here", "CREATE DATABASE there")
		var made []int
		for i, c := range unlikeColumns {
			if createUnlike(t, n, i, c) {
				made = append(made, i)
			}
		}
		if len(made) < len(unlikeColumns)-2 {
			t.Errorf("only %v could be created", made)
		}
		opened := openServer(t, n)
		catalog := loadSchema(t, opened)
		for _, i := range made {
			for _, keyed := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s to %s keyed %v", unlikeColumns[i].source, unlikeColumns[i].replica, keyed), func(t *testing.T) {
					repairUnlike(t, opened, unlikeTable(t, opened, catalog, fmt.Sprint("t", i), keyed))
				})
			}
		}
	})
}

// createUnlike makes the source's table here and the replica's there, the rows of which have their neighbours' values, one too many and one
// too few; false where the server has no such types.
func createUnlike(t *testing.T, n *Node, i int, c unlikeColumn) bool {
	t.Helper()
	if n.Row.Flavor == server.MariaDB && strings.HasPrefix(c.source+c.replica, "JSON") {
		return false // JSON is text there
	}
	err := n.exec(t.Context(), fmt.Sprintf("CREATE TABLE here.t%d (id INT PRIMARY KEY, v %s)", i, c.source), fmt.Sprintf("CREATE TABLE there.t%d (id INT PRIMARY KEY, v %s)", i, c.replica))
	if err != nil {
		return false
	}
	for row, value := range append(c.values[:len(c.values):len(c.values)], "NULL") {
		n.Exec(t, "SET sql_mode = ''", fmt.Sprintf("INSERT INTO here.t%d VALUES (%d, %s)", i, row+1, value), fmt.Sprintf("INSERT INTO there.t%d VALUES (%d, %s)", i, row+2, value))
	}
	return true
}

func unlikeTable(t *testing.T, on *server.Server, catalog *schema.Catalog, name string, keyed bool) *rowsql.Table {
	t.Helper()
	here, _ := catalog.Table("here", name)
	there, _ := catalog.Table("there", name)
	pairs, left := schema.ComparableColumns(here, there)
	if len(left) > 0 {
		t.Fatal(left)
	}
	var stored, incoming []checksum.Column
	for _, pair := range pairs {
		stored = append(stored, checksum.Column{Column: pair.Replica})
		incoming = append(incoming, checksum.ColumnOf(pair))
		if pair.Source.ReadsAlike() && strings.EqualFold(pair.Source.ColumnType, pair.Replica.ColumnType) { // as a check does
			stored, incoming = append(stored, checksum.NumberOf(pair.Replica)), append(incoming, checksum.NumberOf(pair.Source))
		}
	}
	if !keyed {
		return &rowsql.Table{On: on.Identity(), Stored: checksum.NewScanLayout("there", name, "", 0, stored), Incoming: checksum.NewScanLayout("here", name, "", 0, incoming)}
	}
	key := layoutOf(t, catalog, "there", name).Key
	return &rowsql.Table{On: on.Identity(), Stored: checksum.NewLayout("there", name, key, stored), Incoming: checksum.NewLayout("here", name, key, incoming)}
}

func repairUnlike(t *testing.T, on *server.Server, table *rowsql.Table) {
	t.Helper()
	w := newRowWriter(t, on, table.Stored, "")
	w.table = *table
	stored := w.read(t)
	source := (&rowWriter{table: rowsql.Table{Stored: table.Incoming}, reading: readSession(t, on, false)}).read(t)
	var changes []rowsql.Change
	for i, row := range stored { // ids 2 … n+1 there, 1 … n here
		change := rowsql.Change{Before: row, Count: 1, There: 1}
		if i+1 < len(source) {
			change.After = source[i+1]
		}
		changes = append(changes, change)
	}
	changes = append(changes, rowsql.Change{After: source[0], Count: 1})
	w.run(t, &w.table, changes, false)
	converted := &rowWriter{table: rowsql.Table{Stored: table.Incoming.In("there")}, reading: w.reading}
	if got := converted.read(t); !slices.EqualFunc(got, source, func(a, b checksum.Row) bool { return sameText(converted, t, a, b) }) {
		t.Fatalf("%q, the source has %q", got, source)
	}
	w.run(t, w.table.Reversed(), reversed(changes), false)
	w.expect(t, stored, "after the undo")
}

// sameText compares rows but for the numbers of an ENUM whose members stand in another order on the other side.
func sameText(w *rowWriter, t *testing.T, a, b checksum.Row) bool {
	t.Helper()
	for i, column := range w.table.Stored.Columns {
		if column.IsCompanion() {
			continue
		}
		if same, err := w.table.Stored.SameValue(i, a[i], b[i]); err != nil || !same {
			return false
		}
	}
	return true
}

package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"trueup/checksum"
	"trueup/repair/rowsql"
	"trueup/server"
)

// rowCase is a table, damage to it, and changes that have to undo the damage: those of the rows that differ between two tables of one shape.
type rowCase struct {
	name   string
	create string // columns and keys
	rows   string // VALUES of the source
	damage []string
	moves  bool
}

var rowCases = []rowCase{
	{name: "a key of another case", create: "k VARCHAR(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT", rows: "('Abc', 1), ('d ', 2), ('é', 3)",
		damage: []string{"SET k = 'aBC' WHERE v = 1", "SET k = 'd' WHERE v = 2", "SET k = 'E' WHERE v = 3"}},
	{name: "swapped unique values", create: "id INT PRIMARY KEY, u INT, UNIQUE (u)", rows: "(1, 1), (2, 2), (3, 3)", moves: true,
		damage: []string{"SET u = 9 WHERE id = 1", "SET u = 1 WHERE id = 2", "SET u = 2 WHERE id = 1"}},
	{name: "a timestamp that sets itself", create: "id INT PRIMARY KEY, v INT, at TIMESTAMP(6) NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP(6)", rows: "(1, 1, '2001-02-03 04:05:06.000007'), (2, 2, NULL)",
		damage: []string{"SET v = v + 10, at = at"}},
	{name: "zeros that count up", create: "id INT PRIMARY KEY AUTO_INCREMENT, v INT", rows: "(0, 1), (5, 2)", damage: []string{"SET v = 7 WHERE id = 0"}},
	{name: "a key of many types", create: "d DATE, t TIME(3), y YEAR, b BINARY(3), l VARCHAR(9) CHARACTER SET latin1, e ENUM('a','b'), n DECIMAL(20,5), f BIT(5), v INT, PRIMARY KEY (d, t, y, b, l, e, n, f)",
		rows: "('0000-00-00', '-1:00:00.5', 0, 'x', 'é', 'b', 1.5, 3, 1), ('2026-02-31', '838:59:59', 2000, '', '', 'a', -0.00001, 0, 2)", damage: []string{"SET v = 0", "SET e = 'a', l = 'É' WHERE y = 0"}},
	{name: "numbers as keys", create: "f FLOAT, d DOUBLE, v INT, PRIMARY KEY (f, d)", rows: "(0, 0, 1), (0.1, 0.1e0, 2), (16777216, 1e300, 3)", damage: []string{"SET v = 0"}},
	{name: "equal rows", create: "a INT, b VARCHAR(9)", rows: "(1, 'x'), (1, 'x'), (1, 'x'), (1, 'X'), (NULL, NULL), (NULL, NULL), (2, '')",
		damage: []string{"SET b = 'x' WHERE b = BINARY 'X'", "SET a = 2, b = '' WHERE a IS NULL"}},
	{name: "no rows left", create: "a INT, b BLOB", rows: "(1, 'x'), (1, 'x'), (2, NULL)", damage: []string{"SET a = 0"}},
}

// TestRowsAreRepaired: tables with keys of every kind, or none, are made equal by statements for the rows that differ, and damaged again
// by those that undo them. Run once more, the statements change nothing, but are refused.
func TestRowsAreRepaired(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		n := tp.Source
		n.Exec(t, "CREATE DATABASE here CHARACTER SET utf8mb4", "CREATE DATABASE there CHARACTER SET utf8mb4")
		for i, c := range rowCases {
			table := fmt.Sprint("t", i)
			for _, database := range []string{"here", "there"} {
				n.Exec(t, rowsql.Strict, "SET SESSION time_zone = '+00:00'", fmt.Sprintf("CREATE TABLE %s.%s (%s) ENGINE=InnoDB", database, table, c.create),
					fmt.Sprintf("INSERT INTO %s.%s VALUES %s", database, table, c.rows))
			}
			for _, damage := range c.damage {
				n.Exec(t, rowsql.Lax, "UPDATE there."+table+" "+damage)
			}
		}
		opened := openServer(t, n)
		catalog := loadSchema(t, opened)
		for i, c := range rowCases {
			t.Run(c.name, func(t *testing.T) {
				table := fmt.Sprint("t", i)
				definition, _ := catalog.Table("there", table)
				var layout *checksum.Layout
				if len(definition.Keys) > 0 {
					layout = layoutOf(t, catalog, "there", table)
				} else {
					var columns []checksum.Column
					for _, column := range definition.Columns {
						columns = append(columns, checksum.Column{Column: column})
					}
					layout = checksum.NewScanLayout("there", table, "", 0, columns)
				}
				repairCase(t, opened, layout, c.moves)
			})
		}
	})
}

func repairCase(t *testing.T, on *server.Server, layout *checksum.Layout, moves bool) {
	t.Helper()
	w := newRowWriter(t, on, layout, "")
	source := (&rowWriter{table: rowsql.Table{Stored: w.table.Stored.In("here")}, reading: readSession(t, on, false)}).read(t)
	damaged := w.read(t)
	changes := w.changesBetween(t, source, damaged)
	if len(changes) == 0 {
		t.Fatal("there is no damage")
	}
	w.runOrdered(t, &w.table, changes, moves)
	w.expect(t, source, "after the repair")
	for _, change := range changes {
		w.mustChangeNothing(t, change, moves)
	}
	w.expect(t, source, "after the repair was run again")
	w.runOrdered(t, w.table.Reversed(), reversed(changes), moves)
	w.expect(t, damaged, "after the undo")
}

// runOrdered runs what deletes before what inserts, as a repair does.
func (w *rowWriter) runOrdered(t *testing.T, table *rowsql.Table, changes []rowsql.Change, moves bool) {
	t.Helper()
	var first, last []rowsql.Statement
	for _, change := range changes {
		statements, err := table.Statements(change, moves)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range statements {
			if strings.HasPrefix(statement.SQL, "INSERT") {
				last = append(last, statement)
			} else {
				first = append(first, statement)
			}
		}
	}
	w.exec(t, "START TRANSACTION")
	for _, statement := range append(first, last...) {
		w.statement(t, statement)
	}
	w.exec(t, "COMMIT")
}

// mustChangeNothing: a statement of the change is refused, or changes another number of rows than it must.
func (w *rowWriter) mustChangeNothing(t *testing.T, change rowsql.Change, moves bool) {
	t.Helper()
	statements, err := w.table.Statements(change, moves)
	if err != nil {
		t.Fatal(err)
	}
	w.mode(t, false)
	w.exec(t, "START TRANSACTION")
	defer w.exec(t, "ROLLBACK")
	for _, statement := range statements {
		if err := w.writing.Exec(t.Context(), statement.SQL); err != nil {
			if number, known := server.ErrorNumber(err); !known || number != 1062 {
				t.Fatal(err)
			}
			return
		}
		if got := w.one(t, "SELECT ROW_COUNT() AS n"); got != fmt.Sprint(statement.Rows) {
			return
		}
	}
	t.Errorf("the change could be made twice: %+v", statements)
}

// changesBetween pairs rows of the source with those that are stored: by the key as the server compares it, or without one by all their bytes.
func (w *rowWriter) changesBetween(t *testing.T, source, stored []checksum.Row) []rowsql.Change {
	t.Helper()
	if len(w.table.Stored.Key.Columns) == 0 {
		return w.multisetChanges(t, source, stored)
	}
	var changes []rowsql.Change
	paired := map[int]bool{}
	for _, row := range source {
		change := rowsql.Change{After: row, Count: 1}
		for i, other := range stored {
			if w.sameKey(t, row, other) {
				paired[i], change.Before = true, other
			}
		}
		if change.Before == nil || !w.same(t, change.Before, row) {
			changes = append(changes, change)
		}
	}
	for i, row := range stored {
		if !paired[i] {
			changes = append(changes, rowsql.Change{Before: row, Count: 1})
		}
	}
	return changes
}

// sameKey asks the server for the one row that it finds by the other's key.
func (w *rowWriter) sameKey(t *testing.T, a, b checksum.Row) bool {
	t.Helper()
	for i := range w.table.Stored.Key.Columns {
		if same, err := w.table.Stored.SameValue(i, a[i], b[i]); err != nil {
			t.Fatal(err)
		} else if same {
			continue
		}
		literalA, errA := rowsql.AppendLiteral(nil, w.table.Stored.Columns[i], a[i])
		literalB, errB := rowsql.AppendLiteral(nil, w.table.Stored.Columns[i], b[i])
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		column := w.table.Stored.Columns[i]
		collate := ""
		if column.Collation != "" {
			collate = " COLLATE " + column.Collation
		}
		cast := func(literal []byte) string {
			if column.Charset == "" {
				return string(literal)
			}
			return "CONVERT(" + string(literal) + " USING " + column.Charset + ")" + collate
		}
		if w.one(t, "SELECT "+cast(literalA)+" = "+cast(literalB)+" AS same") != "1" {
			return false
		}
	}
	return true
}

// multisetChanges counts equal rows on both sides.
func (w *rowWriter) multisetChanges(t *testing.T, source, stored []checksum.Row) []rowsql.Change {
	t.Helper()
	count := func(rows []checksum.Row, row checksum.Row) (n int64) {
		for _, other := range rows {
			if w.same(t, row, other) {
				n++
			}
		}
		return n
	}
	var changes []rowsql.Change
	all := append(append([]checksum.Row(nil), source...), stored...)
	for i, row := range all {
		if count(all[:i], row) > 0 {
			continue
		}
		here, there := count(source, row), count(stored, row)
		switch {
		case here > there:
			changes = append(changes, rowsql.Change{After: row, Count: here - there, There: there})
		case there > here:
			changes = append(changes, rowsql.Change{Before: row, Count: there - here, There: there})
		}
	}
	return changes
}

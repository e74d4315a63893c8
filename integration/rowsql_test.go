package integration

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair/rowsql"
	"trueup/schema"
	"trueup/server"
)

// writtenTypes are columns beside comparedTypes whose values are hard to write, for servers that have them.
var writtenTypes = []comparedType{
	plainType("VARCHAR(60)", `X'27'`, `X'5c'`, `X'5c27'`, `X'22'`, `X'60'`, `X'00'`, `X'0a64656c696d69746572202f2f0a'`, `X'2a2f'`, `'/* -- #'`, `'x;DROP TABLE t'`, `X'5c6e'`, `'%_'`, `'\u00a0'`),
	plainType("VARCHAR(20) CHARACTER SET utf8", "'a'", "'é'", "'日本'"), plainType("VARCHAR(20) CHARACTER SET ascii", "X'ff'", "'a'"),
	plainType("VARCHAR(20)", "X'eda080'", "X'edbfbf61'"), plainType("VARCHAR(20) CHARACTER SET utf8", "X'eda080'"), plainType("VARCHAR(20) CHARACTER SET utf32", "X'0000d800'", "X'0010ffff'"),
	plainType("CHAR(20) CHARACTER SET ascii", "'a'", "'~'", "'[\\\\]'"),
	plainType("VARCHAR(20) CHARACTER SET swe7", "X'40'", "X'5b'"), plainType("VARCHAR(20) CHARACTER SET gbk", "X'bf5c'", "X'bf27'"),
	plainType("VARCHAR(20) CHARACTER SET sjis", "X'955c'", "X'5c'", "X'7e'"), plainType("VARCHAR(20) CHARACTER SET utf16", "'😀'", "'a'"),
	plainType("VARCHAR(20) CHARACTER SET utf16le", "'😀'", "'a'"), plainType("VARCHAR(20) CHARACTER SET utf32", "'😀'", "'a'"),
	plainType("VARCHAR(20) CHARACTER SET ucs2", "'é'", "X'd800'"), plainType("VARCHAR(20) CHARACTER SET latin1", "X'81'", "X'ff'", "'\\''"),
	plainType("ENUM('it''s','back\\\\slash','')", "1", "2", "3", "0"), plainType("ENUM('a','b') CHARACTER SET ucs2", "1", "2", "0"),
	plainType("SET('a','','c')", "0", "1", "2", "3", "4", "7"), plainType("VECTOR(2)", "X'0000803f00000040'", "X'0000803f01000040'"),
	plainType("FLOAT", "-0e0", "0e0", "1e-45", "-3.4028235e38"), plainType("DOUBLE", "-0e0", "0e0", "2.2250738585072014e-308", "-5e-324"),
	plainType("FLOAT(7,3)", "9999.999", "0.001", "-9999.998"), plainType("DOUBLE(20,5)", "999999999999999.99999", "0.00001"),
	plainType("DOUBLE(60,30)", "1e-30", "0.1e0", "12345678901234567e0"), plainType("FLOAT(20,0)", "16777216", "16777218"),
	plainType("VARBINARY(30)", "X''", "X'00'", "X'5c275c'", "'plain'"), plainType("BIT(8)", "39", "92", "0"),
	plainType("MEDIUMTEXT", "REPEAT('\\'\\\\', 40000)", "REPEAT('x', 70000)", "CONCAT(REPEAT('x', 69999), 'X')"),
	plainType("LONGTEXT CHARACTER SET utf16", "REPEAT('é', 50000)", "CONCAT(REPEAT('é', 49999), 'É')"), plainType("LONGBLOB", "REPEAT(X'00', 65537)", "REPEAT(X'00', 65536)"),
}

// TestRowsAreWrittenAsTheyWere: for every type of every server, rows are inserted, changed and deleted by statements of package rowsql,
// guarded and in bulk, and undone; each time the table is read again and has to be what was wanted, byte for byte.
func TestRowsAreWrittenAsTheyWere(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		n := tp.Source
		n.Exec(t, "CREATE DATABASE rows_sql")
		written := 0
		var tables []string
		var bases []comparedType
		for i, c := range slices.Concat(comparedTypes, writtenTypes) {
			name := fmt.Sprintf("t%d", i)
			if createTyped(t, n, name, c) {
				written++
				tables, bases = append(tables, name), append(bases, c)
			}
		}
		if written < 60 {
			t.Errorf("only %d of the types could be created", written)
		}
		opened := openServer(t, n)
		catalog := loadSchema(t, opened)
		for i, name := range tables {
			for _, modes := range []string{"", ",ANSI_QUOTES,NO_BACKSLASH_ESCAPES"} {
				t.Run(bases[i].column+modes, func(t *testing.T) {
					w := newRowWriter(t, opened, layoutOf(t, catalog, "rows_sql", name), modes)
					w.all(t)
				})
			}
			t.Run(bases[i].column+" without a key", func(t *testing.T) {
				n.Exec(t, "ALTER TABLE rows_sql."+name+" DROP PRIMARY KEY")
				keyed := layoutOf2(t, catalog, name)
				newRowWriter(t, opened, keyed, "").all(t)
			})
		}
	})
}

func layoutOf2(t *testing.T, catalog *schema.Catalog, name string) *checksum.Layout {
	keyed := layoutOf(t, catalog, "rows_sql", name)
	return checksum.NewScanLayout("rows_sql", name, "", 0, withNumbers(keyed.Columns))
}

// createTyped makes the table where the server has the type, and says whether it does.
func createTyped(t *testing.T, n *Node, name string, c comparedType) bool {
	t.Helper()
	more := c.more
	if n.Row.IsMySQL(5, 7, 6) {
		more = strings.ReplaceAll(more, "VIRTUAL INVISIBLE", "VIRTUAL")
	}
	err := n.exec(t.Context(), "SET sql_mode='ALLOW_INVALID_DATES'", fmt.Sprintf("CREATE TABLE rows_sql.%s (id INT PRIMARY KEY, v %s%s) ENGINE=InnoDB", name, c.column, more))
	if err != nil {
		return false
	}
	statements := []string{"SET sql_mode='ALLOW_INVALID_DATES', time_zone='+00:00'"}
	for row, value := range append(c.values[:len(c.values):len(c.values)], "NULL") {
		if !strings.HasPrefix(value, "REPEAT('x',1") && !strings.HasPrefix(value, "CONCAT(REPEAT('x',1") {
			statements = append(statements, fmt.Sprintf("INSERT IGNORE INTO rows_sql.%s (id, v) VALUES (%d, %s)", name, row+1, value))
		}
	}
	if err := n.exec(t.Context(), statements...); err != nil {
		t.Logf("%s: %v", c.column, err)
	}
	return true
}

// rowWriter writes a table's rows on one session and reads them on another.
type rowWriter struct {
	table   rowsql.Table
	writing *server.Session
	reading *server.Session
	modes   string
}

func newRowWriter(t *testing.T, on *server.Server, layout *checksum.Layout, modes string) *rowWriter {
	t.Helper()
	layout = &checksum.Layout{Database: layout.Database, Table: layout.Table, Key: layout.Key, Columns: withNumbers(layout.Columns), Scan: layout.Scan}
	if layout.Scan {
		layout = checksum.NewScanLayout(layout.Database, layout.Table, "", 0, layout.Columns)
	} else {
		layout = checksum.NewLayout(layout.Database, layout.Table, layout.Key, layout.Columns)
	}
	writing, err := on.Session(t.Context(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = writing.Close() })
	return &rowWriter{
		table:   rowsql.Table{On: on.Identity(), Stored: layout, Incoming: layout},
		writing: writing, reading: readSession(t, on, false), modes: modes,
	}
}

// withNumbers adds the number of an ENUM or SET whose members read alike, as a check does.
func withNumbers(columns []checksum.Column) []checksum.Column {
	var all []checksum.Column
	for _, column := range columns {
		if column.IsCompanion() {
			continue
		}
		if all = append(all, column); column.ReadsAlike() {
			all = append(all, checksum.NumberOf(column.Column))
		}
	}
	return all
}

// all writes the rows that the table has in every way, and leaves them as they were.
func (w *rowWriter) all(t *testing.T) {
	t.Helper()
	original := w.read(t)
	if len(original) == 0 {
		t.Skip("the server took none of the values")
	}
	w.guardsFindOneRow(t, original)
	var removed, rotated []rowsql.Change
	for i, row := range original {
		removed = append(removed, rowsql.Change{Before: row, Count: 1, There: 1})
		after := slices.Clone(original[(i+1)%len(original)])
		after[w.idColumn()] = row[w.idColumn()]
		if !w.same(t, row, after) {
			rotated = append(rotated, rowsql.Change{Before: row, After: after, Count: 1, There: 1})
		}
	}
	w.run(t, &w.table, removed, false)
	w.expect(t, nil, "after all rows were deleted")
	w.run(t, w.table.Reversed(), reversed(removed), false)
	w.expect(t, original, "after the deletion was undone")
	for _, moves := range []bool{false, true} {
		w.run(t, &w.table, rotated, moves)
		want := slices.Clone(original)
		for _, change := range rotated {
			want[slices.IndexFunc(original, func(row checksum.Row) bool { return row[w.idColumn()] == change.After[w.idColumn()] })] = change.After
		}
		w.expect(t, want, fmt.Sprintf("after the values were rotated, moves %v", moves))
		w.run(t, w.table.Reversed(), reversed(rotated), moves)
		w.expect(t, original, "after the rotation was undone")
	}
	w.inBulk(t, original)
}

// same tells whether all values of two rows are equal that the server does not compute.
func (w *rowWriter) same(t *testing.T, a, b checksum.Row) bool {
	t.Helper()
	for i, column := range w.table.Stored.Columns {
		same, err := w.table.Stored.SameValue(i, a[i], b[i])
		if err != nil {
			t.Fatal(err)
		}
		if !same && !column.Generated {
			return false
		}
	}
	return true
}

func (w *rowWriter) idColumn() int {
	return slices.IndexFunc(w.table.Stored.Columns, func(c checksum.Column) bool { return c.Name == "id" })
}

func reversed(changes []rowsql.Change) []rowsql.Change {
	var back []rowsql.Change
	for _, change := range slices.Backward(changes) {
		back = append(back, change.Reversed())
	}
	return back
}

// run executes changes in one transaction and checks how many rows each statement changes.
func (w *rowWriter) run(t *testing.T, table *rowsql.Table, changes []rowsql.Change, moves bool) {
	t.Helper()
	w.exec(t, "START TRANSACTION")
	for _, change := range changes {
		statements, err := table.Statements(change, moves)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range statements {
			w.statement(t, statement)
		}
	}
	w.exec(t, "COMMIT")
}

func (w *rowWriter) statement(t *testing.T, statement rowsql.Statement) {
	t.Helper()
	if strings.ContainsAny(statement.SQL, "\n\r\\;\x00") {
		t.Errorf("not one plain line: %.300s", statement.SQL)
	}
	w.mode(t, statement.Lax)
	w.exec(t, statement.SQL)
	if got := w.one(t, "SELECT ROW_COUNT() AS n"); got != fmt.Sprint(statement.Rows) {
		t.Fatalf("%s rows changed, want %d: %.600s", got, statement.Rows, statement.SQL)
	}
}

func (w *rowWriter) mode(t *testing.T, lax bool) {
	t.Helper()
	mode := rowsql.Strict
	if lax {
		mode = rowsql.Lax
	}
	w.exec(t, strings.TrimSuffix(mode, "'")+w.modes+"'")
}

func (w *rowWriter) exec(t *testing.T, sql string) {
	t.Helper()
	if err := w.writing.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%v\n%.600s", err, sql)
	}
}

func (w *rowWriter) one(t *testing.T, query string) string {
	t.Helper()
	record, err := w.writing.One(t.Context(), query)
	if err != nil {
		t.Fatalf("%v\n%.600s", err, query)
	}
	return record.Text(record.Names()[0])
}

// guardsFindOneRow: the condition of each row holds for it alone.
func (w *rowWriter) guardsFindOneRow(t *testing.T, rows []checksum.Row) {
	t.Helper()
	w.mode(t, false)
	for _, row := range rows {
		condition, err := w.table.Condition(row)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.one(t, "SELECT COUNT(*) AS n FROM "+schema.QuoteTable("rows_sql", w.table.Stored.Table)+" WHERE "+condition); got != "1" {
			t.Errorf("%s rows match %.300s", got, condition)
		}
		// The guard of the value alone, among all values of the table.
		for i, column := range w.table.Stored.Columns {
			guard, err := rowsql.AppendGuard(nil, column, row[i])
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			for _, other := range rows {
				if same, err := w.table.Stored.SameValue(i, row[i], other[i]); err != nil {
					t.Fatal(err)
				} else if same {
					want++
				}
			}
			if got := w.one(t, "SELECT COUNT(*) AS n FROM "+schema.QuoteTable("rows_sql", w.table.Stored.Table)+" WHERE "+string(guard)); got != fmt.Sprint(want) {
				t.Errorf("%s rows match, want %d: %.300s", got, want, guard)
			}
		}
	}
}

// inBulk deletes and inserts all rows in one statement each.
func (w *rowWriter) inBulk(t *testing.T, rows []checksum.Row) {
	t.Helper()
	if w.table.Stored.Scan {
		return
	}
	sql, err := w.table.DeleteRows(nil, rows)
	if err != nil {
		t.Fatal(err)
	}
	w.statement(t, rowsql.Statement{SQL: string(sql), Rows: int64(len(rows))})
	sql, lax, err := w.table.InsertRows(nil, rows, w.table.Incoming)
	if err != nil {
		t.Fatal(err)
	}
	w.statement(t, rowsql.Statement{SQL: string(sql), Rows: int64(len(rows)), Lax: lax})
	w.expect(t, rows, "after a deletion and an insertion in bulk")
}

// read is the table's rows, in the order of their id.
func (w *rowWriter) read(t *testing.T) []checksum.Row {
	t.Helper()
	if err := w.reading.Exec(t.Context(), "START TRANSACTION WITH CONSISTENT SNAPSHOT"); err != nil { // the reader's savepoints need one
		t.Fatal(err)
	}
	reader := checksum.NewReader(w.table.Stored, w.reading)
	defer reader.Close()
	var rows []checksum.Row
	if err := reader.Rows(t.Context(), chunker.Chunk{Range: chunker.Range{Key: w.table.Stored.Key}}, func(fields []server.Field) error {
		var row checksum.Row
		for _, field := range fields {
			value := field.Value()
			if v, isBytes := value.([]byte); isBytes {
				value = bytes.Clone(v)
			}
			row = append(row, value)
		}
		rows = append(rows, row)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return w.sorted(rows)
}

// sorted orders rows by their id, or by all their values where they have none.
func (w *rowWriter) sorted(rows []checksum.Row) []checksum.Row {
	id := w.idColumn()
	return slices.SortedStableFunc(slices.Values(rows), func(a, b checksum.Row) int {
		if id >= 0 {
			return int(a[id].(int64) - b[id].(int64))
		}
		return strings.Compare(fmt.Sprintf("%q", a), fmt.Sprintf("%q", b))
	})
}

func (w *rowWriter) expect(t *testing.T, want []checksum.Row, when string) {
	t.Helper()
	got, want := w.read(t), w.sorted(want)
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", when, len(got), len(want))
	}
	for i := range want {
		for j, column := range w.table.Stored.Columns {
			same, err := w.table.Stored.SameValue(j, got[i][j], want[i][j])
			if err != nil {
				t.Fatal(err)
			}
			if !same && !column.Generated {
				t.Errorf("%s: row %d, column %s: %.80q, want %.80q", when, i+1, column.Name, got[i][j], want[i][j])
			}
		}
	}
}

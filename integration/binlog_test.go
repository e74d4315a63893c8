package integration

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"trueup/checksum"
	"trueup/chunker"
	repl "trueup/replication"
	"trueup/replication/binlog"
	"trueup/schema"
	"trueup/server"
)

// position is the end of the node's log.
func (n *Node) position(t testing.TB) repl.Position {
	t.Helper()
	file, offset := n.BinlogPosition(t)
	number, err := strconv.ParseUint(offset, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return repl.Position{File: file, Offset: number}
}

// readLog reads a log from a position to its end.
func readLog(t testing.TB, on *server.Server, from repl.Position, limits binlog.Limits) []*binlog.Transaction {
	t.Helper()
	var read []*binlog.Transaction
	err := binlog.ReadFrom(t.Context(), on, from, limits, func(found *binlog.Transaction) (bool, error) {
		read = append(read, found)
		return true, nil
	})
	if !errors.Is(err, binlog.ErrEnd) {
		t.Fatalf("after %d transactions: %v", len(read), err)
	}
	return read
}

// TestEveryTypeIsReadFromTheLog: a row's image in the log gives, for every type of every server, exactly the values that a
// reader of the table reads; both images of an update, and that of a delete.
func TestEveryTypeIsReadFromTheLog(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1, SourceArgs: []string{"--max-allowed-packet=64M"}})
		n := tp.Source
		n.Exec(t, "CREATE DATABASE rows_sql")
		from := n.position(t)
		types := map[string]comparedType{}
		for i, c := range slices.Concat(comparedTypes, writtenTypes, loggedTypes) {
			if name := fmt.Sprintf("t%d", i); createTyped(t, n, name, c) {
				types[name] = c
			}
		}
		if len(types) < 70 {
			t.Errorf("only %d of the types could be created", len(types))
		}
		opened := openServer(t, n)
		stored := storedRows(t, opened, types)
		for name := range types {
			n.Exec(t, "SET sql_mode=''", "UPDATE rows_sql."+name+" SET id = id + 1000")
			n.Exec(t, "SET sql_mode=''", "DELETE FROM rows_sql."+name)
		}
		images := map[string]int{}
		for _, transaction := range readLog(t, opened, from, binlog.Limits{}) {
			for _, change := range transaction.Changes {
				images[change.Table.Name] += requireImages(t, change, stored[change.Table.Name], types[change.Table.Name].column)
			}
		}
		for name, c := range types {
			if want := 4 * len(stored[name].rows); images[name] != want || want == 0 {
				t.Errorf("%s: %d images were compared, want %d", c.column, images[name], want)
			}
		}
	})
}

// loggedTypes are columns that lie in the log in another way than they are read.
var loggedTypes = []comparedType{
	plainType("BINARY(20)", "X'00'", "X'610000'", "X'0000000000000000000000000000000000000001'"), plainType("BINARY(255)", "X'00'", "REPEAT('x',255)"),
	plainType("CHAR(255) CHARACTER SET utf8mb4", "REPEAT('😀',255)", "'a'", "''"), plainType("CHAR(9) CHARACTER SET ucs2", "'a'", "' '", "'é'", "X'2000'"),
	plainType("CHAR(9) CHARACTER SET utf32", "'a'", "' '"), plainType("CHAR(9) CHARACTER SET utf16le", "'a'", "' '"), plainType("CHAR(9) CHARACTER SET utf16", "'a'"),
	plainType("ENUM('é','€','ÿ') CHARACTER SET latin1", "1", "2", "3", "0"), plainType("SET('a','é') CHARACTER SET utf16", "3", "0"),
	plainType("TIME(1)", "'-00:00:00.1'", "'-838:59:58.9'"), plainType("TIME(3)", "'-00:00:01.001'", "'-01:00:00'", "'00:00:00.999'"), plainType("TIME(4)", "'-00:00:00.0001'", "'10:11:12.1234'"),
	plainType("TIME(5)", "'-00:59:59.99999'"), plainType("DATETIME(3)", "'0000-00-00'", "'9999-12-31 23:59:59.999'"), plainType("DATETIME(5)", "'2026-01-02 03:04:05.00001'"),
	plainType("TIMESTAMP(6) NULL", "'2038-01-19 03:14:07.999999'", "'1970-01-01 00:00:01.000001'"), plainType("TIMESTAMP(1) NULL", "'2026-01-01 00:00:00.9'"),
	plainType("DECIMAL(1,0)", "-9", "0", "9"), plainType("DECIMAL(1,1)", "-0.9", "0.1"), plainType("DECIMAL(18,9)", "-123456789.987654321", "0.000000001"), plainType("DECIMAL(20,10)", "-1234567890.0123456789"),
	plainType("DECIMAL(65,0)", "-99999999999999999999999999999999999999999999999999999999999999999"), plainType("DECIMAL(30,30)", "-0.000000000000000000000000000001", "0.1"), plainType("DECIMAL(9,2) UNSIGNED ZEROFILL", "1.5", "0"),
	plainType("DECIMAL(3,3) ZEROFILL", "0.5"), plainType("DECIMAL(5,0) ZEROFILL", "7"), plainType("BIT(33)", "1", "8589934591"), plainType("YEAR", "1901", "1970"),
	plainType("SET('01','02','03','04','05','06','07','08','09','10','11','12','13','14','15','16','17','18','19','20','21','22','23','24','25','26','27','28','29','30','31','32','33','34','35','36','37','38','39','40','41','42','43','44','45','46','47','48','49','50','51','52','53','54','55','56','57','58','59','60','61','62','63','64')", "18446744073709551615", "9223372036854775808", "1"),
	plainType("INET6", "'::1:2'", "'::ffff:255.0.0.1'", "'1::'", "'1:0:2:3:4:5:6:7'", "'0:1:0:0:2:0:0:0'", "'::a:0:0:1.2.3.4'", "'1:2:3:4:5:6:7:0'", "'fe80::1:0:0:1'", "'::fffe:1.2.3.4'"), plainType("INET4", "'255.255.255.0'", "'10.0.0.0'"),
	plainType("UUID", "'123e4567-e89b-12d3-a456-426655440000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'018fd1a2-3b4c-7def-8012-3456789abc00'", "'00112233-4455-6677-8899-aabbccddeeff'", "'123e4567-e89b-42d3-2456-426655440000'", "'123e4567-e89b-0000-a456-000000000000'", "'123e4567-e89b-82d3-8156-426655440000'"),
	plainType("JSON", "NULL", `'null'`, `'"text \\\\ \\" \\b\\f\\n\\r\\t \\u0001 \\u001f \\u007f é 😀 / "'`, `'[]'`, `'{}'`, `'[true, false, null, -1, 0, 65535, 65536, -32769, 4294967296, 9223372036854775807, 18446744073709551615, -9223372036854775808]'`,
		`'[0.0, -0.0, 1.5, 1e15, 1e16, 123456789012345680, 1e100, 1.5e-7, 1e-14, 1e-15, 1e-16, 0.1, -1234567.875, 5e-324, 1.7976931348623157e308, 12345678901234567.5, 0.000012345678901234567]'`,
		`'{"b": 1, "a": {"": [1, {"x": []}]}, "aa": "é", "long key with \\"quotes\\"": ""}'`, `CONCAT('{"big": "', REPEAT('x', 70000), '", "n": [1, 70000, -5, 3.25]}')`,
		`CONCAT('["', REPEAT('y', 127), '", "', REPEAT('z', 128), '"]')`, `CONCAT('[', REPEAT('1,', 33000), '2]')`),
	plainType("JSON", "JSON_OBJECT('d', CAST('2026-01-02' AS DATE), 't', CAST('-12:13:14.5' AS TIME(1)), 'm', CAST('2026-01-02 03:04:05.123456' AS DATETIME(6)), 'n', CAST(-12.50 AS DECIMAL(10,2)))",
		"JSON_ARRAY(CAST(X'00ff' AS BINARY), CAST(REPEAT('b', 100) AS BINARY), CAST('2026-01-02 03:04:05' AS DATETIME), CAST(0 AS DECIMAL(65,30)), CAST(REPEAT('b', 57) AS BINARY))",
		"CAST(CAST('10:11:12' AS TIME) AS JSON)", "CAST(1.0 AS JSON)", "CAST(1e0 AS JSON)", "CAST(CAST(18446744073709551615 AS UNSIGNED) AS JSON)"),
	plainType("VECTOR(3)", "X'0000803f0000004000000000'"), plainType("MULTIPOINT", "ST_GeomFromText('MULTIPOINT(1 1,2 2)')"), plainType("MEDIUMBLOB", "REPEAT(X'00ff', 40000)", "''"),
	plainType("VARCHAR(300) COMPRESSED", "REPEAT('a',300)", "'a'", "''"), plainType("VARCHAR(300) CHARACTER SET ucs2 COMPRESSED", "REPEAT('é',300)"), plainType("TINYBLOB COMPRESSED", "REPEAT('a',250)"), plainType("LONGTEXT COMPRESSED", "REPEAT('abc',30000)"),
}

// typedRows are the rows of a table by their id, as they were before they were changed.
type typedRows struct {
	layout *checksum.Layout
	rows   map[int64]checksum.Row
}

func storedRows(t testing.TB, on *server.Server, types map[string]comparedType) map[string]typedRows {
	t.Helper()
	catalog := loadSchema(t, on)
	all := map[string]typedRows{}
	for name := range types {
		plain := layoutOf(t, catalog, "rows_sql", name)
		layout := checksum.NewLayout("rows_sql", name, plain.Key, withNumbers(plain.Columns))
		reader := checksum.NewReader(layout, readSession(t, on, true))
		rows := map[int64]checksum.Row{}
		if err := reader.Where(t.Context(), "TRUE", chunker.Range{}, func(row checksum.Row) error {
			rows[row[0].(int64)] = row
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		reader.Close()
		_ = reader.Session().Close()
		all[name] = typedRows{layout, rows}
	}
	return all
}

// requireImages compares the images of a change, whose id may have 1000 added, with the row that was stored, and returns how many there are.
func requireImages(t testing.TB, change binlog.Change, stored typedRows, what string) (compared int) {
	t.Helper()
	for _, image := range [][]binlog.Field{change.Before, change.After} {
		if image == nil {
			continue
		}
		id, _ := image[0].Value.(int64)
		row, found := stored.rows[id%1000]
		if !found {
			t.Errorf("%s: row %d is in the log only", what, id)
			continue
		}
		for i, column := range stored.layout.Columns[1:] {
			want, err := checksum.AppendValue(nil, column.Kind, row[i+1])
			if err != nil {
				t.Fatal(err)
			}
			value, err := image[column.Position-1].As(column.Column)
			if err != nil {
				t.Errorf("%s, row %d: %v", what, id, err)
				continue
			}
			got, err := checksum.AppendValue(nil, column.Kind, value)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, row %d, column %s, %s: the log has %.200q, the table %.200q (%v)", what, id, column.Name, change.Kind, value, row[i+1], err)
			}
		}
		compared++
	}
	return compared
}

// TestEveryKindOfTableIsReadFromTheLog: the rows of every kind of table, with hidden, generated and renumbered columns, are in the log what a reader of the
// table reads; by their order, and by name where that is logged.
func TestEveryKindOfTableIsReadFromTheLog(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		n := tp.Source
		opened := openServer(t, n)
		for _, named := range []bool{false, true} {
			if named && !on.IsMySQL(8, 0, 1) && !on.IsMariaDB(10, 5, 0) {
				continue
			}
			if named {
				n.Exec(t, "DROP DATABASE app", "SET GLOBAL binlog_row_metadata='FULL'")
			}
			from := n.position(t)
			createSpecialTables(t, tp, on)
			requireSameRows(t, opened, from, len(tablesOf(on)))
		}
	})
}

// requireSameRows compares the rows that were inserted, as the log has them, with those in the tables.
func requireSameRows(t *testing.T, on *server.Server, from repl.Position, tables int) {
	t.Helper()
	catalog := loadSchema(t, on)
	logged, layouts := map[string][]string{}, map[string]*checksum.Layout{}
	for _, transaction := range readLog(t, on, from, binlog.Limits{}) {
		for _, change := range transaction.Changes {
			name := change.Table.Name
			table, found := catalog.Table("app", name)
			if !found || change.Kind != binlog.Inserted || table.Kind == schema.Sequence {
				continue
			}
			layouts[name] = checksum.NewScanLayout("app", name, "", 0, columnsOf(table))
			logged[name] = append(logged[name], imageText(t, change, table))
		}
	}
	if len(logged) != tables {
		t.Errorf("the log has rows of %d tables, want %d", len(logged), tables)
	}
	for name, rows := range logged {
		reader := checksum.NewReader(layouts[name], readSession(t, on, true))
		var stored []string
		if err := reader.Where(t.Context(), "TRUE", chunker.Range{}, func(row checksum.Row) error {
			stored = append(stored, fmt.Sprintf("%#v", row))
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		_ = reader.Session().Close()
		slices.Sort(rows)
		slices.Sort(stored)
		if !slices.Equal(rows, stored) {
			t.Errorf("%s: the log has %d rows, %.300s; the table %d, %.300s", name, len(rows), rows[0], len(stored), stored[0])
		}
	}
}

func columnsOf(table *schema.Table) []checksum.Column {
	var columns []checksum.Column
	for _, column := range table.Columns {
		columns = append(columns, checksum.Column{Column: column})
	}
	return columns
}

// imageText is a row's after-image with the values that the table's reader would read.
func imageText(t *testing.T, change binlog.Change, table *schema.Table) string {
	t.Helper()
	places, err := change.Table.Places(table.Columns)
	if err != nil {
		t.Fatal(err)
	}
	var row checksum.Row
	for i, column := range table.Columns {
		value, err := change.After[places[i]].As(column)
		if err != nil {
			t.Fatalf("%s.%s: %v", table.Name, column.Name, err)
		}
		row = append(row, value)
	}
	return fmt.Sprintf("%#v", row)
}

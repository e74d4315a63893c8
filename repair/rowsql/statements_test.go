package rowsql_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair/rowsql"
	"trueup/schema"
	"trueup/server"
)

var (
	id   = schema.Column{Name: "id", Kind: schema.KindInteger}
	code = schema.Column{Name: "code", Kind: schema.KindText, Charset: "latin1", Collation: "latin1_swedish_ci"}
	at   = schema.Column{Name: "at", Kind: schema.KindTimestamp, Extra: "on update current_timestamp()"}
	f    = schema.Column{Name: "f", Kind: schema.KindFloat}
	twin = schema.Column{Name: "twin", Kind: schema.KindInteger, Generated: true}
	kind = schema.Column{Name: "kind", Kind: schema.KindEnum, Charset: "utf8mb4", ColumnType: "enum('x','')"}
)

func columnsOf(definitions ...schema.Column) []checksum.Column {
	var columns []checksum.Column
	for _, definition := range definitions {
		if columns = append(columns, checksum.Column{Column: definition}); definition.ReadsAlike() {
			columns = append(columns, checksum.NumberOf(definition))
		}
	}
	return columns
}

// keyed is a table with a key of the first columns.
func keyed(parts int, definitions ...schema.Column) *rowsql.Table {
	layout := checksum.NewLayout("app", "t", chunker.Key{Name: "PRIMARY", Columns: definitions[:parts]}, columnsOf(definitions...))
	return &rowsql.Table{On: server.Identity{Flavor: server.MySQL, Version: server.Version{Major: 9}}, Stored: layout, Incoming: layout}
}

func keyless(definitions ...schema.Column) *rowsql.Table {
	layout := checksum.NewScanLayout("app", "t", "", 0, columnsOf(definitions...))
	return &rowsql.Table{On: server.Identity{Flavor: server.MySQL}, Stored: layout, Incoming: layout}
}

func TestStatements(t *testing.T) {
	t.Parallel()
	text := func(s string) []byte { return []byte(s) }
	for name, test := range map[string]struct {
		table  *rowsql.Table
		change rowsql.Change
		moves  bool
		want   []rowsql.Statement
	}{
		"missing": {keyed(1, id, code, twin), rowsql.Change{After: checksum.Row{int64(1), text("a"), int64(2)}, Count: 1}, false,
			[]rowsql.Statement{{SQL: "INSERT INTO `app`.`t` (`id`, `code`) VALUES (1, 'a')", Rows: 1}}},
		"extra": {keyed(1, id, code, twin), rowsql.Change{Before: checksum.Row{int64(1), nil, int64(2)}, Count: 1}, false,
			[]rowsql.Statement{{SQL: "DELETE FROM `app`.`t` WHERE `id` = 1 AND `code` IS NULL", Rows: 1}}},
		"changed, with a timestamp that the server would set": {keyed(1, id, f, at), rowsql.Change{
			Before: checksum.Row{int64(1), float32(1), text("2026-01-01 00:00:00")}, After: checksum.Row{int64(1), float32(2), text("2026-01-01 00:00:00")}, Count: 1}, false,
			[]rowsql.Statement{{SQL: "UPDATE `app`.`t` SET `f` = 2.0000000000000000e+00, `at` = '2026-01-01 00:00:00' WHERE `id` = 1 AND `f` = 1.0000000000000000e+00" +
				" AND CAST(`at` AS CHAR) = '2026-01-01 00:00:00'", Rows: 1}}},
		"a key of another case": {keyed(1, code, f), rowsql.Change{Before: checksum.Row{text("a"), nil}, After: checksum.Row{text("A"), nil}, Count: 1}, false,
			[]rowsql.Statement{{SQL: "UPDATE `app`.`t` SET `code` = 'A' WHERE `code` = 'a' AND CAST(`code` AS BINARY) = 'a' AND `f` IS NULL", Rows: 1}}},
		"moved": {keyed(1, id, code), rowsql.Change{Before: checksum.Row{int64(1), text("a")}, After: checksum.Row{int64(1), text("b")}, Count: 1}, true,
			[]rowsql.Statement{{SQL: "DELETE FROM `app`.`t` WHERE `id` = 1 AND CAST(`code` AS BINARY) = 'a'", Rows: 1}, {SQL: "INSERT INTO `app`.`t` (`id`, `code`) VALUES (1, 'b')", Rows: 1}}},
		"an ENUM that reads alike": {keyed(1, id, kind), rowsql.Change{Before: checksum.Row{int64(1), text(""), int64(2)}, After: checksum.Row{int64(1), text(""), int64(0)}, Count: 1}, false,
			[]rowsql.Statement{{SQL: "UPDATE `app`.`t` SET `kind` = 0 WHERE `id` = 1 AND CAST(`kind` AS BINARY) = x'' AND CAST(`kind` AS UNSIGNED) = 2", Rows: 1, Lax: true}}},
		"keys that are not found by their literal": {keyed(2, f, at), rowsql.Change{Before: checksum.Row{float32(0), text("0000-00-00 00:00:00")}, Count: 1}, false,
			[]rowsql.Statement{{SQL: "DELETE FROM `app`.`t` WHERE (`f` + 0e0 = 0e0 AND ATAN2(`f`, -1) > 0) AND CAST(`at` AS CHAR) = '0000-00-00 00:00:00'", Rows: 1}}},
		"extra without a key": {keyless(id), rowsql.Change{Before: checksum.Row{int64(1)}, Count: 2, There: 3}, false,
			[]rowsql.Statement{{SQL: "DELETE FROM `app`.`t` WHERE `id` = 1 AND (SELECT there.n FROM (SELECT COUNT(*) AS n FROM `app`.`t` WHERE `id` = 1) AS there) = 3 LIMIT 2", Rows: 2}}},
		"missing without a key": {keyless(id), rowsql.Change{After: checksum.Row{int64(1)}, Count: 2, There: 3}, false,
			[]rowsql.Statement{{SQL: "INSERT INTO `app`.`t` (`id`) SELECT 1 FROM (SELECT COUNT(*) AS n FROM `app`.`t` WHERE `id` = 1) AS there, (SELECT 1 AS one UNION ALL SELECT 1) AS copies WHERE there.n = 3", Rows: 2}}},
	} {
		got, err := test.table.Statements(test.change, test.moves)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: %v\n%+v, want\n%+v", name, err, got, test.want)
		}
	}
}

func TestStatementsAreRefused(t *testing.T) {
	t.Parallel()
	old := keyed(1, id, f)
	old.On = server.Identity{Flavor: server.MariaDB, Version: server.Version{Major: 10, Minor: 11}}
	one := checksum.Row{int64(1), float32(1)}
	unlike := *keyed(1, id, f)
	unlike.Incoming = keyed(1, id, code).Incoming
	odd := schema.Column{Name: "odd\nDROP", Kind: schema.KindInteger}
	for name, test := range map[string]struct {
		table  *rowsql.Table
		change rowsql.Change
		want   string
	}{
		"nothing":                      {keyed(1, id, f), rowsql.Change{Count: 1}, "a change of 1 rows that is none"},
		"no row":                       {keyed(1, id, f), rowsql.Change{Before: one}, "a change of 0 rows"},
		"two rows of one key":          {keyed(1, id, f), rowsql.Change{Before: one, Count: 2}, "a change of 2 rows"},
		"no change":                    {keyed(1, id, f), rowsql.Change{Before: one, After: one, Count: 1}, "changes nothing"},
		"a short row":                  {keyed(1, id, f), rowsql.Change{Before: one[:1], Count: 1}, "a row of 1 values for 2 columns"},
		"other columns":                {&unlike, rowsql.Change{Before: one, Count: 1}, `is "f" on one side and "code" on the other`},
		"a name of two lines":          {keyed(1, id, odd), rowsql.Change{Before: checksum.Row{int64(1), int64(1)}, Count: 1}, "holds a control character"},
		"only what is computed":        {keyed(1, id, twin), rowsql.Change{Before: checksum.Row{int64(1), int64(1)}, After: checksum.Row{int64(1), int64(2)}, Count: 1}, "column twin: "},
		"-0.0 where it is stored as 0": {old, rowsql.Change{After: checksum.Row{int64(1), float32(math.Copysign(0, -1))}, Count: 1}, "column f: "},
		"text that is none":            {keyed(1, id, kind), rowsql.Change{After: checksum.Row{int64(1), []byte("\xff"), nil}, Count: 1}, "column kind: "},
	} {
		got, err := test.table.Statements(test.change, false)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, %v, want %q", name, got, err, test.want)
		}
		var unwritable *rowsql.UnwritableError
		if named := strings.HasPrefix(test.want, "column "); named != errors.As(err, &unwritable) {
			t.Errorf("%s: %T", name, err)
		}
	}
}

// A change that is undone twice is the change again; a count that is not known stays so.
func TestChangesAreReversed(t *testing.T) {
	t.Parallel()
	row := checksum.Row{int64(1)}
	for name, test := range map[string]struct{ change, back rowsql.Change }{
		"inserted":         {rowsql.Change{After: row, Count: 2, There: 3}, rowsql.Change{Before: row, Count: 2, There: 5}},
		"deleted":          {rowsql.Change{Before: row, Count: 2, There: 5}, rowsql.Change{After: row, Count: 2, There: 3}},
		"inserted blindly": {rowsql.Change{After: row, Count: 2, There: -1}, rowsql.Change{Before: row, Count: 2, There: -1}},
		"deleted blindly":  {rowsql.Change{Before: row, Count: 2}, rowsql.Change{After: row, Count: 2, There: -1}},
	} {
		if back := test.change.Reversed(); fmt.Sprint(back) != fmt.Sprint(test.back) {
			t.Errorf("%s: %+v, want %+v", name, back, test.back)
		}
	}
	table := keyed(1, id, f)
	other := keyed(1, id, f).Stored.In("elsewhere")
	table.Incoming = other
	if back := table.Reversed(); back.Stored.Database != "app" || back.Incoming != table.Stored || back.Reversed().Stored.Database != "app" {
		t.Errorf("the undo is for %s", back.Stored.Database)
	}
}

func TestManyEqualRowsAreInsertedInParts(t *testing.T) {
	t.Parallel()
	got, err := keyless(id).Statements(rowsql.Change{After: checksum.Row{int64(7)}, Count: 2500, There: 10}, false)
	if err != nil || len(got) != 3 || got[0].Rows != 1000 || got[2].Rows != 500 {
		t.Fatalf("%d statements, %v", len(got), err)
	}
	for i, want := range []string{"there.n = 10", "there.n = 1010", "there.n = 2010"} {
		if !strings.HasSuffix(got[i].SQL, want) {
			t.Errorf("statement %d does not end in %q: …%s", i, want, got[i].SQL[len(got[i].SQL)-40:])
		}
	}
}

func TestRowsInBulk(t *testing.T) {
	t.Parallel()
	table := keyed(1, id, kind)
	rows := []checksum.Row{{int64(1), []byte("x"), int64(1)}, {int64(2), []byte(""), int64(0)}}
	sql, lax, err := table.InsertRows([]byte("> "), rows, table.Incoming)
	if want := "> INSERT INTO `app`.`t` (`id`, `kind`) VALUES (1, 1), (2, 0)"; err != nil || !lax || string(sql) != want {
		t.Errorf("%s, lax %v, %v, want %s", sql, lax, err, want)
	}
	sql, err = table.DeleteRows(nil, rows)
	if want := "DELETE FROM `app`.`t` WHERE `id` IN (1, 2)"; err != nil || string(sql) != want {
		t.Errorf("%s, %v, want %s", sql, err, want)
	}
	sql, err = keyed(2, code, f).DeleteRows(nil, []checksum.Row{{[]byte("\xe4"), float32(1)}, {[]byte("a"), float32(0)}})
	want := "DELETE FROM `app`.`t` WHERE (`code` = _latin1 x'e4' AND `f` = 1.0000000000000000e+00) OR (`code` = 'a' AND (`f` + 0e0 = 0e0 AND ATAN2(`f`, -1) > 0))"
	if err != nil || string(sql) != want {
		t.Errorf("%s, %v, want %s", sql, err, want)
	}
	for name, refuse := range map[string]func() ([]byte, error){
		"no key":  func() ([]byte, error) { return keyless(id).DeleteRows(nil, rows) },
		"no rows": func() ([]byte, error) { return table.DeleteRows(nil, nil) },
		"no rows to insert": func() ([]byte, error) {
			sql, _, err := table.InsertRows(nil, nil, table.Incoming)
			return sql, err
		},
		"a row that is too short": func() ([]byte, error) { return keyed(2, code, f).DeleteRows(nil, []checksum.Row{{nil}}) },
	} {
		if sql, err := refuse(); err == nil {
			t.Errorf("%s: %s", name, sql)
		}
	}
}

// Members that a collation takes for equal are written by number, others as people read them.
func TestMembersByNumber(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		columnType, charset, value, want string
	}{
		{"enum('a','b')", "utf8mb4", "b", "'b'"}, {"enum('a','A ','b')", "utf8mb4", "A", "2"}, {"enum('a','A ','b')", "utf8mb4", "b", "3"},
		{"set('a','A','it''s')", "utf8mb4", "A,it's", "6"}, {"enum('e','é')", "utf8mb4", "é", "2"}, {"enum('e','é')", "latin1", "e", "1"},
		{"enum('e','é')", "latin1", "\xe9", "_latin1 x'e9'"}, {"enum('a','A')", "ucs2", "\x00A", "_ucs2 x'0041'"}, {"enum('a','A','A')", "utf8mb4", "A", "'A'"},
	} {
		choice := schema.Column{Name: "v", Kind: schema.KindEnum, Charset: test.charset, ColumnType: test.columnType}
		if strings.HasPrefix(test.columnType, "set") {
			choice.Kind = schema.KindSet
		}
		layout := checksum.NewLayout("app", "t", chunker.Key{Name: "PRIMARY", Columns: []schema.Column{id}}, []checksum.Column{{Column: choice}})
		table := &rowsql.Table{On: server.Identity{Flavor: server.MySQL}, Stored: layout, Incoming: layout}
		got, err := table.Statements(rowsql.Change{After: checksum.Row{int64(1), []byte(test.value)}, Count: 1}, false)
		if want := "INSERT INTO `app`.`t` (`id`, `v`) VALUES (1, " + test.want + ")"; err != nil || got[0].SQL != want || got[0].Lax {
			t.Errorf("%s %q: %v, %+v, want %s", test.columnType, test.value, err, got, want)
		}
	}
}

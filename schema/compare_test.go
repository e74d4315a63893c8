package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func text(s string) *string { return &s }

// columnOf is a column of a type as MySQL or MariaDB prints it.
func columnOf(name, columnType string, change ...func(*Column)) Column {
	dataType, _, _ := strings.Cut(strings.ToLower(columnType), "(")
	dataType, _, _ = strings.Cut(dataType, " ")
	c := Column{Name: name, DataType: dataType, ColumnType: columnType, Kind: kindOf(dataType)}
	c.Unsigned = strings.Contains(columnType, " unsigned")
	for _, f := range change {
		f(&c)
	}
	return c
}

func single(c Column) *Table {
	return &Table{Database: "d", Name: "t", Engine: "InnoDB", Collation: "utf8mb4_general_ci", Columns: []Column{c}}
}

func charset(name, collation string) func(*Column) {
	return func(c *Column) { c.Charset, c.Collation = name, collation }
}

func defaults(value string, expression bool) func(*Column) {
	return func(c *Column) { c.Default, c.DefaultIsExpr = &value, expression }
}

func generated(expression string) func(*Column) {
	return func(c *Column) { c.Generated, c.GenerationExpr, c.Extra = true, expression, "VIRTUAL GENERATED" }
}

func lines(differences []Difference) []string {
	var out []string
	for _, d := range differences {
		out = append(out, fmt.Sprintf("%s|%s|%s|%s", d.Object, d.What, d.SourceValue, d.ReplicaValue))
	}
	return out
}

func TestCosmeticDifferencesAreNone(t *testing.T) {
	t.Parallel()
	extra := func(text string) func(*Column) { return func(c *Column) { c.Extra = text } }
	for _, c := range [][2]Column{
		{columnOf("a", "int(11)"), columnOf("A", "int")},
		{columnOf("a", "bigint(20) unsigned"), columnOf("a", "bigint unsigned")},
		{columnOf("a", "year(4)"), columnOf("a", "year")},
		{columnOf("a", "text /*M!100301 COMPRESSED*/"), columnOf("a", "text")},
		{columnOf("a", "geometrycollection"), columnOf("a", "geomcollection")},
		{columnOf("a", "varchar(9)", charset("utf8", "utf8_general_ci")), columnOf("a", "varchar(9)", charset("utf8mb3", "utf8mb3_general_ci"))},
		{columnOf("a", "datetime", defaults("current_timestamp()", true)), columnOf("a", "datetime", defaults("CURRENT_TIMESTAMP", true))},
		{columnOf("a", "datetime(3)", defaults("current_timestamp(3)", true)), columnOf("a", "datetime(3)", defaults("now(3)", true))},
		{columnOf("a", "timestamp", extra("on update current_timestamp()")), columnOf("a", "timestamp", extra("DEFAULT_GENERATED on update CURRENT_TIMESTAMP"))},
		{columnOf("a", "int", extra("auto_increment, INVISIBLE")), columnOf("a", "int", extra("auto_increment"))},
		{columnOf("a", "int", generated("(`v` + 1)")), columnOf("a", "int", generated("`v`  + 1"))},
		{columnOf("a", "varchar(9)", generated("concat('A b',`v`)")), columnOf("a", "varchar(9)", generated(`concat(_utf8mb4\'A b\',`+"`v`)"))},
	} {
		if got := Compare(single(c[0]), single(c[1])); len(got) > 0 {
			t.Errorf("%s and %s: %v", columnLine(c[0]), columnLine(c[1]), lines(got))
		}
	}
}

func TestCompareColumns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		source, replica Column
		want            string
	}{
		{columnOf("k", "int(11)"), columnOf("k", "bigint(20)"), "column k|type|int(11)|bigint(20)"},
		{columnOf("k", "int unsigned"), columnOf("k", "int"), "column k|type|int unsigned|int"},
		{columnOf("k", "varchar(9)"), columnOf("k", "varchar(10)"), "column k|type|varchar(9)|varchar(10)"},
		{columnOf("k", "enum('a','B')"), columnOf("k", "enum('a','b')"), "column k|type|enum('a','B')|enum('a','b')"},
		{columnOf("k", "int"), columnOf("k", "int", func(c *Column) { c.Nullable = true }), "column k|nullable|false|true"},
		{columnOf("k", "text", charset("latin1", "latin1_bin")), columnOf("k", "text", charset("latin1", "latin1_swedish_ci")), "column k|collation|latin1_bin|latin1_swedish_ci"},
		{columnOf("k", "int", defaults("1", false)), columnOf("k", "int"), "column k|default|'1'|none"},
		{columnOf("k", "text", defaults("uuid()", false)), columnOf("k", "text", defaults("uuid()", true)), "column k|default|'uuid()'|uuid()"},
		{columnOf("k", "text", defaults("A", false)), columnOf("k", "text", defaults("a", false)), "column k|default|'A'|'a'"},
		{columnOf("k", "text", defaults("concat('A')", true)), columnOf("k", "text", defaults("concat('a')", true)), "column k|default|concat('A')|concat('a')"},
		{columnOf("k", "int", generated("`v` + 1")), columnOf("k", "int", generated("`v` + 2")), "column k|generated|`v` + 1|`v` + 2"},
		{columnOf("k", "int"), columnOf("k", "int", func(c *Column) { c.Invisible = true }), "column k|invisible|false|true"},
		{columnOf("k", "int", func(c *Column) { c.Extra = "auto_increment" }), columnOf("k", "int"), "column k|extra|auto_increment|"},
	} {
		if got := lines(Compare(single(c.source), single(c.replica))); !slices.Equal(got, []string{c.want}) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestCompareTableAndKeys(t *testing.T) {
	t.Parallel()
	key := func(name string, unique bool, columns ...KeyColumn) Key {
		return Key{Name: name, Primary: name == "PRIMARY", Unique: unique, Type: "BTREE", Columns: columns}
	}
	source := &Table{
		Database: "d", Name: "t", Engine: "InnoDB", Collation: "utf8_bin", Partitioned: true, PartitionExpr: "RANGE (year(`d`))", RowsEstimate: 5,
		Columns: []Column{columnOf("a", "int"), columnOf("gone", "text"), columnOf("b", "int"), columnOf("c", "int")},
		Keys: []Key{
			key("PRIMARY", true, KeyColumn{Name: "a"}), key("k1", false, KeyColumn{Name: "b", Prefix: 5}), key("k2", true, KeyColumn{Name: "b"}),
			key("k3", false, KeyColumn{Expression: "(lower(`b`))"}), key("k4", true, KeyColumn{Name: "c"}),
		},
	}
	replica := &Table{
		Database: "d", Name: "t", Engine: "Aria", Collation: "utf8mb3_bin",
		Columns: []Column{columnOf("A", "int"), columnOf("c", "int"), columnOf("b", "int"), columnOf("more", "date")},
		Keys: []Key{
			key("PRIMARY", true, KeyColumn{Name: "A"}), key("K1", false, KeyColumn{Name: "b", Prefix: 6}), key("k2", false, KeyColumn{Name: "b"}),
			key("k3", false, KeyColumn{Expression: "lower(b)"}), key("k5", true, KeyColumn{Name: "c", Descending: true}),
		},
	}
	replica.Keys[2].Hidden = true
	want := []string{
		"table|engine|InnoDB|Aria", "table|partitioning|RANGE (year(`d`))|none", "column gone|missing|text|", "column more|extra||date",
		"table|column order|a, b, c|A, c, b", "key k1|columns|b(5)|b(6)", "key k2|unique|true|false", "key k2|hidden|false|true",
		"key k4|missing|UNIQUE (c)|", "key k5|extra||UNIQUE (c DESC)",
	}
	if got := lines(Compare(source, replica)); !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := Compare(source, source); len(got) > 0 {
		t.Errorf("a table differs from itself: %v", got)
	}
	replica.LoadError = "broken"
	if got := Compare(source, replica); len(got) > 0 {
		t.Errorf("a table that could not be opened differs: %v", got)
	}
}

func TestComparableColumns(t *testing.T) {
	t.Parallel()
	wide := func(p, n int) func(*Column) { return func(c *Column) { c.Precision, c.Scale = p, n } }
	scale := func(n int) func(*Column) { return func(c *Column) { c.Scale = n } }
	digits := func(n int) func(*Column) { return func(c *Column) { c.FractionalDigits = n } }
	latin, utf8 := charset("latin1", "latin1_bin"), charset("utf8mb4", "utf8mb4_bin")
	for _, c := range []struct {
		source, replica Column
		ok, needsUTF8   bool
	}{
		{columnOf("c", "int"), columnOf("C", "bigint unsigned"), true, false},
		{columnOf("c", "int"), columnOf("c", "decimal(10,0)"), false, false},
		{columnOf("c", "decimal(10,2)", scale(2)), columnOf("c", "decimal(12,2)", scale(2)), true, false},
		{columnOf("c", "decimal(10,2)", scale(2)), columnOf("c", "decimal(10,3)", scale(3)), true, false},
		{columnOf("c", "decimal(65,30)", wide(65, 30)), columnOf("c", "decimal(65,0)", wide(65, 0)), false, false},
		{columnOf("c", "char(5)", latin), columnOf("c", "text", latin), true, false},
		{columnOf("c", "text", latin), columnOf("c", "text", utf8), true, true},
		{columnOf("c", "text", charset("utf8", "utf8_bin")), columnOf("c", "text", charset("utf8mb3", "utf8mb3_bin")), true, false},
		{columnOf("c", "text", utf8), columnOf("c", "json"), true, false},
		{columnOf("c", "json"), columnOf("c", "longtext", latin), true, true},
		{columnOf("c", "blob"), columnOf("c", "json"), false, false},
		{columnOf("c", "text", utf8), columnOf("c", "blob"), false, false},
		{columnOf("c", "varbinary(9)"), columnOf("c", "blob"), true, false},
		{columnOf("c", "binary(9)"), columnOf("c", "varbinary(9)"), false, false},
		{columnOf("c", "datetime(3)", digits(3)), columnOf("c", "datetime(3)", digits(3)), true, false},
		{columnOf("c", "datetime(3)", digits(3)), columnOf("c", "datetime", digits(0)), false, false},
		{columnOf("c", "datetime"), columnOf("c", "timestamp"), false, false},
		{columnOf("c", "float"), columnOf("c", "float(7,3)"), true, false},
		{columnOf("c", "float"), columnOf("c", "double"), false, false},
		{columnOf("c", "enum('a')", utf8), columnOf("c", "enum('a')", latin), true, true},
		{columnOf("c", "enum('a')"), columnOf("c", "enum('a','b')"), true, false},
		{columnOf("c", "bit(3)"), columnOf("c", "bit(4)"), true, false},
		{columnOf("c", "point"), columnOf("c", "point"), true, false},
		{columnOf("c", "point"), columnOf("c", "geometry"), false, false},
		{columnOf("c", "inet4"), columnOf("c", "inet6"), false, false},
		{columnOf("c", "sometype"), columnOf("c", "sometype"), false, false},
		{columnOf("c", "int", generated("a + 1")), columnOf("c", "int", generated("(`a` + 1)")), true, false},
		{columnOf("c", "int", generated("a + 1")), columnOf("c", "int", generated("a + 2")), false, false},
		{columnOf("c", "int", generated("a + 1")), columnOf("c", "int"), false, false},
		{columnOf("c", "bigint unsigned", generated("ROW START")), columnOf("c", "bigint unsigned", generated("ROW START")), false, false},
		{columnOf("c", "timestamp(6)", generated("ROW START")), columnOf("c", "timestamp(6)", generated("ROW START")), true, false},
		{columnOf("c", "timestamp(6)", generated("ROW END")), columnOf("c", "timestamp(6)", generated("ROW END")), false, false},
	} {
		pairs, left := ComparableColumns(single(c.source), single(c.replica))
		ok := len(pairs) == 1 && len(left) == 0
		if ok != c.ok || (ok && pairs[0].NeedsUTF8 != c.needsUTF8) || (!ok && (len(left) != 1 || left[0].Why == "")) {
			t.Errorf("%s and %s: pairs %v, left out %v", columnLine(c.source), columnLine(c.replica), pairs, left)
		}
	}
	_, left := ComparableColumns(single(columnOf("a", "int")), single(columnOf("b", "int")))
	if len(left) != 2 || left[0].Name != "a" || left[1].Name != "b" {
		t.Errorf("left out: %v", left)
	}
	broken := single(columnOf("a", "int"))
	broken.LoadError = "broken"
	if pairs, left := ComparableColumns(single(columnOf("a", "int")), broken); len(pairs) > 0 || len(left) != 1 {
		t.Errorf("a table that cannot be opened: %v %v", pairs, left)
	}
}

func TestDefaultOf(t *testing.T) {
	t.Parallel()
	plain, marked := columnOf("c", "varchar(9)"), columnOf("c", "varchar(9)")
	marked.Extra = "DEFAULT_GENERATED"
	for _, c := range []struct {
		printed    *string
		column     Column
		mariadb    bool
		want       *string
		expression bool
	}{
		{nil, plain, true, nil, false}, {text("NULL"), plain, true, nil, false}, {text("'NULL'"), plain, true, text("NULL"), false},
		{text("'it''s'"), plain, true, text("it's"), false}, {text(`'a\\b\'c'`), plain, true, text(`a\b'c`), false},
		{text("'a' + 'b'"), plain, true, text("'a' + 'b'"), true}, {text("uuid()"), plain, true, text("uuid()"), true},
		{text("-1.5e10"), columnOf("c", "double"), true, text("-1.5e10"), false},
		{nil, plain, false, nil, false}, {text("NULL"), plain, false, text("NULL"), false}, {text("it's"), plain, false, text("it's"), false},
		{text("uuid()"), marked, false, text("uuid()"), true}, {text("0x610062"), columnOf("c", "binary(3)"), false, text("a\x00b"), false},
		{text("0x61"), plain, false, text("0x61"), false},
		{text("CURRENT_TIMESTAMP(2)"), columnOf("c", "datetime(2)"), false, text("CURRENT_TIMESTAMP(2)"), true},
		{text("CURRENT_TIMESTAMP"), plain, false, text("CURRENT_TIMESTAMP"), false},
	} {
		got, expression := defaultOf(c.printed, c.column, c.mariadb)
		same := (got == nil) == (c.want == nil) && (got == nil || *got == *c.want)
		if !same || expression != c.expression {
			t.Errorf("%v (mariadb %t): got %v, expression %t", c.printed, c.mariadb, got, expression)
		}
	}
}

func FuzzNormalExpression(f *testing.F) {
	f.Add("concat(_utf8mb4\\'a\\',`v`)")
	f.Add("(('a''b'))")
	f.Add("'")
	f.Fuzz(func(t *testing.T, expression string) { normalExpression(expression) })
}

package schema

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitKeysOrder(t *testing.T) {
	t.Parallel()
	width := func(n int64) func(*Column) { return func(c *Column) { c.CharLength = n } }
	table := &Table{
		Columns: []Column{
			columnOf("long", "varchar(200)", width(200)), columnOf("short", "varchar(9)", width(9)), columnOf("big", "bigint"),
			columnOf("small", "smallint"), columnOf("day", "date"), columnOf("money", "decimal(10,2)"),
		},
	}
	for _, columns := range []string{"long", "short", "big", "small,day", "small,big", "day", "money"} {
		key := Key{Name: "u_" + columns, Unique: true, Type: "BTREE"}
		for column := range strings.SplitSeq(columns, ",") {
			key.Columns = append(key.Columns, KeyColumn{Name: column})
		}
		table.Keys = append(table.Keys, key)
	}
	table.Keys = append(table.Keys, Key{Name: "PRIMARY", Primary: true, Unique: true, Type: "BTREE", Columns: []KeyColumn{{Name: "long"}, {Name: "big"}}})
	usable, rejected := SplitKeys(table)
	var got []string
	for _, key := range usable {
		got = append(got, key.Name)
	}
	want := []string{"PRIMARY", "u_money", "u_day", "u_big", "u_short", "u_long", "u_small,day", "u_small,big"}
	if !slices.Equal(got, want) || len(rejected) > 0 {
		t.Errorf("got %v (rejected %v), want %v", got, rejected, want)
	}
}

func TestSplitKeysByKind(t *testing.T) {
	t.Parallel()
	for columnType, usable := range map[string]bool{
		"int": true, "bigint unsigned": true, "year": true, "decimal(10,2)": true, "char(5)": true, "varchar(9)": true, "text": true,
		"binary(16)": true, "varbinary(9)": true, "blob": true, "date": true, "time(3)": true, "datetime(6)": true, "timestamp": true,
		"float": true, "double": true, "bit(9)": true, "enum('a')": false, "set('a')": false, "json": false, "point": false,
		"uuid": true, "inet4": true, "inet6": true, "vector(3)": false, "sometype": false,
	} {
		table := single(columnOf("v", columnType))
		table.Keys = []Key{{Name: "u", Unique: true, Type: "BTREE", Columns: []KeyColumn{{Name: "V"}}}}
		got, rejected := SplitKeys(table)
		if (len(got) == 1) != usable || len(got)+len(rejected) != 1 {
			t.Errorf("%s: usable %v, rejected %v", columnType, got, rejected)
		}
	}
}

func TestSplitKeysRejections(t *testing.T) {
	t.Parallel()
	table := &Table{Columns: []Column{columnOf("a", "int"), columnOf("e", "enum('x')"), columnOf("j", "json"), columnOf("n", "int", func(c *Column) { c.Nullable = true })}}
	for _, c := range []struct {
		change func(*Key)
		why    string
	}{
		{func(k *Key) { k.Unique = false }, "not unique"},
		{func(k *Key) { k.Type = "HASH" }, "HASH index has no order"},
		{func(k *Key) { k.Hidden = true }, "hidden"},
		{func(k *Key) { k.Columns = nil }, "no columns"},
		{func(k *Key) { k.Columns = []KeyColumn{{Name: "e"}, {Name: "a"}} }, "part e is ENUM: it orders by number"},
		{func(k *Key) { k.Columns = []KeyColumn{{Name: "a"}, {Name: "j"}} }, "part j is JSON: values of that type cannot bound"},
		{func(k *Key) { k.Columns = append(k.Columns, KeyColumn{Name: "n"}) }, "part n may be NULL"},
		{func(k *Key) { k.Columns[0].Prefix = 5 }, "first 5 characters"},
		{func(k *Key) { k.Columns = []KeyColumn{{Expression: "lower(`a`)"}} }, "expression lower(`a`)"},
		{func(k *Key) { k.Columns[0].Name = "x" }, "no column of the table"},
	} {
		key := Key{Name: "k", Unique: true, Type: "BTREE", Columns: []KeyColumn{{Name: "a"}}}
		c.change(&key)
		table.Keys = []Key{key}
		usable, rejected := SplitKeys(table)
		if len(usable) > 0 || len(rejected) != 1 || rejected[0].Key != "k" || !strings.Contains(rejected[0].Why, c.why) {
			t.Errorf("want %q, got usable %v, rejected %v", c.why, usable, rejected)
		}
	}
}

func TestSplitKeysTakeDescendingAndTrailingEnum(t *testing.T) {
	t.Parallel()
	table := &Table{Columns: []Column{columnOf("a", "int"), columnOf("e", "enum('x')"), columnOf("empty", "enum('x','')")}}
	table.Keys = []Key{{Name: "k", Unique: true, Type: "BTREE", Columns: []KeyColumn{{Name: "a", Descending: true}, {Name: "e"}}}}
	if usable, rejected := SplitKeys(table); len(usable) != 1 {
		t.Errorf("rejected %v", rejected)
	}
	table.Keys[0].Columns[1].Name = "empty"
	if usable, rejected := SplitKeys(table); len(usable) > 0 || !strings.Contains(rejected[0].Why, "read alike") {
		t.Errorf("an ENUM with an empty member: %v", rejected)
	}
}

// TestSplitKeyOfPeriod: the end of a named period is no bound, since servers before and after MariaDB 11.5 disagree on it.
func TestSplitKeyOfPeriod(t *testing.T) {
	t.Parallel()
	end := columnOf("until", "timestamp(6)", func(c *Column) { c.Generated, c.GenerationExpr = true, "ROW END" })
	table := &Table{
		Kind: SystemVersioned, Columns: []Column{columnOf("id", "int"), end},
		Keys: []Key{{Name: "PRIMARY", Primary: true, Unique: true, Type: "BTREE", Columns: []KeyColumn{{Name: "id"}, {Name: "until"}}}},
	}
	usable, _ := SplitKeys(table)
	if len(usable) != 1 || len(usable[0].Columns) != 1 || usable[0].Columns[0].Name != "id" || len(table.Keys[0].Columns) != 2 {
		t.Errorf("usable %+v of a table with %+v", usable, table.Keys)
	}
	table.Kind = BaseTable
	if usable, _ = SplitKeys(table); len(usable) != 1 || len(usable[0].Columns) != 2 {
		t.Errorf("of a table without history: %+v", usable)
	}
}

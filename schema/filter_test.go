package schema

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func selectorOf(t testing.TB, filter Filter) *Selector {
	t.Helper()
	selector, err := ParseFilter(filter)
	if err != nil {
		t.Fatal(err)
	}
	return selector
}

func TestParseFilterErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter Filter
		want   []string
	}{
		{Filter{Tables: []string{"orders"}}, []string{"--tables orders", "no dot", "database.table", "*.orders"}},
		{Filter{Tables: []string{"a.b.c"}}, []string{"--tables a.b.c", "2 dots", "backticks"}},
		{Filter{IgnoreTables: []string{"x"}}, []string{"--ignore-tables x", "no dot"}},
		{Filter{Databases: []string{"shop.orders"}}, []string{"--databases shop.orders", "--tables", "backticks"}},
		{Filter{IgnoreDatabases: []string{"a.b"}}, []string{"--ignore-databases a.b", "--ignore-tables"}},
		{Filter{IgnoreColumns: []string{"a.b"}}, []string{"--ignore-columns a.b", "one dot", "database.table.column"}},
		{Filter{Tables: []string{""}}, []string{"--tables", "empty"}},
		{Filter{Tables: []string{"a."}}, []string{"--tables a.", "empty"}},
		{Filter{Tables: []string{"``.b"}}, []string{"empty"}},
		{Filter{Tables: []string{"`a.b"}}, []string{"not closed"}},
		{Filter{Tables: []string{"a.b\x00"}}, []string{"NUL"}},
		{Filter{Databases: []string{"mysql"}}, []string{"--databases mysql", "never compared"}},
		{Filter{Tables: []string{"INFORMATION_SCHEMA.TABLES"}}, []string{"never compared"}},
		{Filter{Tables: []string{"`sys`.*"}}, []string{"never compared"}},
	} {
		_, err := ParseFilter(c.filter)
		if err == nil {
			t.Errorf("%+v: no error", c.filter)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %q does not say %q", c.filter, err, want)
			}
		}
	}
}

func TestMatchesTable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		filter Filter
		fold   bool
		yes    []string
		no     []string
	}{
		{"everything", Filter{}, false, []string{"a b", "Sys t"}, []string{"mysql user", "sys x", "Performance_Schema x", "information_schema TABLES"}},
		{"databases", Filter{Databases: []string{"shop*", "x?"}}, false, []string{"shop t", "shop2 t", "xy t"}, []string{"Shop t", "x t", "xyz t", "ashop t"}},
		{"tables", Filter{Tables: []string{"shop.ord*", "*.log"}}, false, []string{"shop orders", "any log"}, []string{"shop items", "other orders", "any logs"}},
		{"both", Filter{Databases: []string{"shop"}, Tables: []string{"*.o*"}}, false, []string{"shop orders"}, []string{"other orders", "shop items"}},
		{"ignored", Filter{Databases: []string{"s*"}, IgnoreDatabases: []string{"sx"}, IgnoreTables: []string{"*.tmp_*"}}, false, []string{"shop a"}, []string{"sx a", "shop tmp_a"}},
		{"quoted", Filter{Tables: []string{"`a.b`.c*", "`x*`.`y?```"}}, false, []string{"a.b c", "a.b cde", "x* y?`"}, []string{"a b", "x1 y1`", "axb c"}},
		{"exact case", Filter{Tables: []string{"Shop.Orders"}}, false, []string{"Shop Orders"}, []string{"shop orders"}},
		{"folded case", Filter{Tables: []string{"Shop.ÄOrd*"}, IgnoreTables: []string{"*.*OLD"}}, true, []string{"shop äorders", "SHOP ÄORDERS"}, []string{"shop äord_old"}},
		{"star in a name", Filter{Databases: []string{"`*`"}}, false, []string{"* t"}, []string{"a t"}},
	} {
		s := selectorOf(t, c.filter).FoldNames(c.fold)
		for _, names := range c.yes {
			d, n, _ := strings.Cut(names, " ")
			if !s.MatchesTable(d, n) {
				t.Errorf("%s: %s.%s is not chosen", c.name, d, n)
			}
			if !s.passesDatabase(d) {
				t.Errorf("%s: the database of %s.%s does not pass", c.name, d, n)
			}
		}
		for _, names := range c.no {
			d, n, _ := strings.Cut(names, " ")
			if s.MatchesTable(d, n) {
				t.Errorf("%s: %s.%s is chosen", c.name, d, n)
			}
		}
	}
}

func TestMatchesColumnAndNames(t *testing.T) {
	t.Parallel()
	s := selectorOf(t, Filter{Tables: []string{"a.v", "b.*"}, IgnoreColumns: []string{"shop.*.Updated_*", "a.v.`x.y`"}})
	for column, want := range map[[3]string]bool{
		{"shop", "t", "updated_at"}: false, {"shop", "t", "UPDATED_BY"}: false, {"shop", "t", "id"}: true,
		{"Shop", "t", "updated_at"}: true, {"a", "v", "x.y"}: false, {"a", "v", "xxy"}: true,
	} {
		if got := s.MatchesColumn(column[0], column[1], column[2]); got != want {
			t.Errorf("%v: %t", column, got)
		}
	}
	if !s.Names("a", "v") || s.Names("A", "v") || s.Names("b", "x") || !s.FoldNames(true).Names("A", "V") {
		t.Error("Names is about patterns without wildcards only, with the server's letter case")
	}
}

// TestGlobAgainstRegexp holds the matcher against a translation to a regular expression.
func TestGlobAgainstRegexp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching("[ab*?é]{1,8}").Draw(rt, "pattern")
		name := rapid.StringMatching("[abcé]{0,10}").Draw(rt, "name")
		parts, err := parseParts(text)
		if err != nil || len(parts) != 1 {
			rt.Fatalf("%q: %v %v", text, parts, err)
		}
		expression := "^" + strings.NewReplacer("*", ".*", "?", ".").Replace(text) + "$"
		if want := regexp.MustCompile(expression).MatchString(name); parts[0].match(name) != want {
			rt.Fatalf("pattern %q, name %q: want %t", text, name, want)
		}
	})
}

func FuzzParseFilter(f *testing.F) {
	f.Add("a.b", "a", "b")
	f.Add("`a``.`.*", "a`.", "c")
	f.Fuzz(func(t *testing.T, text, database, table string) {
		if CheckName(database) == nil && CheckName(table) == nil {
			s, err := ParseFilter(Filter{Tables: []string{QuoteTable(database, table)}})
			if isSystemDatabase(database) != (err != nil) {
				t.Fatalf("%q.%q: %v", database, table, err)
			}
			if err == nil && !(s.MatchesTable(database, table) && s.Names(database, table)) {
				t.Fatalf("quoted name %q.%q does not match itself", database, table)
			}
		}
		if s, err := ParseFilter(Filter{Tables: []string{text}}); err == nil {
			s.FoldNames(true).MatchesTable(database, table)
		}
	})
}

func tableWith(database, name string, columns ...string) *Table {
	t := &Table{Database: database, Name: name, Engine: "InnoDB"}
	for i, column := range columns {
		t.Columns = append(t.Columns, Column{Name: column, Position: i + 1, Kind: KindInteger, DataType: "int", ColumnType: "int"})
	}
	return t
}

func TestExclusionAndUnmatched(t *testing.T) {
	t.Parallel()
	heartbeat := []string{"ts", "server_id", "file", "position", "relay_master_log_file", "exec_master_log_pos"}
	checksums := []string{"db", "tbl", "chunk", "chunk_time", "this_crc", "this_cnt"}
	tables := []*Table{
		tableWith("d", "orders", "id"), tableWith("d", "_orders_gho", "id"), tableWith("d", "_orders_ghc", "id"),
		tableWith("d", "_orders_20260102030405_del", "id"), tableWith("d", "__orders_new", "id"), tableWith("d", "_orders_old", "id"),
		tableWith("d", "_mine_new", "id"), tableWith("d", "orders_new", "id"), tableWith("d", "heartbeat", "id"),
		tableWith("p", "hb", heartbeat...), tableWith("p", "sums", checksums...), {Database: "d", Name: "vw", Kind: View},
	}
	excludedIn := func(filter Filter) (names []string, c *Catalog) {
		c = NewCatalog(tables, false, selectorOf(t, filter))
		for _, table := range c.Tables {
			if e, excluded := c.Exclusion(table); excluded {
				if e.Code == "" || e.Why == "" {
					t.Errorf("%s: %+v", table.Name, e)
				}
				names = append(names, table.Name)
			}
		}
		return names, c
	}
	ghosts := []string{"__orders_new", "_orders_20260102030405_del", "_orders_ghc", "_orders_gho", "_orders_old"}
	if got, _ := excludedIn(Filter{}); !slices.Equal(got, append(slices.Clone(ghosts), "hb", "sums")) {
		t.Errorf("excluded by default: %v", got)
	}
	got, _ := excludedIn(Filter{Tables: []string{"d._orders_gho", "p.hb", "p.sums", "d.*"}})
	if slices.Contains(got, "_orders_gho") || slices.Contains(got, "hb") || !slices.Contains(got, "_orders_old") {
		t.Errorf("tables named in --tables are excluded: %v", got)
	}
	for _, c := range []struct {
		filter Filter
		want   []string
	}{
		{Filter{}, nil},
		{Filter{Databases: []string{"d", "nosuch"}}, []string{"--databases nosuch"}},
		{Filter{Tables: []string{"d.ordres", "d.o*", "D.orders"}}, []string{"--tables d.ordres", "--tables D.orders"}},
		{Filter{Tables: []string{"d._orders_*"}}, []string{"--tables d._orders_*"}},
		{Filter{Tables: []string{"d.orders"}, IgnoreTables: []string{"*.orders"}}, []string{"--tables d.orders"}},
		{Filter{Databases: []string{"d"}, Tables: []string{"p.hb"}}, []string{"--databases d", "--tables p.hb"}},
		{Filter{Tables: []string{"d.vw"}}, nil},
	} {
		_, catalog := excludedIn(c.filter)
		if got := catalog.Selector.Unmatched(catalog); !slices.Equal(got, c.want) {
			t.Errorf("%+v: unmatched %v, want %v", c.filter, got, c.want)
		}
	}
}

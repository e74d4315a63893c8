package replication

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestReplicates(t *testing.T) {
	t.Parallel()
	f := func(pairs ...string) (filters []Filter) {
		for _, pair := range pairs {
			name, value, _ := strings.Cut(pair, "=")
			filters = append(filters, Filter{name, value})
		}
		return filters
	}
	tests := []struct {
		filters    []Filter
		table      string
		replicated bool
		reason     string // part of it; "" for none
	}{
		{nil, "a.t", true, ""},
		{f("replicate_do_db=a"), "a.t", true, "default database"},
		{f("replicate_do_db=a"), "b.t", false, "replicate_do_db=a"},
		{f("replicate_do_db=A"), "a.t", false, "replicate_do_db=A"},
		{f("replicate_ignore_db=a"), "a.t", false, "replicate_ignore_db=a"},
		{f("replicate_ignore_db=a"), "b.t", true, "default database"},
		{f("replicate_do_db=a", "replicate_ignore_db=a"), "a.t", true, "default database"},
		{f("replicate_do_table=a.t"), "a.t", true, ""},
		{f("replicate_do_table=A.T"), "a.t", true, ""},
		{f("replicate_do_table=a.t"), "a.u", false, "replicate_do_table=a.t"},
		{f("replicate_ignore_table=a.t"), "a.t", false, "replicate_ignore_table=a.t"},
		{f("replicate_ignore_table=A.T"), "a.t", false, "replicate_ignore_table=A.T"},
		{f("replicate_ignore_table=a.t"), "a.u", true, ""},
		{f("replicate_do_table=a.t", "replicate_ignore_table=a.t"), "a.t", true, ""},
		{f("replicate_do_table=a.t", "replicate_wild_ignore_table=a.%"), "a.t", true, ""},
		{f("replicate_wild_do_table=a.x%", "replicate_ignore_table=a.x1"), "a.x1", false, "replicate_ignore_table=a.x1"},
		{f("replicate_wild_do_table=a.x%", "replicate_wild_ignore_table=a.x1"), "a.x1", true, ""},
		{f("replicate_wild_do_table=a.%"), "b.t", false, "replicate_wild_do_table=a.%"},
		{f("replicate_wild_ignore_table=a\\_b.%"), "a_b.t", false, "replicate_wild_ignore_table"},
		{f("replicate_wild_ignore_table=a\\_b.%"), "axb.t", true, ""},
		{f("replicate_do_db=a", "replicate_ignore_table=a.t"), "a.t", false, "replicate_ignore_table=a.t"},
		{f("replicate_rewrite_db=a->b"), "a.t", true, ""},
		{f("replicate_rewrite_db=a->b", "replicate_ignore_table=b.t"), "a.t", false, "replicate_ignore_table=b.t"},
		{f("replicate_rewrite_db=a->b", "replicate_ignore_table=a.t"), "a.t", true, ""},
		{f("replicate_rewrite_db=a->b", "replicate_do_db=a"), "a.t", false, "replicate_do_db=a"},
		{f("replicate_rewrite_db=a->b"), "c.t", true, ""},
		{f("ignore_domain_ids=3"), "a.t", true, "ignore_domain_ids=3"},
	}
	for _, test := range tests {
		database, table, _ := strings.Cut(test.table, ".")
		replicated, reason := Status{Filters: test.filters}.Replicates(database, table)
		if replicated != test.replicated || !strings.Contains(reason, test.reason) || (test.reason == "") != (reason == "") {
			t.Errorf("%v %s: %v, %q", test.filters, test.table, replicated, reason)
		}
	}
}

func TestNameOf(t *testing.T) {
	t.Parallel()
	status := Status{Filters: []Filter{{"replicate_rewrite_db", "a->b"}, {"replicate_rewrite_db", "b->c"}, {"replicate_rewrite_db", "a->z"}}}
	for database, want := range map[string]string{"a": "b", "b": "c", "c": "c", "A": "A"} {
		if got := status.NameOf(database); got != want {
			t.Errorf("%s is %s, want %s", database, got, want)
		}
	}
	if !status.Rewrites() || (Status{Filters: []Filter{{"replicate_do_db", "a"}}}).Rewrites() {
		t.Error("Rewrites")
	}
}

func TestBinlogFilterLogs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		filter   BinlogFilter
		database string
		logged   bool
		reason   string
	}{
		{BinlogFilter{}, "a", true, ""},
		{BinlogFilter{DoDB: []string{"a", "b"}}, "b", true, "binlog_do_db=a,b"},
		{BinlogFilter{DoDB: []string{"a", "b"}}, "c", false, "binlog_do_db=a,b"},
		{BinlogFilter{IgnoreDB: []string{"a", "b"}}, "b", false, "binlog_ignore_db=b"},
		{BinlogFilter{IgnoreDB: []string{"a", "b"}}, "c", true, "binlog_ignore_db=a,b"},
		{BinlogFilter{DoDB: []string{"a"}, IgnoreDB: []string{"a"}}, "a", true, "binlog_do_db=a"},
	}
	for _, test := range tests {
		logged, reason := test.filter.Logs(test.database)
		if logged != test.logged || !strings.Contains(reason, test.reason) || (test.reason == "") != (reason == "") {
			t.Errorf("%v %s: %v, %q", test.filter, test.database, logged, reason)
		}
	}
}

func TestWildMatch(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"a.%", "a.t", true},
		{"a.%", "a.", true},
		{"a%.t", "a.x.t", true}, // % crosses the dot
		{"%", "a.t", true},
		{"_.t", "a.t", true},
		{"_.t", "ab.t", false},
		{"A.T", "a.t", true},
		{`a\%.t`, "a%.t", true},
		{`a\%.t`, "ab.t", false},
		{`a\\.t`, `a\.t`, true},
		{`a.t\`, `a.t\`, true},
		{"%t%t", "a.t", false},
		{"%t%t", "t.t", true},
		{"%%_", "x", true},
		{"a.über%", "a.ÜBERt", true},
		{"", "", true},
		{"", "a", false},
	}
	for _, test := range tests {
		if got := wildMatch(test.pattern, test.name); got != test.want {
			t.Errorf("%q, %q: %v", test.pattern, test.name, got)
		}
	}
}

// naiveWild is the definition of matching, one case a line.
func naiveWild(p, n string) bool {
	switch {
	case p == "":
		return n == ""
	case p[0] == '%':
		return naiveWild(p[1:], n) || n != "" && naiveWild(p, n[1:])
	case p[0] == '\\' && len(p) > 1:
		return n != "" && p[1] == n[0] && naiveWild(p[2:], n[1:])
	case n == "":
		return false
	}
	return (p[0] == '_' || p[0] == n[0]) && naiveWild(p[1:], n[1:])
}

func TestWildMatchAgainstNaiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`([ab.%_]|\\[ab%_\\]){0,8}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab.%_\\]{0,8}`).Draw(t, "name")
		if got, want := wildMatch(pattern, name), naiveWild(pattern, name); got != want {
			t.Fatalf("%q, %q: %v, want %v", pattern, name, got, want)
		}
	})
}

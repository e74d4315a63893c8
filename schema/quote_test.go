package schema

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestQuoteIdentifier(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"a": "`a`", "a`b": "`a``b`", "``": "``````", "a.b": "`a.b`", "select": "`select`", "日😀": "`日😀`", `\`: "`\\`",
		"": "``", "a\x00b": "``", "\xff": "``",
	} {
		if got := QuoteIdentifier(name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
		if refused := CheckName(name) != nil; refused != (want == "``") {
			t.Errorf("%q: CheckName refuses: %t", name, refused)
		}
	}
	if got := QuoteTable("a.b", "c`"); got != "`a.b`.`c```" {
		t.Errorf("got %s", got)
	}
}

// TestServerRefusesWhatQuoteIdentifierRefuses: an impossible name makes a statement fail wherever the name stands.
func TestServerRefusesWhatQuoteIdentifierRefuses(t *testing.T) {
	t.Parallel()
	session := sharedSession(t)
	database(t, session, "refusals")
	run(t, session, "CREATE TABLE t (a int PRIMARY KEY)")
	bad := QuoteIdentifier("a\x00")
	for _, statement := range []string{
		"SELECT " + bad + " FROM t", "SELECT a FROM " + bad, "SELECT a FROM " + bad + ".t",
		"UPDATE t SET " + bad + " = 1", "DELETE FROM " + QuoteTable("refusals", "\x00"), "SELECT a FROM t ORDER BY " + bad,
		"CREATE TABLE " + bad + " (a int)", "CREATE TABLE t2 (" + bad + " int)",
	} {
		if err := session.Exec(t.Context(), statement); err == nil {
			t.Errorf("the server took %s", statement)
		}
	}
}

// TestQuotedNamesReachTheServer creates, loads and reads tables with names of every awkward kind.
func TestQuotedNamesReachTheServer(t *testing.T) {
	t.Parallel()
	session := sharedSession(t)
	database(t, session, "quo`ted.d b")
	pieces := rapid.SampledFrom([]string{
		"a", "Z", "0", "`", "``", ".", " ", "\n", "\t", "'", `"`, `\`, ";", "--", "#", "/*", "*/", "*", "?", "%", "_", "$", "@", "{", ",", "(", "é", "日", "select", "NULL",
	})
	rapid.Check(t, func(rt *rapid.T) {
		name := func(label string) string {
			s := strings.Join(rapid.SliceOfN(pieces, 1, 8).Draw(rt, label), "")
			// No server takes a trailing space (manual, "Schema Object Names"), or white space at the end at all.
			return strings.TrimRight(s, " \n\t") + "x"
		}
		table, column := name("table"), name("column")
		mode := rapid.SampledFrom([]string{"", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"}).Draw(rt, "sql_mode")
		must := func(statement string) {
			if err := session.Exec(t.Context(), statement); err != nil {
				rt.Fatal(err)
			}
		}
		must("SET SESSION sql_mode = '" + mode + "'")
		defer must("SET SESSION sql_mode = ''")
		must("CREATE TABLE " + QuoteTable("quo`ted.d b", table) + " (" + QuoteIdentifier(column) + " int NOT NULL, UNIQUE " + QuoteIdentifier(column) + " (" + QuoteIdentifier(column) + ")) ENGINE = MyISAM")
		defer must("DROP TABLE " + QuoteTable("quo`ted.d b", table))
		must("SELECT " + QuoteIdentifier(column) + " FROM " + QuoteTable("quo`ted.d b", table) + " FORCE INDEX (" + QuoteIdentifier(column) + ")")
		selector, err := ParseFilter(Filter{Tables: []string{QuoteTable("quo`ted.d b", table)}})
		if err != nil {
			rt.Fatal(err)
		}
		catalog, err := Load(t.Context(), session, selector)
		if err != nil {
			rt.Fatal(err)
		}
		loaded, ok := catalog.Table("quo`ted.d b", table)
		if !ok || loaded.Columns[0].Name != column || loaded.Keys[0].Name != column || !catalog.Selector.Names(loaded.Database, loaded.Name) {
			rt.Fatalf("table %q, column %q came back as %+v", table, column, loaded)
		}
	})
}

// TestQuotedAliases covers names as long as aliases may be, with every printable and control character.
func TestQuotedAliases(t *testing.T) {
	t.Parallel()
	session := sharedSession(t)
	rapid.Check(t, func(rt *rapid.T) {
		// The server drops white space and control characters at the start of an alias (warning 1466) and cuts at its end.
		name := "x" + rapid.StringMatching("[\\x{1}-\\x{7e}é日`]{0,100}").Draw(rt, "alias") + "x"
		record, err := session.One(t.Context(), "SELECT 1 AS "+QuoteIdentifier(name))
		if err != nil {
			rt.Fatal(err)
		}
		if _, ok := record.Lookup(name); !ok {
			rt.Fatalf("alias %q came back as %q", name, record.Names())
		}
	})
	// MariaDB's names are utf8mb3: a four-byte character is refused (1300), never replaced by another.
	if err := session.Exec(t.Context(), "SELECT 1 AS "+QuoteIdentifier("a😀")); err == nil {
		t.Log("the server takes names beyond the basic plane")
	}
}

func TestReadsAlike(t *testing.T) {
	t.Parallel()
	for columnType, want := range map[string]bool{
		"enum('')": true, "enum('a','')": true, "enum('','a')": true, "enum('a')": false, "enum('a','b','a')": true, "set('x','x')": true, "enum('a','A')": false, "enum('it''s')": false, "enum('''')": false, "enum('a'',''b')": false,
		"enum('x''','')": true, "set('a','')": true, "set('a')": false,
	} {
		if got := columnOf("c", columnType).ReadsAlike(); got != want {
			t.Errorf("%s: %v", columnType, got)
		}
	}
}

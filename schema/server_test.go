package schema

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"trueup/internal/sandbox"
	"trueup/internal/sandbox/sandboxtest"
	"trueup/server"
)

// shared is the server most tests use, each with databases of its own.
var shared struct {
	once     sync.Once
	instance *sandbox.Instance
	err      error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.instance != nil {
		_ = shared.instance.Stop()
	}
	os.Exit(code)
}

func sharedSession(t testing.TB) *server.Session {
	t.Helper()
	sandboxtest.Require(t)
	shared.once.Do(func() {
		shared.instance, shared.err = sandbox.Start(context.Background(), sandbox.Options{Name: "schema"})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return sessionOn(t, shared.instance)
}

func sessionOn(t testing.TB, instance *sandbox.Instance) *server.Session {
	t.Helper()
	return sandboxtest.Session(t, instance.AdminEndpoint())
}

func run(t testing.TB, session *server.Session, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := session.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// database makes an empty database that goes away with the test, and makes it the session's.
func database(t testing.TB, session *server.Session, name string) {
	t.Helper()
	quoted := QuoteIdentifier(name)
	run(t, session, "DROP DATABASE IF EXISTS "+quoted, "CREATE DATABASE "+quoted+" CHARACTER SET utf8mb4", "USE "+quoted)
	t.Cleanup(func() {
		if err := session.Exec(context.Background(), "DROP DATABASE "+quoted); err != nil {
			t.Error(err)
		}
	})
}

func load(t testing.TB, session *server.Session, filter Filter) *Catalog {
	t.Helper()
	selector, err := ParseFilter(filter)
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := Load(t.Context(), session, selector)
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

func mustTable(t testing.TB, catalog *Catalog, database, name string) *Table {
	t.Helper()
	table, ok := catalog.Table(database, name)
	if !ok {
		t.Fatalf("no table %s.%s in the catalog", database, name)
	}
	return table
}

// columnLine is a column in one line, for comparing with what is expected.
func columnLine(c Column) string {
	line := fmt.Sprintf("%s %d %s %s", c.Name, c.Position, c.Kind, c.ColumnType)
	for _, word := range []struct {
		when bool
		text string
	}{
		{c.Unsigned, "unsigned!"}, {!c.Nullable, "notnull"}, {c.Charset != "", c.Charset}, {c.Invisible, "invisible"},
		{c.FractionalDigits > 0, fmt.Sprint("digits=", c.FractionalDigits)}, {c.Generated, "as=" + c.GenerationExpr},
		{c.Default != nil, "default=" + defaultText(c)}, {c.DefaultIsExpr, "expr"}, {c.Extra != "", "extra=" + c.Extra},
	} {
		if word.when {
			line += " " + word.text
		}
	}
	return line
}

func keyLine(k Key) string {
	words := []string{k.Name, k.Type, k.describe()}
	if k.Primary {
		words = append(words, "primary")
	}
	if k.Hidden {
		words = append(words, "hidden")
	}
	return strings.Join(words, " ")
}

func one(t testing.TB, session *server.Session, query string) string {
	t.Helper()
	record, err := session.One(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return record.Text("v")
}

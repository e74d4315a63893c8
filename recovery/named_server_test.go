package recovery_test

import (
	"slices"
	"strings"
	"testing"

	"trueup/integration"
	"trueup/internal/sandbox/sandboxtest"
	"trueup/recovery"
	"trueup/schema"
	"trueup/server"
)

var hangingTables = []string{
	"CREATE DATABASE shop", "CREATE DATABASE other",
	"CREATE TABLE shop.customers (id INT PRIMARY KEY) ENGINE=InnoDB",
	"CREATE TABLE shop.orders (id INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES shop.customers (id) ON DELETE CASCADE) ENGINE=InnoDB",
	"CREATE TABLE other.lines (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES shop.orders (id) ON UPDATE CASCADE ON DELETE SET NULL) ENGINE=InnoDB",
	"CREATE TABLE shop.notes (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES shop.orders (id)) ENGINE=InnoDB",
	"CREATE TABLE shop.plain (id INT PRIMARY KEY, orders INT)", "CREATE TABLE shop.watched (id INT PRIMARY KEY)", "CREATE TABLE shop.log (id INT)",
	"CREATE TABLE shop.left_out (id INT PRIMARY KEY)",
	"CREATE TRIGGER shop.watch AFTER INSERT ON shop.watched FOR EACH ROW INSERT INTO shop.log VALUES (NEW.id)",
	"CREATE VIEW shop.seen AS SELECT * FROM shop.plain",
	"CREATE FUNCTION shop.price(a INT) RETURNS INT DETERMINISTIC RETURN a",
}

const allHanging = "other.lines shop.customers shop.log shop.notes shop.orders shop.plain shop.watched"

// tablesOf are the tables that a statement may change, without the one that does not count, and why.
func tablesOf(t *testing.T, session *server.Session, database, statement string) (tables, why string) {
	t.Helper()
	found, sentences, err := recovery.TablesOf(t.Context(), session, []recovery.Statement{{Database: database, Text: statement}}, func(database, table string) bool {
		return table != "left_out"
	})
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	var names []string
	for _, name := range found {
		names = append(names, name.Database+"."+name.Table)
	}
	return strings.Join(names, " "), strings.Join(sentences, "\n")
}

// TestTablesOfStatementsOnTheSource: what a statement may change is found on every server, with all that hangs on it.
func TestTablesOfStatementsOnTheSource(t *testing.T) {
	t.Parallel()
	integration.EachServer(t, func(t *testing.T, on integration.ServerRow) {
		tp := integration.NewTopology(t, integration.Options{Replicas: -1})
		tp.Source.Exec(t, hangingTables...)
		session := sandboxtest.Session(t, tp.Source.Endpoint())
		for _, c := range []struct{ statement, want, why string }{
			{"UPDATE plain SET id = 2", "shop.plain", "What a statement changes in shop.plain is not in the log."},
			{"UPDATE plain SET orders = 2", "other.lines shop.orders shop.plain", "shop.orders, in doubt"},
			{"DELETE FROM customers WHERE id = 1", "other.lines shop.customers shop.orders", "shop.orders: a foreign key changes its rows along with those of shop.customers."},
			{"DELETE FROM notes", "shop.notes", ""},
			{"TRUNCATE TABLE other.lines", "other.lines", ""},
			{"INSERT INTO watched VALUES (1)", allHanging, "the trigger watch of shop.watched may write anything."},
			{"ALTER TABLE watched ADD x INT", "shop.watched", ""},
			{"UPDATE seen SET id = 2", allHanging, "shop.seen, which is named, is a view."},
			{"INSERT INTO plain VALUES (price(2), 1)", allHanging, "calls the stored function shop.price."},
			{"INSERT INTO left_out VALUES (1)", "", ""},
			{"UPDATE gone SET a = 1", allHanging, "gone, which UPDATE gone SET a = 1 names, is not on the source now"},
			{"DROP DATABASE other", "other.lines", "drops the database"},
		} {
			got, why := tablesOf(t, session, "shop", c.statement)
			if got != c.want || !strings.Contains(why, c.why) {
				t.Errorf("%s\n got %s\nwant %s\n why %s", c.statement, got, c.want, why)
			}
		}
	})
}

// TestTablesOfStatementsWithFewPrivileges: an account that only reads sees foreign keys, and is told what it does not see.
func TestTablesOfStatementsWithFewPrivileges(t *testing.T) {
	t.Parallel()
	integration.EachServer(t, func(t *testing.T, on integration.ServerRow) {
		tp := integration.NewTopology(t, integration.Options{Replicas: -1})
		tp.Source.Exec(t, hangingTables...)
		account := tp.Source.CreateUser(t, "reader", "SELECT ON shop.*")
		got, why := tablesOf(t, sandboxtest.Session(t, account), "shop", "DELETE FROM customers WHERE id = 1")
		if want := strings.ReplaceAll(allHanging, "other.lines ", ""); got != want || !strings.Contains(why, "GRANT TRIGGER ON `shop`.`customers` TO `reader`@") {
			t.Errorf("with SELECT only:\n got %s\nwant %s\n why %s", got, want, why)
		}
		tp.Source.Exec(t, "GRANT TRIGGER ON shop.* TO "+tp.Source.Account("reader"))
		got, why = tablesOf(t, sandboxtest.Session(t, account), "shop", "DELETE FROM customers WHERE id = 1")
		if want := "shop.customers shop.orders"; got != want || !strings.Contains(why, "Tables that the account may not read") {
			t.Errorf("with SELECT and TRIGGER:\n got %s\nwant %s\n why %s", got, want, why)
		}
		if got, _ = tablesOf(t, sandboxtest.Session(t, account), "shop", "INSERT INTO watched VALUES (1)"); !strings.Contains(got, "shop.log") {
			t.Errorf("a trigger was not seen with TRIGGER: %s", got)
		}
	})
}

// TestOwnWordsAreNoStoredFunctions: a server takes none of them for the name of a stored function.
func TestOwnWordsAreNoStoredFunctions(t *testing.T) {
	t.Parallel()
	integration.EachServer(t, func(t *testing.T, on integration.ServerRow) {
		tp := integration.NewTopology(t, integration.Options{Replicas: -1})
		tp.Source.Exec(t, "CREATE DATABASE shop")
		session := sandboxtest.Session(t, tp.Source.Endpoint())
		const noSuchFunction = 1305
		missing := func(word string) bool {
			number, _ := server.ErrorNumber(session.Exec(t.Context(), "DO "+word+"(0)"))
			return number == noSuchFunction
		}
		if err := session.Exec(t.Context(), "USE shop"); err != nil {
			t.Fatal(err)
		}
		if !missing("no_such_function") {
			t.Fatal("the server does not say that there is no such function")
		}
		words := recovery.OwnWordsOf(session.Server().Identity())
		if unknown := slices.DeleteFunc(words, func(word string) bool { return !missing(word) }); len(unknown) > 0 {
			t.Errorf("these may be stored functions: %v", unknown)
		}
	})
}

func tableNames(names ...string) map[schema.Name]bool {
	set := map[schema.Name]bool{}
	for _, name := range names {
		database, table, _ := strings.Cut(name, ".")
		set[schema.Name{Database: database, Table: table}] = true
	}
	return set
}

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/recovery"
)

// TestRecoverNamesTheTablesOfStatements: of a transaction that is logged as statements, the preview of a skip names the tables that may
// be changed: those that a statement names, what hangs on them, and all where that cannot be told.
func TestRecoverNamesTheTablesOfStatements(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{Format: "STATEMENT"})
		tp.Source.Exec(t, "CREATE DATABASE shop", "CREATE DATABASE other",
			"CREATE TABLE shop.gate (id INT PRIMARY KEY)", "CREATE TABLE shop.plain (id INT PRIMARY KEY)", "CREATE TABLE shop.log (id INT)",
			"CREATE TABLE shop.customers (id INT PRIMARY KEY) ENGINE=InnoDB",
			"CREATE TABLE shop.orders (id INT PRIMARY KEY, customer INT, FOREIGN KEY (customer) REFERENCES shop.customers (id) ON DELETE CASCADE) ENGINE=InnoDB",
			"CREATE TABLE other.bills (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES shop.orders (id) ON DELETE SET NULL) ENGINE=InnoDB",
			"CREATE TABLE shop.watched (id INT PRIMARY KEY)", "CREATE TRIGGER shop.watch AFTER INSERT ON shop.watched FOR EACH ROW INSERT INTO shop.log VALUES (NEW.id)",
			"CREATE VIEW shop.seen AS SELECT id FROM shop.plain", "CREATE FUNCTION shop.price(a INT) RETURNS INT DETERMINISTIC RETURN a",
			"INSERT INTO shop.customers VALUES (1)", "INSERT INTO shop.orders VALUES (1, 1)")
		tp.WaitCaughtUp(t)
		const all = "other.bills shop.customers shop.gate shop.log shop.orders shop.plain shop.watched"
		for i, c := range []struct{ statement, want, why string }{
			{"INSERT INTO shop.plain VALUES (1)", "shop.gate shop.plain", "What a statement changes in shop.plain is not in the log."},
			{"DELETE FROM shop.customers WHERE id = 1", "other.bills shop.customers shop.gate shop.orders", "a foreign key changes its rows along with those of shop.customers."},
			{"INSERT INTO shop.watched VALUES (1)", all, "the trigger watch of shop.watched may write anything."},
			{"INSERT INTO shop.plain VALUES (shop.price(7))", all, "calls the stored function shop.price."},
			{"UPDATE shop.seen SET id = 9 WHERE id = 7", all, "shop.seen, which is named, is a view."},
		} {
			gate := fmt.Sprintf("INSERT INTO shop.gate VALUES (%d)", i)
			tp.Replica(0).Exec(t, gate)
			tp.Source.Exec(t, "BEGIN", gate, c.statement, "COMMIT")
			tp.AwaitStopped(t, 0, 1062)
			result := NewRecoverRun(t, tp, recovery.Plan).Run(t)
			if len(result.Attempts) != 1 || result.Attempts[0].Diagnosis.Option(recovery.Skip) == nil {
				t.Fatalf("%s: no skip is offered: %s", c.statement, describeRecovery(result))
			}
			skip := result.Attempts[0].Diagnosis.Option(recovery.Skip)
			var whole []string
			for _, name := range skip.Whole {
				whole = append(whole, name.Database+"."+name.Table)
			}
			slices.Sort(whole)
			if got, why := strings.Join(whole, " "), strings.Join(skip.Loses, "\n"); got != c.want || !strings.Contains(why, c.why) {
				t.Errorf("%s\n got %s\nwant %s\nwhy %s", c.statement, got, c.want, why)
			}
			tp.Replica(0).Exec(t, fmt.Sprintf("DELETE FROM shop.gate WHERE id = %d", i))
			tp.Replica(0).StartReplica(t)
			tp.WaitCaughtUp(t)
		}
	})
}

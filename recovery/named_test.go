package recovery

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"trueup/schema"
	"trueup/server"
)

func TestIsDDL(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]bool{
		"CREATE TABLE t (a INT)":                                     true,
		"  /* a */ -- b\n# c\nalter table t add b int":               true,
		"/*!40000 ALTER TABLE t DISABLE KEYS */":                     true,
		"/*M!100100 DROP TABLE t */":                                 true,
		"TRUNCATE t":                                                 true,
		"RENAME TABLE a TO b":                                        true,
		"GRANT SELECT ON *.* TO u":                                   true,
		"SET PASSWORD FOR u = 'x'":                                   true,
		"SET STATEMENT max_statement_time=1 FOR ALTER TABLE t FORCE": true,
		"SET STATEMENT max_statement_time=1 FOR UPDATE t SET a=1":    false,
		"INSERT INTO t VALUES ('CREATE TABLE x (a INT)')":            false,
		"/* CREATE */ DELETE FROM t":                                 false,
		"WITH c AS (SELECT 1) UPDATE t SET a = 1":                    false,
		"REPLACE INTO t SELECT * FROM `create`":                      false,
		"BEGIN":                                                      false,
		"":                                                           false,
	} {
		if got := isDDL(statement); got != want {
			t.Errorf("isDDL(%q) = %t", statement, got)
		}
	}
}

// shop is what the source has in the tests below.
func shop(folds bool) *catalogNames {
	c := &catalogNames{folds: folds, byName: map[schema.Name]*entry{}, byTable: map[string][]*entry{}}
	for _, name := range []string{"mysql.user", "other.items", "other.notes", "shop.a b", "shop.customers", "shop.items", "shop.o`q", "shop.orders", "shop.status"} {
		database, table, _ := strings.Cut(name, ".")
		c.add(schema.Name{Database: database, Table: table}, "BASE TABLE")
	}
	c.add(schema.Name{Database: "shop", Table: "open"}, "VIEW")
	c.add(schema.Name{Database: "shop", Table: "counter"}, "SEQUENCE")
	c.routines = []schema.Name{{Database: "shop", Table: "price"}, {Database: "other", Table: "now"}}
	return c
}

var (
	oldMySQL = server.Identity{Flavor: server.MySQL, Version: server.Version{Major: 5, Minor: 6, Patch: 40}}
	newMySQL = server.Identity{Flavor: server.MySQL, Version: server.Version{Major: 9, Minor: 7}}
)

func suspectsOf(on server.Identity, folds bool, database string, statements ...string) *suspects {
	s := newSuspects(on, shop(folds), func(database, table string) bool { return table != "a b" || database != "shop" })
	for _, statement := range statements {
		s.takeStatements([]Statement{{Database: database, Text: statement}})
	}
	return s
}

const everything = "other.items other.notes shop.customers shop.items shop.o`q shop.orders shop.status"

func namesText(s *suspects) string {
	var names []string
	for _, name := range s.tables() {
		names = append(names, joined(name))
	}
	return strings.Join(names, " ")
}

func TestTablesThatAStatementNames(t *testing.T) {
	t.Parallel()
	for statement, want := range map[string]string{
		"UPDATE orders SET a = 1 WHERE id = 5":                                                                                "shop.orders",
		"update `orders` set a = 1":                                                                                           "shop.orders",
		"UPDATE /* items */ orders SET a = 1 -- items\n# items":                                                               "shop.orders",
		"UPDATE /*!50000 orders, items */ SET orders.a = 1":                                                                   "shop.items shop.orders",
		"UPDATE orders SET a = 'items', b = 'it''s items', c = 'x\\'items'":                                                   "shop.orders",
		"UPDATE orders SET a = \"items\"":                                                                                     "shop.items shop.orders", // a name under ANSI_QUOTES
		"INSERT INTO \"orders\" VALUES (1)":                                                                                   "shop.orders",
		"INSERT INTO orders (id, status) VALUES (1, NOW())":                                                                   "shop.orders shop.status", // the column's name is a table's
		"INSERT IGNORE orders VALUES (1, 'x'), (2, 'items')":                                                                  "shop.orders",
		"INSERT INTO other.items SELECT * FROM orders":                                                                        "other.items shop.orders",
		"INSERT INTO `other` . `items` SELECT 1 FROM DUAL":                                                                    "other.items",
		"REPLACE orders SET a = REPLACE(b, 'x', 'y')":                                                                         "shop.orders",
		"DELETE FROM orders LIMIT 1":                                                                                          "shop.orders",
		"DELETE o FROM orders AS o JOIN items i ON i.id = o.id WHERE i.a IN (1)":                                              "shop.items shop.orders",
		"DELETE FROM o USING orders AS o, other.notes AS n WHERE o.id = n.id":                                                 "other.notes shop.orders",
		"UPDATE orders o, (SELECT id, MAX(x) m FROM items GROUP BY id) d SET o.a = d.m WHERE o.id = d.id":                     "shop.items shop.orders",
		"UPDATE orders SET a = TRIM(LEADING ' ' FROM b), c = EXTRACT(DAY FROM d)":                                             "shop.orders",
		"WITH c AS (SELECT id FROM items) UPDATE orders JOIN c USING (id) SET a = 1":                                          "shop.items shop.orders",
		"WITH c AS (SELECT 1), d AS (SELECT 2) DELETE FROM orders WHERE id IN (SELECT * FROM d)":                              "shop.orders",
		"SET STATEMENT max_statement_time = 1 FOR UPDATE orders SET a = 1":                                                    "shop.orders",
		"INSERT INTO orders VALUES (1) ON DUPLICATE KEY UPDATE a = VALUES(a), b = 2":                                          "shop.orders",
		"LOAD DATA LOCAL INFILE 'items' REPLACE INTO TABLE orders FIELDS TERMINATED BY ',' IGNORE 1 LINES (a, @b) SET c = @b": "shop.orders",
		"UPDATE orders SET a = @items, b = @`items`":                                                                          "shop.orders",
		"INSERT INTO orders SELECT .5, 1., 1.5e3, -0x1F, 'a' FROM items":                                                      "shop.items shop.orders",
		"UPDATE `o``q` SET a = 1":                                                                                             "shop.o`q",
		"INSERT INTO orders SELECT seq FROM seq_1_to_10":                                                                      "shop.orders",
		"UPDATE orders SET counter = 1":                                                                                       "shop.orders", // a sequence has no rows that are compared
		"UPDATE mysql.user SET a = 1":                                                                                         "",
		"UPDATE `a b` SET a = 1":                                                                                              "", // does not count
		"TRUNCATE TABLE orders":                                                                                               "shop.orders",
		"TRUNCATE orders":                                                                                                     "shop.orders",
		"ALTER TABLE orders ADD COLUMN x INT, DROP KEY y":                                                                     "shop.orders",
		"ALTER TABLE orders EXCHANGE PARTITION p WITH TABLE items":                                                            "shop.items shop.orders",
		"ALTER TABLE gone RENAME TO orders":                                                                                   "shop.orders",
		"RENAME TABLE gone TO orders, left_ TO other.notes":                                                                   "other.notes shop.orders",
		"CREATE TABLE IF NOT EXISTS orders (a INT, KEY k (a), b VARCHAR(5)) ENGINE=InnoDB, COMMENT='x'":                       "shop.orders",
		"CREATE UNIQUE INDEX i ON orders (a, b)":                                                                              "shop.orders",
		"DROP TABLE IF EXISTS gone, orders":                                                                                   "shop.orders",
		"DROP TABLE gone":                                                                                                     "",
		"CREATE TEMPORARY TABLE gone (a INT)":                                                                                 "",
		"DROP DATABASE other":                                                                                                 "other.items other.notes",
		"CREATE DATABASE other":                                                                                               "",
		"CREATE DEFINER=`u`@`h` TRIGGER g BEFORE INSERT ON orders FOR EACH ROW SET @a = 1":                                    "",
		"CREATE VIEW v AS SELECT * FROM orders":                                                                               "",
		"GRANT SELECT ON shop.orders TO u@`items`":                                                                            "",
		"BEGIN":            "",
		"SAVEPOINT orders": "",
		"XA END 'x'":       "",
	} {
		s := suspectsOf(newMySQL, false, "shop", statement)
		if got := namesText(s); got != want {
			t.Errorf("%s\n got %s\nwant %s\n why %s", statement, got, want, strings.Join(s.why, "; "))
		}
	}
}

func TestAllTablesAreInDoubt(t *testing.T) {
	t.Parallel()
	for statement, why := range map[string]string{
		"UPDATE open SET a = 1":                                "shop.open, which is named, is a view",
		"UPDATE gone SET a = 1":                                "gone, which UPDATE gone SET a = 1 names, is not on the source now",
		"UPDATE orders JOIN gone USING (id) SET a = 1":         "gone, which",
		"INSERT INTO orders SELECT .5 FROM gone":               "gone, which",
		"INSERT INTO orders SELECT 1. FROM gone":               "gone, which",
		"UPDATE orders, gone SET a = 1":                        "gone, which",
		"UPDATE orders, other.gone SET a = 1":                  "other.gone, which",
		"INSERT INTO gone SELECT 1 AS gone FROM orders":        "gone, which",
		"INSERT INTO gone SELECT * FROM orders AS gone":        "gone, which",
		"DELETE gone FROM orders FORCE INDEX (a), gone":        "gone, which",
		"ALTER TABLE gone ADD x INT":                           "gone, which",
		"RENAME TABLE gone TO lost":                            "lost, which",
		"CREATE TABLE lost (a INT)":                            "lost, which",
		"TRUNCATE lost":                                        "lost, which",
		"INSERT INTO orders VALUES (price(1))":                 "the stored function shop.price",
		"INSERT INTO orders VALUES (PRICE /* x */ (1))":        "the stored function shop.price",
		"INSERT INTO orders VALUES (other.now())":              "the stored function other.now",
		"INSERT INTO orders VALUES (`now`())":                  "now, which may be a stored function",
		"INSERT INTO orders VALUES (mystery(1))":               "mystery, which may be a stored function",
		"CREATE TABLE orders SELECT mystery(1)":                "mystery, which may be a stored function",
		"SELECT `shop`.`price`(1)":                             "does not tell",
		"CALL p()":                                             "does not tell",
		"DO SLEEP(1)":                                          "does not tell",
		"XA COMMIT 'x'":                                        "does not tell",
		"BINLOG 'abc'":                                         "does not tell",
		"UPDATE orders SET a = 'cut of":                        "is not whole in the log",
		"UPDATE \xe4rger SET a = 1":                            "another character set",
		"UPDATE":                                               "does not say which table",
		"UPDATE orders SET a = 'x\\', b = mystery(1), c = ' '": "mystery, which may be a stored function", // NO_BACKSLASH_ESCAPES
	} {
		s := suspectsOf(newMySQL, false, "shop", statement)
		if got := namesText(s); got != everything {
			t.Errorf("%s\n got %s", statement, got)
		}
		if !slices.ContainsFunc(s.why, func(sentence string) bool { return strings.Contains(sentence, why) }) {
			t.Errorf("%s\n why %s\nwant %s", statement, strings.Join(s.why, "; "), why)
		}
	}
}

func TestTablesNamedInOtherCircumstances(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what       string
		on         server.Identity
		folds      bool
		database   string
		statements []string
		want       string
	}{
		{"no default database", newMySQL, false, "", []string{"UPDATE items SET a = 1"}, "other.items shop.items"},
		{"names have letter case", newMySQL, false, "shop", []string{"DROP TABLE Orders"}, ""},
		{"names have no letter case", newMySQL, true, "Shop", []string{"DROP TABLE Orders"}, "shop.orders"},
		{"a temporary table of the transaction's own", newMySQL, false, "shop", []string{"CREATE TEMPORARY TABLE gone (a INT)", "INSERT INTO gone VALUES (1)", "INSERT INTO orders SELECT * FROM gone"}, "shop.orders"},
		{"a function that this server has", newMySQL, false, "shop", []string{"UPDATE orders SET a = JSON_SET(a, '$', 1)"}, "shop.orders"},
		{"a function that this server has not", oldMySQL, false, "shop", []string{"UPDATE orders SET a = JSON_SET(a, '$', 1)"}, everything},
		{"several statements", newMySQL, false, "shop", []string{"UPDATE orders SET a = 1", "DELETE FROM other.notes"}, "other.notes shop.orders"},
		{"no statements", newMySQL, false, "shop", nil, ""},
	} {
		if got := namesText(suspectsOf(c.on, c.folds, c.database, c.statements...)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
	}
}

func TestAnnotationsAreNotExecuted(t *testing.T) {
	t.Parallel()
	s := newSuspects(newMySQL, shop(false), func(string, string) bool { return true })
	s.takeStatements([]Statement{{Text: "UPDATE orders SET a = 1", Annotation: true}})
	if len(s.tables()) > 0 || len(s.why) > 0 {
		t.Errorf("tables %v, why %v", s.tables(), s.why)
	}
}

// TestATableIsFoundAmongEverything: whatever stands between the words of a statement, and in its texts, the table is found.
func TestATableIsFoundAmongEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		gap := func() string {
			return rapid.SampledFrom([]string{" ", "\n", "/* ' */", "/*!50000 */", " -- `\n", "#\"'\n", "/*M!100100 */ ", "\t", " --\t/*\n"}).Draw(t, "gap")
		}
		value := func() string {
			return rapid.SampledFrom([]string{"1", "1.5", ".5", "-1.", "'a'", "'it''s'", "'it\\'s'", "'\\\\'", "'/*'", "'-- '", "'`'", `"'"`, `"a""b"`, "x'00'", "@v", "@`v'`", "NULL", "NOW()", "(1 + 2)"}).Draw(t, "value")
		}
		table := rapid.SampledFrom([]string{"orders", "`orders`", "shop.orders", "`shop` . `orders`", "shop/**/./**/orders"}).Draw(t, "table")
		var values []string
		for range rapid.IntRange(1, 6).Draw(t, "values") {
			values = append(values, gap()+value()+gap())
		}
		list := strings.Join(values, ",")
		statement := gap() + rapid.SampledFrom([]string{
			"INSERT INTO" + gap() + table + gap() + "VALUES (" + list + ")",
			"UPDATE" + gap() + table + gap() + "SET a = f0 WHERE a IN (" + list + ")",
			"INSERT INTO notes SELECT" + gap() + list + gap() + "FROM" + gap() + table,
			"DELETE FROM notes WHERE a IN (" + list + ") AND b = (SELECT MAX(a) FROM" + gap() + table + ")",
		}).Draw(t, "statement") + gap()
		s := suspectsOf(newMySQL, false, "shop", statement)
		if !strings.Contains(namesText(s), "shop.orders") {
			t.Fatalf("%s: %s", statement, s.why)
		}
		// shop does not have notes; and what a backslash does is for sql_mode to say: read without it a text may end early, and a word
		// behind it look like a call.
		if s.all && !strings.Contains(statement, "notes") && !strings.Contains(statement, `\`) {
			t.Fatalf("%s: all, %s", statement, s.why)
		}
	})
}

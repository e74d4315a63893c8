package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/check"
	"trueup/server"
)

// specialTable is a table with something that only some servers have, and one damaged row.
type specialTable struct {
	name    string
	flavor  server.Flavor  // UnknownFlavor: both families
	since   server.Version // the first that has it
	create  string         // after CREATE TABLE app.name
	session string         // run before it
	insert  string         // columns and values from seq, after INSERT INTO app.name
	damage  string         // the SET of an UPDATE of row 77
	where   string         // which row that is; "": id = 77
	columns string         // those that are listed as changed
	found   []string       // instead: the whole lines of what is listed
	reason  string         // instead: verdict and reason code of a table that cannot be compared
}

// specialTables are named after what is special about them.
var specialTables = slices.Concat(commonTables, mysqlTables, mariadbTables)

var commonTables = []specialTable{
	{name: "bits", create: "(id INT PRIMARY KEY, v BIT(64))", insert: "SELECT seq, ~seq FROM", damage: "v = v ^ 1", columns: "v"},
	{name: "choices", create: "(id INT PRIMARY KEY, kind ENUM('a','b','c'), opts SET('x','y','z'))",
		insert: "SELECT seq, 1 + seq % 3, seq % 8 FROM", damage: "kind = 1 + (kind + 0) % 3, opts = opts ^ 1", columns: "kind,opts"},
	{name: "nothing_chosen", create: "(id INT PRIMARY KEY, kind ENUM('a','','it''s'))", session: "SET sql_mode = ''",
		insert: "SELECT seq, ELT(1 + seq % 3, 'a', '', 'no such member') FROM", damage: "kind = IF(kind + 0 = 0, 2, 0)", columns: "kind+0"},
	{name: "exact", create: "(id INT PRIMARY KEY, v DECIMAL(65,30))",
		insert: "SELECT seq, 12345678901234567890123456789012345.000000000000000000000000000007 - seq FROM",
		damage: "v = v + 0.000000000000000000000000000001", columns: "v"},
	{name: "moments", create: "(id INT PRIMARY KEY, span TIME(6), at TIMESTAMP(6) NULL)", session: "SET time_zone = '+00:00'",
		insert: "SELECT seq, SEC_TO_TIME(-seq) - INTERVAL 1 MICROSECOND, '2026-03-29 00:59:59.999999' + INTERVAL seq SECOND FROM",
		damage: "span = '-838:59:58.999999', at = at + INTERVAL 1 MICROSECOND", columns: "span,at"},
	{name: "hashed", create: "(id INT PRIMARY KEY, v INT) PARTITION BY HASH (id) PARTITIONS 4",
		insert: "SELECT seq, seq FROM", damage: "v = 0", columns: "v"},
	{name: "ranged", create: "(id INT NOT NULL, part INT NOT NULL, v INT, PRIMARY KEY (id, part)) PARTITION BY RANGE (part) (PARTITION low VALUES LESS THAN (50), PARTITION high VALUES LESS THAN MAXVALUE)",
		insert: "SELECT seq, seq % 90, seq FROM", damage: "v = 0", columns: "v"},
	{name: "myisam", create: "(id INT PRIMARY KEY) ENGINE=MyISAM", insert: "SELECT seq FROM", damage: "id = 0", reason: "unverified not_transactional"},
	{name: "keyless", create: "(v INT)", insert: "SELECT seq FROM", damage: "v = 0", where: "v = 77", found: []string{"extra app.keyless v", "missing app.keyless v"}},
	{name: "prefixed", create: "(v VARCHAR(50) NOT NULL, UNIQUE KEY (v(5)))", insert: "SELECT CONCAT(seq, '') FROM", damage: "v = 'x'", where: "v = '77'",
		found: []string{"extra app.prefixed v=x v", "missing app.prefixed v=77 v"}},
	{name: "nullable", create: "(v INT, w INT, UNIQUE KEY (v))", insert: "SELECT NULLIF(seq, 78), seq FROM", damage: "w = 0", where: "v = 77",
		found: []string{"extra app.nullable v,w", "missing app.nullable v,w"}},
	{name: "chosen", create: "(kind ENUM('b','a') NOT NULL, id INT NOT NULL, v INT, PRIMARY KEY (kind, id))", insert: "SELECT 1 + seq % 2, seq, seq FROM", damage: "v = 0", where: "id = 77",
		found: []string{"changed app.chosen kind=a v"}},
}

var mysqlTables = []specialTable{
	{name: "doc", flavor: server.MySQL, since: server.Version{Major: 5, Minor: 7, Patch: 8}, create: "(id INT PRIMARY KEY, v JSON)",
		insert: "SELECT seq, JSON_OBJECT('n', seq, 'list', JSON_ARRAY(seq, NULL, 'café', 1.0)) FROM", damage: "v = JSON_SET(v, '$.n', 78)", columns: "v"},
	{name: "embedded", flavor: server.MySQL, since: server.Version{Major: 9}, create: "(id INT PRIMARY KEY, v VECTOR(3))",
		insert: "SELECT seq, STRING_TO_VECTOR(CONCAT('[', seq, ',0.1,-2]')) FROM", damage: "v = STRING_TO_VECTOR('[77,0.2,-2]')", columns: "v"},
	{name: "placed", flavor: server.MySQL, since: server.Version{Major: 8}, create: "(id INT PRIMARY KEY, g GEOMETRY NOT NULL SRID 4326, free POINT, SPATIAL INDEX (g))",
		insert: "SELECT seq, ST_GeomFromText(CONCAT('POINT(', seq / 10, ' 1)'), 4326), ST_GeomFromText('POINT(1 2)') FROM",
		damage: "g = ST_GeomFromText('POINT(77 1)', 4326), free = ST_SRID(free, 3857)", columns: "g,free"},
	{name: "derived", flavor: server.MySQL, since: server.Version{Major: 5, Minor: 7, Patch: 6},
		create: "(id INT PRIMARY KEY, a INT, twice BIGINT GENERATED ALWAYS AS (a * 2) VIRTUAL, more BIGINT GENERATED ALWAYS AS (a + 1) STORED, UNIQUE KEY (more))",
		insert: "(id, a) SELECT seq, seq FROM", damage: "a = -1", columns: "a,twice,more"},
	{name: "unseen", flavor: server.MySQL, since: server.Version{Major: 8, Minor: 0, Patch: 23}, create: "(id INT PRIMARY KEY, v INT INVISIBLE)",
		insert: "(id, v) SELECT seq, seq FROM", damage: "v = 0", columns: "v"},
	{name: "functional", flavor: server.MySQL, since: server.Version{Major: 8, Minor: 0, Patch: 13}, create: "(id INT PRIMARY KEY, v INT, UNIQUE KEY ((v * 2)), KEY ((v + id)))",
		insert: "SELECT seq, seq FROM", damage: "v = 0", columns: "v"},
	{name: "functional_only", flavor: server.MySQL, since: server.Version{Major: 8, Minor: 0, Patch: 13}, create: "(v INT NOT NULL, UNIQUE KEY ((v * 2)))",
		insert: "SELECT seq FROM", damage: "v = 0", where: "v = 77", found: []string{"extra app.functional_only v", "missing app.functional_only v"}},
	{name: "descending", flavor: server.MySQL, since: server.Version{Major: 8}, create: "(id INT, v INT, PRIMARY KEY (id DESC))",
		insert: "SELECT seq, seq FROM", damage: "v = 0", columns: "v"},
	{name: "generated_key", flavor: server.MySQL, since: server.Version{Major: 8, Minor: 0, Patch: 30}, create: "(v INT)", session: "SET sql_generate_invisible_primary_key = ON",
		insert: "(v) SELECT seq FROM", damage: "v = 0", where: "my_row_id = 77", columns: "v"},
	// A server does not let a table's only unique key be invisible.
	{name: "unseen_key", flavor: server.MySQL, since: server.Version{Major: 8}, create: "(id INT NOT NULL, v INT, PRIMARY KEY (id DESC), UNIQUE KEY (id) INVISIBLE)",
		insert: "SELECT seq, seq FROM", damage: "v = 0", columns: "v"},
	{name: "second_key", flavor: server.MySQL, since: server.Version{Major: 8}, create: "(id INT NOT NULL, v INT, PRIMARY KEY (id DESC), UNIQUE KEY (id))",
		insert: "SELECT seq, seq FROM", damage: "v = 0", columns: "v"},
}

var mariadbTables = []specialTable{
	{name: "addresses", flavor: server.MariaDB, since: server.Version{Major: 10, Minor: 10}, create: "(id INT PRIMARY KEY, four INET4, six INET6, u UUID)",
		insert: "SELECT seq, CONCAT('10.0.0.', seq), CONCAT('2001:db8::', HEX(seq)), CONCAT('00000000-0000-4000-8000-', LPAD(HEX(seq), 12, '0')) FROM",
		damage: "four = '10.0.1.77', six = '::ffff:1.2.3.4', u = 'ffffffff-0000-4000-8000-000000000077'", columns: "four,six,u"},
	{name: "compressed", flavor: server.MariaDB, since: server.Version{Major: 10, Minor: 3, Patch: 2}, create: "(id INT PRIMARY KEY, v VARCHAR(1000) COMPRESSED, b MEDIUMBLOB COMPRESSED)",
		insert: "SELECT seq, REPEAT('compress ', seq % 100), REPEAT(CHAR(seq), 5000) FROM", damage: "v = CONCAT(v, '.'), b = CONCAT(b, 0x00)", columns: "v,b"},
	{name: "versioned", flavor: server.MariaDB, since: server.Version{Major: 10, Minor: 3, Patch: 4}, create: "(id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
		insert: "SELECT seq, seq FROM", damage: "v = 0", columns: "v"},
	{name: "versioned_parts", flavor: server.MariaDB, since: server.Version{Major: 10, Minor: 3, Patch: 4},
		create: "(id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING PARTITION BY SYSTEM_TIME (PARTITION past HISTORY, PARTITION now CURRENT)",
		insert: "SELECT seq, seq FROM", damage: "v = 0", columns: "v"},
	{name: "versioned_named", flavor: server.MariaDB, since: server.Version{Major: 10, Minor: 3, Patch: 4},
		create: "(id INT PRIMARY KEY, v INT, since TIMESTAMP(6) GENERATED ALWAYS AS ROW START, until TIMESTAMP(6) GENERATED ALWAYS AS ROW END, " +
			"PERIOD FOR SYSTEM_TIME (since, until)) WITH SYSTEM VERSIONING",
		insert: "(id, v) SELECT seq, seq FROM", damage: "v = 0", columns: "v,since"},
	{name: "derived", flavor: server.MariaDB, since: server.Version{Major: 10, Minor: 2},
		create: "(id INT PRIMARY KEY, a INT, twice BIGINT GENERATED ALWAYS AS (a * 2) VIRTUAL, more BIGINT GENERATED ALWAYS AS (a + 1) PERSISTENT, UNIQUE KEY (more))",
		insert: "(id, a) SELECT seq, seq FROM", damage: "a = -1", columns: "a,twice,more"},
	{name: "unseen", flavor: server.MariaDB, since: server.Version{Major: 10, Minor: 3, Patch: 3}, create: "(id INT PRIMARY KEY, v INT INVISIBLE)",
		insert: "(id, v) SELECT seq, seq FROM", damage: "v = 0", columns: "v"},
	{name: "packed", flavor: server.MariaDB, create: "(id INT PRIMARY KEY, v TEXT) ROW_FORMAT=COMPRESSED",
		insert: "SELECT seq, REPEAT('packed ', seq) FROM", damage: "v = CONCAT(v, ' ')", columns: "v"},
	{name: "embedded", flavor: server.MariaDB, since: server.Version{Major: 11, Minor: 7, Patch: 1}, create: "(id INT PRIMARY KEY, v VECTOR(3) NOT NULL, VECTOR INDEX (v))",
		insert: "SELECT seq, VEC_FromText(CONCAT('[', seq, ',0.1,-2]')) FROM", damage: "v = VEC_FromText('[77,0.2,-2]')", columns: "v"},
	{name: "doc", flavor: server.MariaDB, since: server.Version{Major: 10, Minor: 2, Patch: 7}, create: "(id INT PRIMARY KEY, v JSON)",
		insert: "SELECT seq, CONCAT('{\"n\": ', seq, '}') FROM", damage: "v = REPLACE(v, ' ', '')", columns: "v"},
	{name: "descending", flavor: server.MariaDB, since: server.Version{Major: 10, Minor: 8}, create: "(id INT, v INT, PRIMARY KEY (id DESC))",
		insert: "SELECT seq, seq FROM", damage: "v = 0", columns: "v"},
	{name: "unseen_key", flavor: server.MariaDB, since: server.Version{Major: 10, Minor: 8}, create: "(id INT NOT NULL, v INT, PRIMARY KEY (id DESC), UNIQUE KEY (id) IGNORED)",
		insert: "SELECT seq, seq FROM", damage: "v = 0", columns: "v"},
}

// tablesOf are the special tables that a server of the row can have.
func tablesOf(on ServerRow) []specialTable {
	var tables []specialTable
	for _, table := range specialTables {
		if (table.flavor == server.UnknownFlavor || table.flavor == on.Flavor) && on.Version.AtLeast(table.since.Major, table.since.Minor, table.since.Patch) {
			tables = append(tables, table)
		}
	}
	return tables
}

// TestEveryKindOfTable: equal data is equal in every kind of table and column that the family has, or the reason why
// nothing is said about it is named; one damaged row is listed as that row with those columns.
func TestEveryKindOfTable(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) { checkEveryKind(t, on) })
}

func checkEveryKind(t *testing.T, on ServerRow) {
	tp := NewTopology(t, Options{GTID: true})
	reasons := createSpecialTables(t, tp, on)
	tp.WaitCaughtUp(t)
	result := runCheck(t, requestFor(tp))
	requireTableReasons(t, result, reasons)
	if len(result.Differences) > 0 || len(result.SchemaDifferences) > 0 {
		t.Error(describe(result))
	}
	for _, table := range result.Tables {
		if table.Verdict == check.Equal && table.ChunksVerified > 1 && !table.Coverage.RowsCounted {
			t.Errorf("%s: rows were not counted: %+v", table.Table, table.Coverage)
		}
	}
	var damage, want []string
	for _, table := range tablesOf(on) {
		where := table.where
		if where == "" {
			where = "id = 77"
		}
		damage = append(damage, fmt.Sprintf("UPDATE app.%s SET %s WHERE %s", table.name, table.damage, where))
		want = append(want, table.found...)
		if table.reason == "" {
			reasons[table.name] = "different "
		}
		if table.columns != "" {
			want = append(want, fmt.Sprintf("changed app.%s %s %s", table.name, strings.ReplaceAll(where, " ", ""), table.columns))
		}
	}
	tp.Damage(t, 0, append([]string{"SET sql_mode = '', time_zone = '+00:00'"}, damage...)...)
	result = runCheck(t, requestFor(tp))
	slices.Sort(want)
	if got := differingColumns(result); !slices.Equal(got, want) {
		t.Errorf("differences:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	requireTableReasons(t, result, reasons)
	requireReplicating(t, tp.Replicas...)
}

// createSpecialTables makes and fills the tables and returns which verdict and reason code each has to get.
func createSpecialTables(t *testing.T, tp *Topology, on ServerRow) map[string]string {
	t.Helper()
	reasons := map[string]string{}
	statements := []string{"CREATE DATABASE app"}
	for _, table := range tablesOf(on) {
		reasons[table.name] = "equal "
		if table.reason != "" {
			reasons[table.name] = table.reason
		}
		if table.session != "" {
			statements = append(statements, table.session)
		}
		statements = append(statements, fmt.Sprintf("CREATE TABLE app.%s %s", table.name, table.create),
			fmt.Sprintf("INSERT INTO app.%s %s %s", table.name, table.insert, tp.Numbers(120)))
	}
	if on.IsMariaDB(10, 3, 0) {
		statements = append(statements, "CREATE SEQUENCE app.s")
		reasons["s"] = "not_compared sequence"
	}
	tp.Source.Exec(t, append(statements, "CREATE VIEW app.seen AS SELECT 1 AS one")...)
	reasons["seen"] = "not_compared view"
	return reasons
}

// requireTableReasons fails where a table's verdict or reason code is another, and where a table is not named at all.
func requireTableReasons(t testing.TB, result *check.Result, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for _, table := range result.Tables {
		got[table.Table] = table.Verdict.String() + " " + table.ReasonCode
		if wanted, ok := want[table.Table]; !ok || wanted != got[table.Table] {
			t.Errorf("%s.%s: %q (%s), want %q", table.Database, table.Table, got[table.Table], table.Reason, wanted)
		}
	}
	for table := range want {
		if _, ok := got[table]; !ok {
			t.Errorf("%s is not in the result", table)
		}
	}
}

// differingColumns is each listed row in one line: kind, first column of the key (MariaDB adds the end of a named period to
// it), and the names of its columns.
func differingColumns(result *check.Result) []string {
	var texts []string
	for _, d := range result.Differences {
		var columns []string
		for _, c := range d.Columns {
			columns = append(columns, c.Name)
		}
		text := fmt.Sprintf("%s %s.%s ", d.Kind, d.Database, d.Table)
		if len(d.Key) > 0 {
			text += fmt.Sprintf("%s=%s ", d.Key[0].Name, d.Key[0].Value.Text)
		}
		texts = append(texts, text+strings.Join(columns, ","))
	}
	slices.Sort(texts)
	return texts
}

package integration

import (
	"fmt"
	"slices"
	"testing"

	"trueup/check"
	"trueup/server"
)

// TestSchemaDifferences: what differs in definition is reported, and the columns both sides have are compared.
func TestSchemaDifferences(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) { checkSchemas(t, on) })
}

func checkSchemas(t *testing.T, on ServerRow) {
	tp := NewTopology(t, Options{GTID: true, Replicas: 2})
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, a INT, b VARCHAR(10))", "INSERT INTO app.t SELECT seq, seq, seq FROM "+tp.Numbers(300),
		"CREATE TABLE app.gone (id INT PRIMARY KEY)", "CREATE TABLE app.keyless (a INT)", "CREATE VIEW app.v AS SELECT 1 AS one",
		"CREATE TABLE app.old (id INT PRIMARY KEY) ENGINE=MyISAM")
	if on.Flavor == server.MariaDB {
		tp.Source.Exec(t, "CREATE SEQUENCE app.s")
	}
	tp.WaitCaughtUp(t)
	tp.Damage(t, 0, "ALTER TABLE app.t DROP COLUMN b, MODIFY a BIGINT", "UPDATE app.t SET a = 0 WHERE id = 77", "DROP TABLE app.gone", "CREATE TABLE app.surplus (id INT PRIMARY KEY)")
	tp.Damage(t, 1, "UPDATE app.t SET b = 'x' WHERE id = 88")
	result := runCheck(t, requestFor(tp))
	got := differenceTexts(result)
	if want := []string{"changed app.t id=77 a:77>0", "changed app.t id=88 b:88>x"}; !slices.Equal(got, want) {
		t.Errorf("differences %v, want %v", got, want)
	}
	var schema []string
	for _, d := range result.SchemaDifferences {
		schema = append(schema, fmt.Sprintf("%s %s.%s %s %s", map[bool]string{true: "0", false: "1"}[d.Replica == tp.Replica(0).Address()], d.Database, d.Table, d.Object, d.What))
	}
	slices.Sort(schema)
	if want := []string{"0 app.gone table missing", "0 app.surplus table extra", "0 app.t column a type", "0 app.t column b missing"}; !slices.Equal(schema, want) {
		t.Errorf("schema differences %q, want %q", schema, want)
	}
	reasons := map[string]string{}
	for _, table := range result.Tables {
		reasons[table.Table] = table.Verdict.String() + " " + table.ReasonCode
	}
	for table, want := range map[string]string{"gone": "different table_missing", "surplus": "different table_extra", "t": "different definition_differs",
		"keyless": "equal ", "old": "unverified not_transactional", "v": "not_compared view", "s": "not_compared sequence"} {
		if table == "s" && on.Flavor != server.MariaDB {
			continue
		}
		if reasons[table] != want {
			t.Errorf("%s: %q, want %q", table, reasons[table], want)
		}
	}
}

// TestUnlikeTypesAreComparedByValue: where the sides' types differ but their values can be compared, they are; the
// difference in type is reported, and no row is unless its value differs.
func TestUnlikeTypesAreComparedByValue(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { unlikeTypes(t) })
}

func unlikeTypes(t *testing.T) {
	tp := NewTopology(t, Options{})
	tp.Source.Exec(t, "CREATE DATABASE app",
		"CREATE TABLE app.t (id INT PRIMARY KEY, d DECIMAL(10,2), e ENUM('a','b'), b BIT(3), i INT, l VARCHAR(20) CHARACTER SET latin1)",
		"INSERT INTO app.t SELECT seq, -seq / 4, 1 + seq % 2, seq % 8, -seq, CONCAT('é', seq) FROM "+tp.Numbers(120),
		"CREATE TABLE app.k (d DECIMAL(10,2) PRIMARY KEY, l VARCHAR(20) CHARACTER SET latin1, UNIQUE KEY (l))",
		"INSERT INTO app.k SELECT seq / 4, CONCAT('é', seq) FROM "+tp.Numbers(120),
		"CREATE TABLE app.c (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY, v INT)",
		"INSERT INTO app.c SELECT CONCAT(IF(seq % 2, 'é', 'F'), seq), seq FROM "+tp.Numbers(120))
	tp.WaitCaughtUp(t)
	tp.Damage(t, 0, "ALTER TABLE app.t MODIFY d DECIMAL(14,4), MODIFY e ENUM('c','b','a'), MODIFY b BIT(9), MODIFY i BIGINT, MODIFY l VARCHAR(20) CHARACTER SET utf8mb4",
		"ALTER TABLE app.k MODIFY d DECIMAL(14,4)", "ALTER TABLE app.c MODIFY k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
	result := runCheck(t, requestFor(tp))
	if len(result.Differences) > 0 || len(result.SchemaDifferences) < 7 || result.Verdict != check.Different {
		t.Errorf("only the types differ: %s", describe(result))
	}
	for _, table := range result.Tables {
		if len(table.IgnoredColumns) > 0 {
			t.Errorf("%s: %v were not compared", table.Table, table.IgnoredColumns)
		}
	}
	tp.Damage(t, 0, "UPDATE app.t SET d = d + 0.0001 WHERE id = 7", "UPDATE app.t SET e = 'c' WHERE id = 8", "UPDATE app.t SET b = b + 256 WHERE id = 9",
		"UPDATE app.t SET i = i - 4294967296 WHERE id = 10", "UPDATE app.t SET l = CONCAT('É', id) WHERE id = 11",
		"UPDATE app.k SET l = 'x' WHERE d = 3", "UPDATE app.k SET d = d + 0.0001 WHERE d = 5",
		"UPDATE app.c SET v = 0 WHERE k = 'é77'", "UPDATE app.c SET k = 'f78' WHERE k = 'F78'")
	result = runCheck(t, requestFor(tp))
	want := []string{"changed app.c k=é77 v:77>0", "changed app.k d=3.0000 l:0xe93132>x", "changed app.t id=10 i:-10>-4294967306", "changed app.t id=11 l:é11>É11", "changed app.t id=7 d:-1.7500>-1.7499",
		"changed app.t id=8 e:a>c", "changed app.t id=9 b:1>257", "extra app.c k=f78", "extra app.k d=5.0001", "missing app.c k=F78", "missing app.k d=5.0000"}
	if got := differenceTexts(result); !slices.Equal(got, want) {
		t.Errorf("differences:\n%q\nwant:\n%q", got, want)
	}
}

package integration

import (
	"fmt"
	"slices"
	"testing"

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

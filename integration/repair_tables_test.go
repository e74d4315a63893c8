package integration

import (
	"strings"
	"testing"

	"trueup/check"
	"trueup/repair"
)

// TestRepairTables: missing and extra tables are named, with the definition; with the consent to change the schema a missing one is
// created and filled, and an extra one that is empty is dropped, while one with rows stays.
func TestRepairTables(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT)", "INSERT INTO app.t SELECT seq, seq FROM "+tp.Numbers(120),
			"CREATE TABLE app.p (id INT PRIMARY KEY)", "INSERT INTO app.p VALUES (1)",
			"CREATE TABLE app.child (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES app.p (id) ON DELETE CASCADE)", "INSERT INTO app.child VALUES (5, 1)")
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "DROP TABLE app.child", "DROP TABLE app.t", "CREATE TABLE app.empty (id INT PRIMARY KEY)", "CREATE TABLE app.full (id INT PRIMARY KEY)", "INSERT INTO app.full VALUES (1)", "DELETE FROM app.p")

		plain := NewRepairRun(t, requestFor(tp), true).Run(t)
		codes := map[string]string{}
		for _, table := range plain.Replicas[0].Tables {
			for _, refused := range table.Refused {
				codes[table.Table] = refused.Code
			}
			if table.Table == "t" && !strings.HasPrefix(table.DDL, "CREATE TABLE `t`") {
				t.Errorf("its definition is %q", table.DDL)
			}
		}
		if codes["t"] != repair.RefusedMissingTable || codes["child"] != repair.RefusedMissingTable || codes["empty"] != repair.RefusedExtraTable || codes["full"] != repair.RefusedExtraTable || len(codes) != 4 {
			t.Errorf("refused %v: %s", codes, DescribeRepair(plain))
		}
		if plain.Verified == nil || plain.Verified.Verdict != check.Different {
			t.Errorf("tables are missing: %s", DescribeRepair(plain))
		}

		run := NewRepairRun(t, requestFor(tp), true)
		run.Request.WithSchema = true
		result := run.Run(t)
		if a, b := DumpTables(t, tp.Source, "app.t", "app.p", "app.child"), DumpTables(t, tp.Replica(0), "app.t", "app.p", "app.child"); a != b {
			t.Errorf("not equal: %s", DescribeRepair(result))
		}
		if found := tp.Replica(0).Query(t, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME IN ('empty', 'full')"); len(found) != 1 || found[0][0] != "full" {
			t.Errorf("of the extra tables %v are left, want the one with rows", found)
		}
		requireReplicating(t, tp.Replicas...)
	})
}

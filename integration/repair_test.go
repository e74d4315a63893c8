package integration

import (
	"fmt"
	"strings"
	"testing"

	"trueup/check"
	"trueup/server"
)

// TestRepairEndsEqual: a plan changes nothing, applying it makes the replica equal to its untouched source, undoing it brings the damage
// back exactly.
func TestRepairEndsEqual(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		table := manyTypes
		if on.Flavor == server.MySQL && !on.IsMySQL(5, 7, 8) {
			table = strings.Replace(table, "doc JSON", "doc TEXT", 1)
		}
		tp := NewTopology(t, Options{GTID: true, ParallelThreads: 4})
		tp.Source.Exec(t, "CREATE DATABASE app", "SET sql_mode = '', time_zone = '+00:00'", table, fmt.Sprintf(manyTypesRows, tp.Numbers(1000)),
			"CREATE TABLE app.pairs (a VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, b BINARY(4) NOT NULL, v INT, PRIMARY KEY (a, b))",
			"INSERT INTO app.pairs SELECT CONCAT('Key', seq % 20), UNHEX(LPAD(HEX(seq), 8, '0')), seq FROM "+tp.Numbers(500),
			"CREATE TABLE app.uniq (id INT PRIMARY KEY, u INT UNIQUE, w VARCHAR(9))", "INSERT INTO app.uniq SELECT seq, seq, 'w' FROM "+tp.Numbers(300),
			"CREATE TABLE app.bare (a INT, b VARCHAR(9))", "INSERT INTO app.bare SELECT seq % 10, 'b' FROM "+tp.Numbers(40))
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0,
			"SET time_zone = '+00:00', sql_mode = ''",
			"UPDATE app.types SET f = 33.666668 WHERE id = 100",
			"UPDATE app.types SET d = 66.66666666666669 WHERE id = 200",
			"UPDATE app.types SET name = 'name 300', old = 'caf300' WHERE id = 300",
			"UPDATE app.types SET body = NULL, raw = 0x00 WHERE id = 400",
			"UPDATE app.types SET flags = flags ^ 1, at = at + INTERVAL 1 MICROSECOND WHERE id = 500",
			"UPDATE app.types SET doc = '{\"n\": 601}' WHERE id = 600",
			"UPDATE app.types SET kind = '' WHERE id = 700",
			"DELETE FROM app.types WHERE id IN (1, 50, 51, 1000)",
			"INSERT INTO app.types (id) VALUES (0), (4294967295)",
			"UPDATE app.pairs SET a = LOWER(a) WHERE v = 77",
			"UPDATE app.uniq SET u = -1 WHERE id = 10", "UPDATE app.uniq SET u = 10 WHERE id = 250", "UPDATE app.uniq SET u = 250 WHERE id = 10",
			"DELETE FROM app.uniq WHERE id = 77", "INSERT INTO app.uniq VALUES (1077, 77, 'taken')",
			"DELETE FROM app.bare WHERE a = 3 LIMIT 2", "INSERT INTO app.bare VALUES (4, 'b'), (4, NULL)")
		tables := []string{"app.types", "app.pairs", "app.uniq", "app.bare"}
		damaged, whole := DumpTables(t, tp.Replica(0), tables...), DumpTables(t, tp.Source, tables...)
		file, position := tp.Source.BinlogPosition(t)

		plan := NewRepairRun(t, requestFor(tp), false)
		planned := plan.Run(t)
		if now := DumpTables(t, tp.Replica(0), tables...); now != damaged {
			t.Fatal("the plan has changed the replica")
		}
		if planned.Replicas[0].Statements == 0 || !strings.Contains(plan.Script.String(), "UPDATE") {
			t.Errorf("the plan is empty: %s\n%s", DescribeRepair(planned), plan.Script.String())
		}

		apply := NewRepairRun(t, requestFor(tp), true)
		result := apply.Run(t)
		if now := DumpTables(t, tp.Replica(0), tables...); now != whole {
			t.Errorf("after the repair the tables differ: %s", DescribeRepair(result))
		}
		if result.Verified == nil || result.Verified.Verdict != check.Equal {
			t.Errorf("not verified: %s", DescribeRepair(result))
		}
		if nowFile, now := tp.Source.BinlogPosition(t); nowFile != file || now != position {
			t.Errorf("the source's log went from %s:%s to %s:%s", file, position, nowFile, now)
		}
		requireReplicating(t, tp.Replicas...)

		undone := apply.Undo(t, tp.Replica(0))
		if now := DumpTables(t, tp.Replica(0), tables...); now != damaged {
			t.Errorf("undoing (%+v) did not bring the damage back", undone)
		}
	})
}

// TestPlanRunTwice: a plan's script that is run a second time, at the same position, changes nothing more; on a table without a key
// nothing but the number of equal rows can tell.
func TestPlanRunTwice(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{GTID: true})
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.bare (a INT, b VARCHAR(9))", "INSERT INTO app.bare SELECT seq % 5, 'b' FROM "+tp.Numbers(50))
	tp.WaitCaughtUp(t)
	tp.Damage(t, 0, "DELETE FROM app.bare WHERE a = 3 LIMIT 2", "INSERT INTO app.bare VALUES (4, 'b'), (4, 'b'), (4, NULL)")
	plan := NewRepairRun(t, requestFor(tp), false)
	plan.Run(t)
	tp.Replica(0).Exec(t, "STOP SLAVE SQL_THREAD")
	for run := range 2 {
		_, err := runClient(t, tp.Replica(0), plan.Script.Bytes())
		if (err == nil) != (run == 0) {
			t.Errorf("run %d: %v", run+1, err)
		}
		if a, b := DumpTables(t, tp.Source, "app.bare"), DumpTables(t, tp.Replica(0), "app.bare"); a != b {
			t.Errorf("not equal after run %d", run+1)
		}
	}
}

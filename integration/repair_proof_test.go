package integration

import (
	"testing"

	"trueup/check"
	"trueup/repair"
)

// TestWhatCannotBecomeEqualIsTakenBack: the replica's column rounds what is written to it, without an error. The range has not the source's
// digest then: that row is refused by name and stays as it was, and the others are repaired.
func TestWhatCannotBecomeEqualIsTakenBack(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, price DECIMAL(10,4) NOT NULL)", "INSERT INTO app.t VALUES (1, 1.2345), (2, 2.5), (3, 3)")
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "ALTER TABLE app.t MODIFY price DECIMAL(10,2) NOT NULL", "UPDATE app.t SET price = 1 WHERE id = 1", "UPDATE app.t SET price = 9.99 WHERE id = 2")
		result := NewRepairRun(t, requestFor(tp), true).Run(t)
		table := result.Replicas[0].Tables[0]
		if len(table.Refused) != 1 || table.Refused[0].Code != repair.RefusedNotVerified || table.Refused[0].Rows != 1 || table.Done.Changed != 1 {
			t.Error(DescribeRepair(result))
		}
		if rows := tp.Replica(0).Query(t, "SELECT price FROM app.t ORDER BY id"); rows[0][0] != "1.00" || rows[1][0] != "2.50" || rows[2][0] != "3.00" {
			t.Errorf("the prices are %v", rows)
		}
		if result.Verified == nil || result.Verified.Verdict != check.Different {
			t.Errorf("a row is left: %s", DescribeRepair(result))
		}
	})
}

// TestUniqueValuesOfOtherRanges: two rows that are never in one group have each other's unique value. They change in one transaction, which
// the replica does not log.
func TestUniqueValuesOfOtherRanges(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		far(t, tp)
		tp.Damage(t, 0, "UPDATE app.t SET u = 1 WHERE id = 9000")
		damaged := DumpTables(t, tp.Replica(0), "app.t")
		file, position := tp.Replica(0).BinlogPosition(t)
		run := NewRepairRun(t, inParts(tp), true)
		result := run.Run(t)
		if table := result.Replicas[0].Tables[0]; table.Conflicts != 1 || len(table.Refused) > 0 {
			t.Error(DescribeRepair(result))
		}
		if a, b := DumpTables(t, tp.Source, "app.t"), DumpTables(t, tp.Replica(0), "app.t"); a != b || result.Verified.Verdict != check.Equal {
			t.Errorf("not equal: %s", DescribeRepair(result))
		}
		if nowFile, now := tp.Replica(0).BinlogPosition(t); nowFile != file || now != position {
			t.Errorf("the replica's log went from %s:%s to %s:%s", file, position, nowFile, now)
		}
		run.Undo(t, tp.Replica(0))
		if now := DumpTables(t, tp.Replica(0), "app.t"); now != damaged {
			t.Error("undoing did not bring the damage back")
		}
	})
}

package integration

import (
	"slices"
	"testing"

	"trueup/check"
	"trueup/repair"
)

// TestRepairViaSource: statements that change nothing on the source repair both of its replicas, where they are replicated as
// statements; the source's rows are not changed by them.
func TestRepairViaSource(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		for _, format := range []string{"STATEMENT", "MIXED"} {
			t.Run(format, func(t *testing.T) {
				t.Parallel()
				tp := NewTopology(t, Options{GTID: true, Replicas: 2, Format: format})
				tp.Source.Exec(t, "CREATE DATABASE app",
					"CREATE TABLE app.t (id INT PRIMARY KEY, u INT UNIQUE, v VARCHAR(40) CHARACTER SET utf8mb4, w FLOAT)",
					"INSERT INTO app.t SELECT seq, seq, CONCAT('row ', seq), seq / 3 FROM "+tp.Numbers(300), "CREATE TABLE app.other (id INT PRIMARY KEY)", "INSERT INTO app.other SELECT seq FROM "+tp.Numbers(10))
				tp.WaitCaughtUp(t)
				tp.Damage(t, 0, "UPDATE app.t SET v = 'it''s \\\\ wrong' WHERE id = 5", "UPDATE app.t SET w = 1e10 WHERE id = 6", "DELETE FROM app.t WHERE id IN (7, 300)",
					"INSERT INTO app.t VALUES (1000, 7, NULL, NULL)", "UPDATE app.t SET u = 999 WHERE id = 20", "UPDATE app.t SET u = 20 WHERE id = 200", "UPDATE app.t SET u = 200 WHERE id = 20")
				tp.Damage(t, 1, "DELETE FROM app.other WHERE id = 5", "INSERT INTO app.other VALUES (77)")
				whole := DumpTables(t, tp.Source, "app.t", "app.other")
				damaged := DumpTables(t, tp.Replica(0), "app.t")

				apply := NewRepairRun(t, requestFor(tp), true)
				apply.Request.Via = repair.ViaSource
				result := apply.Run(t)
				if result.Verified == nil || result.Verified.Verdict != check.Equal {
					t.Fatal(DescribeRepair(result))
				}
				for i := range tp.Replicas {
					if now := DumpTables(t, tp.Replica(i), "app.t", "app.other"); now != whole {
						t.Errorf("replica %d is not equal: %s", i, DescribeRepair(result))
					}
				}
				if now := DumpTables(t, tp.Source, "app.t", "app.other"); now != whole {
					t.Error("the source was changed")
				}
				requireReplicating(t, tp.Replicas...)
				undone := apply.Undo(t, tp.Replica(0))
				if now := DumpTables(t, tp.Replica(0), "app.t"); now != damaged {
					t.Errorf("undoing did not bring the damage back: %+v", undone)
				}
			})
		}
	})
}

// TestRepairViaSourceNeedsStatements: a source that logs rows is refused by name, and nothing is written to it.
func TestRepairViaSourceNeedsStatements(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t SELECT seq FROM "+tp.Numbers(30))
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "DELETE FROM app.t WHERE id = 5")
		file, position := tp.Source.BinlogPosition(t)
		apply := NewRepairRun(t, requestFor(tp), true)
		apply.Request.Via = repair.ViaSource
		result := apply.Run(t)
		if refused := result.Replicas[0].Refused; len(refused) != 1 || refused[0].Code != repair.RefusedNotStatement {
			t.Error(DescribeRepair(result))
		}
		if nowFile, now := tp.Source.BinlogPosition(t); nowFile != file || now != position {
			t.Errorf("the source's log went from %s:%s to %s:%s", file, position, nowFile, now)
		}
	})
}

// TestRepairViaSourceKnowsItsReplicas: statements in the source's log are executed by every replica. One that is not part of the run, has
// replicas of its own, lacks the table or has other damage in it is named, and nothing is written.
func TestRepairViaSourceKnowsItsReplicas(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Replicas: 2, Format: "STATEMENT"})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, u INT UNIQUE)", "INSERT INTO app.t SELECT seq, seq FROM "+tp.Numbers(30),
			"CREATE TABLE app.gone (id INT PRIMARY KEY)", "INSERT INTO app.gone VALUES (1)")
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "DELETE FROM app.t WHERE id = 7", "DELETE FROM app.gone")
		tp.Damage(t, 1, "DELETE FROM app.t WHERE id = 7", "INSERT INTO app.t VALUES (1000, 7)", "DROP TABLE app.gone")
		file, position := tp.Source.BinlogPosition(t)
		for name, change := range map[string]func(*RepairRun){
			"both named": func(*RepairRun) {},
			"one named":  func(r *RepairRun) { r.Request.Check.Replicas = r.Request.Check.Replicas[:1] },
		} {
			run := NewRepairRun(t, requestFor(tp), true)
			run.Request.Via = repair.ViaSource
			change(run)
			result := run.Run(t)
			codes := refusalCodes(result)
			if !slices.Contains(codes, repair.RefusedNotStatement) || result.Replicas[0].Statements > 0 {
				t.Errorf("%s: refused %v: %s", name, codes, DescribeRepair(result))
			}
		}
		if nowFile, now := tp.Source.BinlogPosition(t); nowFile != file || now != position {
			t.Errorf("the source's log went from %s:%s to %s:%s", file, position, nowFile, now)
		}
		requireReplicating(t, tp.Replicas...)
	})
}

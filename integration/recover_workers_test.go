package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/internal/audit"
	"trueup/recovery"
	"trueup/server"
)

// TestRecoverFindsWhatWorkersFailAt: without GTIDs, a parallel worker of MySQL 5.6 that has just begun leaves the log's file out of its error, at random.
// The transaction is found by its offset then.
func TestRecoverFindsWhatWorkersFailAt(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{ParallelThreads: 4})
		replica := tp.Replica(0)
		tp.Source.Exec(t, "CREATE DATABASE db", "CREATE TABLE db.t (id INT PRIMARY KEY, v INT)")
		errors := times(60, 300) // of which one in ten names no file
		for id := range errors {
			tp.Damage(t, 0, fmt.Sprintf("INSERT INTO db.t VALUES (%d, 0)", id))
		}
		ends := make([]uint64, errors)
		for id := range errors {
			tp.Source.Exec(t, fmt.Sprintf("INSERT INTO db.t VALUES (%d, 1)", id))
			ends[id] = tp.Source.position(t).Offset
		}
		for id := range errors {
			tp.AwaitStopped(t, 0, 1062)
			result := NewRecoverRun(t, tp, recovery.Plan).Run(t)
			if read := result.Attempts[0].Diagnosis.Transaction; read == nil || on.IsMySQL(5, 7, 0) && !slices.Contains(ends[id:], read.End) || !on.IsMySQL(5, 7, 0) && read.End != ends[id] {
				t.Fatalf("row %d: %s: %s", id, replica.Status(t)["Last_SQL_Error"], describeRecovery(result))
			}
			replica.Exec(t, "SET GLOBAL sql_slave_skip_counter = 1")
			replica.StartReplica(t, "SQL_THREAD")
		}
	}, Needs{Flavor: server.MySQL})
}

// TestRecoverBehindARotation: in its first transaction behind a rotation of the source's log a parallel worker names the file before (always on MySQL 5.6,
// at times on MariaDB). The transaction is found in the file in which it is, also where the next one has another at the same place, and failing once more
// is not taken for having passed it.
func TestRecoverBehindARotation(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, gtid := range []bool{false, true} {
			t.Run(fmt.Sprintf("gtid %v", gtid), func(t *testing.T) {
				t.Parallel()
				tp := NewTopology(t, Options{ParallelThreads: 4, GTID: gtid})
				tp.Source.Exec(t, "CREATE DATABASE db", "CREATE TABLE db.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE db.u LIKE db.t")
				rotations := times(3, 40)
				for id := range rotations {
					tp.Damage(t, 0, fmt.Sprintf("INSERT INTO db.t VALUES (%d, 0)", id))
				}
				for id := range rotations {
					failBehindRotation(t, tp, id)
				}
				tp.WaitCaughtUp(t)
				if want, got := DumpTables(t, tp.Source, "db.t", "db.u"), DumpTables(t, tp.Replica(0), "db.t", "db.u"); want != got {
					t.Errorf("the replica is not equal:\n%s", diffLines(want, got))
				}
			})
		}
	})
}

// failBehindRotation has the insertion of a row that is there already fail, looks at it, tries it again, and mends it or passes over it.
func failBehindRotation(t *testing.T, tp *Topology, id int) {
	t.Helper()
	tp.Source.flushLogs(t)
	file, _ := tp.Source.BinlogPosition(t)
	tp.Source.Exec(t, fmt.Sprintf("INSERT INTO db.t VALUES (%d, 1)", id))
	tp.Source.flushLogs(t)
	tp.Source.Exec(t, fmt.Sprintf("INSERT INTO db.u VALUES (%d, 1)", id))
	tp.AwaitStopped(t, 0, 1062)
	last := []recovery.Action{recovery.Fix, recovery.Skip}[id%2]
	for _, action := range []recovery.Action{recovery.Plan, recovery.Retry, last} {
		result := NewRecoverRun(t, tp, action).Run(t)
		want := map[recovery.Action]recovery.Outcome{recovery.Plan: recovery.Explained, recovery.Retry: recovery.StoppedAgain, last: recovery.Proven}[action]
		if read := result.Attempts[0].Diagnosis.Transaction; read == nil || read.Rows != 1 || read.File != file || result.Attempts[0].Outcome != want {
			t.Fatalf("row %d, in %s: %s: %s", id, file, tp.Replica(0).Status(t)["Last_SQL_Error"], describeRecovery(result))
		}
	}
}

// TestRecoverWorkersWithoutReason: a parallel worker of MySQL 5.6 that gives up waiting for a lock stops the applier with 1756, which says neither why nor at which
// transaction. No transaction is named, a retry is recommended and nothing else offered, and it is never called proven: which rows it touched nobody knows.
func TestRecoverWorkersWithoutReason(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		if on.IsMySQL(5, 7, 0) {
			outcomes.skip(t, "is about MySQL before 5.7: newer ones say which worker failed")
		}
		for _, gtid := range []bool{false, true} {
			t.Run(fmt.Sprintf("gtid %v", gtid), func(t *testing.T) {
				t.Parallel()
				tp := NewTopology(t, Options{GTID: gtid, ParallelThreads: 4})
				for _, database := range []string{"db", "other"} { // which is what workers of 5.6 share work by
					tp.Source.Exec(t, "CREATE DATABASE "+database, "CREATE TABLE "+database+".t (id INT PRIMARY KEY, v INT)", "INSERT INTO "+database+".t VALUES (4,0),(5,0),(6,0)")
				}
				tp.Replica(0).Exec(t, "SET GLOBAL innodb_lock_wait_timeout=1")
				for _, gap := range []bool{false, true} {
					t.Run(fmt.Sprintf("gap %v", gap), func(t *testing.T) { testWorkersWithoutReason(t, tp, gap) })
				}
			})
		}
	}, Needs{Flavor: server.MySQL})
}

// gap: other workers have executed what is behind. (While the lock is held, a restart fills the gap without workers then, tries ten times, and says 1205.)
func testWorkersWithoutReason(t *testing.T, tp *Topology, gap bool) {
	replica := tp.Replica(0)
	tp.WaitCaughtUp(t)
	holding := holdRows(t, replica, "UPDATE db.t SET v=v WHERE id=5")
	defer holding.release()
	replica.StopReplica(t, "SQL_THREAD") // which takes up the timeout when it starts
	replica.StartReplica(t, "SQL_THREAD")
	tp.Source.Exec(t, "UPDATE db.t SET v=v+1 WHERE id=4")
	tp.WaitCaughtUp(t) // so that the position is at what comes next, without a gap before it
	tp.Source.Exec(t, "UPDATE db.t SET v=v+1", "UPDATE db.t SET v=v+1 WHERE id=6")
	if gap {
		tp.Source.Exec(t, "UPDATE other.t SET v=v+1")
	}
	tp.AwaitStopped(t, 0, 1756)

	requireUnnamed(t, NewRecoverRun(t, tp, recovery.Plan).Run(t))
	run := NewRecoverRun(t, tp, recovery.Retry)
	if !gap {
		again := run.Run(t) // and what it stands with then is left
		if again.Attempts[0].Outcome != recovery.StoppedAgain || again.Attempts[0].Proof != nil || !strings.Contains(again.Attempts[0].Steps[0].Result, "it stopped again, maybe at the same transaction: error 1756") {
			t.Error(describeRecovery(again))
		}
		requireUnbroken(t, run)
		run = NewRecoverRun(t, tp, recovery.Retry)
	}

	holding.release()
	result := run.Run(t)
	requireUnnamed(t, result)
	if result.Outcome != recovery.Unproven || result.Err != nil || len(result.Attempts) != 1 || result.Attempts[0].Proof != nil || !strings.Contains(strings.Join(result.Warnings, "\n"), "nothing is known that could be compared after retry") {
		t.Error(describeRecovery(result))
	}
	requireUnbroken(t, run)
	tp.WaitCaughtUp(t)
	if want, got := DumpTables(t, tp.Source, "db.t", "other.t"), DumpTables(t, replica, "db.t", "other.t"); want != got {
		t.Errorf("the replica is not equal:\n%s\n%s", diffLines(want, got), describeRecovery(result))
	}
	requireReplicating(t, replica)
}

// requireUnnamed requires that a recovery's first error is one that names no transaction, with a retry recommended, and neither a fix nor a skip.
func requireUnnamed(t *testing.T, result *recovery.Result) {
	t.Helper()
	d := result.Attempts[0].Diagnosis
	retry := d.Option(recovery.Retry)
	if d.Error.Number != 1756 || d.Class != recovery.ClassWorkers || d.Transaction != nil || !strings.Contains(d.NotRead, "does not say which") || !strings.Contains(d.Why[0], "without saying why") ||
		retry == nil || !retry.Recommended || retry.FailsAgain || d.Option(recovery.Fix) != nil || d.Option(recovery.Skip) != nil {
		t.Fatal(describeRecovery(result))
	}
}

func requireUnbroken(t *testing.T, run *RecoverRun) {
	t.Helper()
	if err := run.journal.Close(); err != nil {
		t.Fatal(err)
	}
	if found, _, err := audit.Read(run.Journal, nil); err != nil || found.State != audit.Whole {
		t.Errorf("journal %+v, %v", found, err)
	}
}

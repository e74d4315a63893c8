package integration

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trueup/check"
	"trueup/internal/audit"
	"trueup/repair"
	"trueup/replication/syncpoint"
)

// far makes a table whose first and last rows are never in one group, and damages the replica's so that the last group can only be changed
// after the first, and only be undone before it: row 1 has the unique value of the last row.
func far(t *testing.T, tp *Topology) {
	t.Helper()
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, u INT UNIQUE, v INT NOT NULL)", "INSERT INTO app.t SELECT seq, seq, seq FROM "+tp.Numbers(9000))
	tp.WaitCaughtUp(t)
	tp.Damage(t, 0, "UPDATE app.t SET u = NULL WHERE id = 9000", "UPDATE app.t SET u = 9000 WHERE id = 1", "UPDATE app.t SET v = 0 WHERE id IN (4500, 4501)")
}

// inParts is a check of small chunks, so that the ranges that differ are far from each other.
func inParts(tp *Topology) check.Request {
	request := requestFor(tp)
	request.Size.Rows = 500
	return request
}

// TestRepairIsUndoneBackwards: the last group is undone first. A group of which somebody has changed a row since is left and named, all of it; the
// others are undone all the same.
func TestRepairIsUndoneBackwards(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		far(t, tp)
		damaged := DumpTables(t, tp.Replica(0), "app.t")
		run := NewRepairRun(t, inParts(tp), true)
		result := run.Run(t)
		if groups := result.Replicas[0].Tables[0].Groups; groups != 3 {
			t.Fatalf("%d groups, want 3: %s", groups, DescribeRepair(result))
		}
		tp.Damage(t, 0, "UPDATE app.t SET v = 77 WHERE id = 4500")
		undone := run.Undo(t, tp.Replica(0))
		if undone.Groups != 3 || undone.Undone != 2 || len(undone.Refused) != 1 || undone.Refused[0].Code != repair.RefusedMoved {
			t.Errorf("%+v", undone)
		}
		if v := tp.Replica(0).Value(t, "SELECT v FROM app.t WHERE id = 4500"); v != "77" {
			t.Errorf("somebody's 77 is %s", v)
		}
		tp.Damage(t, 0, "UPDATE app.t SET v = 0 WHERE id IN (4500, 4501)")
		if now := DumpTables(t, tp.Replica(0), "app.t"); now != damaged {
			t.Error("the other groups are not as they were")
		}
	})
}

// TestRowsThatMovedAreReadAgain: somebody changes rows on the replica after the snapshots were opened that a group is read in. The group is
// not changed as it was planned; read again it is, and undoing brings back what the other one wrote.
func TestRowsThatMovedAreReadAgain(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		far(t, tp)
		run := NewRepairRun(t, inParts(tp), true)
		moved := false
		result, err := repair.Run(t.Context(), run.Request, onGroup(func() {
			if !moved { // the first group is done, the one of row 4500 comes next
				tp.Replica(0).unlogged(t, "UPDATE app.t SET v = 77 WHERE id = 4500")
			}
			moved = true
		}))
		if err != nil || result.Err != nil {
			t.Fatal(err, result.Err)
		}
		if a, b := DumpTables(t, tp.Source, "app.t"), DumpTables(t, tp.Replica(0), "app.t"); a != b || result.Verified.Verdict != check.Equal || result.Replicas[0].Pauses < 2 {
			t.Error(DescribeRepair(result))
		}
		run.Undo(t, tp.Replica(0))
		if v := tp.Replica(0).Value(t, "SELECT v FROM app.t WHERE id = 4500"); v != "77" {
			t.Errorf("undoing brought back %s, not somebody's 77", v)
		}
	})
}

// atGroup does something whenever a group's entry is on the disk, before the group is changed.
type atGroup struct {
	syncpoint.Recorder
	do      func(entry int)
	entries atomic.Int32 // one that is late may still be on its way when the next comes
}

func (j *atGroup) Record(ctx context.Context, entry audit.Entry) error {
	err := j.Recorder.Record(ctx, entry)
	if entry.Kind == repair.KindGroup {
		j.do(int(j.entries.Add(1)))
	}
	return err
}

// callAtGroups has do called at each group's entry in a run's journal, with the entry's number; it returns how many there were.
func callAtGroups(run *RepairRun, do func(entry int)) (entries func() int) {
	journal := &atGroup{Recorder: run.Request.Journal, do: do}
	run.Request.Journal = journal
	return func() int { return int(journal.entries.Load()) }
}

// TestJournalComesFirst: when a group's entry is on the disk none of its rows has changed yet, not even within its transaction.
func TestJournalComesFirst(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		far(t, tp)
		run := NewRepairRun(t, inParts(tp), true)
		looks := callAtGroups(run, func(entry int) {
			time.Sleep(innodbCopy)
			if changed := tp.Replica(0).Query(t, "SELECT trx_rows_modified FROM information_schema.INNODB_TRX WHERE trx_rows_modified > 0 AND trx_mysql_thread_id > 0"); len(changed) > 0 {
				t.Errorf("at the entry of group %d rows have changed: %v", entry, changed)
			}
		})
		if result := run.Run(t); looks() < 3 || result.Verified.Verdict != check.Equal {
			t.Errorf("%d groups: %s", looks(), DescribeRepair(result))
		}
	})
}

// TestSlowJournal: a disk that takes longer for a group's entry than the applier may stand costs another pause. The group is taken back, and
// the journal says so: in the end nothing in it is open.
func TestSlowJournal(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		far(t, tp)
		run := NewRepairRun(t, inParts(tp), true)
		callAtGroups(run, func(entry int) {
			if entry == 1 {
				time.Sleep(run.Request.MaxPause + 300*time.Millisecond)
			}
		})
		result := run.Run(t)
		if a, b := DumpTables(t, tp.Source, "app.t"), DumpTables(t, tp.Replica(0), "app.t"); a != b || result.Verified.Verdict != check.Equal || result.Replicas[0].Pauses < 2 {
			t.Error(DescribeRepair(result))
		}
		rolledBack := 0
		found, _, err := audit.Read(run.Journal, func(entry audit.Entry) {
			if entry.Kind == repair.KindGroupEnded && strings.Contains(string(entry.Data), "rolled_back") {
				rolledBack++
			}
		})
		if err != nil || rolledBack == 0 || len(found.Left) > 0 { // the disk itself may have been late with another one
			t.Errorf("%d groups rolled back, %d steps open (%v)", rolledBack, len(found.Left), err)
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// TestNothingIsCommittedWhileTheApplierRuns: somebody starts the applier in the middle of a group. That group is taken back; another hold
// repairs it.
func TestNothingIsCommittedWhileTheApplierRuns(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		far(t, tp)
		run := NewRepairRun(t, inParts(tp), true)
		entries := callAtGroups(run, func(entry int) {
			if entry == 1 {
				tp.Replica(0).StartReplica(t, "SQL_THREAD")
			}
		})
		result := run.Run(t)
		if a, b := DumpTables(t, tp.Source, "app.t"), DumpTables(t, tp.Replica(0), "app.t"); a != b || result.Verified.Verdict != check.Equal {
			t.Error(DescribeRepair(result))
		}
		if entries() < 4 {
			t.Errorf("%d groups were begun, want the first of 3 twice: %s", entries(), DescribeRepair(result))
		}
		requireReplicating(t, tp.Replicas...)
	})
}

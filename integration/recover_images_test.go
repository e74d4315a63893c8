package integration

import (
	"slices"
	"strings"
	"testing"

	"trueup/internal/audit"
	"trueup/recovery"
	"trueup/repair"
	"trueup/schema"
)

// imageCase is a transaction of which the log does not have all.
type imageCase struct {
	name    string
	damage  string
	writes  []string // with binlog_row_image as it is named
	later   []string // with whole rows
	fixable bool
	says    string // where it is not
}

func imageCases() []imageCase {
	const missing = "DELETE FROM db.t WHERE id=3"
	return []imageCase{
		{name: "update", damage: missing, writes: []string{"UPDATE db.t SET v=30 WHERE id IN (2,3,4)"}, fixable: true},
		{name: "update, changed since", damage: missing, writes: []string{"UPDATE db.t SET v=30 WHERE id IN (2,3,4)"}, later: []string{"UPDATE db.t SET v=31, body='later', note='later' WHERE id=3"}, fixable: true},
		{name: "row gone since", damage: missing, writes: []string{"UPDATE db.t SET v=30 WHERE id IN (2,3,4)"}, later: []string{"DELETE FROM db.t WHERE id=3"}, says: "the source has it no more"},
		{name: "delete", damage: missing, writes: []string{"DELETE FROM db.t WHERE id IN (2,3,4)"}, says: "the source has it no more"},
	}
}

// TestRecoverImages: with binlog_row_image=MINIMAL or NOBLOB a missing row is put back where the source still has it; else a fix is not offered, the diagnosis says why, and
// a skip ends equal.
func TestRecoverImages(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, _ ServerRow, tp *Topology) {
		for _, image := range []string{"MINIMAL", "NOBLOB"} {
			for _, c := range imageCases() {
				t.Run(image+" "+c.name, func(t *testing.T) { testImage(t, tp, image, c) })
			}
		}
		requireReplicating(t, tp.Replicas...)
	})
}

func testImage(t *testing.T, tp *Topology, image string, c imageCase) {
	stop := Stop{Name: "1032 " + image + " " + c.name, Number: 1032, Damage: []string{c.damage},
		Prepare: []string{"CREATE TABLE db.t (id INT PRIMARY KEY, v INT, body TEXT, note VARCHAR(20))", "INSERT INTO db.t SELECT seq, seq, CONCAT('body ', seq), CONCAT('note ', seq) FROM " + tp.Numbers(6)},
		Write:   slices.Concat([]string{"SET SESSION binlog_row_image=" + image}, c.writes, []string{"SET SESSION binlog_row_image=FULL"}, c.later)}
	stop.Provoke(t, tp)
	run := NewRecoverRun(t, tp, recovery.Plan)
	d := run.Run(t).Attempts[0].Diagnosis
	if !d.Transaction.Partial {
		t.Errorf("the diagnosis does not know that rows are not whole in the log: %+v", d.Transaction)
	}
	action := recovery.Fix
	if !c.fixable {
		if action = recovery.Skip; d.Option(recovery.Fix) != nil || !strings.Contains(strings.Join(d.Advice, "\n"), c.says) || !strings.Contains(strings.Join(d.Advice, "\n"), "binlog_row_image") {
			t.Errorf("a fix offered, or not said why not: %q, %+v", d.Advice, d.Options)
		}
	}
	recoverEqual(t, tp, stop, action)
}

// recoverEqual recovers from a stop that stands, and requires that the replica is proven and equal.
func recoverEqual(t *testing.T, tp *Topology, stop Stop, action recovery.Action) *recovery.Result {
	t.Helper()
	run := NewRecoverRun(t, tp, action)
	run.Request.MaxErrors = 2 // what is written later to a row that was skipped fails too
	result := run.Run(t)
	if result.Outcome != recovery.Proven {
		t.Fatal(describeRecovery(result))
	}
	tp.WaitCaughtUp(t)
	tables := stop.Tables(t, tp)
	if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, tp.Replica(0), tables...); want != got {
		t.Errorf("the replica is not equal:\n%s\n%s", diffLines(want, got), describeRecovery(result))
	}
	return result
}

// TestRecoverStatements: of a transaction that is logged as statements, or partly, nobody knows the rows: that is said, the whole tables are compared, and what the skip
// has lost is repaired.
func TestRecoverStatements(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, format := range []string{"STATEMENT", "MIXED"} {
			t.Run(format, func(t *testing.T) {
				t.Parallel()
				options := modes(on)[1]
				options.Format = format
				tp := NewTopology(t, options)
				for name, unsafe := range map[string]string{"": "", " and rows": "INSERT INTO db.named VALUES (1, UUID())"} {
					if unsafe != "" && format == "STATEMENT" {
						continue
					}
					stop := Stop{Name: "1062 " + format + name, Number: 1062, Prepare: []string{plainTable, plainRows, beforeTable, "CREATE TABLE db.named (id INT PRIMARY KEY, name CHAR(36))"},
						Damage: []string{"INSERT INTO db.t VALUES (7,70)"},
						Write:  slices.DeleteFunc([]string{"BEGIN", "INSERT INTO db.ahead VALUES (1,'innocent')", unsafe, "INSERT INTO db.t VALUES (7,7),(8,8)", "COMMIT"}, func(s string) bool { return s == "" })}
					stop.Provoke(t, tp)
					result := recoverEqual(t, tp, stop, recovery.Skip)
					o := result.Attempts[0].Diagnosis.Option(recovery.Skip)
					for _, table := range []string{"t", "ahead"} {
						if !slices.Contains(o.Whole, schema.Name{Database: stop.Database(), Table: table}) {
							t.Errorf("%s is not compared as a whole: %v", table, o.Whole)
						}
					}
					if result.Attempts[0].Diagnosis.Option(recovery.Fix) != nil || unsafe == "" && !strings.Contains(strings.Join(o.Loses, "\n"), "Which rows the transaction changes is not in the log") {
						t.Errorf("a fix offered, or the loss not said: %s", describeRecovery(result))
					}
				}
				requireReplicating(t, tp.Replicas...)
			})
		}
	})
}

// TestRecoverLargeTransaction: one row of 5000 is missing: a fix puts that one back and nothing more, a skip ends equal in all of them.
func TestRecoverLargeTransaction(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, modes(on)[0])
		for _, action := range []recovery.Action{recovery.Fix, recovery.Skip} {
			stop := Stop{Name: "1032 large " + string(action), Number: 1032, Prepare: []string{"CREATE TABLE db.t (id INT PRIMARY KEY, v INT, filler VARCHAR(60))", "INSERT INTO db.t SELECT seq, seq, REPEAT('x', 50) FROM " + tp.Numbers(5000)},
				Damage: []string{"DELETE FROM db.t WHERE id=4321"}, Write: []string{"UPDATE db.t SET v=v+10"}}
			stop.Provoke(t, tp)
			result := recoverEqual(t, tp, stop, action)
			d := result.Attempts[0].Diagnosis
			if d.Transaction.Rows != 5000 || d.Transaction.Truncated || len(d.Rows) > recovery.MostRows || len(d.Why) != 1 || !strings.Contains(d.Why[0], "id=4321") {
				t.Errorf("%d rows, shown %d, why %q", d.Transaction.Rows, len(d.Rows), d.Why)
			}
			if lost := d.Option(recovery.Skip).Lost; len(lost) != 5000 {
				t.Errorf("%d rows are said to be lost by a skip", len(lost))
			}
			if done := result.Attempts[0].Steps[0].Result; action == recovery.Fix && !strings.HasPrefix(done, "1 row changed") {
				t.Errorf("the fix: %s", done)
			}
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// TestRecoverChecksTables: with --check-tables what differs beside the touched rows is found, and repaired; without it is left.
func TestRecoverChecksTables(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, modes(on)[0])
		stop := FindStop(t, "1032 one of several rows")
		stop.Provoke(t, tp)
		damageReplica(t, tp, stop, "UPDATE db.t SET v=100 WHERE id=1")
		if result := NewRecoverRun(t, tp, recovery.Fix).Run(t); result.Outcome != recovery.Proven {
			t.Fatal(describeRecovery(result))
		}
		if v := tp.Replica(0).Value(t, "SELECT v FROM "+stop.Database()+".t WHERE id=1"); v != "100" {
			t.Errorf("row 1, which the transaction does not touch, was changed to %s", v)
		}
		stop = FindStop(t, "1032 in a transaction")
		stop.Provoke(t, tp)
		damageReplica(t, tp, stop, "UPDATE db.t SET v=100 WHERE id=1")
		run := NewRecoverRun(t, tp, recovery.Fix)
		run.Request.CheckTables = true
		if result := run.Run(t); result.Outcome != recovery.Proven {
			t.Fatal(describeRecovery(result))
		}
		tables := stop.Tables(t, tp)
		if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, tp.Replica(0), tables...); want != got {
			t.Errorf("with --check-tables the replica is not equal:\n%s", diffLines(want, got))
		}
		requireEachGroupIsUndone(t, tp, run)
	})
}

// requireEachGroupIsUndone undoes a fix and what the comparison after it repaired, twice. The transaction has changed the fix's row: that group is
// left, and not mistaken for the other one.
func requireEachGroupIsUndone(t *testing.T, tp *Topology, run *RecoverRun) {
	t.Helper()
	if err := run.journal.Close(); err != nil {
		t.Fatal(err)
	}
	groups := map[string]int{}
	if _, _, err := audit.Read(run.Journal, func(entry audit.Entry) {
		if entry.Kind == repair.KindGroup {
			groups[entry.Opens]++
		}
	}); err != nil {
		t.Fatal(err)
	}
	if first := tp.Replica(0).Address() + " group "; len(groups) != 2 || groups[first+"1"] != 1 || groups[first+"2"] != 1 {
		t.Errorf("the journal's groups: %v", groups)
	}
	repaired := &RepairRun{Journal: run.Journal}
	for _, want := range []repair.UndoResult{{Undone: 1}, {Already: 1}} {
		if undone := repaired.Undo(t, tp.Replica(0)); undone.Undone != want.Undone || undone.Already != want.Already || len(undone.Refused) != 1 {
			t.Errorf("%+v, want %+v and one group refused", undone, want)
		}
	}
}

// TestRetryPassesDriftedRows: a row whose other values have drifted stands against nothing. A retry is not said to fail again for it, and does not.
func TestRetryPassesDriftedRows(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, modes(on)[0])
		stop := FindStop(t, "1032 one of several rows")
		stop.Provoke(t, tp)
		damageReplica(t, tp, stop, "UPDATE db.t SET v=600 WHERE id=6")
		requireFailsAgain := func(want bool) {
			t.Helper()
			result := NewRecoverRun(t, tp, recovery.Plan).Run(t)
			if retry := result.Attempts[0].Diagnosis.Option(recovery.Retry); retry == nil || retry.FailsAgain != want || strings.Contains(strings.Join(retry.Does, " "), "Nothing stands against it any more") == want {
				t.Errorf("fails again: want %v: %s", want, describeRecovery(result))
			}
		}
		requireFailsAgain(true)
		damageReplica(t, tp, stop, "INSERT INTO db.t VALUES (5,5)")
		requireFailsAgain(false)
		if result := NewRecoverRun(t, tp, recovery.Retry).Run(t); result.Outcome != recovery.Proven {
			t.Error(describeRecovery(result))
		}
		requireReplicating(t, tp.Replicas...)
	})
}

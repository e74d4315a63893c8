package integration

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/check"
	"trueup/internal/audit"
	"trueup/recovery"
)

// TestRecoverByFix: whatever a fix can mend ends equal, with the transaction applied, and nothing skipped.
func TestRecoverByFix(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, on ServerRow, tp *Topology) {
		for _, stop := range Stops() {
			if stop.Mend == nil || stop.Needs.Lacking(on) != "" || !isFixable(stop) {
				continue
			}
			t.Run(stop.Name, func(t *testing.T) { testFix(t, tp, stop) })
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// isFixable tells whether rows alone mend a stop, and the log says which.
func isFixable(stop Stop) bool {
	for _, prefix := range []string{"1062", "1032", "1451", "1452"} {
		if strings.HasPrefix(stop.Name, prefix) {
			return !strings.Contains(stop.Name, "statement") && !strings.Contains(stop.Name, "mixed")
		}
	}
	return false
}

func testFix(t *testing.T, tp *Topology, stop Stop) {
	result := testRecovery(t, tp, stop, recovery.Fix)
	for _, a := range result.Attempts {
		if n := skips(a.Steps); n > 0 {
			t.Errorf("a fix has skipped %d times: %+v", n, a.Steps)
		}
	}
}

// skips counts the steps that skip.
func skips(steps []recovery.Step) (n int) {
	for _, step := range steps {
		if strings.Contains(step.SQL, "skip_counter = 1") || strings.Contains(step.SQL, "GTID_NEXT = '") && !strings.Contains(step.SQL, "AUTOMATIC") || strings.Contains(step.SQL, "GLOBAL gtid_slave_pos") {
			n++
		}
	}
	return n
}

// TestRecoverBySkip: what can be skipped soundly is skipped once, and ends equal: the innocent rows too.
func TestRecoverBySkip(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, on ServerRow, tp *Topology) {
		for _, stop := range Stops() {
			if stop.Mend == nil || stop.Needs.Lacking(on) != "" || stop.Then != 0 || stop.Receiver || stop.Number == 0 || stop.Number == 1526 {
				continue
			}
			t.Run(stop.Name, func(t *testing.T) {
				if stop.Name == "1032 XA" && on.IsMySQL(8, 0, 0) && !tp.options.GTID { // the counter does not pass over it as a whole
					offersNoSkip(t, tp, stop)
					return
				}
				result := testRecovery(t, tp, stop, recovery.Skip)
				for _, a := range result.Attempts {
					if n := skips(a.Steps); n != 1 {
						t.Errorf("%d skips: %s", n, describeRecovery(result))
					}
				}
			})
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// offersNoSkip requires that a stop can be fixed, and that a skip is not offered.
func offersNoSkip(t *testing.T, tp *Topology, stop Stop) {
	t.Helper()
	run := NewRecoverRun(t, tp, recovery.Fix)
	stop.Provoke(t, tp)
	result := run.Run(t)
	if d := result.Attempts[0].Diagnosis; d.Option(recovery.Skip) != nil || result.Outcome != recovery.Proven {
		t.Error(describeRecovery(result))
	}
}

// testRecovery provokes a stop, recovers from it, and requires that the replica is equal and the journal whole.
func testRecovery(t *testing.T, tp *Topology, stop Stop, action recovery.Action) *recovery.Result {
	sound := false
	defer func() {
		if !sound {
			tp.Anew(t)
		}
	}()
	stop.Provoke(t, tp)
	run := NewRecoverRun(t, tp, action)
	run.Request.MaxErrors = 4 // what was skipped, or never written, may fail again later
	result := run.Run(t)
	honest := !strings.HasPrefix(stop.Name, "1062") && !strings.HasPrefix(stop.Name, "1032") && !strings.HasPrefix(stop.Name, "145") && (result.Outcome == recovery.Differs || result.Outcome == recovery.Unproven)
	if result.Outcome != recovery.Proven && !honest {
		t.Error(describeRecovery(result))
	}
	requireInTheWay(t, stop, result.Attempts[0].Diagnosis)
	requireRetryIsHonest(t, stop, result.Attempts[0].Diagnosis)
	tp.Source.Exec(t, "CREATE DATABASE IF NOT EXISTS bump", "DROP DATABASE bump") // an applier of several domains does not move its position on a quiet source
	tp.WaitCaughtUp(t)
	tables := stop.Tables(t, tp)
	if honest { // definitions differ: a person's business, and said so
		sound = false
		return result
	}
	if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, tp.Replica(0), tables...); want != got {
		t.Errorf("the replica is not equal:\n%s\n%s", diffLines(want, got), describeRecovery(result))
	}
	if err := run.journal.Close(); err != nil {
		t.Fatal(err)
	}
	if found, _, err := audit.Read(run.Journal, nil); err != nil || found.State != audit.Whole {
		t.Errorf("journal %+v, %v", found, err)
	}
	sound = !t.Failed()
	return result
}

// rowsInTheWay are, by the name of a stop, the rows for which its transaction fails and which it does not change, as they are on source and replica.
var rowsInTheWay = map[string][]string{
	"1062 second unique key": {"t id=9: - | 9 x 0"},
	"1062 both keys":         {"t id=9: - | 9 x 0"},
	"1062 update":            {"t id=9: - | 9 x 0"},
	"1062 primary key":       nil,
	"1451 extra child":       {"child id=20: - | 20 2"},
	"1452 parent missing":    {"parent id=2: 2 2 | -"},
	"1452 parent gone since": {"parent id=2: - | -"},
}

// requireInTheWay requires that a diagnosis shows them.
func requireInTheWay(t *testing.T, stop Stop, d *recovery.Diagnosis) {
	t.Helper()
	want, known := rowsInTheWay[stop.Name]
	if !known {
		return
	}
	side := func(row []check.NamedValue) string {
		values := []string{}
		for _, v := range row {
			values = append(values, v.Value.Text)
		}
		return cmp.Or(strings.Join(values, " "), "-")
	}
	var got []string
	for _, row := range d.InTheWay {
		got = append(got, fmt.Sprintf("%s %s=%s: %s | %s", row.Table, row.Key[0].Name, row.Key[0].Value.Text, side(row.Source), side(row.Replica)))
		if row.Problem == "" || row.Kind != "" || row.Before != nil || row.After != nil {
			t.Errorf("%s: %+v", stop.Name, row)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: in the way are %q, want %q", stop.Name, got, want)
	}
}

// requireRetryIsHonest requires that a retry is said to fail again while rows stand against the transaction, and else not.
func requireRetryIsHonest(t *testing.T, stop Stop, d *recovery.Diagnosis) {
	t.Helper()
	retry := d.Option(recovery.Retry)
	if retry == nil {
		return
	}
	if want := d.Option(recovery.Fix) != nil; want && !retry.FailsAgain || d.Class == recovery.ClassLock && retry.FailsAgain {
		t.Errorf("%s (%s): %+v", stop.Name, d.Class, retry)
	}
}

// describeRecovery is a result for a failing test.
func describeRecovery(result *recovery.Result) string {
	var out strings.Builder
	fmt.Fprintf(&out, "outcome %s, error %v, warnings %q", result.Outcome, result.Err, result.Warnings)
	for i, a := range result.Attempts {
		d := a.Diagnosis
		fmt.Fprintf(&out, "\nattempt %d: %s, action %s, outcome %s, error %v\n  why %q\n  advice %q\n  not read %s", i+1, d.Error, a.Action, a.Outcome, a.Err, d.Why, d.Advice, d.NotRead)
		if d.Transaction != nil {
			fmt.Fprintf(&out, "\n  transaction %+v", *d.Transaction)
		}
		for _, o := range d.Options {
			fmt.Fprintf(&out, "\n  option %s: %q loses %q lost %q whole %v", o.Action, o.Does, o.Loses, o.Lost, o.Whole)
		}
		for _, step := range a.Steps {
			fmt.Fprintf(&out, "\n  step %s: %s: %s", step.What, step.SQL, step.Result)
		}
		if a.Proof != nil {
			fmt.Fprintf(&out, "\n  proof: %v", a.Proof.Check.Verdict)
			for _, r := range a.Proof.Replicas {
				fmt.Fprintf(&out, " %+v", r.Refused)
			}
			fmt.Fprintf(&out, "\n%s", describe(a.Proof.Check))
		}
	}
	return out.String()
}

package integration

import (
	"testing"

	"trueup/check"
	"trueup/report"
)

// TestRepairOneOfTwo: a replica that is equal is no part of the repair of another one, and its equality is not in doubt for that.
func TestRepairOneOfTwo(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Replicas: 2})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t SELECT seq FROM "+tp.Numbers(30))
		tp.WaitCaughtUp(t)
		tp.Damage(t, 1, "DELETE FROM app.t WHERE id = 5")
		result := NewRepairRun(t, requestFor(tp), true).Run(t)
		if result.Verified == nil || result.Verified.Verdict != check.Equal {
			t.Fatal(DescribeRepair(result))
		}
		if code := report.CodeFor(report.RepairConditions(result)); code != report.OK {
			t.Errorf("the repair's exit code is %d", code)
		}
		for i, want := range []check.Verdict{check.NotCompared, check.Equal} {
			if found := result.Verified.Replicas[i]; found.Verdict != want {
				t.Errorf("replica %d is %s (%s) in the check of what was touched, want %s", i, found.Verdict, found.Reason, want)
			}
		}
		if a, b := DumpTables(t, tp.Source, "app.t"), DumpTables(t, tp.Replica(1), "app.t"); a != b {
			t.Error("the tables differ")
		}
	})
}

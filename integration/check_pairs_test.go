package integration

import (
	"fmt"
	"slices"
	"testing"

	"trueup/check"
)

// TestPairsOfVersions: between different versions equal data is equal, and damage is found as between the same ones.
func TestPairsOfVersions(t *testing.T) {
	t.Parallel()
	EachPair(t, func(t *testing.T, pair Pair) {
		for _, gtid := range []bool{true, false} {
			if gtid && pair.Source.Flavor != pair.Replica.Flavor {
				continue // the families' GTIDs have nothing to do with each other
			}
			t.Run(fmt.Sprintf("gtid=%v", gtid), func(t *testing.T) {
				t.Parallel()
				checkPair(t, pair, gtid)
			})
		}
	})
}

func checkPair(t *testing.T, pair Pair, gtid bool) {
	tp := NewTopology(t, Options{Server: pair.Source, ReplicaServer: pair.Replica, GTID: gtid})
	reasons := createSpecialTables(t, tp, pair.Source)
	tp.WaitCaughtUp(t)
	stop := tp.StartWriter(t, WriterOptions{Rows: 500})
	result := runCheck(t, requestFor(tp))
	stop()
	reasons["w1"], reasons["w2"] = "equal ", "equal "
	requireTableReasons(t, result, reasons)
	if result.Replicas[0].Verdict == check.Different || len(result.Differences) > 0 || len(result.SchemaDifferences) > 0 {
		t.Error(describe(result))
	}
	tp.Damage(t, 0, "UPDATE app.bits SET v = v ^ 1 WHERE id = 77", "DELETE FROM app.exact WHERE id = 12", "INSERT INTO app.hashed VALUES (500, 1)")
	result = runCheck(t, requestFor(tp))
	want := []string{"changed app.bits id=77 v", "extra app.hashed id=500 id,v", "missing app.exact id=12 id,v"}
	if got := differingColumns(result); !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
	requireReplicating(t, tp.Replicas...)
}

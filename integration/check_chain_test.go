package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/check"
)

// TestCheckOfAChain: a replica's replica is compared with the source, at one position with its upstream, under load; and
// the upstream can be the source of a check as well.
func TestCheckOfAChain(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, options := range []Options{{GTID: true}, {ParallelThreads: 4}} {
			t.Run(fmt.Sprintf("gtid=%v", options.GTID), func(t *testing.T) {
				t.Parallel()
				checkChain(t, on, options)
			})
		}
	}, seesAppliers)
}

func checkChain(t *testing.T, on ServerRow, options Options) {
	options.Chain, options.Replicas = true, times(2, 3)
	tp := NewTopology(t, options)
	account := tp.Source.CreateUser(t, "checker", on.checkGrants()+" ON *.*")
	stop := tp.StartWriter(t, WriterOptions{Rows: 300})
	all := requestFor(tp)
	slices.Reverse(all.Replicas) // in which order they are named does not matter
	for range times(3, 20) {
		requireEqualChain(t, tp, runCheck(t, all))
	}
	discovered := requestFor(tp)
	discovered.Source, discovered.Replicas = account, nil
	tp.WaitCaughtUp(t)
	requireEqualChain(t, tp, runCheck(t, discovered))
	between := requestFor(tp)
	between.Source, between.Replicas = tp.Replica(0).Endpoint(), between.Replicas[1:]
	requireEqualChain(t, tp, runCheck(t, between))
	stop()
	tp.WaitCaughtUp(t)
	tp.Damage(t, 0, "UPDATE app.w1 SET k = k + 1 ORDER BY id LIMIT 1")
	tp.Damage(t, 1, "DELETE FROM app.w2 ORDER BY id LIMIT 2")
	result := runCheck(t, requestFor(tp))
	for i, want := range []string{"changed", "missing missing"} {
		var kinds []string
		for _, d := range result.Differences {
			if d.Replica == tp.Replica(i).Address() {
				kinds = append(kinds, d.Kind.String())
			}
		}
		if got := strings.Join(kinds, " "); got != want || result.Replicas[i].Verdict != check.Different {
			t.Errorf("replica %d: %q, want %q\n%s", i, got, want, describe(result))
		}
	}
	requireReplicating(t, tp.Replicas...)
}

func requireEqualChain(t *testing.T, tp *Topology, result *check.Result) {
	t.Helper()
	if result.Verdict != check.Equal || len(result.Warnings) > 0 {
		t.Error(describe(result))
	}
	if epochs := result.Sync.Epochs; tp.options.GTID && epochs[len(epochs)-1].GTID == "" {
		t.Errorf("the last epoch has no GTID: %+v", epochs)
	}
	for _, r := range result.Replicas {
		upstream := ""
		for i, node := range tp.Replicas {
			if i > 0 && node.Address() == r.Address && tp.Replica(i-1).Address() != result.Source.Address {
				upstream = tp.Replica(i - 1).Address()
			}
		}
		if r.Upstream != upstream {
			t.Errorf("%s replicates from %q, not %q", r.Address, upstream, r.Upstream)
		}
	}
	requireReplicating(t, tp.Replicas...)
}

// TestBrokenChains: without its upstream a replica of a replica is not compared, and says so; the upstream is, where it can be.
func TestBrokenChains(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) { checkBrokenChain(t, on) }, seesAppliers)
}

func checkBrokenChain(t *testing.T, on ServerRow) {
	tp := NewTopology(t, Options{GTID: true, Chain: true, Replicas: 2})
	tp.Source.CreateWriterTable(t, "app.w1", 300)
	tp.WaitCaughtUp(t)
	leafOnly := requestFor(tp)
	leafOnly.Replicas = leafOnly.Replicas[1:]
	if _, err := check.Run(t.Context(), leafOnly, nil); err == nil || !strings.Contains(err.Error(), "another source") {
		t.Errorf("the leaf alone: %v", err)
	}
	requireCodes := func(when string, want ...string) {
		t.Helper()
		result := runCheck(t, requestFor(tp))
		for i, r := range result.Replicas {
			if r.ReasonCode != want[i] || (want[i] == "") != (r.Verdict == check.Equal) {
				t.Errorf("%s: replica %d: %s (%s: %s), want %q", when, i, r.Verdict, r.ReasonCode, r.Reason, want[i])
			}
		}
	}
	requireCodes("all is well", "", "")
	tp.Replica(1).Exec(t, on.stopApplier())
	requireCodes("the leaf's applier is stopped", "", "applier_stopped")
	tp.Replica(1).StartReplica(t, "SQL_THREAD")
	tp.Replica(0).Exec(t, on.stopApplier())
	requireCodes("the upstream's applier is stopped", "applier_stopped", "upstream_unverified")
	tp.Replica(0).StartReplica(t, "SQL_THREAD")
	if err := tp.Replica(0).Restart(t.Context(), "--skip-log-slave-updates"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the chain replicates again", 30*time.Second, func() (bool, string) {
		limited, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		err := errors.Join(tp.Replica(1).waitReplicating(limited), tp.Replica(0).waitReplicating(limited))
		return err == nil, fmt.Sprint(err)
	})
	requireCodes("the upstream logs no updates", "", "upstream_logs_no_updates")
	if err := tp.Replica(0).Kill(); err != nil {
		t.Fatal(err)
	}
	requireCodes("the upstream is dead", "unreachable", "upstream_unverified")
}

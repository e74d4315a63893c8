package integration

import (
	"sync"
	"testing"
	"time"

	"trueup/check"
)

// TestFaultsWithoutSyncPoint: under recheck and none a fault in the middle costs the chunks it met; what stays away is a reason.
func TestFaultsWithoutSyncPoint(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT)", "INSERT INTO app.t SELECT seq, seq FROM "+tp.Numbers(1500))
		for _, fault := range []struct {
			name    string
			do      func(t *testing.T)
			undo    func(t *testing.T)
			verdict map[check.Strategy]check.Verdict
			reason  string
			code    int
		}{
			{"replica restarted", func(t *testing.T) { restart(t, tp, tp.Replica(0)) }, nil, nil, "", 0},
			{"source restarted", func(t *testing.T) { restart(t, tp, tp.Source) }, nil, nil, "", 0},
			{"applier stopped, a row behind", func(t *testing.T) {
				tp.Replica(0).StopReplica(t, "SQL_THREAD")
				tp.Source.Exec(t, "UPDATE app.t SET v = -v WHERE id = 1499")
			}, func(t *testing.T) { tp.Replica(0).StartReplica(t, "SQL_THREAD") },
				map[check.Strategy]check.Verdict{check.Recheck: check.Unverified, check.None: check.Different}, "applier_stopped", 3},
		} {
			for _, strategy := range []check.Strategy{check.Recheck, check.None} {
				t.Run(fault.name+" "+string(strategy), func(t *testing.T) {
					tp.WaitCaughtUp(t)
					request := strategyRequest(tp, strategy)
					request.Workers, request.SyncTimeout = 1, 10*time.Second
					result, err := check.Run(t.Context(), request, &onChunk{after: 5, do: func() { fault.do(t) }})
					if err != nil {
						t.Fatal(err)
					}
					if fault.undo != nil {
						fault.undo(t)
					}
					switch want, expected := fault.verdict[strategy]; {
					case !expected:
						requireVerdict(t, result, check.Equal, "", 0)
					case want == check.Different: // the sides are compared as they are
						requireVerdict(t, result, want, result.Replicas[0].ReasonCode, 1)
					default:
						requireTableReason(t, result, fault.reason, fault.code)
					}
					tp.WaitCaughtUp(t)
					requireReplicating(t, tp.Replicas...)
				})
			}
		}
	}, Needs{GTID: true})
}

// requireTableReason expects a result that is unverified for the reason of its only table.
func requireTableReason(t *testing.T, result *check.Result, reason string, code int) {
	t.Helper()
	requireVerdict(t, result, check.Unverified, result.Replicas[0].ReasonCode, code)
	if got := result.Tables[0].ReasonCode; got != reason && result.Replicas[0].ReasonCode != reason {
		t.Errorf("reason %q, want %q: %s", got, reason, describe(result))
	}
}

// TestHotTableWithoutRowsOnReplica: rows that the replica never got are found under recheck although their table is written to all the
// while, in rows that nobody writes.
func TestHotTableWithoutRowsOnReplica(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.hot (id INT PRIMARY KEY, v INT)", "INSERT INTO app.hot SELECT seq, 0 FROM "+tp.Numbers(300))
		tp.Damage(t, 0, "DELETE FROM app.hot WHERE id BETWEEN 101 AND 103")
		var writing sync.WaitGroup
		over := make(chan struct{})
		writing.Go(func() {
			for v := 1; ; v++ {
				select {
				case <-over:
					return
				case <-time.After(5 * time.Millisecond):
					if err := tp.Source.exec(t.Context(), "UPDATE app.hot SET v = v + 1 WHERE id > 200"); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
		result := runCheck(t, strategyRequest(tp, check.Recheck))
		close(over)
		writing.Wait()
		got := differenceTexts(result)
		if len(got) != 3 || got[0] != "missing app.hot id=101" || got[2] != "missing app.hot id=103" || result.Verdict != check.Different {
			t.Errorf("%q %s", got, describe(result))
		}
		tp.WaitCaughtUp(t)
		requireReplicating(t, tp.Replicas...)
	}, Needs{GTID: true})
}

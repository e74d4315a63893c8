package integration

import (
	"slices"
	"testing"
	"time"

	"trueup/check"
	"trueup/report"
)

// TestOneOfTwoReplicasLags: one that does not catch up is unverified with that reason and exit code 3; it neither holds nor
// spoils the other, whether it lags from the beginning or once half is compared.
func TestOneOfTwoReplicasLags(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { checkWithOneLagging(t) }, seesAppliers)
}

// afterChunk calls do, once, when the first chunk was compared.
type afterChunk struct{ do func() }

func (o *afterChunk) Event(e check.Event) {
	if _, done := e.(check.ChunkDone); done && o.do != nil {
		o.do()
		o.do = nil
	}
}

func checkWithOneLagging(t *testing.T) {
	tp := NewTopology(t, Options{GTID: true, Replicas: 2})
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, k INT)", "INSERT INTO app.t SELECT seq, seq FROM "+tp.Numbers(600))
	tp.WaitCaughtUp(t)
	var locked lockedTable
	fall := func(row string) func() {
		return func() {
			locked.lock(t, tp.Replica(1))
			tp.Source.Exec(t, "INSERT INTO app.t VALUES ("+row+", 1)")
		}
	}
	request := requestFor(tp)
	request.SyncTimeout = 8 * time.Second // in which the other one has to make each point
	requireOneLags := func(when string, observer check.Observer, other check.Verdict, code int) {
		t.Helper()
		result, err := check.Run(t.Context(), request, observer)
		if err != nil {
			t.Fatal(err)
		}
		locked.unlock(t)
		tp.WaitCaughtUp(t)
		lagging := result.Replicas[1]
		if result.Replicas[0].Verdict != other || lagging.Verdict != check.Unverified || lagging.ReasonCode != "lagging" {
			t.Errorf("%s: %s", when, describe(result))
		}
		if got := report.FromCheck(result, "").ExitCode; got != code {
			t.Errorf("%s: exit code %d, want %d", when, got, code)
		}
		for _, epoch := range result.Sync.Epochs {
			for _, on := range epoch.Replicas {
				if on.ApplierPaused > request.SyncTimeout {
					t.Errorf("%s: %s was held for %v", when, on.Address, on.ApplierPaused)
				}
			}
		}
		requireReplicating(t, tp.Replicas...)
	}
	fall("1001")()
	requireOneLags("from the beginning", nil, check.Equal, 3)
	request.SyncMaxAge = time.Millisecond
	requireOneLags("once half is compared", &afterChunk{do: fall("1002")}, check.Equal, 3)
	tp.Damage(t, 0, "UPDATE app.t SET k = 0 WHERE id = 550")
	fall("1003")()
	requireOneLags("beside one that differs", nil, check.Different, 1)
	result := runCheck(t, request)
	if got := differenceTexts(result); !slices.Equal(got, []string{"changed app.t id=550 k:550>0"}) || result.Replicas[1].Verdict != check.Equal {
		t.Errorf("afterwards: %q %s", got, describe(result))
	}
}

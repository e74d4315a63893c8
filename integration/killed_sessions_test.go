package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"trueup/check"
	"trueup/report"
)

// TestSessionsKilledAtAnyTime: somebody ends all our sessions on a server, at random moments, several times in one run. What was
// read then is read again; a run never says different for it, nor that it failed, since both servers are up.
func TestSessionsKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		l := newLinks(t, times(300, 5000))
		stop := l.writeBounded(t)
		ended := map[check.Verdict]int{}
		rounds := times(20, 150)
		if !on.Local() {
			rounds = times(6, 60)
		}
		strategies := []check.Strategy{check.Until, check.Lock, check.Recheck}
		for round := range rounds {
			result := l.killRound(t, round, strategies[round%len(strategies)])
			ended[result.Verdict]++
		}
		t.Logf("%v", ended)
		if ended[check.Equal] == 0 {
			t.Error("no run was equal: what was killed was not read again")
		}
		stop()
		l.settle(t)
		if result := runCheck(t, l.request(check.Until)); result.Verdict != check.Equal {
			t.Error(describe(result))
		}
	})
}

// writeBounded writes to a table that does not grow: one that grows faster than a busy machine reads it, in points of a second, would never be
// read to its end.
func (l *links) writeBounded(t *testing.T) (stop func()) {
	const most = 400
	return repeatUntilStopped(t, func(ctx context.Context) error {
		id := func() int { return 1 + rand.IntN(most) }
		return l.tp.Source.exec(ctx, fmt.Sprintf("REPLACE INTO app.w1 (id, k, c) VALUES (%d, %d, 'replaced'), (%d, 1, 'too')", id(), id(), id()),
			fmt.Sprintf("DELETE FROM app.w1 WHERE id IN (%d, %d)", id(), id()), fmt.Sprintf("UPDATE app.w1 SET k = k + 1 WHERE id >= %d ORDER BY id LIMIT 20", id()))
	})
}

func (l *links) killRound(t *testing.T, round int, strategy check.Strategy) *check.Result {
	t.Helper()
	request := l.request(strategy)
	request.Size.Rows = 2
	if strategy == check.Recheck { // opens snapshots for each chunk, and waits for the replica where rows are on their way
		request.Size.Rows = 50
	}
	request.SyncMaxAge = time.Second
	request.SyncTimeout, request.LockTimeout, request.LockHoldMax = 10*time.Second, patientLock, patientLock
	over, killer := make(chan struct{}), make(chan int)
	go func() {
		killed := 0
		for range 1 + rand.IntN(4) {
			select {
			case <-over:
			case <-time.After(time.Duration(rand.IntN(120)) * time.Millisecond):
				killed += l.killAll(t, rand.IntN(3))
			}
		}
		killer <- killed
	}()
	began := time.Now()
	result, err := check.Run(t.Context(), request, nil)
	close(over)
	killed := <-killer
	if err != nil {
		t.Fatal(err)
	}
	code := report.FromCheck(result, "").ExitCode
	t.Logf("%s: %d sessions killed, %s after %v", strategy, killed, result.Verdict, time.Since(began).Round(time.Millisecond))
	fits := result.Verdict == check.Equal && code == 0 || result.Verdict == check.Unverified && code == 3
	for _, table := range result.Tables {
		lost := table.ReasonCode == check.ReasonConnectionLost || table.ReasonCode == check.ReasonReplicaUnusable && result.Replicas[0].ReasonCode == check.ReasonConnectionLost || strategy == check.Recheck && table.ReasonCode == check.ReasonKeepsChanging
		fits = fits && (table.Verdict == check.Equal || table.Verdict == check.Unverified && lost)
	}
	if !fits {
		t.Errorf("round %d, %s, %d sessions killed: exit code %d, %s", round, strategy, killed, code, describe(result))
	}
	l.tp.Replica(0).awaitApplier(t)
	requireReplicating(t, l.tp.Replicas...)
	return result
}

// killAll ends the check's sessions on the source, the replica, or both.
func (l *links) killAll(t *testing.T, where int) (killed int) {
	for i, node := range l.tp.Nodes() {
		if where != 2 && where != i {
			continue
		}
		all, err := node.processes(t.Context())
		if err != nil {
			t.Error(err)
			return killed
		}
		for _, p := range all {
			if p.user == linkUser {
				_, _ = node.DB.ExecContext(t.Context(), "KILL CONNECTION "+p.id) // it may have ended by now
				killed++
			}
		}
	}
	return killed
}

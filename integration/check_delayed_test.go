package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"trueup/check"
)

// TestDelayedReplicas: a replica that is delayed by more than the check waits is refused at once and holds nobody; one that is
// delayed by less is compared. Nobody's delay is changed.
func TestDelayedReplicas(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		for _, gtid := range []bool{true, false} {
			t.Run(fmt.Sprintf("gtid=%v", gtid), func(t *testing.T) {
				t.Parallel()
				checkDelayed(t, gtid)
			})
		}
	}, seesAppliers)
}

func checkDelayed(t *testing.T, gtid bool) {
	tp := NewTopology(t, Options{GTID: gtid, Replicas: 2})
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY, k INT)")
	tp.WaitCaughtUp(t)
	stop := repeatUntilStopped(t, func(ctx context.Context) error {
		return tp.Source.exec(ctx, "INSERT INTO app.t (k) VALUES (1)", "UPDATE app.t SET k = k + 1 ORDER BY id DESC LIMIT 3")
	})
	defer stop()
	delayed := tp.Replica(1)
	for _, test := range []struct {
		delay   int // seconds
		verdict check.Verdict
		code    string
		most    time.Duration
	}{
		{3600, check.Unverified, "delayed", 15 * time.Second},
		{1, check.Equal, "", 40 * time.Second},
	} {
		delayed.delay(t, test.delay)
		request := requestFor(tp)
		request.SyncTimeout = 30 * time.Second
		began := time.Now()
		result := runCheck(t, request)
		took := time.Since(began)
		t.Logf("delay %d s: %s, took %v", test.delay, result.Replicas[1].Verdict, took)
		on := result.Replicas[1]
		if result.Replicas[0].Verdict != check.Equal || on.Verdict != test.verdict || on.ReasonCode != test.code || result.Verdict != test.verdict || took > test.most {
			t.Errorf("delay %d s: took %v, %s", test.delay, took, describe(result))
		}
		if still := delayed.Status(t)["SQL_Delay"]; still != fmt.Sprint(test.delay) {
			t.Errorf("the delay of %d s is now %s s", test.delay, still)
		}
		requireReplicating(t, tp.Replicas...)
	}
}

// delay makes the replica execute everything so many seconds late.
func (n *Node) delay(t *testing.T, seconds int) {
	t.Helper()
	change := fmt.Sprintf("CHANGE MASTER TO MASTER_DELAY=%d", seconds)
	if n.Row.newTerms() {
		change = fmt.Sprintf("CHANGE REPLICATION SOURCE TO SOURCE_DELAY=%d", seconds)
	}
	n.StopReplica(t, "SQL_THREAD")
	if !n.Row.newTerms() {
		n.StopReplica(t) // MariaDB and old MySQL want both threads to stand
	}
	n.Exec(t, change)
	n.StartReplica(t)
	if err := n.waitReplicating(t.Context()); err != nil {
		t.Fatal(err)
	}
}

package integration

import (
	"context"
	"testing"
	"time"

	"trueup/check"
	"trueup/server"
)

// TestDiamond: a replica that gets each transaction twice, from its source and from another replica of that, executes it once, on
// whichever channel it comes first, and passes over it on the other. Its applier is never taken for one that somebody else stopped.
func TestDiamond(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, row ServerRow) {
		var args []string
		if row.Flavor == server.MariaDB {
			args = []string{"--gtid-ignore-duplicates"}
		}
		tp := NewTopology(t, Options{GTID: true, Chain: true, Replicas: 2, ReplicaArgs: args})
		leaf := tp.Replica(1)
		ctx, cancel := context.WithTimeout(t.Context(), setupLimit)
		defer cancel()
		if err := leaf.replicateOn(ctx, tp.Source, "direct", true); err != nil {
			t.Fatal(err)
		}
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.a (id INT AUTO_INCREMENT PRIMARY KEY, k INT)")
		for began := time.Now(); leaf.Value(t, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'app'") != "1"; time.Sleep(50 * time.Millisecond) {
			if time.Since(began) > catchUpLimit {
				t.Fatal("the table did not arrive")
			}
		}
		stop := repeatUntilStopped(t, func(ctx context.Context) error { return tp.Source.exec(ctx, "INSERT INTO app.a (k) VALUES (1)") })
		request := requestFor(tp)
		request.Replicas = request.Replicas[1:]
		request.SyncTimeout /= 6
		for range times(5, 30) {
			result := runCheck(t, request)
			if v := result.Verdict; v != check.Equal && (v != check.Unverified || result.Replicas[0].ReasonCode != "position_not_exact") {
				t.Error(describe(result))
			}
			requireReplicating(t, leaf)
			if t.Failed() {
				break
			}
		}
		if err := leaf.damage(t.Context(), "UPDATE app.a SET k = 7 WHERE id = 1", "DELETE FROM app.a WHERE id = 2"); err != nil {
			t.Fatal(err)
		}
		t.Log(DescribeRepair(NewRepairRun(t, request, true).Run(t))) // or it is refused
		for _, sync := range []check.Strategy{check.Lock, check.Recheck} {
			request.Sync = sync
			if result := runCheck(t, request); !withoutDamage(result) {
				t.Error(describe(result))
			}
		}
		stop()
		request.Sync = check.Until
		if result := NewRepairRun(t, request, true).Run(t); result.Err != nil {
			t.Error(DescribeRepair(result))
		}
		if result := runCheck(t, request); result.Verdict != check.Equal {
			t.Error(describe(result))
		}
		requireReplicating(t, leaf)
	}, Needs{GTID: true, Channels: true})
}

// withoutDamage tells whether a check has found nothing but the two rows that were damaged.
func withoutDamage(result *check.Result) bool {
	for _, d := range result.Differences {
		if id := d.Key[0].Value.Text; id != "1" && id != "2" {
			return false
		}
	}
	return result.Verdict == check.Equal || result.Verdict == check.Different && len(result.Differences) <= 2
}

package integration

import (
	"context"
	"testing"

	"trueup/check"
	"trueup/server"
)

// TestSomebodysSkipCounter: a skip counter that somebody has set is taken by the applier that is started next. On MySQL it can be set for a
// channel that stands while another runs: an applier that a check stops and starts would skip a transaction nobody meant.
func TestSomebodysSkipCounter(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, row ServerRow) {
		tp := NewTopology(t, Options{})
		name := "sql_slave_skip_counter"
		if row.IsMySQL(8, 0, 26) {
			name = "sql_replica_skip_counter"
		}
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.a (id INT AUTO_INCREMENT PRIMARY KEY, k INT)")
		tp.WaitCaughtUp(t)
		tp.Replica(0).Exec(t, "SET GLOBAL "+name+" = 1")
		stop := repeatUntilStopped(t, func(ctx context.Context) error { return tp.Source.exec(ctx, "INSERT INTO app.a (k) VALUES (1)") })
		for range 3 {
			if result := runCheck(t, requestFor(tp)); result.Verdict != check.Unverified {
				t.Error(describe(result))
			}
			requireReplicating(t, tp.Replica(0))
		}
		stop()
		if left := tp.Replica(0).Value(t, "SELECT @@GLOBAL."+name); left != "1" {
			t.Errorf("the counter is %s", left)
		}
		tp.Replica(0).Exec(t, "SET GLOBAL "+name+" = 0")
		if result := runCheck(t, requestFor(tp)); result.Verdict != check.Equal {
			t.Error(describe(result))
		}
	}, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 5, Minor: 7}, MinMariaDB: server.Version{Major: 99}}) // older ones refuse it while the applier runs
}

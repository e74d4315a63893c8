package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"trueup/server"
)

// TestSyncpointOfSeveralDomains: sessions of the source write in GTID domains of their own and the replica executes these in
// parallel, each at its own pace. Where it uses GTID its position is out of date whenever its applier was started.
func TestSyncpointOfSeveralDomains(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		for _, gtid := range []bool{true, false} {
			t.Run(fmt.Sprint("GTID ", gtid), func(t *testing.T) {
				t.Parallel()
				pointsOfDomains(t, gtid)
			})
		}
	}, Needs{Flavor: server.MariaDB})
}

func pointsOfDomains(t *testing.T, gtid bool) {
	tp := NewTopology(t, Options{GTID: gtid, ParallelThreads: 4})
	p := newProber(t, tp)
	tables := []string{"app.d0", "app.d1", "app.d2"}
	tp.Source.Exec(t, "CREATE DATABASE app")
	for _, table := range tables {
		tp.Source.Exec(t, "CREATE TABLE "+table+" (id INT AUTO_INCREMENT PRIMARY KEY, k INT)")
	}
	tp.WaitCaughtUp(t)
	var ends []func()
	for domain, table := range tables {
		ends = append(ends, repeatUntilStopped(t, func(ctx context.Context) error {
			return tp.Source.exec(ctx, fmt.Sprint("SET SESSION gtid_domain_id=", domain), "INSERT INTO "+table+" (k) VALUES (1)",
				"UPDATE "+table+" SET k = k + 1 ORDER BY id DESC LIMIT 3", "SET SESSION gtid_domain_id=0")
		}))
	}
	var pauses []time.Duration
	for range times(15, 200) {
		pauses = append(pauses, p.exact(t, tables...)...)
	}
	for _, end := range ends {
		end()
	}
	logPauses(t, pauses)
	p.quiet(t)
	tp.Source.Exec(t, "SET SESSION gtid_domain_id=2", "INSERT INTO app.d2 (k) VALUES (7)", "SET SESSION gtid_domain_id=0")
	logPauses(t, p.exact(t, tables...))
	tp.Replica(0).StopReplica(t, "SQL_THREAD")
	tp.Replica(0).StartReplica(t, "SQL_THREAD")
	logPauses(t, p.exact(t, tables...))
	p.leftRunning(t, tp.Replica(0))
}

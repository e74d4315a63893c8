package integration

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// TestSyncpointIsExact goes through all that can stand in the way of one position, on the same servers: nothing written
// yet, writers, rotation of the log, a restart, logs that were reset.
func TestSyncpointIsExact(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { pointsAreExact(t) }, seesAppliers)
}

func pointsAreExact(t *testing.T) {
	combinations := []Options{
		{GTID: true, Format: "ROW"}, {GTID: true, Format: "MIXED", ParallelThreads: 4},
		{Format: "MIXED"}, {Format: "ROW", ParallelThreads: 4},
	}
	if long() {
		combinations = append(combinations, Options{GTID: true, Format: "MIXED"}, Options{GTID: true, Format: "ROW", ParallelThreads: 4},
			Options{Format: "ROW"}, Options{Format: "MIXED", ParallelThreads: 4})
	}
	for _, options := range combinations {
		t.Run(fmt.Sprintf("GTID %v %s %d threads", options.GTID, options.Format, options.ParallelThreads), func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, options)
			p := newProber(t, tp)
			t.Run("fresh and quiet", func(t *testing.T) { p.quiet(t) })
			t.Run("under load", func(t *testing.T) { p.underLoad(t) })
			t.Run("rotation, quiet", func(t *testing.T) { p.rotating(t, nil) })
			t.Run("rotation under load", func(t *testing.T) { p.rotatingUnderLoad(t) })
			t.Run("source restarted", func(t *testing.T) { p.restarted(t) })
			t.Run("logs reset", func(t *testing.T) { p.reset(t) })
			p.leftRunning(t, tp.Replica(0))
		})
	}
}

func (p *prober) quiet(t *testing.T) {
	for range 3 {
		logPauses(t, p.exact(t))
	}
	p.tp.Source.Exec(t, "FLUSH BINARY LOGS")
	logPauses(t, p.exact(t))
}

func (p *prober) underLoad(t *testing.T) {
	stop := p.tp.StartWriter(t, WriterOptions{})
	endFlushing := p.flushEvery(t, 150*time.Millisecond)
	var pauses []time.Duration
	for range times(30, 300) {
		pauses = append(pauses, p.exact(t, "app.w1", "app.w2")...)
	}
	endFlushing()
	counts := stop()
	t.Logf("%d transactions meanwhile", counts.Transactions)
	logPauses(t, pauses)
	p.tp.WaitCaughtUp(t)
}

func (p *prober) rotatingUnderLoad(t *testing.T) {
	stop := p.tp.StartWriter(t, WriterOptions{Pause: 5 * time.Millisecond})
	p.rotating(t, []string{"app.w1"})
	stop()
	p.tp.WaitCaughtUp(t)
}

func (p *prober) rotating(t *testing.T, tables []string) {
	// A replica makes a relay log for each of the source's: more of them than this and it falls behind.
	endFlushing := p.flushEvery(t, 15*time.Millisecond)
	defer endFlushing()
	var pauses []time.Duration
	for range times(8, 100) {
		pauses = append(pauses, p.exact(t, tables...)...)
	}
	logPauses(t, pauses)
}

// flushEvery rotates the source's log again and again until the returned function is called.
func (p *prober) flushEvery(t *testing.T, pause time.Duration) (end func()) {
	return repeat(t, p.tp.Source, "FLUSH BINARY LOGS", pause)
}

func repeat(t *testing.T, n *Node, statement string, pause time.Duration) (end func()) {
	done, group := make(chan struct{}), sync.WaitGroup{}
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(pause):
			}
			if _, err := n.DB.Exec(statement); err != nil {
				t.Error(err)
				return
			}
		}
	})
	end = sync.OnceFunc(func() { close(done); group.Wait() })
	t.Cleanup(end) // before the server is stopped
	return end
}

// restarted makes points directly after the source came back: the replica's receiver has not even noticed.
func (p *prober) restarted(t *testing.T) {
	if err := p.tp.Source.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.openSource(t)
	logPauses(t, p.exact(t, "app.w1"))
	p.tp.Source.Exec(t, "INSERT INTO app.w1 (k, c) VALUES (1, 'after the restart')")
	logPauses(t, p.exact(t, "app.w1"))
}

// snapshotFile is the log file that a snapshot would be given now.
func (n *Node) snapshotFile(t *testing.T) string {
	t.Helper()
	return n.Query(t, "SHOW STATUS LIKE 'Binlog_snapshot_file'")[0][1]
}

// reset makes points on logs as they are on a server that never wrote anything.
func (p *prober) reset(t *testing.T) {
	replica := p.tp.Replica(0)
	p.tp.WaitCaughtUp(t)
	replica.StopReplica(t)
	replica.Exec(t, replica.Row.forgetReplication()...)
	p.tp.Source.Exec(t, p.tp.Source.Row.resetLog())
	if err := replica.replicateFrom(t.Context(), p.tp.Source, p.tp.options.GTID); err != nil {
		t.Fatal(err)
	}
	if err := replica.waitReplicating(t.Context()); err != nil {
		t.Fatal(err)
	}
	logPauses(t, p.exact(t, "app.w1"))
	p.tp.Source.Exec(t, "INSERT INTO app.w1 (k, c) VALUES (1, 'first of its log')")
	logPauses(t, p.exact(t, "app.w1"))
}

func logPauses(t *testing.T, pauses []time.Duration) {
	t.Helper()
	slices.Sort(pauses)
	n := len(pauses)
	t.Logf("applier paused: median %v, p95 %v, most %v (%d)", pauses[n/2].Round(10*time.Microsecond),
		pauses[n*95/100].Round(10*time.Microsecond), pauses[n-1].Round(10*time.Microsecond), n)
}

// TestSyncpointWhileSemiSyncWaits rotates the source's log while a transaction is in it, and on an asynchronous replica,
// but not yet visible on the source. MariaDB then gives snapshots a position behind that transaction without it, and
// after that one that does not exist.
func TestSyncpointWhileSemiSyncWaits(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { pointsWhileSemiSyncWaits(t) }, Needs{Flavor: server.MariaDB})
}

func pointsWhileSemiSyncWaits(t *testing.T) {
	// In a pause a point waits for three seconds; before they are over the transaction has to be visible, and after the test has looked.
	tp := NewTopology(t, Options{Replicas: 2, SourceArgs: []string{"--rpl-semi-sync-master-enabled=1",
		"--rpl-semi-sync-master-timeout=2000", "--rpl-semi-sync-master-wait-point=AFTER_SYNC"}})
	p := newProber(t, tp)
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY, k INT)", "INSERT INTO app.t (k) VALUES (0)")
	semi, asynchronous := tp.Replica(1), tp.Replica(0)
	semi.Exec(t, "STOP SLAVE", "SET GLOBAL rpl_semi_sync_slave_enabled=1", "START SLAVE")
	eventually(t, "the source waits for a replica", 20*time.Second, func() (bool, string) {
		clients := tp.Source.Query(t, "SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'")
		return clients[0][1] == "1", fmt.Sprint(clients)
	})
	alone := *tp
	alone.Replicas = tp.Replicas[:1]
	p.tp, p.replicas = &alone, p.replicas[:1]
	// proves tells whether the log was rotated while the transaction was not yet visible: a machine that stands still for a moment misses that.
	proves := func(moment string) (inTime bool) {
		if err := semi.Pause(); err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		rotate := func() {
			before, file := asynchronous.Value(t, "SELECT COUNT(*) FROM app.t"), tp.Source.snapshotFile(t)
			visible := tp.Source.Value(t, "SELECT COUNT(*) FROM app.t")
			group.Go(func() { _, _ = tp.Source.DB.Exec("INSERT INTO app.t (k) VALUES (1)") })
			if moment == "" {
				eventually(t, "the replica has what the source does not show", 20*time.Second, func() (bool, string) {
					return asynchronous.Value(t, "SELECT COUNT(*) FROM app.t") != before, before
				})
			} else {
				time.Sleep(200 * time.Millisecond) // it is in the log; the replica's applier stands
			}
			// It names the new file at once, but returns only when the transaction is visible: too late for this test.
			group.Go(func() { _, _ = tp.Source.DB.Exec("FLUSH BINARY LOGS") })
			eventually(t, "the log was rotated", 20*time.Second, func() (bool, string) {
				now := tp.Source.snapshotFile(t)
				return now != file, now
			})
			inTime = tp.Source.Value(t, "SELECT COUNT(*) FROM app.t") == visible
		}
		if moment == "" {
			rotate()
		}
		logPauses(t, p.with(func(o *syncpoint.Options) {
			if moment != "" {
				o.Logger = onLog(moment, "", rotate)
			}
		}).exact(t, "app.t"))
		group.Wait()
		if err := semi.Resume(); err != nil {
			t.Fatal(err)
		}
		// It is waited for again once it has caught up.
		eventually(t, "the source waits for a replica again", 20*time.Second, func() (bool, string) {
			tp.Source.Exec(t, "INSERT INTO app.t (k) VALUES (2)")
			status := tp.Source.Query(t, "SHOW STATUS LIKE 'Rpl_semi_sync_master_status'")
			return status[0][1] == "ON", fmt.Sprint(status)
		})
		return inTime
	}
	for _, moment := range []string{"", logStands} { // before the pause and in it
		for tries := 1; !proves(moment); tries++ {
			if tries == 5 {
				t.Fatal("the moment was missed five times: nothing is proven")
			}
		}
	}
	p.leftRunning(t, asynchronous)
}

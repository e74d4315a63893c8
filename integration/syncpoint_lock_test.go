package integration

import (
	"context"
	"strings"
	"testing"
	"time"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// withStrategy makes the prober's replicas be read in another way.
func (p *prober) withStrategy(strategy syncpoint.Strategy) *prober {
	changed := *p
	changed.replicas = nil
	for _, replica := range p.replicas {
		replica.Strategy = strategy
		changed.replicas = append(changed.replicas, replica)
	}
	return &changed
}

// TestSyncpointUnderLock: replicas that are read under a lock on the source are never paused, and equal it every time while
// writers go on.
func TestSyncpointUnderLock(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Replicas: 2, ParallelThreads: 4})
		stop := tp.StartWriter(t, WriterOptions{Rows: 500})
		p := newProber(t, tp).withStrategy(syncpoint.Lock)
		for range times(8, 100) {
			for _, pause := range p.exact(t, "app.w1", "app.w2") {
				if pause != 0 {
					t.Errorf("an applier was paused for %v", pause)
				}
			}
		}
		if counts := stop(); counts.Transactions < 10 {
			t.Errorf("only %d transactions were written: nothing was proven", counts.Transactions)
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// TestSyncpointOfBothKinds: one replica is paused, another one is read under the lock.
func TestSyncpointOfBothKinds(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Replicas: 2})
		stop := tp.StartWriter(t, WriterOptions{Rows: 500})
		defer stop()
		p := newProber(t, tp).withStrategy(syncpoint.Lock)
		p.replicas[0].Strategy = syncpoint.Until
		for range times(5, 50) {
			p.exact(t, "app.w1", "app.w2")
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// TestLockEndsInTime: a replica that does not come to the locked source's position costs the writers no more than the lock may be
// held, and is refused; the other one is read.
func TestLockEndsInTime(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Replicas: 2})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT)", "INSERT INTO app.t VALUES (1, 1), (2, 2)",
			"CREATE TABLE app.other (id INT PRIMARY KEY)")
		tp.WaitCaughtUp(t)
		p := newProber(t, tp).withStrategy(syncpoint.Lock).with(func(o *syncpoint.Options) {
			o.LockTimeout, o.LockHoldMax = 2*time.Second, 4*time.Second // the other one is read in it
			o.Tables = []syncpoint.Table{{Database: "app", Name: "t"}}
		})
		release := func() { t.Error("nothing kept the replica behind") }
		p.options.Logger = onLog(logLocks, "", func() { // something for another table
			release = tp.Replica(0).holdTable(t, "app.other")
			tp.Source.Exec(t, "INSERT INTO app.other VALUES (1)")
		})
		point, err := p.open(t.Context())
		release()
		if err != nil {
			t.Fatal(err)
		}
		defer point.Close()
		if failed := point.Failed(0); failed == nil || failed.Code != syncpoint.Lagging || !strings.Contains(failed.Reason, "--lock-hold-max") {
			t.Errorf("the replica that was kept behind: %v", failed)
		}
		if failed := point.Failed(1); failed != nil {
			t.Errorf("the other one: %v", failed)
		}
		if blocked := point.Epochs[0].SourceWritesBlocked; blocked > p.options.LockHoldMax+p.options.LockTimeout+15*time.Second {
			t.Errorf("writers may have been blocked for %v", blocked)
		}
		tp.WaitCaughtUp(t)
		requireReplicating(t, tp.Replicas...)
	})
}

// TestLockLooksForLongTransactions: tables that a long transaction writes to are not asked to be locked, since writers would
// queue up behind the lock: the error names who holds them, and a transaction that ends is waited for.
func TestLockLooksForLongTransactions(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT)", "INSERT INTO app.t VALUES (1, 1), (2, 2)")
		p := newProber(t, tp).with(func(o *syncpoint.Options) {
			o.LockTimeout = time.Second
			o.Tables = []syncpoint.Table{{Database: "app", Name: "t"}}
		})
		release := tp.Source.writeRow(t, "UPDATE app.t SET v = 7 WHERE id = 1 AND '🐬' <> 'a'")
		time.Sleep(3 * time.Second) // the transaction has to be old
		asked := false
		p.options.Logger = onLog(logLocks, "", func() { asked = true })
		if point, err := p.open(t.Context()); err == nil || !strings.Contains(err.Error(), "has held app.t in an open transaction") || asked {
			t.Errorf("point %v, asked for the lock: %v, error: %v", point != nil, asked, err)
		}
		go func() {
			time.Sleep(300 * time.Millisecond)
			release()
		}()
		p.with(func(o *syncpoint.Options) { o.LockTimeout = patientLock }).exact(t)
		requireReplicating(t, tp.Replicas...)
	}, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8}})
}

// writeRow runs a statement in a transaction that stays open until release is called.
func (n *Node) writeRow(t *testing.T, statement string) (release func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	tx, err := n.DB.BeginTx(ctx, nil)
	if err == nil {
		_, err = tx.ExecContext(ctx, statement)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		defer cancel()
		_ = tx.Rollback()
	}
}

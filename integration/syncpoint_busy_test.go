package integration

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"trueup/replication/syncpoint"
)

// lockRow keeps a row of a table on a node locked, so that an applier that wants to change it stays in its statement, until release
// is called.
func (n *Node) lockRow(t *testing.T, table, where string) (release func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	tx, err := n.DB.BeginTx(ctx, nil)
	if err == nil {
		_, err = tx.ExecContext(ctx, "SELECT * FROM "+table+" WHERE "+where+" FOR UPDATE")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		defer cancel()
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// TestSyncpointWaitsForLongStatements: an applier that is in a long statement when everything else is ready is not stopped before
// the statement has ended; one that does not end in time costs this replica the point, and is not stopped at all.
func TestSyncpointWaitsForLongStatements(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Replicas: 2})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT)", "INSERT INTO app.t VALUES (1, 1)")
		p := newProber(t, tp)
		for _, c := range []struct {
			name    string
			timeout time.Duration
			held    time.Duration
		}{{"ends", 30 * time.Second, 700 * time.Millisecond}, {"stays", 6 * time.Second, 12 * time.Second}} {
			t.Run(c.name, func(t *testing.T) { checkLongStatement(t, tp, p, c.timeout, c.held) })
		}
		tp.WaitCaughtUp(t)
		requireReplicating(t, tp.Replicas...)
	})
}

func checkLongStatement(t *testing.T, tp *Topology, p *prober, timeout, held time.Duration) {
	busy := tp.Replica(0)
	var released, tooEarly atomic.Bool
	done := make(chan struct{})
	address := p.replicas[0].Server.Address()
	caughtUp := onLog("the replica has caught up", address, func() {
		release := busy.lockRow(t, "app.t", "id = 1")
		tp.Source.Exec(t, "UPDATE app.t SET v = v + 1")
		busy.awaitLockWait(t)
		go func() {
			defer close(done)
			time.Sleep(held)
			released.Store(true)
			release()
		}()
	})
	stops := onLog(logStands, address, func() { tooEarly.Store(!released.Load()) })
	point, err := p.with(func(o *syncpoint.Options) {
		o.Timeout = timeout
		o.Logger = both(caughtUp, stops)
	}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer point.Close()
	select {
	case <-done:
	case <-time.After(held + statementLimit):
		t.Fatalf("the replica has not even caught up: %v", point.Failed(0))
	}
	failed := point.Failed(0)
	switch {
	case tooEarly.Load():
		t.Error("the applier was stopped in the middle of the statement")
	case held < timeout && failed != nil:
		t.Errorf("the replica whose statement ended in time: %v", failed)
	case held > timeout && (failed == nil || failed.Code != syncpoint.Busy):
		t.Errorf("the replica whose statement did not end: %v", failed)
	}
	if other := point.Failed(1); other != nil {
		t.Errorf("the other replica: %v", other)
	}
}

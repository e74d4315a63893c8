package integration

import (
	"testing"
	"time"

	"trueup/replication/syncpoint"
)

// TestApplierElsewhereIsRefused: somebody else starts an applier that we have stopped. Whether it runs or stands again,
// a transaction farther, its replica is not at the source's position, and is refused for just that.
func TestApplierElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	EachServer(t, applierElsewhere, seesAppliers)
}

func applierElsewhere(t *testing.T, on ServerRow) {
	stop, start := on.replicaStatement("STOP", "", "SQL_THREAD"), on.replicaStatement("START", "", "SQL_THREAD")
	tp := NewTopology(t, Options{Replicas: 2, GTID: true})
	p := newProber(t, tp)
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, k INT)", "INSERT INTO app.t VALUES (1, 1)")
	tp.WaitCaughtUp(t)
	moved, other := tp.Replica(0), tp.Replica(1)
	t.Run("runs", func(t *testing.T) {
		p.notExact(t, func() { moved.Exec(t, start) })
	})
	t.Run("stands farther", func(t *testing.T) {
		before := other.runningID(t)
		p.notExact(t, func() {
			// The other replica does not wait for this one; once it is through, the source's snapshots are open.
			eventually(t, "the other replica's applier was started again", 20*time.Second, func() (bool, string) {
				id := other.applierID(t)
				return id != before && id != "NULL", id
			})
			tp.Source.Exec(t, "INSERT INTO app.t VALUES (2, 2)")
			moved.Exec(t, start)
			eventually(t, "the applier ran past the position", 20*time.Second, func() (bool, string) {
				count := moved.Value(t, "SELECT COUNT(*) FROM app.t")
				return count == "2", count
			})
			moved.Exec(t, stop)
		})
	})
}

// notExact makes a point and lets somebody meddle while the applier of replica 0 stands.
func (p *prober) notExact(t *testing.T, meddle func()) {
	replica := p.tp.Replica(0)
	point, err := p.with(func(o *syncpoint.Options) {
		o.Tables = []syncpoint.Table{{Database: "app", Name: "t"}}
		o.Logger = onLog(logStands, replica.Address(), meddle)
	}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if failed := point.Failed(0); failed == nil || failed.Code != syncpoint.NotExact {
		t.Errorf("%v, expected %s", failed, syncpoint.NotExact)
	} else {
		t.Log(failed)
	}
	if failed := point.Failed(1); failed != nil {
		t.Errorf("the other replica: %v", failed)
	}
	if err := point.Close(); err != nil {
		t.Error(err)
	}
	p.leftRunning(t, p.tp.Replicas...)
	p.exact(t, "app.t")
}

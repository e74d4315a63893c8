package integration

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"trueup/server"
)

// TestSyncpointDistrustsOldOffsets makes a point while MariaDB gives snapshots a position that does not exist: the
// name of a new log file with the offset of the last transaction in the old one, which became visible after the rotation.
// It does so until the first transaction of the new file is visible; here that one waits for a semi-synchronous replica.
//
// Then the server writes a Binlog_checkpoint event behind that transaction, which still is not visible, and gives
// snapshots the position behind the event: one behind a transaction that they lack (doubts.go).
func TestSyncpointDistrustsOldOffsets(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { pointsWithOldOffsets(t) }, Needs{Flavor: server.MariaDB})
}

func pointsWithOldOffsets(t *testing.T) {
	tp := NewTopology(t, Options{Replicas: 2, SourceArgs: []string{"--rpl-semi-sync-master-enabled=1",
		"--rpl-semi-sync-master-timeout=2500", "--rpl-semi-sync-master-wait-point=AFTER_SYNC"}})
	p := newProber(t, tp)
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY, k INT)", "INSERT INTO app.t (k) VALUES (0)")
	asynchronous, semi := tp.Replica(0), tp.Replica(1)
	semi.Exec(t, "STOP SLAVE", "SET GLOBAL rpl_semi_sync_slave_enabled=1", "START SLAVE")
	alone := *tp
	alone.Replicas = tp.Replicas[:1]
	p.tp, p.replicas = &alone, p.replicas[:1]
	var group sync.WaitGroup
	insertInvisibly := func() {
		t.Helper()
		awaitSemiSync(t, tp.Source)
		if err := semi.Pause(); err != nil {
			t.Fatal(err)
		}
		before := asynchronous.Value(t, "SELECT COUNT(*) FROM app.t")
		group.Go(func() { _, _ = tp.Source.DB.Exec("INSERT INTO app.t (k) VALUES (1)") })
		eventually(t, "the replica has what the source does not show", 20*time.Second, func() (bool, string) {
			return asynchronous.Value(t, "SELECT COUNT(*) FROM app.t") != before, before
		})
	}
	insertInvisibly()
	group.Go(func() { _, _ = tp.Source.DB.Exec("FLUSH BINARY LOGS") })
	group.Wait() // the transaction is visible
	if err := semi.Resume(); err != nil {
		t.Fatal(err)
	}
	insertInvisibly()
	t.Log(tp.Source.Query(t, "SHOW STATUS LIKE 'Binlog_snapshot%'"), tp.Source.Query(t, "SHOW MASTER STATUS"))
	logPauses(t, p.exact(t, "app.t"))
	group.Wait()
	if err := semi.Resume(); err != nil {
		t.Fatal(err)
	}
	p.leftRunning(t, asynchronous)
}

// awaitSemiSync waits until the source's transactions wait for a replica.
func awaitSemiSync(t *testing.T, source *Node) {
	t.Helper()
	eventually(t, "the source waits for a replica", 20*time.Second, func() (bool, string) {
		clients := source.Query(t, "SHOW STATUS WHERE Variable_name IN ('Rpl_semi_sync_master_clients', 'Rpl_semi_sync_master_status')")
		return clients[0][1] == "1" && clients[1][1] == "ON", fmt.Sprint(clients)
	})
}

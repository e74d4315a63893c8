package integration

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	repl "trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// TestRescueOfAStart: a process dies while its START … UNTIL is under way, at any moment of it. The server shows that UNTIL before the applier's thread is
// there: a guard that looks just then leaves nothing standing (in one of fifty such moments it did).
func TestRescueOfAStart(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{ParallelThreads: 4})
		replica := tp.Replica(0)
		tp.Source.Exec(t, "CREATE DATABASE db", "CREATE TABLE db.t (id INT PRIMARY KEY, v INT)", "INSERT INTO db.t VALUES (1, 1)")
		tp.WaitCaughtUp(t)
		on, err := server.Open(t.Context(), replica.Endpoint())
		if err != nil {
			t.Fatal(err)
		}
		defer on.Close()
		looking, err := on.Session(t.Context(), server.SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer looking.Close()
		resumed := 0
		for range times(40, 600) {
			pause := dieInStart(t, tp, on, looking)
			end, err := syncpoint.Rescue(t.Context(), tp.Source.Endpoint(), replica.Endpoint(), pause, slog.New(slog.DiscardHandler))
			if err != nil || end.How != syncpoint.EndResumed {
				t.Fatalf("%+v, %v", end, err)
			}
			resumed++
			replica.awaitApplier(t)
			tp.WaitCaughtUp(t)
			requireReplicating(t, replica)
		}
		t.Logf("%d appliers run again", resumed)
	})
}

// dieInStart stops the applier, begins to start it up to a position ahead of it, and returns at some moment of that with what a guard knows.
func dieInStart(t *testing.T, tp *Topology, on *server.Server, looking *server.Session) syncpoint.Pause {
	t.Helper()
	starting, err := on.Session(t.Context(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := repl.StopApplier(t.Context(), starting, ""); err != nil {
		t.Fatal(err)
	}
	status, err := repl.ReadStatus(t.Context(), looking, "")
	if err != nil {
		t.Fatal(err)
	}
	tp.Source.Exec(t, "UPDATE db.t SET v = v + 1")
	target := tp.Source.position(t)
	tp.Source.Exec(t, "UPDATE db.t SET v = v + 1")
	pause := syncpoint.Pause{ID: t.Name(), Identity: on.Identity(), Sessions: []uint64{starting.ID()}, Stood: status.Executed, StoodGTID: status.ExecutedGTID,
		ShownUntil: status.Until, Target: target, Told: time.Now()}
	started := make(chan struct{})
	go func() {
		defer close(started)
		_ = repl.StartApplierUntil(context.WithoutCancel(t.Context()), starting, "", target) // it is killed
		_ = starting.Close()
	}()
	t.Cleanup(func() { <-started })
	time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
	return pause
}

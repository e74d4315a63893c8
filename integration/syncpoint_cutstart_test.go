package integration

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	repl "trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// TestRescueOfAStart: a process dies while its START … UNTIL is under way, at any moment of it. The server shows that UNTIL before the applier's thread is
// there: a guard that looks just then leaves nothing standing (in one of fifty such moments it did), and starts no second applier beside the first (MySQL
// does not refuse that). Threads begin late, as on a busy machine.
func TestRescueOfAStart(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{ParallelThreads: 4, SlowThreads: true})
		replica := tp.Replica(0)
		alone := replica.systemThreads(t)
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
		for range times(15, 600) {
			pause := dieInStart(t, tp, on, looking)
			end, err := syncpoint.Rescue(t.Context(), tp.Source.Endpoint(), replica.Endpoint(), pause, slog.New(slog.DiscardHandler))
			if err != nil || end.How != syncpoint.EndResumed {
				t.Fatalf("%+v, %v", end, err)
			}
			resumed++
			replica.awaitApplier(t)
			tp.WaitCaughtUp(t)
			requireReplicating(t, replica)
			replica.requireOneApplier(t, alone)
		}
		t.Logf("%d appliers run again", resumed)
	})
}

// TestStartKilled: somebody kills the START of a process that lives, or its session. One applier runs afterwards, and as it was found.
func TestStartKilled(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{ParallelThreads: 4, SlowThreads: true})
		tp.Source.Exec(t, "CREATE DATABASE db", "CREATE TABLE db.t (id INT PRIMARY KEY, v INT)", "INSERT INTO db.t VALUES (1, 1)")
		replica, p := tp.Replica(0), newProber(t, tp)
		alone := replica.systemThreads(t)
		stop := repeatUntilStopped(t, func(ctx context.Context) error { return tp.Source.exec(ctx, "UPDATE db.t SET v = v + 1") })
		killed := 0
		for round := range times(60, 600) {
			ctx, cancel := context.WithCancel(t.Context())
			kills := make(chan int)
			go func() { kills <- replica.killStarts(ctx, []string{"CONNECTION", "QUERY"}[round%2]) }()
			point, err := p.open(t.Context())
			cancel()
			killed += <-kills
			if err == nil {
				err = point.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			p.leftRunning(t, replica)
			replica.requireOneApplier(t, alone)
			if killed >= times(8, 100) {
				break
			}
		}
		stop()
		tp.WaitCaughtUp(t)
		if t.Logf("%d STARTs killed", killed); killed == 0 {
			t.Error("no START was killed")
		}
	})
}

// killStarts kills the first START that it sees the replica execute, and tells how many it killed.
func (n *Node) killStarts(ctx context.Context, what string) int {
	for ctx.Err() == nil {
		_, sessions, err := n.query(ctx, "SHOW FULL PROCESSLIST")
		if err != nil {
			return 0
		}
		for _, session := range sessions {
			if statement := session[7]; strings.HasPrefix(statement, "START REPLICA") || strings.HasPrefix(statement, "START SLAVE") {
				if err := n.exec(ctx, "KILL "+what+" "+session[0]); err == nil {
					return 1
				}
			}
		}
		time.Sleep(time.Millisecond)
	}
	return 0
}

// systemThreads is how many threads of replication the server shows: receiver, applier, and workers.
func (n *Node) systemThreads(t *testing.T) (count int) {
	t.Helper()
	_, sessions, err := n.query(t.Context(), "SHOW FULL PROCESSLIST")
	if err != nil {
		t.Fatal(err)
	}
	for _, session := range sessions {
		if session[1] == "system user" {
			count++
		}
	}
	return count
}

func (n *Node) requireOneApplier(t *testing.T, alone int) {
	t.Helper()
	eventually(t, n.Name()+": one applier with its workers", 20*time.Second, func() (bool, string) {
		now := n.systemThreads(t)
		return now == alone, fmt.Sprintf("%d threads, %d before", now, alone)
	})
}

// dieInStart stops the applier, begins to start it up to a position ahead of it, and returns at some moment of that with what a guard knows.
func dieInStart(t *testing.T, tp *Topology, on *server.Server, looking *server.Session) syncpoint.Pause {
	t.Helper()
	starting, err := on.Session(t.Context(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	limited, cancel := context.WithTimeout(t.Context(), answerLimit) // two appliers on one channel can hang in it for ever
	defer cancel()
	if err := repl.StopApplier(limited, starting, ""); err != nil {
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
		ShownUntil: status.Until, Target: target, Starting: true, Told: time.Now()}
	started := make(chan struct{})
	go func() {
		defer close(started)
		limited, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), answerLimit)
		defer cancel()
		_ = repl.StartApplierUntil(limited, starting, "", target) // it may be killed
		_ = starting.Close()
	}()
	t.Cleanup(func() { <-started })
	time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
	return pause
}

// toldPauses is a guard that notes what it is told.
type toldPauses struct {
	mutex sync.Mutex
	told  []syncpoint.Pause
}

func (g *toldPauses) Watch(_, _ server.Endpoint, pause syncpoint.Pause) error {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.told = append(g.told, pause)
	return nil
}

func (g *toldPauses) Unwatch(syncpoint.Pause) error { return nil }

// TestResumeIsTold: where an applier did not get to its position in time, it is stopped on its way and started again. Whoever comes after a run that dies
// in between has to know that the STOP was ours, and of the START.
func TestResumeIsTold(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{})
		p := newProber(t, tp)
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, k INT)")
		tp.WaitCaughtUp(t)
		var told []syncpoint.Pause
		for try := 1; told == nil && try <= 3; try++ { // a machine that stands still ends the point in another way
			told = lateStep(t, tp, p, try)
		}
		var steps []string
		for _, pause := range told {
			step := fmt.Sprintf("stopping %v, starting %v, has a target %v", pause.Stopping, pause.Starting, !pause.Target.IsZero())
			if len(steps) == 0 || steps[len(steps)-1] != step {
				steps = append(steps, step)
			}
		}
		want := []string{
			"stopping false, starting false, has a target false", // nothing was done yet
			"stopping true, starting false, has a target false",
			"stopping false, starting true, has a target true",
			"stopping false, starting false, has a target true", // on its way
			"stopping true, starting false, has a target true",  // taken back
			"stopping true, starting true, has a target true",
		}
		if !slices.Equal(steps, want) {
			t.Errorf("the guard was told:\n%s", strings.Join(steps, "\n"))
		}
	}, seesAppliers)
}

// lateStep makes a point for which an applier, in its pause, does not get to the position in time, and returns what the guard was told; nil where the point
// ended in another way.
func lateStep(t *testing.T, tp *Topology, p *prober, id int) []syncpoint.Pause {
	t.Helper()
	guard, locked := &toldPauses{}, &lockedTable{}
	point, err := p.with(func(o *syncpoint.Options) {
		o.Timeout, o.Guard = 4*time.Second, guard
		o.Logger = onLog(logStands, "", func() {
			locked.lock(t, tp.Replica(0))
			tp.Source.Exec(t, fmt.Sprintf("INSERT INTO app.t VALUES (%d, 1)", id))
			later(t, 8*time.Second, func() { locked.unlock(t) })
		})
	}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	failed := point.Failed(0)
	if err := point.Close(); err != nil {
		t.Fatal(err)
	}
	p.leftRunning(t, tp.Replica(0))
	if failed == nil || failed.Code != syncpoint.Lagging || len(guard.told) == 0 {
		t.Logf("the replica was to be late in its pause: %v", failed)
		return nil
	}
	return guard.told
}

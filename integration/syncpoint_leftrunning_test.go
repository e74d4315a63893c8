package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// TestSyncpointNeverLeavesAnApplierStopped breaks off Open in every way it can be broken off.
func TestSyncpointNeverLeavesAnApplierStopped(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { neverLeftStopped(t) }, seesAppliers)
}

func neverLeftStopped(t *testing.T) {
	tp := NewTopology(t, Options{GTID: true, ParallelThreads: 2})
	p := newProber(t, tp)
	stop := tp.StartWriter(t, WriterOptions{Tolerant: true, Pause: 5 * time.Millisecond})
	replica := tp.Replica(0)
	p.leftRunning(t, replica)
	t.Run("canceled at any moment", func(t *testing.T) { p.cancelAnywhere(t) })
	t.Run("panic", func(t *testing.T) { p.panicAnywhere(t) })
	t.Run("our sessions killed", func(t *testing.T) { p.killAnywhere(t) })
	t.Run("source killed", func(t *testing.T) { p.loseSource(t) })
	stop()
	tp.WaitCaughtUp(t)
	p.exact(t, "app.w1", "app.w2")
}

func (p *prober) cancelAnywhere(t *testing.T) {
	ended := 0
	for range times(30, 300) {
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(p.within()))
		point, err := p.open(ctx)
		cancel()
		if err != nil {
			ended++
		} else if err := point.Close(); err != nil {
			t.Error(err)
		}
		p.leftRunning(t, p.tp.Replica(0))
	}
	t.Logf("%d points were ended before they were complete", ended)
	// At known moments too: a test that never hits the pause proves nothing.
	for _, moment := range []string{logArmed, logStands, logAtEpoch} {
		ctx, cancel := context.WithCancel(t.Context())
		canceled := p.with(func(o *syncpoint.Options) { o.Logger = onLog(moment, "", cancel) })
		if point, err := canceled.open(ctx); err == nil {
			t.Errorf("canceled when %q was logged: a point was made", moment)
			_ = point.Close()
		}
		cancel()
		p.leftRunning(t, p.tp.Replica(0))
	}
}

func (p *prober) panicAnywhere(t *testing.T) {
	for _, moment := range []string{logArmed, logStands, logAtEpoch} {
		panicking := p.with(func(o *syncpoint.Options) { o.Logger = onLog(moment, "", func() { panic("a handler that is broken") }) })
		point, err := panicking.open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if failed := point.Failed(0); failed == nil || !strings.Contains(failed.Error(), "a handler that is broken") {
			t.Errorf("panic when %q was logged: %v", moment, failed)
		}
		if err := point.Close(); err != nil {
			t.Error(err)
		}
		p.leftRunning(t, p.tp.Replica(0))
	}
}

func (n *Node) killProber(t *testing.T) {
	sessions, err := n.probers(t.Context())
	if err != nil {
		t.Error(err)
	}
	for _, session := range sessions {
		_, _ = n.DB.Exec("KILL CONNECTION " + session.id) // it may have ended meanwhile
	}
}

func (p *prober) killAnywhere(t *testing.T) {
	replica := p.tp.Replica(0)
	for range times(15, 150) {
		var group sync.WaitGroup
		group.Go(func() {
			time.Sleep(rand.N(p.within()))
			replica.killProber(t)
		})
		p.openAndClose(t)
		group.Wait()
		p.leftRunning(t, replica)
	}
	for _, moment := range []string{logArmed, logStands, logAtEpoch} {
		killed := p.with(func(o *syncpoint.Options) { o.Logger = onLog(moment, "", func() { replica.killProber(t) }) })
		failed := killed.openAndClose(t)
		if failed == nil && moment != logAtEpoch { // there it may be the last moment; who reads there finds out
			t.Errorf("our sessions were killed when %q was logged, and the point was made", moment)
		}
		t.Log(failed)
		p.leftRunning(t, replica)
	}
}

// openAndClose makes a point whose replica may fail, and returns how.
func (p *prober) openAndClose(t *testing.T) *syncpoint.Unverifiable {
	t.Helper()
	point, err := p.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer point.Close()
	return point.Failed(0)
}

func (p *prober) loseSource(t *testing.T) {
	for _, moment := range []string{logArmed, logStands} {
		lost := p.with(func(o *syncpoint.Options) {
			o.Logger = onLog(moment, "", func() {
				if err := p.tp.Source.Kill(); err != nil {
					t.Error(err)
				}
			})
		})
		if point, err := lost.open(t.Context()); err == nil {
			t.Errorf("the source was killed when %q was logged, and the point was made", moment)
			_ = point.Close()
		}
		p.leftRunning(t, p.tp.Replica(0))
		if err := p.tp.Source.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.reopenSource(t)
	}
}

// reopenSource is for a source that came back: nothing but its uptime has changed.
func (p *prober) reopenSource(t *testing.T) {
	t.Helper()
	p.openSource(t)
	eventually(t, "a point is made again", 30*time.Second, func() (bool, string) {
		failed := p.openAndClose(t)
		return failed == nil, fmt.Sprint(failed)
	})
}

// TestSyncpointStopThatHangs has the applier inside a long statement when it is to be stopped.
func TestSyncpointStopThatHangs(t *testing.T) {
	t.Parallel()
	EachServer(t, pointWhoseStopHangs, seesAppliers)
}

func pointWhoseStopHangs(t *testing.T, on ServerRow) {
	tp := NewTopology(t, Options{Replicas: 2, Format: "STATEMENT", SourceArgs: []string{"--log-bin-trust-function-creators=1"}, ReplicaArgs: []string{"--log-bin-trust-function-creators=1"}})
	p := newProber(t, tp)
	hanging, healthy := tp.Replica(0), tp.Replica(1)
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT AUTO_INCREMENT PRIMARY KEY, k INT)",
		"CREATE FUNCTION app.f() RETURNS INT NOT DETERMINISTIC RETURN 0")
	tp.WaitCaughtUp(t)
	seconds := times(7, 40)
	hang := func() {
		if err := hanging.damage(t.Context(), "CREATE OR REPLACE FUNCTION app.f() RETURNS INT NOT DETERMINISTIC RETURN SLEEP("+fmt.Sprint(seconds)+")"); err != nil {
			t.Error(err)
		}
		tp.Source.Exec(t, "INSERT INTO app.t (k) VALUES (app.f())")
		hanging.awaitState(t, "User sleep")
	}
	if on.Flavor == server.MySQL { // STOP does not end its waiting for a lock, as it does on MariaDB
		hang = func() {
			locked := &lockedTable{}
			locked.lock(t, hanging)
			later(t, time.Duration(seconds)*time.Second, func() { locked.unlock(t) })
			tp.Source.Exec(t, "INSERT INTO app.t (k) VALUES (1)")
			hanging.awaitState(t, "Waiting for table metadata lock")
		}
	}
	p.with(func(o *syncpoint.Options) { o.Logger = onLog(logArmed, hanging.Address(), hang) }).stopHangs(t)
	p.leftRunning(t, healthy)
	eventually(t, "the applier gets through its statement", time.Minute, func() (bool, string) {
		got := hanging.Value(t, "SELECT COUNT(*) FROM app.t")
		return got == "1", got
	})
	p.leftRunning(t, hanging)
	time.Sleep(500 * time.Millisecond) // whatever was pending has taken effect
	p.leftRunning(t, hanging)
	tp.WaitCaughtUp(t)
	p.exact(t, "app.t")
}

func (p *prober) stopHangs(t *testing.T) {
	t.Helper()
	point, err := p.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer point.Close()
	failed := point.Failed(0)
	if failed == nil || failed.Code != syncpoint.CannotPause && !(long() && failed.Code == syncpoint.NotRestarted) {
		t.Errorf("the replica whose applier cannot be stopped: %v", failed)
	}
	if failed := point.Failed(1); failed != nil {
		t.Errorf("the other replica: %v", failed)
	}
	// STOP is given up after 5 seconds; the other does not wait for that.
	if paused := point.Epochs[0].Replicas[1].Paused; paused > 4*time.Second {
		t.Errorf("the other replica was paused for %v", paused)
	} else {
		t.Logf("the other replica was paused for %v; %v", paused, failed)
	}
}

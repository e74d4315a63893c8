package integration

import (
	"bufio"
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// TestSyncpointSwitchThatFires does to the applier what a dead man's switch does that fires while its process lives, as on a
// machine too slow to renew it in time: at any moment, again and again. A point is refused then, or it is exact.
func TestSyncpointSwitchThatFires(t *testing.T) {
	t.Parallel()
	EachServer(t, switchFires, seesAppliers)
}

func switchFires(t *testing.T, on ServerRow) {
	tp := NewTopology(t, Options{GTID: true})
	p := newProber(t, tp)
	stopWriter := tp.StartWriter(t, WriterOptions{Pause: 5 * time.Millisecond})
	var between atomic.Int64 // milliseconds at the most
	between.Store(100)
	fired := fireAtRandom(t, tp.Replica(0), on, &between)
	exact, notExact, refused := 0, 0, map[syncpoint.Code]int{}
	wanted, most := times(5, 50), times(300, 3000)
	for made := 0; (exact < wanted || notExact < wanted) && made < most; made++ {
		tables := []syncpoint.Table{{Database: "app", Name: "w1"}, {Database: "app", Name: "w2"}}
		point, err := p.with(func(o *syncpoint.Options) { o.Tables = tables }).open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if failed := point.Failed(0); failed != nil {
			refused[failed.Code]++
			notExact++
		} else {
			exact++
			lease, err := point.Lease()
			if err != nil {
				t.Fatal(err)
			}
			compareSnapshots(t, lease.Source, lease.Replicas[0], "app.w1")
			compareSnapshots(t, lease.Source, lease.Replicas[0], "app.w2")
			point.Return(lease)
		}
		_ = point.Close()
		if made%10 == 9 && exact < wanted && exact < notExact { // a busy machine needs longer for a point
			between.Store(min(2*between.Load(), 4000))
		}
	}
	times := fired()
	t.Logf("it fired %d times: %d points exact, refused %v", times, exact, refused)
	if exact < wanted || notExact < wanted {
		t.Error("there should be more points of both kinds")
	}
	stopWriter()
	tp.WaitCaughtUp(t)
	p.leftRunning(t, tp.Replica(0))
	p.exact(t, "app.w1", "app.w2")
}

// fireAtRandom stops and starts the applier at random moments, with at most so many milliseconds between them, until the function it
// returns is called, which says how often.
func fireAtRandom(t *testing.T, replica *Node, on ServerRow, between *atomic.Int64) (end func() int) {
	packet := on.replicaStatement("STOP", "", "SQL_THREAD") + "; " + on.replicaStatement("START", "", "SQL_THREAD")
	stop, fired := make(chan struct{}), make(chan int, 1)
	go func() {
		count := 0
		defer func() { fired <- count }()
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(1+rand.Int64N(between.Load())) * time.Millisecond):
			}
			limited, cancel := bounded(context.WithoutCancel(t.Context()))
			_, err := replica.DB.ExecContext(limited, packet)
			if cancel(); err != nil {
				t.Error(err)
				return
			}
			count++
		}
	}()
	end = sync.OnceValue(func() int {
		close(stop)
		return <-fired
	})
	t.Cleanup(func() { end() })
	return end
}

// TestSyncpointSwitchNotRenewed takes the connection from the account that renewing the switch needs, and holds the point up for
// longer than the switch's delay: it goes off, the replica is refused, and its applier runs.
func TestSyncpointSwitchNotRenewed(t *testing.T) {
	t.Parallel()
	// MySQL takes a new limit on connections for an account only when that has none open.
	EachServer(t, switchNotRenewed, Needs{Flavor: server.MariaDB})
}

func switchNotRenewed(t *testing.T, _ ServerRow) {
	tp := NewTopology(t, Options{GTID: true})
	p := newProber(t, tp)
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, k INT)")
	tp.WaitCaughtUp(t)
	replica := tp.Replica(0)
	account := replica.Account(proberUser)
	const delay = 600 * time.Millisecond
	limit, unlimited := replica.limitConnections(account, 1), replica.limitConnections(account, 0) // those that are open stay
	point, err := p.with(func(o *syncpoint.Options) {
		o.SwitchDelay, o.Tables = delay, []syncpoint.Table{{Database: "app", Name: "t"}}
		o.Logger = onLog(logStands, "", func() {
			if err := replica.exec(t.Context(), "SET SESSION sql_log_bin=0", limit, "SET SESSION sql_log_bin=1"); err != nil {
				t.Error(err)
			}
			if seen := replica.seeApplier(func(running, until string) bool { return running == "Yes" && until == "None" }); strings.HasPrefix(seen, "without") {
				t.Errorf("the switch did not go off: the applier went on %s", seen)
			}
		})
	}).open(t.Context())
	replica.Exec(t, "SET SESSION sql_log_bin=0", unlimited, "SET SESSION sql_log_bin=1")
	if err != nil {
		t.Fatal(err)
	}
	defer point.Close()
	if failed := point.Failed(0); failed == nil || failed.Code != syncpoint.NotExact && failed.Code != syncpoint.CannotPause {
		t.Errorf("%v", failed)
	} else {
		t.Log(failed)
	}
	_ = point.Close()
	p.leftRunning(t, replica)
	p.exact(t, "app.t")
}

// TestSyncpointSwitchClearsUntil kills a process while its applier runs with UNTIL and cannot get there; afterwards nothing is
// written, so that an UNTIL that stayed would stay for ever, and stop the applier at the next transaction.
func TestSyncpointSwitchClearsUntil(t *testing.T) {
	t.Parallel()
	EachServer(t, switchClearsUntil, seesAppliers)
}

func switchClearsUntil(t *testing.T, _ ServerRow) {
	tp := NewTopology(t, Options{GTID: true})
	p := newProber(t, tp)
	replica := tp.Replica(0)
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, k INT)")
	tp.WaitCaughtUp(t)
	const delay = 3 * time.Second // it has to be renewed in time on a busy machine, too
	task := p.childTask(0, delay)
	task.Hold = true
	child := task.command(t)
	goOn, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	says, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill() })
	for lines := bufio.NewScanner(says); lines.Scan() && lines.Text() != childStands; {
	}
	locked := &lockedTable{}
	locked.lock(t, replica)
	tp.Source.Exec(t, "INSERT INTO app.t VALUES (1, 1)")
	if _, err := goOn.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	replica.seeApplier(func(running, until string) bool { return running == "Yes" && until != "None" })
	_ = child.Process.Kill()
	_ = child.Wait()
	time.Sleep(delay + 200*time.Millisecond) // the switch is waiting in its STOP now
	if state := replica.applierState(); state[1] == "None" {
		t.Errorf("the applier is to run with UNTIL still: %v", state)
	}
	locked.unlock(t)
	p.leftRunning(t, replica)
	tp.Source.Exec(t, "INSERT INTO app.t VALUES (2, 2)")
	tp.WaitCaughtUp(t)
}

package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"trueup/check"
	"trueup/report"
)

// watcher follows a check.
type watcher struct {
	pause      time.Duration // that each chunk takes longer until the first wait, so that there is time for something to happen
	onFirst    func()        // after the first chunk; may be nil
	onThrottle func()        // at the first wait, in a goroutine of its own; may be nil
	wait       sync.WaitGroup

	chunks  int
	reasons []string
	waits   []time.Duration
}

// Event is called by one goroutine at a time.
func (w *watcher) Event(event check.Event) {
	switch e := event.(type) {
	case check.ChunkDone:
		w.chunks++
		if w.chunks == 1 && w.onFirst != nil {
			w.onFirst()
		}
		time.Sleep(w.pause)
	case check.Throttled:
		w.reasons = append(w.reasons, e.Reason)
		w.pause = 0
		if len(w.reasons) == 1 && w.onThrottle != nil {
			w.wait.Go(w.onThrottle)
		}
	case check.Resumed:
		w.waits = append(w.waits, e.Waited)
	}
}

// run runs a check that must not end with an error.
func (w *watcher) run(t *testing.T, request check.Request) *check.Result {
	t.Helper()
	result, err := check.Run(t.Context(), request, w)
	w.wait.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if result.Err != nil {
		t.Fatalf("the check failed: %v", result.Err)
	}
	return result
}

// requireWaited fails unless the check waited once or more for that reason, and counted the time.
func (w *watcher) requireWaited(t *testing.T, result *check.Result, reason ...string) {
	t.Helper()
	var all time.Duration
	for _, wait := range w.waits {
		all += wait
	}
	if len(w.reasons) == 0 || len(w.waits) == 0 || result.Throttled != all || all <= 0 {
		t.Fatalf("waits %v, of which the result counts %v, for %q", w.waits, result.Throttled, w.reasons)
	}
	for _, part := range reason {
		if !strings.Contains(w.reasons[0], part) {
			t.Errorf("the reason %q says nothing of %q", w.reasons[0], part)
		}
	}
}

const throttledTable = "app.w1"

// newThrottled is a topology with a table of 400 chunks, and a table that nothing but lag is made with.
func newThrottled(t *testing.T, options Options) (*Topology, check.Request) {
	options.GTID = true
	tp := NewTopology(t, options)
	tp.Source.CreateWriterTable(t, throttledTable, 20_000)
	tp.Source.Exec(t, "CREATE TABLE app.lag (id INT PRIMARY KEY)")
	tp.Source.CreateUser(t, "checker", "ALL ON *.*")
	tp.WaitCaughtUp(t)
	request := requestFor(tp)
	request.Filters.Tables = []string{throttledTable}
	request.Source.User, request.Source.Password = "checker", userPassword
	for i := range request.Replicas {
		request.Replicas[i].User, request.Replicas[i].Password = "checker", userPassword
	}
	return tp, request
}

// blockApplier makes a replica's applier wait for a table lock until release is called.
func blockApplier(t *testing.T, tp *Topology, replica *Node) (release func()) {
	t.Helper()
	conn, err := replica.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "LOCK TABLES app.lag READ"); err != nil {
		t.Fatal(err)
	}
	tp.Source.Exec(t, "INSERT INTO app.lag VALUES (1)")
	return sync.OnceFunc(func() {
		if _, err := conn.ExecContext(context.WithoutCancel(t.Context()), "UNLOCK TABLES"); err != nil {
			t.Error(err)
		}
		_ = conn.Close()
	})
}

// snapshotsOf counts the open transactions of the check's account. Asked again within innodbCopy it says the same.
func snapshotsOf(t *testing.T, node *Node) string {
	t.Helper()
	sessions := "SELECT ID FROM information_schema.PROCESSLIST WHERE USER='checker'"
	if node.Row.IsMySQL(8, 0, 0) {
		sessions = "SELECT PROCESSLIST_ID FROM performance_schema.threads WHERE PROCESSLIST_USER='checker'"
	}
	return node.Value(t, "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id IN ("+sessions+")")
}

// requireNoMetadataLock fails unless the table can be locked against every reader now.
func requireNoMetadataLock(t *testing.T, node *Node, table string) {
	t.Helper()
	node.Exec(t, "SET SESSION lock_wait_timeout=1", "LOCK TABLES "+table+" WRITE", "UNLOCK TABLES")
}

// requireNoneHeld fails when the check holds a transaction or a metadata lock on one of the servers. A chunk that was being
// read when the wait began is given the time to end.
func requireNoneHeld(t *testing.T, nodes []*Node) {
	for _, node := range nodes {
		open := ""
		for range 40 {
			time.Sleep(innodbCopy)
			if open = snapshotsOf(t, node); open == "0" {
				break
			}
		}
		if open != "0" {
			t.Errorf("%s: %s transactions of the check are open while it waits", node.Name(), open)
			continue
		}
		requireNoMetadataLock(t, node, throttledTable)
	}
}

// TestThrottleWaitsForLag: a replica that falls behind in the middle makes the check wait, without a snapshot anywhere; when
// it has caught up the check goes on in a new sync point and is equal. In a chain it is the last replica.
func TestThrottleWaitsForLag(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		for name, options := range map[string]Options{"one": {}, "chain": {Replicas: 2, Chain: true}} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				waitForLag(t, options, check.Until)
			})
		}
		t.Run("recheck", func(t *testing.T) {
			t.Parallel()
			waitForLag(t, Options{}, check.Recheck)
		})
	}, seesAppliers)
}

func waitForLag(t *testing.T, options Options, strategy check.Strategy) {
	tp, request := newThrottled(t, options)
	request.Sync = strategy
	request.Throttle.MaxLag = 3 * time.Second // a busy machine may keep the other replica from one row for a second or two
	last := tp.Replicas[len(tp.Replicas)-1]
	release := func() {}
	before := ""
	w := &watcher{pause: 30 * time.Millisecond} // 12 s for all chunks, were there no wait
	w.onFirst = func() {
		before = snapshotsOf(t, tp.Source)
		release = blockApplier(t, tp, last)
	}
	// Not in the observer: a worker that has a chunk to report would wait for it, with its snapshots.
	var looks sync.WaitGroup
	w.onThrottle = func() {
		looks.Go(func() {
			defer release() // also where the test fails: the check would wait for ever
			requireNoneHeld(t, tp.Nodes())
		})
	}
	result := w.run(t, request)
	looks.Wait()
	release()
	if before == "0" && strategy == check.Until {
		t.Error("no transaction of the check was seen while it read, so that none is seen later says nothing")
	}
	w.requireWaited(t, result, "replica "+last.Address()+" lags ", "--max-lag 3s")
	if result.Verdict != check.Equal || len(result.Tables[0].Epochs) < 2 && strategy == check.Until {
		t.Errorf("%s\nepochs %v", describe(result), result.Tables[0].Epochs)
	}
	tp.WaitCaughtUp(t)
	requireReplicating(t, tp.Replicas...)
}

// occupy runs so many statements on a server until release is called.
func occupy(t *testing.T, node *Node, statements int) (release func()) {
	t.Helper()
	holder, err := node.DB.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.ExecContext(t.Context(), "DO GET_LOCK('busy', 1)"); err != nil {
		t.Fatal(err)
	}
	var sessions sync.WaitGroup
	for range statements {
		sessions.Go(func() { node.Value(t, "SELECT GET_LOCK('busy', 60) + RELEASE_LOCK('busy')") })
	}
	waiting := "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT GET_LOCK%'"
	eventually(t, "all statements wait", time.Minute, func() (bool, string) {
		now := node.Value(t, waiting)
		return now == fmt.Sprint(statements), now
	})
	return sync.OnceFunc(func() {
		_, err := holder.ExecContext(context.WithoutCancel(t.Context()), "DO RELEASE_LOCK('busy')")
		if err != nil {
			t.Error(err)
		}
		_ = holder.Close()
		sessions.Wait()
	})
}

// TestThrottleWaitsForLoad: busy sessions on the source or on the replica.
func TestThrottleWaitsForLoad(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp, request := newThrottled(t, Options{})
		request.Throttle.MaxLoad = []check.LoadLimit{{Variable: "threads_Running", Most: 12}, {Variable: "Threads_connected", Most: 1e6}}
		for _, busy := range tp.Nodes() {
			release := occupy(t, busy, 14)
			w := &watcher{onThrottle: release}
			result := w.run(t, request)
			release()
			w.requireWaited(t, result, busy.Address()+" has threads_Running=", "--max-load threads_Running=12")
			if result.Verdict != check.Equal {
				t.Error(describe(result))
			}
		}
	})
}

// TestThrottleLetsAQuietCheckPass: limits that nobody exceeds cost no wait, also where the source's log is rotated and the
// replica stands at another name of its end for ever, and in a chain.
func TestThrottleLetsAQuietCheckPass(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp, request := newThrottled(t, Options{Replicas: 2, Chain: true, ParallelThreads: 2})
		// A busy machine may keep a replica from passing a rotation for a second or two, which is a lag.
		const most = 5 * time.Second
		request.Throttle = check.Throttle{MaxLag: most, MaxLoad: []check.LoadLimit{{Variable: "Threads_running", Most: 50}}}
		w := &watcher{pause: 18 * time.Millisecond}
		w.onFirst = func() {
			tp.Source.Exec(t, "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
			tp.Replica(0).Exec(t, "FLUSH BINARY LOGS")
		}
		began := time.Now()
		result := w.run(t, request)
		if took := time.Since(began); took < most+time.Second {
			t.Errorf("the check took only %v: too short for a lag of more than %v to be seen", took, most)
		}
		if result.Verdict != check.Equal || len(w.reasons) != 0 || result.Throttled != 0 {
			t.Errorf("waited %v for %q; %s", result.Throttled, w.reasons, describe(result))
		}
	}, seesAppliers)
}

// TestThrottleGivesUpWhatCannotBeRead: a replica whose receiver is stopped in the middle cannot tell its lag. It is waited for
// as long as --sync-timeout says, then it is unverified, and the other one is compared to the end.
func TestThrottleGivesUpWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp, request := newThrottled(t, Options{Replicas: 2})
		request.Throttle.MaxLag, request.SyncTimeout = time.Second, 5*time.Second // for the other one's sync points, too
		w := &watcher{pause: 10 * time.Millisecond}
		w.onFirst = func() { tp.Replica(0).Exec(t, on.replicaStatement("STOP", "", "IO_THREAD")) }
		result := w.run(t, request)
		w.requireWaited(t, result, tp.Replica(0).Address(), "counts as too much")
		lost, other := result.Replicas[0], result.Replicas[1]
		if lost.Verdict != check.Unverified || lost.ReasonCode != "receiver_stopped" && lost.ReasonCode != "receiver_error" || other.Verdict != check.Equal || result.Verdict != check.Unverified {
			t.Error(describe(result))
		}
		requireReplicating(t, tp.Replica(1))
	})
}

// TestThrottleDoesNotWaitForAStoppedReplica: one that was stopped before the check is refused at once, as without limits.
func TestThrottleDoesNotWaitForAStoppedReplica(t *testing.T) {
	t.Parallel()
	tp, request := newThrottled(t, Options{Replicas: 2})
	tp.Replica(0).StopReplica(t, "SQL_THREAD")
	request.Throttle.MaxLag = time.Second
	w := &watcher{}
	result := w.run(t, request)
	if len(w.reasons) != 0 || result.Replicas[0].ReasonCode != "applier_stopped" || result.Replicas[1].Verdict != check.Equal {
		t.Errorf("waited for %q; %s", w.reasons, describe(result))
	}
}

// TestThrottleSeesWhatTheReceiverLacks: a replica that is cut off says that it does not lag, since it has applied all that it
// has received. What the source has written since is lag all the same.
func TestThrottleSeesWhatTheReceiverLacks(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp, request := newThrottled(t, Options{ReplicaArgs: []string{"--slave-net-timeout=600"}}) // until then the receiver does not know that it is cut off
		request.Throttle.MaxLag = time.Second
		said := ""
		w := &watcher{pause: 40 * time.Millisecond}
		w.onFirst = func() {
			tp.Replica(0).CutOff(t)
			tp.Source.Exec(t, "INSERT INTO app.lag VALUES (1)")
		}
		w.onThrottle = func() {
			said = tp.Replica(0).Status(t)["Seconds_Behind_Master"]
			tp.Replica(0).Rejoin(t)
			tp.Replica(0).StopReplica(t, "IO_THREAD")
			tp.Replica(0).StartReplica(t, "IO_THREAD")
		}
		result := w.run(t, request)
		w.requireWaited(t, result, "replica "+tp.Replica(0).Address()+" lags ")
		if said != "0" {
			t.Errorf("the replica says that it lags %q seconds: its word would have been enough", said)
		}
		if result.Verdict != check.Equal {
			t.Error(describe(result))
		}
		tp.WaitCaughtUp(t)
	}, Needs{Network: true})
}

// TestThrottleLeavesADelayOut: a replica that is delayed on purpose does not lag by that.
func TestThrottleLeavesADelayOut(t *testing.T) {
	t.Parallel()
	if !long() {
		t.Skip("each sync point waits out the delay: only with TRUEUP_TEST_LONG")
	}
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp, request := newThrottled(t, Options{})
		stop := tp.StartWriter(t, WriterOptions{Tables: []string{"app.other"}, Pause: 20 * time.Millisecond})
		tp.WaitCaughtUp(t)
		delay := "CHANGE MASTER TO MASTER_DELAY=5"
		if on.IsMySQL(8, 0, 26) {
			delay = "CHANGE REPLICATION SOURCE TO SOURCE_DELAY=5"
		}
		tp.Replica(0).Exec(t, on.replicaStatement("STOP", "", ""), delay, on.replicaStatement("START", "", ""))
		request.Throttle.MaxLag = 3 * time.Second
		w := &watcher{pause: 15 * time.Millisecond}
		most := ""
		w.onFirst = func() { most = tp.Replica(0).Status(t)["Seconds_Behind_Master"] }
		result := w.run(t, request)
		stop()
		if result.Verdict != check.Equal || len(w.reasons) != 0 {
			t.Errorf("waited for %q; %s", w.reasons, describe(result))
		}
		if most < "4" || len(most) != 1 {
			t.Errorf("the replica says that it lags %q seconds: its delay was not to be seen", most)
		}
	})
}

// TestMaxDurationEndsInOrder: what was compared by then counts, the rest is unverified for that reason and no other.
func TestMaxDurationEndsInOrder(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp, request := newThrottled(t, Options{})
		tp.Source.Exec(t, "CREATE TABLE app.a (id INT PRIMARY KEY)", "INSERT INTO app.a VALUES (1), (2), (3)",
			"CREATE TABLE app.b LIKE app.a", "INSERT INTO app.b SELECT * FROM app.a")
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "DELETE FROM app.b WHERE id = 2")
		request.Filters.Tables = []string{"app.a", "app.b", throttledTable}
		// A busy machine may need longer to come to the third table; each run is judged by what it came to.
		for limit := 2 * time.Second; ; limit *= 2 {
			request.MaxDuration = limit
			w := &watcher{pause: limit / 50} // so that the 400 chunks of the third table take too long
			result := w.run(t, request)
			a, b, cut := result.Tables[0], result.Tables[1], result.Tables[2]
			if cut.Verdict != check.Unverified || cut.ReasonCode != check.ReasonMaxDuration || cut.Coverage.Proven || result.Interrupted || a.Verdict == check.Different {
				t.Fatalf("interrupted %v: %s\n%+v", result.Interrupted, describe(result), cut)
			}
			if len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], fmt.Sprintf("--max-duration %v was over", limit)) {
				t.Errorf("warnings %q", result.Warnings)
			}
			requireReplicating(t, tp.Replicas...)
			if cut.ChunksVerified == 0 && limit < 30*time.Second {
				continue
			}
			if code := report.FromCheck(result, "").ExitCode; a.Verdict != check.Equal || b.Verdict != check.Different || result.Verdict != check.Different || code != report.Different || cut.ChunksVerified == 0 {
				t.Errorf("exit code %d: %s", code, describe(result))
			}
			return
		}
	})
}

// TestMaxDurationAtAnyTime: whatever the run is at when its time is over, it ends without an error, nothing that was not
// compared is equal, and every applier runs.
func TestMaxDurationAtAnyTime(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp, request := newThrottled(t, Options{Replicas: 2})
		request.SyncMaxAge = 50 * time.Millisecond
		for i := range 20 {
			request.MaxDuration = time.Duration(1+i*8) * time.Millisecond
			w := &watcher{pause: time.Millisecond}
			result := w.run(t, request)
			if code := report.FromCheck(result, "").ExitCode; result.Verdict != check.Unverified || result.Interrupted || code != report.Unverified {
				t.Errorf("after %v: exit code %d: %s", request.MaxDuration, code, describe(result))
			}
			for _, r := range result.Replicas {
				if r.ReasonCode != "" && r.ReasonCode != check.ReasonMaxDuration {
					t.Errorf("after %v: %s", request.MaxDuration, describe(result))
				}
			}
			requireReplicating(t, tp.Replicas...)
		}
	})
}

// TestMaxDurationEndsAWait: a limit that is never met holds a check no longer than that.
func TestMaxDurationEndsAWait(t *testing.T) {
	t.Parallel()
	tp, request := newThrottled(t, Options{})
	request.Throttle.MaxLoad = []check.LoadLimit{{Variable: "Threads_connected", Most: 0}}
	// A busy machine may need longer to come to the wait; each run is judged by what it came to.
	for limit := time.Second; ; limit *= 2 {
		request.MaxDuration = limit
		w := &watcher{}
		result := w.run(t, request)
		if result.Verdict != check.Unverified || len(result.Sync.Epochs) != 0 {
			t.Fatalf("%s, epochs %v", describe(result), result.Sync.Epochs)
		}
		if len(w.reasons) == 0 && limit < 30*time.Second {
			continue
		}
		w.requireWaited(t, result, fmt.Sprintf("source %s has Threads_connected=", tp.Source.Address()))
		if result.Tables[0].ReasonCode != check.ReasonMaxDuration {
			t.Error(describe(result))
		}
		return
	}
}

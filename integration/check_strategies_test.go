package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trueup/check"
	"trueup/server"
)

// patientLock is how long tests may hold a source's lock, and wait for one, where neither is what they are about: a replica on a busy
// machine may need longer than the defaults to get to the locked position.
const patientLock = 20 * time.Second

// strategyRequest is a check that reads in a given way.
func strategyRequest(tp *Topology, strategy check.Strategy) check.Request {
	request := requestFor(tp)
	request.Sync, request.LockTimeout, request.LockHoldMax = strategy, patientLock, patientLock
	return request
}

func requireStrategy(t *testing.T, result *check.Result, want ...check.Strategy) {
	t.Helper()
	for i, replica := range result.Replicas {
		if replica.Strategy != want[i] {
			t.Errorf("replica %s was read by %s, want %s", replica.Address, replica.Strategy, want[i])
		}
	}
}

// TestStrategiesUnderLoad: under a writer a check by lock says equal every time and pauses nobody, one by recheck never says
// different, and both find the one damaged row that nobody writes to, and nothing else.
func TestStrategiesUnderLoad(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, options := range []Options{{GTID: true, ParallelThreads: 4}, {Format: "MIXED"}} {
			t.Run(fmt.Sprintf("gtid=%v,%s", options.GTID, options.Format), func(t *testing.T) {
				t.Parallel()
				checkStrategies(t, options)
			})
		}
	})
}

func checkStrategies(t *testing.T, options Options) {
	tp := NewTopology(t, options)
	// A row that the writer never touches, in the middle of those it does; a keyless table that is written to as well.
	tp.Source.CreateWriterTable(t, "app.w1", 600)
	tp.Source.Exec(t, "CREATE TABLE app.cold (id INT PRIMARY KEY, v INT)", "INSERT INTO app.cold SELECT seq, seq FROM "+tp.Numbers(400))
	stop := tp.StartWriter(t, WriterOptions{Rows: 600})
	flips, stopFlips := startFlipping(t, tp)
	for i := range times(4, 40) {
		locked := runCheck(t, strategyRequest(tp, check.Lock))
		if locked.Verdict != check.Equal {
			t.Errorf("lock, check %d: %s", i, describe(locked))
		}
		requireStrategy(t, locked, check.Lock)
		requireNoPause(t, locked)
		rechecked := runCheck(t, strategyRequest(tp, check.Recheck))
		requireStrategy(t, rechecked, check.Recheck)
		requireOnlyDamage(t, rechecked, "")
	}
	tp.Damage(t, 0, "UPDATE app.cold SET v = -1 WHERE id = 77", "UPDATE app.flip SET v = -1 WHERE id = 5")
	for _, strategy := range []check.Strategy{check.Lock, check.Recheck} {
		requireOnlyDamage(t, runCheck(t, strategyRequest(tp, strategy)), "changed app.cold id=77 v:77>-1\nchanged app.flip id=5 v:0>-1")
	}
	stopFlips()
	if written := stop().Transactions; written < 10 || flips() < 10 {
		t.Errorf("%d transactions, %d flips: nothing was proven", written, flips())
	}
	tp.WaitCaughtUp(t)
	requireOnlyDamage(t, runCheck(t, strategyRequest(tp, check.None)), "changed app.cold id=77 v:77>-1\nchanged app.flip id=5 v:0>-1")
	requireReplicating(t, tp.Replicas...)
}

// startFlipping makes rows go to and fro between two values, each of them at random, which two readings apart can take for rows that
// stand still.
func startFlipping(t *testing.T, tp *Topology) (flips func() int, stop func()) {
	t.Helper()
	tp.Source.Exec(t, "CREATE TABLE app.flip (id INT PRIMARY KEY, v INT)", "INSERT INTO app.flip SELECT seq, 0 FROM "+tp.Numbers(100))
	ctx, cancel := context.WithCancel(t.Context())
	var count atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			chosen := make([]string, 0, 50)
			for id := 11; id <= 100; id++ {
				if rand.IntN(2) == 0 {
					chosen = append(chosen, fmt.Sprint(id))
				}
			}
			if err := tp.Source.exec(ctx, "UPDATE app.flip SET v = 1 - v WHERE id IN (0, "+strings.Join(chosen, ", ")+")"); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			count.Add(1)
			time.Sleep(5 * time.Millisecond)
		}
	}()
	return func() int { return int(count.Load()) }, func() { cancel(); <-done }
}

// requireOnlyDamage expects exactly these rows to be listed; tables without any may be unverified for rows that keep changing,
// never different.
func requireOnlyDamage(t *testing.T, result *check.Result, want string) {
	t.Helper()
	var got []string
	for _, d := range result.Differences {
		got = append(got, strings.Join(strings.Fields(differenceText(d)), " "))
	}
	slices.Sort(got)
	if strings.Join(got, "\n") != want {
		t.Errorf("%s: listed\n%s\nwant\n%s\n%s", result.Sync.Strategy, strings.Join(got, "\n"), want, describe(result))
	}
	for _, table := range result.Tables {
		damaged := strings.Contains(want, " "+table.Database+"."+table.Table+" ")
		if table.Verdict == check.Different != damaged || table.Verdict == check.Unverified && table.ReasonCode != check.ReasonKeepsChanging || table.Verdict == check.Failed {
			t.Errorf("%s: %s is %s (%s)", result.Sync.Strategy, table.Table, table.Verdict, table.ReasonCode)
		}
		if table.Verdict == check.Unverified && !strings.HasPrefix(table.Table, "w") && table.Table != "flip" {
			t.Errorf("%s: %s is unverified, which nobody writes to: %s", result.Sync.Strategy, table.Table, table.Reason)
		}
	}
}

func requireNoPause(t *testing.T, result *check.Result) {
	t.Helper()
	for _, epoch := range result.Sync.Epochs {
		for _, on := range epoch.Replicas {
			if on.ApplierPaused != 0 || !on.Exact {
				t.Errorf("epoch %d: %+v", epoch.ID, on)
			}
		}
	}
}

// TestAutoFallsBack: what an account may not do, or a replica does not allow, leads to the next strategy, and the report says so.
func TestAutoFallsBack(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.CreateWriterTable(t, "app.w1", 300)
		tp.Source.Exec(t, "CREATE TABLE app.cold (id INT PRIMARY KEY, v INT)", "INSERT INTO app.cold VALUES (1, 1), (2, 2)")
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "UPDATE app.cold SET v = 3 WHERE id = 2")
		pause := on.pausePrivilege()
		reads := on.proberReads()
		all := accountOn(t, tp.Replica(0), "may_pause", append(slices.Clone(reads), pause))
		mayNotPause := accountOn(t, tp.Replica(0), "may_not_pause", reads)
		mayLock := accountOn(t, tp.Source, "may_lock", reads)
		mayNotLock := accountOn(t, tp.Source, "may_not_lock", without(reads, "LOCK TABLES"))
		noLock := check.Until // MariaDB needs no lock for it
		if on.Flavor == server.MySQL {
			noLock = check.Recheck
		}
		for _, c := range []struct {
			source, replica server.Endpoint
			want            check.Strategy
		}{{mayLock, all, check.Until}, {mayLock, mayNotPause, check.Lock}, {mayNotLock, mayNotPause, check.Recheck}, {mayNotLock, all, noLock}} {
			request := strategyRequest(tp, check.Auto)
			request.Source, request.Replicas = c.source, []server.Endpoint{c.replica}
			result := runCheck(t, request)
			requireStrategy(t, result, c.want)
			requireOnlyDamage(t, result, "changed app.cold id=2 v:2>3")
			if said := strings.Join(result.Warnings, "\n"); strings.Contains(said, "is not possible") != (c.want != check.Until) {
				t.Errorf("%s as %s and %s: warnings %q", c.want, c.source.User, c.replica.User, said)
			}
		}
		// Asked for by name, a strategy that the account does not allow is not replaced by another one.
		request := strategyRequest(tp, check.Until)
		request.Replicas = []server.Endpoint{mayNotPause}
		if result := runCheck(t, request); result.Verdict != check.Unverified || result.Replicas[0].ReasonCode != check.ReasonMissingPrivilege {
			t.Errorf("until: %s", describe(result))
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// TestNoneNeedsNoReplication: two servers that know nothing of each other are compared as they are.
func TestNoneNeedsNoReplication(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		both := NewTopologies(t, Options{Replicas: -1}, Options{Replicas: -1})
		for _, tp := range both {
			tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT)", "INSERT INTO app.t SELECT seq, seq FROM "+tp.Numbers(300))
		}
		request := strategyRequest(both[0], check.None)
		request.Replicas = []server.Endpoint{both[1].Source.Endpoint()}
		if result := runCheck(t, request); result.Verdict != check.Equal || len(result.Sync.Epochs) != 0 {
			t.Error(describe(result))
		}
		both[1].Source.Exec(t, "DELETE FROM app.t WHERE id = 5", "UPDATE app.t SET v = 0 WHERE id = 250")
		requireOnlyDamage(t, runCheck(t, request), "changed app.t id=250 v:250>0\nmissing app.t id=5")
	})
}

// TestRecheckWaitsForTheReplica: a replica that is behind is waited for, round after round: what is on its way is no difference,
// though nothing is written meanwhile and both sides stand still.
func TestRecheckWaitsForTheReplica(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT)", "INSERT INTO app.t VALUES (1, 1), (2, 2)", "CREATE TABLE app.keyless (v INT)", "INSERT INTO app.keyless VALUES (1)")
		tp.WaitCaughtUp(t)
		var freed sync.WaitGroup
		defer freed.Wait()
		request := strategyRequest(tp, check.Recheck)
		result, err := check.Run(t.Context(), request, onPlanned(func() { // definitions were read at a position that the replica has passed
			release := tp.Replica(0).lockRow(t, "app.t", "id = 1")
			tp.Source.Exec(t, "UPDATE app.t SET v = v + 1", "UPDATE app.keyless SET v = 2", "INSERT INTO app.t VALUES (3, 3)")
			freed.Go(func() {
				time.Sleep(1500 * time.Millisecond)
				release()
			})
		}))
		if err != nil {
			t.Fatal(err)
		}
		if result.Verdict != check.Equal {
			t.Error(describe(result))
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// onPlanned does something once, when definitions were compared and no row was read.
type onPlanned func()

func (do onPlanned) Event(event check.Event) {
	if _, planned := event.(check.SchemaCompared); planned {
		do()
	}
}

// TestFlippingRowsAreNoDifference: rows that flip between two values faster than they are read again, behind a replica that is a second
// late all the while, so that what both sides show has nothing to do with each other: never a difference, and what was not caught
// equal in time is unverified.
func TestFlippingRowsAreNoDifference(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app")
		tp.WaitCaughtUp(t)
		tp.Replica(0).delay(t, 1)
		flips, stop := startFlipping(t, tp)
		for range times(1, 20) {
			request := strategyRequest(tp, check.Recheck)
			request.SyncTimeout = 10 * time.Second
			requireOnlyDamage(t, runCheck(t, request), "")
		}
		stop()
		if flips() < 100 {
			t.Errorf("%d flips: nothing was proven", flips())
		}
		tp.WaitCaughtUp(t)
	})
}

// TestRecheckWhileSemiSyncWaits: a row that the replica has and its source does not show yet, since the source waits for another
// replica, is waited for and no difference, though both sides stand still.
func TestRecheckWhileSemiSyncWaits(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: 2, SourceArgs: []string{"--rpl-semi-sync-master-enabled=1",
			"--rpl-semi-sync-master-timeout=6000", "--rpl-semi-sync-master-wait-point=AFTER_SYNC"}})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
		tp.WaitCaughtUp(t)
		semi, asynchronous := tp.Replica(1), tp.Replica(0)
		semi.Exec(t, "STOP SLAVE", "SET GLOBAL rpl_semi_sync_slave_enabled=1", "START SLAVE")
		eventually(t, "the source waits for a replica", 20*time.Second, func() (bool, string) {
			clients := tp.Source.Query(t, "SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'")
			return clients[0][1] == "1", fmt.Sprint(clients)
		})
		if err := semi.Pause(); err != nil {
			t.Fatal(err)
		}
		request := strategyRequest(tp, check.Recheck)
		request.Replicas = request.Replicas[:1]
		var inserted sync.WaitGroup
		result, err := check.Run(t.Context(), request, onPlanned(func() {
			inserted.Go(func() { _, _ = tp.Source.DB.Exec("INSERT INTO app.t VALUES (2)") })
			eventually(t, "the replica has what the source does not show", 20*time.Second, func() (bool, string) {
				return asynchronous.Value(t, "SELECT COUNT(*) FROM app.t") == "2", ""
			})
			if tp.Source.Value(t, "SELECT COUNT(*) FROM app.t") != "1" {
				t.Error("the source shows it already: nothing is proven")
			}
		}))
		inserted.Wait()
		if resumeErr := semi.Resume(); resumeErr != nil {
			t.Error(resumeErr)
		}
		if err != nil {
			t.Fatal(err)
		}
		if result.Verdict != check.Equal {
			t.Error(describe(result))
		}
		requireReplicating(t, tp.Replicas...)
	}, Needs{Flavor: server.MariaDB})
}

package integration

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"trueup/check"
	"trueup/server"
)

// TestDualMasters: two servers that replicate from each other. With one writer they are equal under load; with two, what
// one of them wrote and the other has not got yet is never taken for a difference, and a difference never for that.
func TestDualMasters(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		for _, options := range []Options{{GTID: true}, {}, {GTID: true, ParallelThreads: 4}} {
			t.Run(fmt.Sprintf("gtid=%v threads=%d", options.GTID, options.ParallelThreads), func(t *testing.T) {
				t.Parallel()
				checkDualMasters(t, options)
			})
		}
	}, seesAppliers)
}

func checkDualMasters(t *testing.T, options Options) {
	tp := newDualMasters(t, options)
	a, b := tp.Source, tp.Replica(0)
	for _, table := range []string{"app.w1", "app.w2", "app.b1"} {
		a.CreateWriterTable(t, table, 300)
	}
	a.Exec(t, "CREATE TABLE app.cold (id INT PRIMARY KEY, k INT)", "INSERT INTO app.cold VALUES (1, 1), (2, 2), (3, 3)")
	b.WaitCaughtUp(t, a)
	requireDiscoveredOnce(t, tp)
	forward, backward := requestFor(tp), requestFor(tp)
	// An applier that met the lock tries its transaction again after seconds, and holds what it has until then.
	forward.LockTimeout, backward.LockTimeout = 20*time.Second, 20*time.Second
	backward.Source, backward.Replicas[0] = b.Endpoint(), a.Endpoint()

	stop := tp.StartWriter(t, WriterOptions{})
	for range times(4, 40) {
		requireDual(t, "one writer, its server is the source", runCheck(t, forward), check.Equal)
	}
	for range 2 {
		requireDual(t, "one writer, its server is the replica", runCheck(t, backward), check.Equal, check.Unverified)
	}
	slow := repeat(t, b, "UPDATE app.b1 SET k = k + 1 ORDER BY id LIMIT 1", 40*time.Millisecond)
	for range times(3, 30) {
		requireDual(t, "a second writer that writes now and then", runCheck(t, forward), check.Equal, check.Unverified)
	}
	slow()
	other := &Topology{Source: b, options: tp.options}
	stopOther := other.StartWriter(t, WriterOptions{Tables: []string{"app.b1"}})
	for range times(2, 40) {
		requireDual(t, "two writers", runCheck(t, forward), check.Equal, check.Unverified)
	}
	tp.Damage(t, 0, "UPDATE app.cold SET k = 0 WHERE id = 2")
	requireDual(t, "two writers and damage", runCheck(t, forward), check.Different, check.Unverified)
	stopOther()
	stop()
	b.WaitCaughtUp(t, a)
	a.WaitCaughtUp(t, b)
	b.WaitCaughtUp(t, a)
	requireDual(t, "damage and silence", runCheck(t, forward), check.Different)
	requireDual(t, "damage and silence, the other way round", runCheck(t, backward), check.Different)
	requireReplicating(t, a, b)
}

// newDualMasters makes two servers that replicate from each other; with GTID each writes in a MariaDB domain of its own, as it
// must.
func newDualMasters(t *testing.T, options Options) *Topology {
	t.Helper()
	if options.GTID && rowOf(t).Flavor == server.MariaDB {
		options.ReplicaArgs = []string{"--gtid-domain-id=1"}
	}
	tp := NewTopology(t, options)
	ctx, cancel := context.WithTimeout(t.Context(), setupLimit)
	defer cancel()
	if err := tp.Source.replicateFrom(ctx, tp.Replica(0), options.GTID); err != nil {
		t.Fatal(err)
	}
	if err := tp.Source.waitReplicating(ctx); err != nil {
		t.Fatal(err)
	}
	return tp
}

// requireDiscoveredOnce: the source is a replica of its replica, and no replica of its own for that.
func requireDiscoveredOnce(t *testing.T, tp *Topology) {
	t.Helper()
	request := requestFor(tp)
	request.Source = tp.Source.CreateUser(t, "checker", tp.Source.Row.checkGrants()+" ON *.*")
	request.Replicas = nil
	tp.WaitCaughtUp(t)
	if result := runCheck(t, request); result.Verdict != check.Equal || len(result.Replicas) != 1 || result.Replicas[0].Address != tp.Replica(0).Address() {
		t.Errorf("discovered: %s", describe(result))
	}
}

func requireDual(t *testing.T, when string, result *check.Result, allowed ...check.Verdict) {
	t.Helper()
	replica := result.Replicas[0]
	t.Logf("%s: %s %s", when, replica.Verdict, replica.ReasonCode)
	for _, verdict := range allowed {
		if result.Verdict != verdict {
			continue
		}
		if verdict == check.Unverified && replica.ReasonCode != "replica_writes" {
			break
		}
		return
	}
	t.Errorf("%s, want %v: %s", when, allowed, describe(result))
}

// TestRing: three servers in a ring, of which one that is not the source is written to as well. What it wrote is on its way
// through the third.
func TestRing(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { checkRing(t) }, seesAppliers)
}

func checkRing(t *testing.T) {
	tp := NewTopology(t, Options{Chain: true, Replicas: 2})
	a, b, c := tp.Source, tp.Replica(0), tp.Replica(1)
	if err := a.replicateFrom(t.Context(), c, false); err != nil {
		t.Fatal(err)
	}
	if err := a.waitReplicating(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.a (id INT AUTO_INCREMENT PRIMARY KEY, k INT)", "CREATE TABLE app.b (id INT AUTO_INCREMENT PRIMARY KEY, k INT)",
		"INSERT INTO app.b (k) VALUES (1)")
	tp.WaitCaughtUp(t)
	request := requestFor(tp)
	write := func(on *Node, table string, pause time.Duration) (stop func()) {
		return repeatUntilStopped(t, func(ctx context.Context) error {
			time.Sleep(pause)
			return on.exec(ctx, "INSERT INTO "+table+" (k) VALUES (1)")
		})
	}
	require := func(when string, allowed ...check.Verdict) {
		t.Helper()
		result := runCheck(t, request)
		t.Log(when, result.Replicas[0].Verdict, result.Replicas[0].ReasonCode, result.Replicas[1].Verdict, result.Replicas[1].ReasonCode)
		if !slices.Contains(allowed, result.Verdict) {
			t.Errorf("%s: %s", when, describe(result))
		}
	}
	stopA := write(a, "app.a", 0)
	require("one writer", check.Equal)
	slow := write(b, "app.b", 100*time.Millisecond)
	for range times(3, 20) {
		require("a second writer that writes now and then", check.Equal, check.Unverified)
	}
	slow()
	fast := write(b, "app.b", 0)
	for range times(2, 20) {
		require("two writers", check.Equal, check.Unverified)
	}
	fast()
	stopA()
	tp.WaitCaughtUp(t)
	a.WaitCaughtUp(t, c)
	require("silence", check.Equal)
	requireReplicating(t, a, b, c)
}

// TestDefinitionsOnTheirWay: an ALTER that was run on the replica of dual masters, and that the source is still to execute, is
// no difference in definition.
func TestDefinitionsOnTheirWay(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := newDualMasters(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)")
		tp.WaitCaughtUp(t)
		var locked lockedTable
		locked.lock(t, tp.Source)
		later(t, 1500*time.Millisecond, func() { locked.unlock(t) })
		tp.Replica(0).Exec(t, "ALTER TABLE app.t ADD COLUMN later INT")
		result := runCheck(t, requestFor(tp))
		if result.Verdict != check.Equal {
			t.Error(describe(result))
		}
		requireReplicating(t, tp.Source, tp.Replica(0))
	}, seesAppliers)
}

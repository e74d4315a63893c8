package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// modes are how the replicas of the tests below replicate.
func modes(on ServerRow) []Options {
	all := []Options{{GTID: true, ParallelThreads: 4}, {}}
	if on.IsMySQL(8, 0, 27) { // where four workers are what there is by default
		all[1].ReplicaArgs = []string{"--replica-parallel-workers=0"}
	}
	return all
}

// eachMode runs a test on every server, on a topology of its own for each mode.
func eachMode(t *testing.T, test func(t *testing.T, on ServerRow, tp *Topology)) {
	t.Helper()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, options := range modes(on) {
			t.Run(fmt.Sprintf("gtid %v threads %d", options.GTID, options.ParallelThreads), func(t *testing.T) {
				t.Parallel()
				test(t, on, NewTopology(t, options))
			})
		}
	})
}

// TestStops: every way to stop a replica gives its error, whatever the mode, and ends equal once mended by hand.
func TestStops(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, on ServerRow, tp *Topology) {
		if !on.Local() && !tp.options.GTID && !long() {
			return // the tests of recover provoke all of them there in both modes
		}
		for _, stop := range Stops() {
			t.Run(stop.Name, func(t *testing.T) { testStop(t, tp, on, stop) })
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// TestStopsOfChannels: the same on a channel with a name, beside one that nothing happens to.
func TestStopsOfChannels(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Channels: []string{"north", "south side"}, ParallelThreads: 4})
		for _, name := range []string{"1062 primary key", "1032 one of several rows", "1205 lock wait", "1594 relay log", "1236 purged log", "1045 password"} {
			t.Run(name, func(t *testing.T) { testStop(t, tp, on, FindStop(t, name)) })
		}
		requireChannelsRunning(t, tp.Replica(0), 2)
	}, Needs{Channels: true})
}

// testStop provokes a stop and mends it; what cannot be mended, and a topology that a failed test leaves, is set up anew.
func testStop(t *testing.T, tp *Topology, on ServerRow, stop Stop) {
	if stop.Needs.Lacking(on) != "" {
		return
	}
	stands := false
	defer func() {
		if !stands {
			tp.Anew(t)
		}
	}()
	stop.Provoke(t, tp)
	status := tp.Replica(0).Status(t)
	t.Logf("applier %s %s: %s, receiver %s %s: %s", status["Slave_SQL_Running"], status["Last_SQL_Errno"], status["Last_SQL_Error"], status["Slave_IO_Running"],
		status["Last_IO_Errno"], status["Last_IO_Error"])
	requireWorkersWord(t, tp, stop, status["Last_SQL_Error"])
	tables := stop.Tables(t, tp)
	if stop.Number == 0 && DumpTables(t, tp.Source, tables...) == DumpTables(t, tp.Replica(0), tables...) {
		t.Error("the replica is equal")
	}
	if stop.Mend == nil {
		return
	}
	stop.MendBy(t, tp, stop.Mend)
	if stop.Then != 0 {
		tp.AwaitStopped(t, 0, stop.Then)
		stop.MendBy(t, tp, stop.MendThen)
	}
	tp.WaitMended(t)
	if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, tp.Replica(0), tables...); want != got {
		t.Errorf("mended, the replica is not equal:\n%s", diffLines(want, got))
	}
	stands = !t.Failed()
}

// requireWorkersWord demands that an applier which only names the table of its workers has its error there, and the
// transaction where there are GTIDs.
func requireWorkersWord(t *testing.T, tp *Topology, stop Stop, text string) {
	t.Helper()
	if !strings.Contains(text, "replication_applier_status_by_worker") {
		return
	}
	replica := tp.Replica(0)
	column := "LAST_SEEN_TRANSACTION"
	if replica.Row.IsMySQL(8, 0, 0) {
		column = "APPLYING_TRANSACTION"
	}
	failed := replica.Query(t, "SELECT LAST_ERROR_MESSAGE, "+column+" FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER = ?",
		stop.NumberOn(replica.Row))
	if len(failed) != 1 || failed[0][0] == "" || tp.options.GTID != strings.Contains(failed[0][1], ":") {
		t.Errorf("the workers' word: %q", failed)
		return
	}
	t.Logf("worker of %q: %s", failed[0][1], failed[0][0])
}

// TestStopsAreSound: each has a database of its own that servers take, and a number in its name that they have.
func TestStopsAreSound(t *testing.T) {
	t.Parallel()
	databases := map[string]bool{}
	for _, stop := range Stops() {
		name, number := stop.Database(), strconv.Itoa(stop.Number)
		if databases[name] || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzADLX_0123456789") != "" {
			t.Errorf("%q is twice or no name of a database", name)
		}
		if databases[name] = true; stop.Number != 0 && !strings.HasPrefix(stop.Name, number) {
			t.Errorf("%q is about error %s", stop.Name, number)
		}
	}
}

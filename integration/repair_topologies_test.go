package integration

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/check"
	"trueup/repair"
	"trueup/server"
)

// chainDamage damages app.t of a replica in a chain.
func chainDamage(t *testing.T, tp *Topology, i int) {
	t.Helper()
	tp.Damage(t, i, "UPDATE app.t SET v = -7 WHERE id % 100 = 7", "DELETE FROM app.t WHERE id = 3", "INSERT INTO app.t VALUES (-1, 1)", "UPDATE app.t SET v = v + 1 WHERE id = 2900")
}

func newChain(t *testing.T) *Topology {
	t.Helper()
	tp := NewTopology(t, Options{GTID: true, Chain: true, Replicas: 2})
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT NOT NULL)", "INSERT INTO app.t SELECT seq, seq FROM "+tp.Numbers(3000))
	tp.WaitCaughtUp(t)
	chainDamage(t, tp, 0)
	chainDamage(t, tp, 1)
	tp.Damage(t, 1, "DELETE FROM app.t WHERE id > 2990")
	return tp
}

// TestRepairOfAChain: the replicas of a chain are each repaired themselves, while the source is written to; one whose own replica is not part of the run is refused, or, when
// that is asked for, repaired alone.
func TestRepairOfAChain(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := newChain(t)
		damaged := [2]string{DumpTables(t, tp.Replica(0), "app.t"), DumpTables(t, tp.Replica(1), "app.t")}
		upper := requestFor(tp)
		upper.Replicas = upper.Replicas[:1]
		result := NewRepairRun(t, upper, true).Run(t)
		if codes := refusedCodes(result); !slices.Equal(codes, []string{repair.RefusedDownstream}) || DumpTables(t, tp.Replica(0), "app.t") != damaged[0] {
			t.Errorf("refused %q: %s", codes, DescribeRepair(result))
		}
		alone := NewRepairRun(t, upper, true)
		alone.Request.LeaveDownstream = true
		result = alone.Run(t)
		requireAllRepaired(t, result)
		if notes := strings.Join(result.Replicas[0].Notes, " "); !strings.Contains(notes, "do not get what is repaired here") {
			t.Errorf("no word of its replica: %s", DescribeRepair(result))
		}
		whole := DumpTables(t, tp.Source, "app.t")
		if DumpTables(t, tp.Replica(0), "app.t") != whole || DumpTables(t, tp.Replica(1), "app.t") != damaged[1] {
			t.Errorf("repaired with its replica, or not at all: %s", DescribeRepair(result))
		}
		alone.Undo(t, tp.Replica(0))

		stop := tp.StartWriter(t, WriterOptions{Tables: []string{"app.w1"}})
		both := NewRepairRun(t, requestFor(tp), true)
		result = both.Run(t)
		requireAllRepaired(t, result)
		stop()
		tp.WaitCaughtUp(t)
		for i, replica := range tp.Replicas {
			if DumpTables(t, replica, "app.t") != whole {
				t.Errorf("replica %d is not equal: %s", i, DescribeRepair(result))
			}
			both.Undo(t, replica)
			if now := DumpTables(t, replica, "app.t"); now != damaged[i] {
				t.Errorf("replica %d, after undo:\n%s", i, diffLines(damaged[i], now))
			}
		}
		requireReplicating(t, tp.Replicas...)
	}, seesAppliers)
}

// TestRepairOfRewrittenDatabases: rows are repaired in the database that the replica has for the source's, and in no other.
func TestRepairOfRewrittenDatabases(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true, ReplicaArgs: []string{"--replicate-rewrite-db=shop->shop_copy"}})
		for i, n := range tp.Nodes() {
			database := []string{"shop", "shop_copy"}[i]
			n.unlogged(t, "CREATE DATABASE "+database, "CREATE TABLE "+database+".parent (id INT PRIMARY KEY, u INT UNIQUE)",
				"CREATE TABLE "+database+".child (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES "+database+".parent (id))", "CREATE TABLE "+database+".bare (a INT)")
		}
		tp.Replica(0).unlogged(t, "CREATE DATABASE shop", "CREATE TABLE shop.parent (id INT PRIMARY KEY, u INT UNIQUE)", "INSERT INTO shop.parent VALUES (1, 5)")
		tp.Source.Exec(t, "INSERT INTO shop.parent SELECT seq, seq FROM "+tp.Numbers(300), "INSERT INTO shop.child SELECT seq, seq FROM "+tp.Numbers(300), "INSERT INTO shop.bare SELECT seq % 5 FROM "+tp.Numbers(60))
		tp.Damage(t, 0, "DELETE FROM shop_copy.parent WHERE id IN (5, 6)", "DELETE FROM shop_copy.child WHERE id = 5", "UPDATE shop_copy.parent SET u = 5 WHERE id = 290", "DELETE FROM shop_copy.bare WHERE a = 1 LIMIT 3",
			"INSERT INTO shop_copy.child VALUES (999, 998)")
		there := []string{"shop_copy.parent", "shop_copy.child", "shop_copy.bare", "shop.parent"}
		damaged, other := DumpTables(t, tp.Replica(0), there...), DumpTables(t, tp.Replica(0), "shop.parent")
		run := NewRepairRun(t, requestFor(tp), true)
		run.Request.Check.Filters.Databases = []string{"shop"}
		result := run.Run(t)
		requireAllRepaired(t, result)
		source := DumpTables(t, tp.Source, "shop.parent", "shop.child", "shop.bare")
		if now := strings.ReplaceAll(DumpTables(t, tp.Replica(0), there[:3]...), "shop_copy.", "shop."); now != source {
			t.Errorf("the rows differ:\n%s", diffLines(source, now))
		}
		if DumpTables(t, tp.Replica(0), "shop.parent") != other {
			t.Error("another table of that name was changed")
		}
		run.Undo(t, tp.Replica(0))
		if now := DumpTables(t, tp.Replica(0), there...); now != damaged {
			t.Errorf("after undo:\n%s", diffLines(damaged, now))
		}
		requireReplicating(t, tp.Replicas...)
	}, seesAppliers, Needs{MinMySQL: server.Version{Major: 8}, MinMariaDB: server.Version{Major: 10, Minor: 11}})
}

// TestRepairOfDelayedReplicas: a replica that is delayed by more than a repair waits is left as it is and named; beside it the others are repaired. One that is
// delayed by less is repaired, and its delay kept.
func TestRepairOfDelayedReplicas(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Replicas: 2})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT NOT NULL)", "INSERT INTO app.t SELECT seq, seq FROM "+tp.Numbers(300))
		for i := range tp.Replicas {
			tp.Damage(t, i, "UPDATE app.t SET v = -1 WHERE id = 7")
		}
		delayed := tp.Replica(1)
		delayed.delay(t, 3600)
		tp.Source.Exec(t, "INSERT INTO app.t VALUES (1000, 1)")
		request := requestFor(tp)
		request.SyncTimeout = 20 * time.Second
		result := NewRepairRun(t, request, true).Run(t)
		if on := result.Check.Replicas[1]; on.ReasonCode != "delayed" || delayed.Value(t, "SELECT v FROM app.t WHERE id = 7") != "-1" {
			t.Errorf("%s %s: %s", on.ReasonCode, on.Reason, DescribeRepair(result))
		}
		if v := tp.Replica(0).Value(t, "SELECT v FROM app.t WHERE id = 7"); v != "7" {
			t.Errorf("the other replica has %s: %s", v, DescribeRepair(result))
		}
		delayed.delay(t, 1)
		tp.Source.Exec(t, "INSERT INTO app.t VALUES (1001, 1)")
		result = NewRepairRun(t, request, true).Run(t)
		requireAllRepaired(t, result)
		if still := delayed.Status(t)["SQL_Delay"]; still != "1" || delayed.Value(t, "SELECT v FROM app.t WHERE id = 7") != "7" {
			t.Errorf("delay %s: %s", still, DescribeRepair(result))
		}
		requireReplicating(t, tp.Replicas...)
	}, seesAppliers)
}

// TestRepairWithSmallPauses: rows that take longer than the applier may stand are repaired in many short holds.
func TestRepairWithSmallPauses(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{ParallelThreads: 4})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT NOT NULL, filler MEDIUMTEXT NOT NULL)",
			"INSERT INTO app.t SELECT seq, seq, REPEAT('wide', 3000) FROM "+tp.Numbers(1500))
		tp.Damage(t, 0, "UPDATE app.t SET v = -v, filler = REVERSE(filler)")
		stopWriter := tp.StartWriter(t, WriterOptions{Tables: []string{"app.w1"}, Pause: 10 * time.Millisecond})
		damaged := DumpTables(t, tp.Replica(0), "app.t")
		run := NewRepairRun(t, requestFor(tp), true)
		run.Request.MaxPause = 400 * time.Millisecond // several servers share few processors
		result := run.Run(t)
		replica := result.Replicas[0]
		longest := replica.Paused / time.Duration(max(1, replica.Pauses))
		t.Logf("%d pauses of %v on the average, %d groups", replica.Pauses, longest, replica.Tables[0].Groups)
		requireAllRepaired(t, result)
		if replica.Pauses < 2 {
			t.Errorf("%d pauses of %v on the average: %s", replica.Pauses, longest, DescribeRepair(result))
		}
		stopWriter()
		tp.WaitCaughtUp(t)
		run.Undo(t, tp.Replica(0))
		if DumpTables(t, tp.Replica(0), "app.t") != damaged {
			t.Error("undo has not brought the damage back")
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// TestRepairOfClusterMembers: members of a Galera cluster, and of MySQL's groups, are not repaired one by one, whatever the strategy of the check.
func TestRepairOfClusterMembers(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		if on.Flavor == server.MySQL {
			repairOfAGroup(t)
			return
		}
		Require(t, on, Needs{Local: true})
		if _, err := os.Stat(galeraProvider); err != nil {
			t.Skip("SKIPPED, NOTHING PROVEN: needs Debian's galera-4 on this machine")
		}
		topologies := NewTopologies(t, Options{Replicas: 1}, Options{Replicas: -1})
		source, node := topologies[0].Source, topologies[0].Replica(0)
		makeGaleraCluster(t, node, topologies[1].Source)
		if err := node.waitReplicating(t.Context()); err != nil {
			t.Fatal(err)
		}
		source.CreateWriterTable(t, "app.w1", 50)
		topologies[0].WaitCaughtUp(t)
		node.Exec(t, "SET SESSION wsrep_on = OFF; UPDATE app.w1 SET k = -k WHERE id = 7; SET SESSION wsrep_on = ON")
		requireClusterRefused(t, topologies[0])
	}, Needs{MinMySQL: server.Version{Major: 8}})
}

func requireClusterRefused(t *testing.T, tp *Topology) {
	t.Helper()
	damaged := DumpTables(t, tp.Replica(0), "app.w1")
	for _, strategy := range []check.Strategy{check.Recheck, check.Auto} {
		request := requestFor(tp)
		request.Sync = strategy
		result := NewRepairRun(t, request, true).Run(t)
		if codes := refusedCodes(result); len(codes) != 1 || codes[0] != repair.RefusedCluster && codes[0] != repair.RefusedStrategy {
			t.Errorf("--sync %s: refused %q: %s", strategy, codes, DescribeRepair(result))
		}
	}
	if now := DumpTables(t, tp.Replica(0), "app.w1"); now != damaged {
		t.Errorf("changed:\n%s", diffLines(damaged, now))
	}
}

func repairOfAGroup(t *testing.T) {
	tp := NewTopology(t, Options{GTID: true})
	tp.Source.CreateWriterTable(t, "app.w1", 50)
	tp.Damage(t, 0, "UPDATE app.w1 SET k = -k WHERE id = 7")
	tp.Replica(0).Exec(t, "INSTALL PLUGIN group_replication SONAME 'group_replication.so'",
		"SET GLOBAL group_replication_group_name='aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee'",
		"SET GLOBAL group_replication_local_address='127.0.0.1:33061'", "SET GLOBAL group_replication_bootstrap_group=ON", "START GROUP_REPLICATION")
	requireClusterRefused(t, tp)
}

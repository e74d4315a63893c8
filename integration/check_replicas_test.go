package integration

import (
	"slices"
	"testing"

	"trueup/check"
	"trueup/server"
)

// TestOneOfTwoReplicasStopped: the stopped one is unverified and stays stopped, the other is verified.
func TestOneOfTwoReplicasStopped(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) { checkWithOneStopped(t, on) })
}

func checkWithOneStopped(t *testing.T, on ServerRow) {
	tp := NewTopology(t, Options{GTID: true, Replicas: 2})
	tp.Source.CreateWriterTable(t, "app.w1", 500)
	tp.WaitCaughtUp(t)
	tp.Replica(0).Exec(t, on.stopApplier())
	// What the stopped replica has not executed yet is no difference in definition.
	tp.Source.Exec(t, "ALTER TABLE app.w1 ADD COLUMN later INT", "CREATE TABLE app.later (id INT NOT NULL PRIMARY KEY)")
	result := runCheck(t, requestFor(tp))
	if result.Verdict != check.Unverified {
		t.Errorf("verdict: %s", describe(result))
	}
	if len(result.SchemaDifferences) != 0 {
		t.Errorf("differences in definition that are only lag: %v", result.SchemaDifferences)
	}
	stopped, running := result.Replicas[0], result.Replicas[1]
	if stopped.Verdict != check.Unverified || stopped.ReasonCode != "applier_stopped" {
		t.Errorf("the stopped replica is %s (%s: %s)", stopped.Verdict, stopped.ReasonCode, stopped.Reason)
	}
	if running.Verdict != check.Equal {
		t.Errorf("the running replica is %s: %s", running.Verdict, running.Reason)
	}
	if got := tp.Replica(0).Status(t)["Slave_SQL_Running"]; got != "No" {
		t.Errorf("an applier that somebody else had stopped was started: running %s", got)
	}
	requireReplicating(t, tp.Replica(1))
}

// TestDiscovery: replicas that are not named are found by what they registered with the source.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) { checkDiscovered(t, on) })
}

func checkDiscovered(t *testing.T, on ServerRow) {
	tp := NewTopology(t, Options{Replicas: 2})
	tp.Source.CreateWriterTable(t, "app.w1", 100)
	request := requestFor(tp)
	request.Replicas = nil
	request.Source = tp.Source.CreateUser(t, "checker", on.checkGrants()+" ON *.*")
	tp.WaitCaughtUp(t)
	result := runCheck(t, request)
	if result.Verdict != check.Equal || len(result.Replicas) != 2 {
		t.Fatal(describe(result))
	}
	for _, replica := range tp.Replicas {
		if !slices.ContainsFunc(result.Replicas, func(r check.ReplicaResult) bool { return r.Address == replica.Address() }) {
			t.Errorf("%s was not discovered: %s", replica.Address(), describe(result))
		}
	}
	tp.Replica(0).Exec(t, on.stopApplier())
	if err := tp.Replica(1).Kill(); err != nil {
		t.Fatal(err)
	}
	result = runCheck(t, request)
	if result.Verdict != check.Unverified {
		t.Errorf("with a stopped and a dead replica: %s", describe(result))
	}
}

// TestDiscoveryOfEqualIDs: a replica with the server id of its source, as a copied configuration has it, is found all the same.
func TestDiscoveryOfEqualIDs(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{SourceArgs: []string{"--server-id=77"}, ReplicaArgs: []string{"--server-id=77", "--replicate-same-server-id", "--skip-log-slave-updates"}})
	tp.Source.CreateWriterTable(t, "app.w1", 100)
	request := requestFor(tp)
	request.Replicas = nil
	request.Source = tp.Source.CreateUser(t, "checker", tp.Source.Row.checkGrants()+" ON *.*")
	tp.WaitCaughtUp(t)
	result := runCheck(t, request)
	if result.Verdict != check.Equal || len(result.Replicas) != 1 || result.Replicas[0].Address != tp.Replica(0).Address() {
		t.Error(describe(result))
	}
}

// stopApplier is the statement of the row's family.
func (r ServerRow) stopApplier() string {
	if r.IsMySQL(8, 0, 22) {
		return "STOP REPLICA SQL_THREAD"
	}
	return "STOP SLAVE SQL_THREAD"
}

// checkGrants are the privileges that docs/servers.md names for an account that serves on source and replicas.
func (r ServerRow) checkGrants() string {
	switch {
	case r.Flavor == server.MariaDB:
		return "SELECT, PROCESS, BINLOG MONITOR, BINLOG ADMIN, REPLICATION MASTER ADMIN, SLAVE MONITOR, REPLICATION SLAVE ADMIN"
	case r.IsMySQL(8, 0, 0):
		return "SELECT, LOCK TABLES, PROCESS, REPLICATION CLIENT, REPLICATION SLAVE, REPLICATION_SLAVE_ADMIN"
	default:
		return "SELECT, LOCK TABLES, PROCESS, REPLICATION CLIENT, REPLICATION SLAVE, SUPER"
	}
}

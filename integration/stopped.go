package integration

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trueup/server"
)

// stopLimit is how long a replica may take to stand with its error on a machine that does much else.
const stopLimit = 60 * time.Second

// Stop is one way in which replication stops, for real. Statements name the stop's own database "db."; several stops
// can be provoked on one topology, one after the other, each of them once.
type Stop struct {
	// Name begins with the number that MariaDB has for the error.
	Name string
	// Number is the error's. 0: nothing stops, the replica differs silently.
	Number int
	// Number8 is the number in MySQL since 8.0, where that differs.
	Number8 int
	// Receiver: the error is the receiver's and not the applier's.
	Receiver bool
	// Needs is what the servers must have.
	Needs Needs
	// Prepare is what the source, and through it the replica, has before.
	Prepare []string
	// Damage is what is done to the replica, as Topology.Damage does it. Direct is done to it by a session that is logged.
	Damage, Direct []string
	// Write is what the source then does, on one connection.
	Write []string
	// Mend makes a replica that stands so that it needs only be started to become equal: what "fix" has to come to. nil: a person's business,
	// or replication has to be set up anew. Empty: starting is enough.
	Mend []string
	// Then is the number of the error that is right behind, 0 for none; MendThen is to it what Mend is to the first.
	Then     int
	MendThen []string

	provoke func(t testing.TB, tp *Topology, s Stop) // before Write, or instead of it
}

// Stops are all ways to stop a replica.
func Stops() []Stop {
	return slices.Concat(duplicateStops(), duplicateTraps(), missingStops(), foreignStops(), statementStops(), schemaStops(), logStops(), lockStops(), receiverStops(), silentStops())
}

// FindStop returns the stop of that name; the test fails where there is none.
func FindStop(t testing.TB, name string) Stop {
	t.Helper()
	for _, stop := range Stops() {
		if stop.Name == name {
			return stop
		}
	}
	t.Fatalf("no way to stop a replica is called %q", name)
	return Stop{}
}

// Database is the stop's own database.
func (s Stop) Database() string {
	return "stop_" + strings.NewReplacer(" ", "_", ",", "").Replace(s.Name)
}

// NumberOn is the number of the error on replicas of a row.
func (s Stop) NumberOn(on ServerRow) int {
	if s.Number8 != 0 && on.IsMySQL(8, 0, 0) {
		return s.Number8
	}
	return s.Number
}

// Tables are the tables of the stop's database that the source has, as DumpTables takes them.
func (s Stop) Tables(t testing.TB, tp *Topology) []string {
	t.Helper()
	var tables []string
	for _, row := range tp.Source.Query(t, "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema = ? ORDER BY 1", s.Database()) {
		tables = append(tables, row[0])
	}
	return tables
}

// Provoke makes replica 0 of a topology that replicates stand with the error, or where there is none have passed
// what makes it differ.
func (s Stop) Provoke(t testing.TB, tp *Topology) {
	t.Helper()
	replica := tp.Replica(0)
	tp.Source.Exec(t, "CREATE DATABASE "+s.Database())
	tp.Source.Exec(t, s.statements(s.Prepare)...)
	tp.Damage(t, 0, s.statements(s.Damage)...)
	replica.Exec(t, s.statements(s.Direct)...)
	if s.provoke != nil {
		s.provoke(t, tp, s)
	}
	tp.Source.Exec(t, s.statements(s.Write)...)
	switch number := s.NumberOn(replica.Row); {
	case number == 0:
		tp.WaitCaughtUp(t)
	case s.Receiver:
		tp.AwaitReceiver(t, 0, number)
	default:
		tp.AwaitStopped(t, 0, number)
	}
}

// MendBy runs statements of the stop (Mend, MendThen) on the replica, unlogged, and starts its applier.
func (s Stop) MendBy(t testing.TB, tp *Topology, statements []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	if err := tp.Replica(0).damage(ctx, s.statements(statements)...); err != nil {
		t.Fatal(err)
	}
	replica := tp.Replica(0)
	if !replica.inSeveralDomains(t) {
		replica.StartReplica(t, "SQL_THREAD")
		return
	}
	// An applier that is started alone has once applied again, from its relay log, what another domain had behind it. Both
	// threads begin at gtid_slave_pos.
	replica.StopReplica(t)
	replica.StartReplica(t)
}

// inSeveralDomains tells whether the server replicates by MariaDB's GTIDs, of more than one domain.
func (n *Node) inSeveralDomains(t testing.TB) bool {
	t.Helper()
	return n.Row.Flavor == server.MariaDB && n.Status(t)["Using_Gtid"] != "No" && strings.Contains(n.Value(t, "SELECT @@gtid_slave_pos"), ",")
}

// WaitMended waits until replica 0 has applied what the source has written up to now. With several domains the position of a
// replica does not move over what another domain has executed already, and its GTIDs decide.
func (tp *Topology) WaitMended(t testing.TB) {
	t.Helper()
	replica := tp.Replica(0)
	if !replica.inSeveralDomains(t) || len(tp.options.Channels) > 0 {
		tp.WaitCaughtUp(t)
		return
	}
	target := tp.Source.Value(t, "SELECT @@gtid_binlog_pos")
	if replica.Value(t, "SELECT MASTER_GTID_WAIT(?, 50)", target) != "0" {
		status := replica.Status(t)
		t.Fatalf("%s stands at %s and not %s: %s", replica.Name(), replica.Value(t, "SELECT @@gtid_slave_pos"), target, status["Last_SQL_Error"])
	}
}

func (s Stop) statements(all []string) []string {
	named := make([]string, len(all))
	for i, statement := range all {
		named[i] = strings.ReplaceAll(statement, "db.", s.Database()+".")
	}
	return named
}

// AwaitStopped waits until an applier of the replica, or a worker of it, stands with that error. Another error fails the test.
func (tp *Topology) AwaitStopped(t testing.TB, replica, number int) {
	t.Helper()
	tp.awaitError(t, replica, number, "SQL")
}

// AwaitReceiver waits until a receiver of the replica has that error, whether it has given up or tries again.
func (tp *Topology) AwaitReceiver(t testing.TB, replica, number int) {
	t.Helper()
	tp.awaitError(t, replica, number, "IO")
}

func (tp *Topology) awaitError(t testing.TB, replica, number int, thread string) {
	t.Helper()
	node, wanted, states := tp.Replicas[replica], strconv.Itoa(number), ""
	for deadline := time.Now().Add(stopLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		states = ""
		for _, status := range node.Channels(t) {
			// An applier's error is there before its thread has ended.
			ended := thread == "IO" || status["Slave_SQL_Running"] == "No"
			switch found := status["Last_"+thread+"_Errno"]; {
			case found == wanted && ended, found != "0" && ended && node.workerFailed(t, number):
				return
			case found != "0" && ended && thread == "SQL":
				t.Fatalf("%s stands with another error than %d: %s %s", node.Name(), number, found, status["Last_SQL_Error"])
			}
			states += fmt.Sprintf("\nchannel %q: receiver %s %s, applier %s %s at %s:%s", status["Channel_Name"], status["Slave_IO_Running"], status["Last_IO_Error"],
				status["Slave_SQL_Running"], status["Last_SQL_Error"], status["Relay_Master_Log_File"], status["Exec_Master_Log_Pos"])
		}
	}
	t.Fatalf("%s did not stop with error %d in %v:%s", node.Name(), number, stopLimit, states)
}

// workerFailed tells whether a worker of a MySQL replica stands with that error. Its status has the error of the worker that failed last: of a
// later transaction, or 3030 of one that had to wait for the commit of that which failed (replica_preserve_commit_order).
func (n *Node) workerFailed(t testing.TB, number int) bool {
	t.Helper()
	return n.Row.IsMySQL(5, 7, 0) &&
		n.Value(t, "SELECT COUNT(*) FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER = ?", number) != "0"
}

// Anew forgets every stop's database on all servers, and has the replicas replicate from new binary logs: for what
// cannot be mended. Other databases stay as they are on each server. Not for chains.
func (tp *Topology) Anew(t testing.TB) {
	t.Helper()
	for _, replica := range tp.Replicas {
		replica.StopReplica(t)
		for _, status := range replica.Channels(t) {
			replica.Exec(t, replica.Row.replicaStatement("RESET", status["Channel_Name"], "ALL"))
		}
		replica.Exec(t, "SET GLOBAL slave_exec_mode=STRICT")
		if replica.Row.Flavor == server.MariaDB {
			replica.Exec(t, "SET GLOBAL slave_ddl_exec_mode=IDEMPOTENT")
		}
	}
	for _, node := range tp.Nodes() {
		// MySQL does not reset the log of a session that has sql_log_bin=0.
		node.Exec(t, slices.Concat([]string{"SET SESSION sql_log_bin=0"}, node.dropStops(t), []string{"SET SESSION sql_log_bin=1", node.Row.resetLog()})...)
		if node.Row.Flavor == server.MariaDB {
			node.Exec(t, "SET GLOBAL gtid_slave_pos=''")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), setupLimit)
	defer cancel()
	if err := tp.connect(ctx); err != nil {
		t.Fatal(err)
	}
}

// dropStops are the statements that drop the databases of all stops which the server has.
func (n *Node) dropStops(t testing.TB) []string {
	t.Helper()
	statements := []string{"SET SESSION foreign_key_checks=0"}
	for _, row := range n.Query(t, `SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE 'stop\_%'`) {
		statements = append(statements, "DROP DATABASE "+row[0])
	}
	return append(statements, "SET SESSION foreign_key_checks=1")
}

// channelName is the channel that replica 0 has from the first source.
func (tp *Topology) channelName() string {
	if len(tp.options.Channels) > 0 {
		return tp.options.Channels[0]
	}
	return ""
}

package integration

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"trueup/internal/sandbox"
)

// logStops are logs that cannot be read.
func logStops() []Stop {
	return []Stop{{
		Name: "1594 relay log", Number: 1594, Number8: 13121, provoke: breakRelayLog,
		Prepare: []string{"CREATE TABLE db.t (id INT PRIMARY KEY, v TEXT)"},
	}}
}

// receiverStops are errors of the receiver.
func receiverStops() []Stop {
	plain := []string{plainTable, plainRows}
	return []Stop{
		{Name: "1236 purged log", Number: 1236, Number8: 13114, Receiver: true, Prepare: plain, provoke: purgeLogs},
		{Name: "2003 unreachable", Number: 2003, Receiver: true, Prepare: plain, provoke: changePort},
		{Name: "1045 password", Number: 1045, Receiver: true, Prepare: plain, provoke: changePassword},
	}
}

// breakRelayLog writes over a transaction that the replica has received and not applied.
func breakRelayLog(t testing.TB, tp *Topology, s Stop) {
	t.Helper()
	replica := tp.Replica(0)
	replica.StopReplica(t, "SQL_THREAD")
	tp.Source.Exec(t, s.statements([]string{"INSERT INTO db.t VALUES (1,REPEAT('x',9000))"})...)
	tp.awaitReceived(t)
	replica.overwriteRelayLog(t)
	replica.StartReplica(t, "SQL_THREAD") // the receiver runs on: without it MariaDB would fetch the log again
}

// awaitReceived waits until replica 0 has received what the source has written up to now.
func (tp *Topology) awaitReceived(t testing.TB) {
	t.Helper()
	file, position := tp.Source.BinlogPosition(t)
	var status map[string]string
	for deadline := time.Now().Add(stopLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		status = tp.Replica(0).Status(t)
		if status["Master_Log_File"] == file && atLeast(status["Read_Master_Log_Pos"], position) {
			return
		}
	}
	t.Fatalf("%s has received %s:%s and not %s:%s: %s", tp.Replica(0).Name(), status["Master_Log_File"], status["Read_Master_Log_Pos"], file, position, status["Last_IO_Error"])
}

func atLeast(position, other string) bool {
	a, err := strconv.ParseUint(position, 10, 64)
	b, otherErr := strconv.ParseUint(other, 10, 64)
	return err == nil && otherErr == nil && a >= b
}

// overwriteRelayLog damages a few bytes some 4000 bytes before the end of the relay log that is written last.
func (n *Node) overwriteRelayLog(t testing.TB) {
	t.Helper()
	n.Shell(t, `file=$(ls -t relay*.[0-9]* | head -n 1) && size=$(wc -c <"$file") && printf BROKEN | dd of="$file" bs=1 seek=$((size-4000)) conv=notrunc`)
}

// purgeLogs has the source throw away logs that the replica has not received.
func purgeLogs(t testing.TB, tp *Topology, s Stop) {
	t.Helper()
	replica := tp.Replica(0)
	replica.StopReplica(t)
	tp.Source.Exec(t, s.statements([]string{"INSERT INTO db.t VALUES (7,7)", "FLUSH BINARY LOGS", "INSERT INTO db.t VALUES (8,8)", "FLUSH BINARY LOGS"})...)
	last, _ := tp.Source.BinlogPosition(t)
	for deadline := time.Now().Add(stopLimit); tp.Source.Query(t, "SHOW BINARY LOGS")[0][0] != last; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the source does not purge its logs: somebody reads them")
		}
		tp.Source.Exec(t, "PURGE BINARY LOGS TO '"+last+"'", s.statements([]string{"UPDATE db.t SET v=v+1 WHERE id=1"})[0]) // a reader that is gone is noticed when something is sent
	}
	replica.StartReplica(t)
}

// changePort sends the receiver to a port where nobody listens.
func changePort(t testing.TB, tp *Topology, _ Stop) {
	t.Helper()
	port, err := sandbox.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	replica, options := tp.Replica(0), []string{fmt.Sprint("MASTER_PORT=", port)}
	replica.StopReplica(t)
	if !tp.options.GTID { // another port is another source, of which no position is known
		status := replica.Status(t)
		options = append(options, fmt.Sprintf("MASTER_LOG_FILE='%s'", status["Relay_Master_Log_File"]), "MASTER_LOG_POS="+status["Exec_Master_Log_Pos"])
	}
	replica.Exec(t, replica.Row.changeReplica(tp.channelName(), options...))
	replica.StartReplica(t)
}

// changePassword gives the receiver a password that the source does not take.
func changePassword(t testing.TB, tp *Topology, _ Stop) {
	t.Helper()
	replica := tp.Replica(0)
	replica.StopReplica(t)
	replica.Exec(t, replica.Row.changeReplica(tp.channelName(), "MASTER_PASSWORD='wrong'"))
	replica.StartReplica(t)
}

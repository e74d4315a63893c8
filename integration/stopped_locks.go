package integration

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"
)

// lockStops are locks that a session of the replica holds. It is gone when the replica stands.
func lockStops() []Stop {
	return []Stop{
		{Name: "1205 lock wait", Number: 1205, Prepare: []string{plainTable, plainRows}, Mend: []string{}, provoke: waitForLock},
		{Name: "1213 deadlock", Number: 1213, Prepare: []string{plainTable, plainRows, "CREATE TABLE db.heavy (id INT PRIMARY KEY, v INT)"}, Mend: []string{}, provoke: deadlock},
	}
}

// waitForLock has the applier give up waiting for a row at once, and not try again.
func waitForLock(t testing.TB, tp *Topology, s Stop) {
	t.Helper()
	replica := tp.Replica(0)
	holding := holdRows(t, replica, s.statements([]string{"UPDATE db.t SET v=v WHERE id=5", "SELECT * FROM db.t WHERE id=5 FOR UPDATE"})...)
	defer holding.release()
	restore := replica.impatient(t)
	defer restore()
	tp.Source.Exec(t, s.statements([]string{"UPDATE db.t SET v=v+10 WHERE id IN (4,5,6)"})...)
	tp.AwaitStopped(t, 0, s.Number)
}

// deadlock has the applier and a session wait for each other. InnoDB ends the one that has changed less.
func deadlock(t testing.TB, tp *Topology, s Stop) {
	t.Helper()
	replica := tp.Replica(0)
	holding := holdRows(t, replica, s.statements([]string{
		"INSERT INTO db.heavy SELECT seq, 0 FROM " + tp.Numbers(500), "SELECT * FROM db.t WHERE id=6 FOR UPDATE"})...)
	defer holding.release()
	restore := replica.impatient(t)
	defer restore()
	replica.Exec(t, "SET GLOBAL innodb_lock_wait_timeout=50")
	replica.StopReplica(t, "SQL_THREAD")
	replica.StartReplica(t, "SQL_THREAD")
	tp.Source.Exec(t, s.statements([]string{"BEGIN", "UPDATE db.t SET v=v+10 WHERE id=4", "UPDATE db.t SET v=v+10 WHERE id=6", "COMMIT"})...)
	replica.awaitLockWait(t)
	holding.exec(t, s.statements([]string{"SELECT * FROM db.t WHERE id=4 FOR UPDATE"})...)
	tp.AwaitStopped(t, 0, s.Number)
}

// impatient has the appliers wait a second for a lock and never try a transaction again; the returned function makes those
// that are started from then on as they were.
func (n *Node) impatient(t testing.TB) (restore func()) {
	t.Helper()
	was := n.Query(t, "SELECT @@GLOBAL.innodb_lock_wait_timeout, @@GLOBAL.slave_transaction_retries")[0]
	n.StopReplica(t, "SQL_THREAD")
	n.Exec(t, "SET GLOBAL innodb_lock_wait_timeout=1", "SET GLOBAL slave_transaction_retries=0")
	n.StartReplica(t, "SQL_THREAD")
	return func() {
		n.Exec(t, "SET GLOBAL innodb_lock_wait_timeout="+was[0], "SET GLOBAL slave_transaction_retries="+was[1])
	}
}

// awaitLockWait waits until one transaction of the server waits for a row.
func (n *Node) awaitLockWait(t testing.TB) {
	t.Helper()
	n.awaitValue(t, "1", "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state='LOCK WAIT'")
}

// innodbCopy is how long nobody may have asked InnoDB's views before they show the present: they are copies, of which a new one is
// made when the last was not read for 100 ms.
const innodbCopy = 120 * time.Millisecond

// awaitValue waits until a query has that value.
func (n *Node) awaitValue(t testing.TB, want, query string) {
	t.Helper()
	got := ""
	for deadline := time.Now().Add(stopLimit); time.Now().Before(deadline); time.Sleep(innodbCopy) {
		if got = n.Value(t, query); got == want {
			return
		}
	}
	t.Fatalf("%s: %s is %s and not %s; the replica: %v", n.Name(), query, got, want, n.Status(t))
}

// holder is a session with a transaction that is never logged and never commits.
type holder struct {
	connection *sql.Conn
	node       *Node
}

func holdRows(t testing.TB, node *Node, statements ...string) *holder {
	t.Helper()
	connection, err := node.DB.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	h := &holder{connection: connection, node: node}
	h.exec(t, append([]string{"SET SESSION sql_log_bin=0", "BEGIN"}, statements...)...)
	return h
}

func (h *holder) exec(t testing.TB, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	for _, statement := range statements {
		if _, err := h.connection.ExecContext(ctx, statement); err != nil {
			h.release()
			t.Fatal(fmt.Errorf("%s holds rows: %s: %w", h.node.Name(), statement, err))
		}
	}
}

// release ends the transaction; more than once does nothing.
func (h *holder) release() {
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	_, _ = h.connection.ExecContext(ctx, "ROLLBACK")
	_, _ = h.connection.ExecContext(ctx, "SET SESSION sql_log_bin=1") // it goes back to the pool
	_ = h.connection.Close()
}

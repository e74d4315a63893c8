package demo

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"trueup/internal/sandbox"
)

// Stop is one way in which an error stops a replica's applier.
type Stop struct {
	Story   string
	Number  int // the error
	replica func(*Topology) *sandbox.Instance
	// onReplica is what somebody does on the replica itself, onSource what the source then executes, in one transaction.
	onReplica, onSource []string
}

// MissingRow is a row that the replica has lost, of several that the source changes in one UPDATE. It stops the replica that
// replicates by GTID with parallel threads.
var MissingRow = Stop{
	Story:     "shop.customers: the replica has lost a row; the source changes it, with two others, in one UPDATE",
	Number:    1032,
	replica:   func(t *Topology) *sandbox.Instance { return t.Last() },
	onReplica: []string{"SET SESSION sql_log_bin = 0", "DELETE FROM shop.customers WHERE id = 77"},
	onSource:  []string{"UPDATE shop.customers SET balance = balance - 5 WHERE id IN (76, 77, 78)"},
}

// DirectWrite is an order that somebody has put into the replica itself, with the id that the source's next order gets. It stops the replica
// that replicates by file and position. The source's transaction has rows as well that nothing stands against.
var DirectWrite = Stop{
	Story:     "shop.orders: somebody tries an application out on the replica; its order has the id of the source's next one",
	Number:    1062,
	replica:   func(t *Topology) *sandbox.Instance { return t.Replicas[0] },
	onReplica: []string{"INSERT INTO shop.orders (id, customer_id, state, placed_at, note) VALUES (60001, 1, 'new', '2026-11-21 09:00:00', 'only a test')"},
	onSource: []string{
		"INSERT INTO shop.orders (id, customer_id, state, placed_at) VALUES (60001, 88, 'paid', '2026-11-21 10:00:00')",
		"INSERT INTO shop.order_lines VALUES (60001, 1, 'SKU-00007', 2, 8.75)",
		"UPDATE shop.products SET available = 0 WHERE sku = 'SKU-00007'",
		"UPDATE shop.customers SET balance = balance - 17.5 WHERE id = 88",
	},
}

// Provoke stops the replica, and returns its address once its applier stands with the error.
func (t *Topology) Provoke(ctx context.Context, stop Stop) (address string, err error) {
	replica := stop.replica(t)
	if err := Execute(ctx, replica, stop.onReplica...); err != nil {
		return "", err
	}
	transaction := append(append([]string{"SET SESSION binlog_annotate_row_events = 1", "START TRANSACTION"}, stop.onSource...), "COMMIT")
	if err := Execute(ctx, t.Source, transaction...); err != nil {
		return "", err
	}
	return replica.Address(), waitStopped(ctx, replica, stop.Number)
}

// stopLimit is how long a replica may take to come to the transaction that stops it.
const stopLimit = time.Minute

// waitStopped waits until that error has stopped a replica's applier.
func waitStopped(ctx context.Context, replica *sandbox.Instance, number int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, stopLimit, errors.New("its applier did not stop; see its log"))
	defer cancel()
	for {
		status, err := slaveStatus(ctx, replica)
		if err == nil && status["Slave_SQL_Running"] == "No" && status["Last_SQL_Errno"] == strconv.Itoa(number) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("replica %s: waiting for error %d: %w", replica.Address(), number, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
		if err != nil {
			return fmt.Errorf("replica %s: %w", replica.Address(), err)
		}
	}
}

// slaveStatus is a replica's SHOW SLAVE STATUS.
func slaveStatus(ctx context.Context, replica *sandbox.Instance) (map[string]string, error) {
	db, err := open(replica)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	rows, err := db.QueryContext(ctx, "SHOW SLAVE STATUS")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values := make([][]byte, len(names))
	into := make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	status := map[string]string{}
	if rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
	}
	for i, name := range names {
		status[name] = string(values[i])
	}
	return status, rows.Err()
}

package demo

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Writer keeps the source busy with small transactions on rows that Damage leaves alone: damaged rows that the source
// changes would stop the replica.
type Writer struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	err    error
	count  int
}

// firstWritten is the first id the writer changes; damage is below it.
const firstWritten = 10_000

// breath leaves the machine, which is small as a rule, to the others between two transactions.
const breath = time.Millisecond

// StartWriter starts the writer. Stop it before the source stops.
func (t *Topology) StartWriter() (*Writer, error) {
	db, err := open(t.Source)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &Writer{cancel: cancel}
	w.done.Go(func() {
		defer db.Close()
		for ctx.Err() == nil {
			if err := writeOnce(ctx, db); err != nil {
				if ctx.Err() == nil {
					w.err = err
				}
				return
			}
			w.count++
			time.Sleep(breath)
		}
	})
	return w, nil
}

// writeOnce is one transaction of a few changes; one in ten is rolled back.
func writeOnce(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	id := firstWritten + rand.IntN(10_000)
	statements := []string{
		"UPDATE shop.customers SET balance = balance + 0.01, seen_at = NOW(6) WHERE id = ?",
		"UPDATE shop.orders SET state = 1 + (state % 4) WHERE customer_id = ? AND id > 10000",
		"DELETE FROM shop.order_lines WHERE order_id = ? AND line = 2",
		"REPLACE INTO shop.order_lines VALUES (?, 3, 'SKU-00042', 1, 9.99)",
		"UPDATE plant.readings SET pressure = pressure * 1.0001 WHERE taken_at > '2026-03-29 00:40:00' AND taken_at < '2026-03-29 00:40:01' + INTERVAL ? % 3 SECOND",
	}
	for _, i := range rand.Perm(len(statements))[:3] {
		if _, err := tx.ExecContext(ctx, statements[i], id); err != nil {
			return err
		}
	}
	if rand.IntN(10) == 0 {
		return tx.Rollback()
	}
	return tx.Commit()
}

// Stop ends the writer and returns how many transactions it ran, and its error.
func (w *Writer) Stop() (transactions int, err error) {
	w.cancel()
	w.done.Wait()
	if errors.Is(w.err, context.Canceled) {
		return w.count, nil
	}
	return w.count, w.err
}

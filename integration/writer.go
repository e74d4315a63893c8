package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// WriterOptions describe what StartWriter does to the source.
type WriterOptions struct {
	// Tables are "db.table". Tables that do not exist are created by CreateWriterTable; others must have its
	// columns. nil: app.w1 and app.w2.
	Tables []string
	// Threads is how many connections write. 0: 2.
	Threads int
	// Pause is how long a thread waits after each transaction. 0: 2ms, about 500 transactions/s with two threads;
	// a negative pause is none, which a replica on a small machine may not keep up with.
	Pause time.Duration
	// Seed of the random choices. 0: one that differs from run to run.
	Seed uint64
	// Rows a new table starts with. 0: 500.
	Rows int
	// Tolerant counts errors instead of failing the test with them: for tests that take the source away.
	Tolerant bool
}

// WriterCounts is what a writer did.
type WriterCounts struct {
	Transactions int64 // committed, autocommitted statements included
	Rollbacks    int64 // rolled back on purpose
	Retries      int64 // given up because of a deadlock, a lock timeout or a key that is taken, which is normal
	Errors       int64 // anything else
}

// CreateWriterTable creates a table as StartWriter writes it, with so many rows: an auto-increment key and columns
// of several types. The database is created too.
func (n *Node) CreateWriterTable(t testing.TB, table string, rows int) {
	t.Helper()
	database, _, ok := strings.Cut(table, ".")
	if !ok {
		t.Fatalf("table %q: it is db.table", table)
	}
	n.Exec(t, "CREATE DATABASE IF NOT EXISTS "+database,
		"CREATE TABLE "+table+` (
			id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
			k INT NOT NULL, c VARCHAR(120) NOT NULL, note TEXT NULL, price DECIMAL(12,3) NULL,
			ratio DOUBLE NULL, share FLOAT NULL, at DATETIME(6) NULL, raw VARBINARY(32) NULL, KEY (k)
		) ENGINE=InnoDB`)
	random := rand.New(rand.NewPCG(1, uint64(rows)))
	for first := 0; first < rows; first += 250 {
		n.Exec(t, insertRows(random, table, min(250, rows-first)))
	}
}

type writer struct {
	options WriterOptions
	db      *sql.DB
	stop    chan struct{}
	group   sync.WaitGroup

	transactions, rollbacks, retries, errors atomic.Int64
	firstError                               atomic.Pointer[error]
}

// StartWriter hammers the source with inserts, updates, deletes, upserts, key changes, transactions over several rows
// and tables, and rollbacks, until the returned function is called (or the test ends); it returns what was done. It may be called again and
// returns the same. Any other error than these fails the test, unless Tolerant is set.
func (tp *Topology) StartWriter(t testing.TB, options WriterOptions) (stop func() WriterCounts) {
	t.Helper()
	if options.Tables == nil {
		options.Tables = []string{"app.w1", "app.w2"}
	}
	if options.Threads == 0 {
		options.Threads = 2
	}
	if options.Pause == 0 {
		options.Pause = 2 * time.Millisecond
	}
	if options.Seed == 0 {
		options.Seed = rand.Uint64()
	}
	if options.Rows == 0 {
		options.Rows = 500
	}
	for _, table := range options.Tables {
		if !tp.Source.hasTable(t, table) {
			tp.Source.CreateWriterTable(t, table, options.Rows)
		}
	}
	t.Logf("writer: seed %d", options.Seed)
	w := &writer{options: options, db: tp.Source.DB, stop: make(chan struct{})}
	for thread := range options.Threads {
		w.group.Go(func() { w.run(rand.New(rand.NewPCG(options.Seed, uint64(thread)))) })
	}
	stop = sync.OnceValue(func() WriterCounts { return w.finish(t) })
	t.Cleanup(func() { stop() })
	return stop
}

func (n *Node) hasTable(t testing.TB, table string) bool {
	t.Helper()
	database, name, _ := strings.Cut(table, ".")
	return n.Value(t, "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=? AND TABLE_NAME=?", database, name) != "0"
}

func (w *writer) finish(t testing.TB) WriterCounts {
	close(w.stop)
	w.group.Wait()
	if err := w.firstError.Load(); err != nil && !w.options.Tolerant {
		t.Errorf("writer: %v", *err)
	}
	return WriterCounts{
		Transactions: w.transactions.Load(), Rollbacks: w.rollbacks.Load(),
		Retries: w.retries.Load(), Errors: w.errors.Load(),
	}
}

func (w *writer) run(random *rand.Rand) {
	for {
		select {
		case <-w.stop:
			return
		default:
		}
		statements, rollback := w.nextTransaction(random)
		w.count(w.transact(statements, rollback), rollback)
		if w.options.Pause > 0 {
			time.Sleep(w.options.Pause)
		}
	}
}

// Deadlock and lock wait timeout: the server's way of saying "again". A duplicate key is that too: MySQL before 8.0 does
// not move a table's counter when an UPDATE puts a row beyond it.
const (
	erDuplicateEntry  = 1062
	erLockWaitTimeout = 1205
	erLockDeadlock    = 1213
)

func (w *writer) count(err error, rollback bool) {
	var fromServer *mysql.MySQLError
	switch {
	case err == nil && rollback:
		w.rollbacks.Add(1)
	case err == nil:
		w.transactions.Add(1)
	case errors.As(err, &fromServer) && slices.Contains([]uint16{erLockDeadlock, erLockWaitTimeout, erDuplicateEntry}, fromServer.Number):
		w.retries.Add(1)
	default:
		w.errors.Add(1)
		w.firstError.CompareAndSwap(nil, &err)
	}
}

func (w *writer) transact(statements []string, rollback bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	if len(statements) == 1 && !rollback {
		_, err := w.db.ExecContext(ctx, statements[0])
		return err
	}
	return inTransaction(ctx, w.db, statements, rollback)
}

// inTransaction runs statements in one transaction and ends it as it is told; after an error it is rolled back.
func inTransaction(ctx context.Context, db *sql.DB, statements []string, rollback bool) error {
	transaction, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := transaction.ExecContext(ctx, statement); err != nil {
			_ = transaction.Rollback()
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	if rollback {
		return transaction.Rollback()
	}
	return transaction.Commit()
}

// nextTransaction chooses what comes next. Everything random is decided here and not by the server, so that the
// statements are safe under every binary log format.
func (w *writer) nextTransaction(random *rand.Rand) (statements []string, rollback bool) {
	table := func() string { return w.options.Tables[random.IntN(len(w.options.Tables))] }
	switch choice := random.IntN(100); {
	case choice < 60:
		return []string{oneStatement(random, table())}, false
	case choice < 92:
		for range 2 + random.IntN(6) {
			statements = append(statements, oneStatement(random, table()))
		}
		return statements, false
	default:
		for range 1 + random.IntN(4) {
			statements = append(statements, oneStatement(random, table()))
		}
		return statements, true
	}
}

func oneStatement(random *rand.Rand, table string) string {
	id := 1 + random.IntN(1500)
	switch choice := random.IntN(100); {
	case choice < 25:
		return insertRows(random, table, 1)
	case choice < 32:
		return insertRows(random, table, 2+random.IntN(20))
	case choice < 60:
		return fmt.Sprintf("UPDATE %s SET k=k+%d, note=%s WHERE id=%d", table, 1+random.IntN(9), quotedOrNull(random), id)
	case choice < 72:
		return fmt.Sprintf("UPDATE %s SET price=price+0.125, share=share*0.75+1, ratio=ratio/3 WHERE id BETWEEN %d AND %d", table, id, id+random.IntN(30))
	case choice < 84:
		return fmt.Sprintf("DELETE FROM %s WHERE id BETWEEN %d AND %d", table, id, id+random.IntN(4))
	case choice < 94:
		return fmt.Sprintf("INSERT INTO %s (id, k, c) VALUES (%d, %d, 'upsert') ON DUPLICATE KEY UPDATE k=VALUES(k), c=VALUES(c)", table, id, random.IntN(1000))
	default: // the row moves to another place in the key; an occupied one leaves it where it is
		return fmt.Sprintf("UPDATE IGNORE %s SET id=%d WHERE id=%d", table, 1+random.IntN(1500), id)
	}
}

func insertRows(random *rand.Rand, table string, rows int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s (k, c, note, price, ratio, share, at, raw) VALUES ", table)
	for i := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "(%d, '%s', %s, %d.%03d, %g, %g, '2026-%02d-%02d %02d:30:00.%06d', x'%016x')",
			random.IntN(100_000), strings.Repeat(string(rune('a'+random.IntN(26))), random.IntN(120)), quotedOrNull(random),
			random.IntN(100_000), random.IntN(1000), random.NormFloat64()*1e6, float32(random.NormFloat64()),
			1+random.IntN(12), 1+random.IntN(28), random.IntN(24), random.IntN(1_000_000), random.Uint64())
	}
	return b.String()
}

func quotedOrNull(random *rand.Rand) string {
	switch random.IntN(5) {
	case 0:
		return "NULL"
	case 1:
		return "''"
	default:
		return fmt.Sprintf("'naïve — %x 🐬'", random.Uint32())
	}
}

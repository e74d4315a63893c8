package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// storm writes to the source what StartWriter does not: transactions with savepoints that are rolled back to, keys of
// several types, and DDL on tables beside the checked ones. It draws every random value itself and writes no
// AUTO_INCREMENT, so that its statements mean the same on a replica in every binary log format.
type storm struct {
	db    *sql.DB
	stop  chan struct{}
	group sync.WaitGroup

	committed, rolledBack, savepoints, ddl, retries atomic.Int64
	failed                                          atomic.Pointer[error]
}

// The storm is as fast as one replica on a small machine can apply it without falling behind.
const (
	stormThreads  = 3
	stormPause    = 3 * time.Millisecond
	stormDDLPause = 25 * time.Millisecond
	stormRows     = 900 // of a table at the start
	stormKeys     = 1800
)

// stormTable is a checked table, all of whose columns but those of its key are the same.
type stormTable struct {
	name    string
	columns []string // of the key
	types   string
	key     func(number int) []string // SQL of the key's values
}

var stormTables = []stormTable{
	{"app.numbers", []string{"id"}, "id INT NOT NULL", func(n int) []string { return []string{fmt.Sprint(n - stormKeys/2)} }},
	{"app.names", []string{"name", "part"}, "name VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, part SMALLINT UNSIGNED NOT NULL",
		func(n int) []string { return []string{fmt.Sprintf("'%c name %d'", 'A'+n%26, n%40), fmt.Sprint(n / 40)} }},
	{"app.hashes", []string{"hash"}, "hash BINARY(6) NOT NULL", func(n int) []string { return []string{fmt.Sprintf("X'%012x'", uint64(n)*0x9e3779b97f4a7c15>>16)} }},
}

func (s stormTable) create() string {
	return fmt.Sprintf(`CREATE TABLE %s (%s, k INT NOT NULL, note VARCHAR(90) NULL, price DECIMAL(14,3) NULL, ratio DOUBLE NULL, at DATETIME(6) NULL,
		PRIMARY KEY (%s), KEY (k)) ENGINE=InnoDB`, s.name, s.types, strings.Join(s.columns, ", "))
}

func (s stormTable) where(number int) string {
	var parts []string
	for i, value := range s.key(number) {
		parts = append(parts, s.columns[i]+" = "+value)
	}
	return strings.Join(parts, " AND ")
}

// insert is INSERT IGNORE or REPLACE of rows with these keys.
func (s stormTable) insert(random *rand.Rand, verb string, numbers ...int) string {
	var rows []string
	for _, n := range numbers {
		rows = append(rows, fmt.Sprintf("(%s, %d, %s, %d.%03d, %g, '2026-%02d-%02d %02d:00:00.%06d')", strings.Join(s.key(n), ", "), random.IntN(100_000),
			quotedOrNull(random), random.IntN(100_000), random.IntN(1000), random.NormFloat64(), 1+random.IntN(12), 1+random.IntN(28), random.IntN(24), random.IntN(1_000_000)))
	}
	return fmt.Sprintf("%s INTO %s (%s, k, note, price, ratio, at) VALUES %s", verb, s.name, strings.Join(s.columns, ", "), strings.Join(rows, ", "))
}

// change is usually one statement.
func (s stormTable) change(random *rand.Rand) []string {
	n := random.IntN(stormKeys)
	if random.IntN(12) == 0 { // the row moves; UPDATE IGNORE would be unsafe in the statement format
		to := random.IntN(stormKeys)
		var sets []string
		for i, value := range s.key(to) {
			sets = append(sets, s.columns[i]+" = "+value)
		}
		return []string{"DELETE FROM " + s.name + " WHERE " + s.where(to), fmt.Sprintf("UPDATE %s SET %s WHERE %s", s.name, strings.Join(sets, ", "), s.where(n))}
	}
	return []string{s.oneChange(random, n)}
}

func (s stormTable) oneChange(random *rand.Rand, n int) string {
	switch choice := random.IntN(100); {
	case choice < 20:
		return s.insert(random, "INSERT IGNORE", n, n+1, n+2)
	case choice < 30:
		return s.insert(random, "REPLACE", n)
	case choice < 40:
		return s.insert(random, "INSERT", n) + " ON DUPLICATE KEY UPDATE k = k + 1, at = NOW()"
	case choice < 65:
		return fmt.Sprintf("UPDATE %s SET k = k + 1, note = %s WHERE %s", s.name, quotedOrNull(random), s.where(n))
	case choice < 75:
		return fmt.Sprintf("UPDATE %s SET price = price + 0.125, ratio = ratio / 3 WHERE k BETWEEN %d AND %d", s.name, n*50, n*50+200)
	default:
		return fmt.Sprintf("DELETE FROM %s WHERE %s", s.name, s.where(n))
	}
}

// startStorm makes the tables and writes until the test ends or the returned function is called, which waits for the writers.
func startStorm(t testing.TB, tp *Topology, seed uint64) (*storm, func()) {
	t.Helper()
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE DATABASE beside")
	for _, table := range stormTables {
		tp.Source.Exec(t, table.create())
		random := rand.New(rand.NewPCG(seed, 0))
		for first := 0; first < stormRows; first += 100 {
			numbers := make([]int, 100)
			for i := range numbers {
				numbers[i] = 2 * (first + i)
			}
			tp.Source.Exec(t, table.insert(random, "INSERT IGNORE", numbers...))
		}
	}
	tp.WaitCaughtUp(t)
	s := &storm{db: tp.Source.DB, stop: make(chan struct{})}
	for thread := range stormThreads {
		random := rand.New(rand.NewPCG(seed, uint64(thread+1)))
		s.group.Go(func() { s.repeat(stormPause, func() error { return s.transaction(random) }) })
	}
	changes := rand.New(rand.NewPCG(seed, stormThreads+1))
	s.group.Go(func() { s.repeat(stormDDLPause, func() error { return s.definition(changes) }) })
	stop := sync.OnceFunc(func() {
		close(s.stop)
		s.group.Wait()
		if err := s.failed.Load(); err != nil {
			t.Errorf("writer: %v", *err)
		}
	})
	t.Cleanup(stop)
	return s, stop
}

// repeat does something again and again. The pause is what bounds the load, nothing waits for it.
func (s *storm) repeat(pause time.Duration, do func() error) {
	for {
		err := do()
		var fromServer *mysql.MySQLError
		if errors.As(err, &fromServer) && (fromServer.Number == erLockDeadlock || fromServer.Number == erLockWaitTimeout) {
			s.retries.Add(1) // the server's way of saying "again"
		} else if err != nil {
			s.failed.CompareAndSwap(nil, &err)
		}
		select {
		case <-s.stop:
			return
		case <-time.After(pause):
		}
	}
}

// transaction writes one autocommitted statement, or several in a transaction that is committed, rolled back, or
// rolled back to a savepoint and then one of these.
func (s *storm) transaction(random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	change := func() []string { return pick(random, stormTables).change(random) }
	if random.IntN(3) == 0 {
		_, err := s.db.ExecContext(ctx, change()[0])
		return s.counted(err, &s.committed)
	}
	var statements []string
	add := func(most int) {
		for range 1 + random.IntN(most) {
			statements = append(statements, change()...)
		}
	}
	add(4)
	savepoint := random.IntN(3) == 0
	if savepoint {
		statements = append(statements, "SAVEPOINT here")
		add(3)
		statements = append(statements, "ROLLBACK TO SAVEPOINT here")
		add(2)
	}
	rollback := random.IntN(5) == 0
	counter := &s.committed
	if rollback {
		counter = &s.rolledBack
	}
	err := s.counted(inTransaction(ctx, s.db, statements, rollback), counter)
	if err == nil && savepoint {
		s.savepoints.Add(1)
	}
	return err
}

func (s *storm) counted(err error, counter *atomic.Int64) error {
	if err == nil {
		counter.Add(1)
	}
	return err
}

// definition makes, changes and drops a table that is not checked: in the checked database, where a filter leaves it out,
// or in another one.
func (s *storm) definition(random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	table := fmt.Sprintf("%s.passing%d", []string{"app", "beside"}[random.IntN(2)], random.IntN(3))
	steps := []string{
		"CREATE TABLE " + table + " (id INT PRIMARY KEY, v INT)",
		"INSERT INTO " + table + " VALUES (1, 1), (2, 2)",
		"ALTER TABLE " + table + " ADD COLUMN w VARCHAR(20) DEFAULT 'w'",
		"CREATE INDEX byv ON " + table + " (v)",
		"UPDATE " + table + " SET w = 'x' WHERE id = 1",
		"RENAME TABLE " + table + " TO " + table + "_renamed, " + table + "_renamed TO " + table,
		"TRUNCATE TABLE " + table,
		"DROP TABLE " + table,
	}
	for _, statement := range append(steps[:2+random.IntN(len(steps)-2)], steps[len(steps)-1]) {
		if strings.HasPrefix(statement, "DROP") {
			statement = strings.Replace(statement, "TABLE", "TABLE IF EXISTS", 1)
		}
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
		s.ddl.Add(1)
	}
	return nil
}

package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"trueup/check"
	"trueup/repair"
)

// applierWatch looks at a replica's applier all the time.
type applierWatch struct {
	errors string        // that stopped it
	stood  time.Duration // the longest that it was seen not to run, or to run with UNTIL
}

// watchRepair watches the applier of a replica until it is told to stop.
func watchRepair(t *testing.T, replica *Node) (stop func() applierWatch) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var seen applierWatch
	go func() {
		defer close(done)
		free := time.Now()
		for ctx.Err() == nil {
			status, err := replica.status(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			if status["Last_SQL_Errno"] != "0" { // a receiver on a busy machine may have to connect again
				seen.errors = status["Last_SQL_Error"]
			}
			seen.stood = max(seen.stood, time.Since(free))
			if status["Slave_SQL_Running"] == "Yes" && status["Until_Condition"] == "None" {
				free = time.Now()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	stop = sync.OnceValue(func() applierWatch { cancel(); <-done; return seen })
	t.Cleanup(func() { stop() })
	return stop
}

// TestRepairUnderLoad: rows are damaged and repaired again and again while several connections write to the same tables, the damaged rows included:
// every repair comes to its end, no replication error is ever seen, and when the writer has stopped, the replica has the source's rows.
func TestRepairUnderLoad(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, mode := range []string{"STRICT", "IDEMPOTENT"} {
			if on.Local() || mode == "STRICT" || long() {
				t.Run(mode, func(t *testing.T) { repairUnderLoad(t, mode) })
			}
		}
	})
}

var writerTables = []string{"app.w1", "app.w2"}

func repairUnderLoad(t *testing.T, mode string) {
	tp := NewTopology(t, Options{ParallelThreads: 4, ReplicaArgs: []string{"--slave-exec-mode=" + mode}})
	for _, table := range writerTables {
		tp.Source.CreateWriterTable(t, table, 4000)
	}
	tp.WaitCaughtUp(t)
	stopWriter := tp.StartWriter(t, WriterOptions{Threads: 3, Pause: 4 * time.Millisecond})
	stopWatch := watchRepair(t, tp.Replica(0))
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	var counts repair.Counts
	for round := range times(2, 40) {
		tp.Replica(0).damageAmongWrites(t, damageOfWritten(random, mode == "STRICT"))
		for try := 1; ; try++ {
			run := NewRepairRun(t, requestFor(tp), true)
			result := run.Run(t)
			for _, replica := range result.Replicas {
				for _, table := range replica.Tables {
					counts.Missing, counts.Extra, counts.Changed = counts.Missing+table.Done.Missing, counts.Extra+table.Done.Extra, counts.Changed+table.Done.Changed
				}
			}
			if result.Verified != nil && result.Verified.Verdict == check.Equal || result.Check.Verdict == check.Equal {
				break
			}
			if t.Logf("round %d, try %d: %s", round, try, DescribeRepair(result)); try == 5 {
				t.Fatal("five repairs have not made it equal")
			}
		}
	}
	written := stopWriter()
	tp.WaitCaughtUp(t)
	watched := stopWatch()
	t.Logf("repaired %+v beside %+v; the applier stood for %v at the most", counts, written, watched.stood.Round(time.Millisecond))
	if watched.errors != "" {
		t.Errorf("replication stopped: %s", watched.errors)
	}
	if source, replica := DumpTables(t, tp.Source, writerTables...), DumpTables(t, tp.Replica(0), writerTables...); source != replica {
		t.Errorf("the rows differ:\n%s", diffLines(source, replica))
	}
	if counts.Missing == 0 || counts.Extra == 0 || counts.Changed == 0 || written.Transactions < 100 {
		t.Errorf("repaired %+v beside %+v: nothing was proven", counts, written)
	}
	requireReplicating(t, tp.Replicas...)
}

// damageAmongWrites damages rows that the applier may hold locks of. It and a parallel applier, whose transactions wait for each other's commits,
// can wait for each other in a circle that no server sees: then the damage lets go, and is left out.
func (n *Node) damageAmongWrites(t *testing.T, statements []string) {
	t.Helper()
	conn := missConn(t, n, "SET SESSION sql_log_bin = 0, innodb_lock_wait_timeout = 1")
	for _, statement := range statements {
		_, err := conn.ExecContext(t.Context(), statement)
		var fromServer *mysql.MySQLError
		if err != nil && (!errors.As(err, &fromServer) || fromServer.Number != erLockWaitTimeout && fromServer.Number != erLockDeadlock) {
			t.Fatal(err)
		}
	}
	_ = conn.Close()
}

// damageOfWritten damages the writer's tables. Where the applier stops at a row that it does not find, only rows that the writer leaves alone
// are deleted or added; values change in any.
func damageOfWritten(random *rand.Rand, strict bool) (statements []string) {
	for _, table := range writerTables {
		id := func() int { return 1 + random.IntN(1500) }
		cold := func() int { return 1600 + random.IntN(2300) }
		gone := cold
		if !strict {
			gone = id
		}
		for range 20 {
			statements = append(statements,
				fmt.Sprintf("UPDATE %s SET k = -k, share = share / 3 WHERE id = %d", table, id()),
				fmt.Sprintf("UPDATE %s SET note = NULL, raw = REVERSE(raw) WHERE id = %d", table, cold()),
				fmt.Sprintf("DELETE FROM %s WHERE id = %d", table, gone()),
				fmt.Sprintf("DELETE FROM %s WHERE id = %d", table, cold()),
				fmt.Sprintf("INSERT IGNORE INTO %s (id, k, c) VALUES (%d, 1, 'extra')", table, 1_000_000+cold()))
		}
	}
	return statements
}

// TestRepairBesideAWriterOnTheReplica: somebody writes to the very rows on the replica. Those that keep changing are refused by name; no write is lost
// unseen, and no row is a mixture of what the repair read and what was written since.
func TestRepairBesideAWriterOnTheReplica(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, k BIGINT NOT NULL, a VARCHAR(20) NOT NULL, b VARCHAR(20) NOT NULL)",
			"INSERT INTO app.t SELECT seq, 0, 'source', 'source' FROM "+tp.Numbers(3000))
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "UPDATE app.t SET a = 'damaged', b = 'damaged' WHERE id % 3 = 0")
		stopWatch := watchRepair(t, tp.Replica(0))
		stop := make(chan struct{})
		var group sync.WaitGroup
		writes := make([]int, 2)
		for n := range writes {
			group.Go(func() {
				conn := missConn(t, tp.Replica(0), "SET SESSION sql_log_bin = 0")
				random := rand.New(rand.NewPCG(uint64(n), 1))
				for {
					select {
					case <-stop:
						return
					default:
					}
					writes[n]++
					// What is written says what it was written to: a mixture shows.
					_, err := conn.ExecContext(context.Background(), fmt.Sprintf("UPDATE app.t SET k = k + 1, b = a WHERE id = %d", 3*(1+random.IntN(300))))
					if err != nil && !strings.Contains(err.Error(), "try restarting transaction") {
						t.Error(err)
						return
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		var last *repair.Result
		for range times(2, 10) {
			run := NewRepairRun(t, requestFor(tp), true)
			run.Request.MaxPause = time.Second
			last = run.Run(t)
			for _, refused := range last.Replicas[0].Tables[0].Refused {
				if refused.Code != repair.RefusedMoved && refused.Code != repair.RefusedPause {
					t.Errorf("refused: %+v", refused)
				}
			}
		}
		if left := tp.Replica(0).Value(t, "SELECT COUNT(*) FROM app.t WHERE a = 'damaged' AND id > 1200"); left != "0" {
			t.Errorf("%s rows that nobody writes were left with those that keep changing", left)
		}
		close(stop)
		group.Wait()
		t.Logf("%v writes; the applier stood for %v; %+v", writes, stopWatch().stood.Round(time.Millisecond), last.Replicas[0].Tables[0])
		if mixed := tp.Replica(0).Query(t, "SELECT id, k, a, b FROM app.t WHERE a <> b"); len(mixed) > 0 {
			t.Errorf("mixtures: %v", mixed)
		}
		requireReplicating(t, tp.Replicas...)
		final := NewRepairRun(t, requestFor(tp), true).Run(t)
		requireAllRepaired(t, final)
		if source, replica := DumpTables(t, tp.Source, "app.t"), DumpTables(t, tp.Replica(0), "app.t"); source != replica {
			t.Errorf("the rows differ:\n%s", diffLines(source, replica))
		}
	})
}

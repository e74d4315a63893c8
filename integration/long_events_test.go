package integration

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"trueup/check"
	"trueup/report"
	"trueup/server"
)

// longEvent is what goes on at the source, beside a writer, while checks by until and lock are made.
type longEvent struct {
	name string
	// do is called again and again until the checks are through; it ends early with ctx.
	do func(ctx context.Context, t *testing.T, tp *Topology, round int) error
	// once is for what takes long enough to be done once.
	once bool
	args []string // of the source
}

func longEvents() []longEvent {
	return []longEvent{
		{name: "long transaction", once: true, do: func(ctx context.Context, _ *testing.T, tp *Topology, _ int) error {
			return tp.Source.exec(ctx, "INSERT INTO app.big SELECT seq, 0, REPEAT('x', 60) FROM "+tp.Numbers(times(150_000, 1_000_000)))
		}},
		{name: "long DDL", once: true, do: func(ctx context.Context, _ *testing.T, tp *Topology, _ int) error {
			return tp.Source.exec(ctx, "ALTER TABLE app.filled ADD COLUMN more INT, ALGORITHM=COPY")
		}},
		{name: "XA", do: func(ctx context.Context, _ *testing.T, tp *Topology, round int) error {
			return preparedElsewhere(ctx, tp.Source, round)
		}},
		{name: "log rotation", args: []string{"--max-binlog-size=4096"}, do: func(ctx context.Context, _ *testing.T, tp *Topology, _ int) error {
			time.Sleep(100 * time.Millisecond)
			return tp.Source.exec(ctx, "FLUSH BINARY LOGS")
		}},
	}
}

// preparedElsewhere prepares an XA transaction in one session, which ends, and commits it in another one.
func preparedElsewhere(ctx context.Context, source *Node, round int) error {
	id := fmt.Sprintf("'x%d'", round)
	conn, err := source.DB.Conn(ctx)
	if err != nil {
		return err
	}
	for _, statement := range []string{"XA START " + id, fmt.Sprintf("INSERT INTO app.xa VALUES (%d, 1)", round), "XA END " + id, "XA PREPARE " + id} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // closes the session
	time.Sleep(3 * time.Millisecond)
	for { // the server may not have let go of the transaction yet
		err := source.exec(ctx, "XA COMMIT "+id)
		if err == nil || !strings.Contains(err.Error(), "1397") && !strings.Contains(err.Error(), "1399") || ctx.Err() != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// TestLongEventsUnderLoad: under a writer and a long transaction, a long DDL, XA transactions that others commit, or logs that rotate all
// the while, checks are equal, and the applier is never stopped in the middle of something long.
func TestLongEventsUnderLoad(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, event := range longEvents() {
			t.Run(event.name, func(t *testing.T) {
				if event.name == "XA" && on.Flavor == server.MySQL && !on.IsMySQL(5, 7, 7) {
					t.Skip("a prepared transaction does not outlive its session before MySQL 5.7.7")
				}
				if event.name == "XA" && on.Flavor == server.MariaDB && !on.IsMariaDB(10, 5, 0) {
					t.Skip("a prepared transaction does not outlive its session before MariaDB 10.5")
				}
				checkLongEvent(t, on, event)
			})
		}
	}, Needs{GTID: true})
}

func checkLongEvent(t *testing.T, on ServerRow, event longEvent) {
	tp := NewTopology(t, Options{GTID: true, SourceArgs: event.args})
	tp.Source.CreateWriterTable(t, "app.w1", 300)
	tp.Source.Exec(t, "CREATE TABLE app.xa (id INT PRIMARY KEY, v INT)", "CREATE TABLE app.big (id INT PRIMARY KEY, v INT, c VARCHAR(60))",
		"CREATE TABLE app.filled (id INT PRIMARY KEY, v INT, c VARCHAR(60))")
	if event.name == "long DDL" {
		tp.Source.Exec(t, "INSERT INTO app.filled SELECT seq, 0, REPEAT('x', 60) FROM "+tp.Numbers(times(100_000, 600_000)))
	}
	tp.WaitCaughtUp(t)
	inserted := tp.Replica(0).rowsInserted(t)
	stop := tp.StartWriter(t, WriterOptions{Tables: []string{"app.w1"}, Pause: 10 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	rounds := make(chan int)
	go func() {
		round := 0
		for ctx.Err() == nil && (round == 0 || !event.once) {
			round++
			if err := event.do(ctx, t, tp, round); err != nil && ctx.Err() == nil {
				t.Error(err)
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		rounds <- round
	}()
	equal := 0
	for n := range times(4, 30) {
		strategy := []check.Strategy{check.Until, check.Lock}[n%2]
		request := strategyRequest(tp, strategy)
		request.Filters.Tables = []string{"app.w1", "app.xa"}
		request.LockHoldMax = 30 * time.Second // the lock is held until the replica has come through what is long
		result, err := check.Run(t.Context(), request, nil)
		if err != nil {
			t.Fatal(err)
		}
		if isRefusedXA(result, on, event, strategy) {
			continue
		}
		equal++
		requireVerdict(t, result, check.Equal, "", 0)
		requireShortPauses(t, result)
	}
	if !event.once {
		cancel()
	}
	done := <-rounds
	cancel()
	stop()
	tp.WaitCaughtUp(t)
	requireReplicating(t, tp.Replicas...)
	if equal == 0 || done == 0 {
		t.Errorf("%d checks were equal, %d rounds: nothing was proven", equal, done)
	}
	if grown, most := tp.Replica(0).rowsInserted(t)-inserted, times(150_000, 1_000_000); event.name == "long transaction" && grown >= most+most/2 {
		t.Errorf("the replica inserted %d rows for a transaction of %d: it was stopped in it, and began anew", grown, most)
	}
}

// isRefusedXA tells whether a check was refused, and says why, for prepared transactions, which MariaDB's read lock does not keep off.
func isRefusedXA(result *check.Result, on ServerRow, event longEvent, strategy check.Strategy) bool {
	return event.name == "XA" && on.Flavor == server.MariaDB && strategy == check.Lock && result.Verdict == check.Failed &&
		report.FromCheck(result, "").ExitCode == 2 && strings.Contains(fmt.Sprint(result.Err), "prepared XA transactions")
}

func requireShortPauses(t *testing.T, result *check.Result) {
	t.Helper()
	for _, epoch := range result.Sync.Epochs {
		for _, on := range epoch.Replicas {
			if on.ApplierPaused > 15*time.Second { // what is long takes longer than that
				t.Errorf("the applier of %s stood for %v", on.Address, on.ApplierPaused)
			}
		}
	}
}

// rowsInserted is how many rows the server has inserted since it began, also in transactions that were rolled back.
func (n *Node) rowsInserted(t *testing.T) int {
	t.Helper()
	name := "Innodb_rows_inserted"
	if n.Row.Flavor == server.MariaDB {
		name = "Handler_write" // it has not had the other since 10.6
	}
	rows := n.Query(t, "SHOW GLOBAL STATUS LIKE '"+name+"'")
	count, err := strconv.Atoi(rows[0][1])
	if err != nil {
		t.Fatal(err)
	}
	return count
}

// TestStatementWithEmojiRuns: a statement of somebody else's that MySQL cannot show in its dictionary's character set costs a check nothing.
func TestStatementWithEmojiRuns(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t VALUES (1), (2)", "CREATE TABLE app.other (id INT PRIMARY KEY, v VARCHAR(9))")
		tp.WaitCaughtUp(t)
		conn, err := tp.Source.DB.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		over := make(chan error, 1)
		go func() {
			_, err := conn.ExecContext(context.WithoutCancel(t.Context()), "INSERT INTO app.other SELECT SLEEP(4), '🐬'")
			over <- err
		}()
		eventually(t, "the statement runs", 10*time.Second, func() (bool, string) {
			all, err := tp.Source.processes(t.Context())
			return strings.Contains(fmt.Sprint(all), "SLEEP(4)"), fmt.Sprint(all, err)
		})
		for _, strategy := range []check.Strategy{check.Until, check.Lock} {
			request := strategyRequest(tp, strategy)
			request.Filters.Tables = []string{"app.t"}
			if result := runCheck(t, request); result.Verdict != check.Equal {
				t.Error(describe(result))
			}
		}
		if err := <-over; err != nil {
			t.Error(err)
		}
		tp.WaitCaughtUp(t)
		requireReplicating(t, tp.Replicas...)
	})
}

package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	repl "trueup/replication"
	"trueup/server"
)

// broken is a replica whose applier fails, and what is needed to skip.
type broken struct {
	tp              *Topology
	upstream        *Node // whose transactions fail
	channel         string
	account         server.Endpoint
	replica, source *server.Session
	steps           []string
	logged          []logged
}

// logged is a transaction as the source logged it.
type logged struct {
	start, end repl.Position
	gtid       string // "" where it has none
}

// skipModes are the ways in which a replica executes; MySQL without threads gets no parallel worker.
func skipModes(on ServerRow) map[string]Options {
	serial := func(o Options) Options {
		if on.Flavor == server.MySQL {
			o.ReplicaArgs = append(o.ReplicaArgs, "--slave-parallel-workers=0")
		}
		return o
	}
	modes := map[string]Options{
		"gtid": serial(Options{GTID: true}), "positions": serial(Options{}),
		"gtid, 4 threads": {GTID: true, ParallelThreads: 4}, "positions, 4 threads": {ParallelThreads: 4},
	}
	if (Needs{Channels: true}).Lacking(on) == "" {
		channels := []string{"north", "south side"}
		modes["gtid, channels"] = serial(Options{GTID: true, Channels: channels})
		modes["gtid, channels, 4 threads"] = Options{GTID: true, Channels: channels, ParallelThreads: 4}
		modes["positions, channels"] = serial(Options{Channels: channels})
	}
	if on.IsMySQL(8, 0, 20) {
		modes["positions, 4 threads, compressed"] = Options{ParallelThreads: 4, SourceArgs: []string{"--binlog-transaction-compression=ON"}}
	}
	if on.Flavor == server.MariaDB {
		modes["gtid, 4 threads, compressed"] = Options{GTID: true, ParallelThreads: 4, SourceArgs: []string{"--log-bin-compress=ON", "--log-bin-compress-min-len=10"}}
	}
	return modes
}

// TestSkipExactlyOne: transactions that fail the same way stand behind each other; each skip passes over one of them, with all its
// rows, and tells of the next; one is repaired instead and resumed; then all goes on.
func TestSkipExactlyOne(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for name, options := range skipModes(on) {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				skipOneByOne(t, newBroken(t, options))
			})
		}
	})
}

// TestSkipStatements: a statement that failed is skipped with its transaction; the error's text says less of it than that of a row event.
func TestSkipStatements(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, name := range []string{"gtid", "positions", "positions, 4 threads"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				options := skipModes(on)[name]
				options.Format = "STATEMENT"
				b := newBroken(t, options)
				outcome, err := b.skip(t.Context(), b.failing(t, 2, 1062), b.method(t))
				if err != nil || outcome.After.StoppedByError() {
					t.Fatalf("%+v, %v, after %q", outcome, err, b.steps)
				}
				b.requireNothingLeft(t)
				b.upstream.Exec(t, "INSERT INTO app.t VALUES (200, 9)")
				b.tp.WaitCaughtUp(t)
				if rows := b.rows(t); rows != "4=1 6=1 7=3 8=2 100=0 200=9" {
					t.Errorf("rows at the end: %s", rows)
				}
			})
		}
	})
}

// newBroken makes the transactions 0 and 1 fail with 1032, 2 with 1062; 3 would not. The statements come before them, in one session.
func newBroken(t *testing.T, options Options, statements ...string) *broken {
	t.Helper()
	return breakTopology(t, NewTopology(t, options), statements...)
}

func breakTopology(t *testing.T, tp *Topology, statements ...string) *broken {
	t.Helper()
	b, options := &broken{tp: tp}, tp.options
	last := len(b.tp.Sources) - 1
	b.upstream = b.tp.Sources[last]
	if len(options.Channels) > 0 {
		b.channel = options.Channels[last]
		b.tp.Source.Exec(t, "CREATE DATABASE other", "CREATE TABLE other.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)", "INSERT INTO other.t (v) VALUES (1)")
	}
	b.upstream.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT)",
		"INSERT INTO app.t SELECT seq, 0 FROM "+b.upstream.Numbers(20))
	b.account = b.upstream.CreateUser(t, "skipper", b.upstream.Row.skipGrants()+" ON *.*")
	b.upstream.Exec(t, statements...)
	b.tp.Damage(t, 0, "DELETE FROM app.t WHERE id = 5", "INSERT INTO app.t VALUES (100, 0)")
	b.replica, b.source = b.session(t, b.tp.Replica(0)), b.session(t, b.upstream)
	b.write(t, "UPDATE app.t SET v = 1 WHERE id IN (4, 5, 6)")
	b.write(t, "BEGIN", "UPDATE app.t SET v = 2 WHERE id = 5", "UPDATE app.t SET v = 2 WHERE id = 8", "COMMIT")
	b.write(t, "INSERT INTO app.t VALUES (99, 1), (100, 1), (101, 1)")
	b.write(t, "UPDATE app.t SET v = 3 WHERE id = 7")
	return b
}

// skipGrants are what skipping needs on the replica, and on its source.
func (r ServerRow) skipGrants() string {
	switch {
	case r.Flavor == server.MariaDB:
		return "SLAVE MONITOR, BINLOG MONITOR, REPLICATION SLAVE ADMIN, SUPER" // SUPER for the counter
	case r.IsMySQL(8, 3, 0):
		return "SELECT, REPLICATION CLIENT, REPLICATION SLAVE, REPLICATION_SLAVE_ADMIN, SYSTEM_VARIABLES_ADMIN, TRANSACTION_GTID_TAG"
	case r.IsMySQL(8, 0, 11):
		return "SELECT, REPLICATION CLIENT, REPLICATION SLAVE, REPLICATION_SLAVE_ADMIN, SYSTEM_VARIABLES_ADMIN"
	}
	return "SELECT, REPLICATION CLIENT, REPLICATION SLAVE, SUPER"
}

func (b *broken) session(t *testing.T, n *Node) *server.Session {
	t.Helper()
	session, err := openAs(t, t, n, b.account).Session(t.Context(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// write runs one transaction on the source and notes where it is logged.
func (b *broken) write(t *testing.T, statements ...string) {
	t.Helper()
	var w logged
	var before string
	w.start, before = b.logEnd(t)
	b.upstream.Exec(t, statements...)
	var after string
	w.end, after = b.logEnd(t)
	switch {
	case b.upstream.Row.Flavor == server.MariaDB:
		was := strings.Split(before, ",")
		for _, gtid := range strings.Split(after, ",") {
			if !slices.Contains(was, gtid) {
				w.gtid = gtid
			}
		}
	case after != before:
		w.gtid = strings.ToLower(b.upstream.Value(t, "SELECT GTID_SUBTRACT(?, ?)", after, before))
	}
	b.logged = append(b.logged, w)
}

// logEnd is where the source's log ends, in both coordinates.
func (b *broken) logEnd(t *testing.T) (repl.Position, string) {
	t.Helper()
	at, err := repl.SourcePosition(t.Context(), b.source)
	if err != nil {
		t.Fatal(err)
	}
	query := "SELECT @@GLOBAL.gtid_executed"
	if b.upstream.Row.Flavor == server.MariaDB {
		query = "SELECT @@GLOBAL.gtid_binlog_pos"
	}
	return at, strings.Join(strings.Fields(b.upstream.Value(t, query)), "")
}

// failing waits until the applier stands at a transaction with an error.
func (b *broken) failing(t *testing.T, transaction, number int) repl.Failing {
	t.Helper()
	var failing repl.Failing
	eventually(t, fmt.Sprintf("the applier stops at transaction %d", transaction), time.Minute, func() (bool, string) {
		var err error
		failing, _, err = repl.ReadFailing(t.Context(), b.replica, b.channel)
		return err == nil, fmt.Sprint(err)
	})
	w := b.logged[transaction]
	if failing.Error.Number != number {
		t.Errorf("transaction %d fails with %s, want %d", transaction, failing.Error, number)
	}
	// Some appliers pass over executed transactions without moving their position, or move it ahead of what other domains execute.
	mayLag := b.upstream.Row.Flavor == server.MySQL && (b.tp.options.GTID || b.upstream.Row.IsMySQL(8, 0, 0) || b.tp.options.ParallelThreads > 0)
	severalDomains := b.tp.options.GTID && b.tp.options.ParallelThreads > 0 && strings.Contains(b.tp.Replica(0).gtidState(t), ",")
	if behind := failing.Position.Compare(w.start); !severalDomains && (behind > 0 || behind < 0 && !mayLag) {
		t.Errorf("transaction %d is at %s, the replica stands at %s", transaction, w.start, failing.Position)
	}
	if failing.EventFileSure && failing.EventEnd.File != "" && (failing.EventEnd.Compare(w.start) <= 0 || failing.EventEnd.Compare(w.end) > 0) {
		t.Errorf("transaction %d is at %s to %s, the event that failed ends at %s (%s)", transaction, w.start, w.end, failing.EventEnd, failing.Error)
	}
	if b.upstream.Row.Flavor == server.MySQL && !strings.EqualFold(failing.GTID, w.gtid) {
		t.Errorf("transaction %d is %q, the replica says %q", transaction, w.gtid, failing.GTID)
	}
	failing.GTID = w.gtid
	return failing
}

// gtidState is MariaDB's gtid_slave_pos, "" on MySQL.
func (n *Node) gtidState(t *testing.T) string {
	t.Helper()
	if n.Row.Flavor == server.MySQL {
		return ""
	}
	return n.Value(t, "SELECT @@GLOBAL.gtid_slave_pos")
}

func (b *broken) method(t *testing.T) repl.SkipMethod {
	t.Helper()
	status, err := repl.ReadStatus(t.Context(), b.replica, b.channel)
	if err != nil {
		t.Fatal(err)
	}
	method, why, err := repl.SkipMethodFor(t.Context(), b.replica, status)
	if err != nil || why == "" {
		t.Fatalf("%q, %q, %v", method, why, err)
	}
	return method
}

// wantedMethod is the one that the mode needs, by the servers' manuals.
func (b *broken) wantedMethod() repl.SkipMethod {
	o := b.tp.options
	switch {
	case !o.GTID:
		return repl.SkipByCounter
	case b.upstream.Row.Flavor == server.MySQL:
		return repl.SkipByEmptyTransaction
	case o.ParallelThreads > 0 && len(o.Channels) > 1:
		return repl.SkipByGTIDPosition
	}
	return repl.SkipByCounter
}

func (b *broken) skip(ctx context.Context, failing repl.Failing, method repl.SkipMethod) (repl.SkipOutcome, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	b.steps = nil
	return repl.Skip(ctx, b.replica, b.source, failing, method, func(_ context.Context, step repl.SkipStep) error {
		if step.What == "" {
			return errors.New("a step without a word of what it is for")
		}
		b.steps = append(b.steps, step.SQL)
		return nil
	})
}

// rows are the replica's rows that are not as they were at first.
func (b *broken) rows(t *testing.T) string {
	t.Helper()
	var rows []string
	for _, row := range b.tp.Replica(0).Query(t, "SELECT id, v FROM app.t WHERE v <> 0 OR id > 20 ORDER BY id") {
		rows = append(rows, row[0]+"="+row[1])
	}
	return strings.Join(rows, " ")
}

func skipOneByOne(t *testing.T, b *broken) {
	replica := b.tp.Replica(0)
	failing := b.failing(t, 0, 1032)
	method := b.method(t)
	if want := b.wantedMethod(); method != want {
		t.Errorf("method %s, want %s", method, want)
	}
	if len(b.tp.Sources) > 1 { // the other channel goes on meanwhile
		b.tp.Source.Exec(t, "INSERT INTO other.t (v) SELECT seq FROM "+b.tp.Numbers(5))
	}
	for transaction, next := range []int{1032, 1062} {
		outcome, err := b.skip(t.Context(), failing, method)
		if err != nil || outcome.After.ApplierError.Number != next || !outcome.After.StoppedByError() || len(outcome.Warnings) > 0 {
			t.Fatalf("skipping transaction %d: %+v, %v, after %q", transaction, outcome, err, b.steps)
		}
		if rows := b.rows(t); rows != "100=0" {
			t.Errorf("rows after transaction %d was skipped: %s", transaction, rows)
		}
		b.requireNothingLeft(t)
		if _, err := b.skip(t.Context(), failing, method); !errors.Is(err, repl.ErrFailingChanged) || len(b.steps) > 0 {
			t.Errorf("skipping transaction %d again: %v, after %q", transaction, err, b.steps)
		}
		failing = b.failing(t, transaction+1, next)
	}
	if status, passed, err := repl.Resume(t.Context(), b.replica, failing); err != nil || passed || status.ApplierError.Number != 1062 {
		t.Errorf("resumed where nothing was done: %v, %v, %v", status.ApplierError, passed, err)
	}
	if err := replica.damage(t.Context(), "DELETE FROM app.t WHERE id = 100"); err != nil {
		t.Fatal(err)
	}
	status, passed, err := repl.Resume(t.Context(), b.replica, failing)
	if err != nil || !passed || status.StoppedByError() {
		t.Errorf("resumed: %v, %v, %v", status.ApplierError, passed, err)
	}
	b.upstream.Exec(t, "INSERT INTO app.t VALUES (200, 9)")
	replica.waitChannel(t, b.upstream, b.channel)
	if rows := b.rows(t); rows != "7=3 99=1 100=1 101=1 200=9" {
		t.Errorf("rows at the end: %s", rows)
	}
	if len(b.tp.Sources) > 1 {
		// MASTER_POS_WAIT waits for ever where an applier was started anew and nothing came since.
		b.tp.Source.Exec(t, "INSERT INTO other.t (v) VALUES (0)")
		b.tp.WaitCaughtUp(t)
		if count := replica.Value(t, "SELECT COUNT(*) FROM other.t"); count != "7" {
			t.Errorf("%s rows of the other channel", count)
		}
	}
	requireChannelsRunning(t, replica, max(1, len(b.tp.options.Channels)))
}

// requireNothingLeft looks for what a skip could leave behind: a counter, a GTID that the session gives next, a chosen connection.
func (b *broken) requireNothingLeft(t *testing.T) {
	t.Helper()
	for _, status := range b.tp.Replica(0).Channels(t) {
		if status["Skip_Counter"] != "0" {
			t.Errorf("channel %q still has a skip counter of %s", status["Channel_Name"], status["Skip_Counter"])
		}
	}
	name, session := "slave", "SELECT @@SESSION.default_master_connection AS v"
	if on := b.tp.Replica(0).Row; on.Flavor == server.MySQL {
		session = "SELECT REPLACE(@@SESSION.gtid_next, 'AUTOMATIC', '') AS v"
		if on.IsMySQL(8, 0, 26) {
			name = "replica"
		}
	}
	if counter := b.tp.Replica(0).Value(t, "SELECT @@GLOBAL.sql_"+name+"_skip_counter"); counter != "0" {
		t.Errorf("the skip counter is %s", counter)
	}
	if record, err := b.replica.One(t.Context(), session); err != nil || record.Text("v") != "" {
		t.Errorf("the session is left with %q, %v", record.Text("v"), err)
	}
}

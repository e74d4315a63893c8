package integration

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"trueup/check"
)

// onEpoch does something once, when the first snapshots are open and nothing was read in them yet.
type onEpoch struct {
	once sync.Once
	do   func()
}

func (o *onEpoch) Event(event check.Event) {
	if _, isEpoch := event.(check.EpochOpened); isEpoch {
		o.once.Do(o.do)
	}
}

// holdTable keeps a table's metadata lock on a node until release is called: what would replace the table waits.
func (n *Node) holdTable(t *testing.T, table string) (release func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	conn, err := n.DB.Conn(ctx)
	if err == nil {
		_, err = conn.ExecContext(ctx, "LOCK TABLES "+table+" READ")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		defer cancel()
		if _, err := conn.ExecContext(ctx, "UNLOCK TABLES"); err != nil {
			t.Error(err)
		}
		_ = conn.Close()
	}
}

// TestTableSwappedUnderSnapshot: a table is replaced by another one under its name after the snapshots were opened, and the
// replica comes to it later than the source. Reading goes by name, so without a look at the tables' identities the source would
// show the other table's rows; the check notices, and compares in a new point.
func TestTableSwappedUnderSnapshot(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for name, swap := range map[string]string{
			"rename":             "RENAME TABLE app.t TO app.t_old, app.t_new TO app.t",
			"exchange partition": "ALTER TABLE app.p EXCHANGE PARTITION p0 WITH TABLE app.t_new",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				checkSwapped(t, on, swap)
			})
		}
	})
}

func checkSwapped(t *testing.T, on ServerRow, swap string) {
	tp := NewTopology(t, Options{GTID: true})
	columns := " (id INT PRIMARY KEY, v INT)"
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t"+columns, "CREATE TABLE app.t_new"+columns,
		"CREATE TABLE app.p"+columns+" PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10000), PARTITION p1 VALUES LESS THAN MAXVALUE)",
		"INSERT INTO app.t SELECT seq, seq FROM "+tp.Numbers(500), "INSERT INTO app.p SELECT seq, seq FROM "+tp.Numbers(500),
		"INSERT INTO app.t_new SELECT seq, -seq FROM "+tp.Numbers(500))
	tp.WaitCaughtUp(t)
	release := tp.Replica(0).holdTable(t, "app.t_new")
	var freed sync.WaitGroup
	request := requestFor(tp)
	request.Filters.Tables = []string{"app.t", "app.p"}
	result, err := check.Run(t.Context(), request, &onEpoch{do: func() {
		tp.Source.Exec(t, swap)
		freed.Go(func() {
			time.Sleep(300 * time.Millisecond)
			release()
		})
	}})
	freed.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if result.Verdict != check.Equal || len(result.Sync.Epochs) < 2 {
		t.Errorf("%d epochs, %s", len(result.Sync.Epochs), describe(result))
	}
	requireCovered(t, result)
	requireReplicating(t, tp.Replicas...)
}

// disturbance is something that happens on the servers while a check reads.
type disturbance struct {
	name string
	do   func(t *testing.T, tp *Topology)
	// verdict and reason are those of the disturbed table app.t; the other table is always equal.
	verdict check.Verdict
	reason  string
}

func onSource(statements ...string) func(*testing.T, *Topology) {
	return func(t *testing.T, tp *Topology) { tp.Source.Exec(t, statements...) }
}

var disturbances = []disturbance{
	{name: "column added", do: onSource("ALTER TABLE app.t ADD COLUMN more INT DEFAULT 7"), verdict: check.Unverified, reason: check.ReasonTableChanged},
	{name: "column dropped", do: onSource("ALTER TABLE app.t DROP COLUMN v"), verdict: check.Unverified, reason: check.ReasonTableChanged},
	{name: "dropped", do: onSource("DROP TABLE app.t"), verdict: check.Unverified, reason: check.ReasonTableChanged},
	{name: "renamed away", do: onSource("RENAME TABLE app.t TO app.gone"), verdict: check.Unverified, reason: check.ReasonTableChanged},
	{name: "truncated", do: onSource("TRUNCATE TABLE app.t"), verdict: check.Equal},
	{name: "rebuilt", do: onSource("OPTIMIZE TABLE app.t", "ALTER TABLE app.t ENGINE=InnoDB"), verdict: check.Equal},
	{name: "index added", do: onSource("ALTER TABLE app.t ADD INDEX (v)"), verdict: check.Equal},
	{name: "flushed", do: onSource("FLUSH TABLES", "FLUSH BINARY LOGS"), verdict: check.Equal},
	{name: "logs purged", do: func(t *testing.T, tp *Topology) {
		tp.Source.Exec(t, "FLUSH BINARY LOGS", "FLUSH BINARY LOGS")
		tp.WaitCaughtUp(t)
		file, _ := tp.Source.BinlogPosition(t)
		tp.Source.Exec(t, "PURGE BINARY LOGS TO '"+file+"'")
	}, verdict: check.Equal},
	{name: "readers killed on the source", do: func(t *testing.T, tp *Topology) { killReaders(t, tp.Source) }, verdict: check.Equal},
	{name: "readers killed on the replica", do: func(t *testing.T, tp *Topology) { killReaders(t, tp.Replica(0)) }, verdict: check.Equal},
	{name: "replica restarted", do: func(t *testing.T, tp *Topology) { restart(t, tp, tp.Replica(0)) }, verdict: check.Equal},
	{name: "source restarted", do: func(t *testing.T, tp *Topology) { restart(t, tp, tp.Source) }, verdict: check.Equal},
}

func restart(t *testing.T, tp *Topology, node *Node) {
	t.Helper()
	if err := node.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	tp.Replica(0).StopReplica(t)
	tp.Replica(0).StartReplica(t) // a receiver waits for a minute before it looks for a source that was away
}

// TestDisturbedInTheMiddle: DDL, maintenance, restarts and lost sessions while snapshots are held cost a table what they must
// and the rest of the run nothing.
func TestDisturbedInTheMiddle(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for part := range slices.Chunk(disturbances, 4) { // one topology after the other: starting one takes longer than all of this
			t.Run(part[0].name+" …", func(t *testing.T) {
				t.Parallel()
				tp := NewTopology(t, Options{GTID: true})
				for _, d := range part {
					checkDisturbed(t, tp, d)
				}
				requireReplicating(t, tp.Replicas...)
			})
		}
	})
}

func checkDisturbed(t *testing.T, tp *Topology, d disturbance) {
	tp.Source.Exec(t, "DROP DATABASE IF EXISTS app", "CREATE DATABASE app")
	for _, table := range []string{"app.before", "app.t"} {
		tp.Source.Exec(t, "CREATE TABLE "+table+" (id INT PRIMARY KEY, v INT)", "INSERT INTO "+table+" SELECT seq, seq FROM "+tp.Numbers(1000))
	}
	tp.WaitCaughtUp(t)
	result, err := check.Run(t.Context(), requestFor(tp), &onEpoch{do: func() { d.do(t, tp) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range result.Tables {
		verdict, reason := check.Equal, ""
		if table.Table == "t" {
			verdict, reason = d.verdict, d.reason
		}
		if table.Verdict != verdict || table.ReasonCode != reason {
			t.Errorf("%s: %s is %s (%s), want %s (%s)\n%s", d.name, table.Table, table.Verdict, table.ReasonCode, verdict, reason, describe(result))
		}
	}
	if result.Verdict != d.verdict {
		t.Errorf("%s: %s", d.name, describe(result))
	}
	tp.WaitCaughtUp(t)
}

package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/check"
	"trueup/recovery"
	"trueup/repair"
)

// driftCase is a way in which replication carries a difference to another row. Number 7 differs.
type driftCase struct {
	name           string
	options        Options
	column         string   // of app.t, besides id and v
	tables         []string // besides app.t
	damage, writes []string
	needs          func(ServerRow) bool // nil: any server
}

var (
	lacks7 = []string{"DELETE FROM app.t WHERE id = 7"}
	wrong7 = []string{"UPDATE app.t SET v = -1 WHERE id = 7"}
	moves7 = []string{"UPDATE app.t SET id = id + 100000 WHERE id = 7"}
)

func driftCases() []driftCase {
	return []driftCase{
		{name: "a missing row moves", options: Options{Format: "ROW", ReplicaArgs: []string{"--slave-exec-mode=IDEMPOTENT"}}, damage: lacks7, writes: moves7},
		{name: "errors are skipped", options: Options{Format: "ROW", ReplicaArgs: []string{"--slave-skip-errors=1032"}}, damage: lacks7, writes: moves7},
		{name: "a statement moves it", options: Options{Format: "STATEMENT"}, damage: wrong7, writes: moves7},
		{name: "a mixed log moves it", options: Options{Format: "MIXED"}, damage: wrong7, writes: moves7},
		{name: "a row's image without it", options: Options{Format: "ROW", SourceArgs: []string{"--binlog-row-image=MINIMAL"}}, damage: wrong7, writes: moves7},
		{name: "a part of a JSON", column: `, j JSON DEFAULT ('{"a": 1, "b": 2}')`, options: Options{Format: "ROW", SourceArgs: []string{"--binlog-row-value-options=PARTIAL_JSON"}},
			damage: []string{`UPDATE app.t SET j = '{"a": 0, "b": 2}' WHERE id = 7`}, writes: []string{"UPDATE app.t SET id = id + 100000, j = JSON_SET(j, '$.b', 3) WHERE id = 7"},
			needs: func(on ServerRow) bool { return on.IsMySQL(8, 0, 3) }},
		{name: "a statement copies it", options: Options{Format: "STATEMENT"}, damage: wrong7,
			writes: []string{"INSERT INTO app.t (id, v) SELECT id + 100000, v FROM app.t WHERE id = 7", "UPDATE app.t SET v = 5 WHERE id = 7"}},
		{name: "a statement takes it to another table", options: Options{Format: "MIXED"}, tables: []string{"app.archive (id INT PRIMARY KEY, v INT NOT NULL)"}, damage: wrong7,
			writes: []string{"INSERT INTO app.archive SELECT id, v FROM app.t WHERE id = 7", "DELETE FROM app.t WHERE id = 7"}},
		{name: "a foreign key moves the others", options: Options{Format: "ROW"},
			tables: []string{"app.c (p INT NOT NULL, n INT NOT NULL, PRIMARY KEY (p, n), FOREIGN KEY (p) REFERENCES app.t (id) ON UPDATE CASCADE ON DELETE CASCADE)"},
			damage: []string{"DELETE FROM app.c WHERE p = 7"}, writes: moves7, needs: foreignKeysUnlogged},
		{name: "a foreign key finds no parent", options: Options{Format: "ROW", ReplicaArgs: []string{"--slave-exec-mode=IDEMPOTENT"}},
			tables: []string{"app.c (p INT NOT NULL, n INT NOT NULL, PRIMARY KEY (p, n), FOREIGN KEY (p) REFERENCES app.t (id) ON UPDATE CASCADE ON DELETE CASCADE)"},
			damage: append([]string{"SET SESSION foreign_key_checks = 0"}, lacks7...), writes: []string{"DELETE FROM app.t WHERE id = 7"}, needs: foreignKeysUnlogged},
		{name: "a child whose parent is missing", options: Options{Format: "ROW", ReplicaArgs: []string{"--slave-exec-mode=IDEMPOTENT"}},
			tables: []string{"app.c (p INT NOT NULL, n INT NOT NULL, PRIMARY KEY (p, n), FOREIGN KEY (p) REFERENCES app.t (id))"},
			damage: []string{"DELETE FROM app.t WHERE id = 888"}, writes: []string{"INSERT INTO app.c VALUES (888, 1)"}},
		{name: "a parent whose child is extra", options: Options{Format: "ROW", ReplicaArgs: []string{"--slave-exec-mode=IDEMPOTENT"}},
			tables: []string{"app.c (p INT NOT NULL, n INT NOT NULL, PRIMARY KEY (p, n), FOREIGN KEY (p) REFERENCES app.t (id))"},
			damage: []string{"INSERT INTO app.c VALUES (888, 1)"}, writes: []string{"DELETE FROM app.t WHERE id = 888"}},
	}
}

// foreignKeysUnlogged: MySQL 9.7 logs the rows that a foreign key's action changes, and stops where one is missing.
func foreignKeysUnlogged(on ServerRow) bool { return !on.IsMySQL(9, 0, 0) }

// TestRepairFindsWhereDriftWent: between the check and the repair the source writes to a row that differs on the replica, whose applier carries the difference to
// another place: a row that is missing moves and is missing there, since the applier goes on over it, a statement reads the value that is only the
// replica's, a foreign key's action finds no row. What was planned is equal then, and the repair must not be: it says where the difference has gone, and
// the next one repairs it.
func TestRepairFindsWhereDriftWent(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, c := range driftCases() {
			if c.needs == nil || c.needs(on) {
				t.Run(c.name, func(t *testing.T) { driftGoes(t, c) })
			}
		}
	})
}

// newDrift has the case's tables on both sides, and its difference.
func newDrift(t *testing.T, c driftCase) *Topology {
	t.Helper()
	tp := NewTopology(t, c.options)
	// Where it is replicated as a statement, MySQL's applier does not count beyond 1000.
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT NOT NULL"+c.column+")", "INSERT INTO app.t (id, v) SELECT seq, seq FROM "+tp.Numbers(900))
	for _, table := range c.tables {
		name, _, _ := strings.Cut(table, " ")
		tp.Source.Exec(t, "CREATE TABLE "+table, "INSERT INTO "+name+" SELECT id, v FROM app.t WHERE id < 500 AND (id <> 7 OR '"+name+"' = 'app.c')")
	}
	tp.WaitCaughtUp(t)
	tp.Damage(t, 0, c.damage...)
	return tp
}

func (c driftCase) names() []string {
	names := []string{"app.t"}
	for _, table := range c.tables {
		name, _, _ := strings.Cut(table, " ")
		names = append(names, name)
	}
	return names
}

func driftGoes(t *testing.T, c driftCase) {
	t.Parallel()
	tp := newDrift(t, c)
	run := NewRepairRun(t, requestFor(tp), true)
	run.Request.Confirm = func(context.Context, *repair.Result) (bool, error) {
		tp.Source.Exec(t, c.writes...)
		tp.WaitCaughtUp(t)
		return true, nil
	}
	result := run.Run(t)
	if result.Verified == nil || result.Verified.Verdict != check.Different || !strings.Contains(strings.Join(result.Replicas[0].Notes, "\n"), "compared once more as a whole") {
		t.Errorf("called repaired: %s", DescribeRepair(result))
	}
	requireAllRepaired(t, NewRepairRun(t, requestFor(tp), true).Run(t))
	if source, replica := DumpTables(t, tp.Source, c.names()...), DumpTables(t, tp.Replica(0), c.names()...); source != replica {
		t.Errorf("the rows differ:\n%s", diffLines(source, replica))
	}
	requireReplicating(t, tp.Replicas...)
}

// TestRepairLooksBelow: a replica passes over a change of a row that it lacks, and logs none for the one below, which was equal when it was checked.
func TestRepairLooksBelow(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Chain: true, Replicas: 2, ReplicaArgs: []string{"--slave-exec-mode=IDEMPOTENT"}})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT NOT NULL)", "INSERT INTO app.t SELECT seq, seq FROM "+tp.Numbers(900))
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, lacks7...)
		run := NewRepairRun(t, requestFor(tp), true)
		run.Request.Confirm = func(context.Context, *repair.Result) (bool, error) {
			tp.Source.Exec(t, "UPDATE app.t SET v = 70 WHERE id = 7")
			tp.WaitCaughtUp(t)
			return true, nil
		}
		result := run.Run(t)
		if result.Verified == nil || result.Verified.Verdict != check.Different || result.Verified.Replicas[1].Verdict != check.Different {
			t.Errorf("called repaired: %s", DescribeRepair(result))
		}
		requireAllRepaired(t, NewRepairRun(t, requestFor(tp), true).Run(t))
		requireReplicating(t, tp.Replicas...)
	}, seesAppliers)
}

// TestRepairReadsNoMoreThanItMust: where nothing can have carried a difference elsewhere, or nothing was overtaken, only what was found to differ is
// compared once more: also where rows had to change along for a unique value.
func TestRepairReadsNoMoreThanItMust(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Format: "ROW"})
		far(t, tp)
		for name, overtake := range map[string]string{"nothing was overtaken": "", "rows hold all": "UPDATE app.t SET v = 5 WHERE id = 4500"} {
			tp.Damage(t, 0, "UPDATE app.t SET v = 0 WHERE id IN (4500, 4501)", // and two rows that have each other's unique values
				"UPDATE app.t SET u = NULL WHERE id = 1", "UPDATE app.t SET u = 1 WHERE id = 9000", "UPDATE app.t SET u = 9000 WHERE id = 1")
			format := "MIXED"
			if overtake != "" {
				format = "ROW"
			}
			tp.Source.Exec(t, "SET GLOBAL binlog_format = "+format)
			run := NewRepairRun(t, inParts(tp), true)
			run.Request.Confirm = func(context.Context, *repair.Result) (bool, error) {
				if overtake != "" {
					tp.Source.Exec(t, "SET SESSION binlog_format = ROW", overtake)
					tp.WaitCaughtUp(t)
				}
				return true, nil
			}
			result := run.Run(t)
			requireAllRepaired(t, result)
			if result.Replicas[0].Tables[0].Conflicts == 0 {
				t.Errorf("%s: no row changed along: %s", name, DescribeRepair(result))
			}
			if all := tp.Source.Value(t, "SELECT COUNT(*) FROM app.t"); len(result.Replicas[0].Notes) > 0 || fmt.Sprint(result.Verified.Tables[0].Rows) == all {
				t.Errorf("%s: %d rows were read: %s", name, result.Verified.Tables[0].Rows, DescribeRepair(result))
			}
		}
	})
}

// TestRepairFromWarnsOfMovedDrift: a stored check's range is equal by the time of the repair, since the replica's difference has gone elsewhere: that
// this was not looked at is said.
func TestRepairFromWarnsOfMovedDrift(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		c := driftCases()[0]
		tp := newDrift(t, c)
		request := requestFor(tp)
		stored := runCheck(t, request)
		tp.Source.Exec(t, c.writes...)
		tp.WaitCaughtUp(t)
		run := NewRepairRun(t, request, true)
		run.Request.From = &repair.Stored{}
		for _, found := range stored.DifferentRanges {
			run.Request.Check.Ranges = append(run.Request.Check.Ranges, check.Range{Replica: found.Replica, Database: found.Database, Table: found.Table, Key: found.Key, Lower: found.Lower, Upper: found.Upper})
		}
		result := run.Run(t)
		if warnings := strings.Join(result.Warnings, "\n"); !strings.Contains(warnings, "exec_mode=IDEMPOTENT") || !strings.Contains(warnings, "a whole check finds") {
			t.Errorf("warnings %q: %s", result.Warnings, DescribeRepair(result))
		}
	})
}

// TestRepairVerifiesWhatItDiscovered: a replica that was discovered, and loses its receiver once it is repaired, or is no replica any more, is said not to be
// equal: the source does not know of it any more. The other one is checked once more all the same.
func TestRepairVerifiesWhatItDiscovered(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for name, goes := range map[string]func(*Node){
			"no receiver": func(n *Node) { n.StopReplica(t, "IO_THREAD") },
			"no replica":  func(n *Node) { n.StopReplica(t); n.Exec(t, on.forgetReplication()...) },
		} {
			t.Run(name, func(t *testing.T) { replicaGoes(t, goes) })
		}
	})
}

func replicaGoes(t *testing.T, goes func(*Node)) {
	tp := NewTopology(t, Options{Replicas: 2})
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT NOT NULL)", "INSERT INTO app.t SELECT seq, seq FROM "+tp.Numbers(900))
	tp.WaitCaughtUp(t)
	for i := range tp.Replicas {
		tp.Damage(t, i, lacks7...)
	}
	request := requestFor(tp)
	request.Replicas = nil
	request.Source = tp.Source.CreateUser(t, "checker", "ALL ON *.*")
	tp.WaitCaughtUp(t)
	var gone *Node
	result, err := repair.Run(t.Context(), NewRepairRun(t, request, true).Request, eachGroup(func(done repair.GroupDone) {
		switch {
		case gone == nil:
			gone = tp.Replica(slices.IndexFunc(tp.Replicas, func(n *Node) bool { return n.Address() == done.Replica }))
		case gone.Address() != done.Replica:
			goes(gone)
			tp.awaitOneReader(t)
		}
	}))
	if err != nil || result.Verified == nil || len(result.Verified.Replicas) != 2 || result.Verified.Verdict != check.Unverified {
		t.Fatalf("%v: %s", err, DescribeRepair(result))
	}
	for _, replica := range result.Verified.Replicas {
		if (replica.Verdict == check.Equal) != (replica.Address != gone.Address()) {
			t.Errorf("%s, of which %s has gone: %s", replica.Address, gone.Address(), DescribeRepair(result))
		}
	}
}

// eachGroup is told of each group that was committed.
type eachGroup func(repair.GroupDone)

func (f eachGroup) Event(event check.Event) {
	if done, is := event.(repair.GroupDone); is {
		f(done)
	}
}

// awaitOneReader waits until the source knows of one replica only.
func (tp *Topology) awaitOneReader(t *testing.T) {
	t.Helper()
	eventually(t, "the source knows of one replica", stopLimit, func() (bool, string) {
		tp.Source.Exec(t, "INSERT INTO app.t SELECT 1 + MAX(id), 0 FROM app.t") // a reader that is gone is noticed when something is sent
		readers := tp.Source.Value(t, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'")
		return readers == "1", readers
	})
}

// TestSkipFindsWhereDriftWent: what a skip leaves out is moved on the source right behind it, which an applier that passes over errors does not do. The proof is of
// the whole table, and nothing stays lost.
func TestSkipFindsWhereDriftWent(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Format: "ROW", ReplicaArgs: []string{"--slave-skip-errors=1032"}})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT NOT NULL)", "INSERT INTO app.t SELECT 10 * seq, seq FROM "+tp.Numbers(900))
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "INSERT INTO app.t VALUES (7, -1)")
		tp.Source.Exec(t, "INSERT INTO app.t VALUES (7, 7), (18, 8)", "UPDATE app.t SET id = 100018 WHERE id = 18")
		tp.AwaitStopped(t, 0, 1062)
		result := NewRecoverRun(t, tp, recovery.Skip).Run(t)
		if o := result.Attempts[0].Diagnosis.Option(recovery.Skip); o == nil || !strings.Contains(strings.Join(o.Loses, "\n"), "skip_errors=1032, so that what is lost may be missing in other rows too") {
			t.Errorf("option: %+v", o)
		}
		requireProvenEqual(t, tp, result, "app.t")
	})
}

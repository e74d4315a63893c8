package integration

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"trueup/recovery"
	repl "trueup/replication"
	"trueup/server"
)

// provokeRecovery has the source write, waits until the replica stands with that error, and recovers it.
func provokeRecovery(t *testing.T, tp *Topology, action recovery.Action, number int, write ...string) *recovery.Result {
	t.Helper()
	tp.Source.Exec(t, write...)
	tp.AwaitStopped(t, 0, number)
	run := NewRecoverRun(t, tp, action)
	run.Request.MaxErrors = 4
	result := run.Run(t)
	return result
}

func requireProvenEqual(t *testing.T, tp *Topology, result *recovery.Result, tables ...string) {
	t.Helper()
	if result.Outcome != recovery.Proven {
		t.Error(describeRecovery(result))
	}
	tp.WaitCaughtUp(t)
	if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, tp.Replica(0), tables...); want != got {
		t.Errorf("the replica is not equal, and the outcome is %s:\n%s", result.Outcome, diffLines(want, got))
	}
}

// TestRecoverLeavesFilteredRows: rows that the channel's filters keep from the replica are its own, whatever the transaction does to them on the
// source.
func TestRecoverLeavesFilteredRows(t *testing.T) {
	t.Parallel()
	for _, action := range []recovery.Action{recovery.Fix, recovery.Skip} {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, Options{ReplicaArgs: []string{"--replicate-wild-ignore-table=hr.local%"}})
			tp.Source.Exec(t, "CREATE DATABASE hr", "CREATE TABLE hr.t (id INT PRIMARY KEY, v INT)", "INSERT INTO hr.t VALUES (1,1),(2,2)")
			tp.WaitCaughtUp(t)
			tp.Source.Exec(t, "CREATE TABLE hr.local1 (id INT PRIMARY KEY, v VARCHAR(20))")
			tp.WaitCaughtUp(t)
			tp.Damage(t, 0, "CREATE TABLE hr.local1 (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO hr.local1 VALUES (1,'own'),(5,'own')", "INSERT INTO hr.t VALUES (7,70)")
			result := provokeRecovery(t, tp, action, 1062, "BEGIN", "INSERT INTO hr.local1 VALUES (1,'source'),(2,'source')", "INSERT INTO hr.t VALUES (7,7)", "COMMIT")
			requireProvenEqual(t, tp, result, "hr.t")
			if got := tp.Replica(0).Value(t, "SELECT GROUP_CONCAT(id, v ORDER BY id) FROM hr.local1"); got != "1own,5own" {
				t.Errorf("the replica's own rows are %s now", got)
			}
		})
	}
}

// TestRecoverProvesCascadesIntoTheSameTable: a foreign key that refers to its own table changes rows of it that no event names.
func TestRecoverProvesCascadesIntoTheSameTable(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"CASCADE", "SET NULL"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, Options{})
			tp.Source.Exec(t, "CREATE DATABASE hr", "CREATE TABLE hr.t (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES t (id) ON DELETE "+action+")",
				"INSERT INTO hr.t VALUES (1,NULL),(3,NULL),(100,1),(200,100),(300,NULL)")
			tp.WaitCaughtUp(t)
			tp.Damage(t, 0, "DELETE FROM hr.t WHERE id=3")
			result := provokeRecovery(t, tp, recovery.Skip, 1032, "BEGIN", "DELETE FROM hr.t WHERE id IN (1,3)", "INSERT INTO hr.t VALUES (1,NULL)", "COMMIT")
			requireProvenEqual(t, tp, result, "hr.t")
		})
	}
}

// TestRecoverByImagesOfAnotherOrder: an ALTER behind the transaction moved columns, so that the source's definition is not that of the images.
func TestRecoverByImagesOfAnotherOrder(t *testing.T) {
	t.Parallel()
	for name, alter := range map[string]string{"moved": "ALTER TABLE hr.t MODIFY id INT NOT NULL AFTER v", "renamed": "ALTER TABLE hr.t CHANGE id v INT NOT NULL, CHANGE v id INT NOT NULL"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, Options{})
			tp.Source.Exec(t, "CREATE DATABASE hr", "CREATE TABLE hr.t (id INT NOT NULL PRIMARY KEY, v INT NOT NULL)", "INSERT INTO hr.t VALUES (5,100),(100,7),(7,8)")
			tp.WaitCaughtUp(t)
			tp.Damage(t, 0, "DELETE FROM hr.t WHERE id=5")
			result := provokeRecovery(t, tp, recovery.Fix, 1032, "UPDATE hr.t SET v=50 WHERE id=5", alter)
			requireProvenEqual(t, tp, result, "hr.t")
		})
	}
}

// TestRecoverCascadesUnderRewrittenNames: tables that hang on those of the transaction have other names on the source, too.
func TestRecoverCascadesUnderRewrittenNames(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{ReplicaArgs: []string{"--replicate-rewrite-db=shop->copy"}})
		for i, n := range tp.Nodes() {
			db := []string{"shop", "copy"}[i]
			n.unlogged(t, "CREATE DATABASE "+db, "CREATE TABLE "+db+".p (id INT PRIMARY KEY)", "CREATE TABLE "+db+".c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES "+db+".p (id) ON DELETE CASCADE)",
				"INSERT INTO "+db+".p VALUES (1),(3),(4)", "INSERT INTO "+db+".c VALUES (10,1),(40,4)")
		}
		tp.Damage(t, 0, "DELETE FROM copy.p WHERE id=3")
		result := provokeRecovery(t, tp, recovery.Skip, 1032, "DELETE FROM shop.p WHERE id IN (1,3)")
		if result.Outcome != recovery.Proven {
			t.Error(describeRecovery(result))
		}
		if got := tp.Replica(0).Value(t, "SELECT CONCAT((SELECT GROUP_CONCAT(id ORDER BY id) FROM copy.p), '/', (SELECT GROUP_CONCAT(id ORDER BY id) FROM copy.c))"); got != "4/40" {
			t.Errorf("outcome %s, and the replica has %s", result.Outcome, got)
		}
	}, Needs{MinMySQL: server.Version{Major: 8}, MinMariaDB: server.Version{Major: 10, Minor: 11}}) // which show the names
}

// TestRecoverWhateverValuesSay: a value that reads like the end of an error's text does not tell which transaction failed.
func TestRecoverWhateverValuesSay(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{Format: "STATEMENT"})
	tp.Source.Exec(t, "CREATE DATABASE hr", "CREATE TABLE hr.t (id VARCHAR(100) PRIMARY KEY)", "CREATE TABLE hr.u (id INT PRIMARY KEY, v MEDIUMTEXT)")
	tp.WaitCaughtUp(t)
	file, position := tp.Source.BinlogPosition(t)
	offset, err := strconv.ParseUint(position, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("the event''s master log %s, end_log_pos %d", file, offset+10_000)
	tp.Damage(t, 0, "INSERT INTO hr.t VALUES ('"+text+"')")
	result := provokeRecovery(t, tp, recovery.Skip, 1062, "INSERT INTO hr.t VALUES ('"+text+"')", "INSERT INTO hr.u VALUES (1, '"+strings.Repeat("x", 20_000)+"')")
	if d := result.Attempts[0].Diagnosis; d.Transaction == nil || d.Transaction.File != file || d.Transaction.Start != offset {
		t.Errorf("the transaction is at %s:%d\n%s", file, offset, describeRecovery(result))
	}
	requireProvenEqual(t, tp, result, "hr.t", "hr.u")
}

// TestRecoverBesideSystemTables: what a transaction does to a table of the server's own is not compared, which is said; the rows beside it are not lost for that.
func TestRecoverBesideSystemTables(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{})
		tp.Source.Exec(t, "CREATE DATABASE hr", "CREATE TABLE hr.t (id INT PRIMARY KEY, v INT)", "INSERT INTO hr.t VALUES (1,1),(2,2)")
		tp.WaitCaughtUp(t)
		insert := "INSERT INTO mysql.servers (Server_name, Host, Db, Username, Password, Port, Socket, Wrapper, Owner) VALUES ('x','h','d','u','p',1,'','w','o')"
		tp.Damage(t, 0, "INSERT INTO hr.t VALUES (7,70)")
		if on.Flavor == server.MariaDB || on.IsMySQL(5, 0, 0) && !on.IsMySQL(8, 0, 0) { // it is not transactional there, and stands by itself in the log
			tp.Damage(t, 0, insert)
		}
		result := provokeRecovery(t, tp, recovery.Skip, 1062, "BEGIN", insert, "INSERT INTO hr.t VALUES (7,7),(8,8)", "COMMIT")
		tp.WaitCaughtUp(t)
		if want, got := DumpTables(t, tp.Source, "hr.t"), DumpTables(t, tp.Replica(0), "hr.t"); want != got {
			t.Errorf("the replica is not equal:\n%s\n%s", diffLines(want, got), describeRecovery(result))
		}
		if result.Outcome == recovery.Proven {
			t.Error(describeRecovery(result))
		}
	})
}

// TestRecoverBesideDroppedTables: a table that was dropped behind the transaction leaves nothing to compare; the rows beside it are not lost for that.
func TestRecoverBesideDroppedTables(t *testing.T) {
	t.Parallel()
	for _, action := range []recovery.Action{recovery.Fix, recovery.Skip} {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, Options{})
			tp.Source.Exec(t, "CREATE DATABASE hr", "CREATE TABLE hr.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE hr.gone (id INT PRIMARY KEY)")
			tp.WaitCaughtUp(t)
			tp.Damage(t, 0, "INSERT INTO hr.t VALUES (7,70)")
			result := provokeRecovery(t, tp, action, 1062, "BEGIN", "INSERT INTO hr.gone VALUES (1)", "INSERT INTO hr.t VALUES (7,7),(8,8)", "COMMIT", "DROP TABLE hr.gone")
			requireProvenEqual(t, tp, result, "hr.t")
		})
	}
}

// TestRecoverAboveOtherReplicas: replicas of the replica get neither a fix nor what a skip leaves out. That is said before and afterwards, and the
// replica itself is repaired all the same.
func TestRecoverAboveOtherReplicas(t *testing.T) {
	t.Parallel()
	for _, action := range []recovery.Action{recovery.Fix, recovery.Skip} {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, Options{Chain: true, Replicas: 2})
			tp.Source.Exec(t, "CREATE DATABASE hr", "CREATE TABLE hr.t (id INT PRIMARY KEY, v INT)", "INSERT INTO hr.t VALUES (1,1),(2,2)")
			tp.WaitCaughtUp(t)
			tp.Damage(t, 0, "INSERT INTO hr.t VALUES (7,70)")
			result := provokeRecovery(t, tp, action, 1062, "INSERT INTO hr.t VALUES (7,7),(8,8)")
			requireProvenEqual(t, tp, result, "hr.t")
			if said := strings.Join(result.Warnings, " "); !strings.Contains(said, "replicas of its own") {
				t.Errorf("the replica's own replicas are not spoken of: %s", said)
			}
			if loses := strings.Join(result.Attempts[0].Diagnosis.Option(action).Loses, " "); !strings.Contains(loses, "replicas of its own") {
				t.Errorf("it is not said before: %s", loses)
			}
		})
	}
}

// TestRecoverOfManyRowsWithoutAKey: each of them would be looked for in the whole table. A diagnosis of such a transaction ends in time.
func TestRecoverOfManyRowsWithoutAKey(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{})
	tp.Source.Exec(t, "CREATE DATABASE hr", "CREATE TABLE hr.t (id INT, v VARCHAR(20))", "INSERT INTO hr.t SELECT seq, seq FROM "+tp.Numbers(5000))
	tp.WaitCaughtUp(t)
	tp.Damage(t, 0, "DELETE FROM hr.t WHERE id = 4999")
	result := provokeRecovery(t, tp, recovery.Skip, 1032, "DELETE FROM hr.t WHERE id > 100")
	if result.Attempts[0].Diagnosis.Option(recovery.Fix) != nil {
		t.Error(describeRecovery(result))
	}
	requireProvenEqual(t, tp, result, "hr.t")
}

// TestSkipsAtOnce: a skip of somebody else comes between the look at the applier and the counter. The counter would be for the next transaction.
func TestSkipsAtOnce(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{})
	stop := FindStop(t, "1062 and 1032 behind it")
	stop.Provoke(t, tp)
	replica, err := server.Open(t.Context(), tp.Replica(0).Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	defer replica.Close()
	session, err := replica.Session(t.Context(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	failing, _, err := repl.ReadFailing(t.Context(), session, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = repl.Skip(t.Context(), session, nil, failing, repl.SkipByCounter, func(_ context.Context, step repl.SkipStep) error {
		if strings.Contains(step.SQL, "skip_counter = 1") {
			tp.Replica(0).Exec(t, "SET GLOBAL sql_slave_skip_counter = 1", "START SLAVE SQL_THREAD")
			tp.AwaitStopped(t, 0, 1032)
		}
		return nil
	})
	if !errors.Is(err, repl.ErrFailingChanged) {
		t.Errorf("error %v", err)
	}
	tp.AwaitStopped(t, 0, 1032)
	if left := tp.Replica(0).Value(t, "SELECT @@GLOBAL.sql_slave_skip_counter"); left != "0" {
		t.Errorf("the counter is %s", left)
	}
}

// TestRecoverOfADelayedReplica: what a skip has lost cannot be repaired while the replica is delayed for longer than anybody waits. It stays open, and is
// repaired by --continue.
func TestRecoverOfADelayedReplica(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{})
	tp.Source.Exec(t, "CREATE DATABASE hr", "CREATE TABLE hr.t (id INT PRIMARY KEY, v INT)", "INSERT INTO hr.t VALUES (1,1),(2,2)")
	tp.WaitCaughtUp(t)
	tp.Replica(0).Exec(t, "STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=3", "START SLAVE")
	tp.Damage(t, 0, "INSERT INTO hr.t VALUES (7,70)")
	tp.Source.Exec(t, "INSERT INTO hr.t VALUES (7,7),(8,8)")
	tp.AwaitStopped(t, 0, 1062)
	run := NewRecoverRun(t, tp, recovery.Skip)
	run.Request.Check.SyncTimeout = 2 * time.Second
	result := run.Run(t)
	if result.Outcome != recovery.Unproven || !strings.Contains(strings.Join(result.Attempts[0].Diagnosis.Option(recovery.Skip).Loses, " "), "delayed by 3s") {
		t.Error(describeRecovery(result))
	}
	if err := run.journal.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := recovery.ReadLeft(run.Journal)
	if err != nil {
		t.Fatal(err)
	}
	tp.Replica(0).Exec(t, "STOP SLAVE", "CHANGE MASTER TO MASTER_DELAY=0", "START SLAVE")
	again := NewRecoverRun(t, tp, recovery.Skip)
	again.Request.Continue = left
	requireProvenEqual(t, tp, again.Run(t), "hr.t")
}

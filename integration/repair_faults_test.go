package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"trueup/repair"
)

// TestRepairSessionsKilled: the repair's sessions are killed on both servers, one after the other, again and again: whatever it comes to, the applier runs, every
// row is the source's or the one that was there, and all that was committed can be undone.
func TestRepairSessionsKilled(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{ParallelThreads: 4})
		account := tp.Source.CreateUser(t, "fixer", "ALL ON *.*")
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT NOT NULL, u INT NOT NULL UNIQUE, filler VARCHAR(100) NOT NULL)",
			"INSERT INTO app.t SELECT seq, seq, seq, REPEAT('x', 80) FROM "+tp.Numbers(12_000))
		tp.Damage(t, 0, "UPDATE app.t SET v = -v WHERE id > 10", "DELETE FROM app.t WHERE id % 5 = 0", "INSERT INTO app.t SELECT id + 20000, v, -u, filler FROM app.t WHERE id % 7 = 0")
		damaged, committed := DumpTables(t, tp.Replica(0), "app.t"), 0
		for round := 0; round < times(3, 40) || committed == 0 && round < 30; round++ { // a slow check loses its sessions before it comes to a group
			run := NewRepairRun(t, requestFor(tp), true)
			for _, endpoint := range []*string{&run.Request.Check.Source.User, &run.Request.Check.Replicas[0].User} {
				*endpoint = account.User
			}
			run.Request.Check.Source.Password, run.Request.Check.Replicas[0].Password = account.Password, account.Password
			run.Request.MaxRows, run.Request.MaxPause = 1_000_000, 300*time.Millisecond
			stop := killSessions(t, tp, account.User)
			result, err := repair.Run(t.Context(), run.Request, nil)
			kills := stop()
			awaitLingering(t, tp, account.User)
			if err != nil {
				t.Logf("%d sessions killed: %v", kills, err) // before anything was touched
				continue
			}
			groups := 0
			for _, replica := range result.Replicas {
				for _, table := range replica.Tables {
					groups += table.Groups
				}
			}
			committed += groups
			t.Logf("%d sessions killed, %d groups: check %v, repair %v", kills, groups, result.Check.Err, result.Err)
			tp.Replica(0).awaitApplier(t)
			requireReplicating(t, tp.Replicas...)
			if wrong := tp.Replica(0).Value(t, "SELECT COUNT(*) FROM app.t WHERE ABS(v) <> id AND id < 20000 OR ABS(u) <> IF(id < 20000, id, id - 20000)"); wrong != "0" {
				t.Errorf("%s rows are neither the source's nor what was there: %s", wrong, DescribeRepair(result))
			}
			if files, err := repair.Undoable(run.Journal); err != nil {
				t.Fatal(err)
			} else if len(files) > 0 {
				run.Undo(t, tp.Replica(0))
			}
			if now := DumpTables(t, tp.Replica(0), "app.t"); now != damaged {
				t.Fatalf("undo has not brought the damage back: %s\n%s", DescribeRepair(result), diffLines(damaged, now))
			}
		}
		if committed == 0 {
			t.Error("no group was ever committed: nothing was proven")
		}
	})
}

// awaitLingering waits until those sessions are over that MySQL 5.6 has lost with a transaction: 30 seconds and the pause. Those that only read may stay.
func awaitLingering(t *testing.T, tp *Topology, user string) {
	t.Helper()
	for deadline := time.Now().Add(35 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if len(tp.Source.lingering(t, user)) == 0 && len(tp.Replica(0).lingering(t, user)) == 0 {
			return
		}
	}
}

// killSessions kills a session of the account, on either server, every now and then.
func killSessions(t *testing.T, tp *Topology, user string) (stop func() (kills int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done, kills := make(chan struct{}), 0
	go func() {
		defer close(done)
		for kills < 12 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Duration(20+rand.IntN(250)) * time.Millisecond):
			}
			node := tp.Nodes()[rand.IntN(2)]
			all, err := node.processes(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			for _, p := range all {
				if p.user == user && rand.IntN(3) == 0 {
					_ = node.exec(context.Background(), "KILL "+p.id) // it may be gone
					kills++
					break
				}
			}
		}
	}()
	return func() int { cancel(); <-done; return kills }
}

// TestRepairDuringDDL: the tables are altered, swapped and emptied on the source while they are repaired: no repair stops replication or writes rows into another table, and
// afterwards all is repaired.
func TestRepairDuringDDL(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{})
		tables := []string{"app.a", "app.b", "app.c"}
		tp.Source.Exec(t, "CREATE DATABASE app")
		for i, table := range tables {
			tp.Source.Exec(t, "CREATE TABLE "+table+" (id INT PRIMARY KEY, v INT NOT NULL, filler VARCHAR(50))", fmt.Sprintf("INSERT INTO %s SELECT seq, seq + %d, 'x' FROM %s", table, 1_000_000*i, tp.Numbers(6000)))
		}
		tp.WaitCaughtUp(t)
		stopWatch := watchRepair(t, tp.Replica(0))
		stop := repeatUntilStopped(t, func(ctx context.Context) error {
			time.Sleep(30 * time.Millisecond)
			return tp.Source.exec(ctx, "ALTER TABLE app.a ADD COLUMN more INT NULL", "RENAME TABLE app.a TO app.x, app.b TO app.a, app.x TO app.b", "UPDATE app.a SET v = v + 1 WHERE id < 10",
				"TRUNCATE app.c", "INSERT INTO app.c SELECT id, v, filler FROM app.a", "ALTER TABLE app.b DROP COLUMN more")
		})
		done := int64(0)
		for range times(3, 40) {
			for _, table := range tables {
				conn := missConn(t, tp.Replica(0), "SET SESSION sql_log_bin = 0, innodb_lock_wait_timeout = 1, lock_wait_timeout = 2")
				for _, statement := range []string{"UPDATE %s SET filler = 'damaged' WHERE id %% 3 = 0", "INSERT IGNORE INTO %s (id, v) VALUES (-5, 5)"} {
					_, _ = conn.ExecContext(t.Context(), fmt.Sprintf(statement, table)) // where it waits for the applier it is left out
				}
				_ = conn.Close()
			}
			run := NewRepairRun(t, requestFor(tp), true)
			run.Request.MaxRows = 1_000_000
			result, err := repair.Run(t.Context(), run.Request, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, replica := range result.Replicas {
				for _, table := range replica.Tables {
					done += table.Done.Total()
				}
			}
			t.Logf("check %s %v, repair %v, refused %q", result.Check.Verdict, result.Check.Err, result.Err, refusedCodes(result))
		}
		stop()
		tp.WaitCaughtUp(t)
		if watched := stopWatch(); watched.errors != "" {
			t.Errorf("replication stopped: %s", watched.errors)
		}
		final := NewRepairRun(t, requestFor(tp), true)
		final.Request.MaxRows = 1_000_000
		result := final.Run(t)
		if result.Check.Verdict != 0 {
			requireAllRepaired(t, result)
		}
		if source, replica := DumpTables(t, tp.Source, tables...), DumpTables(t, tp.Replica(0), tables...); source != replica {
			t.Errorf("the rows differ:\n%s\n%s", diffLines(source, replica), DescribeRepair(result))
		}
		t.Logf("%d rows repaired", done)
		requireReplicating(t, tp.Replicas...)
	})
}

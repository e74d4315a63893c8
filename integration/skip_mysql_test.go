package integration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	repl "trueup/replication"
	"trueup/server"
)

// TestSkipOnReadOnlyReplica: an empty transaction is possible where nobody may write, and under a GTID with a tag.
func TestSkipOnReadOnlyReplica(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		b := newBroken(t, Options{GTID: true})
		failing := b.failing(t, 0, 1032)
		b.tp.Replica(0).Exec(t, "SET GLOBAL super_read_only = ON")
		outcome, err := b.skip(t.Context(), failing, b.method(t))
		if err != nil || outcome.After.ApplierError.Number != 1032 {
			t.Fatalf("%+v, %v, after %q", outcome, err, b.steps)
		}
		b.failing(t, 1, 1032)
		b.requireNothingLeft(t)
	}, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 5, Minor: 7, Patch: 8}, MinMariaDB: server.Version{Major: 99}})
}

// TestSkipTaggedGTID: a source may give GTIDs with a tag since MySQL 8.3.
func TestSkipTaggedGTID(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		b := newBroken(t, Options{GTID: true})
		failing := b.failing(t, 0, 1032)
		if err := b.tp.Replica(0).damage(t.Context(), "REPLACE INTO app.t VALUES (5, 0)", "DELETE FROM app.t WHERE id IN (15, 100)"); err != nil {
			t.Fatal(err)
		}
		if _, passed, err := repl.Resume(t.Context(), b.replica, failing); err != nil || !passed {
			t.Fatal(passed, err)
		}
		b.write(t, "SET SESSION gtid_next = 'AUTOMATIC:fixes'", "UPDATE app.t SET v = 5 WHERE id IN (14, 15, 16)", "SET SESSION gtid_next = 'AUTOMATIC'")
		failing = b.failing(t, 4, 1032)
		if !strings.Contains(failing.GTID, ":fixes:") {
			t.Errorf("GTID %s", failing.GTID)
		}
		outcome, err := b.skip(t.Context(), failing, b.method(t))
		if err != nil || outcome.After.StoppedByError() {
			t.Fatalf("%+v, %v, after %q", outcome, err, b.steps)
		}
		b.upstream.Exec(t, "INSERT INTO app.t VALUES (200, 9)")
		b.tp.WaitCaughtUp(t)
		if rows := b.rows(t); rows != "4=1 5=2 6=1 7=3 8=2 99=1 100=1 101=1 200=9" {
			t.Errorf("rows at the end: %s", rows)
		}
	}, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8, Minor: 3}})
}

// TestSkipWhereGTIDsAreAssigned: a channel gives GTIDs to the transactions of a source that has none. There the counter works, although
// gtid_mode is ON and the server warns.
func TestSkipWhereGTIDsAreAssigned(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{ReplicaArgs: []string{"--enforce-gtid-consistency=ON"}})
		tp.Replica(0).Exec(t, "STOP REPLICA", "SET GLOBAL gtid_mode = OFF_PERMISSIVE", "SET GLOBAL gtid_mode = ON_PERMISSIVE", "SET GLOBAL gtid_mode = ON",
			"CHANGE REPLICATION SOURCE TO ASSIGN_GTIDS_TO_ANONYMOUS_TRANSACTIONS=LOCAL", "START REPLICA")
		b := breakTopology(t, tp)
		for transaction, next := range []int{1032, 1062} {
			failing := b.failing(t, transaction, 1032)
			if method := b.method(t); method != repl.SkipByCounter {
				t.Errorf("method %s for %+v", method, failing)
			}
			outcome, err := b.skip(t.Context(), failing, repl.SkipByCounter)
			if err != nil || outcome.After.ApplierError.Number != next || len(outcome.Warnings) != 1 {
				t.Fatalf("%+v, %v, after %q", outcome, err, b.steps)
			}
			if rows := b.rows(t); rows != "100=0" {
				t.Errorf("rows after transaction %d was skipped: %s", transaction, rows)
			}
			b.requireNothingLeft(t)
		}
	}, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8, Minor: 0, Patch: 23}})
}

// TestSkipAmongGaps: parallel workers without GTID and without the source's order of commits. A transaction that waits for a lock on the
// replica is overtaken by one that fails and one that does not; the counter must pass over the one that fails, and nothing is executed twice.
func TestSkipAmongGaps(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		args := []string{"--slave-preserve-commit-order=OFF", "--innodb-lock-wait-timeout=100"}
		b := newBroken(t, Options{ParallelThreads: 4, ReplicaArgs: args})
		b.failing(t, 0, 1032)
		replica := b.tp.Replica(0)
		if err := replica.damage(t.Context(), "REPLACE INTO app.t VALUES (5, 0)", "DELETE FROM app.t WHERE id IN (15, 100)"); err != nil {
			t.Fatal(err)
		}
		replica.StartReplica(t, "SQL_THREAD")
		b.tp.WaitCaughtUp(t)
		replica.StopReplica(t, "SQL_THREAD")
		b.write(t, "UPDATE app.t SET v = v + 10 WHERE id = 17")         // 4: the first after a start is not executed in parallel
		b.write(t, "UPDATE app.t SET v = v + 10 WHERE id = 10")         // 5: waits for a lock
		b.write(t, "UPDATE app.t SET v = v + 10 WHERE id IN (14, 15)")  // 6: fails
		b.write(t, "UPDATE app.t SET v = v + 10 WHERE id = 18")         // 7
		b.write(t, "UPDATE app.t SET v = v + 10 WHERE id IN (19, 15)")  // 8: fails
		b.write(t, "UPDATE app.t SET v = v + 100 WHERE id IN (10, 18)") // 9
		unlock := lockRow(t, replica, 10)
		replica.StartReplica(t, "SQL_THREAD")
		eventually(t, "a worker has failed behind the one that waits", time.Minute, func() (bool, string) {
			workers := replica.Query(t, "SELECT LAST_ERROR_NUMBER FROM performance_schema.replication_applier_status_by_worker WHERE LAST_ERROR_NUMBER <> 0")
			return len(workers) > 0, fmt.Sprint(replica.Query(t, "SHOW PROCESSLIST"))
		})
		unlock()
		for _, transaction := range []int{6, 8} {
			failing := b.failing(t, transaction, 1032)
			leftOut := failing.Position != b.logged[transaction].start // surely so the first time
			if transaction == 6 && !leftOut {
				t.Errorf("the replica stands at %s: nothing was left out", failing.Position)
			}
			if transaction == 8 { // which was explained as another one
				wrong := failing
				wrong.End = b.logged[6].end
				if _, err := b.skip(t.Context(), wrong, b.method(t)); !errors.Is(err, repl.ErrFailingChanged) {
					t.Errorf("a transaction that was not explained is passed over: %v", err)
				}
				b.requireNothingLeft(t)
			}
			outcome, err := b.skip(t.Context(), failing, b.method(t))
			if err != nil || outcome.Before != b.logged[transaction].start || strings.Contains(b.steps[0], "GAPS") != leftOut {
				t.Fatalf("at %s, event until %s: %v; %q; then at %s %s", failing.Position, failing.EventEnd, err, b.steps, outcome.After.Executed, outcome.After.ApplierError)
			}
			b.requireNothingLeft(t)
		}
		b.upstream.Exec(t, "INSERT INTO app.t VALUES (200, 9)")
		b.tp.WaitCaughtUp(t)
		if rows := b.rows(t); rows != "4=1 5=2 6=1 7=3 8=2 10=110 17=10 18=110 99=1 100=1 101=1 200=9" {
			t.Errorf("rows at the end: %s", rows)
		}
	}, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8}})
}

// lockRow locks a row of app.t until the returned function is called.
func lockRow(t *testing.T, on *Node, id int) (unlock func()) {
	t.Helper()
	tx, err := on.DB.BeginTx(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	if _, err := tx.Exec("SELECT * FROM app.t WHERE id = ? FOR UPDATE", id); err != nil {
		t.Fatal(err)
	}
	return func() { _ = tx.Rollback() }
}

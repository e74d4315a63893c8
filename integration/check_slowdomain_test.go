package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trueup/check"
	"trueup/server"
)

// TestSlowDomain: a MariaDB replica that executes several domains in parallel is, by its position, beyond a transaction of a domain
// that is slow. It is behind all the same: nothing may be called different for that, and nothing made of it but that it lags.
func TestSlowDomain(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		for _, known := range []bool{true, false} {
			for _, strategy := range []check.Strategy{check.Until, check.Lock, check.Recheck} {
				t.Run(fmt.Sprint(strategy, " known ", known), func(t *testing.T) {
					t.Parallel()
					checkSlowDomain(t, strategy, known)
				})
			}
		}
	}, Needs{Flavor: server.MariaDB})
}

// TestSlowDomainOfDualMasters: a MariaDB source that replicates from its replica is, by its position, beyond a transaction of the replica's in a domain that is slow.
// That transaction is on its way to it: no difference, and nothing that can be compared until it is there.
func TestSlowDomainOfDualMasters(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := newDualMasters(t, Options{GTID: true, ParallelThreads: 4})
		a, b := tp.Source, tp.Replica(0)
		a.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.d0 (id INT AUTO_INCREMENT PRIMARY KEY, k INT)", "CREATE TABLE app.d2 (id INT PRIMARY KEY, k INT)", "INSERT INTO app.d2 VALUES (1, 1)")
		a.StopReplica(t, "")
		a.Exec(t, "SET GLOBAL slave_parallel_threads = 4")
		a.StartReplica(t, "")
		b.WaitCaughtUp(t, a)
		b.Exec(t, "SET SESSION gtid_domain_id = 2", "INSERT INTO app.d2 VALUES (2, 1)", "SET SESSION gtid_domain_id = DEFAULT")
		a.WaitCaughtUp(t, b)
		request := requestFor(tp)
		request.Sync, request.Filters.Tables = check.Until, []string{"app.*"}
		var result *check.Result
		begun, ended := 1, 1
		for try := 1; ; try++ {
			begun, ended = ended, ended+slowSteps
			b.Exec(t, slowOn(t, a, "app.d2", 2)...)
			awaitValue(t, a, "SELECT COUNT(*) FROM app.d0", fmt.Sprint(try))
			result = runCheck(t, request)
			if a.Value(t, "SELECT k FROM app.d2 WHERE id = 1") == fmt.Sprint(begun) {
				break
			}
			if try == 3 {
				t.Fatal("each check took longer than the slow transaction: nothing is proven")
			}
		}
		if replica := result.Replicas[0]; result.Verdict != check.Unverified || replica.ReasonCode != "replica_writes" || !strings.Contains(replica.Reason, "several domains in parallel") {
			t.Error(describe(result))
		}
		awaitValue(t, a, "SELECT k FROM app.d2 WHERE id = 1", fmt.Sprint(ended))
		if result := runCheck(t, request); result.Verdict != check.Equal {
			t.Error(describe(result))
		}
		requireReplicating(t, a, b)
	}, Needs{Flavor: server.MariaDB})
}

// slowSteps is how many updates of row 1, of 0.2 s each, the transaction of slowOn has.
const slowSteps = 50

// slowOn are statements of a transaction in that domain which takes seconds where it is replicated to, and none where it is written; behind it one in the
// session's own domain.
func slowOn(t *testing.T, there *Node, table string, domain int) []string {
	port := there.Value(t, "SELECT @@port")
	slow := []string{fmt.Sprintf("SET SESSION gtid_domain_id = %d, binlog_format = STATEMENT", domain), "BEGIN"}
	for range slowSteps {
		slow = append(slow, fmt.Sprintf("UPDATE %s SET k = k + 1 WHERE id = 1 AND (@@port <> %s OR SLEEP(0.2) = 0)", table, port))
	}
	return append(slow, "COMMIT", "SET SESSION gtid_domain_id = DEFAULT, binlog_format = ROW", "INSERT INTO app.d0 (k) VALUES (1)")
}

func awaitValue(t *testing.T, on *Node, query, value string) {
	t.Helper()
	for began := time.Now(); on.Value(t, query) != value; time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > catchUpLimit {
			t.Fatalf("%s is not %s on %s", query, value, on.Name())
		}
	}
}

// checkSlowDomain has a transaction of another domain on the replica that takes seconds, of many short statements.
func checkSlowDomain(t *testing.T, strategy check.Strategy, known bool) {
	tp := NewTopology(t, Options{GTID: true, ParallelThreads: 4})
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.d0 (id INT AUTO_INCREMENT PRIMARY KEY, k INT)", "CREATE TABLE app.d1 (id INT PRIMARY KEY, k INT)",
		"INSERT INTO app.d1 VALUES (1, 1)")
	tp.WaitCaughtUp(t)
	if known {
		tp.Source.Exec(t, "SET SESSION gtid_domain_id = 1", "INSERT INTO app.d1 VALUES (2, 1)", "SET SESSION gtid_domain_id = 0")
		tp.WaitCaughtUp(t)
	}
	request := requestFor(tp)
	request.Sync, request.SyncTimeout, request.LockHoldMax = strategy, time.Second, time.Second
	request.Filters.Tables = []string{"app.*"}
	var result *check.Result
	begun, ended := 1, 1
	for try := 1; ; try++ {
		domain := 1
		if !known {
			domain = try // one that the replica has executed is known
		}
		begun, ended = ended, ended+slowSteps
		tp.Source.Exec(t, slowOn(t, tp.Replica(0), "app.d1", domain)...)
		awaitValue(t, tp.Replica(0), "SELECT COUNT(*) FROM app.d0", fmt.Sprint(try))
		result = runCheck(t, request)
		if tp.Replica(0).Value(t, "SELECT k FROM app.d1 WHERE id = 1") == fmt.Sprint(begun) {
			break
		}
		if try == 3 {
			t.Fatal("each check took longer than the slow transaction: nothing is proven")
		}
	}
	if result.Verdict != check.Unverified || result.Replicas[0].ReasonCode != "lagging" {
		t.Error(describe(result))
	}
	requireReplicating(t, tp.Replica(0))
	awaitValue(t, tp.Replica(0), "SELECT k FROM app.d1 WHERE id = 1", fmt.Sprint(ended))
	request.SyncTimeout = 30 * time.Second
	if result := runCheck(t, request); result.Verdict != check.Equal {
		t.Error(describe(result))
	}
}

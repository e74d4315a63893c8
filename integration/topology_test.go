package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trueup/server"
)

// content is everything in a table as one number made by the server, good enough for the harness's own tests.
func content(t *testing.T, n *Node, table string) string {
	t.Helper()
	return fmt.Sprint(n.Query(t, `SELECT COUNT(*), SUM(CRC32(CONCAT_WS('#', id, k, c, note, price, ratio, share, at, HEX(raw)))) FROM `+table))
}

func TestTopologyReplicates(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		for _, options := range []Options{
			{Replicas: 2, GTID: true, Format: "ROW", ParallelThreads: 4},
			{Replicas: 1, GTID: false, Format: "MIXED"},
			{Replicas: 1, GTID: false, Format: "STATEMENT", ParallelThreads: 2},
			{Replicas: 2, GTID: true, Chain: true},
		} {
			t.Run(fmt.Sprintf("gtid %v %s threads %d chain %v", options.GTID, options.Format, options.ParallelThreads, options.Chain), func(t *testing.T) {
				t.Parallel()
				testReplicates(t, options)
			})
		}
	})
}

func testReplicates(t *testing.T, options Options) {
	tp := NewTopology(t, options)
	tp.WaitCaughtUp(t) // on an empty binary log too
	for rounds, transactions, rollbacks := 0, int64(0), int64(0); transactions < 30 || rollbacks == 0; rounds++ {
		if rounds == 20 {
			t.Fatalf("the writer has made %d transactions and rolled %d back", transactions, rollbacks)
		}
		stop := tp.StartWriter(t, WriterOptions{})
		time.Sleep(1500 * time.Millisecond)
		counts := stop()
		if counts.Errors != 0 {
			t.Fatalf("the writer did something wrong: %+v", counts)
		}
		if again := stop(); again != counts {
			t.Errorf("stopping twice: %+v, then %+v", counts, again)
		}
		transactions, rollbacks = transactions+counts.Transactions, rollbacks+counts.Rollbacks
	}
	tp.WaitCaughtUp(t)
	for _, table := range []string{"app.w1", "app.w2"} {
		want := content(t, tp.Source, table)
		for _, replica := range tp.Replicas {
			if got := content(t, replica, table); got != want {
				t.Errorf("%s of %s: %s, the source has %s", table, replica.Name(), got, want)
			}
		}
	}
	checkSettings(t, tp, options)
}

func checkSettings(t *testing.T, tp *Topology, options Options) {
	t.Helper()
	if options.Format != "" {
		if got := tp.Source.Value(t, "SELECT @@binlog_format"); got != options.Format {
			t.Errorf("binlog_format = %s", got)
		}
	}
	for _, replica := range tp.Replicas {
		checkReplicaSettings(t, replica, options)
	}
	if options.Chain {
		return
	}
	// Discovery needs each replica's own host and port at the source.
	hosts := fmt.Sprint(tp.Source.ShowReplicas(t))
	for _, replica := range tp.Replicas {
		if want := fmt.Sprintf("127.0.0.1 %d", replica.Port()); !strings.Contains(hosts, want) {
			t.Errorf("the source lacks the replica %s: %s", want, hosts)
		}
	}
}

func checkReplicaSettings(t *testing.T, replica *Node, options Options) {
	t.Helper()
	if replica.Row.Flavor == server.MySQL {
		if got, want := replica.Value(t, "SELECT @@gtid_mode"), map[bool]string{true: "ON", false: "OFF"}[options.GTID]; got != want {
			t.Errorf("%s: gtid_mode = %s", replica.Name(), got)
		}
		if got, want := replica.Status(t)["Auto_Position"], map[bool]string{true: "1", false: "0"}[options.GTID]; got != want {
			t.Errorf("%s: Auto_Position = %s", replica.Name(), got)
		}
		workers := options.ParallelThreads
		if workers == 0 && replica.Row.IsMySQL(8, 0, 27) {
			workers = 4
		}
		if got := replica.Value(t, "SELECT @@slave_parallel_workers"); got != fmt.Sprint(workers) {
			t.Errorf("%s: %s workers, expected %d", replica.Name(), got, workers)
		}
		return
	}
	if got, want := replica.Status(t)["Using_Gtid"], map[bool]string{true: "Slave_Pos", false: "No"}[options.GTID]; got != want {
		t.Errorf("%s: Using_Gtid = %s", replica.Name(), got)
	}
	if got := replica.Value(t, "SELECT @@slave_parallel_threads"); got != fmt.Sprint(options.ParallelThreads) {
		t.Errorf("%s: slave_parallel_threads = %s", replica.Name(), got)
	}
}

func TestDamageStaysOnTheReplica(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: 1, GTID: true})
		tp.Source.CreateWriterTable(t, "app.t", 10)
		tp.Damage(t, 0, "UPDATE app.t SET k=k+1 WHERE id=3", "DELETE FROM app.t WHERE id=5")
		tp.Source.Exec(t, "INSERT INTO app.t (k, c) VALUES (1, 'after')")
		tp.WaitCaughtUp(t)
		if source, replica := content(t, tp.Source, "app.t"), content(t, tp.Replica(0), "app.t"); source == replica {
			t.Error("no damage was done")
		}
		if got := tp.Replica(0).Value(t, "SELECT COUNT(*) FROM app.t"); got != "10" {
			t.Errorf("%s rows on the replica", got)
		}
		if got := tp.Replica(0).Value(t, "SELECT @@sql_log_bin"); got != "1" {
			t.Error("the connection went back to the pool with sql_log_bin=0")
		}
	})
}

func TestCaughtUpSaysWhyNot(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: 2})
		tp.Source.CreateWriterTable(t, "app.t", 10)
		tp.Damage(t, 0, "DELETE FROM app.t WHERE id=5")
		tp.Source.Exec(t, "DELETE FROM app.t WHERE id=5")
		if err := tp.Replica(0).waitCaughtUp(t.Context(), tp.Source); err == nil || !strings.Contains(err.Error(), "1032") {
			t.Errorf("a broken applier: %v", err)
		}
		tp.Replica(1).WaitCaughtUp(t, tp.Source)
		tp.Replica(1).StopReplica(t, "SQL_THREAD")
		tp.Source.Exec(t, "DELETE FROM app.t WHERE id=6")
		if err := tp.Replica(1).waitCaughtUp(t.Context(), tp.Source); err == nil || !strings.Contains(err.Error(), "stopped at") {
			t.Errorf("a stopped applier: %v", err)
		}
		tp.Replica(1).StartReplica(t)
		tp.Replica(1).WaitCaughtUp(t, tp.Source)
	})
}

func TestTolerantWriterSurvivesTheSource(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		stop := tp.StartWriter(t, WriterOptions{Tables: []string{"other.t"}, Threads: 3, Pause: 5 * time.Millisecond, Tolerant: true, Rows: 20})
		eventually(t, "the writer has written", time.Minute, func() (bool, string) {
			rows := tp.Source.Value(t, "SELECT COUNT(*) FROM other.t")
			return rows != "20", rows
		})
		if err := tp.Source.Kill(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		if err := tp.Source.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if counts := stop(); counts.Errors == 0 || counts.Transactions == 0 {
			t.Errorf("%+v", counts)
		}
	})
}

func TestSeveralTopologiesAndAccounts(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		both := NewTopologies(t, Options{Replicas: 1, GTID: true}, Options{Replicas: -1, SourceWithoutBinlog: true})
		if got := both[1].Source.Value(t, "SELECT @@log_bin"); got != "0" {
			t.Errorf("log_bin = %s", got)
		}
		right := "REPLICATION CLIENT"
		if on.Flavor == server.MariaDB {
			right = "REPLICATION SLAVE ADMIN"
		}
		endpoint := both[0].Source.CreateUser(t, "reader", "SELECT ON *.*", right+" ON *.*")
		both[0].WaitCaughtUp(t)
		for _, n := range both[0].Nodes() {
			grants := fmt.Sprint(n.Query(t, "SHOW GRANTS FOR "+n.Account("reader")))
			if endpoint.User != "reader" || !strings.Contains(grants, right) {
				t.Errorf("%s: %s", n.Name(), grants)
			}
		}
		opened, err := server.Open(t.Context(), endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
		if got := both[0].Source.Query(t, "SELECT NULL, ?", 7); fmt.Sprint(got) != "[[NULL 7]]" {
			t.Errorf("got %v", got)
		}
	})
}

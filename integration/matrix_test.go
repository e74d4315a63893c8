package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"trueup/server"
)

func TestServerComesAndGoes(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		replica := tp.Replica(0)
		port := replica.Port()
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t VALUES (1)")
		tp.WaitCaughtUp(t)

		if err := replica.Pause(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, _, err := replica.query(ctx, "SELECT 1"); err == nil {
			t.Error("a paused server answers")
		}
		if err := replica.Resume(); err != nil {
			t.Fatal(err)
		}
		if got := replica.Value(t, "SELECT COUNT(*) FROM app.t"); got != "1" {
			t.Errorf("%s rows after a pause", got)
		}

		for what, end := range map[string]func() error{"kill": replica.Kill, "shutdown": replica.Shutdown} {
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if err := replica.DB.PingContext(t.Context()); err == nil {
				t.Errorf("the server answers after %s", what)
			}
			if err := replica.Restart(t.Context(), "--max-connections=77"); err != nil {
				t.Fatal(err)
			}
			if err := replica.waitReplicating(t.Context()); err != nil { // a server answers before its applier runs
				t.Fatal(err)
			}
			if got := replica.Value(t, "SELECT @@max_connections"); got != "77" || replica.Port() != port {
				t.Errorf("after %s: max_connections=%s, port %d before and %d now", what, got, port, replica.Port())
			}
		}
		tp.Source.Exec(t, "INSERT INTO app.t VALUES (2)")
		tp.WaitCaughtUp(t) // a restarted replica replicates again by itself
		if got := replica.Value(t, "SELECT COUNT(*) FROM app.t"); got != "2" {
			t.Errorf("%s rows after restarts", got)
		}
	})
}

// TestRestartedUnderAnotherAddress: a container that comes back on another network address is the server it was, though MariaDB
// gives itself another server_uid then; what was repaired before can be undone.
func TestRestartedUnderAnotherAddress(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Spare: 2})
		node := tp.Replica(0)
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t VALUES (1), (2)")
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "DELETE FROM app.t WHERE id = 2")
		repaired := NewRepairRun(t, requestFor(tp), true)
		repaired.Run(t)
		before, err := server.Open(t.Context(), node.AdminEndpoint())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = before.Close() })
		if err := node.Shutdown(); err != nil {
			t.Fatal(err)
		}
		NewTopology(t, Options{OnSpare: true}) // takes the address that is free now
		if err := node.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		session, err := before.Session(t.Context(), server.SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_ = session.Close()
		after, err := server.Open(t.Context(), node.AdminEndpoint())
		if err != nil {
			t.Fatal(err)
		}
		defer after.Close()
		t.Logf("%q before, %q after", before.Identity().UUID, after.Identity().UUID)
		repaired.Undo(t, node)
		if got := node.Value(t, "SELECT COUNT(*) FROM app.t"); got != "1" {
			t.Errorf("%s rows after undoing", got)
		}
	}, Needs{Network: true})
}

func TestCutOffReplicaComesBack(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: 2})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)")
		tp.WaitCaughtUp(t)
		cut := tp.Replica(0)
		cut.CutOff(t)
		tp.Source.Exec(t, "INSERT INTO app.t VALUES (1)")
		tp.Replica(1).WaitCaughtUp(t, tp.Source)
		time.Sleep(500 * time.Millisecond)
		if got := cut.Value(t, "SELECT COUNT(*) FROM app.t"); got != "0" {
			t.Error("what the source wrote reached a replica that is cut off")
		}
		cut.Rejoin(t)
		cut.WaitCaughtUp(t, tp.Source)
	}, Needs{Network: true})
}

func TestReplicaOfTwoSources(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		for _, gtid := range []bool{true, false} {
			t.Run(fmt.Sprintf("gtid %v", gtid), func(t *testing.T) {
				t.Parallel()
				tp := NewTopology(t, Options{GTID: gtid, Channels: []string{"north", "south"}})
				for i, source := range tp.Sources {
					source.CreateWriterTable(t, fmt.Sprintf("app%d.t", i), 10+i)
				}
				tp.WaitCaughtUp(t)
				var names []string
				for _, status := range tp.Replica(0).Channels(t) {
					names = append(names, status["Channel_Name"])
				}
				if got := strings.Join(names, " "); got != "north south" {
					t.Errorf("channels %q", got)
				}
				for i, source := range tp.Sources {
					table := fmt.Sprintf("app%d.t", i)
					if got, want := content(t, tp.Replica(0), table), content(t, source, table); got != want {
						t.Errorf("%s: %s, the source has %s", table, got, want)
					}
				}
				tp.Replica(0).StopReplica(t)
				if status := tp.Replica(0).Channels(t)[1]; status["Replica_SQL_Running"] != "No" {
					t.Errorf("after a stop: %v", status)
				}
				tp.Replica(0).StartReplica(t)
			})
		}
	}, Needs{Channels: true})
}

func TestPairsReplicate(t *testing.T) {
	t.Parallel()
	EachPair(t, func(t *testing.T, pair Pair) {
		tp := NewTopology(t, Options{Server: pair.Source, ReplicaServer: pair.Replica})
		stop := tp.StartWriter(t, WriterOptions{Tables: []string{"app.t"}})
		time.Sleep(500 * time.Millisecond)
		stop()
		tp.WaitCaughtUp(t)
		if got, want := content(t, tp.Replica(0), "app.t"), content(t, tp.Source, "app.t"); got != want {
			t.Errorf("%s, the source has %s", got, want)
		}
	})
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		for _, n := range []int{1, 7, 10, 5000} {
			got := tp.Source.Query(t, "SELECT COUNT(*), MIN(seq), MAX(seq), COUNT(DISTINCT seq) FROM "+tp.Numbers(n))
			if want := fmt.Sprintf("[[%d 1 %d %[1]d]]", n, n); fmt.Sprint(got) != want {
				t.Errorf("%d numbers: %v", n, got)
			}
		}
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, c VARCHAR(9))",
			"INSERT INTO app.t SELECT seq, CONCAT('c', seq) FROM "+on.Numbers(2000))
	})
}

func TestDataFilesAreCopied(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.a (id INT PRIMARY KEY) ENGINE=InnoDB", "CREATE TABLE app.b LIKE app.a",
			"INSERT INTO app.a VALUES (7)", "ALTER TABLE app.b DISCARD TABLESPACE")
		conn, err := tp.Source.DB.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.ExecContext(t.Context(), "FLUSH TABLES app.a FOR EXPORT"); err != nil {
			t.Fatal(err)
		}
		tp.Source.CopyData(t, "app/a.ibd", "app/b.ibd")
		if _, err := conn.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Fatal(err)
		}
		tp.Source.Exec(t, "ALTER TABLE app.b IMPORT TABLESPACE")
		if got := tp.Source.Value(t, "SELECT id FROM app.b"); got != "7" {
			t.Errorf("the copy holds %s", got)
		}
	})
}

func TestNeeds(t *testing.T) {
	t.Parallel()
	old := ServerRow{Name: "m", image: "x", Flavor: server.MySQL, Version: server.Version{Major: 5, Minor: 6, Patch: 4}}
	here := ServerRow{Name: "local", Flavor: server.MariaDB, Version: server.Version{Major: 10, Minor: 11}}
	for _, c := range []struct {
		row   ServerRow
		needs Needs
		want  string
	}{
		{old, Needs{}, ""},
		{here, Needs{GTID: true, Channels: true, Local: true}, ""},
		{old, Needs{Flavor: server.MariaDB}, "needs mariadb"},
		{old, Needs{MinMySQL: server.Version{Major: 8}}, "needs mysql 8.0.0 or newer"},
		{here, Needs{MinMySQL: server.Version{Major: 8}}, ""},
		{here, Needs{MinMariaDB: server.Version{Major: 11, Minor: 4}}, "needs mariadb 11.4.0 or newer"},
		{here, Needs{Network: true}, "needs servers in containers"},
		{old, Needs{Local: true}, "needs the files"},
		{old, Needs{GTID: true}, "needs GTIDs"},
		{old, Needs{Channels: true}, "needs replication channels"},
	} {
		if got := c.needs.Lacking(c.row); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%v on %s: %q, expected %q", c.needs, c.row, got, c.want)
		}
	}
}

func TestLedgerNamesWhatDidNotRun(t *testing.T) {
	t.Parallel()
	l := &ledger{entries: map[string][]*outcome{
		"nowhere:1": {{test: "TestA", result: "passed"}, {test: "TestB", result: "skipped", reason: "needs mariadb"}},
		"nowhere:2": {{test: "TestA", result: "skipped"}},
	}}
	var b strings.Builder
	problems := l.print(&b, []string{"nowhere:1", "nowhere:2"}, true)
	for _, want := range []string{"nowhere:1: 1 passed, 0 failed, 1 skipped", "skipped TestB: needs mariadb"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the summary lacks %q:\n%s", want, b.String())
		}
	}
	if got := strings.Join(problems, "; "); got != "TestA was skipped on nowhere:2 without saying what it needs; no test passed on nowhere:2" {
		t.Errorf("problems: %s", got)
	}
}

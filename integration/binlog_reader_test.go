package integration

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	repl "trueup/replication"
	"trueup/replication/binlog"
	"trueup/server"
)

// TestLogReaderIsNoReplica: while the log is read, twice at the same time, the source's replica goes on replicating, nobody else is
// discovered or warned of, and nobody is waited for by semi-synchronous replication.
func TestLogReaderIsNoReplica(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{SourceArgs: []string{"--max-allowed-packet=64M"}})
		n := tp.Source
		from := n.position(t)
		n.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v LONGTEXT)")
		for id := range 24 { // more than what lies on the way between two programs
			n.Exec(t, fmt.Sprintf("INSERT INTO app.t VALUES (%d, REPEAT('x', 1000000))", id))
		}
		tp.WaitCaughtUp(t)
		semiSync := on.IsMariaDB(10, 3, 3)
		if semiSync {
			n.Exec(t, "SET GLOBAL rpl_semi_sync_master_enabled=ON")
		}
		opened := openServer(t, n)
		registered := n.ShowReplicas(t)
		inner := 0
		err := binlog.ReadFrom(t.Context(), opened, from, binlog.Limits{}, func(found *binlog.Transaction) (bool, error) {
			return false, binlog.ReadFrom(t.Context(), opened, from, binlog.Limits{}, func(found *binlog.Transaction) (bool, error) {
				inner++
				requireAlone(t, tp, opened, registered)
				if semiSync && n.Value(t, "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME='Rpl_semi_sync_master_clients'") != "0" {
					t.Error("semi-synchronous replication counts on a reader of the log")
				}
				return false, nil
			})
		})
		if err != nil || inner != 1 {
			t.Fatalf("%d transactions: %v", inner, err)
		}
		if semiSync {
			n.Exec(t, "SET GLOBAL rpl_semi_sync_master_enabled=OFF")
		}
		n.Exec(t, "INSERT INTO app.t VALUES (100, '')")
		tp.WaitCaughtUp(t)
	})
}

// requireAlone: the source sends its log to two readers and to its replica, and only that one is a replica.
func requireAlone(t *testing.T, tp *Topology, source *server.Server, registered [][]string) {
	t.Helper()
	var readers []string
	for deadline := time.Now().Add(30 * time.Second); len(readers) != 2 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		readers = nil
		for _, process := range tp.Source.Query(t, "SELECT COMMAND, COALESCE(DB, '') FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'") {
			if process[1] != "" {
				readers = append(readers, process[1])
			}
		}
	}
	if !slices.Equal(readers, []string{repl.LogReaderDatabase, repl.LogReaderDatabase}) {
		t.Errorf("readers of the log: %v", readers)
	}
	session, err := source.Session(t.Context(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	candidates, warnings, err := repl.Discover(t.Context(), session)
	if err != nil || len(candidates) != 1 || len(warnings) != 0 {
		t.Errorf("discovered %+v, %v, %v", candidates, warnings, err)
	}
	if now := tp.Source.ShowReplicas(t); len(now) != len(registered) {
		t.Errorf("registered: %v, before: %v", now, registered)
	}
	if status := tp.Replica(0).Status(t); status["Replica_IO_Running"] != "Yes" && status["Slave_IO_Running"] != "Yes" {
		t.Errorf("the replica's receiver: %v", status)
	}
}

// TestLogOverTLS: the log is read with the endpoint's TLS and password, as the server's sessions are opened.
func TestLogOverTLS(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		n := tp.Source
		from := n.position(t)
		n.Exec(t, "CREATE DATABASE app")
		certificates := on.IsMySQL(5, 7, 6) || on.IsMariaDB(11, 4, 0) // made by the servers themselves
		for _, mode := range []server.TLSMode{server.TLSOff, server.TLSPreferred, server.TLSRequired} {
			for _, demand := range []string{"REQUIRE NONE", "REQUIRE SSL"} {
				if mode == server.TLSRequired && !certificates || demand == "REQUIRE SSL" && (!certificates || mode == server.TLSOff) {
					continue
				}
				name := fmt.Sprintf("%s_%s", mode, strings.ToLower(strings.Fields(demand)[1]))
				endpoint := n.CreateUser(t, name, "REPLICATION SLAVE ON *.* ")
				n.Exec(t, on.demandTLS(n.Account(name), demand))
				endpoint.TLS = server.TLS{Mode: mode}
				opened, err := server.Open(t.Context(), endpoint)
				if err != nil {
					t.Fatalf("TLS %s, account %s: %v", mode, demand, err)
				}
				read := readLog(t, opened, from, binlog.Limits{})
				if len(read) == 0 || summary(read[0]) != "CREATE DATABASE app; DDL" && summary(read[0]) != "app CREATE DATABASE app; DDL" {
					t.Errorf("TLS %s, account %s: %v", mode, demand, summaries(read))
				}
				_ = opened.Close()
			}
		}
	})
}

// TestLogIsRefused: what stands against reading a log has a type, and says what it is about.
func TestLogIsRefused(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		n := tp.Source
		first := n.position(t)
		n.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY) ENGINE=InnoDB", "BEGIN", "INSERT INTO app.t VALUES (1)", "INSERT INTO app.t VALUES (2)", "COMMIT")
		opened := openServer(t, n)
		read := readLog(t, opened, first, binlog.Limits{})
		inside := read[2].StartPosition()
		inside.Offset = read[2].Changes[0].End
		n.Exec(t, "FLUSH BINARY LOGS", "INSERT INTO app.t VALUES (3)")
		beyond := n.position(t)
		n.Exec(t, "FLUSH BINARY LOGS")
		try := func(on *server.Server, from repl.Position) error {
			return binlog.ReadFrom(t.Context(), on, from, binlog.Limits{}, func(*binlog.Transaction) (bool, error) { return false, nil })
		}
		var wrong *binlog.PositionError
		for name, from := range map[string]repl.Position{
			"inside a transaction": inside, "inside an event": {File: first.File, Offset: read[1].Start + 3}, "behind the end": {File: beyond.File, Offset: beyond.Offset + 1_000_000}, "far out": {File: beyond.File, Offset: 1 << 33},
		} {
			if err := try(opened, from); !errors.As(err, &wrong) || !strings.Contains(err.Error(), n.Address()) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// A server keeps a file that one of its threads still reads: those of readers that broke off take a moment to notice.
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			n.Exec(t, "PURGE BINARY LOGS TO '"+beyond.File+"'")
			if n.Query(t, "SHOW BINARY LOGS")[0][0] == beyond.File {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the server keeps its log files")
			}
		}
		var purged *binlog.PurgedError
		for _, from := range []repl.Position{first, {File: "no-such-file.000001", Offset: 4}, {File: "binlog.999999", Offset: 4}} {
			if err := try(opened, from); !errors.As(err, &purged) || !strings.Contains(err.Error(), from.String()) {
				t.Errorf("%s: %v", from, err)
			}
		}
		if err := try(opened, repl.Position{File: beyond.File}); err != nil {
			t.Errorf("from the beginning of a file: %v", err)
		}
		mere, err := server.Open(t.Context(), n.CreateUser(t, "mere", "SELECT ON *.*"))
		if err != nil {
			t.Fatal(err)
		}
		defer mere.Close()
		var denied *binlog.DeniedError
		if err := try(mere, beyond); !errors.As(err, &denied) || !server.IsAccessDenied(err) || !strings.Contains(err.Error(), "REPLICATION SLAVE") {
			t.Errorf("without the privilege: %v", err)
		}
	})
}

package recovery_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trueup/integration"
	"trueup/internal/sandbox/sandboxtest"
	"trueup/recovery"
	"trueup/replication"
	"trueup/replication/binlog"
	"trueup/schema"
	"trueup/server"
)

// writtenOn is a topology on whose replica somebody has written.
func writtenOn(t *testing.T, options integration.Options) *integration.Topology {
	t.Helper()
	tp := integration.NewTopology(t, options)
	tp.Source.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY, name VARCHAR(20))", "CREATE TABLE shop.others (id INT PRIMARY KEY)",
		"INSERT INTO shop.orders VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')")
	tp.WaitCaughtUp(t)
	tp.Replica(0).Exec(t, "INSERT INTO shop.orders VALUES (100, 'direct')", "FLUSH BINARY LOGS",
		"INSERT INTO shop.others VALUES (1)",
		"UPDATE shop.orders SET name = 'x' WHERE id IN (2, 3)",
		"SET SESSION sql_log_bin = 0", "DELETE FROM shop.orders WHERE id = 1", "SET SESSION sql_log_bin = 1",
		"FLUSH BINARY LOGS", "SET SESSION binlog_format = STATEMENT", "DELETE FROM shop.orders WHERE id = 4", "SET SESSION binlog_format = ROW")
	tp.Source.Exec(t, "INSERT INTO shop.orders VALUES (5, 'e')")
	tp.WaitCaughtUp(t)
	return tp
}

func openServer(t *testing.T, endpoint server.Endpoint) *server.Server {
	t.Helper()
	opened, err := server.Open(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}

// directWrites are the writes as text: their rows, or their statements where there are none.
func directWrites(t *testing.T, endpoint server.Endpoint, errant string, isTouched func(schema.Name, *binlog.Change) bool, tables ...string) (writes, notes string, found []recovery.DirectWrite) {
	t.Helper()
	found, said, err := recovery.DirectWrites(t.Context(), openServer(t, endpoint), errant, tableNames(tables...), isTouched)
	if err != nil {
		t.Fatal(err)
	}
	return describeWrites(found), strings.Join(said, "\n"), found
}

func describeWrites(found []recovery.DirectWrite) string {
	var lines []string
	for _, w := range found {
		shown := w.Rows
		if len(shown) == 0 {
			shown = w.Statements
		}
		lines = append(lines, strings.Join(shown, ", "))
	}
	return strings.Join(lines, "\n")
}

// TestDirectWritesAreFound: what was written on the replica, and nothing that came from the source, the newest first.
func TestDirectWritesAreFound(t *testing.T) {
	t.Parallel()
	integration.EachServer(t, func(t *testing.T, _ integration.ServerRow) {
		tp := writtenOn(t, integration.Options{GTID: true})
		replica := tp.Replica(0)
		errant, err := replication.Errant(t.Context(), sandboxtest.Session(t, replica.Endpoint()), sandboxtest.Session(t, tp.Source.Endpoint()))
		if err != nil || errant == "" {
			t.Fatalf("errant %q, %v", errant, err)
		}
		const deleted, updated, inserted = "DELETE FROM shop.orders WHERE id = 4", "update shop.orders id=2, update shop.orders id=3", "insert shop.orders id=100"
		got, notes, found := directWrites(t, replica.Endpoint(), errant, nil, "shop.orders")
		if want := strings.Join([]string{deleted, updated, inserted}, "\n"); got != want || notes != "" {
			t.Errorf("got %s\nwant %s\nnotes %s", got, want, notes)
		}
		for _, w := range found {
			if w.GTID == "" || w.File == "" || w.Offset == 0 || w.ServerID != openServer(t, replica.Endpoint()).Identity().ServerID || time.Since(w.At).Abs() > time.Hour {
				t.Errorf("%+v", w)
			}
		}
		last := func(_ schema.Name, change *binlog.Change) bool { return change.Kind == binlog.Inserted }
		if got, _, _ = directWrites(t, replica.Endpoint(), errant, last, "shop.orders"); got != deleted+"\n"+inserted {
			t.Errorf("narrowed down: %s", got)
		}
		if got, _, _ = directWrites(t, replica.Endpoint(), found[len(found)-1].GTID, nil, "shop.orders"); got != strings.Join([]string{inserted, deleted, updated}, "\n") {
			t.Errorf("with the oldest one errant: %s", got)
		}
		if got, notes, _ = directWrites(t, replica.Endpoint(), "", nil, "shop.none"); got != "" || !strings.Contains(notes, "sql_log_bin=0 leaves no trace") {
			t.Errorf("of a table that nobody wrote: %s, notes %s", got, notes)
		}
	}, integration.Needs{GTID: true})
}

// TestDirectWritesAreBounded: there are 20 at the most, the newest; of a log that is longer than is read a note says where reading ended.
func TestDirectWritesAreBounded(t *testing.T) {
	t.Parallel()
	integration.EachServer(t, func(t *testing.T, on integration.ServerRow) {
		tp := writtenOn(t, integration.Options{})
		replica := tp.Replica(0)
		session := sandboxtest.Session(t, replica.Endpoint())
		within := func(bytes uint64, limit time.Duration) (string, string) {
			found, notes, err := recovery.DirectWritesWithin(t.Context(), session, tableNames("shop.orders"), bytes, limit)
			if err != nil {
				t.Fatal(err)
			}
			return describeWrites(found), strings.Join(notes, "\n")
		}
		if got, notes := within(1, time.Minute); got != "DELETE FROM shop.orders WHERE id = 4" || !strings.Contains(notes, "was read from") {
			t.Errorf("one file: %s, notes %s", got, notes)
		}
		if got, notes := within(1<<30, time.Nanosecond); got != "" || !strings.Contains(notes, "takes longer") {
			t.Errorf("no time: %s, notes %s", got, notes)
		}
		var statements []string
		for i := range 25 {
			statements = append(statements, fmt.Sprintf("REPLACE INTO shop.orders VALUES (%d, 'new')", 1000+i))
		}
		replica.Exec(t, statements...)
		got, _, found := directWrites(t, replica.Endpoint(), "", nil, "shop.orders")
		if len(found) != 20 || !strings.HasPrefix(got, "insert shop.orders id=1024\ninsert shop.orders id=1023\n") || !strings.HasSuffix(got, "id=1005") {
			t.Errorf("%d writes: %s", len(found), got)
		}
		replica.Exec(t, "INSERT INTO shop.orders SELECT 2000 + seq, 'many' FROM "+replica.Numbers(1500))
		if got, _, _ = directWrites(t, replica.Endpoint(), "", nil, "shop.orders"); !strings.HasPrefix(got, "insert shop.orders id=2001, ") || !strings.Contains(got, "of its 1500 row changes not all were looked at") {
			t.Errorf("a large transaction: %.500s", got)
		}
	})
}

// TestDirectWritesWithoutALogOrPrivileges: notes say why nothing was found, and what to grant.
func TestDirectWritesWithoutALogOrPrivileges(t *testing.T) {
	t.Parallel()
	integration.EachServer(t, func(t *testing.T, on integration.ServerRow) {
		tps := integration.NewTopologies(t, integration.Options{Replicas: -1, SourceWithoutBinlog: true}, integration.Options{Replicas: -1})
		if got, notes, _ := directWrites(t, tps[0].Source.Endpoint(), "", nil, "shop.orders"); got != "" || !strings.Contains(notes, "has no binary log") {
			t.Errorf("without a log: %s, notes %s", got, notes)
		}
		node := tps[1].Source
		node.Exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY)", "INSERT INTO shop.orders VALUES (7)")
		account := node.CreateUser(t, "low", "SELECT ON shop.*")
		for _, want := range []string{"may not list its binary logs. GRANT ", "GRANT REPLICATION SLAVE ON *.* TO "} {
			_, notes, _ := directWrites(t, account, "", nil, "shop.orders")
			_, grant, granted := strings.Cut(notes, "GRANT ")
			if !strings.Contains(notes, want) || !granted {
				t.Fatalf("notes %q, want %q", notes, want)
			}
			node.Exec(t, "GRANT "+strings.ReplaceAll(grant, "GRANT ", ""))
		}
		if got, notes, _ := directWrites(t, account, "", nil, "shop.orders"); got != "insert shop.orders id=7\nCREATE TABLE shop.orders (id INT PRIMARY KEY)" {
			t.Errorf("with what the notes say: %s, notes %s", got, notes)
		}
	})
}

package replication

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"trueup/internal/sandbox"
	"trueup/internal/sandbox/sandboxtest"
	"trueup/server"
)

// node is one real server of a test with a control session on it.
type node struct {
	*sandbox.Instance
	*server.Session
}

// startNode starts a server, or skips the test where this machine cannot (fails with REQUIRE_SERVERS=1).
func startNode(t *testing.T, options sandbox.Options) node {
	t.Helper()
	instance := sandboxtest.Start(t, options)
	return node{Instance: instance, Session: sandboxtest.Session(t, instance.AdminEndpoint())}
}

func (n node) run(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := n.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func (n node) value(t *testing.T, query string) string {
	t.Helper()
	record, err := n.One(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return record.Text(record.Names()...)
}

func (n node) position(t *testing.T) Position {
	t.Helper()
	p, err := SourcePosition(t.Context(), n.Session)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (n node) status(t *testing.T, channel string) Status {
	t.Helper()
	status, err := ReadStatus(t.Context(), n.Session, channel)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// prepareSource makes a source's account and an empty table, and forgets its log, so that a replica that
// starts at its beginning gets all of it.
func (n node) prepareSource(t *testing.T, database string) {
	t.Helper()
	n.run(t, "CREATE USER IF NOT EXISTS repl@'%' IDENTIFIED BY 'repl'", "GRANT REPLICATION SLAVE ON *.* TO repl@'%'",
		"CREATE DATABASE IF NOT EXISTS "+database, "CREATE TABLE IF NOT EXISTS "+database+".t (id INT PRIMARY KEY, v INT)",
		"TRUNCATE "+database+".t")
}

// follow makes a fresh replica of the source under a channel's name, from the source's current position on, with
// the same empty table. It does not start it.
func (n node) follow(t *testing.T, source node, channel, database string, gtid bool, options ...string) {
	t.Helper()
	source.prepareSource(t, database)
	at := source.position(t)
	n.run(t, "SET SESSION sql_log_bin = 0", "CREATE DATABASE IF NOT EXISTS "+database,
		"CREATE TABLE IF NOT EXISTS "+database+".t (id INT PRIMARY KEY, v INT)", "TRUNCATE "+database+".t")
	settings := []string{"MASTER_HOST='127.0.0.1'", fmt.Sprintf("MASTER_PORT=%d", source.Port()), "MASTER_USER='repl'",
		"MASTER_PASSWORD='repl'", "MASTER_CONNECT_RETRY=1"}
	if gtid {
		n.run(t, "SET GLOBAL gtid_slave_pos = '"+joinGTIDs(n.value(t, "SELECT @@GLOBAL.gtid_slave_pos"),
			source.value(t, "SELECT @@GLOBAL.gtid_binlog_pos"))+"'")
		settings = append(settings, "MASTER_USE_GTID=slave_pos")
	} else {
		settings = append(settings, "MASTER_USE_GTID=no", "MASTER_LOG_FILE='"+at.File+"'", fmt.Sprintf("MASTER_LOG_POS=%d", at.Offset))
	}
	n.run(t, "CHANGE MASTER "+quote(channel)+" TO "+strings.Join(append(settings, options...), ", "))
}

func joinGTIDs(gtids ...string) string {
	return strings.Join(splitList(strings.Join(gtids, ",")), ",")
}

// forget takes a replica back to following nobody.
func (n node) forget(t *testing.T) {
	t.Helper()
	n.run(t, "STOP ALL SLAVES")
	statuses, err := ReadStatuses(t.Context(), n.Session)
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range statuses {
		n.run(t, "RESET SLAVE "+quote(status.Channel)+" ALL")
	}
	n.run(t, "SET GLOBAL gtid_slave_pos = ''", "RESET MASTER", "SET GLOBAL slave_parallel_threads = 0")
}

func (n node) start(t *testing.T, channel string) { n.run(t, "START SLAVE "+quote(channel)) }

// await polls a channel until it is as wanted.
func (n node) await(t *testing.T, channel, what string, wanted func(Status) bool) Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		status, err := ReadStatus(ctx, n.Session, channel)
		if err != nil {
			t.Fatalf("waiting until %s: %v", what, err)
		}
		if wanted(status) {
			return status
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not %s: %+v", what, status)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// awaitEnd waits until the applier has executed all of the source's log. The end is read again and again: a MariaDB source
// writes a checkpoint event at any time.
func (n node) awaitEnd(t *testing.T, channel string, source node) Status {
	t.Helper()
	return n.await(t, channel, "at the end of the source's log", func(s Status) bool { return s.Executed == source.position(t) })
}

// awaitExecuted waits until the applier has executed exactly up to the source's position.
func (n node) awaitExecuted(t *testing.T, channel string, at Position) Status {
	t.Helper()
	return n.await(t, channel, "at "+at.String(), func(s Status) bool { return s.Executed == at })
}

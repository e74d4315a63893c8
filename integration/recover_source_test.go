package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/recovery"
	"trueup/server"
)

// writing are statements that change something beyond their own session.
var writing = regexp.MustCompile(`(?i)^\s*(INSERT|UPDATE|DELETE|REPLACE|LOAD|CREATE|ALTER|DROP|RENAME|TRUNCATE|GRANT|REVOKE|PURGE|RESET|STOP|START (SLAVE|REPLICA)|CHANGE|CALL|SET (GLOBAL|PERSIST|@@GLOBAL)|FLUSH BINARY|KILL|XA|BINLOG)\b`)

// TestRecoverNeverWritesSource: neither what is asked nor its general log nor its binary log shows a write on the source, by whatever way the replica is recovered.
func TestRecoverNeverWritesSource(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, modes(on)[0])
		account := tp.Source.CreateUser(t, "watched", "ALL ON *.*")
		tp.Source.Exec(t, "SET GLOBAL log_output='TABLE'", "SET GLOBAL general_log=ON")
		for name, action := range map[string]recovery.Action{"1032 one of several rows": recovery.Skip, "1062 in a transaction": recovery.Fix, "1452 parent missing": recovery.Fix} {
			t.Run(name, func(t *testing.T) {
				stop := FindStop(t, name)
				stop.Provoke(t, tp)
				file, position := tp.Source.BinlogPosition(t)
				run := NewRecoverRun(t, tp, action)
				run.Request.Check.Source.User, run.Request.Check.Source.Password = account.User, account.Password
				if result := run.Run(t); result.Outcome != recovery.Proven {
					t.Fatal(describeRecovery(result))
				}
				if nowFile, now := tp.Source.BinlogPosition(t); nowFile != file || now != position {
					t.Errorf("the source's log went from %s:%s to %s:%s", file, position, nowFile, now)
				}
			})
		}
		asked := tp.Source.Query(t, "SELECT argument FROM mysql.general_log WHERE user_host LIKE '%watched%' AND command_type IN ('Query', 'Prepare', 'Execute')")
		if len(asked) < 20 {
			t.Errorf("the general log has only %d statements of the recovery", len(asked))
		}
		for _, row := range asked {
			if writing.MatchString(row[0]) {
				t.Errorf("asked of the source: %s", row[0])
			}
		}
	})
}

// purgeFailing has the source purge the log with the transaction at which the replica stands, which it has received.
func purgeFailing(t *testing.T, tp *Topology) {
	t.Helper()
	tp.Source.flushLogs(t)
	tp.Source.flushLogs(t)
	last, _ := tp.Source.BinlogPosition(t)
	tp.awaitReceived(t)
	eventually(t, "the source purges its logs", stopLimit, func() (bool, string) {
		tp.Source.Exec(t, "PURGE BINARY LOGS TO '"+last+"'")
		logs := tp.Source.Query(t, "SHOW BINARY LOGS")
		return len(logs) == 1, fmt.Sprint(logs)
	})
}

// TestRecoverPurged: where the source has purged the failing transaction it is read from the replica's relay log, and fixed; where that cannot be
// read either, the diagnosis says so, and offers neither a fix nor a skip of what nobody has seen.
func TestRecoverPurged(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, on ServerRow, tp *Topology) {
		stop := FindStop(t, "1032 in a transaction")
		stop.Provoke(t, tp)
		purgeFailing(t, tp)
		requireUnread(t, tp)
		if !on.Local() {
			return
		}
		if on.Flavor == server.MariaDB && !tp.options.GTID { // which needs no privilege but FILE, and a file that everybody may read
			readableRelay(t, tp.Replica(0))
			if from := readFrom(t, tp, false); from != "relay log" {
				t.Errorf("through the server the transaction was read from %q", from)
			}
		}
		run := NewRecoverRun(t, tp, recovery.Fix)
		result := run.Run(t)
		if result.Outcome != recovery.Proven || result.Attempts[0].Diagnosis.Transaction.From != "relay log" {
			t.Fatal(describeRecovery(result))
		}
		tables := stop.Tables(t, tp)
		if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, tp.Replica(0), tables...); want != got {
			t.Errorf("the replica is not equal:\n%s", diffLines(want, got))
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// requireUnread: with no log that can be read, nothing is offered that would go by it.
func requireUnread(t *testing.T, tp *Topology) {
	t.Helper()
	run := NewRecoverRun(t, tp, recovery.Plan)
	run.Request.LocalFiles = false
	result := run.Run(t)
	d := result.Attempts[0].Diagnosis
	if d.Transaction != nil || !strings.Contains(d.NotRead, "relay log") || d.Option(recovery.Fix) != nil || d.Option(recovery.Skip) != nil || d.Option(recovery.Rebuild) == nil {
		t.Errorf("with no log to read: %s", describeRecovery(result))
	}
	if !slices.ContainsFunc(d.Why, func(why string) bool { return strings.Contains(why, "could not be read") }) {
		t.Errorf("the reasons do not say so: %q", d.Why)
	}
}

// readFrom is where a diagnosis has the transaction from.
func readFrom(t *testing.T, tp *Topology, localFiles bool) string {
	t.Helper()
	run := NewRecoverRun(t, tp, recovery.Plan)
	run.Request.LocalFiles = localFiles
	result := run.Run(t)
	if d := result.Attempts[0].Diagnosis; d.Transaction != nil && d.Option(recovery.Fix) != nil {
		return d.Transaction.From
	}
	return describeRecovery(result)
}

// readableRelay lets everybody read the relay logs of a server on this machine: LOAD_FILE reads no others.
func readableRelay(t *testing.T, on *Node) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(on.Value(t, "SELECT @@datadir"), "relay.*"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("relay logs %q, %v", logs, err)
	}
	for _, log := range logs {
		if err := os.Chmod(log, 0o644); err != nil { //nolint:gosec // that is the point
			t.Fatal(err)
		}
	}
}

// TestRecoverWithoutSource: a source that cannot be reached leaves a diagnosis from what the replica has, says so, and nothing can be proven.
func TestRecoverWithoutSource(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, modes(on)[0])
		stop := FindStop(t, "1032 one of several rows")
		stop.Provoke(t, tp)
		const nowhere = "127.0.0.1:1"
		run := NewRecoverRun(t, tp, recovery.Fix)
		run.Request.Check.Source.Address = nowhere
		var fixable bool
		run.Request.Choose = func(_ context.Context, d *recovery.Diagnosis) (recovery.Choice, error) {
			fixable = d.Option(recovery.Fix) != nil
			return recovery.Choice{Action: recovery.Plan, By: "test"}, nil
		}
		result := run.Run(t)
		if result.Outcome != recovery.Declined || !slices.ContainsFunc(result.Warnings, func(w string) bool { return strings.Contains(w, "the source could not be reached") }) {
			t.Error(describeRecovery(result))
		}
		if fixable != on.Local() { // the event in the relay log has all that is needed
			t.Errorf("a fix offered: %v: %s", fixable, describeRecovery(result))
		}
		if !on.Local() {
			return
		}
		run = NewRecoverRun(t, tp, recovery.Fix)
		run.Request.Check.Source.Address = nowhere
		began := time.Now()
		result = run.Run(t)
		if result.Outcome == recovery.Proven || result.Attempts[0].After.Compare(result.Attempts[0].Before) <= 0 {
			t.Errorf("without a source, after %v: %s", time.Since(began), describeRecovery(result))
		}
		tp.WaitCaughtUp(t)
		tables := stop.Tables(t, tp)
		if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, tp.Replica(0), tables...); want != got {
			t.Errorf("the replica is not equal:\n%s", diffLines(want, got))
		}
	})
}

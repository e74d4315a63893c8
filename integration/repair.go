package integration

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/check"
	"trueup/internal/audit"
	"trueup/repair"
	"trueup/schema"
	"trueup/server"
)

// RepairRun is a repair in a test, with what it leaves behind.
type RepairRun struct {
	Request repair.Request
	Script  bytes.Buffer // of a plan
	Journal string       // path of an applied one's journal, once it is closed
}

// NewRepairRun makes a repair that begins with a check; with apply it has a journal of its own.
func NewRepairRun(t testing.TB, checking check.Request, apply bool) *RepairRun {
	t.Helper()
	r := &RepairRun{Request: repair.DefaultRequest()}
	r.Request.Check, r.Request.Apply, r.Request.Version = checking, apply, "test"
	r.Request.Check.RunID = check.NewRunID(time.Now())
	r.Request.Script = func(check.ReplicaResult) io.Writer { return &r.Script }
	if apply {
		journal, err := (audit.Folder{Path: t.TempDir(), Now: time.Now}).Create(r.Request.Check.RunID)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = journal.Close() })
		r.Request.Journal, r.Request.Check.Recorder, r.Journal = journal, journal, journal.Path()
	}
	return r
}

// Run repairs; the repair must come to its end.
func (r *RepairRun) Run(t testing.TB) *repair.Result {
	t.Helper()
	result, err := repair.Run(t.Context(), r.Request, nil)
	if err != nil {
		t.Fatalf("the repair: %v", err)
	}
	if result.Check.Err != nil || result.Err != nil {
		t.Fatalf("the repair failed: check %v, repair %v", result.Check.Err, result.Err)
	}
	return result
}

// Undo undoes what the repair did on one replica.
func (r *RepairRun) Undo(t testing.TB, on *Node) *repair.UndoResult {
	t.Helper()
	path := filepath.Join(t.TempDir(), "undo.sql")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := repair.WriteUndo(file, r.Journal, on.Address()); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	folder := audit.Folder{Path: filepath.Dir(r.Journal), Now: time.Now}
	id := check.NewRunID(time.Now())
	journal, err := folder.Create(id)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	result, err := repair.Undo(t.Context(), repair.UndoRequest{RunID: id, Replica: on.Endpoint(), File: file, Journal: journal, Folder: &folder, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	return result
}

// openReader opens a session that reads rows as a check does, for the test's time.
func openReader(t testing.TB, endpoint server.Endpoint) *server.Session {
	t.Helper()
	opened, err := server.Open(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	session, err := opened.Session(t.Context(), server.SessionOptions{Reader: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = session.Close() })
	return session
}

// DumpTables reads every row of the tables, byte for byte and in an order of its own.
func DumpTables(t testing.TB, on *Node, tables ...string) string {
	t.Helper()
	session := openReader(t, on.Endpoint())
	defer session.Close()
	var out strings.Builder
	for _, table := range tables {
		fmt.Fprintf(&out, "%s\n%s", table, dumpTable(t, t.Context(), session, table))
	}
	return out.String()
}

func dumpTable(t testing.TB, ctx context.Context, session *server.Session, table string) string {
	t.Helper()
	database, name, _ := strings.Cut(table, ".")
	statement, err := session.Prepare(ctx, "SELECT * FROM "+schema.QuoteTable(database, name))
	if err != nil {
		t.Fatal(err)
	}
	defer statement.Close()
	var rows []string
	err = statement.Stream(ctx, nil, func(row []driver.Value) error {
		var line strings.Builder
		for _, value := range row {
			if text, isBytes := value.([]byte); isBytes {
				fmt.Fprintf(&line, "%q ", text)
			} else {
				fmt.Fprintf(&line, "%v ", value)
			}
		}
		rows = append(rows, line.String()+"\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(rows)
	return strings.Join(rows, "")
}

// DescribeRepair puts what a repair came to into a message.
func DescribeRepair(result *repair.Result) string {
	var out strings.Builder
	fmt.Fprintf(&out, "applied %v, error %v", result.Applied, result.Err)
	for _, replica := range result.Replicas {
		fmt.Fprintf(&out, "\n%s: %d statements, %d pauses (%v), %v to %v, refused %+v, notes %q", replica.Address, replica.Statements, replica.Pauses, replica.Paused, replica.Before, replica.After, replica.Refused, replica.Notes)
		for _, table := range replica.Tables {
			fmt.Fprintf(&out, "\n  %s.%s: planned %+v done %+v in %d groups, %d along, refused %+v, notes %q", table.Database, table.Table, table.Planned, table.Done, table.Groups, table.Conflicts, table.Refused, table.Notes)
		}
	}
	if result.Verified != nil {
		fmt.Fprintf(&out, "\nverified: %s %v", result.Verified.Verdict, result.Verified.Err)
		for _, d := range result.Verified.Differences {
			fmt.Fprintf(&out, "\n  %s %s.%s %+v", d.Kind, d.Database, d.Table, d.Key)
		}
		for _, table := range result.Verified.Tables {
			fmt.Fprintf(&out, "\n  %s.%s %s %s %s", table.Database, table.Table, table.Verdict, table.ReasonCode, table.Reason)
		}
	}
	return out.String()
}

package integration

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"trueup/internal/audit"
	"trueup/recovery"
)

// TestRecoverNextError: with one error to deal with, the one behind it is shown and left; the journal stays open until another run has dealt with that, and proven both.
func TestRecoverNextError(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, options := range append(modes(on), Options{ParallelThreads: 4}) {
			t.Run(fmt.Sprintf("gtid %v threads %d", options.GTID, options.ParallelThreads), func(t *testing.T) {
				t.Parallel()
				tp := NewTopology(t, options)
				for _, action := range []recovery.Action{recovery.Fix, recovery.Skip} {
					t.Run(string(action), func(t *testing.T) { testNextError(t, tp, action) })
				}
				requireReplicating(t, tp.Replicas...)
			})
		}
	})
}

func testNextError(t *testing.T, tp *Topology, action recovery.Action) {
	stop := FindStop(t, "1062 and 1032 behind it")
	stop.Name += " " + string(action)
	stop.Provoke(t, tp)
	run := NewRecoverRun(t, tp, action)
	first := run.Run(t)
	if len(first.Attempts) != 2 || first.Outcome != recovery.Explained || first.Attempts[0].Outcome != recovery.Unproven || first.Attempts[1].Diagnosis.Error.Number != 1032 ||
		first.Attempts[1].Action != recovery.Plan || len(first.Attempts[1].Steps) > 0 {
		t.Fatal(describeRecovery(first))
	}
	if err := run.journal.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := recovery.ReadLeft(run.Journal)
	if err != nil {
		t.Fatal(err)
	}
	folder := audit.Folder{Path: filepath.Dir(run.Journal), Now: time.Now}
	next := NewRecoverRun(t, tp, action)
	next.Request.Continue, next.Request.Check.Journals = left, &folder
	second := next.Run(t)
	if len(second.Attempts) != 2 || second.Outcome != recovery.Proven || second.Attempts[0].Diagnosis.Error.Number != 1062 || second.Attempts[1].Diagnosis.Error.Number != 1032 {
		t.Fatal(describeRecovery(second))
	}
	if err := left.Settle(t.Context(), folder, "test", second.Outcome); err != nil {
		t.Fatal(err)
	}
	if err := next.journal.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{run.Journal, next.Journal} {
		if found, _, err := audit.Read(path, nil); err != nil || found.State != audit.Whole {
			t.Errorf("journal %+v, %v\n%s", found, err, entriesOf(t, path))
		}
	}
	tp.WaitCaughtUp(t)
	tables := stop.Tables(t, tp)
	if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, tp.Replica(0), tables...); want != got {
		t.Errorf("the replica is not equal:\n%s", diffLines(want, got))
	}
}

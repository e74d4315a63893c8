package integration

import (
	"fmt"
	"testing"
	"time"

	"trueup/check"
)

// TestCheckUnderLoadIsEqual: while a writer hammers the source, a check says equal, every time, and every table was
// covered by chunks at several epochs.
func TestCheckUnderLoadIsEqual(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) { checkUnderLoad(t) })
}

func checkUnderLoad(t *testing.T) {
	for _, options := range []Options{
		{GTID: true, Format: "ROW", ParallelThreads: 4},
		{GTID: false, Format: "ROW", ParallelThreads: 0},
		{GTID: true, Format: "MIXED", ParallelThreads: 0},
		{GTID: false, Format: "MIXED", ParallelThreads: 4},
	} {
		t.Run(fmt.Sprintf("gtid=%v,%s,threads=%d", options.GTID, options.Format, options.ParallelThreads), func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, options)
			stop := tp.StartWriter(t, WriterOptions{Rows: 1500, Pause: 5 * time.Millisecond})
			const checks = 8
			for i := range checks {
				request := requestFor(tp)
				request.SyncMaxAge = 250 * time.Millisecond // renewed in the middle of the check
				request.Size.Rows = 200                     // a busy machine must not read a table more slowly than it grows
				if i%2 == 1 {
					tp.Source.Exec(t, "FLUSH BINARY LOGS")
				}
				result := runCheck(t, request)
				if result.Verdict != check.Equal {
					t.Errorf("check %d: %s", i, describe(result))
				}
				requireCovered(t, result)
			}
			if counts := stop(); counts.Transactions < checks {
				t.Errorf("the writer wrote only %d transactions: nothing was proven", counts.Transactions)
			}
			requireReplicating(t, tp.Replicas...)
		})
	}
}

// requireCovered fails when a table that reads as equal was not split, or not verified in full.
func requireCovered(t testing.TB, result *check.Result) {
	t.Helper()
	for _, table := range result.Tables {
		if table.Rows == 0 || table.ChunksVerified < 2 || table.ChunksUnverified != 0 || len(table.Epochs) == 0 {
			t.Errorf("%s.%s: %d rows in %d+%d chunks at epochs %v", table.Database, table.Table, table.Rows, table.ChunksVerified, table.ChunksUnverified, table.Epochs)
		}
		chunks := 0
		for _, epoch := range table.Coverage.Chunks {
			chunks += epoch.Chunks
		}
		if !table.Coverage.Proven || chunks != table.ChunksVerified || table.Coverage.RowsCounted != (len(table.Epochs) == 1) {
			t.Errorf("%s.%s: coverage %+v of %d chunks at epochs %v", table.Database, table.Table, table.Coverage, table.ChunksVerified, table.Epochs)
		}
		for _, on := range table.Replicas {
			if on.Verdict == check.Equal && on.Rows != table.Rows {
				t.Errorf("%s.%s: %d rows on the source, %d on %s, and still equal", table.Database, table.Table, table.Rows, on.Rows, on.Address)
			}
		}
	}
	for _, epoch := range result.Sync.Epochs {
		for _, on := range epoch.Replicas {
			if !on.Exact || on.File != epoch.File || on.Position != epoch.Position {
				t.Errorf("epoch %d at %s:%d: replica at %s:%d, exact %v", epoch.ID, epoch.File, epoch.Position, on.File, on.Position, on.Exact)
			}
		}
	}
}

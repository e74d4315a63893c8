package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/check"
	"trueup/chunker"
)

// stormOptions are the topologies that the checks are shared out to: each format with and without GTIDs, and with and
// without appliers in parallel.
var stormOptions = []Options{
	{GTID: true, Format: "ROW", ParallelThreads: 4},
	{GTID: false, Format: "ROW"},
	{GTID: true, Format: "MIXED"},
	{GTID: false, Format: "MIXED", ParallelThreads: 4},
	{GTID: true, Format: "STATEMENT", ParallelThreads: 4},
	{GTID: false, Format: "STATEMENT"},
}

// TestNoFalseAlarm: while a writer does everything that a busy source does, no check ever finds a difference, or
// leaves anything unverified.
func TestNoFalseAlarm(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		checks := times(50, 1000)
		if !on.Local() {
			checks = 12
		}
		for _, options := range stormOptions {
			t.Run(fmt.Sprintf("gtid=%v,%s,threads=%d", options.GTID, options.Format, options.ParallelThreads), func(t *testing.T) {
				t.Parallel()
				checkInStorm(t, options, (checks+len(stormOptions)-1)/len(stormOptions))
			})
		}
	})
}

func checkInStorm(t *testing.T, options Options, checks int) {
	random, seed := randomFrom(t)
	tp := NewTopology(t, options)
	writing, stop := startStorm(t, tp, seed)
	began, beside := time.Now(), 0
	for i := range checks {
		if random.IntN(4) == 0 {
			tp.Source.Exec(t, "FLUSH BINARY LOGS")
		}
		request := stormRequest(tp, random)
		before := writing.committed.Load()
		result := runCheck(t, request)
		written := writing.committed.Load() - before
		leaveOutPassing(result)
		if result.Verdict != check.Equal || len(result.Differences) > 0 || !allEqual(result) {
			t.Fatalf("check %d with chunks of %d rows, points of %v, %d workers: %s", i, request.Size.Rows, request.SyncMaxAge, request.Workers, describe(result))
		}
		if written > 0 { // a disk that hangs for a moment holds up every writer
			beside++
		}
		requireCovered(t, result)
	}
	took := time.Since(began)
	stop()
	t.Logf("%d checks in %v: %d transactions committed, %d rolled back, %d with a savepoint, %d statements around DDL, %d deadlocks and lock timeouts", checks,
		took.Round(time.Millisecond), writing.committed.Load(), writing.rolledBack.Load(), writing.savepoints.Load(), writing.ddl.Load(), writing.retries.Load())
	if beside*2 < checks {
		t.Errorf("something was written beside %d of %d checks: nothing was proven", beside, checks)
	}
	if writing.rolledBack.Load() == 0 || writing.savepoints.Load() == 0 || writing.ddl.Load() == 0 {
		t.Error("the writer left something out: nothing was proven of it")
	}
	tp.WaitCaughtUp(t) // an applier that a statement stopped is found out here
	requireReplicating(t, tp.Replicas...)
}

// stormRequest splits the tables into small chunks, at several positions of the source.
func stormRequest(tp *Topology, random *rand.Rand) check.Request {
	request := requestFor(tp)
	request.Filters.Databases = []string{"app"}
	request.Filters.IgnoreTables = []string{"app.passing*"}
	request.Workers = 1 + random.IntN(4)
	request.Size = chunker.SizeOptions{Rows: 10 + random.IntN(60)}
	request.SyncMaxAge = time.Duration(50+random.IntN(400)) * time.Millisecond
	return request
}

// leaveOutPassing takes the tables out of the result that the filter left out of the check.
func leaveOutPassing(result *check.Result) {
	result.Tables = slices.DeleteFunc(result.Tables, func(table check.TableResult) bool {
		return table.Verdict == check.NotCompared && strings.HasPrefix(table.Table, "passing")
	})
}

// allEqual tells whether exactly the checked tables were compared, and each is equal.
func allEqual(result *check.Result) bool {
	for _, table := range result.Tables {
		if table.Verdict != check.Equal {
			return false
		}
	}
	return len(result.Tables) == len(stormTables)
}

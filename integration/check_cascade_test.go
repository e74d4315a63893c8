package integration

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"trueup/check"
)

// TestCascadesIntoACheckedTable: rows of a checked table go by a foreign key's cascade from a table that is not checked, while points
// are made: no strategy takes that for a difference.
func TestCascadesIntoACheckedTable(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.g (id INT PRIMARY KEY)", "CREATE TABLE app.p (id INT PRIMARY KEY, g INT, FOREIGN KEY (g) REFERENCES app.g (id) ON DELETE CASCADE)",
			"CREATE TABLE app.c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES app.p (id) ON DELETE CASCADE)")
		ctx, cancel := context.WithCancel(t.Context())
		var rows atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for n := 1; ctx.Err() == nil; n++ {
				err := tp.Source.exec(ctx, fmt.Sprintf("INSERT INTO app.g VALUES (%d)", n), fmt.Sprintf("INSERT INTO app.p VALUES (%d, %d)", n, n), fmt.Sprintf("INSERT INTO app.c VALUES (%d, %d)", n, n),
					fmt.Sprintf("DELETE FROM app.g WHERE id = %d", n-20))
				if err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				rows.Store(int64(n))
			}
		}()
		checks := times(12, 100)
		if !on.Local() && on.IsMySQL(8, 0, 0) {
			checks = 4
		}
		for i := range checks {
			for _, strategy := range []check.Strategy{check.Until, check.Lock, check.Recheck} {
				request := strategyRequest(tp, strategy)
				request.Filters.Tables = []string{"app.c"}
				if result := runCheck(t, request); result.Verdict != check.Equal && (strategy != check.Recheck || result.Verdict == check.Different) {
					t.Errorf("%s, check %d: %s", strategy, i, describe(result))
				}
			}
		}
		cancel()
		<-done
		if rows.Load() < 50 {
			t.Errorf("only %d rows were written: nothing was proven", rows.Load())
		}
		tp.WaitCaughtUp(t)
		requireReplicating(t, tp.Replicas...)
	})
}

package integration

import (
	"slices"
	"strings"
	"testing"

	"trueup/check"
)

// TestErrantTransactions: what was written to a replica directly is reported, as a difference where it is one and as a
// transaction of its own even where it is none.
func TestErrantTransactions(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { checkErrant(t) }, Needs{GTID: true})
}

func checkErrant(t *testing.T) {
	tp := NewTopology(t, Options{GTID: true, Replicas: 2})
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, k INT)", "INSERT INTO app.t VALUES (1, 1), (2, 2)")
	tp.WaitCaughtUp(t)
	if result := runCheck(t, requestFor(tp)); result.Verdict != check.Equal || len(result.Warnings) > 0 {
		t.Errorf("before: %s", describe(result))
	}
	requireWarning := func(result *check.Result) {
		t.Helper()
		for i, n := range tp.Replicas {
			warned := slices.ContainsFunc(result.Warnings, func(w string) bool {
				return strings.HasPrefix(w, n.Address()) && strings.Contains(w, "transactions of its own")
			})
			if warned != (i == 1) {
				t.Errorf("replica %d: warned %v: %q", i, warned, result.Warnings)
			}
		}
	}
	tp.Replica(1).Exec(t, "UPDATE app.t SET k = 9 WHERE id = 1")
	result := runCheck(t, requestFor(tp))
	if got := differenceTexts(result); result.Verdict != check.Different || !slices.Equal(got, []string{"changed app.t id=1 k:1>9"}) {
		t.Errorf("with other data: %q, %s", got, describe(result))
	}
	requireWarning(result)
	tp.Replica(1).Exec(t, "UPDATE app.t SET k = 1 WHERE id = 1")
	if result = runCheck(t, requestFor(tp)); result.Verdict != check.Equal {
		t.Errorf("with equal data: %s", describe(result))
	}
	requireWarning(result)
}

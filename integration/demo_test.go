package integration

import (
	"strings"
	"testing"

	"trueup/internal/sandbox/sandboxtest"
)

// TestDemo: what "make demo" shows comes to its end, which is two recoveries with what each is to show, in this order.
func TestDemo(t *testing.T) {
	t.Parallel()
	sandboxtest.Require(t)
	r := runTrueup(t, buildTrueup(t), "demo")
	if r.code != 0 {
		t.Fatalf("exit code %d: %s\n%s", r.code, r.err, r.out)
	}
	rest := r.out
	for _, shown := range []string{
		"The check found exactly the damage",
		"The replica was repaired, damaged again by undoing that, and repaired again",
		"Stopping a replica with error 1032",
		"row id=77 of shop.customers is missing on the replica",
		"1. fix (recommended)",
		"What was done: fix",
		"1 row changed by 1 statement",
		"Proof: equal",
		"Stopping a replica with error 1062",
		"Somebody wrote on this replica itself",
		"insert shop.order_lines order_id=60001, line=1", // innocent
		"update shop.customers id=88",                    // innocent
		"What was done: skip",
		"SET GLOBAL sql_slave_skip_counter = 1",
		"shop.order_lines: 1 row missing; repaired in 1 transaction",
		"Check of what was touched: equal",
		"$ trueup audit show skip.jsonl",
		"Chosen: skip",
		"The recovery ended: the replica is past the transaction, and every row that was touched is equal",
		"skip.jsonl: whole",
		"Two replicas were stopped by errors, and brought back equal",
	} {
		_, after, found := strings.Cut(rest, shown)
		if !found {
			t.Fatalf("%q is not shown, or not where it should be:\n%s", shown, r.out)
		}
		rest = after
	}
}

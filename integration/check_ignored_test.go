package integration

import (
	"context"
	"slices"
	"testing"

	"trueup/check"
	"trueup/server"
)

// TestIgnoredOrigins: transactions that a replica ignores because of where they were written (its own server id, as in a ring;
// IGNORE_SERVER_IDS; IGNORE_DOMAIN_IDS) do not move its position. An applier that stops at its UNTIL behind them is never
// taken for one that somebody else stopped, and is never left stopped.
func TestIgnoredOrigins(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { // sessions of MySQL cannot write with another server id
		t.Run("its own", func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, Options{})
			checkIgnoredOrigin(t, tp, "server_id", tp.Replica(0).Value(t, "SELECT @@GLOBAL.server_id"), check.Equal)
		})
		t.Run("server id", func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, Options{})
			tp.Replica(0).Exec(t, "STOP SLAVE", "CHANGE MASTER TO IGNORE_SERVER_IDS = (77)", "START SLAVE")
			checkIgnoredOrigin(t, tp, "server_id", "77", check.Equal)
		})
		t.Run("domain", func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, Options{GTID: true})
			tp.Replica(0).Exec(t, "STOP SLAVE", "CHANGE MASTER TO IGNORE_DOMAIN_IDS = (9)", "START SLAVE")
			checkIgnoredOrigin(t, tp, "gtid_domain_id", "9", check.Equal, check.Unverified) // where it stood short of the point, it may have ignored what lies between
		})
		t.Run("none, with its source's id", func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, Options{ReplicaArgs: []string{"--replicate-same-server-id", "--log-slave-updates=0"}})
			tp.Replica(0).Exec(t, "STOP SLAVE", "SET GLOBAL server_id = "+tp.Source.Value(t, "SELECT @@GLOBAL.server_id"), "START SLAVE")
			checkIgnoredOrigin(t, tp, "server_id", "77", check.Equal)
		})
		for _, where := range []string{"FILTER_ON_MASTER", "FILTER_ON_SLAVE"} {
			t.Run("marked for skip, "+where, func(t *testing.T) {
				t.Parallel()
				tp := NewTopology(t, Options{})
				tp.Replica(0).Exec(t, "STOP SLAVE", "SET GLOBAL replicate_events_marked_for_skip = "+where, "START SLAVE")
				checkIgnoredOrigin(t, tp, "skip_replication", "1", check.Equal, check.Unverified)
			})
		}
	}, Needs{Flavor: server.MariaDB})
}

func checkIgnoredOrigin(t *testing.T, tp *Topology, variable, ignored string, allowed ...check.Verdict) {
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.a (id INT AUTO_INCREMENT PRIMARY KEY, k INT)", "CREATE TABLE app.ignored (id INT AUTO_INCREMENT PRIMARY KEY, k INT)")
	tp.WaitCaughtUp(t)
	stop := repeatUntilStopped(t, func(ctx context.Context) error { return tp.Source.exec(ctx, "INSERT INTO app.a (k) VALUES (1)") })
	stopIgnored := repeatUntilStopped(t, func(ctx context.Context) error {
		return tp.Source.exec(ctx, "SET SESSION "+variable+" = "+ignored, "INSERT INTO app.ignored (k) VALUES (1)",
			"SET SESSION "+variable+" = DEFAULT")
	})
	request := requestFor(tp)
	request.Filters.Tables = []string{"app.a"}
	for range times(12, 60) {
		result := runCheck(t, request)
		if !slices.Contains(allowed, result.Verdict) || result.Replicas[0].ReasonCode == "applier_stopped" {
			t.Error(describe(result))
		}
		requireReplicating(t, tp.Replica(0))
	}
	stopIgnored()
	stop()
}

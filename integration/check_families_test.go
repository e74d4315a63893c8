package integration

import (
	"slices"
	"testing"

	"trueup/check"
	"trueup/server"
)

// TestAcrossFamilies: MySQL 5.6 sources replicate to MariaDB replicas. Equal data compares equal, damage is found.
func TestAcrossFamilies(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		if on.Flavor != server.MySQL || on.IsMySQL(5, 7, 0) {
			outcomes.skip(t, "is about sources that MariaDB replicates from: MySQL 5.6")
		}
		replica, found := rowOfFamily(t, server.MariaDB)
		if !found {
			outcomes.skip(t, "needs a MariaDB row in containers as well")
		}
		tp := NewTopology(t, Options{Server: on, ReplicaServer: replica})
		tp.Source.CreateWriterTable(t, "app.w1", 800)
		stop := tp.StartWriter(t, WriterOptions{Tables: []string{"app.w1"}})
		for range 3 {
			if result := runCheck(t, requestFor(tp)); result.Verdict != check.Equal {
				t.Error(describe(result))
			}
		}
		stop()
		tp.Damage(t, 0, "UPDATE app.w1 SET c = CONCAT(c, 'x') ORDER BY id LIMIT 1")
		result := runCheck(t, requestFor(tp))
		if len(result.Differences) != 1 || result.Differences[0].Kind != check.Changed || result.Differences[0].Columns[0].Name != "c" {
			t.Error(describe(result))
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// rowOfFamily is the first row in containers of that family.
func rowOfFamily(t *testing.T, flavor server.Flavor) (ServerRow, bool) {
	t.Helper()
	for _, name := range slices.Sorted(slices.Values(rowNames())) {
		if row := openRow(t, name); row.Flavor == flavor && !row.Local() {
			return row, true
		}
	}
	return ServerRow{}, false
}

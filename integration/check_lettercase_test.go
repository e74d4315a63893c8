package integration

import (
	"testing"

	"trueup/check"
)

// TestReplicaFoldsNames: a replica with lower_case_table_names=1 has the source's tables in lower case. They are no extra tables, and its
// filters go by the names in lower case.
func TestReplicaFoldsNames(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, row ServerRow) {
		if row.IsMySQL(8, 0, 0) {
			outcomes.skip(t, "it takes the setting when its data directory is made, not later")
		}
		for filter, compared := range map[string]bool{"": true, "--replicate-do-db=app": true, "--replicate-ignore-db=app": false, "--replicate-do-table=App.orders": true} {
			t.Run(filter, func(t *testing.T) {
				t.Parallel()
				args := []string{"--lower-case-table-names=1"}
				if filter != "" {
					args = append(args, filter)
				}
				tp := NewTopology(t, Options{ReplicaArgs: args})
				tp.Source.Exec(t, "CREATE DATABASE App", "USE App", "CREATE TABLE Orders (id INT PRIMARY KEY, k INT)", "INSERT INTO Orders VALUES (1,1),(2,2)")
				tp.WaitCaughtUp(t)
				replicated := tp.Replica(0).Value(t, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'app'") == "1"
				if replicated != compared {
					t.Fatalf("replicated: %v", replicated)
				}
				result := runCheck(t, requestFor(tp))
				want := check.Equal
				if !compared {
					want = check.NotCompared
				}
				if len(result.Tables) != 1 || result.Tables[0].Verdict != want {
					t.Error(describe(result))
				}
				if !compared {
					return
				}
				tp.Damage(t, 0, "UPDATE app.orders SET k = 7 WHERE id = 2")
				if result := runCheck(t, requestFor(tp)); result.Verdict != check.Different || len(result.Differences) != 1 {
					t.Error(describe(result))
				}
			})
		}
	})
}

package integration

import (
	"slices"
	"testing"

	"trueup/check"
	"trueup/repair"
	"trueup/server"
)

// repairGrants are what docs/servers.md says that a repair needs on a replica, besides those of a check.
func repairGrants(on ServerRow) []string {
	grants := []string{"INSERT", "UPDATE", "DELETE", "TRIGGER"}
	if on.Flavor == server.MySQL && on.Version.AtLeast(8, 0, 14) {
		grants = append(grants, "SESSION_VARIABLES_ADMIN")
	}
	return grants
}

// TestRepairWithDocumentedGrants: with exactly the privileges that the manual names a repair works, on a replica that is read_only as
// well; each of them that is taken away is named, and nothing is changed.
func TestRepairWithDocumentedGrants(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{})
		tp.Source.CreateWriterTable(t, "app.w1", 200)
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "DELETE FROM app.w1 WHERE id IN (5, 50)", "SET GLOBAL read_only = 1")
		damaged := DumpTables(t, tp.Replica(0), "app.w1")
		request := requestFor(tp)
		request.Source = accountOn(t, tp.Source, "source_fix", documentedGrants(t, on, "source"))
		readOnly := "CONNECTION_ADMIN"
		switch {
		case on.Flavor == server.MariaDB:
			readOnly = "READ_ONLY ADMIN"
		case !on.Version.AtLeast(8, 0, 0):
			readOnly = "SUPER"
		}
		all := slices.Concat(documentedGrants(t, on, "replica"), repairGrants(on), []string{readOnly})
		for _, missing := range append(repairGrants(on), readOnly) {
			if missing == "SUPER" {
				continue // a check does without it neither
			}
			request.Replicas = []server.Endpoint{accountOn(t, tp.Replica(0), "replica_fix", without(all, missing))}
			result := NewRepairRun(t, request, true).Run(t)
			if codes := refusalCodes(result); !slices.Contains(codes, repair.RefusedPrivilege) {
				t.Errorf("without %s: refused %v: %s", missing, codes, DescribeRepair(result))
			}
			if now := DumpTables(t, tp.Replica(0), "app.w1"); now != damaged {
				t.Fatalf("without %s the replica was changed", missing)
			}
		}
		request.Replicas = []server.Endpoint{accountOn(t, tp.Replica(0), "replica_fix", all)}
		result := NewRepairRun(t, request, true).Run(t)
		if result.Verified == nil || result.Verified.Verdict != check.Equal {
			t.Errorf("with every documented grant: %s", DescribeRepair(result))
		}
		if now := tp.Replica(0).Value(t, "SELECT @@GLOBAL.read_only"); now == "0" || now == "OFF" {
			t.Errorf("read_only is %s now", now)
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// refusalCodes are those of replicas and tables.
func refusalCodes(result *repair.Result) (codes []string) {
	for _, replica := range result.Replicas {
		for _, refused := range replica.Refused {
			codes = append(codes, refused.Code)
		}
		for _, table := range replica.Tables {
			for _, refused := range table.Refused {
				codes = append(codes, refused.Code)
			}
		}
	}
	return codes
}

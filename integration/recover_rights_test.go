package integration

import (
	"slices"
	"strings"
	"testing"

	"trueup/recovery"
	"trueup/server"
)

// TestRecoverSkipAmongDomainsRights: where the counter is refused (several domains, parallel threads) a skip sets gtid_slave_pos, for which the account needs no
// SUPER. Each right that the manual names and that is missing is said, with the GRANT that gives it, before anything is stopped or set.
func TestRecoverSkipAmongDomainsRights(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true, ParallelThreads: 4})
		tp.Source.Exec(t, "SET SESSION gtid_domain_id=7", "CREATE DATABASE aside", "CREATE TABLE aside.d (id INT PRIMARY KEY)", "INSERT INTO aside.d VALUES (1)", "SET SESSION gtid_domain_id=0")
		r := recoverAccounts{tp: tp, grants: recoverGrantsOf(on)}
		whole := r.stop(t, recovery.Skip, r.grants.source, r.grants.replica)
		for _, missing := range r.grants.replica {
			requireSaid(t, tp, r.run(t, recovery.Plan, r.grants.source, without(r.grants.replica, missing)), "replica", missing)
		}
		for _, missing := range r.grants.source {
			requireSaid(t, tp, r.run(t, recovery.Plan, without(r.grants.source, missing), r.grants.replica), "source", missing)
		}
		result := whole.Run(t)
		if result.Outcome != recovery.Proven || !slices.ContainsFunc(result.Attempts[0].Steps, func(s recovery.Step) bool { return strings.HasPrefix(s.SQL, "SET GLOBAL gtid_slave_pos") }) {
			t.Error(describeRecovery(result))
		}
		tp.Source.Exec(t, "SET SESSION gtid_domain_id=7", "INSERT INTO aside.d VALUES (2)", "SET SESSION gtid_domain_id=0")
		tp.WaitMended(t)
		requireReplicating(t, tp.Replicas...)
	}, Needs{Flavor: server.MariaDB, MinMariaDB: server.Version{Major: 10, Minor: 5, Patch: 2}})
}

// requireSaid requires that a diagnosis by an account which lacks a privilege names it, and offers a skip only where that can be carried out; and that it changes nothing.
func requireSaid(t *testing.T, tp *Topology, run *RecoverRun, where, missing string) {
	t.Helper()
	what := "without " + missing + " on the " + where
	requireUnchanged(t, tp, what, func() {
		result, err := recovery.Run(t.Context(), run.Request, nil)
		switch where + " " + missing {
		case "replica SELECT", "replica SLAVE MONITOR": // there is no diagnosis
			if err == nil {
				err = result.Err
			}
			if !server.IsAccessDenied(err) || !strings.Contains(err.Error(), missing) {
				t.Errorf("%s: %v", what, err)
			}
			return
		}
		if err != nil || result.Outcome != recovery.Explained {
			t.Fatalf("%s: %v, %s", what, err, describeRecovery(result))
		}
		d := result.Attempts[0].Diagnosis
		skip, said := d.Option(recovery.Skip), strings.Join(append(slices.Clone(d.Advice), d.NotRead), "\n")
		switch where + " " + missing {
		case "replica REPLICATION SLAVE ADMIN", "source BINLOG MONITOR", "source REPLICATION SLAVE":
			if skip != nil {
				t.Errorf("%s a skip is offered", what)
			}
		default:
			if skip == nil {
				t.Fatalf("%s no skip is offered: %q", what, d.Advice)
			}
			said = strings.Join(skip.Loses, "\n")
			if strings.Contains(said, "stays lost") && skip.Recommended {
				t.Errorf("%s a skip is recommended that loses rows for good", what)
			}
		}
		optional := where == "source" && missing == "BINLOG ADMIN"
		if says := strings.Contains(strings.ToUpper(said), "GRANT ") && strings.Contains(said, missing); says == optional {
			t.Errorf("%s it says: %s", what, said)
		}
	})
}

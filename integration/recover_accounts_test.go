package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"trueup/recovery"
	"trueup/server"
)

// recoverGrants are what docs/servers.md names for a recovery: on the source, on the replica, and there besides for a skip by the counter.
type recoverGrants struct{ source, replica, counter []string }

func recoverGrantsOf(on ServerRow) recoverGrants {
	rows := []string{"INSERT", "UPDATE", "DELETE", "TRIGGER"}
	switch {
	case on.Flavor == server.MariaDB:
		return recoverGrants{[]string{"SELECT", "BINLOG MONITOR", "BINLOG ADMIN", "REPLICATION SLAVE"},
			slices.Concat([]string{"SELECT", "SLAVE MONITOR", "REPLICATION SLAVE ADMIN", "BINLOG ADMIN"}, rows), []string{"SUPER"}}
	case on.IsMySQL(8, 0, 14):
		return recoverGrants{[]string{"SELECT", "LOCK TABLES", "REPLICATION CLIENT", "REPLICATION SLAVE"},
			slices.Concat([]string{"SELECT", "REPLICATION CLIENT", "REPLICATION_SLAVE_ADMIN", "SESSION_VARIABLES_ADMIN"}, rows), []string{"SYSTEM_VARIABLES_ADMIN"}}
	}
	return recoverGrants{[]string{"SELECT", "LOCK TABLES", "REPLICATION CLIENT", "REPLICATION SLAVE"}, slices.Concat([]string{"SELECT", "SUPER"}, rows), nil}
}

// TestRecoverGrantsAreDocumented: the manual names what the tests below grant.
func TestRecoverGrantsAreDocumented(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../docs/servers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(document), "`trueup recover` needs")
	if !found {
		t.Fatal("docs/servers.md does not say what trueup recover needs")
	}
	EachServer(t, func(t *testing.T, on ServerRow) {
		grants := recoverGrantsOf(on)
		for _, list := range [][]string{grants.source, grants.replica, grants.counter} {
			if want := "GRANT " + strings.Join(list, ", ") + " ON *.* TO"; len(list) > 0 && !strings.Contains(section, want) {
				t.Errorf("docs/servers.md does not have %q", want)
			}
		}
	})
}

// TestRecoverWithDocumentedGrants: with the privileges that the manual names a fix and a skip end equal, and what lacks one of them says so.
func TestRecoverWithDocumentedGrants(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, options := range modes(on) {
			t.Run(fmt.Sprintf("gtid %v", options.GTID), func(t *testing.T) {
				t.Parallel()
				r := recoverAccounts{tp: NewTopology(t, options), grants: recoverGrantsOf(on)}
				all := slices.Concat(r.grants.replica, r.grants.counter)
				r.requireProven(t, recovery.Fix, r.grants.replica)
				r.requireProven(t, recovery.Skip, all)
				if on.Flavor == server.MySQL && options.GTID {
					r.requireProven(t, recovery.Skip, r.grants.replica) // by an empty transaction
				} else if len(r.grants.counter) > 0 {
					r.requireRefusedCounter(t)
				}
				r.requireNoFix(t)
				requireReplicating(t, r.tp.Replicas...)
			})
		}
	})
}

// recoverAccounts stops a topology's replica again and again, and recovers it with accounts of few privileges.
type recoverAccounts struct {
	tp       *Topology
	grants   recoverGrants
	number   int // of stops
	accounts int
}

// recover stops the replica and recovers it.
func (r *recoverAccounts) recover(t *testing.T, action recovery.Action, onSource, onReplica []string) *recovery.Result {
	t.Helper()
	return r.stop(t, action, onSource, onReplica).Run(t)
}

// stop stops the replica, and returns what would recover it.
func (r *recoverAccounts) stop(t *testing.T, action recovery.Action, onSource, onReplica []string) *RecoverRun {
	t.Helper()
	r.number++
	stops := missingStops()
	stop := stops[slices.IndexFunc(stops, func(s Stop) bool { return s.Name == "1032 one of several rows" })]
	stop.Name += fmt.Sprint(" ", r.number) // which makes it a database of its own
	stop.Provoke(t, r.tp)
	return r.run(t, action, onSource, onReplica)
}

// run would recover the replica as it stands, with new accounts.
func (r *recoverAccounts) run(t *testing.T, action recovery.Action, onSource, onReplica []string) *RecoverRun {
	t.Helper()
	r.accounts++
	run := NewRecoverRun(t, r.tp, action)
	run.Request.LocalFiles = false // else the relay log would be read where the source's may not be
	run.Request.Check.Source = accountOn(t, r.tp.Source, fmt.Sprint("on_source_", r.accounts), onSource)
	run.Request.Check.Replicas[0] = accountOn(t, r.tp.Replica(0), fmt.Sprint("on_replica_", r.accounts), onReplica)
	return run
}

func (r *recoverAccounts) requireProven(t *testing.T, action recovery.Action, onReplica []string) {
	t.Helper()
	if result := r.recover(t, action, r.grants.source, onReplica); result.Outcome != recovery.Proven {
		t.Errorf("%s with %v: %s", action, onReplica, describeRecovery(result))
		r.tp.Anew(t)
	}
}

// requireRefusedCounter: a skip that the account may not set is not offered, and leaves the replica where it stood.
func (r *recoverAccounts) requireRefusedCounter(t *testing.T) {
	t.Helper()
	defer r.tp.Anew(t)
	run := r.stop(t, recovery.Skip, r.grants.source, r.grants.replica)
	requireUnchanged(t, r.tp, "a skip without "+r.grants.counter[0], func() {
		if d, err := refusedAction(t, run); err == nil || d == nil || !strings.Contains(strings.Join(d.Advice, "\n"), "may not set the skip counter: GRANT "+r.grants.counter[0]+" ON *.* TO") {
			t.Errorf("a skip without %v: %v, %+v", r.grants.counter, err, d)
		}
	})
}

// requireNoFix: without the right to read the log the transaction is not known, so that neither a fix nor a skip is offered.
func (r *recoverAccounts) requireNoFix(t *testing.T) {
	t.Helper()
	defer r.tp.Anew(t)
	result := r.recover(t, recovery.Plan, without(r.grants.source, "REPLICATION SLAVE"), r.grants.replica)
	d := result.Attempts[0].Diagnosis
	if result.Outcome != recovery.Explained || d.Transaction != nil || d.Option(recovery.Fix) != nil || d.Option(recovery.Skip) != nil || !strings.Contains(d.NotRead, "grant it REPLICATION SLAVE ON *.*") {
		t.Errorf("without REPLICATION SLAVE on the source: %s", describeRecovery(result))
	}
}

package integration

import (
	"strings"
	"testing"

	"trueup/recovery"
)

// TestRecoverUnreachedSource: where the source cannot be reached, what a skip has lost is not forgotten: the report says that the replica is past
// the transaction and why nothing was proven, the status names the recovery, and going on with it makes the replica equal.
func TestRecoverUnreachedSource(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	tp := NewTopology(t, Options{GTID: true})
	tp.Source.CreateUser(t, "fixer", "ALL ON *.*")
	tp.WaitCaughtUp(t)
	state := t.TempDir()
	account := "fixer:" + checkerPassword + "@tcp("
	on := func(source string) []string {
		return []string{"--state-dir", state, "--source", account + source + ")/", "--replica", account + tp.Replica(0).Address() + ")/"}
	}
	const nowhere = "127.0.0.1:1"
	stop := FindStop(t, "1032 update")
	stop.Provoke(t, tp)

	plan := runTrueup(t, folder, append([]string{"recover", "--action", "plan"}, on(nowhere)...)...)
	if plan.code != 1 || !strings.Contains(plan.out, "The source is not reached, so that what is lost stays lost until it is") || strings.Contains(plan.out, "skip (recommended)") {
		t.Errorf("plan without a source: %+v", plan)
	}
	skipped := runTrueup(t, folder, append([]string{"recover", "--action", "skip", "--yes"}, on(nowhere)...)...)
	for _, says := range []string{"source   " + nowhere, "is past the transaction, and comparing what was touched failed: cannot connect", `Go on with "trueup recover --continue last"`} {
		if skipped.code != 2 || !strings.Contains(skipped.out, says) {
			t.Errorf("skipped without a source, %q is not said: %+v", says, skipped)
		}
	}
	status := runTrueup(t, folder, append([]string{"status"}, on(tp.Source.Address())...)...)
	if !strings.Contains(status.out, "it was not brought to its end") {
		t.Errorf("status: %+v", status)
	}
	continued := runTrueup(t, folder, append([]string{"recover", "--continue", "last", "--action", "fix", "--yes"}, on(tp.Source.Address())...)...)
	if continued.code != 0 || !strings.Contains(continued.out, "every row that was touched is equal") {
		t.Errorf("gone on with: %+v", continued)
	}
	requireEqualStop(t, tp, stop)
	requireReplicating(t, tp.Replicas...)
}

// TestRecoverStoppedReceiver: a replica of which somebody has stopped the receiver is not said to be well, and the status tells how to start it.
func TestRecoverStoppedReceiver(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	tp := NewTopology(t, Options{GTID: true})
	tp.Source.CreateUser(t, "fixer", "ALL ON *.*")
	tp.WaitCaughtUp(t)
	account := "fixer:" + checkerPassword + "@tcp("
	servers := []string{"--state-dir", t.TempDir(), "--source", account + tp.Source.Address() + ")/", "--replica", account + tp.Replica(0).Address() + ")/"}
	tp.Replica(0).StopReplica(t, "IO_THREAD")
	recovered := runTrueup(t, folder, append([]string{"recover"}, servers...)...)
	if recovered.code != 1 || !strings.Contains(recovered.out, "somebody stopped its receiver") || !strings.Contains(recovered.out, "Exit code 1: the replica is still stopped.") {
		t.Errorf("recover: %+v", recovered)
	}
	status := runTrueup(t, folder, append([]string{"status"}, servers...)...)
	_, rest, found := strings.Cut(status.out, "Its receiver was stopped. To start it:\n")
	if status.code != 1 || !found {
		t.Fatalf("status: %+v", status)
	}
	statement, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
	tp.Replica(0).Exec(t, statement)
	tp.Source.Exec(t, "CREATE DATABASE received")
	tp.WaitCaughtUp(t)
	requireReplicating(t, tp.Replicas...)
}

// TestRecoverMissingTable: where a table is missing on the replica nothing is recommended, since a person has to make it; and the skip says that what
// it loses stays lost until then.
func TestRecoverMissingTable(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{GTID: true})
	FindStop(t, "1146 table missing").Provoke(t, tp)
	d := NewRecoverRun(t, tp, recovery.Plan).Run(t).Attempts[0].Diagnosis
	for _, o := range d.Options {
		if o.Recommended {
			t.Errorf("%s is recommended", o.Action)
		}
	}
	skip := d.Option(recovery.Skip)
	if skip == nil || !strings.Contains(strings.Join(skip.Loses, "\n"), "The replica does not have stop_1146_table_missing.") {
		t.Errorf("what a skip loses: %+v", skip)
	}
}

package integration

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trueup/report"
)

// commandRun is what a command came to.
type commandRun struct {
	code     int
	out, err string
}

// runTrueup runs the program without a terminal. No output may hold a password.
func runTrueup(t *testing.T, folder string, args ...string) commandRun {
	t.Helper()
	var out, errs strings.Builder
	command := exec.CommandContext(t.Context(), filepath.Join(folder, "trueup"), args...)
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if strings.Contains(out.String()+errs.String(), checkerPassword) {
		t.Errorf("a password in the output: %s%s", out.String(), errs.String())
	}
	return commandRun{command.ProcessState.ExitCode(), out.String(), errs.String()}
}

// TestRecoverUnattended: without a terminal a plan, then what the command line says; the one stopped replica of several is found.
func TestRecoverUnattended(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	EachServer(t, func(t *testing.T, on ServerRow) { testUnattended(t, folder, on) })
}

func testUnattended(t *testing.T, folder string, on ServerRow) {
	tp := NewTopology(t, Options{GTID: true, Replicas: 2})
	tp.Source.CreateUser(t, "fixer", "ALL ON *.*")
	tp.WaitCaughtUp(t)
	state := t.TempDir()
	dsn := func(n *Node) string { return "fixer:" + checkerPassword + "@tcp(" + n.Address() + ")/" }
	recoverArgs := func(more ...string) []string {
		return append([]string{"recover", "--state-dir", state, "--source", dsn(tp.Source)}, more...)
	}
	both := []string{"--replica", dsn(tp.Replica(0)), "--replica", dsn(tp.Replica(1))}

	none := runTrueup(t, folder, recoverArgs(both...)...)
	if none.code != 64 || !strings.Contains(none.err, "none of these replicas is stopped by an error") || !strings.Contains(none.err, "  "+tp.Replica(1).Address()+": replicating") {
		t.Errorf("none is stopped: %+v", none)
	}
	healthy := runTrueup(t, folder, recoverArgs(both[:2]...)...)
	if healthy.code != 0 || !strings.Contains(healthy.out, "No error stops this replica: its applier runs") {
		t.Errorf("one that runs: %+v", healthy)
	}
	stop := FindStop(t, "1062 and 1032 behind it")
	stop.Provoke(t, tp)

	plan := runTrueup(t, folder, recoverArgs()...) // discovered
	if plan.code != 1 || !strings.Contains(plan.out, "Ways out, the safest first") || !strings.Contains(plan.out, "Exit code 1: the replica is still stopped") || !strings.Contains(plan.out, tp.Replica(0).Address()) {
		t.Errorf("plan: %+v", plan)
	}
	refused := runTrueup(t, folder, recoverArgs(append(both, "--channel", "nowhere")...)...)
	if refused.code != 64 {
		t.Errorf("a channel that is not there: %+v", refused)
	}
	asJSON := runTrueup(t, folder, recoverArgs("--action", "plan", "--format", "json")...)
	var document report.Recovery
	if err := json.Unmarshal([]byte(asJSON.out), &document); err != nil || asJSON.code != 1 || document.Error == nil || document.Error.Number != stop.NumberOn(on) || len(document.Options) == 0 || document.Journal != "" {
		t.Errorf("%v: %+v", err, asJSON)
	}
	unoffered := runTrueup(t, folder, recoverArgs("--action", "retry", "--yes", "--format", "json")...)
	if unoffered.code != 1 {
		t.Errorf("retry: %+v", unoffered)
	}

	file := filepath.Join(state, "fix.jsonl")
	fixed := runTrueup(t, folder, recoverArgs(append(both, "--action", "fix", "--yes", "--audit-file", file, "--format", "jsonl", "--max-errors", "5")...)...)
	if fixed.code != 0 || strings.Count(fixed.out, `"event":"diagnosed"`) < 2 || !strings.Contains(fixed.out, `"event":"recovery_finished"`) {
		t.Errorf("fix: %+v", fixed)
	}
	requireEqualStop(t, tp, stop)
	requireWholeJournal(t, file, `"by":"command line"`)
	for _, path := range journalsIn(t, state) {
		requireWholeJournal(t, path, "recover")
	}
	for _, format := range report.JournalFormats() {
		shown := runTrueup(t, folder, "audit", "show", "--format", format, file)
		if shown.code != 0 || !strings.Contains(shown.out, "journal is whole") || !strings.Contains(shown.out, "fixer") {
			t.Errorf("audit show as %s: %+v", format, shown)
		}
	}
	if again := runTrueup(t, folder, recoverArgs("--action", "fix", "--yes", "--audit-file", file)...); again.code != 64 {
		t.Errorf("over a journal: %+v", again)
	}
	if content, err := os.ReadFile(file); err != nil || len(content) == 0 {
		t.Error(err)
	}
	requireReplicating(t, tp.Replicas...)
}

// TestRecoverContinued: a recovery that was killed in the middle of its fix shows in the status, and goes on.
func TestRecoverContinued(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	tp := NewTopology(t, Options{GTID: true})
	tp.Source.CreateUser(t, "fixer", "ALL ON *.*")
	tp.WaitCaughtUp(t)
	state := t.TempDir()
	servers := []string{"--state-dir", state, "--source", "fixer:" + checkerPassword + "@tcp(" + tp.Source.Address() + ")/", "--replica", "fixer:" + checkerPassword + "@tcp(" + tp.Replica(0).Address() + ")/"}
	stop := FindStop(t, "1032 update")
	stop.Provoke(t, tp)

	// Nobody can put row 5 back while somebody holds its gap.
	gap := holdRows(t, tp.Replica(0), "SELECT * FROM "+stop.Database()+".t WHERE id=5 FOR UPDATE")
	fixing := exec.CommandContext(t.Context(), filepath.Join(folder, "trueup"), append([]string{"recover", "--action", "fix", "--yes"}, servers...)...)
	if err := fixing.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(stopLimit); !strings.Contains(journalText(state), `"kind":"repair_group"`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the fix does not begin: %s", journalText(state))
		}
	}
	if held := runTrueup(t, folder, append([]string{"recover", "--continue", "last"}, servers...)...); held.code != 64 || !strings.Contains(held.err, "living process") {
		t.Errorf("it goes on by itself: %+v", held)
	}
	if err := fixing.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = fixing.Wait()
	gap.release()

	status := runTrueup(t, folder, append([]string{"status"}, servers...)...)
	if status.code != 1 || !strings.Contains(status.out, "Recoveries that journals leave open") || !strings.Contains(status.out, "of error 1032: it was not brought to its end") ||
		strings.Contains(status.out, "Repairs that journals leave open") { // its rows are the recovery's business
		t.Errorf("status: %+v", status)
	}
	explained := runTrueup(t, folder, append([]string{"recover", "--continue", "last"}, servers...)...)
	if explained.code != 1 || strings.Contains(explained.out, "is past the transaction") || !strings.Contains(explained.out, "Error 1 of 2 (1032): the replica stopped again at the same transaction.") {
		t.Errorf("gone on with, and only explained: %+v", explained)
	}
	continued := runTrueup(t, folder, append([]string{"recover", "--continue", "last", "--action", "fix", "--yes", "--format", "json"}, servers...)...)
	var document report.Recovery
	if err := json.Unmarshal([]byte(continued.out), &document); err != nil || continued.code != 0 || document.Continued == "" {
		t.Errorf("%v: %+v", err, continued)
	}
	requireEqualStop(t, tp, stop)
	if after := runTrueup(t, folder, append([]string{"status"}, servers...)...); after.code != 0 || strings.Contains(after.out, "leave open") {
		t.Errorf("status afterwards: %+v", after)
	}
	if again := runTrueup(t, folder, append([]string{"recover", "--continue", "last"}, servers...)...); again.code != 64 || !strings.Contains(again.err, "leaves a recovery open") {
		t.Errorf("nothing is left: %+v", again)
	}
	requireReplicating(t, tp.Replicas...)
}

// journalText is what the journals in a folder hold at this moment.
func journalText(state string) string {
	paths, _ := filepath.Glob(filepath.Join(state, "journal", "*.jsonl"))
	text := ""
	for _, path := range paths {
		content, _ := os.ReadFile(path)
		text += string(content)
	}
	return text
}

// TestRecoverHidesPasswords: MariaDB's log and its error hold a new account's password as it was typed. runTrueup looks for it.
func TestRecoverHidesPasswords(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	tp := NewTopology(t, Options{GTID: true})
	tp.Source.CreateUser(t, "fixer", "ALL ON *.*")
	tp.WaitCaughtUp(t)
	tp.Damage(t, 0, "CREATE USER twice")
	tp.Source.Exec(t, "CREATE USER twice IDENTIFIED BY '"+checkerPassword+"'")
	tp.AwaitStopped(t, 0, 1396)
	servers := []string{"--state-dir", t.TempDir(), "--source", "fixer:" + checkerPassword + "@tcp(" + tp.Source.Address() + ")/", "--replica", "fixer:" + checkerPassword + "@tcp(" + tp.Replica(0).Address() + ")/"}
	for _, args := range [][]string{{"recover"}, {"recover", "--format", "json"}, {"recover", "--format", "jsonl"}, {"status"}} {
		if run := runTrueup(t, folder, append(args, servers...)...); run.code != 1 || !strings.Contains(run.out, "IDENTIFIED BY '***'") {
			t.Errorf("%v: %+v", args, run)
		}
	}
}

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trueup/internal/audit"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// newVictim is a check of a topology with one replica, under load.
func newVictim(t *testing.T, on ServerRow) (v *victim, stop func() WriterCounts) {
	t.Helper()
	tp := NewTopology(t, Options{GTID: Needs{GTID: true}.Lacking(on) == ""})
	stop = tp.StartWriter(t, WriterOptions{Pause: 10 * time.Millisecond})
	v = newVictims(t, tp)[0]
	tp.WaitCaughtUp(t)
	return v, stop
}

// said is what a check or a status says, in JSON.
type said struct {
	ExitCode int      `json:"exit_code"`
	Warnings []string `json:"warnings"`
	Replicas []struct {
		ReasonCode string `json:"reason_code"`
		Reason     string `json:"reason"`
		Channels   []struct {
			State string `json:"state"`
		} `json:"channels"`
		Switches []struct {
			Pause string `json:"pause"`
		} `json:"armed_switches"`
	} `json:"replicas"`
	Pauses []struct {
		State          string `json:"state"`
		StartStatement string `json:"start_statement"`
	} `json:"pauses"`
}

// ask runs a command to its end; --format json is added.
func ask(t *testing.T, command *exec.Cmd) said {
	t.Helper()
	command.Args = append(command.Args, "--format", "json")
	out, err := command.Output()
	var answer said
	if parseErr := json.Unmarshal(out, &answer); parseErr != nil {
		t.Fatalf("%v: %v: %s", command.Args[1], err, out)
	}
	return answer
}

func (v *victim) status() *exec.Cmd {
	return exec.Command(v.program, "status", "--source", v.dsn(v.tp.Source), "--replica", v.dsn(v.replica), "--state-dir", v.stateDir)
}

// frozen starts a check and stops the process as it is when its applier is seen in a state; it is in that still a moment
// later. Where the check was quicker it goes on and is tried again. end kills what is left of it.
func (v *victim) frozen(in func(running, until string) bool) (check *exec.Cmd, guard int) {
	v.t.Helper()
	for range 20 {
		check = v.endless()
		if err := check.Start(); err != nil {
			v.t.Fatal(err)
		}
		v.t.Cleanup(func() { _ = check.Process.Kill() })
		guard, err := awaitChild(check.Process.Pid)
		if err == nil {
			err = v.awaitApplier(20*time.Second, in)
		}
		if err != nil {
			v.t.Fatal(err)
		}
		v.frozenAt = time.Now()
		_ = check.Process.Signal(syscall.SIGSTOP)
		time.Sleep(100 * time.Millisecond) // what it had sent before takes effect
		if state := v.replica.applierState(); state != [2]string{"Yes", "None"} && in(state[0], state[1]) {
			return check, guard
		}
		_ = check.Process.Kill()
		_ = check.Wait()
		v.awaitRunning(10 * time.Second)
	}
	v.t.Fatal("no check was stopped in the moment in which its applier stood")
	return nil, 0
}

// standing is the state in which an applier is paused, stepped the same after it was seen to stand for the first time: from then
// on a START by anybody else shows.
func standing(running, until string) bool { return running == "No" || until != "None" }
func stepped(_, until string) bool        { return until != "None" }

func (v *victim) awaitRunning(limit time.Duration) time.Duration {
	v.t.Helper()
	began := time.Now()
	eventually(v.t, "the applier runs without UNTIL", limit, func() (bool, string) {
		state := v.replica.applierState()
		return state == [2]string{"Yes", "None"}, strings.Join(state[:], " ")
	})
	return time.Since(began)
}

// killSwitches ends the armed sessions on the replica, as somebody might who finds them odd.
func (v *victim) killSwitches() {
	v.t.Helper()
	all, err := v.replica.processes(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	for _, p := range all {
		if p.user == v.account && strings.Contains(p.text, "SLEEP") {
			v.replica.Exec(v.t, "KILL "+p.id)
		}
	}
}

// TestPauseLeftOpen kills a check and its guard while the applier stands.
func TestPauseLeftOpen(t *testing.T) {
	t.Parallel()
	EachServer(t, pauseLeftOpen)
}

func pauseLeftOpen(t *testing.T, on ServerRow) {
	v, _ := newVictim(t, on)
	var answer said
	v.killWithGuard(func() { answer = ask(t, v.status()) })
	if answer.ExitCode != 1 || len(answer.Pauses) != 1 || answer.Pauses[0].State != "switch_armed" || len(answer.Replicas[0].Switches) == 0 {
		t.Errorf("status while the switch is armed: %+v", answer)
	}
	// The switch is waited for.
	if answer := ask(t, v.command("--tables", "app.w1")); answer.ExitCode != 0 {
		t.Errorf("the check after it: %+v", answer)
	}
	if answer := ask(t, v.status()); answer.ExitCode != 0 || len(answer.Pauses) != 0 {
		t.Errorf("status after that: %+v", answer)
	}

	v.killWithGuard(v.killSwitches)
	before := v.replica.applierState()
	answer = ask(t, v.command("--tables", "app.w1"))
	if answer.ExitCode != 3 || answer.Replicas[0].ReasonCode != string(syncpoint.PauseLeftOpen) {
		t.Fatalf("a check after one that left the applier stopped: %+v", answer)
	}
	t.Log(answer.Replicas[0].Reason)
	if v.replica.applierState() != before {
		t.Error("the check started an applier that somebody may have stopped")
	}
	answer = ask(t, v.status())
	if answer.ExitCode != 1 || len(answer.Pauses) != 1 || answer.Pauses[0].State != "applier_stopped" {
		t.Fatalf("status: %+v", answer)
	}
	statement := answer.Pauses[0].StartStatement
	v.replica.Exec(t, strings.Replace(statement, "START", "STOP", 1), statement)
	if answer := ask(t, v.command("--tables", "app.w1")); answer.ExitCode != 0 {
		t.Errorf("after %s: %+v", statement, answer)
	}
	if answer := ask(t, v.status()); answer.ExitCode != 0 || len(answer.Pauses) != 0 {
		t.Errorf("status after that: %+v", answer)
	}
	v.requireWhole()
}

// killWithGuard kills a check and its guard while the applier stands, and does something before the switch goes off. Where the machine
// was too slow for that, all of it is done again.
func (v *victim) killWithGuard(inTime func()) {
	v.t.Helper()
	for range 10 {
		check, guard := v.frozen(standing)
		_ = syscall.Kill(guard, syscall.SIGKILL)
		_ = check.Process.Kill()
		_ = check.Wait()
		if inTime(); v.replica.applierState() != [2]string{"Yes", "None"} {
			return
		}
	}
	v.t.Fatal("the switch went off each time before anything could be done")
}

// requireWhole demands that every journal is whole and held by nobody.
func (v *victim) requireWhole() {
	v.t.Helper()
	paths, err := audit.Folder{Path: filepath.Join(v.stateDir, "journal")}.Journals()
	if err != nil || len(paths) == 0 {
		v.t.Fatalf("journals %v, %v", paths, err)
	}
	for _, path := range paths {
		out, err := exec.Command(v.program, "audit", "verify", path).CombinedOutput()
		if err != nil {
			v.t.Errorf("%v: %s", err, out)
		}
	}
}

// TestGuardKilledAlone: the check goes on without it, says so, and is right.
func TestGuardKilledAlone(t *testing.T) {
	t.Parallel()
	v, _ := newVictim(t, ServerRow{Flavor: server.MariaDB})
	v.tp.Source.Exec(t, "CREATE TABLE app.small (id INT PRIMARY KEY)", "INSERT INTO app.small SELECT seq FROM "+v.tp.Numbers(50))
	v.tp.WaitCaughtUp(t)
	check := v.command("--tables", "app.small", "--chunk-size", "1", "--sync-max-age", "1ms", "--workers", "1", "--format", "json")
	var out strings.Builder
	check.Stdout = &out
	if err := check.Start(); err != nil {
		t.Fatal(err)
	}
	guard, err := awaitChild(check.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(guard, syscall.SIGKILL)
	_ = check.Wait()
	var answer said
	if err := json.Unmarshal([]byte(out.String()), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.ExitCode != 0 || len(answer.Warnings) != 1 || !strings.Contains(answer.Warnings[0], "no guard process watches over this run") {
		t.Errorf("%+v", answer)
	}
	v.requireWhole()
	requireReplicating(t, v.replica)
}

// TestCheckFrozen stops the process (SIGSTOP) while the applier stands: the switch starts it, and when the check goes on it says
// nothing wrong of a replica that was not where it should have been.
func TestCheckFrozen(t *testing.T) {
	t.Parallel()
	EachServer(t, checkFrozen)
}

func checkFrozen(t *testing.T, on ServerRow) {
	v, _ := newVictim(t, on)
	check, guard := v.frozen(standing)
	t.Logf("the applier ran again %v after the check was frozen", v.awaitRunning(30*time.Second).Round(time.Millisecond))
	_ = check.Process.Signal(syscall.SIGCONT)
	time.Sleep(200 * time.Millisecond)
	_ = check.Process.Signal(syscall.SIGTERM)
	ended := make(chan error, 1)
	go func() { ended <- check.Wait() }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the check that was frozen does not end")
	}
	// Ended by the signal, or before it because its only replica was unverified; never different, never failed.
	if code := check.ProcessState.ExitCode(); code != 143 && code != 3 {
		t.Errorf("exit code %d", code)
	}
	v.awaitRunning(10 * time.Second)
	v.requireGone(guard)
	v.requireEqual()
	v.requireWhole()
}

func (v *victim) requireGone(guard int) {
	v.t.Helper()
	eventually(v.t, "the guard is gone", 30*time.Second, func() (bool, string) { return syscall.Kill(guard, 0) != nil, fmt.Sprint(guard) })
}

// TestGuardLeavesWhatOthersStopped freezes the guard, so that somebody can start and stop the applier before it acts.
func TestGuardLeavesWhatOthersStopped(t *testing.T) {
	t.Parallel()
	EachServer(t, guardLeaves)
}

func guardLeaves(t *testing.T, on ServerRow) {
	v, _ := newVictim(t, on)
	stop, start := on.replicaStatement("STOP", "", "SQL_THREAD"), on.replicaStatement("START", "", "SQL_THREAD")
	for try := 1; ; try++ {
		check, guard := v.frozen(stepped)
		_ = syscall.Kill(guard, syscall.SIGSTOP)
		_ = check.Process.Kill()
		_ = check.Wait()
		v.replica.Exec(t, stop, start)
		v.tp.Source.Exec(t, "CREATE TABLE app.after (id INT PRIMARY KEY)")
		eventually(t, "the applier moves", 20*time.Second, func() (bool, string) { return v.replica.hasTable(t, "app.after"), "no table yet" })
		v.replica.Exec(t, stop)
		_ = syscall.Kill(guard, syscall.SIGCONT)
		v.requireGone(guard)
		// A machine that was too slow has let the switch go off before the guard could end it: nothing is said by that.
		if late := time.Since(v.frozenAt) > syncpoint.DefaultSwitchDelay/2; !late || v.replica.applierState()[0] == "No" || try == 10 {
			break
		}
		v.tp.Source.Exec(t, "DROP TABLE app.after")
		v.tp.WaitCaughtUp(t)
	}
	if left := v.sessions(); left != "" {
		t.Errorf("sessions were left: %s", left)
	}
	if long() { // no session is left that could start it
		time.Sleep(syncpoint.DefaultSwitchDelay + time.Second)
	}
	if state := v.replica.applierState(); state[0] != "No" {
		t.Errorf("an applier that somebody stopped was started: %v", state)
	}
	answer := ask(t, v.command("--tables", "app.w1"))
	if answer.ExitCode != 3 || answer.Replicas[0].ReasonCode != string(syncpoint.ApplierStopped) {
		t.Errorf("the next check: %+v", answer)
	}
	v.replica.Exec(t, start)
	v.requireWhole()
}

// TestJournalUnwritable: nothing is stopped where that could not be written down before.
func TestJournalUnwritable(t *testing.T) {
	t.Parallel()
	v, _ := newVictim(t, ServerRow{Flavor: server.MariaDB})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	v.stateDir = filepath.Join(file, "state")
	before := v.replica.runningID(t)
	answer := ask(t, v.command())
	if answer.ExitCode != 3 || answer.Replicas[0].ReasonCode != string(syncpoint.JournalUnwritable) || !strings.Contains(answer.Replicas[0].Reason, "--state-dir") {
		t.Errorf("%+v", answer)
	}
	if after := v.replica.applierID(t); after != before {
		t.Errorf("the applier was stopped and started: connection %s, then %s", before, after)
	}
	if left := v.sessions(); left != "" {
		t.Errorf("sessions were left: %s", left)
	}
}

// TestSessionsKilled kills sessions of a check on its servers all the time, those of the pause among them.
func TestSessionsKilled(t *testing.T) {
	t.Parallel()
	EachServer(t, sessionsKilled)
}

func sessionsKilled(t *testing.T, on ServerRow) {
	v, _ := newVictim(t, on)
	killed := 0
	for round := range times(4, 20) {
		check := v.endless()
		if err := check.Start(); err != nil {
			t.Fatal(err)
		}
		if err := v.awaitStanding(20 * time.Second); err != nil {
			t.Fatal(err)
		}
		all, err := v.replica.processes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range all {
			if p.user == v.account && (i+round)%2 == 0 {
				_, _ = v.replica.DB.ExecContext(t.Context(), "KILL "+p.id)
				killed++
			}
		}
		time.Sleep(50 * time.Millisecond)
		_ = check.Process.Signal(syscall.SIGTERM)
		_ = check.Wait()
		if code := check.ProcessState.ExitCode(); code != 143 && code != 3 {
			t.Errorf("round %d: exit code %d", round, code)
		}
		v.awaitRunning(10 * time.Second)
		eventually(t, "no session of the check's is left", 10*time.Second, func() (bool, string) { left := v.sessions(); return left == "", left })
	}
	t.Logf("killed %d sessions", killed)
	v.requireEqual()
	v.requireWhole()
}

// TestFrozenWithLock freezes a check while it holds the lock on a MySQL source's tables.
func TestFrozenWithLock(t *testing.T) {
	t.Parallel()
	EachServer(t, frozenWithLock, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8}})
}

func frozenWithLock(t *testing.T, on ServerRow) {
	v, stop := newVictim(t, on)
	stop()
	const locks = "SELECT COUNT(*) FROM performance_schema.metadata_locks WHERE OBJECT_SCHEMA='app' AND LOCK_TYPE='SHARED_READ_ONLY' AND LOCK_STATUS='GRANTED'"
	hit := false
	for range 30 {
		check := v.endless()
		if err := check.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the lock is held", 20*time.Second, func() (bool, string) { return v.tp.Source.Value(t, locks) != "0", "" })
		_ = check.Process.Signal(syscall.SIGSTOP)
		if hit = v.tp.Source.Value(t, locks) != "0"; hit {
			began := time.Now()
			v.tp.Source.Exec(t, "UPDATE app.w1 SET k=k+1 LIMIT 1")
			if took := time.Since(began); took > syncpoint.DefaultLockHoldMax+12*time.Second {
				t.Errorf("a writer waited %v for a check that was frozen", took)
			} else {
				t.Logf("a writer waited %v", took.Round(time.Millisecond))
			}
			t.Logf("the applier ran %v after that", v.awaitRunning(30*time.Second).Round(time.Millisecond))
		}
		_ = check.Process.Signal(syscall.SIGCONT)
		_ = check.Process.Signal(syscall.SIGTERM)
		_ = check.Wait()
		if code := check.ProcessState.ExitCode(); code != 143 && code != 3 && code != 2 {
			t.Errorf("exit code %d", code)
		}
		if hit {
			break
		}
	}
	if !hit {
		t.Fatal("no check was frozen while it held the lock")
	}
	v.awaitRunning(10 * time.Second)
	v.requireEqual()
}

// TestGuardWaitsForTheTransaction kills a check while its applier is in the middle of a transaction, on the way to a position: the
// guard lets it get there, and clears UNTIL.
func TestGuardWaitsForTheTransaction(t *testing.T) {
	t.Parallel()
	v, stop := newVictim(t, ServerRow{Flavor: server.MariaDB})
	v.tp.Source.Exec(t, "CREATE TABLE app.t (id INT PRIMARY KEY, k INT)", "INSERT INTO app.t VALUES (1, 1)")
	v.tp.WaitCaughtUp(t)
	locked := &lockedTable{}
	for try := 0; ; try++ {
		check := v.endless()
		if err := check.Start(); err != nil {
			t.Fatal(err)
		}
		if err := v.awaitStanding(20 * time.Second); err != nil {
			t.Fatal(err)
		}
		locked.lock(t, v.replica)
		v.tp.Source.Exec(t, "UPDATE app.t SET k=k+1")
		time.Sleep(50 * time.Millisecond)
		state := v.replica.applierState()
		_ = check.Process.Kill()
		_ = check.Wait()
		if state[0] == "Yes" && state[1] != "None" {
			break
		}
		if try == 30 {
			t.Fatal("no check was in a step when the table was locked")
		}
		locked.unlock(t)
		v.awaitRunning(20 * time.Second)
	}
	stop()
	time.Sleep(200 * time.Millisecond)
	locked.unlock(t)
	t.Logf("%v after the lock was gone the applier ran without UNTIL", v.awaitRunning(30*time.Second).Round(time.Millisecond))
	v.tp.Source.Exec(t, "INSERT INTO app.t VALUES (2, 2)")
	v.tp.WaitCaughtUp(t)
	eventually(t, "no session of the check's is left", 10*time.Second, func() (bool, string) { left := v.sessions(); return left == "", left })
	v.requireEqual()
	v.requireWhole()
}

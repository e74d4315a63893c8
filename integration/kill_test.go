package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trueup/internal/audit"
	"trueup/internal/guard"
	"trueup/replication/syncpoint"
)

// victim is a check that is to be killed: the program as it is shipped, of one replica, with an account of its own, so that its
// sessions can be told from those of other checks.
type victim struct {
	t        *testing.T
	tp       *Topology
	program  string
	replica  *Node
	account  string
	stateDir string
	frozenAt time.Time // the last check that was; its switch goes off some seconds later
}

func newVictims(t *testing.T, tp *Topology) (victims []*victim) {
	t.Helper()
	program, err := victimProgram()
	if err != nil {
		t.Fatal(err)
	}
	for i, replica := range tp.Replicas {
		v := &victim{t: t, tp: tp, program: program, replica: replica, account: fmt.Sprintf("victim%d", i), stateDir: t.TempDir()}
		tp.Source.CreateUser(t, v.account, "ALL ON *.*")
		victims = append(victims, v)
	}
	return victims
}

// victimProgram is trueup, built once for all tests that kill it.
var victimProgram = sync.OnceValues(func() (string, error) {
	program := filepath.Join(os.Getenv("XDG_STATE_HOME"), "bin", "trueup")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, "trueup/cmd/trueup").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building trueup: %w\n%s", err, out)
	}
	return program, nil
})

func (v *victim) dsn(n *Node) string {
	return fmt.Sprintf("%s:%s@tcp(%s)/", v.account, userPassword, n.Address())
}

func (v *victim) command(args ...string) *exec.Cmd {
	return exec.Command(v.program, append([]string{"check", "--source", v.dsn(v.tp.Source), "--replica", v.dsn(v.replica), "--state-dir", v.stateDir}, args...)...)
}

// endless is a check that makes one sync point after the other.
func (v *victim) endless() *exec.Cmd {
	return v.command("--chunk-size", "1", "--sync-max-age", "1ms", "--workers", "2", "--quiet")
}

// steady is a check that reads for a while in one sync point.
func (v *victim) steady() *exec.Cmd {
	return v.command("--chunk-size", "1", "--workers", "2", "--quiet")
}

// kill says what was killed, and what was seen.
type kill struct {
	aimed, guardToo bool
	stood           bool          // the applier stood, or ran with UNTIL, when it was killed
	took            time.Duration // until it ran without UNTIL
}

func (k kill) String() string {
	how := map[bool]string{true: "aimed", false: "at random"}[k.aimed]
	if k.guardToo {
		how += ", with its guard"
	}
	return fmt.Sprintf("killed %s: applier stood or ran to a position: %v; ran again, nothing of ours left, after %v", how, k.stood, k.took.Round(time.Millisecond))
}

// TestKilled kills checks under load with kill -9, most of them when the applier was seen to stand, some of them together with their guard.
func TestKilled(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		rounds := times(7, 67)
		if !on.Local() {
			rounds = times(3, 20)
		}
		killRounds(t, on, rounds)
	})
}

func killRounds(t *testing.T, on ServerRow, rounds int) {
	tp := NewTopology(t, Options{Replicas: 3, GTID: Needs{GTID: true}.Lacking(on) == ""})
	stop := tp.StartWriter(t, WriterOptions{Pause: 10 * time.Millisecond})
	victims := newVictims(t, tp)
	tp.WaitCaughtUp(t)
	var group sync.WaitGroup
	kills := make([][]kill, len(victims))
	for i, v := range victims {
		group.Go(func() {
			for round := range rounds {
				k := kill{aimed: round%4 != 3, guardToo: round%4 == 2 && (long() || round == 2)}
				if err := v.killOne(&k); err != nil {
					t.Errorf("%s, round %d: %s: %v", v.replica.Name(), round, k, err)
					return
				}
				t.Logf("%s, round %d: %s", v.replica.Name(), round, k)
				kills[i] = append(kills[i], k)
			}
		})
	}
	group.Wait()
	if !t.Failed() {
		countKills(t, kills)
	}
	for _, v := range victims {
		v.requireEqual()
	}
	stop()
	tp.WaitCaughtUp(t)
	requireReplicating(t, tp.Replicas...)
}

// countKills demands that enough of the aimed kills hit an applier that stood, with and without the guard.
func countKills(t *testing.T, kills [][]kill) {
	t.Helper()
	count := map[string]int{}
	longest := map[bool]time.Duration{}
	for _, all := range kills {
		for _, k := range all {
			count[fmt.Sprintf("aimed %v guard too %v", k.aimed, k.guardToo)]++
			if k.stood {
				count[fmt.Sprintf("aimed %v guard too %v hit", k.aimed, k.guardToo)]++
			}
			longest[k.guardToo] = max(longest[k.guardToo], k.took)
		}
	}
	t.Logf("%v; until all ran again at most %v with a guard, %v without", count, longest[false], longest[true])
	for _, guardToo := range []bool{false, true} {
		aimed, hit := count[fmt.Sprintf("aimed true guard too %v", guardToo)], count[fmt.Sprintf("aimed true guard too %v hit", guardToo)]
		if hit*4 < aimed || hit == 0 {
			t.Errorf("of %d aimed kills (guard too: %v) only %d hit an applier that stood", aimed, guardToo, hit)
		}
	}
}

// killOne starts a check, kills it, and looks whether everything is as before.
func (v *victim) killOne(k *kill) error {
	command := v.endless()
	if !k.aimed && rand.IntN(2) == 0 {
		command = v.steady()
	}
	if err := command.Start(); err != nil {
		return err
	}
	watching, err := 0, error(nil)
	if k.aimed {
		if watching, err = awaitChild(command.Process.Pid); err == nil {
			err = v.freezeStanding(command.Process)
		}
	} else {
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
	}
	if k.guardToo {
		_ = syscall.Kill(watching, syscall.SIGKILL)
	}
	_ = command.Process.Kill()
	killed := time.Now()
	_ = command.Wait()
	if err != nil {
		return err
	}
	if k.guardToo {
		state := v.replica.applierState()
		k.stood = state != [2]string{"Yes", "None"}
	}
	if err := v.awaitAsBefore(killed, k); err != nil {
		return err
	}
	return v.judgeJournal(k)
}

// freezeStanding stops the process as it is when its applier is seen to stand; it still does then, however late the test came to that.
func (v *victim) freezeStanding(process *os.Process) error {
	for deadline := time.Now().Add(20 * time.Second); ; {
		if err := v.awaitStanding(time.Until(deadline)); err != nil {
			return err
		}
		_ = process.Signal(syscall.SIGSTOP)
		if v.replica.applierState() != [2]string{"Yes", "None"} {
			return nil
		}
		_ = process.Signal(syscall.SIGCONT)
	}
}

// awaitChild waits for the check's guard, which is started with the first pause.
func awaitChild(parent int) (int, error) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if child, found := childOf(parent); found {
			return child, nil
		}
	}
	return 0, fmt.Errorf("process %d has started no guard", parent)
}

// childOf reads who started whom: each thread has children of its own.
func childOf(parent int) (int, bool) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		if first, _, _ := strings.Cut(strings.TrimSpace(string(text)), " "); first != "" {
			child, err := strconv.Atoi(first)
			arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child)) // Go's library starts children of its own
			return child, err == nil && strings.Contains(string(arguments), guard.Argument)
		}
	}
	return 0, false
}

func (v *victim) awaitStanding(limit time.Duration) error {
	return v.awaitApplier(limit, func(running, until string) bool { return running == "No" || running == "Yes" && until != "None" })
}

func (v *victim) awaitApplier(limit time.Duration, in func(running, until string) bool) error {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		if state := v.replica.applierState(); in(state[0], state[1]) {
			return nil
		}
	}
	return fmt.Errorf("its applier was not seen to stand within %v", limit)
}

// awaitAsBefore waits until the applier runs without UNTIL and no session of the check's is left on source and replica: with
// them go locks and snapshots.
func (v *victim) awaitAsBefore(killed time.Time, k *kill) error {
	for {
		state := v.replica.applierState()
		left := v.sessions()
		if state == [2]string{"Yes", "None"} && left == "" {
			k.took = time.Since(killed)
			return nil
		}
		if time.Since(killed) > 30*time.Second {
			return fmt.Errorf("after 30 s: running %s, until %s; sessions: %s", state[0], state[1], left)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (v *victim) sessions() string {
	var left []string
	for _, node := range []*Node{v.tp.Source, v.replica} {
		all, err := node.processes(context.Background())
		if err != nil {
			return err.Error()
		}
		for _, p := range all {
			if p.user == v.account && !node.lingers(p) {
				left = append(left, fmt.Sprintf("%s: %+v", node.Name(), p))
			}
		}
	}
	return strings.Join(left, "; ")
}

// judgeJournal proves the journal of the run that was killed: as it was written, and ended by the guard. Where the guard was
// killed too it is open, until the next check has looked.
func (v *victim) judgeJournal(k *kill) error {
	paths, err := audit.Folder{Path: filepath.Join(v.stateDir, "journal")}.Journals()
	if len(paths) == 0 && err == nil && !k.aimed {
		return nil // it had not come to its first pause
	}
	if err != nil || len(paths) != 1 {
		return fmt.Errorf("journals %v, %w", paths, err)
	}
	defer os.Remove(paths[0])
	found, held, byGuard := audit.Summary{}, true, 0
	for deadline := time.Now().Add(10 * time.Second); held && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		byGuard = 0
		found, held, err = audit.Read(paths[0], func(entry audit.Entry) {
			var end syncpoint.PauseEnd
			if entry.Kind == syncpoint.KindPauseEnded && json.Unmarshal(entry.Data, &end) == nil && end.By == syncpoint.ByGuard {
				byGuard++
				k.stood = k.stood || end.How == syncpoint.EndResumed && end.Why == ""
				if end.How == syncpoint.EndLeft {
					err = fmt.Errorf("the guard left the applier: %s", end.Why)
				}
			}
		})
		if err != nil {
			return err
		}
	}
	switch {
	case held:
		return fmt.Errorf("a process still holds the journal")
	case found.State == audit.Changed:
		return fmt.Errorf("%s", found.Problem)
	case k.guardToo:
		return v.nextRunCloses(paths[0], found)
	case found.State != audit.Whole && k.aimed || len(found.Left) > 0 || byGuard > 1:
		return fmt.Errorf("the guard wrote %d ends, the journal is %+v", byGuard, found)
	}
	return nil
}

// nextRunCloses runs a check, which is equal and finds the pause that was left open to be over.
func (v *victim) nextRunCloses(path string, before audit.Summary) error {
	if err := v.check(); err != nil {
		return err
	}
	after, held, err := audit.Read(path, nil)
	if err != nil || held || len(before.Left) > 0 && after.State != audit.Whole {
		return fmt.Errorf("left open: %d; after the next check the journal is %+v, held %v, %w", len(before.Left), after, held, err)
	}
	return v.removeFinished(path)
}

// removeFinished removes the journals of checks that were not killed.
func (v *victim) removeFinished(except string) error {
	paths, err := audit.Folder{Path: filepath.Join(v.stateDir, "journal")}.Journals()
	for _, path := range paths {
		if path == except {
			continue
		}
		found, _, readErr := audit.Read(path, nil)
		if readErr != nil || found.State != audit.Whole {
			return fmt.Errorf("the journal of a check that ended: %+v, %w", found, readErr)
		}
		_ = os.Remove(path)
	}
	return err
}

// check runs a check of a table that is written to, which must be equal.
func (v *victim) check() error {
	command := v.command("--tables", "app.w1")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("the next check: %w\n%s", err, out)
	}
	return nil
}

func (v *victim) requireEqual() {
	v.t.Helper()
	if err := v.check(); err != nil {
		v.t.Errorf("%s: %v", v.replica.Name(), err)
	}
}

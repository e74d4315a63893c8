package integration

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"trueup/internal/audit"
	"trueup/recovery"
)

// TestRecoverKilled kills recoveries with kill -9, some of them with their guard, once their journal has some number of entries: --continue last goes on until nothing is left
// open, and ends equal with nothing more passed over.
func TestRecoverKilled(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, cut := range recoverCuts(on) {
			t.Run(cut.name, func(t *testing.T) {
				t.Parallel()
				k := &killedRecovery{cutRounds: newCutRounds(t, cut)}
				program, err := victimProgram()
				if err != nil {
					t.Fatal(err)
				}
				k.program = program
				for round := 0; round < times(5, 40) || k.continued == 0 && round < 40; round++ { // by chance none of a few leaves something open
					k.round(round)
				}
				if k.continued == 0 {
					t.Error("no recovery was killed with something left open: nothing was proven")
				}
				requireReplicating(t, k.tp.Replicas...)
			})
		}
	})
}

// killedRecovery is a topology whose recoveries are killed.
type killedRecovery struct {
	*cutRounds
	program, stateDir string
}

func (k *killedRecovery) command(args ...string) *exec.Cmd {
	dsn := func(n *Node) string { return fmt.Sprintf("%s:%s@tcp(%s)/", k.account.User, userPassword, n.Address()) }
	return exec.Command(k.program, append([]string{"recover", "--source", dsn(k.tp.Source), "--replica", dsn(k.tp.Replica(0)), "--state-dir", k.stateDir, "--quiet",
		"--action", string(k.action), "--yes"}, args...)...)
}

func (k *killedRecovery) round(round int) {
	k.Helper()
	k.stateDir = k.TempDir()
	k.provoke()
	command := k.command()
	if err := command.Start(); err != nil {
		k.Fatal(err)
	}
	entries := 2 + rand.IntN(22)
	reached := k.awaitEntries(command, entries)
	if round%3 == 2 {
		if watching, found := childOf(command.Process.Pid); found {
			_ = syscall.Kill(watching, syscall.SIGKILL)
		}
	}
	_ = command.Process.Kill()
	_ = command.Wait()
	k.awaitUnheld()
	story := fmt.Sprintf("round %d, killed at entry %d (reached: %v)", round, entries, reached)
	for again := 0; k.leftOpen() > 0; again++ {
		if again == 4 {
			k.Fatalf("%s: %d journals still leave a recovery open:\n%s", story, k.leftOpen(), k.text())
		}
		k.continued++
		if out, err := k.command("--continue", "last").CombinedOutput(); err != nil {
			k.Fatalf("%s: going on: %v\n%s\n%s", story, err, out, k.text())
		}
	}
	if out, err := k.command().CombinedOutput(); err != nil { // one that was killed before it had begun
		k.Fatalf("%s: anew: %v\n%s", story, err, out)
	}
	// The switch of a recovery that was killed with its guard stops and starts the applier once more, some seconds later.
	eventually(k.T, "no session of the recoveries is left", stopLimit, func() (bool, string) {
		left := k.tp.Replica(0).sessionsOf(k.T, k.account.User)
		return left == "", left
	})
	k.requireEqual(story)
	for _, path := range k.journals(k.folder()) {
		if found, _, err := audit.Read(path, nil); err != nil || found.State == audit.Changed || len(found.Left) > 0 {
			k.Errorf("%s: journal %+v, %v\n%s", story, found, err, entriesOf(k, path))
		}
	}
}

// awaitEntries waits until the journal has so many entries, or the program has ended.
func (k *killedRecovery) awaitEntries(command *exec.Cmd, count int) bool {
	k.Helper()
	for deadline := time.Now().Add(stopLimit); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if bytes.Count(k.text(), []byte("\n")) >= count {
			return true
		}
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", command.Process.Pid)); err != nil || strings.Contains(string(state), ") Z ") {
			return false
		}
	}
	k.Fatalf("the recovery has neither ended nor written %d entries:\n%s", count, k.text())
	return false
}

func (k *killedRecovery) folder() audit.Folder {
	return audit.Folder{Path: filepath.Join(k.stateDir, "journal"), Now: time.Now}
}

// text is what the journals hold.
func (k *killedRecovery) text() (all []byte) {
	k.Helper()
	for _, path := range k.journals(k.folder()) {
		text, err := os.ReadFile(path)
		if err != nil {
			k.Fatal(err)
		}
		all = append(all, text...)
	}
	return all
}

// awaitUnheld waits until no guard goes on with a journal.
func (k *killedRecovery) awaitUnheld() {
	k.Helper()
	eventually(k.T, "nobody holds a journal", stopLimit, func() (bool, string) {
		for _, path := range k.journals(k.folder()) {
			if _, held, err := audit.Read(path, nil); err != nil || held {
				return false, fmt.Sprintf("%s: %v", path, err)
			}
		}
		return true, ""
	})
}

// leftOpen counts the journals that leave a recovery open.
func (k *killedRecovery) leftOpen() (count int) {
	k.Helper()
	for _, path := range k.journals(k.folder()) {
		switch _, err := recovery.ReadLeft(path); {
		case err == nil:
			count++
		case !errors.Is(err, recovery.ErrNothingLeft):
			k.Fatal(err)
		}
	}
	return count
}

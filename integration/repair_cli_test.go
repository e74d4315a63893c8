package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"trueup/internal/audit"
	"trueup/repair"
)

// repairCLI is trueup repair as a person runs it, on a topology whose replicas have the same damage.
type repairCLI struct {
	t      *testing.T
	tp     *Topology
	folder string // of the program
	state  string
}

// newRepairCLI makes a table of which every fourth row is changed, some are missing and some are too many on each replica.
func newRepairCLI(t *testing.T, rows, replicas int) *repairCLI {
	t.Helper()
	c := &repairCLI{t: t, folder: buildTrueup(t), state: t.TempDir(), tp: NewTopology(t, Options{GTID: true, Replicas: replicas})}
	c.tp.Source.CreateUser(t, "checker", "ALL ON *.*")
	c.tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT, note VARCHAR(40))",
		fmt.Sprintf("INSERT INTO app.t SELECT seq, seq, CONCAT('row ', seq) FROM %s", c.tp.Numbers(rows)))
	c.tp.WaitCaughtUp(t)
	for i := range c.tp.Replicas {
		c.tp.Damage(t, i, "UPDATE app.t SET v = -v WHERE id % 4 = 0", "DELETE FROM app.t WHERE id % 1000 = 1", "INSERT INTO app.t SELECT id + 10000000, v, note FROM app.t WHERE id % 1000 = 2")
	}
	return c
}

func (c *repairCLI) dsn(n *Node) string {
	return fmt.Sprintf("checker:%s@tcp(%s)/", checkerPassword, n.Address())
}

// arguments are those of a repair, or with the first one a replica's undo.
func (c *repairCLI) arguments(args ...string) []string {
	return append([]string{"repair", "--state-dir", c.state, "--source", c.dsn(c.tp.Source), "--databases", "app", "--max-rows", "1000000"}, args...)
}

func (c *repairCLI) undoArguments(on *Node, file string) []string {
	return []string{"repair", "--state-dir", c.state, "--undo", file, "--replica", c.dsn(on), "--yes"}
}

// run runs trueup and returns its exit code and all that it said.
func (c *repairCLI) run(args ...string) (int, string) {
	c.t.Helper()
	command := exec.CommandContext(c.t.Context(), filepath.Join(c.folder, "trueup"), args...)
	out, _ := command.CombinedOutput()
	if strings.Contains(string(out), "s3cret") {
		c.t.Fatal("a password was printed")
	}
	return command.ProcessState.ExitCode(), string(out)
}

// must is run with the exit code that it must have.
func (c *repairCLI) must(code int, args ...string) string {
	c.t.Helper()
	got, said := c.run(args...)
	if got != code {
		c.t.Fatalf("exit code %d, want %d: %s\n%s", got, code, strings.Join(args[1:], " "), said)
	}
	return said
}

// content is the whole table, as text.
func (c *repairCLI) content(n *Node) string {
	c.t.Helper()
	return fmt.Sprint(n.Query(c.t, "SELECT id, v, note FROM app.t ORDER BY id"))
}

// TestRepairOfSeveralReplicas: a plan has a script for each; what was applied has an undo file for each, which is its own only.
func TestRepairOfSeveralReplicas(t *testing.T) {
	EachServer(t, func(t *testing.T, _ ServerRow) { repairSeveralReplicas(t) })
}

func repairSeveralReplicas(t *testing.T) {
	c := newRepairCLI(t, 5000, 2)
	damaged := c.content(c.tp.Replica(0))
	wanted := c.content(c.tp.Source)
	script := filepath.Join(t.TempDir(), "plan.sql")
	if said := c.must(1, c.arguments("--output", script)...); !strings.Contains(said, "The scripts of the 2 replicas follow each other; each refuses to run on another server than its own.") {
		t.Error(said)
	}
	sql, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	for _, replica := range c.tp.Replicas {
		if !strings.Contains(string(sql), fmt.Sprintf("-- for      %s", replica.Address())) {
			t.Errorf("there is no script for %s", replica.Address())
		}
		if c.content(replica) != damaged {
			t.Errorf("a plan has changed %s", replica.Address())
		}
	}
	folder := t.TempDir()
	said := c.must(0, c.arguments("--apply", "--yes", "--undo-file", filepath.Join(folder, "undo.sql"))...)
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 2 {
		t.Fatalf("undo files: %v, %v", entries, err)
	}
	for i, replica := range c.tp.Replicas {
		if c.content(replica) != wanted {
			t.Fatalf("%s was not repaired", replica.Address())
		}
		file := filepath.Join(folder, fmt.Sprintf("undo-127.0.0.1-%d.sql", replica.Port()))
		if !strings.Contains(said, "trueup repair --undo "+file+" --replica 'USER@tcp("+replica.Address()+")/'") {
			t.Errorf("how to undo it is not said: %s", said)
		}
		if refused := c.must(64, c.undoArguments(c.tp.Replica(1-i), file)...); !strings.Contains(refused, "another server") {
			t.Error(refused)
		}
	}
	for _, replica := range c.tp.Replicas {
		c.must(0, c.undoArguments(replica, filepath.Join(folder, fmt.Sprintf("undo-127.0.0.1-%d.sql", replica.Port())))...)
		if c.content(replica) != damaged {
			t.Errorf("%s is not as it was before the repair", replica.Address())
		}
	}
}

// TestRepairAsks: on a terminal --apply shows what it would do and asks; only a yes changes anything. So does --undo.
func TestRepairAsks(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("script")
	if err != nil {
		t.Skip("SKIPPED, NOT PROVEN: no script(1) to make a terminal with: ", err)
	}
	c := newRepairCLI(t, 2000, 1)
	damaged, wanted := c.content(c.tp.Replica(0)), c.content(c.tp.Source)
	ask := func(answer string, args ...string) (int, string) {
		line := filepath.Join(c.folder, "trueup")
		for _, arg := range args {
			line += " '" + arg + "'"
		}
		command := exec.CommandContext(t.Context(), program, "--quiet", "--return", "--command", line, "/dev/null")
		command.Stdin = strings.NewReader(answer)
		out, _ := command.CombinedOutput()
		return command.ProcessState.ExitCode(), string(out)
	}
	undo := filepath.Join(t.TempDir(), "undo.sql")
	for _, answer := range []string{"n\n", "\n", "yo\n"} {
		code, said := ask(answer, c.arguments("--apply", "--undo-file", undo)...)
		if code != 1 || !strings.Contains(said, "app.t: 2 rows missing, 2 extra, 50") || !strings.Contains(said, "on 1 replica? [y/N]") || !strings.Contains(said, "Declined: nothing was changed.") {
			t.Errorf("answer %q: exit code %d: %s", answer, code, said)
		}
		if c.content(c.tp.Replica(0)) != damaged {
			t.Fatalf("answer %q: rows were changed", answer)
		}
	}
	if _, err := os.Stat(undo); !os.IsNotExist(err) {
		t.Errorf("there is an undo file: %v", err)
	}
	if code, said := ask("y\n", c.arguments("--apply", "--undo-file", undo)...); code != 0 || c.content(c.tp.Replica(0)) != wanted {
		t.Fatalf("yes: exit code %d: %s", code, said)
	}
	args := c.undoArguments(c.tp.Replica(0), undo)
	args = args[:len(args)-1] // without --yes
	if code, said := ask("n\n", args...); code != 1 || !regexp.MustCompile(regexp.QuoteMeta("Undo on "+c.tp.Replica(0).Address()+" what "+undo)+` holds \(504 row changes in \d+ transactions\)\? \[y/N\]`).MatchString(said) || c.content(c.tp.Replica(0)) != wanted {
		t.Errorf("no: exit code %d: %s", code, said)
	}
	if code, said := ask("YES\n", args...); code != 0 || c.content(c.tp.Replica(0)) != damaged {
		t.Errorf("yes: exit code %d: %s", code, said)
	}
}

// TestRepairInterrupted: a signal in the middle leaves whole groups, and an undo file for exactly those; a second run finishes.
func TestRepairInterrupted(t *testing.T) {
	EachServer(t, func(t *testing.T, _ ServerRow) { repairInterrupted(t) })
}

func repairInterrupted(t *testing.T) {
	c := newRepairCLI(t, 60_000, 1)
	replica := c.tp.Replica(0)
	damaged, wanted := c.content(replica), c.content(c.tp.Source)
	for signal, code := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		undo := filepath.Join(t.TempDir(), "undo.sql")
		last := holdRows(t, replica, "SELECT * FROM app.t WHERE id = 60000 FOR UPDATE") // it does not come to its end before the signal
		r := startTrueup(t, c.folder, c.arguments("--apply", "--yes", "--undo-file", undo, "--format", "json", "--verbose")...)
		r.waitFor(t, "group done")
		r.waitFor(t, "group done")
		_ = r.Process.Signal(signal)
		got, said := r.end(t)
		last.release()
		if got != code || !strings.Contains(r.stdout.String(), `"interrupted": true`) || !strings.Contains(r.stdout.String(), undo) {
			t.Fatalf("%v: exit code %d: %s\n%s", signal, got, said, r.stdout.String())
		}
		if now := c.content(replica); now == damaged || now == wanted {
			t.Fatalf("%v: it was not in the middle: nothing was changed: %v, all was: %v", signal, now == damaged, now == wanted)
		}
		requireNoSessions(t, replica, "checker")
		c.must(0, c.undoArguments(replica, undo)...)
		if c.content(replica) != damaged {
			t.Fatalf("%v: the undo file did not restore what was there", signal)
		}
	}
	c.must(0, c.arguments("--apply", "--yes")...)
	if c.content(replica) != wanted {
		t.Error("a second run did not finish")
	}
}

// TestStatusNamesRepairThatDied: status names a repair that was killed between a group's entry in the journal and its end, with the command that undoes
// it; that one restores what was there, and then nothing is named any more.
func TestStatusNamesRepairThatDied(t *testing.T) {
	EachServer(t, func(t *testing.T, _ ServerRow) { repairDies(t) })
}

func repairDies(t *testing.T) {
	c := newRepairCLI(t, 60_000, 1)
	replica := c.tp.Replica(0)
	damaged := c.content(replica)
	status := []string{"status", "--source", c.dsn(c.tp.Source), "--replica", c.dsn(replica), "--state-dir", c.state}
	journal := ""
	for range 20 {
		if journal = c.killInGroup(); journal != "" {
			break
		}
		c.must(0, c.undoArguments(replica, c.newestJournal())...) // back to where it began
	}
	if journal == "" {
		t.Fatal("no kill met a group")
	}
	c.awaitApplier(replica)
	said := c.must(0, status...)
	command := regexp.MustCompile(`trueup repair --undo (\S+) --replica 'USER@tcp\(` + regexp.QuoteMeta(replica.Address()) + `\)/'`).FindStringSubmatch(said)
	if command == nil || command[1] != journal || !strings.Contains(said, "its journal leaves open what became of 1 transaction") {
		t.Fatalf("status does not name %s: %s", journal, said)
	}
	c.must(0, c.undoArguments(replica, journal)...)
	if c.content(replica) != damaged {
		t.Error("the journal did not restore what was there")
	}
	if said := c.must(0, status...); strings.Contains(said, "Repairs that journals leave open") {
		t.Errorf("it is undone, and still named: %s", said)
	}
	c.must(0, c.undoArguments(replica, journal)...) // once more: nothing left to undo
	c.must(0, c.arguments("--apply", "--yes")...)
}

// killInGroup kills a repair in the middle of a group, as far as that can be aimed at, and returns its journal where that leaves one open, else "".
func (c *repairCLI) killInGroup() string {
	c.t.Helper()
	r := startTrueup(c.t, c.folder, c.arguments("--apply", "--yes", "--verbose")...)
	r.waitFor(c.t, "group done")
	c.awaitOpenGroup()
	_ = r.Process.Kill()
	_, _ = r.end(c.t)
	c.awaitApplier(c.tp.Replica(0))
	path := c.newestJournal()
	for { // its guard may still write
		found, held, err := audit.Read(path, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		if held {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		for _, left := range found.Left {
			if left.Kind == repair.KindGroup {
				return path
			}
		}
		return ""
	}
}

// awaitOpenGroup waits until the journal of a running repair says that a group was begun and not that it ended.
func (c *repairCLI) awaitOpenGroup() {
	c.t.Helper()
	path := c.newestJournal()
	for began := time.Now(); time.Since(began) < 10*time.Second; {
		content, err := os.ReadFile(path)
		if err != nil {
			c.t.Fatal(err)
		}
		if bytes.Count(content, []byte(`"kind":"`+repair.KindGroup+`"`)) > bytes.Count(content, []byte(`"kind":"`+repair.KindGroupEnded+`"`)) || bytes.Contains(content, []byte(`"kind":"`+audit.KindFinished+`"`)) {
			return
		}
	}
}

// newestJournal is the newest one that holds a group of a repair.
func (c *repairCLI) newestJournal() string {
	c.t.Helper()
	paths, err := (audit.Folder{Path: filepath.Join(c.state, "journal")}).Journals()
	if err != nil {
		c.t.Fatal(err)
	}
	newest := ""
	for _, path := range paths {
		// A run's name tells its second only.
		if undoable, err := repair.Undoable(path); err == nil && len(undoable) > 0 && (newest == "" || modified(c.t, path).After(modified(c.t, newest))) {
			newest = path
		}
	}
	return newest
}

// awaitApplier waits until the nets have made the applier run again and the dead run's transaction is gone.
func (c *repairCLI) awaitApplier(n *Node) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		status := n.Status(c.t)
		if status["Slave_SQL_Running"] == "Yes" && status["Until_Condition"] == "None" {
			requireNoSessions(c.t, n, "checker")
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.t.Fatal("the applier was not started again")
}

package integration

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trueup/internal/audit"
)

// terminalSession is a command on a pseudo-terminal that script(1) has made, with somebody at the keyboard.
type terminalSession struct {
	command *exec.Cmd
	keys    io.WriteCloser
	mutex   sync.Mutex
	screen  bytes.Buffer
	seen    int // of what is on the screen
}

// atTerminal starts a shell command on a terminal of 100 by 50.
func atTerminal(t testing.TB, environment, command string) *terminalSession {
	t.Helper()
	program, err := exec.LookPath("script")
	if err != nil {
		t.Skip("SKIPPED, NOT PROVEN: no script(1) to make a terminal with: ", err)
	}
	s := &terminalSession{command: exec.CommandContext(t.Context(), program, "--quiet", "--return", "--flush", "--command", "stty cols 100 rows 50; "+environment+" "+command, "/dev/null")}
	s.command.Stdout, s.command.Stderr = s, s
	if s.keys, err = s.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.keys.Close() })
	return s
}

// Write is for what comes to the screen.
func (s *terminalSession) Write(p []byte) (int, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.screen.Write(p)
}

var escapeSequences = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[=>])")

func (s *terminalSession) text() string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return strings.ReplaceAll(escapeSequences.ReplaceAllString(s.screen.String(), ""), "\r", "")
}

// await waits until something new on the screen holds that text.
func (s *terminalSession) await(t testing.TB, text string) {
	t.Helper()
	for deadline := time.Now().Add(stopLimit); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		screen := s.text()
		if at := strings.Index(screen[min(s.seen, len(screen)):], text); at >= 0 {
			s.seen += at + len(text)
			return
		}
	}
	t.Fatalf("%q does not come to the screen: %q", text, s.text())
}

func (s *terminalSession) press(t testing.TB, keys string) {
	t.Helper()
	if _, err := io.WriteString(s.keys, keys); err != nil {
		t.Fatal(err)
	}
}

// code waits for the command's end.
func (s *terminalSession) code(t testing.TB) int {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- s.command.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
	case <-time.After(stopLimit):
		_ = s.command.Process.Kill()
		t.Fatalf("it does not end: %q", s.text())
	}
	return s.command.ProcessState.ExitCode()
}

const (
	keyDown  = "\x1b[B"
	keyEnter = "\r"
	ctrlC    = "\x03"
)

// TestRecoverAtATerminal drives the prompts: whoever leaves, refuses or breaks off changes nothing; who chooses gets that, proven.
func TestRecoverAtATerminal(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	tp := NewTopology(t, Options{GTID: true})
	tp.Source.CreateUser(t, "fixer", "ALL ON *.*")
	tp.WaitCaughtUp(t)
	state := t.TempDir()
	command := folder + "/trueup recover --state-dir " + state + " --source 'fixer:" + checkerPassword + "@tcp(" + tp.Source.Address() + ")/' --replica 'fixer:" + checkerPassword + "@tcp(" + tp.Replica(0).Address() + ")/'"
	stop := FindStop(t, "1032 in a transaction")
	stop.Provoke(t, tp)
	before := tp.Replica(0).Status(t)["Exec_Master_Log_Pos"]
	untouched := func(t *testing.T) {
		t.Helper()
		status := tp.Replica(0).Status(t)
		if status["Last_SQL_Errno"] != "1032" || status["Exec_Master_Log_Pos"] != before {
			t.Fatalf("something was changed: %v", status)
		}
	}
	t.Run("ctrl-C", func(t *testing.T) {
		s := atTerminal(t, "TERM=xterm", command)
		s.await(t, "The applier stopped with error 1032")
		s.await(t, "What to do about error 1032")
		s.press(t, ctrlC)
		if code := s.code(t); code != 130 || !strings.Contains(s.text(), "Interrupted: nothing was changed") {
			t.Errorf("exit code %d: %q", code, s.text())
		}
		untouched(t)
	})
	for _, kind := range []string{"xterm", "dumb"} {
		t.Run("SIGTERM, "+kind, func(t *testing.T) {
			s := atTerminal(t, "TERM="+kind, `sh -c 'echo "pid $$."; exec "$@"' sh `+command)
			s.await(t, "leave it as it is")
			pid, err := strconv.Atoi(regexp.MustCompile(`pid (\d+)\.`).FindStringSubmatch(s.text())[1])
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if code := s.code(t); code != 143 || !strings.Contains(s.text(), "Exit code 143") {
				t.Errorf("exit code %d: %q", code, s.text())
			}
			untouched(t)
		})
	}
	t.Run("enter alone leaves it", func(t *testing.T) {
		s := atTerminal(t, "TERM=xterm", command)
		s.await(t, "leave it as it is")
		s.press(t, keyEnter)
		if code := s.code(t); code != 1 || !strings.Contains(s.text(), "Declined") {
			t.Errorf("exit code %d: %q", code, s.text())
		}
		untouched(t)
	})
	t.Run("a dumb terminal that is left", func(t *testing.T) {
		s := atTerminal(t, "TERM=dumb", command)
		s.await(t, "Enter a number")
		s.press(t, "\x04") // ctrl-D
		if code := s.code(t); code != 1 {
			t.Errorf("exit code %d: %q", code, s.text())
		}
		if strings.Contains(s.text(), "\x1b") {
			t.Errorf("escape sequences: %q", s.text())
		}
		untouched(t)
	})
	t.Run("a skip that is refused", func(t *testing.T) {
		s := atTerminal(t, "TERM=xterm", command)
		s.await(t, "skip: loses")
		s.press(t, keyDown+keyDown+keyDown+keyEnter)
		s.await(t, "Skip transaction")
		s.press(t, keyEnter)
		if code := s.code(t); code != 1 || !strings.Contains(s.text(), "Declined") {
			t.Errorf("exit code %d: %q", code, s.text())
		}
		untouched(t)
	})
	t.Run("an action that is asked about", func(t *testing.T) {
		s := atTerminal(t, "TERM=dumb", command+" --action skip")
		s.await(t, "Skip transaction")
		s.press(t, "n\r")
		if code := s.code(t); code != 1 {
			t.Errorf("exit code %d: %q", code, s.text())
		}
		untouched(t)
	})
	t.Run("a retry, and then nothing", func(t *testing.T) {
		s := atTerminal(t, "TERM=xterm", command)
		s.await(t, "retry: loses nothing, but fails again as things are")
		s.press(t, keyDown+keyDown+keyEnter)
		s.await(t, "The applier stopped with error 1032") // again
		s.await(t, "leave it as it is")
		s.press(t, keyEnter)
		if code := s.code(t); code != 1 || !strings.Contains(s.text(), "stopped again at the same transaction") {
			t.Errorf("exit code %d: %q", code, s.text())
		}
		untouched(t)
	})
	t.Run("fix", func(t *testing.T) {
		file := filepath.Join(state, "fix.jsonl")
		s := atTerminal(t, "TERM=xterm", command+" --audit-file "+file)
		s.await(t, "fix: loses nothing")
		s.press(t, keyDown+keyEnter)
		if code := s.code(t); code != 0 || strings.Count(s.text(), "The applier stopped with error 1032") != 1 || !strings.Contains(s.text(), "Proof: equal") {
			t.Errorf("exit code %d: %q", code, s.text())
		}
		requireEqualStop(t, tp, stop)
		requireWholeJournal(t, file, `"by":"terminal"`)
	})
	t.Run("skip", func(t *testing.T) {
		again := FindStop(t, "1032 one of several rows")
		again.Provoke(t, tp)
		s := atTerminal(t, "TERM=xterm", command)
		s.await(t, "skip: loses 3 row changes")
		s.press(t, keyDown+keyDown+keyDown+keyEnter)
		s.await(t, "Skip transaction")
		s.await(t, "3 row changes of it would not happen")
		s.press(t, "y")
		if code := s.code(t); code != 0 || !strings.Contains(s.text(), "What was done: skip") {
			t.Errorf("exit code %d: %q", code, s.text())
		}
		requireEqualStop(t, tp, again)
	})
	for _, path := range journalsIn(t, state) {
		requireWholeJournal(t, path, "recover")
	}
	requireReplicating(t, tp.Replicas...)
}

// requireEqualStop requires that the replica has the source's rows of a stop.
func requireEqualStop(t *testing.T, tp *Topology, stop Stop) {
	t.Helper()
	tp.WaitCaughtUp(t)
	tables := stop.Tables(t, tp)
	if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, tp.Replica(0), tables...); want != got {
		t.Errorf("the replica is not equal:\n%s", diffLines(want, got))
	}
}

// requireWholeJournal requires a journal that is as it was written, up to its end, and says that.
func requireWholeJournal(t *testing.T, path, says string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if found, _, err := audit.Read(path, nil); err != nil || found.State != audit.Whole || !bytes.Contains(content, []byte(says)) {
		t.Errorf("journal %s: %+v, %v\n%s", path, found, err, content)
	}
	if bytes.Contains(content, []byte(checkerPassword)) {
		t.Errorf("journal %s holds a password", path)
	}
}

func journalsIn(t *testing.T, state string) []string {
	t.Helper()
	paths, err := (audit.Folder{Path: filepath.Join(state, "journal"), Now: time.Now}).Journals()
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %v", paths, err)
	}
	return paths
}

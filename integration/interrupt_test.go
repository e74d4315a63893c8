package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	ossignal "os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// run is trueup running: Stdout is complete once wait has returned.
type run struct {
	*exec.Cmd
	stdout bytes.Buffer
	log    *bufio.Scanner // standard error
}

func startTrueup(t testing.TB, folder string, args ...string) *run {
	t.Helper()
	r := newRun(t, folder, args...)
	r.begin(t)
	return r
}

func newRun(t testing.TB, folder string, args ...string) *run {
	return &run{Cmd: exec.CommandContext(t.Context(), filepath.Join(folder, "trueup"), args...)}
}

func (r *run) begin(t testing.TB) {
	t.Helper()
	r.Cmd.Stdout = &r.stdout
	stderr, err := r.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	r.log = bufio.NewScanner(stderr)
}

// waitFor reads the log up to a line with that text.
func (r *run) waitFor(t testing.TB, text string) {
	t.Helper()
	var seen []string
	for r.log.Scan() {
		if strings.Contains(r.log.Text(), text) {
			return
		}
		seen = append(seen, r.log.Text())
	}
	t.Fatalf("trueup ended before it said %q:\n%s", text, strings.Join(seen, "\n"))
}

// end waits for the process and returns its exit code and what else it said on standard error.
func (r *run) end(t testing.TB) (int, string) {
	t.Helper()
	var rest strings.Builder
	for r.log.Scan() {
		fmt.Fprintln(&rest, r.log.Text())
	}
	err := r.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return r.ProcessState.ExitCode(), rest.String()
}

// interruptedCheck is what an interrupted check's JSON must say.
type interruptedCheck struct {
	ExitCode    int      `json:"exit_code"`
	Interrupted bool     `json:"interrupted"`
	Conditions  []string `json:"conditions"`
	Verdict     string   `json:"verdict"`
	Tables      []struct {
		Table      string `json:"table"`
		Verdict    string `json:"verdict"`
		ReasonCode string `json:"reason_code"`
	} `json:"tables"`
}

// largeTopology has a table that takes many chunks, and one that comes after it.
func largeTopology(t *testing.T) (tp *Topology, dsn string) {
	tp = NewTopology(t, Options{GTID: true})
	tp.Source.CreateUser(t, "checker", "ALL ON *.*")
	tp.Source.Exec(t, "CREATE DATABASE app", "USE app", "CREATE TABLE app.big (id INT PRIMARY KEY, c CHAR(60))",
		"INSERT INTO app.big SELECT seq, seq FROM seq_1_to_100000", "CREATE TABLE app.later (id INT PRIMARY KEY)", "INSERT INTO app.later VALUES (1)")
	tp.WaitCaughtUp(t)
	return tp, fmt.Sprintf("checker:%s@tcp(%s)/", checkerPassword, tp.Source.Address())
}

// TestSignalEndsTheCheck: the first signal ends the check cleanly and soon; the report is written and says so.
func TestSignalEndsTheCheck(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	tp, dsn := largeTopology(t)
	signals := map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143}
	if !ossignal.Ignored(syscall.SIGHUP) { // else whoever started the tests did so with nohup, and trueup obeys that too
		signals[syscall.SIGHUP] = 143
	}
	for signal, code := range signals {
		file := filepath.Join(t.TempDir(), "report.json")
		r := startTrueup(t, folder, "check", "--source", dsn, "--chunk-size", "10", "--workers", "1", "--format", "json", "--output", file, "--verbose")
		r.waitFor(t, "sync point opened")
		began := time.Now()
		_ = r.Process.Signal(signal)
		got, said := r.end(t)
		if took := time.Since(began); got != code || took > 5*time.Second || !strings.Contains(said, "ending; the same again ends at once") {
			t.Errorf("%v: exit code %d after %v: %s", signal, got, took, said)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		requireInterrupted(t, content, code)
		requireReplicating(t, tp.Replicas...)
		for _, node := range tp.Nodes() {
			requireNoSessions(t, node, "checker")
		}
	}
}

func requireInterrupted(t testing.TB, content []byte, code int) {
	t.Helper()
	var document interruptedCheck
	if err := json.Unmarshal(content, &document); err != nil {
		t.Fatalf("%v: %s", err, content)
	}
	condition := map[int]string{130: "interrupted", 143: "terminated"}[code]
	if document.ExitCode != code || !document.Interrupted || document.Verdict != "unverified" || document.Conditions[0] != condition {
		t.Errorf("after exit code %d: %+v", code, document)
	}
	for _, table := range document.Tables {
		if table.Verdict != "unverified" || table.ReasonCode != "interrupted" {
			t.Errorf("%s is %s, %s", table.Table, table.Verdict, table.ReasonCode)
		}
	}
}

// TestSignalsAtAnyMoment: sync points follow upon each other, so that signals, some of them two, hit the moments in which
// the applier stands still. It runs when the process has ended, and nothing of ours stays on the servers.
func TestSignalsAtAnyMoment(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	tp, dsn := largeTopology(t)
	const rounds = 14
	for i := range rounds {
		output := filepath.Join(t.TempDir(), "lines.jsonl")
		r := startTrueup(t, folder, "check", "--source", dsn, "--chunk-size", "10", "--workers", "2", "--sync-max-age", "1ms", "--format", "jsonl", "--output", output, "--verbose")
		r.waitFor(t, "check started")
		time.Sleep(time.Duration(rand.IntN(120)) * time.Millisecond)
		_ = r.Process.Signal(os.Interrupt)
		if i%2 == 1 {
			time.Sleep(time.Duration(rand.IntN(8)) * time.Millisecond)
			_ = r.Process.Signal(os.Interrupt)
		}
		began := time.Now()
		if code, said := r.end(t); code != 130 || time.Since(began) > 7*time.Second {
			t.Errorf("round %d: exit code %d after %v: %s", i, code, time.Since(began), said)
		}
		requireReplicating(t, tp.Replicas...)
		for _, node := range tp.Nodes() {
			requireNoSessions(t, node, "checker")
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(output), ".*")); len(left) > 0 {
			t.Errorf("round %d: unfinished files stayed: %v", i, left)
		}
		if t.Failed() {
			return
		}
	}
}

// TestSignalWhileConnecting: a server that takes the connection and says nothing does not hold the program.
func TestSignalWhileConnecting(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := startTrueup(t, buildTrueup(t), "check", "--source", fmt.Sprintf("u:p@tcp(%s)/", listener.Addr()), "--format", "json")
	silent, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	began := time.Now()
	_ = r.Process.Signal(syscall.SIGTERM)
	code, said := r.end(t)
	if code != 143 || time.Since(began) > 8*time.Second { // it would wait for the server's word for ten
		t.Errorf("exit code %d after %v: %s", code, time.Since(began), said)
	}
	requireInterrupted(t, r.stdout.Bytes(), 143)
}

// TestReaderGoesAway: a reader such as head that has seen enough does not end the check with an applier standing still.
func TestReaderGoesAway(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	tp, dsn := largeTopology(t)
	command := exec.CommandContext(t.Context(), filepath.Join(folder, "trueup"), "check", "--source", dsn, "--chunk-size", "5000", "--sync-max-age", "1ms", "--format", "jsonl", "--verbose")
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	command.Stderr = &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	_ = stdout.Close()
	_ = command.Wait()
	if code := command.ProcessState.ExitCode(); code != 2 || !strings.Contains(stderr.String(), "ended with exit code 0 (everything that was asked for is verified equal), but its report could not be written") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	requireReplicating(t, tp.Replicas...)
}

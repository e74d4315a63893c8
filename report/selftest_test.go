package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var sampleTraps = []Trap{
	{Name: "good", Planted: "a digit differs", OK: true, Expected: []TrapRow{{Kind: "changed", Count: 1, Key: "id=5", Columns: []string{"a", "b"}}},
		Found: []TrapRow{{Kind: "changed", Count: 1, Key: "id=5", Columns: []string{"a", "b"}}}},
	{Name: "harmless", Planted: "nothing", OK: true},
}

var failedTraps = []Trap{
	{Name: "missed", Planted: "a bit differs", Expected: []TrapRow{{Kind: "missing", Count: 2}}, Problems: []string{"not found: missing 2×"}},
	{Name: "alarm", Planted: "nothing", Found: []TrapRow{{Kind: "extra", Count: 1, Key: "id=\x1b[2J"}}, Problems: []string{"wrongly reported: extra id=\x1b[2J"}},
}

func selfTestOf(change func(*SelfTestRun)) SelfTest {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	run := SelfTestRun{RunID: "run", Version: "1", ServerVersion: "10.11.1-MariaDB", StartedAt: began, FinishedAt: began.Add(2 * time.Second), Traps: sampleTraps}
	change(&run)
	return NewSelfTest(run)
}

func TestSelfTestConditions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change  func(*SelfTestRun)
		verdict string
		code    int
		says    string
	}{
		"passed":         {func(*SelfTestRun) {}, "passed", OK, "The damage of all 1 traps was found"},
		"a trap failed":  {func(r *SelfTestRun) { r.Traps = append(slices.Clone(r.Traps), failedTraps...) }, "failed", Failed, "2 of 4 traps failed"},
		"something else": {func(r *SelfTestRun) { r.Problems = []string{"the check found 2 replicas"} }, "failed", Failed, "something else was reported"},
		"an error":       {func(r *SelfTestRun) { r.Traps, r.Err = nil, errors.New("no server") }, "failed", Failed, "could not be completed: no server."},
		"late error":     {func(r *SelfTestRun) { r.Err = errors.New("not stopped") }, "failed", Failed, "could not be completed: not stopped."},
		"no traps":       {func(r *SelfTestRun) { r.Traps = nil }, "failed", Failed, "nothing is proven"},
		"SIGINT":         {func(r *SelfTestRun) { r.Traps, r.Signal, r.Err = nil, os.Interrupt, errors.New("canceled") }, "unverified", Interrupted, "it says nothing"},
		"SIGTERM":        {func(r *SelfTestRun) { r.Signal = syscall.SIGTERM }, "unverified", Terminated, "it says nothing"},
	} {
		s := selfTestOf(test.change)
		if s.Verdict != test.verdict || s.ExitCode != test.code || CodeFor(s.Conditions) != test.code {
			t.Errorf("%s: %s, %v, exit code %d", name, s.Verdict, s.Conditions, s.ExitCode)
		}
		var text bytes.Buffer
		if err := WriteSelfTestText(&text, s, TextOptions{}); err != nil || !strings.Contains(text.String(), test.says) {
			t.Errorf("%s: %v\n%s", name, err, text.String())
		}
	}
}

func TestSelfTestText(t *testing.T) {
	t.Parallel()
	s := selfTestOf(func(r *SelfTestRun) { r.Traps = append(slices.Clone(r.Traps), failedTraps...) })
	var text bytes.Buffer
	if err := WriteSelfTestText(&text, s, TextOptions{Verbose: true, Width: 80}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"trueup self-test run, MariaDB 10.11.1, took 2.0s\n", "\nfound         good                a digit differs\n", "  changed id=5 in a, b\n",
		"\nequal         harmless            nothing\n", "\nNOT FOUND     missed              a bit differs\n", "  not found: missing 2×\n",
		"\nWRONG         alarm               nothing\n", `  wrongly reported: extra id=\x1b[2J` + "\n", "\nExit code 2: the self-test did not pass.\n",
	} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("without %q:\n%s", line, text.String())
		}
	}
	for line := range strings.Lines(text.String()) {
		if len([]rune(line)) > 81 || strings.Contains(line, "\x1b") {
			t.Errorf("%q", line)
		}
	}
	if err := WriteSelfTestText(brokenWriter{os.ErrClosed}, s, TextOptions{}); err == nil {
		t.Error("a writer's error was lost")
	}
}

// TestSelfTestJSON: the fields of docs/json.md, and no list is null.
func TestSelfTestJSON(t *testing.T) {
	t.Parallel()
	want := strings.Fields(`schema_version command run_id version exit_code conditions interrupted started_at finished_at duration_seconds verdict error server_version
		problems self_test self_test.name self_test.planted self_test.ok self_test.problems self_test.expected self_test.expected.kind self_test.expected.count
		self_test.expected.key self_test.expected.columns self_test.found self_test.found.kind self_test.found.count self_test.found.key self_test.found.columns`)
	var out bytes.Buffer
	if err := WriteSelfTestJSON(&out, selfTestOf(func(r *SelfTestRun) { r.Traps = append(slices.Clone(r.Traps), failedTraps...) })); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "null") || strings.Contains(out.String(), "\x1b") {
		t.Error(out.String())
	}
	var document any
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	paths(document, "", got)
	for _, field := range want {
		if !got[field] {
			t.Errorf("missing: %s", field)
		}
		delete(got, field)
	}
	for field := range got {
		t.Errorf("not in the contract: %s", field)
	}
}

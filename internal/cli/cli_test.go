package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"trueup/replication/syncpoint"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"trueup": func() {
		os.Exit(Main(context.Background(), os.Args[1:], testProcess(Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})))
	}})
}

func testProcess(streams Streams) Process {
	return Process{Streams: streams, Getenv: os.Getenv, Signal: func() os.Signal { return nil }, Pauses: &syncpoint.Pauses{},
		Notices: NewNotices(streams.Err), Leftovers: &Leftovers{}}
}

// TestScripts are the command lines that need no server. Those that do are in package integration.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":    scriptCode,
			"refused": scriptRefused,
			"narrow":  scriptNarrow,
		},
	})
}

// scriptCode is "code N args...": trueup ends with that exit code, and what it prints cannot drive a terminal.
func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: code N args...")
	}
	err := ts.Exec("trueup", args[1:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
	if strings.ContainsAny(ts.ReadFile("stdout")+ts.ReadFile("stderr"), "\x1b\x07\u009b") {
		ts.Fatalf("there are escape sequences where there is no terminal")
	}
}

// scriptRefused is "refused args...": exit code 64, one message on standard error, nothing on standard output.
func scriptRefused(ts *testscript.TestScript, neg bool, args []string) {
	scriptCode(ts, neg, append([]string{"64"}, args...))
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("on standard output: %q", out)
	}
	if message := ts.ReadFile("stderr"); !strings.HasPrefix(message, "trueup: ") || strings.Contains(message, "trueup: trueup") {
		ts.Fatalf("on standard error: %q", message)
	}
}

// scriptNarrow: standard output is readable at 80 columns and lists the exit codes.
func scriptNarrow(ts *testscript.TestScript, _ bool, _ []string) {
	out := ts.ReadFile("stdout")
	for line := range strings.SplitSeq(out, "\n") {
		if len([]rune(line)) > 80 || strings.TrimRight(line, " ") != line {
			ts.Fatalf("too wide or with space at its end: %q", line)
		}
	}
	if !strings.Contains(out, "Exit codes") || !strings.Contains(out, "\n   64  wrong usage or configuration\n") {
		ts.Fatalf("the exit codes are missing")
	}
	if ts.ReadFile("stderr") != "" {
		ts.Fatalf("help on standard error")
	}
}

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	names := []string{"source", "replica", "tables", "ignore-tables", "tls"}
	for typed, want := range map[string]string{
		"sorce": "source", "soruce": "source", "replicas": "replica", "tabels": "tables", "ignore-table": "ignore-tables", "tlss": "tls",
		"ignore": "ignore-tables", "max-lag": "", "x": "", "": "", "password": "",
	} {
		if want != "" {
			want = " (did you mean --" + want + "?)"
		}
		if got := didYouMean("--", typed, names); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		time.Minute: "1m", 5 * time.Minute: "5m", time.Hour: "1h", 90 * time.Second: "1m30s", 500 * time.Millisecond: "500ms", 10 * time.Second: "10s", 10 * time.Minute: "10m",
	} {
		if got := durationText(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

// TestSignalDecidesTheExitCode: a command that a signal cut short ends with the signal's code, whatever its error.
func TestSignalDecidesTheExitCode(t *testing.T) {
	t.Parallel()
	for signal, want := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out, errs bytes.Buffer
		process := testProcess(Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
		process.Signal = func() os.Signal { return signal }
		code := Main(ctx, []string{"check", "--source", "u:p@tcp(127.0.0.1:1)/", "--format", "json"}, process)
		if code != want || !strings.Contains(out.String(), `"exit_code": `+strconv.Itoa(want)) || !strings.Contains(out.String(), `"interrupted": true`) {
			t.Errorf("%v: exit code %d, %s%s", signal, code, out.String(), errs.String())
		}
	}
}

func TestNoticesMakeWay(t *testing.T) {
	t.Parallel()
	var plain, line bytes.Buffer
	notices := NewNotices(&plain)
	back := notices.through(&line)
	notices.Say("%d%%", 1)
	back()
	notices.Say("two")
	if line.String() != "trueup: 1%\n" || plain.String() != "trueup: two\n" {
		t.Errorf("%q, %q", line.String(), plain.String())
	}
}

func TestLeftovers(t *testing.T) {
	t.Parallel()
	var l Leftovers
	cleaned := make(chan string, 3)
	done := l.Add(func() { cleaned <- "done before" })
	l.Add(func() { cleaned <- "left" })
	hangs := make(chan struct{})
	defer close(hangs)
	l.Add(func() { <-hangs })
	done()
	began := time.Now()
	l.Clean(time.Second)
	if len(cleaned) != 1 || <-cleaned != "left" || time.Since(began) > 20*time.Second {
		t.Errorf("%d cleaned in %v", len(cleaned), time.Since(began))
	}
}

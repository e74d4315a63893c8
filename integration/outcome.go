package integration

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// outcomes is what became of the tests of EachServer, by row.
var outcomes = &ledger{entries: map[string][]*outcome{}, starts: map[string][]time.Duration{}}

type ledger struct {
	mu      sync.Mutex
	entries map[string][]*outcome // by the row's name
	starts  map[string][]time.Duration
	outside []string // tests that are not of EachServer and were skipped because "local" is no row
}

// skipOutside skips a test that runs on the server of this machine only.
func (l *ledger) skipOutside(t testing.TB) {
	t.Helper()
	l.mu.Lock()
	l.outside = append(l.outside, t.Name())
	l.mu.Unlock()
	t.Skipf("is for the server of this machine only, which %s does not name", EnvImages)
}

// started notes how long a topology took to start.
func (l *ledger) started(row string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.starts[row] = append(l.starts[row], took)
}

// median is the middle one of the times a row's topologies took to start.
func (l *ledger) median(row string) time.Duration {
	all := slices.Sorted(slices.Values(l.starts[row]))
	if len(all) == 0 {
		return 0
	}
	return all[len(all)/2]
}

type outcome struct {
	test   string
	result string // "" while it runs
	reason string // of a skip through Needs
}

// expect notes that a test is to run on a row, and what became of it when it ends.
func (l *ledger) expect(t *testing.T, row string) {
	o := &outcome{test: t.Name()}
	l.mu.Lock()
	l.entries[row] = append(l.entries[row], o)
	l.mu.Unlock()
	t.Cleanup(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case t.Failed():
			o.result = "failed"
		case t.Skipped():
			o.result = "skipped"
		default:
			o.result = "passed"
		}
	})
}

// skip skips a test with its reason, which the summary shows.
func (l *ledger) skip(t *testing.T, reason string) {
	t.Helper()
	l.mu.Lock()
	for _, all := range l.entries {
		for _, o := range all {
			if o.test == t.Name() {
				o.reason = reason
			}
		}
	}
	l.mu.Unlock()
	t.Skip(reason)
}

// Main runs a package's tests, prints what ran on which server, and returns the exit code: not 0 when a row did not run,
// or a test was skipped without saying what it needs, although REQUIRE_SERVERS=1 asks for all. TestMain calls it.
func Main(m *testing.M) int {
	// Tests kill sessions and servers by the hundred; what the driver writes of each would bury the one line that says what failed.
	if err := mysql.SetLogger(&mysql.NopLogger{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	closeDocker()
	removeSlowThreads()
	chosen := flag.Lookup("test.run").Value.String() != ""
	problems := outcomes.print(os.Stdout, rowNames(), !chosen)
	if os.Getenv("REQUIRE_SERVERS") != "1" {
		return code
	}
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, "FAIL:", problem)
		code = max(code, 1)
	}
	return code
}

// print prints the summary and returns what should have run and did not; with all, each row must have run something.
// A run without a single test of EachServer has no summary.
func (l *ledger) print(w io.Writer, rows []string, all bool) (problems []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) == 0 {
		return nil
	}
	for _, row := range rows {
		counts, lines := map[string]int{}, []string(nil)
		for _, o := range l.entries[row] {
			counts[o.result]++
			if o.result == "skipped" {
				lines = append(lines, fmt.Sprintf("    skipped %s: %s", o.test, o.reason))
			}
			if o.result == "skipped" && o.reason == "" {
				problems = append(problems, fmt.Sprintf("%s was skipped on %s without saying what it needs", o.test, row))
			}
			if o.result == "failed" || o.result == "passed" {
				lines = append(lines, fmt.Sprintf("    %-7s %s", o.result, o.test))
			}
		}
		slices.Sort(lines)
		fmt.Fprintf(w, "%s: %d passed, %d failed, %d skipped; %d topologies, started in %.1fs (median)\n%s", titleOf(row),
			counts["passed"], counts["failed"], counts["skipped"], len(l.starts[row]), l.median(row).Seconds(), strings.Join(append(lines, ""), "\n"))
		if counts["passed"] == 0 && all {
			problems = append(problems, "no test passed on "+row)
		}
	}
	if len(l.outside) > 0 {
		slices.Sort(l.outside)
		fmt.Fprintf(w, "%s, which is no row of this run: %d skipped, they are not for other servers\n    %s\n", localName, len(l.outside), strings.Join(l.outside, "\n    "))
	}
	return problems
}

func titleOf(row string) string {
	if found, err := findRow(row); err == nil {
		return found.String()
	}
	return row
}

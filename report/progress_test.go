package report

import (
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"trueup/check"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newTestProgress(width int) (*Progress, *strings.Builder, *clock) {
	var out strings.Builder
	c := &clock{began}
	options := progressOptions{Now: c.Now}
	if width > 0 {
		options.Width = func() int { return width }
	}
	return newProgress(&out, options), &out, c
}

// lastLine is what stands on the terminal.
func lastLine(out *strings.Builder) string {
	s := out.String()
	return s[strings.LastIndex(s, clearLine)+len(clearLine):]
}

func begin(p *Progress, tables int, estimate int64) {
	p.Event(check.RunStarted{RunID: "r"})
	p.Event(check.SchemaCompared{Tables: tables, RowsEstimate: estimate})
	p.Event(check.EpochOpened{})
}

// TestProgressSaysWhatIsWaitedFor: from the first moment on, and the wait is no part of the rate.
func TestProgressSaysWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	p, out, c := newTestProgress(80)
	for _, step := range []struct {
		event check.Event
		says  string
	}{
		{check.Warned{}, "connecting to the source  1.0s"},
		{check.RunStarted{}, "connecting to the replicas  2.0s"},
		{check.ReplicaFound{}, "reading definitions  3.0s"},
		{check.SchemaCompared{Tables: 1, RowsEstimate: 1000}, "waiting until the replicas stand at one position  4.0s"},
		{check.TableStarted{RowsEstimate: 1000}, "waiting until the replicas stand at one position  5.0s"},
		{check.EpochOpened{}, "  0%  0/1 tables"},
		{check.ChunkDone{Rows: 100}, " 10%  0/1 tables  100/~1000 rows  100 rows/s"},
	} {
		c.now = c.now.Add(time.Second)
		p.Event(step.event)
		if got := lastLine(out); !strings.HasPrefix(got, step.says) {
			t.Errorf("after %T: %q, want %q", step.event, got, step.says)
		}
	}
}

func TestProgressLine(t *testing.T) {
	t.Parallel()
	p, out, c := newTestProgress(200)
	begin(p, 2, 3000)
	p.Event(check.TableStarted{Database: "shop", Table: "orders", RowsEstimate: 2000})
	c.now = c.now.Add(250 * time.Millisecond)
	p.Event(check.ChunkDone{Database: "shop", Table: "orders", Rows: 100, Bytes: 100_000})
	if got := lastLine(out); !strings.Contains(got, "– left") || !strings.Contains(got, "  3%  0/2 tables") {
		t.Errorf("too early for a rate: %q", got)
	}
	c.now = c.now.Add(1750 * time.Millisecond)
	p.Event(check.ChunkDone{Database: "shop", Table: "orders", Rows: 900, Bytes: 1_900_000})
	want := " 33%  0/2 tables  1000/~3000 rows  500 rows/s  1.0 MB/s  4s left  shop.orders"
	if got := lastLine(out); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	p.Event(check.RunFinished{})
	if got := lastLine(out); got != "" {
		t.Errorf("not cleared: %q", got)
	}
	c.now = c.now.Add(time.Hour)
	p.Event(check.TableDone{})
	if got := lastLine(out); got != "" {
		t.Errorf("drawn after the end: %q", got)
	}
}

func TestProgressDrawsAtMostFiveTimesASecond(t *testing.T) {
	t.Parallel()
	p, out, c := newTestProgress(80)
	begin(p, 1, 1_000_000)
	for range 10_000 { // two seconds
		c.now = c.now.Add(200 * time.Microsecond)
		p.Event(check.ChunkDone{Rows: 1})
	}
	if n := strings.Count(out.String(), clearLine); n != 10 {
		t.Errorf("drawn %d times in 2 s, want 10", n)
	}
}

func TestProgressNeverBeyond100(t *testing.T) {
	t.Parallel()
	p, out, c := newTestProgress(120)
	begin(p, 2, 100) // the server's estimate is far too low
	table := func(name string) {
		p.Event(check.TableStarted{Database: "d", Table: name, RowsEstimate: 50})
		for range 50 {
			c.now = c.now.Add(time.Second)
			p.Event(check.ChunkDone{Database: "d", Table: name, Rows: 1000})
			if got := lastLine(out); strings.Contains(got, "100%") || strings.Contains(got, "-") {
				t.Fatalf("%q", got)
			}
		}
		p.Event(check.TableDone{Table: check.TableResult{Database: "d", Table: name}})
	}
	table("a")
	table("b")
	c.now = c.now.Add(time.Second)
	p.Event(check.TableDone{Table: check.TableResult{Verdict: check.NotCompared}})
	if got := lastLine(out); !strings.HasPrefix(got, "100%  2/2 tables  100.0k/~100.0k rows") {
		t.Errorf("%q", got)
	}
}

func TestProgressCountsDifferingRows(t *testing.T) {
	t.Parallel()
	p, out, c := newTestProgress(120)
	begin(p, 2, 100)
	p.Event(check.TableStarted{Database: "d", Table: "t", RowsEstimate: 50})
	c.now = c.now.Add(time.Second)
	p.Event(check.DifferenceFound{Difference: check.RowDifference{Database: "d", Table: "t", Count: 1}})
	if got := lastLine(out); !strings.Contains(got, "  1 differ") {
		t.Errorf("%q", got)
	}
	c.now = c.now.Add(time.Second)
	p.Event(check.TableDone{Table: check.TableResult{Database: "d", Table: "t", Replicas: []check.TableReplicaResult{{Missing: 20_000, Extra: 1}}}})
	if got := lastLine(out); !strings.Contains(got, "  20.0k differ") {
		t.Errorf("more than were listed: %q", got)
	}
}

func TestProgressFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for width := 1; width < 140; width++ {
		p, out, c := newTestProgress(width)
		begin(p, 1000, 123_456_789)
		p.Event(check.TableStarted{Database: "数据库", Table: "evil\x1b[2J\nname漢字", RowsEstimate: 99})
		for range 5 {
			c.now = c.now.Add(time.Second)
			p.Event(check.ChunkDone{Database: "数据库", Table: "evil\x1b[2J\nname漢字", Rows: 987_654, Bytes: 1 << 30})
		}
		got := lastLine(out)
		if displayWidth(got) > max(width-1, 10) || !harmless(got) {
			t.Errorf("width %d: %q", width, got)
		}
	}
}

// TestProgressWithoutTerminal: a line at the beginning of each phase, and one every ten seconds.
func TestProgressWithoutTerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	c := &clock{began}
	p := startProgress(&out, progressOptions{Now: c.Now})
	p.Close() // the ticks; the clock is the test's
	p.closed = false
	begin(p, 3, 1000)
	seconds := func(n int) {
		for range n {
			c.now = c.now.Add(time.Second)
			p.Event(check.ChunkDone{Database: "d", Table: "t", Rows: 10})
		}
	}
	seconds(25)
	p.Event(check.Throttled{Reason: "replica r lags 12s, --max-lag 5s"})
	c.now = c.now.Add(4 * time.Second)
	p.Event(check.Throttled{Reason: "replica r lags 16s, --max-lag 5s"})
	p.Event(check.Resumed{Waited: 4 * time.Second})
	seconds(1)
	p.Event(check.RunFinished{})
	want := []string{"connecting to the source  0.0s", "connecting to the replicas  0.0s", "waiting until the replicas stand at one position  0.0s",
		"  0%  0/3 tables", "  9%  0/3 tables", " 16%  0/3 tables", " 20%  waiting 0.0s: replica r lags 12s, --max-lag 5s", " 20%  0/3 tables"}
	got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("line %d:\n%s\nwant, as beginnings\n%s", i+1, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestProgressWhileWaiting: the live line says why nothing moves, and for how long already.
func TestProgressWhileWaiting(t *testing.T) {
	t.Parallel()
	p, out, c := newTestProgress(60)
	begin(p, 1, 1000)
	c.now = c.now.Add(time.Second)
	p.Event(check.ChunkDone{Rows: 100})
	p.Event(check.Throttled{Reason: "replica r lags 6s, --max-lag 5s"})
	c.now = c.now.Add(3 * time.Second)
	p.Event(check.Throttled{Reason: "replica r\x1b[31m lags 9s, --max-lag 5s"})
	if got, want := lastLine(out), `  9%  waiting 3.0s: replica r\x1b[31m lags 9s, --max-lag 5s`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	p.Event(check.Resumed{})
	c.now = c.now.Add(2 * time.Second)
	p.Event(check.ChunkDone{Rows: 100})
	if got := lastLine(out); !strings.Contains(got, "  50 rows/s") {
		t.Errorf("%q: 100 rows in the 2 s since the wait, which is no part of the rate", got)
	}
}

func TestProgressMakesWayForOtherOutput(t *testing.T) {
	t.Parallel()
	p, out, c := newTestProgress(80)
	begin(p, 1, 10)
	c.now = c.now.Add(time.Second)
	p.Event(check.ChunkDone{Rows: 1})
	if _, err := io.WriteString(p.Beside(out), "a log line\n"); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(out.String(), clearLine+"a log line\n") {
		t.Errorf("%q", out.String())
	}
}

func TestProgressCloses(t *testing.T) {
	t.Parallel()
	p := startProgress(io.Discard, progressOptions{Width: func() int { return 80 }, Now: time.Now})
	p.Event(check.RunStarted{})
	time.Sleep(3 * liveInterval / 2)
	p.Close()
	p.Close()
}

func TestAmount(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 9999: "9999", 10_000: "10.0k", 1_234_567: "1.23M", 7_890_000_000: "7.89G"} {
		if got := amount(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestShortDuration(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0s": "0.0s", "349ms": "0.3s", "9949ms": "9.9s", "9951ms": "10s", "59499ms": "59s", "59501ms": "1m00s",
		"3m5s": "3m05s", "59m59.6s": "1h00m", "2h3m10s": "2h03m", "59m29s": "59m29s",
	} {
		d, err := time.ParseDuration(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := shortDuration(d); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	t.Parallel()
	parts := []linePart{{"33%", 3}, {"500 rows/s", 1}, {"shop.a_rather_long_name", 2}}
	for width, want := range map[int]string{
		0: "33%  500 rows/s  shop.a_rather_long_name", 40: "33%  500 rows/s  shop.a_rather_long_name",
		39: "33%  shop.a_rather_long_name", 20: "33%  shop.a_rather_…", 16: "33%", 2: "3…",
	} {
		if got := fit(parts, width); got != want {
			t.Errorf("%d: %q, want %q", width, got, want)
		}
	}
}

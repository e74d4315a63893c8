package main

import (
	"fmt"
	"os"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		numbers []float64
		want    spread
	}{
		{[]float64{3, 1, 2}, spread{2, 1, 3}},
		{[]float64{4, 1, 2, 3}, spread{2.5, 1, 4}},
		{[]float64{7}, spread{7, 7, 7}},
	} {
		if got := spreadOf(test.numbers); got != test.want {
			t.Errorf("%v: got %v, want %v", test.numbers, got, test.want)
		}
	}
	one := []sample{{wall: time.Second}, {wall: 2 * time.Second}, {}}
	other := []sample{{wall: 3 * time.Second}, {wall: 4 * time.Second}, {wall: time.Second}}
	if got := ratios(one, other, wallSeconds); got != (spread{2.5, 2, 3}) {
		t.Errorf("ratios: %v", got)
	}
	if got := ratios(one[2:], other[2:], wallSeconds); got != (spread{}) {
		t.Errorf("a ratio to nothing: %v", got)
	}
}

func TestCPUOf(t *testing.T) {
	t.Parallel()
	stat := "17 (odd ) name) S 1 17 17 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 12 0 100 1000 200"
	if got, err := cpuOf(stat); err != nil || got != 3*time.Second {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := cpuOf("17 (x) S 1"); err == nil {
		t.Error("a cut line was accepted")
	}
}

func TestHighWaterMark(t *testing.T) {
	t.Parallel()
	if got := highWaterMark(os.Getpid()); got < 1e6 || got > 1e10 {
		t.Errorf("%d bytes", got)
	}
	if got := highWaterMark(-1); got != 0 {
		t.Errorf("no such process: %d", got)
	}
}

// A run that did not verify every row must not count, however it ended.
func TestVerifyTrueupRefusesLessThanAll(t *testing.T) {
	t.Parallel()
	form := `{"verdict":%q,"tables":[{"table":"sbtest1","verdict":%q,"rows":%d,"chunks_unverified":%d,"replicas":%s}]}`
	good := `[{"verdict":"equal","rows":10}]`
	if err := verifyTrueup(fmt.Appendf(nil, form, "equal", "equal", 10, 0, good), 10); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"unverified":      fmt.Sprintf(form, "unverified", "unverified", 10, 0, good),
		"table":           fmt.Sprintf(form, "equal", "different", 10, 0, good),
		"fewer rows":      fmt.Sprintf(form, "equal", "equal", 9, 0, good),
		"chunks":          fmt.Sprintf(form, "equal", "equal", 10, 1, good),
		"no replica":      fmt.Sprintf(form, "equal", "equal", 10, 0, "[]"),
		"replica's rows":  fmt.Sprintf(form, "equal", "equal", 10, 0, `[{"verdict":"equal","rows":9}]`),
		"replica unknown": fmt.Sprintf(form, "equal", "equal", 10, 0, `[{"verdict":"unverified","rows":10}]`),
		"no table":        `{"verdict":"equal","tables":[]}`,
		"no JSON":         `equal`,
	} {
		if err := verifyTrueup([]byte(text), 10); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, test := range []struct {
		numbers []float64
		p       int
		want    float64
	}{{nil, 99, 0}, {[]float64{7}, 50, 7}, {[]float64{7, 9}, 50, 7}, {[]float64{7, 9}, 99, 9}, {hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100}} {
		if got := percentile(test.numbers, test.p); got != test.want {
			t.Errorf("%d %% of %v: %v, want %v", test.p, test.numbers, got, test.want)
		}
	}
}

// A write that began before a window and ended in it, or spans it, was held by what happened there.
func TestWithin(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	beats := []beat{{at(0), 5 * time.Millisecond}, {at(10), 100 * time.Millisecond}, {at(111), time.Millisecond}, {at(120), 2 * time.Millisecond}}
	if got := within(beats, window{at(20), at(30)}, window{at(115), at(121)}); len(got) != 2 || got[0] != 100 || got[1] != 2 {
		t.Errorf("%v", got)
	}
}

func TestHeldUp(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	spans := []window{{start, start.Add(time.Second)}, {start.Add(2 * time.Second), start.Add(3 * time.Second)}}
	if got := heldUp([]float64{1, 10, 500, 100}, spans); got != 30 {
		t.Errorf("%v %%, want 30", got)
	}
	if got := heldUp(nil, nil); got != 0 {
		t.Errorf("%v %% of nothing", got)
	}
}

// The epochs of one sync point lie within a moment; the next point is another one.
func TestSyncPointsOf(t *testing.T) {
	t.Parallel()
	const epoch = `{"opened_at":"2026-01-02T03:04:05.%03dZ","source_writes_blocked_seconds":0.002,"replicas":[{"applier_paused_seconds":0.0%d},{"applier_paused_seconds":0.01}]}`
	text := fmt.Sprintf(`{"sync":{"epochs":[`+epoch+`,`+epoch+`,`+epoch+`]}}`, 100, 2, 101, 3, 300, 4)
	points, err := syncPointsOf([]byte(text))
	if err != nil || len(points) != 2 {
		t.Fatalf("%v, %v", points, err)
	}
	if points[0].paused != 30*time.Millisecond || points[0].blocked != 2*time.Millisecond || points[1].paused != 40*time.Millisecond {
		t.Errorf("%+v", points)
	}
	if _, err := syncPointsOf([]byte("equal")); err == nil {
		t.Error("no JSON was accepted")
	}
}

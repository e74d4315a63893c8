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

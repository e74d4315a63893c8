package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"trueup/check"
)

// TestThrottledIsSaid: in the report, in its JSON, and in the stream while it happens; and not where nothing was waited for.
func TestThrottledIsSaid(t *testing.T) {
	t.Parallel()
	result := equalRun()
	result.Throttled = 34500 * time.Millisecond
	var text, plain, lines bytes.Buffer
	if err := WriteText(&text, FromCheck(result, ""), TextOptions{}); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(text.String(), "\n")
	if want := "took 2.3s, 34s of it waiting (--max-lag, --max-load)"; !strings.HasSuffix(first, want) {
		t.Errorf("%q does not end with %q", first, want)
	}
	if err := WriteText(&plain, FromCheck(equalRun(), ""), TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plain.String(), "waiting") {
		t.Error(plain.String())
	}
	if got := FromCheck(result, "").ThrottledSeconds; got != 34.5 {
		t.Errorf("throttled_seconds %v", got)
	}
	observer := NewJSONL(&lines, JSONLOptions{})
	at := check.At{Time: began}
	observer.Event(check.Throttled{At: at, Reason: "replica 127.0.0.1:3307 lags 12s, --max-lag 5s"})
	observer.Event(check.Resumed{At: at, Waited: 34500 * time.Millisecond})
	want := `{"event":"throttled","time":"2026-01-02T03:04:05.678Z","reason":"replica 127.0.0.1:3307 lags 12s, --max-lag 5s"}
{"event":"resumed","time":"2026-01-02T03:04:05.678Z","waited_seconds":34.5}
`
	if got := lines.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

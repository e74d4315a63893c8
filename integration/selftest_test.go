package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSelfTestIsInterrupted: a signal ends the self-test, whatever it is doing, with the signal's code; the report says so,
// and its servers and their folders are gone.
func TestSelfTestIsInterrupted(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	for i, moment := range []string{"starting a private source", "checking", "in chunks of 7 rows"} {
		signal, code, condition := syscall.SIGINT, 130, "interrupted"
		if i == 1 {
			signal, code, condition = syscall.SIGTERM, 143, "terminated"
		}
		temporary, file := t.TempDir(), filepath.Join(t.TempDir(), "report.json")
		r := newRun(t, folder, "check", "--self-test", "--progress", "always", "--format", "json", "--output", file)
		r.Env = append(os.Environ(), "TMPDIR="+temporary)
		r.begin(t)
		r.waitFor(t, moment)
		_ = r.Process.Signal(signal)
		if got, said := r.end(t); got != code || strings.Contains(said, "could not be completed") {
			t.Errorf("%s: exit code %d: %s", moment, got, said)
		}
		requireSelfTestInterrupted(t, file, code, condition)
		if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v %v", moment, left, err)
		}
	}
}

func requireSelfTestInterrupted(t testing.TB, file string, code int, condition string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		ExitCode    int      `json:"exit_code"`
		Conditions  []string `json:"conditions"`
		Interrupted bool     `json:"interrupted"`
		Verdict     string   `json:"verdict"`
		Error       string   `json:"error"`
	}
	if err := json.Unmarshal(content, &document); err != nil {
		t.Fatal(err)
	}
	if document.ExitCode != code || document.Conditions[0] != condition || !document.Interrupted || document.Verdict != "unverified" || document.Error != "" {
		t.Errorf("%+v", document)
	}
}

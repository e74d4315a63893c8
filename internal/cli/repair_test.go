package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trueup/report"
)

func TestBesideName(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"undo.sql": "undo-10.0.0.2-3306.sql", "a.b/undo": "a.b/undo-10.0.0.2-3306", "x/.undo": "x/.undo-10.0.0.2-3306", "a.tar.gz": "a.tar-10.0.0.2-3306.gz",
	} {
		if got := besideName(path, "10.0.0.2:3306"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestJournalBeforeAnything: where no journal can be made nothing is begun; where one can, it stands there before the first step.
func TestJournalBeforeAnything(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	process := testProcess(Streams{In: strings.NewReader(""), Out: os.Stdout, Err: os.Stderr})
	good, err := netsOf("repair", "run-1", "h:1", folder, process)
	if err != nil {
		t.Fatal(err)
	}
	if good.path() != "" {
		t.Error("a journal that nobody asked for")
	}
	if err := good.begin(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(good.path())
	if err != nil || !strings.Contains(string(content), `"kind":"run_started"`) || !strings.Contains(string(content), `"command":"repair"`) {
		t.Errorf("%v: %s", err, content)
	}
	logger := outputOptions{}.logger(os.Stderr)
	good.drawIn(logger)
	good.drawIn(logger)
	if err := os.WriteFile(filepath.Join(folder, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bad, err := netsOf("repair", "run-2", "h:1", filepath.Join(folder, "file"), process)
	if err != nil {
		t.Fatal(err)
	}
	defer bad.drawIn(logger)
	if err := bad.begin(); err == nil || !strings.Contains(err.Error(), "--state-dir") || Main(t.Context(), []string{"repair", "--apply", "--yes", "--source",
		"u:p@tcp(127.0.0.1:1)/", "--state-dir", filepath.Join(folder, "file")}, process) != report.Usage {
		t.Errorf("an unwritable journal: %v", err)
	}
}

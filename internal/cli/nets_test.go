package cli

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"trueup/internal/audit"
)

// TestSecondJournal: what goes into a run's journal goes into its copy; each has hashes of its own, and neither is ever written over.
func TestSecondJournal(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	process := testProcess(Streams{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}})
	copyPath := filepath.Join(folder, "copy.jsonl")
	n, err := netsOf("recover", "20260102T030405Z-ABCDEF", "h:1", folder, process)
	if err != nil {
		t.Fatal(err)
	}
	n.copyPath = copyPath
	entry, err := audit.NewEntry("step", map[string]string{"what": "x"})
	if err == nil {
		err = errors.Join(n.begin(), n.Record(t.Context(), entry))
	}
	if err != nil {
		t.Fatal(err)
	}
	path := n.path()
	n.drawIn(slog.New(slog.DiscardHandler))
	var contents []string
	own := regexp.MustCompile(`"(time|hash|previous_hash)":"[^"]*"`)
	for _, p := range []string{path, copyPath} {
		found, _, err := audit.Read(p, nil)
		if err != nil || found.State != audit.Whole || found.Entries != 3 {
			t.Errorf("%s: %+v, %v", p, found, err)
		}
		content, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, own.ReplaceAllString(string(content), ""))
	}
	if contents[0] != contents[1] {
		t.Errorf("they differ:\n%s\n%s", contents[0], contents[1])
	}

	again, err := netsOf("recover", "20260102T030405Z-BCDEFG", "h:1", folder, process)
	if err != nil {
		t.Fatal(err)
	}
	again.copyPath = copyPath
	defer again.drawIn(slog.New(slog.DiscardHandler))
	if err := again.begin(); !isUsage(err) || again.path() != "" {
		t.Errorf("over a journal: %v, %q", err, again.path())
	}
	if err := again.Record(t.Context(), entry); err == nil {
		t.Error("an entry was recorded in one of two journals")
	}
}

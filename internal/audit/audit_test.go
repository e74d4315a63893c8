package audit

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func testFolder(t *testing.T) Folder {
	return Folder{Path: filepath.Join(t.TempDir(), "state", "journal"), Now: time.Now}
}

func record(t *testing.T, j *Journal, kind, opens, closes string) {
	t.Helper()
	entry, err := NewEntry(kind, map[string]string{"what": "a <b> & \u2028"})
	if err != nil {
		t.Fatal(err)
	}
	entry.Opens, entry.Closes = opens, closes
	if err := j.Record(context.Background(), entry); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func verify(t *testing.T, journal []byte) Summary {
	t.Helper()
	found, err := Verify(bytes.NewReader(journal))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wholeJournal(t *testing.T) []byte {
	t.Helper()
	j, err := testFolder(t).Create("run-1")
	if err != nil {
		t.Fatal(err)
	}
	record(t, j, "pause", "p1", "")
	record(t, j, "paused", "", "")
	record(t, j, "resumed", "", "p1")
	if err := errors.Join(j.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	return content(t, j.Path())
}

func TestWholeJournal(t *testing.T) {
	t.Parallel()
	journal := wholeJournal(t)
	found := verify(t, journal)
	if found.State != Whole || found.Entries != 4 || len(found.Head) != 64 || found.Run != "run-1" || found.Problem != "" {
		t.Errorf("%+v", found)
	}
	if !bytes.Contains(journal, []byte(found.Head)) {
		t.Error("the head is not in the journal")
	}
}

// TestEveryChangeIsSeen flips, removes and doubles each byte, swaps and drops lines, and cuts at every place.
func TestEveryChangeIsSeen(t *testing.T) {
	t.Parallel()
	journal := wholeJournal(t)
	for i := range journal {
		flipped := bytes.Clone(journal)
		flipped[i] ^= 1
		removed := append(bytes.Clone(journal[:i]), journal[i+1:]...)
		doubled := append(bytes.Clone(journal[:i+1]), journal[i:]...)
		for how, changed := range map[string][]byte{"flipped": flipped, "removed": removed, "doubled": doubled} {
			if found := verify(t, changed); found.State != Changed && found.State != Cut {
				t.Fatalf("byte %d %s: %+v", i, how, found)
			}
		}
		cut := journal[:i]
		want := Cut
		if i == 0 || cut[i-1] == '\n' {
			want = Open
		}
		if found := verify(t, cut); found.State != want {
			t.Fatalf("cut after %d bytes: %+v, want %s", i, found, want)
		}
	}
	lines := bytes.SplitAfter(journal, []byte("\n"))
	for i := range 3 {
		swapped := bytes.Clone(bytes.Join([][]byte{bytes.Join(lines[:i], nil), lines[i+1], lines[i], bytes.Join(lines[i+2:], nil)}, nil))
		dropped := bytes.Join([][]byte{bytes.Join(lines[:i], nil), bytes.Join(lines[i+1:], nil)}, nil)
		if a, b := verify(t, swapped), verify(t, dropped); a.State != Changed || b.State != Changed {
			t.Errorf("line %d swapped: %+v; dropped: %+v", i, a, b)
		}
	}
}

// TestForgedEntry: lines with a hash of their own: one in the place of the last, which does not follow the one before it, and
// one behind the end, which does.
func TestForgedEntry(t *testing.T) {
	t.Parallel()
	journal := wholeJournal(t)
	whole := verify(t, journal)
	lines := bytes.SplitAfter(journal, []byte("\n"))
	for what, test := range map[string]struct {
		before []byte
		forged Entry
	}{
		"in its place":   {bytes.Join(lines[:3], nil), Entry{Sequence: 4, Kind: KindFinished, Previous: strings.Repeat("0", 64)}},
		"behind the end": {journal, Entry{Sequence: 5, Kind: "extra", Previous: whole.Head}},
	} {
		line, err := test.forged.line()
		if err != nil {
			t.Fatal(err)
		}
		if found := verify(t, append(bytes.Clone(test.before), line...)); found.State != Changed || found.Entries != test.forged.Sequence-1 {
			t.Errorf("%s: %+v", what, found)
		}
	}
}

func TestJournalOfADeadProcess(t *testing.T) {
	t.Parallel()
	folder := testFolder(t)
	j, err := folder.Create("run-2")
	if err != nil {
		t.Fatal(err)
	}
	record(t, j, "pause", "p1", "")
	record(t, j, "pause", "p2", "")
	record(t, j, "resumed", "", "p2")
	path := j.Path()
	if _, held, err := Read(path, nil); err != nil || !held {
		t.Errorf("while it is written: held %v, %v", held, err)
	}
	if _, _, err := folder.Open(path, "somebody"); !errors.Is(err, ErrHeld) {
		t.Errorf("opened while it is held: %v", err)
	}
	_, _ = j.file.WriteString(`{"sequence":4,"ti`) // killed here
	_ = j.file.Close()

	found, held, err := Read(path, nil)
	if err != nil || held || found.State != Cut || len(found.Left) != 1 || found.Left[0].Opens != "p1" {
		t.Errorf("%+v, held %v, %v", found, held, err)
	}
	again, found, err := folder.Open(path, "the next run")
	if err != nil || len(found.Left) != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	record(t, again, "found_running", "", "p1")
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if found := verify(t, content(t, path)); found.State != Whole || found.Entries != 6 {
		t.Errorf("%+v\n%s", found, content(t, path))
	}
	if _, _, err := folder.Open(path, "somebody"); !errors.Is(err, ErrFinished) {
		t.Errorf("a finished journal was opened: %v", err)
	}
}

func TestClosedWithSomethingOpen(t *testing.T) {
	t.Parallel()
	j, err := testFolder(t).Create("run-3")
	if err != nil {
		t.Fatal(err)
	}
	record(t, j, "pause", "p1", "")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if found := verify(t, content(t, j.Path())); found.State != Open || found.Finished || len(found.Left) != 1 {
		t.Errorf("%+v", found)
	}
	if err := j.Record(t.Context(), Entry{Kind: "late"}); err == nil {
		t.Error("an entry went into a closed journal")
	}
}

// TestUnwritableJournal: what could not be written is not in the journal, and what follows is.
func TestUnwritableJournal(t *testing.T) {
	t.Parallel()
	j, err := testFolder(t).Create("run-4")
	if err != nil {
		t.Fatal(err)
	}
	record(t, j, "one", "", "")
	good := j.file
	if j.file, err = os.Open(good.Name()); err != nil { // for reading only
		t.Fatal(err)
	}
	if err := j.Record(t.Context(), Entry{Kind: "two"}); err == nil {
		t.Error("an entry that was not written was said to be")
	}
	if err := j.Record(t.Context(), Entry{Kind: "three"}); err == nil {
		t.Error("a journal of which nobody knows where it ends was written to")
	}
	_ = good.Close()
	if found := verify(t, content(t, j.Path())); found.State != Open || found.Entries != 1 {
		t.Errorf("%+v", found)
	}
}

// TestCreateFile: a journal beside the folder is one like the others, and never replaces a file.
func TestCreateFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	j, err := CreateFile(path, "run-5", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	record(t, j, "one", "", "")
	if _, held, err := Read(path, nil); err != nil || !held {
		t.Errorf("while it is written: held %v, %v", held, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if found := verify(t, content(t, path)); found.State != Whole || found.Entries != 2 || found.Run != "run-5" {
		t.Errorf("%+v", found)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	before := content(t, path)
	if _, err := CreateFile(path, "run-6", time.Now); !errors.Is(err, fs.ErrExist) || !bytes.Equal(content(t, path), before) {
		t.Errorf("a journal was made over a file: %v", err)
	}
	if _, err := CreateFile(filepath.Join(path, "below"), "run-7", time.Now); err == nil {
		t.Error("a journal was made where there is no folder")
	}
}

func TestFolder(t *testing.T) {
	t.Parallel()
	folder := testFolder(t)
	if paths, err := folder.Journals(); err != nil || paths != nil {
		t.Errorf("a folder that does not exist: %v, %v", paths, err)
	}
	for i := range kept + 5 {
		j, err := folder.Create("run-" + string(rune('A'+i/26)) + string(rune('a'+i%26)))
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			record(t, j, "pause", "p1", "") // left open: it stays whatever its age
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := folder.Journals()
	if err != nil || len(paths) != kept+1 || !strings.HasSuffix(paths[0], "run-Ab.jsonl") {
		t.Errorf("%d journals, the first %v, %v", len(paths), paths[0], err)
	}
	for path, want := range map[string]os.FileMode{folder.Path: 0o700, paths[0]: 0o600, filepath.Dir(folder.Path): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if _, err := folder.Create("run-Ab"); err == nil {
		t.Error("a journal was made over another one")
	}
}

// TestLastingJournals: a journal that somebody may need for an undo is not counted among those that go, for a month.
func TestLastingJournals(t *testing.T) {
	t.Parallel()
	now := time.Now()
	folder := testFolder(t)
	folder.Now, folder.Lasting = func() time.Time { return now }, "undo"
	for i := range kept + 5 {
		j, err := folder.Create("run-" + string(rune('A'+i/26)) + string(rune('a'+i%26)))
		if err != nil {
			t.Fatal(err)
		}
		record(t, j, "other", "", "")
		if i == 1 || i == 2 {
			record(t, j, "undo", "u", "")
		}
		if i == 2 {
			record(t, j, "done", "", "u")
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if i == 2 {
			old := now.Add(-LastingTime)
			if err := os.Chtimes(j.Path(), old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	paths, err := folder.Journals()
	if err != nil || len(paths) != kept+1 || !strings.HasSuffix(paths[0], "run-Ab.jsonl") {
		t.Errorf("%d journals, the first %v, %v", len(paths), paths[0], err)
	}
	now = now.Add(LastingTime + time.Hour)
	if _, err := folder.Create("run-Z"); err != nil {
		t.Fatal(err)
	}
	if paths, err = folder.Journals(); err != nil || len(paths) != kept || strings.HasSuffix(paths[0], "run-Ab.jsonl") {
		t.Errorf("a month later: %d journals, the first %v, %v", len(paths), paths[0], err)
	}
}

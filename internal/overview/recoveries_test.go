package overview

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"trueup/internal/audit"
	"trueup/recovery"
)

// TestReadRecoveries: what journals leave open counts, with the error it is about, for as long as journals of repairs are kept.
func TestReadRecoveries(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	folder := audit.Folder{Path: filepath.Join(t.TempDir(), "journal"), Now: func() time.Time { return now }}
	write := func(run string, data any, ended, live bool) string {
		return writeRecovery(t, folder, run, data, ended, live)
	}
	data := map[string]any{"replica": "h:2", "channel": "west", "error_number": 1032, "error": "no such row"}
	write("run-0", data, true, false)
	dead := write("run-1", data, false, false)
	live := write("run-2", map[string]any{"replica": "h:3"}, false, true)
	odd := write("run-3", []int{1}, false, false)
	o := &Overview{At: now}
	o.readRecoveries(folder)
	want := []Recovery{{Run: "run-1", Replica: "h:2", Channel: "west", ErrorNumber: 1032, Error: "no such row", Journal: dead, At: now}, {Run: "run-2", Replica: "h:3", Journal: live, At: now, Held: true}}
	if !reflect.DeepEqual(o.Recoveries, want) || len(o.Problems) != 1 || !strings.Contains(o.Problems[0], odd+": entry 1") {
		t.Errorf("%+v\n%q", o.Recoveries, o.Problems)
	}
	late := &Overview{At: now.Add(audit.LastingTime)}
	if late.readRecoveries(folder); len(late.Recoveries) > 0 {
		t.Errorf("a month later: %+v", late.Recoveries)
	}
	if _, err := RecoveriesIn(filepath.Join(folder.Path, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a journal that is not there: ", err)
	}
}

// TestRecoveriesOfOneSecond: the names of their journals do not say which was begun last, and it is the last all the same.
func TestRecoveriesOfOneSecond(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	folder := audit.Folder{Path: filepath.Join(t.TempDir(), "journal"), Now: func() time.Time { return now }}
	for _, name := range []string{"C", "A", "B"} {
		now = now.Add(time.Millisecond)
		writeRecovery(t, folder, now.Format("20060102T150405Z-")+name, map[string]any{"error": name}, false, false)
	}
	open, problems, err := OpenRecoveries(folder)
	if err != nil || len(problems) > 0 || len(open) != 3 || open[0].Error != "C" || open[1].Error != "A" || open[2].Error != "B" {
		t.Errorf("%+v, %q, %v", open, problems, err)
	}
}

// writeRecovery writes the journal of a run with one recovery, and returns its path.
func writeRecovery(t *testing.T, folder audit.Folder, run string, data any, ended, live bool) string {
	t.Helper()
	j, err := folder.Create(run)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := audit.NewEntry(recovery.KindDiagnosed, data)
	if err != nil {
		t.Fatal(err)
	}
	entry.Opens = "1"
	if err := j.Record(context.Background(), entry); err != nil {
		t.Fatal(err)
	}
	if ended {
		if err := j.Record(context.Background(), audit.Entry{Kind: recovery.KindEnded, Closes: "1"}); err != nil {
			t.Fatal(err)
		}
	}
	if live {
		t.Cleanup(func() { _ = j.Close() })
	} else if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return j.Path()
}

package overview

import (
	"context"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"trueup/internal/audit"
	"trueup/repair"
)

// TestReadRepairs: of several journals only what is left open counts, by replica, for as long as journals of repairs are kept.
func TestReadRepairs(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	folder := audit.Folder{Path: filepath.Join(t.TempDir(), "journal"), Now: func() time.Time { return now }}
	write := func(run string, live bool, entries ...[3]string) string { // kind, opens, closes
		j, err := folder.Create(run)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			entry, err := audit.NewEntry(e[0], map[string]any{"replica": "h:" + e[1] + e[2]})
			if err != nil {
				t.Fatal(err)
			}
			entry.Opens, entry.Closes = e[1], e[2]
			if err := j.Record(context.Background(), entry); err != nil {
				t.Fatal(err)
			}
		}
		if live {
			t.Cleanup(func() { _ = j.Close() })
			return j.Path()
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		return j.Path()
	}
	write("run-0", false, [3]string{repair.KindGroup, "1", ""}, [3]string{repair.KindGroupEnded, "", "1"}, [3]string{"pause", "2", ""})
	dead := write("run-1", false, [3]string{repair.KindGroup, "1", ""}, [3]string{repair.KindGroup, "2", ""}, [3]string{repair.KindGroupEnded, "", "1"})
	live := write("run-2", true, [3]string{repair.KindGroup, "1", ""})
	o := &Overview{At: now}
	o.readRepairs(folder)
	want := []Repair{{Run: "run-1", Replica: "h:2", Journal: dead, At: now, Groups: 1}, {Run: "run-2", Replica: "h:1", Journal: live, At: now, Groups: 1, Held: true}}
	if !reflect.DeepEqual(o.Repairs, want) || len(o.Problems) > 0 {
		t.Errorf("%+v\n%q", o.Repairs, o.Problems)
	}
	late := &Overview{At: now.Add(audit.LastingTime)}
	if late.readRepairs(folder); len(late.Repairs) > 0 {
		t.Errorf("a month later: %+v", late.Repairs)
	}
}

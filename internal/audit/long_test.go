package audit

import (
	"os"
	"strings"
	"testing"
)

// TestLeavesNothing: only a long journal whose own last entry is its end passes without being read.
func TestLeavesNothing(t *testing.T) {
	t.Parallel()
	folder := testFolder(t)
	write := func(run string, bytes int, open, finish bool) string {
		j, err := folder.Create(run)
		if err != nil {
			t.Fatal(err)
		}
		entry, err := NewEntry("rows", strings.Repeat("x", bytes))
		if err != nil {
			t.Fatal(err)
		}
		if open {
			entry.Opens = "g"
		}
		if err := j.Record(t.Context(), entry); err != nil {
			t.Fatal(err)
		}
		if finish {
			err = j.Close()
		} else {
			err = j.file.Close() // as a process that is killed does
		}
		if err != nil {
			t.Fatal(err)
		}
		return j.Path()
	}
	change := func(path string, change func([]byte) []byte) string {
		if err := os.WriteFile(path, change([]byte(content(t, path))), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, test := range map[string]struct {
		path string
		want bool
	}{
		"long, whole":               {write("a", longBytes, false, true), true},
		"short, whole":              {write("b", longBytes/2, false, true), false},
		"long, something left open": {write("c", longBytes, true, true), false},
		"long, killed":              {write("d", longBytes, false, false), false},
		"long, cut":                 {change(write("e", longBytes, false, true), func(b []byte) []byte { return b[:len(b)-1] }), false},
		"long, its end changed":     {change(write("f", longBytes, false, true), func(b []byte) []byte { b[len(b)-10] ^= 1; return b }), false},
		"long, with more after it":  {change(write("g", longBytes, false, true), func(b []byte) []byte { return append(b, "{}\n"...) }), false},
		"one that is not there":     {"nothing", false},
	} {
		if got := LeavesNothing(test.path); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

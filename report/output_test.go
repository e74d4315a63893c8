package report

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trueup/check"
)

func entries(t *testing.T, folder string) string {
	t.Helper()
	list, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range list {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

func write(t *testing.T, o *Output, text string) {
	t.Helper()
	if _, err := io.WriteString(o, text); err != nil {
		t.Fatal(err)
	}
}

func TestOutputAppearsOnlyWhenComplete(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "report.json")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	o, err := OpenOutput(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, o, "new")
	if data, _ := os.ReadFile(path); string(data) != "old" {
		t.Errorf("%q before Commit", data)
	}
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Errorf("Close after Commit: %v", err)
	}
	data, _ := os.ReadFile(path)
	info, err := os.Stat(path)
	if string(data) != "new" || err != nil || info.Mode().Perm() != 0o600 || entries(t, folder) != "report.json" {
		t.Errorf("%q, %v, %v, %s", data, info.Mode(), err, entries(t, folder))
	}
}

func TestOutputThrownAwayLeavesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	o, err := OpenOutput(filepath.Join(folder, "report.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, o, "half")
	if err := o.Close(); err != nil || entries(t, folder) != "" {
		t.Errorf("%v, left: %s", err, entries(t, folder))
	}
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{folder, filepath.Join(folder, "none", "report"), filepath.Join(file, "report")} {
		if o, err := OpenOutput(path, nil); err == nil {
			_ = o.Close()
			t.Errorf("%s: no error", path)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("the error does not name the path: %v", err)
		}
	}
	if entries(t, folder) != "file" {
		t.Errorf("left: %s", entries(t, folder))
	}
}

func TestOutputFollowsLinks(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	target, link := filepath.Join(folder, "target"), filepath.Join(folder, "link")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", link); err != nil {
		t.Fatal(err)
	}
	o, err := OpenOutput(link, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, o, "new")
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	data, _ := os.ReadFile(target)
	if err != nil || info.Mode().IsRegular() || string(data) != "new" {
		t.Errorf("%v %v %q", err, info.Mode(), data)
	}
}

func TestOutputToDevicesAndStdout(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	for _, path := range []string{"", "-", os.DevNull} {
		o, err := OpenOutput(path, &stdout)
		if err != nil {
			t.Fatal(err)
		}
		write(t, o, "x")
		if err := o.Commit(); err != nil {
			t.Errorf("%q: %v", path, err)
		}
	}
	if stdout.String() != "xx" {
		t.Errorf("%q", stdout.String())
	}
}

func TestOutputToAPipe(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	path := fmt.Sprintf("/proc/self/fd/%d", w.Fd())
	if _, err := os.Stat(path); err != nil {
		t.Skip("needs /proc: " + err.Error())
	}
	o, err := OpenOutput(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, o, "through a pipe")
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if data, err := io.ReadAll(r); err != nil || string(data) != "through a pipe" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestObserversAndLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	drop := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: drop, Level: slog.LevelDebug}))
	all := Observers(nil, NewLog(logger), nil)
	for name, scenario := range scenarios() {
		out.Reset()
		for _, event := range eventsOf(scenario()) {
			all.Event(event)
		}
		inert(t, out.String())
		if name != "many" {
			golden(t, name+".log", out.Bytes())
		}
	}
	all.Event(check.Warned{Message: "careful"})
	if !strings.Contains(out.String(), "level=WARN msg=careful") {
		t.Error(out.String())
	}
}

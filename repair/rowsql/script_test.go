package rowsql_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"trueup/repair/rowsql"
	"trueup/replication"
	"trueup/server"
)

func headerOf(kind rowsql.Kind) rowsql.Header {
	return rowsql.Header{Kind: kind, Run: "run-1", Version: "1.0", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Source: "a:3306", Replica: "b:3306",
		On:       server.Identity{Flavor: server.MySQL, Version: server.Version{Major: 9}, ServerID: 7, Port: 3306, UUID: "u-u"},
		Position: replication.Position{File: "binlog.000003", Offset: 1234}}
}

func write(t interface{ Fatal(...any) }, header rowsql.Header, groups [][]rowsql.Statement) []byte {
	var file bytes.Buffer
	script := rowsql.NewScript(&file, header)
	for i, group := range groups {
		if err := script.Group(fmt.Sprint("app.t ", i), group); err != nil {
			t.Fatal(err)
		}
	}
	if err := script.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// readAll reads an undo script whatever it is; a group that is refused is nil.
func readAll(text []byte) (file rowsql.UndoFile, groups [][]rowsql.Statement, err error) {
	file, err = rowsql.ReadUndo(bytes.NewReader(text), func(group rowsql.UndoGroup) error {
		if (group.Err == nil) != (group.Statements != nil) {
			return fmt.Errorf("group %d has %d statements and %w", group.Number, len(group.Statements), group.Err)
		}
		groups = append(groups, group.Statements)
		return nil
	})
	return file, groups, err
}

func drawGroups(t *rapid.T) [][]rowsql.Statement {
	statement := rapid.Custom(func(t *rapid.T) rowsql.Statement {
		return rowsql.Statement{SQL: "DELETE FROM `t` WHERE a = '" + rapid.StringMatching(`[a-z ,)(#-]{0,20}`).Draw(t, "value") + "'",
			Rows: rapid.Int64Range(1, 1000).Draw(t, "rows"), Lax: rapid.Bool().Draw(t, "lax")}
	})
	return rapid.SliceOfN(rapid.SliceOfN(statement, 1, 4), 1, 4).Draw(t, "groups")
}

// TestUndoFilesComeBack: what is written is read, and whatever byte is changed, whatever is cut off or left out, no other statement than those
// that were written is ever read.
func TestUndoFilesComeBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		groups := drawGroups(t)
		text := write(t, headerOf(rowsql.Undo), groups)
		file, read, err := readAll(text)
		if err != nil || !file.Complete || file.Groups != len(groups) || !slices.EqualFunc(read, groups, slices.Equal) || fmt.Sprint(file.Header) != fmt.Sprint(headerOf(rowsql.Undo)) {
			t.Fatalf("%+v, %v, %v, want %v", file, read, err, groups)
		}
		at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
		changed := bytes.Clone(text)
		changed[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		file, read, err = readAll(changed)
		if intact := countIntact(t, read, groups); intact == len(groups) && err == nil && file.Complete {
			t.Fatalf("a change at %d of %q was not noticed", at, text)
		}
		file, read, err = readAll(text[:at])
		if countIntact(t, read, groups) == len(groups) && file.Complete {
			t.Fatalf("a cut at %d was not noticed: %v", at, err)
		}
		if err == nil && file.Complete {
			t.Fatalf("a file cut at %d of %d is complete", at, len(text))
		}
	})
}

// countIntact fails for a group that was never written.
func countIntact(t *rapid.T, read, groups [][]rowsql.Statement) (intact int) {
	for _, group := range read {
		if group == nil {
			continue
		}
		if intact++; !slices.ContainsFunc(groups, func(g []rowsql.Statement) bool { return slices.Equal(g, group) }) {
			t.Fatalf("%v was never written", group)
		}
	}
	return intact
}

func TestUndoGroupsAreRefusedOneByOne(t *testing.T) {
	t.Parallel()
	group := func(n int) []rowsql.Statement {
		return []rowsql.Statement{{SQL: fmt.Sprintf("DELETE FROM `t` WHERE id = %d", n), Rows: 1}}
	}
	text := string(write(t, headerOf(rowsql.Undo), [][]rowsql.Statement{group(1), group(2), group(3)}))
	begin := func(n int) int { return strings.Index(text, fmt.Sprintf("-- trueup group %d ", n)) }
	for name, test := range map[string]struct {
		text     string
		good     []int // groups that are read
		complete bool
		fails    string
	}{
		"whole":                   {text, []int{1, 2, 3}, true, ""},
		"a value changed":         {strings.Replace(text, "id = 2", "id = 9", 1), []int{1, 3}, true, ""},
		"a statement added":       {strings.Replace(text, "DELETE FROM `t` WHERE id = 2", "DELETE FROM `u`;\nDELETE FROM `t` WHERE id = 2", 1), []int{1, 3}, true, ""},
		"a guard taken away":      {strings.Replace(text, "ROW_COUNT() <> 1", "ROW_COUNT() <> 0", 1), []int{2, 3}, true, ""},
		"the head changed":        {strings.Replace(text, "@@server_id = 7", "@@server_id = 8", 1), nil, true, ""},
		"a group left out":        {text[:begin(2)] + text[begin(3):], []int{1, 3}, true, "groups 2 to 2 are missing"},
		"groups in another order": {text[:begin(1)] + text[begin(2):begin(3)] + text[begin(1):begin(2)] + text[begin(3):], []int{2, 3}, true, "groups 1 to 1 are missing"},
		"cut inside a group":      {text[:begin(3)+40], []int{1, 2}, false, ""},
		"cut between groups":      {text[:begin(3)], []int{1, 2}, false, ""},
		"lines of another system": {strings.ReplaceAll(text, "\n", "\r\n"), nil, false, "are missing"},
		"another file":            {"DROP TABLE t;\n", nil, false, "not an undo script"},
		"nothing":                 {"", nil, false, "not an undo script"},
		"a plan":                  {string(write(t, headerOf(rowsql.Plan), nil)), nil, false, "not an undo script"},
	} {
		var good []int
		file, err := rowsql.ReadUndo(strings.NewReader(test.text), func(g rowsql.UndoGroup) error {
			if g.Err == nil {
				good = append(good, g.Number)
			}
			return nil
		})
		if !slices.Equal(good, test.good) || file.Complete != test.complete || (err == nil) != (test.fails == "") || err != nil && !strings.Contains(err.Error(), test.fails) {
			t.Errorf("%s: groups %v, complete %v, %v", name, good, file.Complete, err)
		}
	}
	stop := errors.New("stop")
	if _, err := rowsql.ReadUndo(strings.NewReader(text), func(rowsql.UndoGroup) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the reader's own error: %v", err)
	}
}

// TestScriptsHoldNoNames: whatever a name is, no line of a script begins or ends with it, and comments hold nothing that a client could read.
func TestScriptsHoldNoNames(t *testing.T) {
	t.Parallel()
	const evil = "x\ndelimiter //\n*/ drop table t; -- '\"\\! true\u2028\x85"
	header := headerOf(rowsql.Plan)
	header.Run, header.Version, header.Source, header.Replica, header.Channel, header.GTID = evil, evil, evil, evil, evil, evil
	header.On.UUID, header.Position.File = evil, evil
	var file bytes.Buffer
	script := rowsql.NewScript(&file, header)
	if err := script.Group(evil, []rowsql.Statement{{SQL: "DELETE FROM t", Rows: 1}}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(file.String()) {
		comment := strings.HasPrefix(line, "-- ") || line == "--\n"
		switch {
		case comment && strings.ContainsAny(strings.TrimPrefix(line, "-- trueup head "), "'\\*;") && !strings.HasPrefix(line, "-- trueup head ") && !strings.Contains(line, "--init-command"):
			t.Errorf("a comment holds what a client may read: %q", line)
		case !comment && line != "\n" && (!strings.HasSuffix(line, ";\n") || strings.Contains(line, `\`) || strings.Contains(line, "delimiter")):
			t.Errorf("not a plain statement: %q", line)
		case strings.HasPrefix(line, "delimiter"), strings.HasPrefix(line, "*/"):
			t.Errorf("a name began a line: %q", line)
		}
	}
}

func TestScriptsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	positionless, elsewhere := headerOf(rowsql.Plan), headerOf(rowsql.Plan)
	positionless.Position = replication.Position{}
	elsewhere.On.Flavor = server.UnknownFlavor
	for name, test := range map[string]struct {
		header    rowsql.Header
		statement string
	}{
		"no position": {positionless, "DO 0"}, "no server": {elsewhere, "DO 0"}, "no kind": {rowsql.Header{}, "DO 0"},
		"two lines": {headerOf(rowsql.Plan), "DO\n0"}, "two statements": {headerOf(rowsql.Plan), "DO 0; DO 1"}, "a comment": {headerOf(rowsql.Plan), "-- x"}, "a client's command": {headerOf(rowsql.Plan), `DO 0 \G`},
	} {
		var file bytes.Buffer
		script := rowsql.NewScript(&file, test.header)
		err := script.Group("g", []rowsql.Statement{{SQL: test.statement, Rows: 1}})
		if err == nil || script.Close() == nil || strings.Contains(file.String(), test.statement) {
			t.Errorf("%s: %v, %s", name, err, file.String())
		}
	}
	script := rowsql.NewScript(fullDisk{}, headerOf(rowsql.Plan))
	if err := script.Close(); !errors.Is(err, errFull) {
		t.Errorf("a full disk: %v", err)
	}
}

var errFull = errors.New("no space left on device")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

package report

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trueup/internal/audit"
	"trueup/repair"
	"trueup/replication/syncpoint"
)

// evilText wants to be markup, a link, or a command to the terminal, wherever it is written.
const evilText = "</pre><script>alert(1)</script> & | `x` ``` \n# h\n- [a](http://x) *b* \x1b[2J\u009b2J\u202e \"'"

// journalOf writes a journal of these entries: kind, opens, closes, data.
func journalOf(t *testing.T, ended bool, entries ...[]any) string {
	t.Helper()
	now := began
	path := filepath.Join(t.TempDir(), "j.jsonl")
	j, err := audit.CreateFile(path, "20260102T030405Z-ABCDEF", func() time.Time {
		now = now.Add(time.Second)
		return now
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		entry, err := audit.NewEntry(e[0].(string), e[3])
		if err != nil {
			t.Fatal(err)
		}
		entry.Opens, entry.Closes = e[1].(string), e[2].(string)
		if err := j.Record(context.Background(), entry); err != nil {
			t.Fatal(err)
		}
	}
	if ended {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	} else if err := j.File().Close(); err != nil { // killed
		t.Fatal(err)
	}
	return path
}

type object = map[string]any

// recoveryJournal has an entry of every kind.
func recoveryJournal() [][]any {
	return [][]any{
		{kindRunStarted, "", "", object{"command": "recover", "version": "0.1.0", "source": source}},
		{"recovery_diagnosed", "recovery 1", "", object{"replica": replica1, "source": source, "flavor": "mariadb", "version": "10.11.19", "server_id": 2, "server_uuid": "uid-2", "channel": "west",
			"error_number": 1032, "error": "Can't find record in 'orders'", "class": "missing_row", "why": []string{"row id=5 of shop.orders is missing on the replica"},
			"transaction":     object{"gtid": "0-1-43", "read_from": "source", "file": "bin.000007", "start": uint64(18446744073709551615), "end": 5234, "bytes": 523, "row_changes": 3, "format": "row", "statements": []string{"UPDATE orders\nSET note = 'x'"}},
			"rows":            []object{{"table": "shop.orders", "kind": "update", "before": object{"id": "5", "note": nil}, "after": object{"id": "5", "note": object{"hex": "00ff"}}, "problem": "there is no such row"}},
			"rows_in_the_way": []object{{"table": "shop.items", "source_now": object{"id": "8"}, "replica_now": object{"id": "8", "u": "x"}, "problem": "row id=8 of shop.items holds a value of the unique key u"}},
			"options":         []object{{"action": "fix", "does": []string{"puts the row back"}, "loses": []string{}}, {"action": "skip", "does": []string{"passes over it"}, "loses": []string{"3 row changes"}, "lost": []string{"update shop.orders id=4"}}},
			"file":            "bin.000007", "position": 4711, "executed_gtid": "0-1-42", "user": "ann", "account": "fixer", "trueup_version": "0.1.0"}},
		{"recovery_chosen", "", "", object{"action": "fix", "by": "terminal", "user": "ann", "account": "fixer"}},
		{"recovery_touched", "", "", object{"ranges": []object{{"database": "shop", "table": "orders"}}, "rows": 3, "repairs": true}},
		{syncpoint.KindPause, "pause 1", "", object{"replica": replica1, "channel": "west", "executed_file": "bin.000007", "executed_position": 4711, "executed_gtid": "0-1-42", "start_statement": "START SLAVE 'west' SQL_THREAD", "account": "fixer", "sessions": []int{7, 8}}},
		{syncpoint.KindPaused, "", "", object{"pause": "pause 1", "file": "bin.000007", "position": 4711, "gtid": ""}},
		{syncpoint.KindPauseEnded, "", "pause 1", object{"pause": "pause 1", "how": "resumed", "by": "run"}},
		{repair.KindReplica, "", "", object{"replica": replica1, "source": source, "flavor": "mariadb", "version": "10.11.19", "server_id": 2, "server_uuid": "uid-2", "hostname": "h", "port": 3307, "datadir": "/d", "channel": "west"}},
		{repair.KindGroup, "g1", "", object{"group": "g1", "replica": replica1, "database": "shop", "table": "orders", "rows": 1, "undo": []object{{"sql": "DELETE FROM `shop`.`orders`\nWHERE `id` = 5", "rows": 1}}}},
		{repair.KindGroupEnded, "", "g1", object{"group": "g1", "how": "committed"}},
		{repair.KindTableCreated, "", "", object{"replica": replica1, "database": "shop", "table": "t", "ddl": "CREATE TABLE t (\n  id INT\n)"}},
		{repair.KindTableDropped, "", "", object{"replica": replica1, "database": "shop", "table": "t", "ddl": "CREATE TABLE t (id INT)"}},
		{repair.KindResult, "", "", object{"replica": replica1, "via": "replica", "file_before": "bin.000007", "position_before": 4711, "file_after": "bin.000007", "position_after": 5234, "statements": 1, "verdict": "equal", "tables": []object{{"table": "orders"}}}},
		{repair.KindUndone, "", "", object{"replica": replica1, "repaired_by": "run-0", "group": "g0", "statements": 2}},
		{"recovery_step", "", "", object{"what": "start the applier", "sql": "START SLAVE 'west' SQL_THREAD"}},
		{"recovery_step_done", "", "", object{"what": "start the applier", "sql": "START SLAVE 'west' SQL_THREAD", "result": "done"}},
		{audit.KindResumed, "", "", object{"by": "the guard", "dropped_bytes": 12}},
		{"of_tomorrow", "", "", object{"what": []string{"nobody", "knows"}}},
		{"recovery_ended", "", "recovery 1", object{"outcome": "proven_equal", "action": "fix", "file_after": "bin.000007", "position_after": 5234, "executed_gtid_after": "0-1-43", "verdict": "equal"}},
	}
}

func shownAs(t *testing.T, path string, format JournalFormat) (string, audit.Summary) {
	t.Helper()
	var out bytes.Buffer
	found, err := WriteJournal(&out, "j.jsonl", format, TextOptions{Width: 80}, func(visit func(audit.Entry)) (audit.Summary, bool, error) { return audit.Read(path, visit) })
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), found
}

var hashes = regexp.MustCompile(`[0-9a-f]{64}`)

func TestJournalGolden(t *testing.T) {
	t.Parallel()
	path := journalOf(t, true, recoveryJournal()...)
	for format, name := range map[JournalFormat]string{JournalText: "text", JournalMarkdown: "md", JournalHTML: "html"} {
		out, found := shownAs(t, path, format)
		if found.State != audit.Whole || !strings.Contains(out, found.Head) {
			t.Errorf("%s: %+v", format, found)
		}
		inert(t, out)
		golden(t, "journal."+name, []byte(hashes.ReplaceAllString(out, "HASH")))
	}
}

// TestJournalStates: what a journal is stands above everything else.
func TestJournalStates(t *testing.T) {
	t.Parallel()
	whole := journalOf(t, true, recoveryJournal()...)
	content, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(content, []byte("\n"))
	for name, test := range map[string]struct {
		content []byte
		state   audit.State
		says    string
		entries int
	}{
		"changed": {bytes.Replace(content, []byte("terminal"), []byte("nobody.."), 1), audit.Changed, "THIS JOURNAL WAS CHANGED after it was written (line 3", 2},
		"cut":     {content[:len(content)-5], audit.Cut, "This journal has lost its end", len(recoveryJournal())},
		"open":    {bytes.Join(lines[:5], nil), audit.Open, "This journal is open (2 steps were begun and not brought to their end)", 5},
		"empty":   {nil, audit.Open, "This journal is open", 0},
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, test.content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, format := range JournalFormats() {
			out, found := shownAs(t, path, JournalFormat(format))
			first := out[:min(len(out), 2600)]
			if found.State != test.state || !strings.Contains(strings.NewReplacer(`\`, "", "\n  ", " ").Replace(first), test.says) {
				t.Errorf("%s as %s: %s, %s", name, format, found.State, first)
			}
			if got := strings.Count(out, "03:04:0") + strings.Count(out, "03:04:1") + strings.Count(out, "03:04:2"); test.entries == 0 && got > 0 {
				t.Errorf("%s as %s shows entries: %s", name, format, out)
			}
		}
		out, _ := shownAs(t, path, JournalText)
		if got := len(regexp.MustCompile(`(?m)^\d+\. 2026`).FindAllString(out, -1)); got != test.entries {
			t.Errorf("%s: %d entries are shown, want %d", name, got, test.entries)
		}
	}
}

// TestJournalHostile: nothing that a server or a file says is markup, or drives a terminal.
func TestJournalHostile(t *testing.T) {
	t.Parallel()
	var entries [][]any
	for _, e := range recoveryJournal() {
		entries = append(entries, []any{e[0], e[1], e[2], poisoned(e[3])})
	}
	entries = append(entries, []any{"evil_" + evilText, "", "", object{evilText: evilText}})
	path := journalOf(t, false, entries...)
	asText, _ := shownAs(t, path, JournalText)
	inert(t, asText)
	asHTML, _ := shownAs(t, path, JournalHTML)
	inert(t, asHTML)
	if strings.Contains(asHTML, "<script") || strings.Count(asHTML, "</pre>") != strings.Count(asHTML, "<pre>") || strings.Contains(asHTML, "http://") && strings.Contains(asHTML, "href") {
		t.Error("HTML out of data")
	}
	asMarkdown, _ := shownAs(t, path, JournalMarkdown)
	inert(t, asMarkdown)
	fence := ""
	for line := range strings.Lines(asMarkdown) {
		trimmed := strings.TrimSpace(line)
		switch ticks := len(trimmed) - len(strings.TrimLeft(trimmed, "`")); {
		case fence == "" && ticks >= 3:
			fence = trimmed
		case fence != "" && trimmed == fence:
			fence = ""
		case fence != "": // code: it is what it is
		case strings.Contains(line, "<"), strings.HasPrefix(trimmed, "# h"), strings.Contains(strings.ReplaceAll(line, `\[`, ""), "["), strings.Contains(strings.ReplaceAll(line, "\\`", ""), "`"):
			t.Errorf("markup out of data: %q", line)
		}
	}
	if fence != "" {
		t.Error("a block of code does not end")
	}
}

// poisoned replaces every text in a value.
func poisoned(value any) any {
	switch v := value.(type) {
	case object:
		out := object{}
		for name, inner := range v {
			out[name] = poisoned(inner)
		}
		return out
	case []object:
		var out []object
		for _, inner := range v {
			out = append(out, poisoned(inner).(object))
		}
		return out
	case []string:
		return []string{evilText, evilText}
	case string:
		return evilText
	}
	return value
}

// TestJournalOddData: entries of a known kind whose data are not what they should be are shown all the same.
func TestJournalOddData(t *testing.T) {
	t.Parallel()
	var entries [][]any
	for _, e := range recoveryJournal() {
		for _, data := range []any{nil, []int{1}, object{}, object{"rows": "three", "options": []int{1}, "undo": object{"sql": "x"}, "transaction": "t", "why": "w", "file": []int{2}}} {
			entries = append(entries, []any{e[0], "", "", data})
		}
	}
	path := journalOf(t, true, entries...)
	for _, format := range JournalFormats() {
		if out, found := shownAs(t, path, JournalFormat(format)); found.State != audit.Whole || out == "" {
			t.Errorf("%s: %+v", format, found)
		}
	}
}

// TestJournalWriterFails: the error of the writer is not lost, nor that of the reader.
func TestJournalWriterFails(t *testing.T) {
	t.Parallel()
	path := journalOf(t, true, recoveryJournal()...)
	for _, format := range JournalFormats() {
		_, err := WriteJournal(closedWriter{}, path, JournalFormat(format), TextOptions{}, func(visit func(audit.Entry)) (audit.Summary, bool, error) { return audit.Read(path, visit) })
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v", format, err)
		}
	}
	if _, err := WriteJournal(&bytes.Buffer{}, path, JournalText, TextOptions{}, func(func(audit.Entry)) (audit.Summary, bool, error) {
		return audit.Summary{}, false, os.ErrDeadlineExceeded
	}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

type closedWriter struct{}

func (closedWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

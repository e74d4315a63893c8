package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trueup/check"
)

var update = flag.Bool("update", false, "rewrite the golden files and docs/reasons.md")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; go test -update rewrites it. Got:\n%s", path, got)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, scenario := range scenarios() {
		c := FromCheck(scenario(), "0.1.0")
		var asJSON bytes.Buffer
		if err := WriteJSON(&asJSON, c); err != nil {
			t.Fatal(err)
		}
		if name != "many" {
			golden(t, name+".json", asJSON.Bytes())
		}
		for suffix, options := range map[string]TextOptions{
			".80": {Width: 80}, ".120": {Width: 120}, ".file": {}, ".verbose": {Verbose: true, Width: 120}, ".color": {Color: true, Width: 80},
		} {
			if suffix == ".verbose" && name == "many" || suffix == ".color" && name != "different" {
				continue
			}
			var out bytes.Buffer
			if err := WriteText(&out, c, options); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".text"+suffix, out.Bytes())
			if !options.Color {
				inert(t, out.String())
			}
			if name != "weird" {
				narrow(t, name+suffix, out.String(), options.Width)
			}
		}
		inert(t, asJSON.String())
	}
}

// inert fails when something could drive a terminal.
func inert(t *testing.T, s string) {
	t.Helper()
	for line := range strings.Lines(s) {
		if !harmless(strings.TrimSuffix(line, "\n")) {
			t.Errorf("unescaped: %q", line)
		}
	}
}

func narrow(t *testing.T, name, s string, width int) {
	t.Helper()
	for line := range strings.Lines(s) {
		if size := displayWidth(strings.TrimSuffix(line, "\n")); width > 0 && size > width && !strings.Contains(line, "\x1b") {
			t.Errorf("%s: %d cells wide: %s", name, size, line)
		}
	}
}

// eventsOf replays a result as the events of a run that came to it.
func eventsOf(r *check.Result) []check.Event {
	at := func(ms int) check.At { return check.At{Time: r.StartedAt.Add(time.Duration(ms) * time.Millisecond)} }
	events := []check.Event{check.RunStarted{At: at(0), RunID: r.RunID, Source: r.Source}}
	for _, replica := range r.Replicas {
		events = append(events, check.ReplicaFound{At: at(5), Replica: replica})
	}
	if r.Err == nil {
		events = append(events, check.SchemaCompared{At: at(10), Tables: len(r.Tables), RowsEstimate: 3_000_000, SchemaDifferences: r.SchemaDifferences})
	}
	for _, epoch := range r.Sync.Epochs {
		events = append(events, check.EpochOpened{At: at(20), Epoch: epoch})
	}
	for _, table := range r.Tables {
		if table.ReasonCode == "interrupted" {
			continue // never announced: the stream has to catch up at the end
		}
		if table.ChunksVerified > 0 {
			events = append(events,
				check.TableStarted{At: at(30), Database: table.Database, Table: table.Table, KeyUsed: table.KeyUsed, RowsEstimate: table.Rows},
				check.ChunkDone{At: at(530), Database: table.Database, Table: table.Table, Epoch: 1, Rows: table.Rows, Bytes: table.Bytes,
					Duration: 500 * time.Millisecond, Different: table.ChunksDifferent > 0})
		}
		for _, difference := range r.Differences {
			if difference.Database == table.Database && difference.Table == table.Table {
				events = append(events, check.DifferenceFound{At: at(600), Difference: difference})
			}
		}
		events = append(events, check.TableDone{At: at(700), Table: table})
	}
	return append(events, check.RunFinished{At: check.At{Time: r.FinishedAt}, Result: r})
}

func TestJSONLGolden(t *testing.T) {
	t.Parallel()
	for name, scenario := range scenarios() {
		if name == "many" {
			continue
		}
		result := scenario()
		var out bytes.Buffer
		observer := NewJSONL(&out, JSONLOptions{Version: "0.1.0", Chunks: name == "different"})
		for _, event := range eventsOf(result) {
			observer.Event(event)
		}
		if err := observer.Err(); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".jsonl", out.Bytes())
		inert(t, out.String())
		streamMatchesReport(t, name, out.Bytes(), FromCheck(result, "0.1.0"))
	}
}

// streamMatchesReport reads the lines back: together they must say what the JSON report says.
func streamMatchesReport(t *testing.T, name string, stream []byte, want Check) {
	t.Helper()
	got := Check{Warnings: []string{}, Tables: []Table{}, SchemaDifferences: []SchemaDifference{}, Differences: []Difference{}}
	last := ""
	for raw := range bytes.Lines(stream) {
		var object struct {
			Event             string             `json:"event"`
			Message           string             `json:"message"`
			SchemaDifferences []SchemaDifference `json:"schema_differences"`
		}
		var err error
		if err = json.Unmarshal(raw, &struct{ Event *string }{&last}); err != nil {
			t.Fatal(err)
		}
		switch last {
		case "table":
			var table Table
			err = json.Unmarshal(raw, &table)
			got.Tables = append(got.Tables, table)
		case "difference":
			var difference Difference
			err = json.Unmarshal(raw, &difference)
			got.Differences = append(got.Differences, difference)
		case "warning":
			err = json.Unmarshal(raw, &object)
			got.Warnings = append(got.Warnings, object.Message)
		case "schema":
			err = json.Unmarshal(raw, &object)
			got.SchemaDifferences = append(got.SchemaDifferences, object.SchemaDifferences...)
		case "run_finished":
			err = json.Unmarshal(raw, &got.Summary)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.SortStableFunc(got.Tables, func(a, b Table) int { return position(want, a) - position(want, b) })
	a, _ := json.MarshalIndent(got, "", " ")
	b, _ := json.MarshalIndent(want, "", " ")
	if last != "run_finished" || !bytes.Equal(a, b) {
		t.Errorf("%s: the stream (last event %q) and the report say different things:\n%s\n%s", name, last, a, b)
	}
}

func position(c Check, table Table) int {
	return slices.IndexFunc(c.Tables, func(t Table) bool { return t.Database == table.Database && t.Table == table.Table })
}

func TestJSONLSaysSIGTERM(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	observer := NewJSONL(&out, JSONLOptions{Signal: func() os.Signal { return syscall.SIGTERM }})
	observer.Event(check.RunFinished{Result: interruptedRun()})
	for _, want := range []string{`"exit_code":143`, `"conditions":["terminated","unverified"]`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is missing in %s", want, out.String())
		}
	}
}

type brokenWriter struct{ err error }

func (b brokenWriter) Write([]byte) (int, error) { return 0, b.err }

func TestWriterErrorsAreReported(t *testing.T) {
	t.Parallel()
	broken := brokenWriter{os.ErrClosed}
	c := FromCheck(equalRun(), "")
	observer := NewJSONL(broken, JSONLOptions{})
	observer.Event(check.RunStarted{})
	observer.Event(check.RunFinished{Result: equalRun()})
	for name, err := range map[string]error{"json": WriteJSON(broken, c), "text": WriteText(broken, c, TextOptions{}), "jsonl": observer.Err()} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"trueup/check"
)

// JSONLOptions are the settings of a JSONL observer.
type JSONLOptions struct {
	Version string // trueup's own
	Chunks  bool   // write an object for each chunk too
	// Repair: the events are those of a repair, which begins with a check. The stream ends with FinishRepair then.
	Repair bool
	// Recovery: the events are those of a recovery. The stream begins with StartRecovery and ends with FinishRecovery then.
	Recovery bool
	// Signal tells which signal ended the run, nil for none; it may be nil. It is asked once, at the end.
	Signal func() os.Signal
}

// JSONL is an observer that writes each event as one JSON object on a line of its own; docs/json.md lists the
// kinds. Like every observer it is used by one goroutine at a time.
type JSONL struct {
	options  JSONLOptions
	encoder  *json.Encoder
	tables   map[tableName]bool // those already written
	warnings map[string]bool
	schema   bool
	planned  bool // of a repair: its check is over
	err      error
}

type tableName struct{ database, table string }

// NewJSONL returns an observer that writes to w, one Write a line.
func NewJSONL(w io.Writer, options JSONLOptions) *JSONL {
	encoder := json.NewEncoder(inertWriter{w})
	encoder.SetEscapeHTML(false)
	return &JSONL{options: options, encoder: encoder, tables: map[tableName]bool{}, warnings: map[string]bool{}}
}

// Err is the first error of the writer; nothing was written after it. Ask when the run is over.
func (j *JSONL) Err() error { return j.err }

// line opens every object.
type line struct {
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
}

func lineAt(event string, t time.Time) line {
	return line{Event: event, Time: t.UTC().Truncate(time.Millisecond)}
}

// Event writes one line, or none for chunks that were not asked for.
func (j *JSONL) Event(event check.Event) {
	if j.options.Repair && j.repairEvent(event) || j.options.Recovery && j.recoveryEvent(event) {
		return
	}
	switch e := event.(type) {
	case check.RunStarted:
		j.write(runStartedLine{lineAt("run_started", e.Time), SchemaVersion, j.command(), e.RunID, j.options.Version, serverOf(e.Source)})
	case check.ReplicaFound:
		j.write(replicaLine{lineAt("replica", e.Time), replicaOf(e.Replica)})
	case check.SchemaCompared:
		j.schema = true
		j.write(schemaLine{lineAt("schema", e.Time), e.Tables, e.RowsEstimate, each(e.SchemaDifferences, schemaDifferenceOf)})
	case check.EpochOpened:
		j.write(epochLine{lineAt("epoch", e.Time), epochOf(e.Epoch)})
	case check.Throttled:
		j.write(throttledLine{lineAt("throttled", e.Time), e.Reason})
	case check.Resumed:
		j.write(resumedLine{lineAt("resumed", e.Time), seconds(e.Waited)})
	case check.TableStarted:
		j.write(tableStartedLine{lineAt("table_started", e.Time), e.Database, e.Table, e.KeyUsed, e.RowsEstimate})
	case check.ChunkDone:
		if j.options.Chunks {
			j.write(chunkLine{lineAt("chunk", e.Time), e.Database, e.Table, e.Epoch, e.Rows, e.Bytes, seconds(e.Duration), e.Different})
		}
	case check.DifferenceFound:
		j.write(differenceLine{lineAt("difference", e.Time), differenceOf(e.Difference)})
	case check.Warned:
		j.warning(e.Time, e.Message)
	case check.TableDone:
		j.table(e.Time, e.Table)
	case check.RunFinished:
		j.finish(e)
	}
}

// finish writes what a run that ended early knows but never announced, then the summary. The last line of a
// complete stream is always run_finished, or repair_finished.
func (j *JSONL) finish(e check.RunFinished) {
	if !j.schema && len(e.Result.SchemaDifferences) > 0 {
		j.write(schemaLine{lineAt("schema", e.Time), len(e.Result.Tables), 0, each(e.Result.SchemaDifferences, schemaDifferenceOf)})
	}
	for _, message := range e.Result.Warnings {
		if !j.warnings[message] {
			j.warning(e.Time, message)
		}
	}
	for _, table := range e.Result.Tables {
		if !j.tables[tableName{table.Database, table.Table}] {
			j.table(e.Time, table)
		}
	}
	summary := summaryOf(e.Result, j.options.Version)
	if j.options.Signal != nil {
		summary = summary.withSignal(j.options.Signal())
	}
	finished := "run_finished"
	if j.options.Repair {
		finished = "check_finished"
	}
	j.write(runFinishedLine{lineAt(finished, e.Time), summary})
}

func (j *JSONL) warning(t time.Time, message string) {
	j.warnings[message] = true
	j.write(warningLine{lineAt("warning", t), message})
}

func (j *JSONL) table(t time.Time, table check.TableResult) {
	j.tables[tableName{table.Database, table.Table}] = true
	j.write(tableLine{lineAt("table", t), tableOf(table)})
}

func (j *JSONL) write(object any) {
	if j.err != nil {
		return
	}
	if err := j.encoder.Encode(object); err != nil {
		j.err = fmt.Errorf("writing JSON lines: %w", err)
	}
}

type runStartedLine struct {
	line
	SchemaVersion int    `json:"schema_version"`
	Command       string `json:"command"`
	RunID         string `json:"run_id"`
	Version       string `json:"version"`
	Source        Server `json:"source"`
}

type replicaLine struct {
	line
	Replica
}

type schemaLine struct {
	line
	Tables            int                `json:"tables"`
	RowsEstimate      int64              `json:"rows_estimate"`
	SchemaDifferences []SchemaDifference `json:"schema_differences"`
}

type epochLine struct {
	line
	Epoch
}

type throttledLine struct {
	line
	Reason string `json:"reason"`
}

type resumedLine struct {
	line
	WaitedSeconds float64 `json:"waited_seconds"`
}

type tableStartedLine struct {
	line
	Database     string `json:"database"`
	Table        string `json:"table"`
	KeyUsed      string `json:"key_used"`
	RowsEstimate int64  `json:"rows_estimate"`
}

type chunkLine struct {
	line
	Database        string  `json:"database"`
	Table           string  `json:"table"`
	Epoch           int     `json:"epoch"`
	Rows            int64   `json:"rows"`
	Bytes           int64   `json:"bytes"`
	DurationSeconds float64 `json:"duration_seconds"`
	Different       bool    `json:"different"`
}

type differenceLine struct {
	line
	Difference
}

type warningLine struct {
	line
	Message string `json:"message"`
}

type tableLine struct {
	line
	Table
}

type runFinishedLine struct {
	line
	Summary
}

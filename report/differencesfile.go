package report

import (
	"bufio"
	"encoding/json"
	"time"

	"trueup/check"
)

// DifferencesFile takes in every differing row of a run and writes it as one JSON object on a line of its own, so that
// memory does not grow with their number. Like a report it appears only when it is whole; its last line says whether it
// holds every row that was found. It is a check.DifferenceSink; Write and Finish are for one goroutine at a time.
type DifferencesFile struct {
	output  *Output
	buffer  *bufio.Writer
	encoder *json.Encoder
	now     func() time.Time
	lines   int64
	rows    int64
}

// NewDifferencesFile writes to output, which Finish commits.
func NewDifferencesFile(output *Output, runID string, now func() time.Time) (*DifferencesFile, error) {
	const bufferBytes = 1 << 16
	buffer := bufio.NewWriterSize(inertWriter{output}, bufferBytes)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	f := &DifferencesFile{output: output, buffer: buffer, encoder: encoder, now: now}
	return f, encoder.Encode(differencesStartedLine{lineAt("differences_started", now()), SchemaVersion, runID})
}

// Write takes in one difference.
func (f *DifferencesFile) Write(difference check.RowDifference) error {
	f.lines++
	f.rows += difference.Count
	return f.encoder.Encode(differenceLine{lineAt("difference", f.now()), differenceOf(difference)})
}

// Finish writes the last line and puts the file in place.
func (f *DifferencesFile) Finish(result *check.Result) error {
	var found int64
	whole := !result.Interrupted && result.Err == nil
	for _, table := range result.Tables {
		whole = whole && (table.ChunksUnverified == 0 || table.ChunksDifferent == 0)
		for _, on := range table.Replicas {
			found += on.Missing + on.Extra + on.Changed
		}
	}
	last := differencesFinishedLine{lineAt("differences_finished", f.now()), result.RunID, f.lines, f.rows, whole && found == f.rows}
	if err := f.encoder.Encode(last); err != nil {
		return err
	}
	if err := f.buffer.Flush(); err != nil {
		return err
	}
	return f.output.Commit()
}

type differencesStartedLine struct {
	line
	SchemaVersion int    `json:"schema_version"`
	RunID         string `json:"run_id"`
}

type differencesFinishedLine struct {
	line
	RunID    string `json:"run_id"`
	Lines    int64  `json:"lines"` // difference lines
	Rows     int64  `json:"rows"`  // rows they stand for
	Complete bool   `json:"complete"`
}

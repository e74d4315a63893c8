package report

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"trueup/repair"
)

// Undo is the report of "trueup repair --undo": its JSON form is the marshalled struct. Build it with FromUndo; no list in it is nil.
type Undo struct {
	Heading
	Error string   `json:"error"` // what ended it before its end
	Undo  UndoDone `json:"undo"`
}

// UndoDone is what was undone.
type UndoDone struct {
	OfRunID    string    `json:"of_run_id"` // the run that is undone
	File       string    `json:"file"`
	Replica    Server    `json:"replica"`
	Groups     int       `json:"groups"`     // that the file holds
	Undone     int       `json:"undone"`     // groups whose rows are as they were before the repair
	Already    int       `json:"already"`    // groups that were undone before, or never committed
	Statements int64     `json:"statements"` // of those transactions
	Refused    []Refusal `json:"refused"`
}

// FromUndo makes the report of an undo. signal is what ended the run, nil for none.
func FromUndo(result *repair.UndoResult, runID, version, file string, signal os.Signal) Undo {
	u := Undo{
		Heading: Heading{SchemaVersion: SchemaVersion, Command: "repair", RunID: runID, Version: version,
			StartedAt: timeOf(result.StartedAt), FinishedAt: timeOf(result.FinishedAt), DurationSeconds: seconds(result.FinishedAt.Sub(result.StartedAt))},
		Undo: UndoDone{OfRunID: result.Of, File: file, Replica: serverOf(result.Replica), Groups: result.Groups, Undone: result.Undone,
			Already: result.Already, Statements: result.Statements, Refused: each(result.Refused, refusalOf)}}
	u.Interrupted = signal != nil && result.Err != nil
	err := result.Err
	if err == nil && result.Undone+result.Already+len(result.Refused) < result.Groups {
		err = errors.New("not every transaction of the file was looked at")
	}
	switch {
	case u.Interrupted && signal == syscall.SIGTERM:
		u.Conditions = []string{ConditionTerminated, ConditionUnverified}
	case u.Interrupted:
		u.Conditions = []string{ConditionInterrupted, ConditionUnverified}
	case err != nil:
		u.Error, u.Conditions = err.Error(), []string{ConditionFailed}
	}
	if len(result.Refused) > 0 {
		u.Conditions = withCondition(u.Conditions, ConditionNotUndone)
	}
	if len(u.Conditions) == 0 {
		u.Conditions = []string{ConditionUndone}
	}
	u.ExitCode = CodeFor(u.Conditions)
	return u
}

// WriteUndoJSON writes the undo as one indented JSON object. It fails only where w does.
func WriteUndoJSON(w io.Writer, u Undo) error { return writeJSON(w, u) }

// WriteUndoText writes the undo for a person to read. It fails only where w does.
func WriteUndoText(w io.Writer, u Undo, options TextOptions) error {
	t := &repairPrinter{textPrinter: textPrinter{options: options}}
	started := "not started"
	if u.StartedAt != nil {
		started = u.StartedAt.Format("2006-01-02 15:04:05 UTC")
	}
	t.prose(4, "trueup repair --undo %s, %s, took %s", showName(u.RunID), started, showDuration(u.DurationSeconds))
	t.prose(4, "  of repair %s on %s  %s", showName(u.Undo.OfRunID), showName(u.Undo.Replica.Address), serverTitle(u.Undo.Replica))
	if len(u.Undo.Refused) > 0 {
		t.heading("Left as they are")
		t.refusals("  ", u.Undo.Refused)
	}
	t.out.WriteByte('\n')
	if u.Error != "" {
		t.paragraph("The undo failed: " + strings.TrimRight(showMessage(u.Error), ".") + ".")
	}
	if u.Interrupted {
		t.paragraph("Interrupted before it was done; the same again goes on.")
	}
	t.paragraph(u.sentence())
	t.prose(2, "Exit code %d: %s.", u.ExitCode, u.codeMeaning())
	if _, err := io.WriteString(w, t.out.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (u Undo) sentence() string {
	said := fmt.Sprintf("%s of %s undone (%s)", grouped(int64(u.Undo.Undone)), count(u.Undo.Groups, "transaction", "transactions"), count(int(u.Undo.Statements), "statement", "statements"))
	if u.Undo.Already > 0 {
		said += fmt.Sprintf(", %s had nothing to undo (undone before, or never committed)", grouped(int64(u.Undo.Already)))
	}
	if refused := len(u.Undo.Refused); refused > 0 {
		said += fmt.Sprintf(", %s refused", grouped(int64(refused)))
	}
	return said + "."
}

func (u Undo) codeMeaning() string {
	switch u.ExitCode {
	case OK:
		return "all that the repair changed is undone"
	case Different:
		return "some rows were left as they are, since they are no longer as the repair left them"
	}
	return CodeMeaning(u.ExitCode)
}

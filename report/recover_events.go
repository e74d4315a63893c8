package report

import (
	"fmt"
	"io"
	"time"

	"trueup/check"
	"trueup/recovery"
)

// StartRecovery begins the stream of a recovery.
func (j *JSONL) StartRecovery(runID, source, replica string, now time.Time) {
	j.write(recoveryStartedLine{lineAt("run_started", now), SchemaVersion, "recover", runID, j.options.Version, Server{Address: source}, Server{Address: replica}})
}

// recoveryEvent writes the line of a recovery's own event. Those of the check that proves it are none of the stream's, but for warnings: what
// it found stands in the attempt. It tells whether the event is done with.
func (j *JSONL) recoveryEvent(event check.Event) bool {
	switch e := event.(type) {
	case recovery.Diagnosed:
		j.write(diagnosedLine{lineAt("diagnosed", e.Time), attemptOf(recovery.Attempt{Diagnosis: e.Diagnosis}, j.options.Version)})
	case recovery.StepTaken:
		j.write(stepLine{lineAt("step_taken", e.Time), e.Step.What, e.Step.SQL, e.Step.Result})
	case recovery.AttemptDone:
		j.write(attemptLine{lineAt("attempt_done", e.Time), attemptOf(e.Attempt, j.options.Version).RecoveryDone})
	case check.Warned:
		return false
	}
	return true
}

// FinishRecovery ends the stream of a recovery with its last line, recovery_finished, after warnings that were never announced.
func (j *JSONL) FinishRecovery(r Recovery, now time.Time) {
	for _, message := range r.Warnings {
		if !j.warnings[message] {
			j.warning(now, message)
		}
	}
	j.write(recoveryFinishedLine{lineAt("recovery_finished", now), r})
}

type recoveryStartedLine struct {
	line
	SchemaVersion int    `json:"schema_version"`
	Command       string `json:"command"`
	RunID         string `json:"run_id"`
	Version       string `json:"version"`
	Source        Server `json:"source"`
	Replica       Server `json:"replica"`
}

type diagnosedLine struct {
	line
	RecoveryAttempt
}

type stepLine struct {
	line
	What   string `json:"what"`
	SQL    string `json:"sql"`
	Result string `json:"result"`
}

type attemptLine struct {
	line
	RecoveryDone
}

type recoveryFinishedLine struct {
	line
	Recovery
}

// recovery logs an event of a recovery. Row values are never logged, and so no statement that may hold them.
func (l logObserver) recovery(event check.Event) {
	switch e := event.(type) {
	case recovery.Diagnosed:
		l.logger.Info("diagnosed", "replica", e.Diagnosis.Replica.Address, "channel", e.Diagnosis.Status.Channel, "part", string(e.Diagnosis.Part),
			"error_number", e.Diagnosis.Error.Number, "class", string(e.Diagnosis.Class))
	case recovery.StepTaken:
		l.logger.Info("step", "what", e.Step.What)
	case recovery.AttemptDone:
		l.logger.Info("error dealt with", "action", string(e.Attempt.Action), "outcome", string(e.Attempt.Outcome))
	case recovery.Finished:
		l.logger.Info("recovery finished", "outcome", string(e.Result.Outcome))
	}
}

// NewSteps returns an observer that prints each step of a recovery on w when it is taken, for a person who waits for them.
func NewSteps(w io.Writer) check.Observer { return steps{w} }

type steps struct{ w io.Writer }

// Event prints a line; write errors are ignored, as for every progress.
func (s steps) Event(event check.Event) {
	e, isStep := event.(recovery.StepTaken)
	if !isStep {
		return
	}
	result := ""
	if e.Step.Result != "" {
		result = ": " + showMessage(e.Step.Result)
	}
	line := fmt.Sprintf("  %s  %s%s", e.Time.UTC().Format("15:04:05"), showMessage(e.Step.What), result)
	_, _ = fmt.Fprintln(s.w, wrap(line, TextOptionsFor(s.w, false).Width, 12))
}

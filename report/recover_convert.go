package report

import (
	"context"
	"errors"
	"slices"

	"trueup/check"
	"trueup/recovery"
	"trueup/replication"
	"trueup/schema"
	"trueup/server"
)

// FromRecovery makes the report of a result, which is not kept.
func FromRecovery(result *recovery.Result, facts RecoveryFacts) Recovery {
	r := Recovery{
		Heading: Heading{SchemaVersion: SchemaVersion, Command: "recover", RunID: result.RunID, Version: facts.Version, Conditions: RecoveryConditions(result, facts),
			StartedAt: timeOf(result.StartedAt), FinishedAt: timeOf(result.FinishedAt)},
		Continued: result.Continued, Outcome: string(result.Outcome), Journal: facts.Journal, AuditFile: facts.AuditFile, unoffered: facts.Unoffered,
		Warnings: append(each(result.Warnings, same[string]), facts.Warnings...), Options: []RecoveryOption{}, Chosen: string(recovery.Plan),
		Attempts: each(result.Attempts, func(a recovery.Attempt) RecoveryAttempt { return attemptOf(a, facts.Version) }),
	}
	if !result.StartedAt.IsZero() && !result.FinishedAt.IsZero() {
		r.DurationSeconds = seconds(result.FinishedAt.Sub(result.StartedAt))
	}
	r.Interrupted = wasInterruptedRecovery(result, facts)
	r.ExitCode = CodeFor(r.Conditions)
	r.Heading = Summary{Heading: r.Heading}.withSignal(facts.Signal).Heading
	if err := errors.Join(uncanceled(result.Err), facts.Err); err != nil {
		r.Failure = err.Error()
	}
	for i := range result.Attempts {
		if d := result.Attempts[i].Diagnosis; d != nil {
			r.Source, r.Replica = serverOf(d.Source), serverOf(d.Replica)
		}
	}
	if last := len(r.Attempts) - 1; last >= 0 {
		a := r.Attempts[last]
		r.RecoveryChannel, r.Error, r.Transaction, r.Options, r.Chosen = a.RecoveryChannel, a.Error, a.Transaction, a.Options, a.Chosen
	}
	return r
}

// wasCanceled tells whether the recovery was ended by a signal, or by ctrl-C in a prompt.
func wasCanceled(result *recovery.Result) bool {
	if errors.Is(result.Err, context.Canceled) {
		return true
	}
	for _, attempt := range result.Attempts {
		if errors.Is(attempt.Err, context.Canceled) || attempt.Proof != nil && wasInterrupted(attempt.Proof) {
			return true
		}
	}
	return false
}

// uncanceled is the error, unless it only says that the run was interrupted.
func uncanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// RecoveryConditions lists everything that holds after a recovery, gravest first; it is never empty. "equal" stands alone: every row that
// was touched was found equal. "replicating" does too: there was nothing to do.
func RecoveryConditions(result *recovery.Result, facts RecoveryFacts) []string {
	var all, holds []string
	for i := range result.Attempts {
		all = append(all, attemptConditions(&result.Attempts[i])...)
	}
	if len(result.Attempts) == 0 {
		all = append(all, outcomeCondition(result.Outcome))
	}
	if uncanceled(result.Err) != nil || facts.Err != nil {
		all = append(all, ConditionFailed)
	}
	if wasInterruptedRecovery(result, facts) {
		all = append(all, ConditionInterrupted, ConditionUnverified)
	}
	for _, condition := range all {
		if condition != ConditionEqual && condition != ConditionReplicating {
			holds = withCondition(holds, condition)
		}
	}
	switch {
	case len(holds) > 0:
		return holds
	case slices.Contains(all, ConditionEqual):
		return []string{ConditionEqual}
	}
	return []string{ConditionReplicating}
}

// wasInterruptedRecovery tells whether a signal, or ctrl-C in a prompt, cut the recovery short.
func wasInterruptedRecovery(result *recovery.Result, facts RecoveryFacts) bool {
	return facts.Aborted || wasCanceled(result) || facts.Signal != nil && result.Outcome == recovery.Failed
}

// outcomeConditions are what an outcome means for the exit code.
var outcomeConditions = map[recovery.Outcome]string{
	recovery.NothingToDo: ConditionReplicating, recovery.Explained: ConditionStopped, recovery.Declined: ConditionStopped, recovery.Proven: ConditionEqual,
	recovery.Differs: ConditionDifferent, recovery.Unproven: ConditionUnverified, recovery.StoppedAgain: ConditionStopped, recovery.Failed: ConditionFailed,
}

// outcomeCondition is Failed for an outcome that is not known: what is not understood is never success.
func outcomeCondition(outcome recovery.Outcome) string {
	if condition, known := outcomeConditions[outcome]; known {
		return condition
	}
	return ConditionFailed
}

// attemptConditions are those of one error. A channel of which somebody stopped the applier or the receiver stands, too; and a proof that found a difference did so
// whatever the outcome says.
func attemptConditions(a *recovery.Attempt) []string {
	condition := outcomeCondition(a.Outcome)
	if errors.Is(a.Err, context.Canceled) {
		condition = ConditionInterrupted
		if a.Proof == nil && a.Diagnosis != nil && a.Diagnosis.Stopped() && len(a.Steps) == 0 {
			return []string{condition, ConditionStopped}
		}
	}
	if a.Outcome == recovery.NothingToDo && a.Diagnosis != nil && (!a.Diagnosis.Status.ApplierRunning || a.Diagnosis.Status.ReceiverState == replication.Stopped) {
		condition = ConditionStopped
	}
	conditions := []string{condition}
	if a.Proof != nil {
		for _, proven := range RepairConditions(a.Proof) {
			if proven != ConditionEqual {
				conditions = append(conditions, proven)
			}
		}
	}
	return conditions
}

func attemptOf(a recovery.Attempt, version string) RecoveryAttempt {
	d := a.Diagnosis
	if d == nil {
		d = &recovery.Diagnosis{}
	}
	out := RecoveryAttempt{
		At: timeOf(d.At), RecoveryChannel: recoveryChannelOf(d), Error: recoveryErrorOf(d), Why: each(d.Why, server.MaskSecrets), Advice: each(d.Advice, same[string]),
		Transaction: recoveryTransactionOf(d.Transaction), NotRead: d.NotRead, Rows: each(d.Rows, recoveryRowOf), InTheWay: each(d.InTheWay, recoveryRowOf), Errant: d.Errant,
		DirectWrites: each(d.DirectWrites, directWriteOf), Hiding: each(d.Hiding, same[string]), Options: each(d.Options, recoveryOptionOf),
		RecoveryDone: RecoveryDone{Chosen: string(a.Action), Steps: each(a.Steps, recoveryStepOf), Before: placeOf(a.Before, a.BeforeGTID), After: placeOf(a.After, a.AfterGTID),
			UndoableGroups: a.Undo, Outcome: string(a.Outcome)},
	}
	if out.Chosen == "" {
		out.Chosen = string(recovery.Plan)
	}
	if a.Proof != nil && a.Proof.Check != nil {
		proof := FromRepair(a.Proof, RepairFacts{Version: version})
		out.Proof = &proof
	}
	if err := uncanceled(a.Err); err != nil {
		out.Failure = err.Error()
	}
	return out
}

func recoveryChannelOf(d *recovery.Diagnosis) RecoveryChannel {
	return RecoveryChannel{Channel: d.Status.Channel, ApplierRunning: d.Status.ApplierRunning, ReceiverState: d.Status.ReceiverState.String(),
		Executed: placeOf(d.Status.Executed, d.Status.ExecutedGTID)}
}

func recoveryErrorOf(d *recovery.Diagnosis) *RecoveryError {
	if !d.Stopped() {
		return nil
	}
	return &RecoveryError{Part: string(d.Part), Number: d.Error.Number, Message: server.MaskSecrets(d.Error.Message), Class: string(d.Class)}
}

func recoveryTransactionOf(t *recovery.Transaction) *RecoveryTransaction {
	if t == nil {
		return nil
	}
	return &RecoveryTransaction{GTID: t.GTID, From: t.From, File: t.File, Start: t.Start, End: t.End, At: timeOf(t.At), Bytes: t.Bytes, Format: t.Format, Rows: t.Rows,
		Tables: each(t.Tables, namedTableOf), Statements: each(t.Statements, recoveryStatementOf),
		Truncated: t.Truncated, Partial: t.Partial, Compressed: t.Compressed, XA: t.XA}
}

// recoveryStatementOf leaves out passwords: a log holds the statements that set them.
func recoveryStatementOf(s recovery.Statement) RecoveryStatement {
	return RecoveryStatement{Database: s.Database, Text: server.MaskSecrets(s.Text), Annotation: s.Annotation}
}

func namedTableOf(n schema.Name) NamedTable { return NamedTable(n) }

func recoveryRowOf(r recovery.RowState) RecoveryRow {
	return RecoveryRow{Database: r.Database, Table: r.Table, Kind: r.Kind, Key: each(r.Key, namedValueOf), Before: rowOf(r.Before), After: rowOf(r.After),
		Source: rowOf(r.Source), Replica: rowOf(r.Replica), Unknown: r.Unknown, Problem: r.Problem}
}

// rowOf keeps nil: it means that there is no such row.
func rowOf(values []check.NamedValue) []NamedValue {
	if values == nil {
		return nil
	}
	return each(values, namedValueOf)
}

func directWriteOf(w recovery.DirectWrite) DirectWrite {
	return DirectWrite{GTID: w.GTID, File: w.File, Position: w.Offset, At: timeOf(w.At), ServerID: w.ServerID, Statements: each(w.Statements, server.MaskSecrets), Rows: each(w.Rows, same[string])}
}

func recoveryOptionOf(o recovery.Option) RecoveryOption {
	return RecoveryOption{Action: string(o.Action), Recommended: o.Recommended, Doubtful: o.Doubtful, FailsAgain: o.FailsAgain, Does: each(o.Does, server.MaskSecrets), Loses: each(o.Loses, server.MaskSecrets),
		Statements: each(o.Statements, server.MaskSecrets), Lost: each(o.Lost, same[string]), Whole: each(o.Whole, namedTableOf)}
}

func recoveryStepOf(s recovery.Step) RecoveryStep {
	return RecoveryStep{At: timeOf(s.At), What: s.What, SQL: s.SQL, Result: s.Result}
}

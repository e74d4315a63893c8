package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"trueup/recovery"
	"trueup/schema"
)

// done prints what was done about an error, and what is proven.
func (t *recoveryPrinter) done(a *RecoveryAttempt) {
	if a.Chosen == string(recovery.Plan) && len(a.Steps) == 0 {
		return
	}
	t.heading("What was done: %s", showName(a.Chosen))
	for _, step := range a.Steps {
		t.step(step)
	}
	if a.Before.File != "" && a.After.File != "" && a.After != a.Before {
		t.prose(4, "  The applier went from %s:%d to %s:%d of its source.", showName(a.Before.File), a.Before.Position, showName(a.After.File), a.After.Position)
	}
	if a.Failure != "" {
		t.prose(4, "  %s", paint(t.options.Color, red, "It failed: "+showMessage(sentence(a.Failure))))
	}
	t.proof(a)
	if a.UndoableGroups > 0 && t.recovery.Journal != "" {
		t.heading("To undo what was changed on the replica")
		t.prose(4, "  Rows that the transaction has changed since then stay as they are.")
		t.printf("  %s\n", undoCommand(t.recovery.Journal, t.recovery.Replica.Address))
	}
}

// step prints one step with what came of it.
func (t *recoveryPrinter) step(s RecoveryStep) {
	at, result := "", ""
	if s.At != nil {
		at = s.At.Format("15:04:05")
	}
	if s.Result != "" {
		result = ": " + showMessage(s.Result)
	}
	t.prose(12, "  %-8s  %s%s", at, showMessage(s.What), result)
	if s.SQL != "" {
		t.printf("            %s\n", showMessage(s.SQL))
	}
}

// proof prints the comparison of everything that was touched, with what was repaired.
func (t *recoveryPrinter) proof(a *RecoveryAttempt) {
	if a.Proof == nil {
		return
	}
	p := *a.Proof
	compared, rows := 0, int64(0)
	for _, table := range p.Tables {
		if len(table.Replicas) > 0 && table.Verdict != "not_compared" {
			compared++
			rows += table.Rows
		}
	}
	t.heading("Proof: %s", t.verdict(p.Verdict))
	if compared > 0 || p.Error == "" {
		t.prose(4, "  What was touched was compared%s: %s, %s.", proofPosition(p), count(compared, "table", "tables"), count(int(rows), "row", "rows"))
	}
	r := &repairPrinter{textPrinter: textPrinter{check: p.Check, options: t.options}, repair: p}
	for _, replica := range p.Repairs {
		r.replica(replica)
	}
	switch {
	case p.Applied && p.Verification != nil:
		r.verification()
	case p.Verdict != ConditionEqual:
		r.differenceSection()
		r.schemaSection()
		r.unverifiedSection()
	}
	t.out.WriteString(r.out.String())
}

// proofPosition is where source and replica were compared.
func proofPosition(p Repair) string {
	if len(p.Sync.Epochs) == 0 {
		return ""
	}
	last := p.Sync.Epochs[len(p.Sync.Epochs)-1]
	if last.File == "" {
		return ""
	}
	return fmt.Sprintf(" on both servers at %s:%d", showName(last.File), last.Position)
}

// recoveryConclusion says in plain words what came of it, and what the exit code means.
func (t *recoveryPrinter) recoveryConclusion() {
	r := t.recovery
	t.out.WriteByte('\n')
	if r.Failure != "" {
		t.paragraph("The recovery failed: " + strings.TrimRight(showMessage(r.Failure), ".") + ".")
	}
	if r.Interrupted {
		t.paragraph(t.interruptedText())
	}
	for i, a := range r.Attempts {
		of := ""
		if len(r.Attempts) > 1 && a.Error != nil {
			of = fmt.Sprintf("Error %d of %d (%d): ", i+1, len(r.Attempts), a.Error.Number)
		}
		if words := r.outcomeOf(a); words != "" && (a.Outcome != string(recovery.Failed) || !r.Interrupted && r.Failure == "") {
			t.paragraph(of + capital(of, words) + ".")
		}
	}
	if r.stillStopped() && !r.Interrupted {
		t.prose(2, "%s", r.nextStep())
	}
	if left := r.tablesLeft(); len(left) > 0 && !r.Interrupted {
		t.prose(2, "To make them equal: trueup repair with the same servers, and --tables %s.", strings.Join(left, " --tables "))
	}
	if files := r.auditFiles(); files != "" {
		t.prose(2, "Audit journal: %s (trueup audit verify, trueup audit show).", files)
	}
	meaning := fmt.Sprintf("Exit code %d: %s", r.ExitCode, r.codeMeaning())
	for _, condition := range r.Conditions {
		if CodeFor([]string{condition}) != r.ExitCode && alsoHolds[condition] != "" {
			meaning += "; " + alsoHolds[condition]
		}
	}
	t.prose(2, "%s.", meaning)
}

// outcomeOf says what became of one error. Of a transaction that was passed, and whose rows could not be compared, it says both.
func (r Recovery) outcomeOf(a RecoveryAttempt) string {
	switch {
	case a.Outcome == string(recovery.Declined) && r.unoffered != "":
		return fmt.Sprintf("nothing was done, since --action %s is no way out of this error: the replica is still stopped", showName(r.unoffered))
	case a.Outcome == string(recovery.Failed) && a.Proof != nil && a.Proof.Error != "":
		return "the replica is past the transaction, and comparing what was touched failed: " + strings.TrimRight(showMessage(a.Proof.Error), ".")
	case a.isUnnamed() && a.Outcome == string(recovery.Unproven):
		return "the applier went on behind where it stood; which transaction had failed is not known, so that nothing was compared"
	case a.isUnnamed() && a.Outcome == string(recovery.StoppedAgain):
		return "the replica stopped again, maybe at the same transaction"
	}
	if r.stillStopped() && a.awaitsProof() { // else nothing was known that could be compared
		return "the replica is past the transaction; what was touched is compared once it replicates again"
	}
	return outcomeWords[a.Outcome]
}

// isUnnamed tells whether nothing says at which transaction the applier stood.
func (a RecoveryAttempt) isUnnamed() bool {
	return a.Transaction == nil && a.Error != nil && a.Error.Class == string(recovery.ClassWorkers)
}

// awaitsProof tells whether a transaction was passed whose rows no comparison has looked at yet, since the replica stopped at the next one.
func (a RecoveryAttempt) awaitsProof() bool {
	return a.Outcome == string(recovery.Unproven) && a.Proof == nil && len(a.Steps) > 0 && !a.isUnnamed()
}

func (r Recovery) awaitsProof() bool {
	return r.stillStopped() && r.Journal != "" && slices.ContainsFunc(r.Attempts, RecoveryAttempt.awaitsProof)
}

// tablesLeft are those of which rows differ in the end, as --tables names them.
func (r Recovery) tablesLeft() (tables []string) {
	for _, a := range r.Attempts {
		if a.Outcome != string(recovery.Differs) || a.Proof == nil {
			continue
		}
		last := a.Proof.Check
		if a.Proof.Verification != nil {
			last = *a.Proof.Verification
		}
		for _, table := range last.Tables {
			if name := shellWord(tablePattern(table.Database, table.Table)); table.Verdict == ConditionDifferent && !slices.Contains(tables, name) {
				tables = append(tables, name)
			}
		}
	}
	return tables
}

// plainName is a name that --tables takes as it is.
var plainName = regexp.MustCompile(`^[0-9A-Za-z_$]+$`)

// tablePattern names one table for --tables, and no other.
func tablePattern(database, table string) string {
	if plainName.MatchString(database) && plainName.MatchString(table) {
		return database + "." + table
	}
	return schema.QuoteTable(database, table)
}

func (t *recoveryPrinter) interruptedText() string {
	if n := len(t.recovery.Attempts); n == 0 || len(t.recovery.Attempts[n-1].Steps) == 0 {
		return "Interrupted: nothing was changed since the last error."
	}
	return "Interrupted before it was done; \"trueup recover --continue last\" goes on."
}

// capital makes the first letter of a sentence large, unless something stands before it.
func capital(before, s string) string {
	if before != "" || s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// stillStopped tells whether an error was met about which nothing was done.
func (r Recovery) stillStopped() bool {
	return slices.Contains(r.Conditions, ConditionStopped) && r.Error != nil
}

// nextStep says how a person goes on.
func (r Recovery) nextStep() string {
	var actions []string
	for _, o := range r.Options {
		if o.Action != string(recovery.Rebuild) {
			actions = append(actions, "--action "+showName(o.Action))
		}
	}
	if len(actions) == 0 {
		return "trueup has no safe way out of this by itself: see above what to do."
	}
	if r.awaitsProof() {
		return "To go on, and prove all of it: the same servers with --continue last, and " + strings.Join(actions, " or ") + ", or on a terminal without --action to be asked."
	}
	return "To go on: the same command with " + strings.Join(actions, " or ") + ", or on a terminal without --action to be asked."
}

// auditFiles are the journals of the run.
func (r Recovery) auditFiles() string {
	var files []string
	for _, file := range []string{r.AuditFile, r.Journal} {
		if file != "" {
			files = append(files, showName(file))
		}
	}
	return strings.Join(files, " and ")
}

// codeMeaning says in words what the exit code means after a recovery.
func (r Recovery) codeMeaning() string {
	switch {
	case r.ExitCode == OK && slices.Contains(r.Conditions, ConditionReplicating):
		return "nothing to do: no error stops the replica"
	case r.ExitCode == OK:
		return "the replica is past the error, and everything that was touched is verified equal"
	case r.ExitCode == Different && slices.Contains(r.Conditions, ConditionStopped):
		return "the replica is still stopped"
	case r.ExitCode == Different:
		return "the replica is past the error, and rows differ"
	}
	return CodeMeaning(r.ExitCode)
}

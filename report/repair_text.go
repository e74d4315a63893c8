package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteRepairText writes the repair for a person to read: what was planned or done, what was refused, and what to do next. It fails only
// where w does.
func WriteRepairText(w io.Writer, r Repair, options TextOptions) error {
	t := &repairPrinter{textPrinter: textPrinter{check: r.Check, options: options}, repair: r}
	t.repairHeader()
	for _, replica := range r.Repairs {
		t.replica(replica)
	}
	if r.Applied && r.Verification != nil {
		t.verification()
	} else {
		t.schemaSection()
	}
	t.unverifiedSection()
	t.warningSection()
	t.nextSteps()
	t.repairConclusion()
	if _, err := io.WriteString(w, t.out.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// WriteRepairPlan writes what is going to be changed, for the person who is asked whether it shall be. It fails only where w does.
func WriteRepairPlan(w io.Writer, r Repair, options TextOptions) error {
	t := &repairPrinter{textPrinter: textPrinter{check: r.Check, options: options}, repair: r, asking: true}
	for _, replica := range r.Repairs {
		t.replica(replica)
	}
	t.warningSection()
	if _, err := io.WriteString(w, t.out.String()); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// Question asks whether the plan is to be carried out.
func (r Repair) Question() string {
	planned, _, replicas := r.sums()
	of := ""
	if len(r.Refused) > 0 {
		of = " (less what is refused)"
	}
	where := count(replicas, "replica", "replicas")
	if r.Via == "source" {
		where += ", by writing to the source " + showName(r.Source.Address)
	}
	return fmt.Sprintf("Change %s%s on %s?", count(int(planned), "row", "rows"), of, where)
}

// repairPrinter prints a repair with the parts of a check's report.
type repairPrinter struct {
	textPrinter
	repair Repair
	asking bool // nothing is done yet, nor written into a plan
}

// repairHeader is a check's, with the verdicts as they are now.
func (t *repairPrinter) repairHeader() {
	h := &textPrinter{check: t.check, options: t.options}
	h.check.Replicas = slices.Clone(h.check.Replicas)
	for i := range h.check.Replicas {
		h.check.Replicas[i].Verdict = t.verdictNow(h.check.Replicas[i])
	}
	h.header()
	t.out.WriteString(strings.Replace(h.out.String(), "trueup check ", "trueup repair ", 1))
	if t.repair.FromRunID != "" {
		t.prose(4, "  of the ranges that check %s found", showName(t.repair.FromRunID))
	}
}

// verdictNow is a replica's verdict after the repair.
func (t *repairPrinter) verdictNow(replica Replica) string {
	verified := t.repair.Verification
	if verified != nil && t.repair.ExitCode == OK {
		return ConditionEqual
	}
	if verified == nil || replica.Verdict != ConditionDifferent || slices.ContainsFunc(t.repair.Refused, func(r Refused) bool { return r.Replica == replica.Address }) ||
		slices.ContainsFunc(t.check.SchemaDifferences, func(d SchemaDifference) bool { return d.Replica == replica.Address && d.Object != "table" }) {
		return replica.Verdict
	}
	for _, now := range verified.Replicas {
		if now.Address == replica.Address {
			return now.Verdict
		}
	}
	return replica.Verdict
}

// replica prints what is to be said of one replica.
func (t *repairPrinter) replica(r RepairReplica) {
	what := "Plan for " + showName(r.Address)
	switch {
	case !t.asking && r.Statements == 0 && len(t.repair.Refused) > 0 && t.repair.Error == "":
		what = "Not repaired: " + showName(r.Address)
	case t.repair.Applied:
		what = "Repaired on " + showName(r.Address)
	}
	if t.repair.Via == "source" {
		what += ", through the source"
	}
	if r.Before.File != "" {
		what += fmt.Sprintf(", at %s:%d", showName(r.Before.File), r.Before.Position)
		if r.After != r.Before && r.After.File != "" {
			what += fmt.Sprintf(" to %s:%d", showName(r.After.File), r.After.Position)
		}
	}
	t.heading("%s", what)
	t.refusals("  ", r.Refused)
	for _, note := range r.Notes {
		t.prose(4, "  %s", showMessage(note))
	}
	for _, table := range r.Tables {
		t.repairTable(table)
	}
	if t.repair.Applied && r.Pauses > 0 {
		t.prose(4, "  The applier was paused %s, for %s altogether.", count(r.Pauses, "time", "times"), showDuration(r.PausedSeconds))
	}
}

func (t *repairPrinter) repairTable(table RepairTable) {
	found := strings.Trim(rowsText(replicaSum{missing: table.Planned.Missing, extra: table.Planned.Extra, changed: table.Planned.Changed}), " ()")
	switch {
	case found == "" && len(table.Refused) > 0:
		found = ": no row of it was compared"
	case found != "":
		found = ": " + found
	}
	t.prose(6, "  %s%s%s", tableTitle(table.Database, table.Table), found, t.doneText(table))
	t.refusals("    ", table.Refused)
	for _, note := range table.Notes {
		t.prose(6, "    %s", showMessage(note))
	}
	if table.DDL != "" {
		for line := range strings.SplitSeq(table.DDL, "\n") { // to be copied: no line of it is broken
			t.printf("    %s\n", showMessage(line))
		}
	}
}

// doneText says how many of the rows are in the plan, or were changed.
func (t *repairPrinter) doneText(table RepairTable) string {
	done, planned := table.Done.total(), table.Planned.total()
	verb := "in the plan"
	if t.repair.Applied {
		verb = "repaired"
	}
	text := ""
	switch {
	case t.asking || planned == 0 && done == 0, done == 0 && !t.repair.Applied && (t.repair.Interrupted || t.repair.Error != ""):
		return ""
	case done == planned:
		text = "; " + verb
	case done == 0:
		return "; not " + verb
	default:
		text = fmt.Sprintf("; %s of %s %s", grouped(done), grouped(planned), verb)
	}
	text += " in " + count(table.Groups, "transaction", "transactions")
	if table.Conflicts > 0 {
		text += fmt.Sprintf(", with %s that held a unique value in the way", count(int(table.Conflicts), "more row", "more rows"))
	}
	return text
}

func (t *repairPrinter) refusals(indent string, refused []Refusal) {
	for _, refusal := range refused {
		rows := ""
		if refusal.Rows > 0 {
			rows = " (" + count(int(refusal.Rows), "row", "rows") + ")"
		}
		reason := showMessage(refusal.Reason)
		if reason == "" {
			reason = refusalTexts[refusal.ReasonCode].meaning
		}
		t.prose(len(indent)+2, "%s%s [%s]%s: %s", indent, paint(t.options.Color, yellow, "refused"), showName(refusal.ReasonCode), rows, reason)
	}
}

// verification prints what the check afterwards still found.
func (t *repairPrinter) verification() {
	v := t.repair.Verification
	if len(v.Tables) == 0 && t.repair.ExitCode == OK {
		return // tables were dropped, and that was all
	}
	t.heading("Check of what was touched: %s", t.verdict(v.Verdict))
	after := &textPrinter{check: *v, options: t.options}
	if v.Verdict != ConditionEqual {
		after.tableSection()
		after.schemaSection()
		after.unverifiedSection()
	}
	t.out.WriteString(strings.TrimPrefix(after.out.String(), "\n"))
}

// nextSteps says how a plan is applied, and how what was applied is undone.
func (t *repairPrinter) nextSteps() {
	r := t.repair
	switch {
	case r.Statements > 0 && !r.Applied && !r.Declined:
		t.heading("To apply it")
		from := ""
		if r.FromRunID != "" {
			from = " --from with the same file"
		}
		t.prose(4, "  trueup repair with the same options%s and --apply: it reads the rows again, so that what has moved on meanwhile is never overwritten.", from)
		if r.Via == "replica" {
			t.prose(4, "  Or run the SQL of each replica there with the mysql client. It refuses to run on another server, and unless the applier stands at the position it names: "+
				"stop the applier there first (START … UNTIL), and start it afterwards.")
		}
		if len(r.Repairs) > 1 {
			t.prose(4, "  The scripts of the %s follow each other; each refuses to run on another server than its own. To run one by itself, plan with its --replica alone.", count(len(r.Repairs), "replica", "replicas"))
		}
	case r.Applied && r.Journal+strings.Join(r.UndoFiles, "") != "":
		t.heading("To undo it")
		for _, replica := range r.Repairs {
			if replica.UndoableGroups > 0 {
				t.printf("  %s\n", undoCommand(r.undoName(replica.Address), replica.Address))
			}
		}
	}
}

// undoCommand is how what a file or journal holds of a replica is undone.
func undoCommand(file, replica string) string {
	where := "tcp(" + showName(replica) + ")/"
	if strings.HasPrefix(replica, "/") {
		where = "unix(" + showName(replica) + ")/"
	}
	return fmt.Sprintf("trueup repair --undo %s --replica 'USER@%s'", shellWord(file), where)
}

// shellWord quotes a word for a shell where it has to be.
func shellWord(word string) string {
	harmlessRune := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/._-+:@,%", c)
	}
	if word != "" && strings.TrimFunc(word, harmlessRune) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(showName(word), "'", `'\''`) + "'"
}

func (t *repairPrinter) repairConclusion() {
	t.out.WriteByte('\n')
	for _, sentence := range t.repairSentences() {
		t.paragraph(sentence)
	}
	meaning := fmt.Sprintf("Exit code %d: %s", t.repair.ExitCode, t.repair.codeMeaning())
	for _, condition := range t.repair.Conditions {
		if CodeFor([]string{condition}) != t.repair.ExitCode && alsoHolds[condition] != "" {
			meaning += "; " + alsoHolds[condition]
		}
	}
	t.prose(2, "%s.", meaning)
}

// repairSentences say in plain words what came of the repair.
func (t *repairPrinter) repairSentences() []string {
	r := t.repair
	var sentences []string
	if r.Error != "" {
		sentences = append(sentences, "The repair failed: "+strings.TrimRight(showMessage(r.Error), ".")+".")
	}
	if r.Interrupted {
		sentences = append(sentences, "Interrupted before it was done.")
	}
	planned, done, on := r.sums()
	onReplicas := " on " + count(on, "replica", "replicas")
	rows, statements := count(int(planned), "row", "rows"), count(int(r.Statements), "statement", "statements")
	switch {
	case len(r.Repairs) == 0 && r.ExitCode == OK:
		sentences = append(sentences, "Nothing to repair.")
	case len(r.Repairs) == 0:
	case r.Declined:
		sentences = append(sentences, "Declined: nothing was changed.")
	case r.Statements == 0 && !r.Applied && r.ExitCode == Different && r.Error == "":
		return append(sentences, "Nothing of what differs can be repaired: see what is refused.")
	case r.Statements == 0 && !r.Applied:
		sentences = append(sentences, "Nothing was changed.")
	case r.Applied && planned == 0 && r.Statements == 0:
		sentences = append(sentences, "No row had to be changed.")
	case r.Applied:
		sentences = append(sentences, t.appliedSentence(fmt.Sprintf("%s of %s%s changed, in %s", grouped(done), rows, onReplicas, statements)))
	default:
		sentences = append(sentences, fmt.Sprintf("The plan changes %s of %s%s, in %s. Nothing was changed.", grouped(done), rows, onReplicas, statements))
	}
	if refused := len(r.Refused); refused > 0 && on > 0 {
		sentences = append(sentences, count(refused, "refusal leaves", "refusals leave")+" something as it is (see above).")
	}
	return sentences
}

func (t *repairPrinter) appliedSentence(changed string) string {
	switch r := t.repair; {
	case r.Verification != nil && r.Verification.Verdict == ConditionEqual:
		return changed + "; what was touched is verified equal."
	case r.Verification == nil:
		return changed + ", and not verified. What was committed stays; the same command again goes on with the rest."
	}
	return changed + "."
}

// sums are rows that differ, rows in the plan or changed, and replicas with such rows.
func (r Repair) sums() (planned, done int64, replicas int) {
	for _, replica := range r.Repairs {
		before := planned
		for _, table := range replica.Tables {
			planned, done = planned+table.Planned.total(), done+table.Done.total()
		}
		if planned > before {
			replicas++
		}
	}
	return planned, done, replicas
}

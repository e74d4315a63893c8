package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"

	"trueup/recovery"
	"trueup/replication"
)

// What of an error is printed without --verbose: enough to see what kind it is.
const (
	recoveryStatementsShown = 10
	recoveryListShown       = 20 // lost rows, direct writes, statements of an option
)

// WriteRecoveryText writes the recovery for a person to read: what is wrong, which ways out there are, what was done, and what is proven.
// It fails only where w does.
func WriteRecoveryText(w io.Writer, r Recovery, options TextOptions) error {
	return writeRecovery(w, r, options, func(t *recoveryPrinter) {
		t.recoveryHeader()
		t.attempts(0)
	})
}

// WriteRecoveryRest writes the recovery without the diagnoses that a person has seen when asked: those of the first errors, as many as seen says.
// It fails only where w does.
func WriteRecoveryRest(w io.Writer, r Recovery, seen int, options TextOptions) error {
	return writeRecovery(w, r, options, func(t *recoveryPrinter) {
		t.attempts(seen)
	})
}

// WriteDiagnosis writes one error with its ways out, for the person who is asked what to do about it. It fails only where w does.
func WriteDiagnosis(w io.Writer, d *recovery.Diagnosis, options TextOptions) error {
	t := &recoveryPrinter{textPrinter: textPrinter{options: options}}
	a := attemptOf(recovery.Attempt{Diagnosis: d}, "")
	t.servers(serverOf(d.Source), serverOf(d.Replica), a.RecoveryChannel)
	t.diagnosis(&a)
	if _, err := io.WriteString(w, t.out.String()); err != nil {
		return fmt.Errorf("writing the diagnosis: %w", err)
	}
	return nil
}

func writeRecovery(w io.Writer, r Recovery, options TextOptions, body func(*recoveryPrinter)) error {
	t := &recoveryPrinter{textPrinter: textPrinter{options: options}, recovery: r}
	t.check.Warnings = r.Warnings
	body(t)
	t.warningSection()
	t.recoveryConclusion()
	if _, err := io.WriteString(w, t.out.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// attempts prints every error; seen is how many diagnoses are left out.
func (t *recoveryPrinter) attempts(seen int) {
	for i := range t.recovery.Attempts {
		a := &t.recovery.Attempts[i]
		if i >= seen {
			t.diagnosis(a)
		}
		t.done(a)
	}
}

// recoveryPrinter prints a recovery.
type recoveryPrinter struct {
	textPrinter
	recovery Recovery
}

func (t *recoveryPrinter) recoveryHeader() {
	r := t.recovery
	started := "not started"
	if r.StartedAt != nil {
		started = r.StartedAt.Format(timeLayout)
	}
	t.prose(4, "trueup recover %s, %s, took %s", showName(r.RunID), started, showDuration(r.DurationSeconds))
	if r.Continued != "" {
		t.prose(4, "  goes on with what run %s has begun", showName(r.Continued))
	}
	if r.Replica.Address != "" {
		t.servers(r.Source, r.Replica, r.RecoveryChannel)
	}
}

const timeLayout = "2006-01-02 15:04:05 UTC"

func (t *recoveryPrinter) servers(source, replica Server, channel RecoveryChannel) {
	title := serverTitle(replica)
	if channel.Channel != "" {
		title += ", channel " + showName(channel.Channel)
	}
	where := showName(source.Address)
	if where == "" {
		where = "(not reached)"
	}
	t.aligned("  ", [][]string{{"source", where, serverTitle(source)}, {"replica", showName(replica.Address), title}})
}

// diagnosis prints all that is known of one error, what a person wants to know first at the top.
func (t *recoveryPrinter) diagnosis(a *RecoveryAttempt) {
	if a.Error == nil {
		t.noError(a)
		t.bullets("Settings that let this replica drift without an error", a.Hiding)
		return
	}
	number := ""
	if a.Error.Number != 0 {
		number = fmt.Sprintf(" with error %d", a.Error.Number)
	}
	t.heading("%s", paint(t.options.Color, red, "The "+showName(a.Error.Part)+" stopped"+number))
	for _, why := range a.Why {
		t.prose(2, "  %s", showMessage(sentence(why)))
	}
	t.prose(4, "  The server says: %s", showMessage(a.Error.Message))
	if a.Executed.File != "" {
		t.prose(4, "  It stands at %s:%d of its source.", showName(a.Executed.File), a.Executed.Position)
	}
	t.bullets("What to do", a.Advice)
	t.transaction(a)
	t.recoveryRows(a)
	t.rowsInTheWay(a.InTheWay)
	t.cause(a)
	t.bullets("Settings that let this replica drift without an error", a.Hiding)
	t.ways(a.Options)
}

// sentence ends with a full stop. Its first letter stays as it is: it may be a name's.
func sentence(s string) string {
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".!?:") {
		return s
	}
	return s + "."
}

// noError says how a channel stands that no error has stopped.
func (t *recoveryPrinter) noError(a *RecoveryAttempt) {
	switch {
	case a.ApplierRunning && a.ReceiverState == replication.Stopped.String():
		t.heading("No error stops this replica: somebody stopped its receiver, and its applier runs")
		t.prose(4, "  trueup never starts a receiver; \"trueup status\" shows the statement that does.")
	case a.ApplierRunning:
		t.heading("No error stops this replica: its applier runs, and its receiver is %s", showName(a.ReceiverState))
	default:
		t.heading("No error stops this replica: somebody stopped its applier, at %s:%d", showName(a.Executed.File), a.Executed.Position)
		t.prose(4, "  trueup never starts an applier that was stopped on purpose; \"trueup status\" shows the statement that does.")
	}
	for _, why := range a.Why {
		t.prose(2, "  %s", showMessage(sentence(why)))
	}
}

// bullets prints a list under a heading; nothing where it is empty.
func (t *recoveryPrinter) bullets(heading string, lines []string) {
	if len(lines) == 0 {
		return
	}
	t.heading("%s", heading)
	for _, line := range lines {
		t.prose(4, "  - %s", showMessage(line))
	}
}

func (t *recoveryPrinter) transaction(a *RecoveryAttempt) {
	if a.Transaction == nil {
		if a.NotRead != "" {
			t.heading("The transaction is not known")
			t.prose(2, "  %s", showMessage(sentence(a.NotRead)))
		}
		return
	}
	x := a.Transaction
	name := "The transaction"
	if x.GTID != "" {
		name += " " + showName(x.GTID)
	}
	t.heading("%s", name)
	written := ""
	if x.At != nil {
		written = ", written on " + x.At.Format(timeLayout)
	}
	t.prose(4, "  %s from %d to %d (%s)%s; read from the %s", showName(x.File), x.Start, x.End, count(int(x.Bytes), "byte", "bytes"), written, showName(x.From))
	t.prose(4, "  %s", x.contents())
	for i, s := range x.Statements {
		if i == recoveryStatementsShown && !t.options.Verbose {
			t.andMore(len(x.Statements)-i, " statements")
			break
		}
		in := ""
		if s.Database != "" {
			in = "in " + showName(s.Database) + ": "
		}
		t.prose(6, "    %s%s", in, showMessage(s.Text))
	}
}

// contents says of what a transaction consists.
func (x *RecoveryTransaction) contents() string {
	text := count(int(x.Rows), "row change", "row changes")
	var tables []string
	for _, table := range x.Tables {
		tables = append(tables, tableTitle(table.Database, table.Table))
	}
	if len(tables) > 0 {
		text += " in " + strings.Join(tables, ", ")
	}
	if len(x.Statements) > 0 {
		text += ", " + count(len(x.Statements), "statement", "statements")
	}
	if x.Format != "" {
		text += ", " + showName(x.Format) + " format"
	}
	if x.Compressed {
		text += ", compressed"
	}
	if x.XA != "" {
		text += ", XA transaction " + showName(x.XA)
	}
	if x.Truncated {
		text += "; it is too large for all of its rows to be read"
	}
	if x.Partial {
		text += "; its row images leave columns out (binlog_row_image), which cannot be shown"
	}
	return text
}

// domainGTID is the beginning of MariaDB's GTIDs, of which a position names the newest one of a domain.
var domainGTID = regexp.MustCompile(`^[0-9]+-[0-9]+-[0-9]+(,|$)`)

// cause shows what somebody wrote on the replica itself.
func (t *recoveryPrinter) cause(a *RecoveryAttempt) {
	if a.Errant == "" && len(a.DirectWrites) == 0 {
		return
	}
	t.heading("Somebody wrote on this replica itself")
	if a.Errant != "" {
		newest := ""
		if domainGTID.MatchString(a.Errant) {
			newest = " (of each domain the newest one)"
		}
		t.prose(4, "  Transactions that the source does not have%s: %s", newest, showMessage(a.Errant))
	}
	for i, w := range a.DirectWrites {
		if i == recoveryListShown && !t.options.Verbose {
			t.andMore(len(a.DirectWrites)-i, " writes")
			return
		}
		name := fmt.Sprintf("%s:%d", showName(w.File), w.Position)
		if w.GTID != "" {
			name = showName(w.GTID) + ", " + name
		}
		if w.At != nil {
			name += ", " + w.At.Format(timeLayout)
		}
		t.prose(4, "  %s (server_id %d)", name, w.ServerID)
		for _, line := range append(append([]string{}, w.Statements...), w.Rows...) {
			t.prose(6, "    %s", showMessage(line))
		}
	}
}

// ways prints the options in their order, the safest first.
func (t *recoveryPrinter) ways(options []RecoveryOption) {
	if len(options) == 0 {
		return
	}
	t.heading("Ways out, the safest first")
	for i, o := range options {
		name := showName(o.Action)
		switch {
		case o.Recommended:
			name += " (recommended)"
		case o.Doubtful:
			name += " (doubtful: another source may write there too)"
		case o.FailsAgain:
			name += " (fails again as things are)"
		case o.Action == string(recovery.Rebuild):
			name += " (by hand: trueup does not do it)"
		}
		t.printf("  %d. %s\n", i+1, paint(t.options.Color, bold, name))
		t.labelled("Does", o.Does)
		if loses := o.losesText(); len(loses) > 0 {
			t.labelled("Loses", loses)
		}
		t.short("Lost rows", o.Lost)
		t.short("Runs", o.Statements)
	}
}

// losesText says what an option loses; of one that loses nothing it says that.
func (o RecoveryOption) losesText() []string {
	loses := append([]string{}, o.Loses...)
	if len(o.Whole) > 0 && o.Action != string(recovery.Skip) { // a skip's losses name them
		var tables []string
		for _, table := range o.Whole {
			tables = append(tables, tableTitle(table.Database, table.Table))
		}
		loses = append(loses, "It is not known which rows of "+strings.Join(tables, ", ")+" it touches; what is named here is compared as a whole afterwards.")
	}
	if len(loses) == 0 && o.Action != string(recovery.Rebuild) {
		return []string{"nothing"}
	}
	return loses
}

func (t *recoveryPrinter) labelled(label string, lines []string) {
	for i, line := range lines {
		if i > 0 {
			label = ""
		}
		t.prose(13, "     %-7s %s", label, showMessage(line))
	}
}

func (t *recoveryPrinter) short(label string, lines []string) {
	if len(lines) == 0 {
		return
	}
	t.printf("     %s:\n", label)
	for i, line := range lines {
		if i == recoveryListShown && !t.options.Verbose {
			t.prose(7, "       … %s more; --verbose shows them", grouped(int64(len(lines)-i)))
			return
		}
		t.printf("       %s\n", showMessage(line)) // SQL is to be copied: no line of it is broken
	}
}

package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"trueup/internal/overview"
	"trueup/replication"
)

// WriteStatusText writes the status for a person to read. It fails only where w does.
func WriteStatusText(w io.Writer, s Status, options TextOptions) error {
	t := &textPrinter{options: options}
	at := "not read"
	if s.At != nil {
		at = s.At.Format("2006-01-02 15:04:05 UTC")
	}
	t.prose(4, "trueup status, %s", at)
	if s.Error == "" && !s.Interrupted {
		t.statusServer("source", s.Source)
		for _, replica := range s.Replicas {
			t.statusServer("replica", replica)
		}
		t.statusPauses(s.Pauses)
		t.statusRepairs(s.loneRepairs())
		t.statusRecoveries(s.Recoveries)
	}
	if len(s.Warnings) > 0 {
		t.heading("Warnings")
		for _, warning := range s.Warnings {
			t.prose(4, "  %s", showMessage(warning))
		}
	}
	t.out.WriteByte('\n')
	if s.Error != "" {
		t.prose(2, "Nothing could be read: %s.", strings.TrimRight(showMessage(s.Error), "."))
	}
	t.prose(2, "Exit code %d: %s.", s.ExitCode, s.codeMeaning())
	if _, err := io.WriteString(w, t.out.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (s Status) codeMeaning() string {
	switch s.ExitCode {
	case OK:
		return "all that was looked at replicates"
	case Different:
		return "a server does not replicate: stopped, broken or not connected"
	case Unverified:
		return "something could not be read"
	}
	return CodeMeaning(s.ExitCode)
}

// statusServer prints a server, and a line for each channel with what a person has to know of it.
func (t *textPrinter) statusServer(role string, s StatusServer) {
	t.heading("%-8s %s  %s", role, showName(s.Address), serverTitle(s.Server))
	if s.Error != "" {
		t.prose(4, "  %s", paint(t.options.Color, yellow, "could not be read: "+showMessage(s.Error)))
	}
	if role == "replica" && len(s.Channels) == 0 && s.Error == "" {
		t.prose(4, "  %s", paint(t.options.Color, red, "it replicates from nobody"))
	}
	for _, channel := range s.Channels {
		t.statusChannel(channel)
	}
	for _, armed := range s.Switches {
		t.prose(4, "  Session %d is armed to start the applier (dead man's switch of pause %s).", armed.Session, showName(armed.Pause))
	}
}

func (t *textPrinter) statusChannel(c StatusChannel) {
	state, name := overview.State(c.State), ""
	if c.Channel != "" {
		name = " on channel " + showName(c.Channel)
	}
	tone := red
	if state.Replicates() {
		tone = green
	}
	lag := "lag unknown"
	if c.LagSeconds != nil {
		lag = fmt.Sprintf("%g s behind", *c.LagSeconds)
	}
	if c.DelaySeconds > 0 {
		lag += fmt.Sprintf(", delayed by %g s on purpose", c.DelaySeconds)
	}
	t.prose(4, "  %s, from %s%s: receiver %s, applier %s, %s", paint(t.options.Color, tone, strings.ReplaceAll(c.State, "_", " ")),
		showName(c.From), name, c.Receiver, c.Applier, lag)
	for _, said := range []string{c.ReceiverError, c.ApplierError} {
		if said != "" {
			t.prose(6, "    %s", showMessage(said))
		}
	}
	if c.Until != "" {
		t.prose(6, "    It will stop at %s (UNTIL).", showName(c.Until))
	}
	if state == overview.ApplierStopped {
		t.prose(6, "    It stands at %s:%d. To start it:", showName(c.ExecutedFile), c.ExecutedPosition)
		t.printf("      %s\n", showName(c.StartStatement))
	}
	if c.Receiver == replication.Stopped.String() && c.ReceiverError == "" {
		t.prose(6, "    Its receiver was stopped. To start it:")
		t.printf("      %s\n", showName(c.StartReceiver))
	}
}

// pauseWords say what is known of an open pause.
var pauseWords = map[overview.PauseState]string{
	overview.PauseLives:   "its check is running",
	overview.PauseOver:    "its check died; the applier runs again, and the next check notes that",
	overview.PauseArmed:   "its check died; a session on the server is going to start the applier",
	overview.PauseStands:  "its check died; the applier stands, and nothing of that check is left to start it: if nobody stopped it on purpose since, run:",
	overview.PauseUnknown: "its check died; the replica is not among the servers above, or could not be read",
}

func (t *textPrinter) statusPauses(pauses []StatusPause) {
	if len(pauses) == 0 {
		return
	}
	t.heading("Pauses that journals leave open")
	for _, p := range pauses {
		words := pauseWords[overview.PauseState(p.State)]
		opened := ""
		if p.OpenedAt != nil {
			opened = " on " + p.OpenedAt.Format("2006-01-02 15:04:05 UTC")
		}
		t.prose(4, "  %s, stopped by run %s%s: %s", showName(p.Replica), showName(p.RunID), opened, words)
		if overview.PauseState(p.State) == overview.PauseStands {
			t.printf("      %s\n", showName(p.StartStatement))
		}
	}
}

// loneRepairs leaves out those of recoveries that are open themselves: going on with the recovery settles both, and other advice would be in its way.
func (s Status) loneRepairs() (lone []StatusRepair) {
	for _, repair := range s.Repairs {
		if !slices.ContainsFunc(s.Recoveries, func(r StatusRecovery) bool { return r.Journal == repair.Journal && r.RunID == repair.RunID }) {
			lone = append(lone, repair)
		}
	}
	return lone
}

func (t *textPrinter) statusRepairs(repairs []StatusRepair) {
	if len(repairs) == 0 {
		return
	}
	t.heading("Repairs that journals leave open")
	for _, r := range repairs {
		opened := ""
		if r.OpenedAt != nil {
			opened = " on " + r.OpenedAt.Format("2006-01-02 15:04:05 UTC")
		}
		if r.Running {
			t.prose(4, "  %s, by run %s%s: it is running", showName(r.Replica), showName(r.RunID), opened)
			continue
		}
		t.prose(4, "  %s, by run %s%s: it died, and its journal leaves open what became of %s. Repair again to go on, or undo all that it did:",
			showName(r.Replica), showName(r.RunID), opened, count(r.Groups, "transaction", "transactions"))
		t.printf("      %s\n", undoCommand(r.Journal, r.Replica))
	}
}

func (t *textPrinter) statusRecoveries(recoveries []StatusRecovery) {
	if len(recoveries) == 0 {
		return
	}
	t.heading("Recoveries that journals leave open")
	for _, r := range recoveries {
		opened, channel := "", ""
		if r.OpenedAt != nil {
			opened = " on " + r.OpenedAt.Format(timeLayout)
		}
		if r.Channel != "" {
			channel = ", channel " + showName(r.Channel)
		}
		about := fmt.Sprintf("%s%s, by run %s%s, of error %d", showName(r.Replica), channel, showName(r.RunID), opened, r.ErrorNumber)
		if r.Running {
			t.prose(4, "  %s: it is running", about)
			continue
		}
		t.prose(4, "  %s: it was not brought to its end. To go on, with the same servers:", about)
		t.printf("      trueup recover --continue %s\n", shellWord(r.Journal))
	}
}

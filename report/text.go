package report

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// TextOptions are the settings of WriteText.
type TextOptions struct {
	Verbose bool // every table, every listed difference, what was not compared
	Color   bool
	Width   int // of the terminal in cells; 0 for no limit
}

// TextOptionsFor looks at where the text goes: a terminal's width is respected, and verdicts are coloured
// there unless the environment variable NO_COLOR is set to anything (no-color.org).
func TextOptionsFor(w io.Writer, verbose bool) TextOptions {
	width, terminal := TerminalWidth(w)
	return TextOptions{Verbose: verbose, Color: terminal && os.Getenv("NO_COLOR") == "", Width: width}
}

// WriteText writes the check for a person to read. It fails only where w does.
func WriteText(w io.Writer, c Check, options TextOptions) error {
	t := &textPrinter{check: c, options: options}
	t.header()
	t.tableSection()
	t.notComparedSection()
	t.columnSection()
	t.schemaSection()
	t.differenceSection()
	t.unverifiedSection()
	t.warningSection()
	t.syncSection()
	t.conclusion()
	if _, err := io.WriteString(w, t.out.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// textPrinter holds the report until it is whole: one Write, and errors in one place.
type textPrinter struct {
	check   Check
	options TextOptions
	out     strings.Builder
}

func (t *textPrinter) printf(format string, arguments ...any) {
	fmt.Fprintf(&t.out, format, arguments...)
}

// prose prints a paragraph; its lines after the first are indented.
func (t *textPrinter) prose(indent int, format string, arguments ...any) {
	t.out.WriteString(wrap(fmt.Sprintf(format, arguments...), t.options.Width, indent) + "\n")
}

func (t *textPrinter) heading(format string, arguments ...any) {
	t.printf("\n%s\n", paint(t.options.Color, bold, fmt.Sprintf(format, arguments...)))
}

func (t *textPrinter) verdict(verdict string) string {
	return paint(t.options.Color, verdictColour(verdict), strings.ReplaceAll(verdict, "_", " "))
}

// header names the run and the servers.
func (t *textPrinter) header() {
	c := t.check
	started := "not started"
	if c.StartedAt != nil {
		started = c.StartedAt.Format("2006-01-02 15:04:05 UTC")
	}
	waited := ""
	if c.ThrottledSeconds > 0 {
		waited = fmt.Sprintf(", %s of it waiting (--max-lag, --max-load)", showDuration(c.ThrottledSeconds))
	}
	t.prose(4, "trueup check %s, %s, took %s%s", showName(c.RunID), started, showDuration(c.DurationSeconds), waited)
	lines := [][]string{{"source", showName(c.Source.Address), serverTitle(c.Source), ""}}
	for _, r := range c.Replicas {
		title := serverTitle(r.Server)
		if r.Channel != "" {
			title += ", channel " + showName(r.Channel)
		}
		if r.Strategy != "" && r.Strategy != "until" {
			title += ", sync " + showName(r.Strategy)
		}
		if r.Upstream != "" {
			title += ", replicates from " + showName(r.Upstream)
		}
		for _, database := range r.RenamedDatabases {
			title += fmt.Sprintf(", %s is %s there", showName(database.Source), showName(database.Replica))
		}
		lines = append(lines, []string{"replica", showName(r.Address), title, t.verdict(r.Verdict)})
	}
	t.aligned("  ", lines)
}

func serverTitle(s Server) string {
	if s.Flavor == "" {
		return "no connection"
	}
	name := map[string]string{"mysql": "MySQL", "mariadb": "MariaDB"}[s.Flavor]
	return fmt.Sprintf("%s %s, server_id %d", name, showName(shortVersion(s.Version)), s.ServerID)
}

// shortVersion leaves out the build: 10.11.19-MariaDB-0+deb12u1-log is 10.11.19.
func shortVersion(version string) string {
	short, _, _ := strings.Cut(version, "-")
	return short
}

// aligned prints cells in columns of even width; the last cell of a line may hold colour.
func (t *textPrinter) aligned(indent string, lines [][]string) {
	var widths []int
	for _, cells := range lines {
		for i, cell := range cells {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if i < len(cells)-1 {
				widths[i] = max(widths[i], displayWidth(cell))
			}
		}
	}
	for _, cells := range lines {
		line := indent
		for i, cell := range cells {
			line += cell + strings.Repeat(" ", max(0, widths[i]-displayWidth(cell))) + "  "
		}
		t.printf("%s\n", strings.TrimRight(line, " "))
	}
}

// warningSection prints each warning once.
func (t *textPrinter) warningSection() {
	if len(t.check.Warnings) == 0 {
		return
	}
	t.heading("Warnings")
	for _, warning := range t.check.Warnings {
		t.prose(4, "  %s", showMessage(warning))
	}
}

// syncSection says how the servers were read at one position and what that cost them.
func (t *textPrinter) syncSection() {
	sync := t.check.Sync
	for _, how := range []struct{ strategy, does string }{
		{"recheck", "what differed was read again until it was proven, or gone; nothing was paused or locked"},
		{"none", "source and replicas were read as they were, at no common position: what was written meanwhile can look like a difference"},
	} {
		if slices.ContainsFunc(t.check.Replicas, func(r Replica) bool { return r.Strategy == how.strategy }) {
			t.out.WriteByte('\n')
			t.prose(6, "Sync: %s; %s", how.strategy, how.does)
		}
	}
	if len(sync.Epochs) == 0 {
		return
	}
	var blocked, paused float64
	pausedWhere := ""
	for _, epoch := range sync.Epochs {
		blocked = max(blocked, epoch.SourceWritesBlockedSeconds)
		for _, r := range epoch.Replicas {
			if r.ApplierPausedSeconds > paused {
				paused, pausedWhere = r.ApplierPausedSeconds, " ("+showName(r.Address)+")"
			}
		}
	}
	lock := "writes on the source never blocked"
	if blocked > 0 {
		lock = fmt.Sprintf("writes on the source blocked for at most %s", showDuration(blocked))
	}
	t.out.WriteByte('\n')
	pauses := "no replica's applier was paused"
	if paused > 0 {
		pauses = fmt.Sprintf("replica appliers paused for at most %s%s", showDuration(paused), pausedWhere)
	}
	t.prose(6, "Sync: %s, %s; %s; %s", showName(sync.Strategy), count(len(sync.Epochs), "position", "positions"), lock, pauses)
}

// showDuration prints seconds with the precision a person wants.
func showDuration(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d == 0:
		return "0s"
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.3gms", float64(d.Round(10*time.Microsecond))/float64(time.Millisecond))
	default:
		return shortDuration(d)
	}
}

// shortDuration is the form for columns: 0.3s, 12s, 3m05s, 2h03m.
func shortDuration(d time.Duration) string {
	switch {
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 59500*time.Millisecond:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d.Round(time.Second) < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	default:
		d = d.Round(time.Minute)
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
}

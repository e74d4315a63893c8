package cli

import (
	"io"
	"log/slog"

	"github.com/urfave/cli/v2"

	"trueup/check"
	"trueup/report"
)

func filterFlags() []cli.Flag {
	const choice = "What to check (each repeatable; a comma separates nothing)"
	return []cli.Flag{
		&cli.StringSliceFlag{Category: choice, Name: "databases", Usage: "only databases that match the `GLOB`, such as 'shop*'"},
		&cli.StringSliceFlag{Category: choice, Name: "tables", Usage: "only tables that match `DB.TABLE` (globs in both parts); a name that holds a dot stands between backticks"},
		&cli.StringSliceFlag{Category: choice, Name: "ignore-databases", Usage: "leave out databases that match the `GLOB`"},
		&cli.StringSliceFlag{Category: choice, Name: "ignore-tables", Usage: "leave out tables that match `DB.TABLE`"},
		&cli.StringSliceFlag{Category: choice, Name: "ignore-columns", Usage: "leave out columns that match `DB.TABLE.COLUMN`"},
	}
}

func filtersFrom(c *cli.Context) check.Filters {
	return check.Filters{Databases: c.StringSlice("databases"), Tables: c.StringSlice("tables"), IgnoreDatabases: c.StringSlice("ignore-databases"),
		IgnoreTables: c.StringSlice("ignore-tables"), IgnoreColumns: c.StringSlice("ignore-columns")}
}

// outputOptions say what is written, where and how much.
type outputOptions struct {
	format       string
	file         string
	quiet        bool
	verbose      bool
	progressMode string
	logFormat    string
	ofRepair     bool // a check is only the beginning
	applies      bool // a repair's changes
}

const outputCategory = "Output"

func outputFlags() []cli.Flag {
	const output = outputCategory
	return []cli.Flag{
		&cli.StringFlag{Category: output, Name: "format", Value: "text", Usage: "`FORMAT` of the report: text, json or jsonl (an event a line)"},
		&cli.StringFlag{Category: output, Name: "output", Usage: "`FILE` to write the report to; it appears only when it is complete"},
		&cli.BoolFlag{Category: output, Name: "quiet", Usage: "no text report and no progress: the exit code says it"},
		&cli.BoolFlag{Category: output, Name: "verbose", Usage: "every table, every listed row, and on standard error a log of what happens"},
		&cli.StringFlag{Category: output, Name: "progress", Value: "auto", Usage: "`WHEN` to show progress on standard error: auto (on a terminal), always or never"},
		&cli.StringFlag{Category: output, Name: "log-format", Value: "text", Usage: "`FORMAT` of log lines: text or json"},
	}
}

func outputOptionsFrom(c *cli.Context) outputOptions {
	file := c.String("output")
	if file == "-" {
		file = "" // standard output, as for most programs
	}
	return outputOptions{format: c.String("format"), file: file, quiet: c.Bool("quiet"), verbose: c.Bool("verbose"),
		progressMode: c.String("progress"), logFormat: c.String("log-format")}
}

func (o outputOptions) validate(formats ...string) error {
	if err := oneOf("format", o.format, formats...); err != nil {
		return err
	}
	if err := oneOf("progress", o.progressMode, "auto", "always", "never"); err != nil {
		return err
	}
	if o.quiet && o.verbose {
		return usagef("--quiet and --verbose exclude each other")
	}
	return oneOf("log-format", o.logFormat, "text", "json")
}

// terminal is what a run writes to standard error while it goes on: log lines, and progress where it is wanted.
type terminal struct {
	logger    *slog.Logger
	observers []check.Observer
	progress  *report.Progress // nil for none
	back      func()
}

// onTerminal sets up logging and progress. Close it when the run is over.
func (o outputOptions) onTerminal(process Process) *terminal {
	t := &terminal{}
	lines := process.Err
	if o.showsProgress(process.Err) {
		if o.ofRepair {
			t.progress = report.NewRepairProgress(process.Err, o.applies)
		} else {
			t.progress = report.NewProgress(process.Err)
		}
		lines = t.progress.Beside(process.Err)
		t.back = process.Notices.through(lines)
		t.observers = append(t.observers, t.progress)
	}
	t.logger = o.logger(lines)
	t.observers = append(t.observers, report.NewLog(t.logger))
	return t
}

func (t *terminal) close() {
	if t.progress != nil {
		t.progress.Close()
		t.back()
	}
}

// logger logs errors, and with --verbose what happens. Warnings are in the report.
func (o outputOptions) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelError}
	if o.verbose {
		options.Level = slog.LevelInfo
	}
	if o.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func (o outputOptions) showsProgress(w io.Writer) bool {
	switch {
	case o.quiet || o.progressMode == "never":
		return false
	case o.progressMode == "always":
		return true
	default:
		_, isTerminal := report.TerminalWidth(w)
		return isTerminal
	}
}

func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	list := ""
	for i, a := range allowed {
		switch {
		case i == 0:
		case i == len(allowed)-1:
			list += " or "
		default:
			list += ", "
		}
		list += a
	}
	return usagef("--%s %q: %s", flag, value, list)
}

package cli

import (
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"

	"trueup/recovery"
	"trueup/report"
)

// recoverRun is one run of trueup recover, with what it reads and writes.
type recoverRun struct {
	options recoverOptions
	request recovery.Request
	process Process
	output  *report.Output
	nets    *nets
	prompt  prompter // nil where there is nobody to ask
	logger  *slog.Logger
	lines   *report.JSONL

	shown   int      // diagnoses that a person was shown
	notes   []string // for the report
	aborted bool     // ctrl-C in a prompt

	unoffered string // the action that was asked for, and is no way out
}

// beginLines begins the stream of JSON lines, where that is wanted and it has not begun.
func (r *recoverRun) beginLines() {
	if r.options.output.format != "jsonl" || r.lines != nil {
		return
	}
	replica := ""
	if len(r.request.Check.Replicas) > 0 {
		replica = r.request.Check.Replicas[0].Address
	}
	r.lines = report.NewJSONL(r.output, report.JSONLOptions{Version: Version, Recovery: true})
	r.lines.StartRecovery(r.request.Check.RunID, r.request.Check.Source.Address, replica, r.request.Check.Now())
}

// failed reports a recovery that could not begin, unless the command line is to blame.
func (r *recoverRun) failed(err error) error {
	if isUsage(err) {
		return err
	}
	r.beginLines()
	now := r.request.Check.Now()
	return r.report(report.FromRecovery(&recovery.Result{RunID: r.request.Check.RunID, StartedAt: now, FinishedAt: now, Outcome: recovery.Failed, Err: err},
		report.RecoveryFacts{Version: Version, Signal: r.process.Signal()}))
}

// report writes the report of the recovery where it belongs, and makes its exit code the process's.
func (r *recoverRun) report(done report.Recovery) error {
	seen, err := r.write(done)
	if err == nil {
		err = r.output.Commit()
	}
	if err != nil {
		return fmt.Errorf("the recovery ended with exit code %d, but its report could not be written: %w", done.ExitCode, err)
	}
	if done.Failure != "" && !seen {
		r.process.Notices.Say("%s", report.Harmless(done.Failure))
	}
	if done.ExitCode == report.OK {
		return nil
	}
	return exitError{done.ExitCode}
}

// write writes the report; seen tells whether a person sees it.
func (r *recoverRun) write(done report.Recovery) (seen bool, err error) {
	options := r.options.output
	worthIt := done.Failure == "" || len(done.Attempts) > 0 // else it could only repeat an error
	switch {
	case options.format == "json":
		return false, report.WriteRecoveryJSON(r.output, done)
	case options.format == "jsonl":
		r.lines.FinishRecovery(done, r.request.Check.Now())
		return false, r.lines.Err()
	case options.file != "":
		return false, report.WriteRecoveryText(r.output, done, report.TextOptionsFor(r.output, options.verbose))
	case options.quiet || !worthIt:
		return false, nil
	}
	text := report.TextOptionsFor(r.output, options.verbose)
	if _, terminal := report.TerminalWidth(r.output); terminal && r.shown > 0 {
		return true, report.WriteRecoveryRest(r.output, done, r.shown, text)
	}
	return true, report.WriteRecoveryText(r.output, done, text)
}

// userName is who runs this process, as the system knows them.
func userName() string {
	if current, err := user.Current(); err == nil {
		return current.Username
	}
	return "uid " + strconv.Itoa(os.Getuid())
}

package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"trueup/check"
	"trueup/internal/config"
	"trueup/repair"
	"trueup/report"
)

// repairRun is one run of trueup repair, with what it reads and writes.
type repairRun struct {
	options   repairOptions
	request   repair.Request
	process   Process
	output    *report.Output // of a plan in text: the script's
	script    *bufio.Writer  // nil where no script is written
	undo      *undoOutput    // of --undo-file
	nets      *nets
	confirm   func(question string) (bool, error)
	fromRunID string
	warnings  []string
	terminal  *terminal
	lines     *report.JSONL
}

func (r *repairRun) format() string { return r.options.check.output.format }

// isScript tells whether the output is the plan's SQL, so that the summary goes elsewhere.
func (r *repairRun) isScript() bool { return !r.options.apply && r.format() == "text" }

// newScript makes the request write a plan's SQL to the output, the scripts of several replicas one after the other.
func newScript(r *repairRun) *bufio.Writer {
	if !r.isScript() {
		return nil
	}
	const bufferBytes = 1 << 16
	var to io.Writer = r.output
	if _, isTerminal := report.TerminalWidth(r.output); isTerminal { // to be read there, and names of tables may hold anything
		to = report.HarmlessLines(to)
	}
	script := bufio.NewWriterSize(to, bufferBytes)
	r.request.Script = func(check.ReplicaResult) io.Writer { return script }
	return script
}

// confirmation is how a person is asked before anything is changed; nil where nobody is to be.
func (o repairOptions) confirmation(ctx context.Context, process Process) (func(string) (bool, error), error) {
	if !o.apply || o.yes {
		return nil, nil
	}
	confirm := process.confirmOnTerminal(ctx)
	if confirm == nil {
		return nil, usagef("--apply asks before it changes anything, and there is no terminal to ask on: add --yes, or leave --apply out for a plan")
	}
	return confirm, nil
}

// confirmOnTerminal asks a question on the terminal; nil where there is none.
func (p Process) confirmOnTerminal(ctx context.Context) func(string) (bool, error) {
	in, isFile := p.In.(*os.File)
	if !isFile {
		return nil
	}
	return p.confirmOn(config.TerminalConfirm(ctx, in, p.Err))
}

// confirmOn keeps notices off the line of the question; nil where there is nobody to ask.
func (p Process) confirmOn(ask func(string) (bool, error)) func(string) (bool, error) {
	if ask == nil {
		return nil
	}
	return func(question string) (bool, error) {
		defer p.Notices.through(onNewLine{p.Err})()
		return ask(question)
	}
}

// ask shows what is planned and asks whether to do it.
func (r *repairRun) ask(_ context.Context, planned *repair.Result) (bool, error) {
	if r.terminal.progress != nil {
		defer r.terminal.progress.Hold()()
	}
	plan := report.FromRepair(planned, report.RepairFacts{Version: Version, FromRunID: r.fromRunID})
	if err := report.WriteRepairPlan(r.process.Err, plan, report.TextOptionsFor(r.process.Err, r.options.check.output.verbose)); err != nil {
		return false, err
	}
	return r.confirm("\n" + plan.Question())
}

// report writes the report of the repair where it belongs, and makes its exit code the process's. complete: a script that was written is
// the whole plan, so that its file may appear.
func (r *repairRun) report(done report.Repair, complete bool) error {
	shown, err := r.write(done)
	if err == nil && (complete || !r.isScript()) {
		err = r.output.Commit()
	}
	if err != nil {
		return fmt.Errorf("the repair ended with exit code %d, but its report could not be written: %w", done.ExitCode, err)
	}
	if done.Error != "" && !shown {
		r.process.Notices.Say("%s", report.Harmless(done.Error))
	}
	if done.ExitCode == report.OK {
		return nil
	}
	return exitError{done.ExitCode}
}

// write writes the report; shown tells whether a person sees it.
func (r *repairRun) write(done report.Repair) (shown bool, err error) {
	if r.script != nil {
		if err := r.script.Flush(); err != nil {
			return false, err
		}
	}
	options := r.options.check.output
	worthIt := done.Error == "" || len(done.Tables)+len(done.Repairs) > 0 // else it could only repeat an error
	switch {
	case r.format() == "json":
		return false, report.WriteRepairJSON(r.output, done)
	case r.format() == "jsonl":
		r.lines.FinishRepair(done, r.request.Check.Now())
		return false, r.lines.Err()
	case r.isScript() && (options.quiet || !worthIt):
		return false, nil
	case r.isScript():
		to := r.process.Err
		if options.file != "" {
			to = r.process.Out
		}
		return true, report.WriteRepairText(to, done, report.TextOptionsFor(to, options.verbose))
	case options.file != "" || !options.quiet && worthIt:
		return options.file == "", report.WriteRepairText(r.output, done, report.TextOptionsFor(r.output, options.verbose))
	}
	return false, nil
}

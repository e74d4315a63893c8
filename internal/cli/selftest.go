package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"trueup/check"
	"trueup/internal/selftest"
	"trueup/report"
)

const selfTestFlag = "self-test"

// selfTestOptions are the settings of trueup check --self-test: those of its output.
type selfTestOptions struct{ output outputOptions }

// selfTestOptionsFrom refuses every flag that would choose what is checked or how: the self-test has servers and tables of
// its own, and a flag without effect would let somebody think that theirs were tested.
func selfTestOptionsFrom(c *cli.Context) (selfTestOptions, error) {
	options := selfTestOptions{output: outputOptionsFrom(c)}
	for _, flag := range c.Command.Flags {
		name := flag.Names()[0]
		if name == selfTestFlag || !c.IsSet(name) || flag.(cli.CategorizableFlag).GetCategory() == outputCategory {
			continue
		}
		return options, usagef("--%s and --%s exclude each other: the self-test chooses servers, tables and settings of its own", selfTestFlag, name)
	}
	if options.output.format == "jsonl" {
		return options, usagef("--%s has no --format jsonl: text or json", selfTestFlag)
	}
	return options, options.output.validate("text", "json")
}

// runSelfTest runs the self-test and writes its report, also of one that failed or was interrupted.
func runSelfTest(ctx context.Context, options selfTestOptions, process Process) error {
	output, discard, err := process.openOutput(options.output.file, "output")
	if err != nil {
		return err
	}
	defer discard()
	done := judgeSelf(ctx, options.output, process)
	shown := options.output.format == "text" && options.output.file == "" && !options.output.quiet && done.Error == ""
	switch {
	case options.output.format == "json":
		err = report.WriteSelfTestJSON(output, done)
	case shown || options.output.file != "":
		err = report.WriteSelfTestText(output, done, report.TextOptionsFor(output, options.output.verbose))
	}
	if err == nil {
		err = output.Commit()
	}
	if err != nil {
		return fmt.Errorf("the self-test ended with exit code %d, but its report could not be written: %w", done.ExitCode, err)
	}
	if done.Error != "" && !shown {
		process.Notices.Say("%s", report.Harmless("the self-test could not be completed: "+done.Error))
	}
	if done.ExitCode == report.OK {
		return nil
	}
	return exitError{done.ExitCode}
}

// judgeSelf runs the self-test and makes its report. A second signal waits for its servers to end, as a demo's does.
func judgeSelf(ctx context.Context, options outputOptions, process Process) report.SelfTest {
	ended := make(chan struct{})
	defer process.Leftovers.Add(func() { <-ended })()
	defer close(ended)
	run := report.SelfTestRun{RunID: check.NewRunID(time.Now()), Version: Version, StartedAt: time.Now()}
	settings := selftest.Options{RunID: run.RunID, Pauses: process.Pauses, Logger: options.logger(process.Err)}
	if options.showsProgress(process.Err) {
		settings.Say = process.Notices.Say
	}
	outcome, err := selftest.Run(ctx, settings)
	run.FinishedAt = time.Now()
	run.ServerVersion, run.Traps, run.Problems, run.Err = outcome.ServerVersion, outcome.Traps, outcome.Problems, err
	if _, interrupted := process.signalCode(ctx); interrupted && err != nil {
		run.Signal = process.Signal()
	}
	return report.NewSelfTest(run)
}

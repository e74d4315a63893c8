package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"trueup/internal/overview"
	"trueup/report"
)

// statusOptions are the settings of trueup status, as flags give them.
type statusOptions struct {
	servers serverOptions
	output  outputOptions
}

func statusCommand(process Process) *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "show how a source and its replicas stand, and what runs have left open on them",
		UsageText: "trueup status --source DSN [--replica DSN]... [flags]",
		Description: "Reads, and changes nothing: every channel of the source and its replicas (receiver, applier, lag, delay, errors, UNTIL), " +
			"the pauses, repairs and recoveries that runs which were killed have left open, and the sessions that wait to start an applier. Without --replica the " +
			"replicas are those the source knows of: one whose receiver stands is not among them.",
		Flags: append(serverFlags(), statusOutputFlags()...),
		Action: func(c *cli.Context) error {
			options := statusOptions{servers: serverOptionsFrom(c), output: outputOptionsFrom(c)}
			options.output.progressMode, options.output.logFormat = "never", "text"
			return runStatus(c.Context, options, process)
		},
	}
}

func statusOutputFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Category: outputCategory, Name: "format", Value: "text", Usage: "`FORMAT` of the report: text or json"},
		&cli.StringFlag{Category: outputCategory, Name: "output", Usage: "`FILE` to write the report to; it appears only when it is complete"},
		&cli.BoolFlag{Category: outputCategory, Name: "quiet", Usage: "no text report: the exit code says it"},
	}
}

// runStatus looks once and writes its report.
func runStatus(ctx context.Context, options statusOptions, process Process) error {
	if err := options.output.validate("text", "json"); err != nil {
		return err
	}
	loaded, err := options.servers.load(ctx, process)
	if err != nil {
		return err
	}
	folder, err := journalFolder(loaded.StateDir, process)
	if err != nil {
		return err
	}
	output, discard, err := process.openOutput(options.output.file, "output")
	if err != nil {
		return err
	}
	defer discard()
	run := report.StatusRun{Version: Version, Source: loaded.Source.Address}
	run.Seen, run.Err = overview.Read(ctx, overview.Request{Source: *loaded.Source, Replicas: loaded.Replicas, Journals: folder, Now: time.Now})
	if _, ended := process.signalCode(ctx); ended && errors.Is(run.Err, context.Canceled) {
		run.Signal = process.Signal()
	}
	return writeStatus(report.NewStatus(run), options.output, output, process)
}

func writeStatus(done report.Status, options outputOptions, output *report.Output, process Process) (err error) {
	shown := options.format == "text" && options.file == "" && !options.quiet && done.Error == ""
	switch {
	case options.format == "json":
		err = report.WriteStatusJSON(output, done)
	case shown || options.file != "":
		err = report.WriteStatusText(output, done, report.TextOptionsFor(output, false))
	}
	if err == nil {
		err = output.Commit()
	}
	if err != nil {
		return fmt.Errorf("the report could not be written: %w", err)
	}
	if done.Error != "" {
		process.Notices.Say("%s", report.Harmless(done.Error))
	}
	if done.ExitCode == report.OK {
		return nil
	}
	return exitError{done.ExitCode}
}

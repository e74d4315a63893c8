package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/urfave/cli/v2"

	"trueup/check"
	"trueup/internal/config"
	"trueup/replication/syncpoint"
	"trueup/report"
)

// Streams are where a command reads and writes: data on Out, all else on Err.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Process is what a command knows of the process it runs in.
type Process struct {
	Streams
	Getenv func(string) string
	// Signal is the signal that ended the context, nil for none.
	Signal func() os.Signal
	// Pauses counts appliers that stand still because of this process.
	Pauses *syncpoint.Pauses
	// Notices are where main says that a signal was heard; a live progress line makes way for them.
	Notices *Notices
	// Leftovers are cleaned up by main when it ends at once.
	Leftovers *Leftovers
}

// signalCode is the exit code for the signal that ended ctx; false when none did.
func (p Process) signalCode(ctx context.Context) (int, bool) {
	switch {
	case ctx.Err() == nil || p.Signal() == nil:
		return 0, false
	case p.Signal() == syscall.SIGTERM:
		return report.Terminated, true
	default:
		return report.Interrupted, true
	}
}

// exitError carries an exit code that needs no message any more.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// Main runs the command line in args (without the program's name) and returns the exit code.
func Main(ctx context.Context, args []string, process Process) int {
	err := runCommand(ctx, newApp(process), args, process)
	var exit exitError
	switch {
	case err == nil:
		return report.OK
	case errors.As(err, &exit):
		return exit.code
	}
	code, ended := process.signalCode(ctx)
	if ended && errors.Is(err, context.Canceled) {
		return code // it was said that the signal was heard
	}
	process.Notices.Say("%s", report.Harmless(err.Error()))
	if ended {
		return code
	}
	if isUsage(err) {
		return report.Usage
	}
	return report.Failed
}

// isUsage tells whether an error is that of the command line or its files.
func isUsage(err error) bool {
	var usage *usageError
	var request *check.RequestError
	var settings *config.UsageError
	return errors.As(err, &usage) || errors.As(err, &request) || errors.As(err, &settings)
}

func runCommand(ctx context.Context, app *cli.App, args []string, process Process) error {
	command, asked, err := helpFor(app, args)
	if err != nil {
		return err
	}
	if asked {
		return writeHelp(process.Out, app, command)
	}
	if err := checkArguments(app, args); err != nil {
		return err
	}
	return app.RunContext(ctx, append([]string{app.Name}, args...))
}

func newApp(process Process) *cli.App {
	app := &cli.App{
		Name:                      "trueup",
		Usage:                     "prove that MySQL and MariaDB replicas hold the same data as their source",
		UsageText:                 "trueup COMMAND [flags]",
		HideVersion:               true, // there is a command, and -v must not print it
		HideHelp:                  true, // help.go prints it, 80 columns wide
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true, // passwords and table names hold commas
		Writer:                    process.Out,
		ErrWriter:                 process.Err,
		ExitErrHandler:            func(*cli.Context, error) {}, // Main decides the exit code
		Commands:                  []*cli.Command{checkCommand(process), repairCommand(process), recoverCommand(process), statusCommand(process), auditCommand(process), demoCommand(process), versionCommand(process)},
	}
	app.OnUsageError = onUsageError
	for _, command := range app.Commands {
		for _, c := range append([]*cli.Command{command}, command.Subcommands...) {
			c.OnUsageError = onUsageError
			c.HideHelp = true
		}
	}
	return app
}

// onUsageError makes what only urfave/cli finds wrong a usage error too.
func onUsageError(_ *cli.Context, err error, _ bool) error { return usagef("%v", err) }

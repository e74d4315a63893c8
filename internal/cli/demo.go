package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"trueup/check"
	"trueup/internal/demo"
	"trueup/report"
)

func demoCommand(process Process) *cli.Command {
	return &cli.Command{
		Name:      "demo",
		Usage:     "start a private source and two replicas; damage, check and repair one; stop and recover both",
		UsageText: "trueup demo [flags]",
		Description: "Starts three MariaDB servers of its own on free ports in a temporary folder, loads tables of many " +
			"column types, keeps writing to the source, damages one replica in several ways, runs the check and " +
			"shows what it found; then plans the repair, repairs the replica, undoes that and repairs it again. At last it stops each replica by an error of its own, and recovers it: " +
			"the first by a fix, the second by a skip. Needs mariadbd (or Docker) on this machine; touches nothing else and stops " +
			"everything it started.",
		Flags: []cli.Flag{&cli.BoolFlag{Category: "Output", Name: "verbose", Usage: "every table and every listed row, and on standard error a log of what happens"}},
		Action: func(c *cli.Context) error {
			return runDemo(c.Context, outputOptions{format: "text", verbose: c.Bool("verbose"), progressMode: "auto", logFormat: "text"}, process)
		},
	}
}

func runDemo(ctx context.Context, options outputOptions, process Process) (err error) {
	// Its own servers are all that a demo has to end: a second signal waits for that too.
	ended := make(chan struct{})
	defer process.Leftovers.Add(func() { <-ended })()
	defer close(ended)
	say(process, "Starting a private source and %d replicas, and loading sample data ...", demo.Replicas)
	topology, err := demo.Start(ctx)
	defer func() {
		if closeErr := topology.Close(); err == nil {
			err = closeErr
		}
	}()
	if err != nil {
		return demoFailed(ctx, process, err)
	}
	say(process, "The source is %s, the replicas are %s and %s.", topology.Source.Address(), topology.Replicas[0].Address(), topology.Replicas[1].Address())
	say(process, "Damaging %s behind replication's back:\n  - %s", topology.Damaged(), strings.Join(demo.Stories(), "\n  - "))
	if err := topology.Damage(ctx); err != nil {
		return demoFailed(ctx, process, err)
	}
	result, transactions, err := checkWhileWriting(ctx, topology, options, process)
	if err != nil {
		return demoFailed(ctx, process, err)
	}
	done := report.FromCheck(result, Version).WithSignal(process.Signal())
	if err := report.WriteText(process.Out, done, report.TextOptionsFor(process.Out, options.verbose)); err != nil {
		return err
	}
	if result.Interrupted {
		return exitError{done.ExitCode}
	}
	if wrong := topology.Judge(result); len(wrong) > 0 {
		return fmt.Errorf("the check did not find exactly the damage:\n  %s", strings.Join(wrong, "\n  "))
	}
	say(process, "\nThe check found exactly the damage, while the source ran %d transactions.", transactions)
	if err := repairWhileWriting(ctx, topology, process); err != nil {
		return demoFailed(ctx, process, err)
	}
	if err := recoverWhileWriting(ctx, topology, process); err != nil {
		return demoFailed(ctx, process, err)
	}
	say(process, "Stopping the servers.")
	return nil
}

// checkWhileWriting runs the check as "trueup check --source DSN" would, with the replicas discovered from the source.
func checkWhileWriting(ctx context.Context, topology *demo.Topology, options outputOptions, process Process) (*check.Result, int, error) {
	writer, err := topology.StartWriter()
	if err != nil {
		return nil, 0, err
	}
	say(process, "A writer keeps the source busy. Now: trueup check --source '%s:%s@tcp(%s)/'\n", demo.Account, demo.Password, topology.Source.Address())
	result, err := checkDemo(ctx, topology, options, process)
	transactions, writeErr := writer.Stop()
	if err == nil {
		err = writeErr
	}
	return result, transactions, err
}

// checkDemo checks the demo's servers.
func checkDemo(ctx context.Context, topology *demo.Topology, options outputOptions, process Process) (*check.Result, error) {
	request := check.DefaultRequest()
	request.Source = topology.SourceEndpoint()
	onTerminal := options.onTerminal(process)
	defer onTerminal.close()
	request.Pauses, request.Logger = process.Pauses, onTerminal.logger
	return check.Run(ctx, request, report.Observers(onTerminal.observers...))
}

// demoFailed makes an end by signal one, whatever statement it hit.
func demoFailed(ctx context.Context, process Process, err error) error {
	if code, ended := process.signalCode(ctx); ended {
		return exitError{code}
	}
	return err
}

func say(process Process, format string, args ...any) {
	fmt.Fprintf(process.Out, format+"\n", args...)
}

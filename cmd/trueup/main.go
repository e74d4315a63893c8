// Command trueup proves that MySQL and MariaDB replicas hold the same data as their source.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"trueup/internal/cli"
	"trueup/replication/syncpoint"
	"trueup/report"
)

func main() {
	// Rows are compared without allocating; what is left is memory that lies about until it is collected. Half as much of
	// it costs next to nothing here.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	if cli.IsGuard(os.Args[1:]) {
		os.Exit(cli.RunGuard(cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	os.Exit(run())
}

const garbagePercent = 50

// run wires streams and signals: the first signal ends the run cleanly, the second at once, except that an applier
// standing still because of us is started first, and that files and servers of our own do not stay behind.
func run() int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var received atomic.Value
	process := cli.Process{
		Streams:   cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr},
		Getenv:    os.Getenv,
		Pauses:    &syncpoint.Pauses{},
		Notices:   cli.NewNotices(os.Stderr),
		Leftovers: &cli.Leftovers{},
		Signal: func() os.Signal {
			s, _ := received.Load().(os.Signal)
			return s
		},
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endingSignals()...)
	// A reader that goes away, as head does, must not end us while an applier stands: the write fails instead.
	signal.Ignore(syscall.SIGPIPE)
	go func() {
		first := meaning(<-signals)
		received.Store(first)
		process.Notices.Say("%s: ending; the same again ends at once", signalNames[first])
		cancel()
		endAtOnce(meaning(<-signals), process)
	}()
	return cli.Main(ctx, os.Args[1:], process)
}

const (
	// pauseGrace is how long a second signal waits for an applier to be started; the dead man's switch comes after it.
	pauseGrace = 5 * time.Second
	cleanGrace = 5 * time.Second
)

func endAtOnce(s os.Signal, process cli.Process) {
	if !process.Pauses.Wait(context.Background(), pauseGrace) {
		process.Notices.Say("an applier still stands; its server starts it within %v", syncpoint.DefaultSwitchDelay)
	}
	process.Leftovers.Clean(cleanGrace)
	if s == syscall.SIGTERM {
		os.Exit(report.Terminated)
	}
	os.Exit(report.Interrupted)
}

var signalNames = map[os.Signal]string{os.Interrupt: "interrupted (SIGINT)", syscall.SIGTERM: "terminated (SIGTERM)"}

// endingSignals are those that end a run. A terminal that is closed sends SIGHUP; under nohup it is ignored and stays so.
func endingSignals() []os.Signal {
	ending := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		ending = append(ending, syscall.SIGHUP)
	}
	return ending
}

// meaning makes SIGHUP a SIGTERM: there are two exit codes for signals.
func meaning(s os.Signal) os.Signal {
	if s == syscall.SIGHUP {
		return syscall.SIGTERM
	}
	return s
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"trueup/check"
	"trueup/chunker"
	"trueup/internal/config"
	"trueup/replication/syncpoint"
	"trueup/report"
)

// checkOptions are the settings of trueup check, as flags give them.
type checkOptions struct {
	servers      serverOptions
	filters      check.Filters
	output       outputOptions
	sync         string
	workers      int
	chunkSize    int
	chunkSizeSet bool
	chunkTime    time.Duration
	chunkTimeSet bool
	timeout      time.Duration
	maxAge       time.Duration
	lockTimeout  time.Duration
	lockHoldMax  time.Duration
	throttle     throttleOptions
	maxListed    int
	differences  string // file
}

func checkCommand(process Process) *cli.Command {
	return &cli.Command{
		Name:        "check",
		Usage:       "verify that replicas hold the same data as their source, at a synced position",
		UsageText:   "trueup check --source DSN [--replica DSN]... [flags]",
		Description: checkDescription,
		Flags:       slices.Concat(serverFlags(), filterFlags(), howFlags(), differenceFlags(), throttleFlags(true), outputFlags()),
		Action: func(c *cli.Context) error {
			if c.Bool(selfTestFlag) {
				options, err := selfTestOptionsFrom(c)
				if err != nil {
					return err
				}
				return runSelfTest(c.Context, options, process)
			}
			return runCheck(c.Context, checkOptionsFrom(c), process)
		},
	}
}

const checkDescription = `Reads every chosen table on the source and its replicas at one position of the binary log and
compares the rows. Writes nothing. Each replica's applier is stopped for moments, so that it stands exactly at the
position, and started again on every way out; --sync compares in other ways. Without --replica the replicas are those the source knows of; they are
reached with the source's user and password.

A DSN is user[:password]@tcp(host:port)/ or user@unix(/path)/ or mysql://user[:password]@host[:port]/. A password that
is not given is taken from ` + config.EnvPassword + ` or asked for on a terminal. What the account may not do is named together with the
GRANT that allows it.

  trueup check --source 'checker@tcp(db1:3306)/'
  trueup check --source 'checker@tcp(db1:3306)/' --replica 'checker@tcp(db2)/' \
      --tables 'shop.*' --format json --output check.json
  trueup check --self-test

--self-test checks nothing of yours: it starts a private source and replica on this machine, plants known damage on the
replica, and ends with 0 when the check found exactly that, with 2 when not. It needs mariadbd or Docker.`

const howCategory = "How to check"

// howFlags are those of every command that checks.
func howFlags() []cli.Flag {
	const how = howCategory
	return []cli.Flag{
		&cli.StringFlag{Category: how, Name: "sync", Value: string(check.Until), Usage: "`STRATEGY` to read source and replicas alike: until pauses each applier for moments; lock locks the tables on the source until the replicas have come so far; recheck reads again what differs; none reads at once, where nothing is written; auto takes the first of until, lock, recheck that a replica allows, and says so"},
		&cli.IntFlag{Category: how, Name: "workers", Value: check.DefaultWorkers(), Usage: "`NUMBER` of chunks compared at once; each takes one connection to every server"},
		&cli.IntFlag{Category: how, Name: "chunk-size", Usage: "`ROWS` of a chunk, instead of --chunk-time"},
		&cli.DurationFlag{Category: how, Name: "chunk-time", Value: chunker.DefaultTime, Usage: "`TIME` that comparing a chunk should take"},
		&cli.DurationFlag{Category: how, Name: "sync-timeout", Value: syncpoint.DefaultTimeout, Usage: "`TIME` a replica has to reach the position; then it is unverified"},
		&cli.DurationFlag{Category: how, Name: "sync-max-age", Value: check.DefaultSyncMaxAge, Usage: "`TIME` after which snapshots are replaced by newer ones"},
		&cli.DurationFlag{Category: how, Name: "lock-timeout", Value: syncpoint.DefaultLockTimeout, Usage: "`TIME` to wait for all read locks on a MySQL source together; then the check fails (MariaDB needs them for --sync lock only)"},
		&cli.DurationFlag{Category: how, Name: "lock-hold-max", Value: syncpoint.DefaultLockHoldMax, Usage: "`TIME` for which those locks are held at the most; the server ends them also when trueup hangs"},
	}
}

func differenceFlags() []cli.Flag {
	const how = howCategory
	return []cli.Flag{
		&cli.IntFlag{Category: how, Name: "max-differences", Value: check.DefaultMaxDifferences, Usage: "`NUMBER` of differing rows that are listed; all are counted"},
		&cli.StringFlag{Category: how, Name: "differences-file", Usage: "`FILE` that gets every differing row, one JSON object a line"},
		&cli.BoolFlag{Category: how, Name: selfTestFlag, Usage: "instead of a check of your servers: prove on private ones that planted damage is found; goes with the flags of Output only"},
	}
}

func checkOptionsFrom(c *cli.Context) checkOptions {
	return checkOptions{
		servers: serverOptionsFrom(c), filters: filtersFrom(c), output: outputOptionsFrom(c),
		sync: c.String("sync"), workers: c.Int("workers"), chunkSize: c.Int("chunk-size"), chunkSizeSet: c.IsSet("chunk-size"),
		chunkTime: c.Duration("chunk-time"), chunkTimeSet: c.IsSet("chunk-time"), timeout: c.Duration("sync-timeout"), maxAge: c.Duration("sync-max-age"),
		lockTimeout: c.Duration("lock-timeout"), lockHoldMax: c.Duration("lock-hold-max"), maxListed: c.Int("max-differences"),
		throttle: throttleOptionsFrom(c), differences: c.String("differences-file"),
	}
}

// request makes the check's request; the servers are still to be filled in.
func (o checkOptions) request() (check.Request, error) {
	request := check.DefaultRequest()
	request.Sync = check.Strategy(o.sync)
	if !slices.Contains(check.Strategies(), request.Sync) {
		return request, usagef("--sync %q: until, lock, recheck, none or auto", o.sync)
	}
	if o.chunkSizeSet && o.chunkSize < 1 {
		return request, usagef("--chunk-size %d: a chunk has at least 1 row", o.chunkSize)
	}
	if o.chunkSizeSet && o.chunkTimeSet {
		return request, usagef("--chunk-size and --chunk-time exclude each other")
	}
	request.Filters = o.filters
	request.Workers = o.workers
	request.Size = chunker.SizeOptions{Rows: o.chunkSize, Time: o.chunkTime}
	request.LockTimeout, request.LockHoldMax = o.lockTimeout, o.lockHoldMax
	request.SyncTimeout, request.SyncMaxAge, request.MaxDifferences = o.timeout, o.maxAge, o.maxListed
	if err := o.throttle.apply(&request); err != nil {
		return request, err
	}
	return request, o.explainCommas(request.Validate())
}

// explainCommas adds to a refusal of patterns that a comma, in most programs a separator, is none here.
func (o checkOptions) explainCommas(err error) error {
	var refused *check.RequestError
	if !errors.As(err, &refused) {
		return err
	}
	for _, patterns := range [][]string{o.filters.Databases, o.filters.Tables, o.filters.IgnoreDatabases, o.filters.IgnoreTables, o.filters.IgnoreColumns} {
		for _, pattern := range patterns {
			if strings.Contains(pattern, ",") {
				return fmt.Errorf("%w; in %q the comma is no separator: give the flag once for each pattern", err, pattern)
			}
		}
	}
	return err
}

// runCheck checks first everything that can be wrong without a server, then runs the check and writes its report.
func runCheck(ctx context.Context, options checkOptions, process Process) error {
	if err := options.output.validate("text", "json", "jsonl"); err != nil {
		return err
	}
	request, err := options.request()
	if err != nil {
		return err
	}
	request.Pauses = process.Pauses
	loaded, err := options.servers.load(ctx, process)
	if err != nil {
		return err
	}
	request.Source, request.Replicas = *loaded.Source, loaded.Replicas
	nets, err := cast("check", &request, loaded.StateDir, process)
	if err != nil {
		return err
	}
	output, discard, err := process.openOutput(options.output.file, "output")
	if err != nil {
		return err
	}
	defer discard()
	differences, err := options.openDifferences(request, process)
	if err != nil {
		return err
	}
	if differences != nil {
		defer differences.discard()
		request.Differences = differences
	}
	defer nets.drawIn(options.output.logger(process.Err))
	return options.explainCommas(checkAndReport(ctx, request, options.output, output, process))
}

func checkAndReport(ctx context.Context, request check.Request, options outputOptions, output *report.Output, process Process) error {
	onTerminal := options.onTerminal(process)
	defer onTerminal.close()
	request.Logger = onTerminal.logger
	observers := onTerminal.observers
	if file, isFile := request.Differences.(*differencesFile); isFile {
		observers = append([]check.Observer{file}, observers...) // first: what goes wrong is to be in every report
	}
	var lines *report.JSONL
	if options.format == "jsonl" {
		lines = report.NewJSONL(output, report.JSONLOptions{Version: Version, Chunks: options.verbose, Signal: process.Signal})
		observers = append(observers, lines)
	}
	result, err := check.Run(ctx, request, report.Observers(observers...))
	onTerminal.close()
	if err != nil {
		return err
	}
	done := report.FromCheck(result, Version).WithSignal(process.Signal())
	shown := options.showsText(result)
	if err := writeReport(done, options, output, lines, shown); err != nil {
		return fmt.Errorf("the check ended with exit code %d (%s), but its report could not be written: %w", done.ExitCode, report.CodeMeaning(done.ExitCode), err)
	}
	if result.Err != nil && !shown {
		for _, warning := range result.Warnings {
			process.Notices.Say("warning: %s", report.Harmless(warning))
		}
		process.Notices.Say("%s", report.Harmless(result.Err.Error()))
	}
	if done.ExitCode == report.OK {
		return nil
	}
	return exitError{done.ExitCode}
}

// showsText tells whether a text report goes to standard output: not when it could only repeat an error.
func (o outputOptions) showsText(result *check.Result) bool {
	return o.format == "text" && o.file == "" && !o.quiet && (result.Err == nil || len(result.Tables) > 0)
}

func writeReport(done report.Check, options outputOptions, output *report.Output, lines *report.JSONL, showText bool) error {
	var err error
	switch {
	case lines != nil:
		err = lines.Err()
	case options.format == "json":
		err = report.WriteJSON(output, done)
	case showText || options.file != "":
		err = report.WriteText(output, done, report.TextOptionsFor(output, options.verbose))
	}
	if err != nil {
		return err
	}
	return output.Commit()
}

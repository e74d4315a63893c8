package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"trueup/check"
	"trueup/repair"
	"trueup/report"
)

// repairOptions are the settings of trueup repair, as flags give them.
type repairOptions struct {
	check           checkOptions // of the check that it begins with
	from            string       // file
	apply           bool
	via             string
	maxRows         int
	maxPause        time.Duration
	withSchema      bool
	leaveDownstream bool
	undoFile        string
	yes             bool
}

func repairCommand(process Process) *cli.Command {
	return &cli.Command{
		Name:        "repair",
		Usage:       "make replicas equal to their source: a plan in SQL, or --apply",
		UsageText:   "trueup repair --source DSN [--replica DSN]... [--apply] [flags]",
		Description: repairDescription,
		Flags:       slices.Concat(repairFlags(), serverFlags(), filterFlags(), howFlags(), throttleFlags(false), outputFlags()),
		Action: func(c *cli.Context) error {
			if c.IsSet(undoFlag) {
				options, err := undoOptionsFrom(c)
				if err != nil {
					return err
				}
				return runUndo(c.Context, options, process)
			}
			return runRepair(c.Context, repairOptionsFrom(c), process)
		},
	}
}

const repairDescription = `Checks, and plans how the rows that differ are made equal to the source's. The plan is SQL on standard output, for each replica a script with one transaction a group of rows, and a
summary on standard error; nothing is changed. A script refuses to run on another server, or unless the replica's applier stands where the plan was made.

With --apply the plan is carried out, on the replicas and unlogged: while a replica's applier stands at the source's position the rows of one group after the other are locked, read again, and changed only if
they still are as planned; the range must have the source's digest before the transaction is committed. What the rows were is on the disk before they change, so that all of it can be undone. What cannot be repaired
soundly (triggers, differing definitions ...) is refused by name and left. The source is never written, but with --via source.

  trueup repair --source 'fixer@tcp(db1:3306)/' > plan.sql
  trueup repair --source 'fixer@tcp(db1:3306)/' --apply --undo-file undo.sql
  trueup check  --source 'fixer@tcp(db1:3306)/' --format json --output c.json
  trueup repair --source 'fixer@tcp(db1:3306)/' --from c.json --apply
  trueup repair --undo undo.sql --replica 'fixer@tcp(db2:3306)/'`

const (
	repairCategory = "What to repair, and how"
	undoFlag       = "undo"
)

func repairFlags() []cli.Flag {
	const category = repairCategory
	return []cli.Flag{
		&cli.BoolFlag{Category: category, Name: "apply", Usage: "change the replicas; asks first, on a terminal. Without it nothing is changed"},
		&cli.BoolFlag{Category: category, Name: "yes", Usage: "do not ask"},
		&cli.StringFlag{Category: category, Name: "from", Usage: "JSON `FILE` of trueup check: only what differed there is read again, on the same servers"},
		&cli.StringFlag{Category: category, Name: "via", Value: string(repair.ViaReplica), Usage: "`SERVER` to write to: replica (each its own, unlogged), or source (only where every replica applies statements)"},
		&cli.IntFlag{Category: category, Name: "max-rows", Value: repair.DefaultMaxRows, Usage: "`NUMBER` of differing rows beyond which nothing is applied"},
		&cli.DurationFlag{Category: category, Name: "max-pause", Value: repair.DefaultMaxPause, Usage: "`TIME` for which a replica's applier stands at the most, for one group of rows"},
		&cli.BoolFlag{Category: category, Name: "with-schema", Usage: "create and fill tables that are missing on a replica, and drop those that only a replica has, once they are empty"},
		&cli.BoolFlag{Category: category, Name: "leave-downstream", Usage: "repair a replica that has replicas of its own, which do not get what is repaired"},
		&cli.StringFlag{Category: category, Name: "undo-file", Usage: "`FILE` that gets the SQL to undo what was applied; with several replicas a file for each, with its address in the name"},
		&cli.StringFlag{Category: category, Name: undoFlag, Usage: "instead of a repair: undo one, from its undo `FILE` or its journal, on the one --replica"},
	}
}

func repairOptionsFrom(c *cli.Context) repairOptions {
	options := repairOptions{
		check: checkOptionsFrom(c), from: c.String("from"), apply: c.Bool("apply"), via: c.String("via"), maxRows: c.Int("max-rows"), maxPause: c.Duration("max-pause"),
		withSchema: c.Bool("with-schema"), leaveDownstream: c.Bool("leave-downstream"), undoFile: c.String("undo-file"), yes: c.Bool("yes"),
	}
	options.check.output.ofRepair, options.check.output.applies = true, options.apply
	if options.check.output.format != "text" {
		options.check.maxListed = check.DefaultMaxDifferences
	}
	return options
}

// validate refuses what can be seen to be wrong by itself.
func (o repairOptions) validate() error {
	switch {
	case o.yes && !o.apply:
		return usagef("--yes answers a question that is asked with --apply or --undo only")
	case o.undoFile != "" && !o.apply:
		return usagef("--undo-file: without --apply nothing is changed that could be undone")
	case o.undoFile == "-":
		return usagef("--undo-file -: standard output is the report's; name a file")
	case samePath(o.undoFile, o.check.output.file):
		return usagef("--undo-file and --output are the same file")
	case samePath(o.from, o.check.output.file) || samePath(o.from, o.undoFile):
		return usagef("--from %s is a file that another flag would write", o.from)
	}
	return o.check.output.validate("text", "json", "jsonl")
}

// request makes the repair's request; the servers and where things are written are still to be filled in.
func (o repairOptions) request(process Process) (repair.Request, error) {
	request := repair.DefaultRequest()
	checking, err := o.check.request()
	if err != nil {
		return request, err
	}
	checking.Pauses = process.Pauses
	request.Check, request.Version = checking, Version
	request.Via, request.MaxRows, request.MaxPause = repair.Via(o.via), int64(o.maxRows), o.maxPause
	request.WithSchema, request.LeaveDownstream = o.withSchema, o.leaveDownstream
	return request, request.Validate()
}

// runRepair checks first everything that can be wrong without a server, then repairs or plans, and writes its report.
func runRepair(ctx context.Context, options repairOptions, process Process) error {
	if err := options.validate(); err != nil {
		return err
	}
	confirm, err := options.confirmation(ctx, process)
	if err != nil {
		return err
	}
	request, err := options.request(process)
	if err != nil {
		return err
	}
	stored, err := options.readFrom(&request)
	if err != nil {
		return err
	}
	loaded, err := options.check.servers.load(ctx, process)
	if err != nil {
		return err
	}
	request.Check.Source, request.Check.Replicas = *loaded.Source, loaded.Replicas
	nets, err := cast("repair", &request.Check, loaded.StateDir, process)
	if err != nil {
		return err
	}
	output, discard, err := process.openOutput(options.check.output.file, "output")
	if err != nil {
		return err
	}
	defer discard()
	undo, err := options.openUndo(process)
	if err != nil {
		return err
	}
	defer undo.discard()
	run := &repairRun{options: options, request: request, process: process, output: output, undo: undo, nets: nets, confirm: confirm}
	if stored != nil {
		run.fromRunID, run.warnings = stored.Document.RunID, fromWarning(stored)
		if len(request.Check.Ranges) == 0 {
			return run.nothing(*stored)
		}
	}
	defer nets.drawIn(options.check.output.logger(process.Err))
	return options.check.explainCommas(run.repair(ctx))
}

// repair runs the repair and reports.
func (r *repairRun) repair(ctx context.Context) error {
	r.request.Journal = r.nets
	if r.options.apply {
		if err := r.nets.begin(); err != nil {
			return err
		}
		r.request.Apply = true
	}
	r.terminal = r.options.check.output.onTerminal(r.process)
	defer r.terminal.close()
	r.request.Check.Logger = r.terminal.logger
	observers := r.terminal.observers
	if r.format() == "jsonl" {
		r.lines = report.NewJSONL(r.output, report.JSONLOptions{Version: Version, Chunks: r.options.check.output.verbose, Signal: r.process.Signal, Repair: true})
		observers = append(observers, r.lines)
	}
	if r.confirm != nil {
		r.request.Confirm = r.ask
	}
	r.script = newScript(r)
	result, err := repair.Run(ctx, r.request, report.Observers(observers...))
	r.terminal.close()
	if err != nil {
		return err
	}
	r.nets.drawIn(r.terminal.logger)
	return r.conclude(result)
}

// conclude writes the undo files, and the report.
func (r *repairRun) conclude(result *repair.Result) error {
	facts := report.RepairFacts{Version: Version, FromRunID: r.fromRunID, Signal: r.process.Signal()}
	result.Warnings = append(result.Warnings, r.warnings...)
	changed, err := undoable(result, r.nets.path())
	if len(changed) > 0 {
		facts.Journal = r.nets.path()
		facts.UndoFiles, err = r.undo.write(facts.Journal, changed)
	}
	if err != nil {
		facts.Err = fmt.Errorf("the undo file could not be written (the journal %s holds what it would): %w", r.nets.path(), err)
	}
	return r.report(report.FromRepair(result, facts), isComplete(result))
}

// isComplete tells whether a plan's script holds all of the plan.
func isComplete(result *repair.Result) bool {
	return result.Err == nil && result.Check.Err == nil && !result.Check.Interrupted
}

// nothing reports that a stored check has found nothing to repair: no server is asked.
func (r *repairRun) nothing(stored report.StoredCheck) error {
	done := report.NothingToRepair(stored, r.request.Check.RunID, r.request.Via, r.request.Check.Now(), report.RepairFacts{Version: Version})
	done.Warnings = append(done.Warnings, r.warnings...)
	if r.format() == "jsonl" {
		r.lines = report.NewJSONL(r.output, report.JSONLOptions{Version: Version, Repair: true})
	}
	return r.report(done, true)
}

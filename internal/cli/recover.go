package cli

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"trueup/check"
	"trueup/internal/config"
	"trueup/recovery"
	"trueup/replication/syncpoint"
	"trueup/report"
)

// recoverOptions are the settings of trueup recover, as flags give them.
type recoverOptions struct {
	servers      serverOptions
	output       outputOptions
	channel      string
	channelSet   bool
	action       recovery.Action // "" where none was named
	yes          bool
	shared       bool // --yes is meant for what is doubtful, too
	auditFile    string
	checkTables  bool
	maxErrors    int
	maxErrorsSet bool
	timeout      time.Duration
	resume       string // a journal's path, or resumeLast
}

// resumeLast stands for the newest journal that leaves a recovery open.
const resumeLast = "last"

func recoverCommand(process Process) *cli.Command {
	return &cli.Command{
		Name:        "recover",
		Usage:       "explain why a replica stopped, and guide it back",
		UsageText:   "trueup recover --source DSN [--replica DSN] [--action ACTION] [flags]",
		Description: recoverDescription,
		Flags:       slices.Concat(recoverFlags(), serverFlags(), outputFlags()),
		Action: func(c *cli.Context) error {
			return runRecover(c.Context, recoverOptionsFrom(c), process)
		},
	}
}

const recoverDescription = `Looks at a replica that an error has stopped: what failed and why, the transaction as the source's binary log has it, its rows as they are now on both sides, who else wrote there, and the ways out, the safest first,
each with what it does and what it loses. That changes nothing. On a terminal it then asks what to do; elsewhere --action says it.

fix makes the replica such that the whole transaction applies; retry lets the applier try again; skip passes over exactly that transaction. Afterwards every row that was touched is compared at one position, and
what a skip has lost is repaired from the source. Every step is in a journal, on the disk, before it is taken. The source is never written.

  trueup recover --source 'fixer@tcp(db1:3306)/' --replica 'fixer@tcp(db2)/'
  trueup recover --source 'fixer@tcp(db1:3306)/' --action fix --yes \
      --audit-file fix.jsonl
  trueup recover --source 'fixer@tcp(db1:3306)/' --continue last
  trueup audit show --format markdown fix.jsonl`

func recoverFlags() []cli.Flag {
	const category = "What to do"
	return []cli.Flag{
		&cli.StringFlag{Category: category, Name: "action", Usage: "`ACTION` to take: plan (explain and change nothing), fix, retry or skip; asks first, on a terminal. Without it a terminal is asked what to do, and elsewhere it is plan"},
		&cli.BoolFlag{Category: category, Name: "yes", Usage: "do not ask"},
		&cli.BoolFlag{Category: category, Name: "shared-tables", Usage: "with --yes: fix or skip also where another channel may write to the same tables. Rows of its source may be removed or changed, and are not compared with it"},
		&cli.StringFlag{Category: category, Name: "channel", Usage: "`NAME` of the replication channel (MariaDB: connection), where several are stopped"},
		&cli.IntFlag{Category: category, Name: "max-errors", Value: recovery.DefaultMaxErrors, Usage: "`NUMBER` of errors to deal with, one behind the other; the next one is shown. Whoever is asked about each is asked about all of them unless this is given"},
		&cli.DurationFlag{Category: category, Name: "sync-timeout", Value: syncpoint.DefaultTimeout, Usage: "`TIME` the replica has to execute the transaction, and then to reach the position at which it is compared"},
		&cli.BoolFlag{Category: category, Name: "check-tables", Usage: "prove the touched tables as a whole, not only the touched rows"},
		&cli.StringFlag{Category: category, Name: "audit-file", Usage: "`FILE` that gets a journal of its own with all that is done, before it is done; it must not exist yet"},
		&cli.StringFlag{Category: category, Name: "continue", Usage: "go on with a recovery that was cut short: `JOURNAL` is its file, or last"},
	}
}

func recoverOptionsFrom(c *cli.Context) recoverOptions {
	return recoverOptions{
		servers: serverOptionsFrom(c), output: outputOptionsFrom(c), channel: c.String("channel"), channelSet: c.IsSet("channel"), action: recovery.Action(c.String("action")),
		yes: c.Bool("yes"), shared: c.Bool("shared-tables"), auditFile: c.String("audit-file"), checkTables: c.Bool("check-tables"), maxErrors: c.Int("max-errors"), maxErrorsSet: c.IsSet("max-errors"), resume: c.String("continue"),
		timeout: c.Duration("sync-timeout"),
	}
}

// validate refuses what can be seen to be wrong by itself; asks tells whether a person will be asked what to do.
func (o recoverOptions) validate(asks bool) error {
	acts := asks || o.resume != "" || o.action != "" && o.action != recovery.Plan
	switch {
	case o.action == recovery.Rebuild:
		return usagef("--action rebuild: trueup explains how, and leaves it to you: plan, fix, retry or skip")
	case o.action != "" && !slices.Contains([]recovery.Action{recovery.Plan, recovery.Fix, recovery.Retry, recovery.Skip}, o.action):
		return usagef("--action %q: plan, fix, retry or skip", o.action)
	case o.yes && (o.action == "" || o.action == recovery.Plan):
		return usagef("--yes answers a question that is asked with --action fix, retry or skip only")
	case o.shared && !o.yes:
		return usagef("--shared-tables goes with --yes: whoever is asked decides that at the question")
	case o.timeout <= 0:
		return usagef("--sync-timeout %v: more than 0", o.timeout)
	case o.maxErrors < 1:
		return usagef("--max-errors %d: at least 1", o.maxErrors)
	case o.maxErrorsSet && !acts:
		return usagef("--max-errors: nothing is done about any error without --action fix, retry or skip")
	case o.checkTables && !acts:
		return usagef("--check-tables: without --action fix, retry or skip nothing is done that would be proven")
	case o.auditFile != "" && !acts:
		return usagef("--audit-file: without --action fix, retry or skip nothing is done that a journal would hold")
	case o.auditFile == "-":
		return usagef("--audit-file -: standard output is the report's; name a file")
	case samePath(o.auditFile, o.output.file):
		return usagef("--audit-file and --output are the same file")
	case o.resume != "" && (samePath(o.resume, o.output.file) || samePath(o.resume, o.auditFile)):
		return usagef("--continue %s is a file that another flag would write", o.resume)
	case o.resume != "" && o.channelSet:
		return usagef("--continue and --channel exclude each other: the channel stands in the journal")
	}
	if o.auditFile != "" {
		if _, err := os.Lstat(o.auditFile); err == nil {
			return usagef("--audit-file %s is there already: a journal is never written over; name another file", o.auditFile)
		}
	}
	return o.output.validate("text", "json", "jsonl")
}

// runRecover checks first everything that can be wrong without a server, then looks for the replica, recovers it, and writes its report.
func runRecover(ctx context.Context, options recoverOptions, process Process) error {
	prompt := process.prompter()
	asks := prompt != nil && options.action == ""
	if err := options.validate(asks); err != nil {
		return err
	}
	if prompt == nil && !options.yes && options.action != "" && options.action != recovery.Plan {
		return usagef("--action %s asks before it changes anything, and there is no terminal to ask on: add --yes, or leave --action out for a plan", options.action)
	}
	loaded, err := options.servers.load(ctx, process)
	if err != nil {
		return err
	}
	folder, err := journalFolder(loaded.StateDir, process)
	if err != nil {
		return err
	}
	resumed, err := options.findResumed(folder)
	if err != nil {
		return err
	}
	request := options.request(asks, process)
	request.Check.Source, request.Continue = *loaded.Source, resumed
	output, discard, err := process.openOutput(options.output.file, "output")
	if err != nil {
		return err
	}
	defer discard()
	run := &recoverRun{options: options, request: request, process: process, output: output, prompt: prompt, logger: options.output.logger(process.Err)}
	replica, err := options.pick(ctx, loaded, resumed)
	if err != nil {
		return run.failed(err)
	}
	run.request.Check.Replicas = append(run.request.Check.Replicas, replica)
	return run.recover(ctx, loaded)
}

// request makes the recovery's request; the servers and where things are written are still to be filled in. asks tells whether a person will be
// asked what to do, about every error.
func (o recoverOptions) request(asks bool, process Process) recovery.Request {
	request := recovery.DefaultRequest()
	request.Check.Pauses = process.Pauses
	request.Channel, request.ChannelNamed = o.channel, o.channelSet
	request.CheckTables, request.MaxErrors, request.Check.SyncTimeout = o.checkTables, o.maxErrors, o.timeout
	if asks && !o.maxErrorsSet {
		request.MaxErrors = askedErrors
	}
	request.User, request.Version = userName(), Version
	return request
}

// recover runs the recovery and reports.
func (r *recoverRun) recover(ctx context.Context, loaded config.Config) error {
	nets, err := cast("recover", &r.request.Check, loaded.StateDir, r.process)
	if err != nil {
		return err
	}
	nets.copyPath, r.nets = r.options.auditFile, nets
	defer nets.drawIn(r.logger)
	if r.acts() {
		if err := nets.begin(); err != nil {
			return err
		}
		r.request.Journal, r.request.Choose = nets, r.choose
	}
	r.request.Check.Logger = r.logger
	result, err := recovery.Run(ctx, r.request, r.observers())
	if err != nil {
		return r.failed(err)
	}
	r.settle(ctx, result)
	nets.drawIn(r.logger)
	facts := report.RecoveryFacts{Version: Version, Journal: nets.path(), Warnings: r.notes, Signal: r.process.Signal(), Aborted: r.aborted, Unoffered: r.unoffered}
	if facts.Journal != "" {
		facts.AuditFile = r.options.auditFile
	}
	return r.report(report.FromRecovery(result, facts))
}

// acts tells whether anything can come to be done.
func (r *recoverRun) acts() bool {
	return r.options.resume != "" || r.options.action != "" && r.options.action != recovery.Plan || r.options.action == "" && r.prompt != nil
}

// observers are those who watch the recovery.
func (r *recoverRun) observers() check.Observer {
	observers := []check.Observer{report.NewLog(r.logger)}
	if r.options.output.showsProgress(r.process.Err) {
		observers = append(observers, report.NewSteps(r.process.Err))
	}
	if r.beginLines(); r.lines != nil {
		observers = append(observers, r.lines)
	}
	return report.Observers(observers...)
}

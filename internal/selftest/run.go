package selftest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"trueup/check"
	"trueup/chunker"
	"trueup/internal/demo"
	"trueup/replication/syncpoint"
	"trueup/report"
)

// Options are the settings of Run.
type Options struct {
	RunID  string
	Pauses *syncpoint.Pauses
	Logger *slog.Logger
	Say    func(format string, args ...any) // told what begins; nil for nobody
}

// Outcome is what Run found out. It has passed where every trap is ok and there are no other problems.
type Outcome struct {
	ServerVersion string
	Traps         []report.Trap
	Problems      []string // what belongs to no trap
}

// pass is one check of all traps' tables.
type pass struct {
	name    string
	damaged bool
	rows    int // of a chunk
}

// passes: rows of one chunk can cancel in a digest, rows of several cannot; a table of one chunk is read without a bound, so
// without an argument, for which a driver may take another protocol.
var passes = []pass{
	{"before the damage", false, 7},
	{"in chunks of 7 rows", true, 7},
	{"in one chunk a table", true, 100_000},
}

// workers is how many chunks are compared at once: enough for a table's chunks to come back out of order.
const workers = 4

// Run runs the self-test on servers of its own, which are gone when it returns.
func Run(ctx context.Context, options Options) (outcome Outcome, err error) {
	if options.Say == nil {
		options.Say = func(string, ...any) {}
	}
	options.Say("starting a private source and a private replica for the self-test ...")
	topology, err := demo.StartServers(ctx, 1)
	defer func() { err = errors.Join(err, topology.Close()) }()
	if err != nil {
		return outcome, err
	}
	all := traps()
	if err := fill(ctx, topology, all); err != nil {
		return outcome, fmt.Errorf("filling the tables of the self-test: %w", err)
	}
	var results []*check.Result
	for _, p := range passes {
		if p.damaged && len(results) == 1 {
			if err := plant(ctx, topology, all); err != nil {
				return outcome, fmt.Errorf("damaging the replica of the self-test: %w", err)
			}
		}
		options.Say("checking %d tables %s ...", len(all), p.name)
		result, err := options.check(ctx, topology, p)
		if err != nil {
			return outcome, fmt.Errorf("checking %s: %w", p.name, err)
		}
		results = append(results, result)
	}
	outcome = conclude(all, results)
	outcome.ServerVersion = results[0].Source.Identity.VersionText
	return outcome, nil
}

// fill makes the tables on the source and waits until the replica has them.
func fill(ctx context.Context, topology *demo.Topology, all []trap) error {
	statements := []string{"SET SESSION time_zone = '+00:00', sql_mode = ''", "CREATE DATABASE " + Schema + " CHARACTER SET utf8mb4", "USE " + Schema}
	for _, t := range all {
		statements = append(statements, t.filling()...)
	}
	if err := demo.Execute(ctx, topology.Source, statements...); err != nil {
		return err
	}
	return topology.WaitCaughtUp(ctx)
}

// plant damages the replica behind replication's back.
func plant(ctx context.Context, topology *demo.Topology, all []trap) error {
	statements := []string{"SET SESSION sql_log_bin = 0, time_zone = '+00:00', sql_mode = ''", "USE " + Schema}
	for _, t := range all {
		statements = append(statements, t.planting()...)
	}
	return demo.Execute(ctx, topology.Last(), statements...)
}

// check runs one check as a user would, the replica discovered from the source. A result without a verdict is an error.
func (o Options) check(ctx context.Context, topology *demo.Topology, p pass) (*check.Result, error) {
	request := check.DefaultRequest()
	request.Source = topology.SourceEndpoint()
	request.Workers, request.Size = workers, chunker.SizeOptions{Rows: p.rows, Time: chunker.DefaultTime}
	request.MaxDifferences = 100_000
	request.RunID = o.RunID
	if o.Pauses != nil {
		request.Pauses = o.Pauses
	}
	observer := report.Observers()
	if o.Logger != nil {
		request.Logger = o.Logger
		observer = report.Observers(report.NewLog(o.Logger))
	}
	result, err := check.Run(ctx, request, observer)
	switch {
	case err != nil:
		return nil, err
	case result.Err != nil:
		return nil, result.Err
	case result.Interrupted:
		return nil, context.Cause(ctx)
	}
	return result, nil
}

// conclude judges the results of all passes, in their order. A trap is ok where every pass was right.
func conclude(all []trap, results []*check.Result) Outcome {
	var outcome Outcome
	for _, t := range all {
		judged := report.Trap{Name: t.name, Planted: t.planted, Expected: t.want}
		for i, p := range passes {
			found, problems := judge(t, p.wanted(t), results[i])
			if p.damaged && len(judged.Problems) == 0 {
				judged.Found = found // of the first pass that was wrong, else of the last
			}
			judged.Problems = append(judged.Problems, p.named(problems)...)
		}
		judged.OK = len(judged.Problems) == 0
		outcome.Traps = append(outcome.Traps, judged)
	}
	for i, p := range passes {
		outcome.Problems = append(outcome.Problems, p.named(judgeRest(all, results[i]))...)
	}
	if slices.ContainsFunc(outcome.Traps, func(t report.Trap) bool { return !t.OK }) {
		return outcome // wrong verdicts of the whole only follow from it
	}
	for i, p := range passes {
		verdict := check.Equal
		if p.damaged {
			verdict = check.Different
		}
		outcome.Problems = append(outcome.Problems, p.named(judgeVerdict(verdict, results[i]))...)
	}
	return outcome
}

// named says of each problem in which pass it was.
func (p pass) named(problems []string) []string {
	var named []string
	for _, problem := range problems {
		named = append(named, p.name+": "+problem)
	}
	return named
}

// wanted are the rows that a pass must report of a trap.
func (p pass) wanted(t trap) []report.TrapRow {
	if !p.damaged {
		return nil
	}
	return t.want
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"

	pretty "github.com/jedib0t/go-pretty/v6/table"
)

// repaired is one repair of the damaged replica.
type repaired struct {
	sample
	wrong   int64   // rows that are not as on the source, afterwards
	longest float64 // milliseconds for which the applier stood at a time
}

// raceRepairs lets the tools repair the same damage in turn, and prints what they took and what they left wrong.
func raceRepairs(ctx context.Context, s settings, on *servers) (err error) {
	if s.repairPairs == 0 {
		return nil
	}
	folder, err := os.MkdirTemp("", "trueup-bench-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := on.makeDurable(ctx); err != nil {
		return err
	}
	if err := on.keepSpare(ctx); err != nil {
		return err
	}
	usual := damageOf(s.rows, 1)
	scattered, fewer := usual, damageOf(s.rows, 10)
	scattered.scattered = true
	for _, d := range []damage{usual, scattered} {
		if err := raceRepairsOf(ctx, s, on, folder, d); err != nil {
			return err
		}
	}
	less, err := repairOnce(ctx, newRepair(s, on, folder, fewer), on, fewer)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "trueup repair of %d rows: %.2f s, peak %.0f MB\n", fewer.total(), less.wall.Seconds(), peakMegabytes(less.sample))
	return on.dropSpare(ctx)
}

// raceRepairsOf does so with one kind of damage.
func raceRepairsOf(ctx context.Context, s settings, on *servers, folder string, d damage) error {
	tools := []tool{newRepair(s, on, folder, d), newSync(on)}
	results := make([][]repaired, len(tools))
	for pair := range s.repairPairs {
		for i, tool := range tools {
			one, err := repairOnce(ctx, tool, on, d)
			if err != nil {
				return err
			}
			results[i] = append(results[i], one)
			fmt.Fprintf(os.Stderr, "bench: repair %d: %s %.2fs, %d rows left wrong\n", pair+1, tool.name, one.wall.Seconds(), one.wrong)
		}
	}
	printRepairs(os.Stdout, s, on, d, tools, results)
	return nil
}

// repairOnce damages the replica, runs the tool, and counts the rows that are wrong afterwards. The replica is equal again when it
// returns, whatever the tool did.
func repairOnce(ctx context.Context, t tool, on *servers, d damage) (one repaired, err error) {
	if err := on.damage(ctx, d); err != nil {
		return one, err
	}
	watch, err := watchApplier(ctx, on)
	if err != nil {
		return one, err
	}
	one.sample, err = measure(ctx, t, on)
	longest, watchErr := watch.finish()
	if err = errors.Join(err, watchErr); err != nil {
		return one, fmt.Errorf("%s: %w", t.name, err)
	}
	one.longest = milliseconds(longest)
	if one.wrong, err = on.wrongRows(ctx); err != nil {
		return one, err
	}
	return one, on.restore(ctx, d)
}

// newRepair is trueup repair with everything that belongs to it: the check, the journal and the undo file on the disk, the check afterwards.
func newRepair(s settings, on *servers, folder string, d damage) tool {
	return tool{
		name: "trueup repair",
		command: []string{s.trueup, "repair", "--apply", "--yes", "--source", on.dsn(on.source), "--replica", on.dsn(on.replica), "--databases", database,
			"--max-rows", fmt.Sprint(d.total()), "--state-dir", folder, "--format", "json", "--progress", "never"},
		verify: func(_ context.Context, stdout []byte) error { return verifyRepair(stdout, d) },
	}
}

// verifyRepair makes sure that a repair was applied, and found equal by itself.
func verifyRepair(stdout []byte, d damage) error {
	var result struct {
		Verdict string
		Applied bool
		Repairs []struct {
			Tables []struct {
				Done struct{ Missing, Extra, Changed int64 }
			}
		}
		Verification struct{ Verdict string }
	}
	if err := json.Unmarshal(stdout, &result); err != nil {
		return fmt.Errorf("its JSON: %w", err)
	}
	if result.Verdict == "equal" && result.Applied && result.Verification.Verdict == "equal" && len(result.Repairs) == 1 && len(result.Repairs[0].Tables) == 1 {
		if done := result.Repairs[0].Tables[0].Done; done.Missing == d.deleted && done.Changed == d.changed && done.Extra == 0 {
			return nil
		}
	}
	return fmt.Errorf("it did not repair and verify all %d rows: %.600s", d.total(), stdout)
}

// newSync is pt-table-sync as its manual tells to run it for a replica: it writes to the source, in statement format, what changes nothing
// there, and replication carries it on. Directly on a replica it refuses to write unless it is told not to look (--no-check-slave).
func newSync(on *servers) tool {
	return tool{
		name: "pt-table-sync",
		command: []string{"pt-table-sync", "--execute", "--sync-to-master",
			fmt.Sprintf("h=127.0.0.1,P=%d,u=%s,p=%s,D=%s,t=%s", on.replica.Port(), account, on.password, database, table)},
		success: 2,                                                  // it found differences
		verify:  func(context.Context, []byte) error { return nil }, // what it left wrong is counted
	}
}

func samplesOf(repairs []repaired) []sample {
	samples := make([]sample, len(repairs))
	for i, one := range repairs {
		samples[i] = one.sample
	}
	return samples
}

func printRepairs(w io.Writer, s settings, on *servers, d damage, tools []tool, results [][]repaired) {
	where := "in the middle"
	if d.scattered {
		where = "all over the table"
	}
	fmt.Fprintf(w, "\nRepair of %d rows of %d, %s, %d CPUs; on the replica k = k + 1 in the first %d rows, %d rows deleted %s; %d pairs\n",
		d.total(), s.rows, on.title, runtime.NumCPU(), d.changed, d.deleted, where, s.repairPairs)
	fmt.Fprintln(w, "median (least–greatest); with its check, the rows' images on the disk, and the check afterwards; rows left wrong are counted by neither tool")
	out := pretty.NewWriter()
	out.SetOutputMirror(w)
	out.SetStyle(pretty.StyleLight)
	out.AppendHeader(pretty.Row{"", "wall s", "client CPU s", "servers CPU s", "client peak MB", "rows left wrong", "applier's longest pause ms"})
	numbers := []func(sample) float64{wallSeconds, clientSeconds, serverSeconds, peakMegabytes}
	for i, tool := range tools {
		row := pretty.Row{tool.name}
		for _, number := range numbers {
			row = append(row, of(samplesOf(results[i]), number))
		}
		var wrong []int64
		longest := 0.0
		for _, one := range results[i] {
			wrong, longest = append(wrong, one.wrong), max(longest, one.longest)
		}
		out.AppendRow(append(row, fmt.Sprint(slices.Max(wrong)), fmt.Sprintf("%.0f", longest)))
	}
	out.AppendSeparator()
	row := pretty.Row{tools[1].name + " / " + tools[0].name}
	for _, number := range numbers {
		row = append(row, ratios(samplesOf(results[0]), samplesOf(results[1]), number))
	}
	out.AppendRow(append(row, "", ""))
	out.Render()
}

package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"trueup/internal/demo"
	"trueup/report"
)

// recoverWhileWriting stops one replica after the other, each in a way of its own, and runs the command trueup recover on it, as a person
// would: the first is fixed, on the second the transaction is skipped. The source is written to meanwhile.
func recoverWhileWriting(ctx context.Context, topology *demo.Topology, process Process) error {
	const said = "\nTwo replicas were stopped by errors, and brought back equal, while the source ran %d transactions."
	return whileWriting(ctx, topology, process, said, func(ctx context.Context, shell demoShell) error { return demoRecover{shell}.steps(ctx) })
}

// demoRecover runs the command trueup recover on the demo's servers.
type demoRecover struct{ demoShell }

func (d demoRecover) steps(ctx context.Context) error {
	if err := d.fix(ctx); err != nil {
		return err
	}
	return d.skip(ctx)
}

// fix shows the diagnosis, and then what a fix of it comes to.
func (d demoRecover) fix(ctx context.Context) error {
	if err := d.stop(ctx, demo.MissingRow); err != nil {
		return err
	}
	source := dsnOf(d.topology.Source.Address())
	if err := d.run(ctx, report.Different, "recover", "--source", source, "--action", "plan"); err != nil {
		return err
	}
	return d.runShort(ctx, report.OK, whatWasDone, "recover", "--source", source, "--action", "fix", "--yes")
}

// whatWasDone leaves the part of a recovery's report that comes after the diagnosis.
func whatWasDone(lines []string) []string {
	from := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "What was done") })
	return append([]string{"…"}, lines[max(0, from):]...)
}

// skip passes over a transaction, and shows the journal of that.
func (d demoRecover) skip(ctx context.Context) error {
	if err := d.stop(ctx, demo.DirectWrite); err != nil {
		return err
	}
	source, journal := dsnOf(d.topology.Source.Address()), filepath.Join(d.folder, "skip.jsonl")
	if err := d.run(ctx, report.OK, "recover", "--source", source, "--action", "skip", "--yes", "--audit-file", journal); err != nil {
		return err
	}
	if err := d.runShort(ctx, report.OK, outline, "audit", "show", journal); err != nil {
		return err
	}
	return d.run(ctx, report.OK, "audit", "verify", journal)
}

// outline leaves of a journal as a person reads it the head, what each entry is about, and the statements, and says so.
func outline(lines []string) (shown []string) {
	entries := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "1. ") })
	if entries < 0 {
		return lines
	}
	shown = append(shown, lines[:entries]...)
	for _, line := range lines[entries:] {
		if line != "" && line[0] != ' ' || isStatement(line) {
			shown = append(shown, shortened(line))
		}
	}
	return append(shown, fmt.Sprintf("(Of each entry the first line and the statements are shown here; all of it is %d lines.)", len(lines)))
}

// isStatement tells whether a line of a journal as a person reads it is a statement.
func isStatement(line string) bool {
	return slices.ContainsFunc([]string{"SET ", "START ", "INSERT ", "UPDATE ", "DELETE "}, func(verb string) bool {
		return strings.HasPrefix(line, "      "+verb)
	})
}

// stop stops a replica.
func (d demoRecover) stop(ctx context.Context, stop demo.Stop) error {
	say(d.process, "\nStopping a replica with error %d:\n  - %s", stop.Number, stop.Story)
	address, err := d.topology.Provoke(ctx, stop)
	if err == nil {
		say(d.process, "%s has stopped.", address)
	}
	return err
}

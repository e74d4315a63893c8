package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trueup/internal/demo"
	"trueup/report"
)

// demoRepair runs the command trueup repair on the demo's servers, as a person would: a plan, the repair, its undoing, and the repair once
// more.
type demoRepair struct{ demoShell }

// repairWhileWriting repairs the damage while the source is written to.
func repairWhileWriting(ctx context.Context, topology *demo.Topology, process Process) error {
	const said = "\nThe replica was repaired, damaged again by undoing that, and repaired again, while the source ran %d transactions."
	return whileWriting(ctx, topology, process, said, func(ctx context.Context, shell demoShell) error { return demoRepair{shell}.steps(ctx) })
}

func (d demoRepair) steps(ctx context.Context) error {
	source, damaged := dsnOf(d.topology.Source.Address()), dsnOf(d.topology.Damaged())
	plan, undo := filepath.Join(d.folder, "plan.sql"), filepath.Join(d.folder, "undo.sql")
	if err := d.run(ctx, report.Different, "repair", "--source", source, "--output", plan); err != nil {
		return err
	}
	if err := d.showSQL(plan); err != nil {
		return err
	}
	if err := d.run(ctx, report.OK, "repair", "--source", source, "--apply", "--yes", "--undo-file", undo); err != nil {
		return err
	}
	if err := d.run(ctx, report.OK, "repair", "--undo", undo, "--replica", damaged, "--yes"); err != nil {
		return err
	}
	return d.runShort(ctx, report.OK, conclusion, "repair", "--source", source, "--apply", "--yes")
}

// showSQL shows the beginning of a plan's first statement of each kind.
func (d demoRepair) showSQL(plan string) error {
	file, err := os.Open(plan)
	if err != nil {
		return err
	}
	defer file.Close()
	say(d.process, "\nSome statements of plan.sql (one line each, shortened):")
	left := []string{"UPDATE ", "DELETE ", "INSERT "}
	for lines := bufio.NewReader(file); len(left) > 0; {
		line, err := lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("the plan has no %s: %w", left[0], err)
		}
		kind := slices.IndexFunc(left, func(verb string) bool { return strings.HasPrefix(line, verb) })
		if kind < 0 {
			continue
		}
		left = slices.Delete(left, kind, kind+1)
		say(d.process, "  %s", shortened(report.Harmless(strings.TrimSpace(line))))
	}
	return nil
}

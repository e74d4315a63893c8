package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"trueup/internal/demo"
)

// demoShell runs command lines of trueup on the demo's servers, as a person would type them.
type demoShell struct {
	topology *demo.Topology
	process  Process
	folder   string // for their files and journals
}

// openDemoShell makes the shell's folder; discard removes it.
func openDemoShell(topology *demo.Topology, process Process) (shell demoShell, discard func(), err error) {
	folder, err := os.MkdirTemp("", "trueup-demo-*")
	if err != nil {
		return demoShell{}, nil, err
	}
	remove := func() { _ = os.RemoveAll(folder) }
	forget := process.Leftovers.Add(remove)
	return demoShell{topology: topology, process: process, folder: folder}, func() { remove(); forget() }, nil
}

// dsnOf is one of the demo's servers as a person names it.
func dsnOf(address string) string {
	return fmt.Sprintf("%s:%s@tcp(%s)/", demo.Account, demo.Password, address)
}

// run runs a command line of trueup that must end with that exit code. What the environment and the user's files say of servers is not
// for it.
func (d demoShell) run(ctx context.Context, want int, args ...string) error {
	say(d.process, "\n$ trueup %s", shellLine(args, d.folder))
	if args[0] != "audit" { // which speaks to no server, and keeps nothing
		args = append(args, "--state-dir", d.folder)
	}
	process := d.process
	process.Getenv = func(name string) string {
		if strings.HasPrefix(name, "TRUEUP_") {
			return ""
		}
		return d.process.Getenv(name)
	}
	code := Main(ctx, args, process)
	if _, ended := process.signalCode(ctx); ended {
		return exitError{code}
	}
	if code != want {
		return fmt.Errorf("trueup %s ended with exit code %d instead of %d", args[0], code, want)
	}
	return nil
}

// runShort is run, of which only the command line is shown, and what shown leaves of the lines of the output.
func (d demoShell) runShort(ctx context.Context, want int, shown func(lines []string) []string, args ...string) error {
	var all bytes.Buffer
	out := d.process.Out
	d.process.Out = &all
	err := d.run(ctx, want, args...)
	d.process.Out = out
	lines := strings.Split(strings.TrimSpace(all.String()), "\n")
	if err == nil { // else all of it may say why
		lines = append(lines[:1], shown(lines[1:])...)
	}
	say(d.process, "\n%s", strings.Join(lines, "\n"))
	return err
}

// conclusion leaves the lines at the end of a report that say what it came to.
func conclusion(lines []string) []string {
	return append([]string{"…"}, lines[max(0, len(lines)-2):]...)
}

// shortened is a line that fits into most terminals.
func shortened(line string) string {
	const wide = 150
	if runes := []rune(line); len(runes) > wide {
		return string(runes[:wide]) + " …"
	}
	return line
}

// shellLine is a command line as a person types it in that folder.
func shellLine(args []string, folder string) string {
	words := make([]string, len(args))
	for i, word := range args {
		words[i] = strings.TrimPrefix(word, folder+string(filepath.Separator))
		if strings.ContainsAny(words[i], "()") {
			words[i] = "'" + words[i] + "'"
		}
	}
	return strings.Join(words, " ")
}

// whileWriting runs commands on the demo's servers, as a person would, while the source is written to. said tells at the end what was done, with
// the number of transactions.
func whileWriting(ctx context.Context, topology *demo.Topology, process Process, said string, steps func(context.Context, demoShell) error) error {
	shell, discard, err := openDemoShell(topology, process)
	if err != nil {
		return err
	}
	defer discard()
	writer, err := topology.StartWriter()
	if err != nil {
		return err
	}
	err = steps(ctx, shell)
	transactions, writeErr := writer.Stop()
	if err == nil {
		err = writeErr
	}
	if err == nil {
		say(process, said, transactions)
	}
	return err
}

package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"trueup/check"
	"trueup/repair"
	"trueup/report"
	"trueup/server"
)

// undoOptions are the settings of trueup repair --undo.
type undoOptions struct {
	servers serverOptions
	output  outputOptions
	file    string
	yes     bool
}

// undoOptionsFrom refuses every flag that would choose what is repaired or how: all that is done stands in the file.
func undoOptionsFrom(c *cli.Context) (undoOptions, error) {
	options := undoOptions{servers: serverOptionsFrom(c), output: outputOptionsFrom(c), file: c.String(undoFlag), yes: c.Bool("yes")}
	options.servers.replicasOnly = true
	for _, flag := range c.Command.Flags {
		name := flag.Names()[0]
		switch category := flag.(cli.CategorizableFlag).GetCategory(); {
		case !c.IsSet(name) || name == undoFlag || name == "yes" || category == outputCategory:
		case category == serverCategory && name != "source":
		default:
			return options, usagef("--%s and --%s exclude each other: what is undone stands in the file", undoFlag, name)
		}
	}
	if options.output.format == "jsonl" {
		return options, usagef("--%s has no --format jsonl: text or json", undoFlag)
	}
	if samePath(options.file, options.output.file) {
		return options, usagef("--%s and --output are the same file", undoFlag)
	}
	return options, options.output.validate("text", "json")
}

// undoSQL is what is to be undone.
type undoSQL struct {
	io.ReadSeeker
	ofJournal string // address in the journal of the replica that it was made for; "" for a file of SQL
}

// runUndo undoes a repair on one replica and writes its report.
func runUndo(ctx context.Context, options undoOptions, process Process) error {
	confirm := process.confirmOnTerminal(ctx)
	if confirm == nil && !options.yes {
		return usagef("--%s asks before it changes anything, and there is no terminal to ask on: add --yes", undoFlag)
	}
	loaded, err := options.servers.load(ctx, process)
	if err != nil {
		return err
	}
	if len(loaded.Replicas) != 1 {
		return usagef("--%s changes one replica: name it with --replica (%d are named)", undoFlag, len(loaded.Replicas))
	}
	replica := loaded.Replicas[0]
	file, discardFile, err := options.open(replica.Address, process)
	if err != nil {
		return err
	}
	defer discardFile()
	output, discard, err := process.openOutput(options.output.file, "output")
	if err != nil {
		return err
	}
	defer discard()
	if !options.yes {
		size, err := repair.MeasureUndo(file)
		if err != nil {
			return err
		}
		yes, err := confirm(fmt.Sprintf("Undo on %s what %s holds (%s in %s)?", report.Harmless(replica.Address), report.Harmless(options.file), counted(size.Rows, "row change"), counted(int64(size.Groups), "transaction")))
		if err != nil {
			return err
		}
		if !yes {
			process.Notices.Say("nothing was changed")
			return exitError{report.Different}
		}
	}
	return options.undo(ctx, replica, loaded.StateDir, file, output, process)
}

// counted is a number with what it counts.
func counted(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func (o undoOptions) undo(ctx context.Context, replica server.Endpoint, stateDir string, file undoSQL, output *report.Output, process Process) error {
	run := check.NewRunID(time.Now())
	nets, err := netsOf("repair", run, replica.Address, stateDir, process)
	if err != nil {
		return err
	}
	logger := o.output.logger(process.Err)
	defer nets.drawIn(logger)
	if err := nets.begin(); err != nil {
		return err
	}
	request := repair.UndoRequest{RunID: run, Replica: replica, File: file, Journal: nets, Folder: &nets.folder, Logger: logger, Now: time.Now}
	if file.ofJournal != "" {
		request.Repaired = o.file
	}
	result, err := repair.Undo(ctx, request)
	if err != nil {
		return err
	}
	if file.ofJournal != "" && result.Err == nil && len(result.Refused) == 0 {
		if err := repair.Settle(context.WithoutCancel(ctx), nets.folder, o.file, file.ofJournal, "undo "+run); err != nil {
			process.Notices.Say("warning: that it is undone could not be written into the journal: %s", report.Harmless(err.Error()))
		}
	}
	done := report.FromUndo(result, run, Version, o.file, process.Signal())
	shown := o.output.format == "text" && o.output.file == "" && !o.output.quiet
	switch {
	case o.output.format == "json":
		err = report.WriteUndoJSON(output, done)
	case shown || o.output.file != "":
		err = report.WriteUndoText(output, done, report.TextOptionsFor(output, o.output.verbose))
	}
	if err == nil {
		err = output.Commit()
	}
	if err != nil {
		return fmt.Errorf("the undo ended with exit code %d, but its report could not be written: %w", done.ExitCode, err)
	}
	if done.Error != "" && !shown {
		process.Notices.Say("%s", report.Harmless(done.Error))
	}
	if done.ExitCode == report.OK {
		return nil
	}
	return exitError{done.ExitCode}
}

// open opens the undo file. Of a journal, whose lines are JSON, the SQL is made first.
func (o undoOptions) open(replica string, process Process) (undoSQL, func(), error) {
	file, err := os.Open(o.file)
	if err != nil {
		return undoSQL{}, nil, usagef("--%s: %v", undoFlag, err)
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(file, first); err != nil {
		_ = file.Close()
		if errors.Is(err, io.EOF) {
			err = errors.New("it is empty")
		}
		return undoSQL{}, nil, usagef("--%s %s: %v", undoFlag, o.file, err)
	}
	if string(first) == "{" {
		_ = file.Close()
		return o.openJournal(replica, process)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		_ = file.Close()
		return undoSQL{}, nil, usagef("--%s %s cannot be read twice: %v", undoFlag, o.file, err)
	}
	return undoSQL{ReadSeeker: file}, func() { _ = file.Close() }, nil
}

// openJournal makes the undo SQL of a journal, in a file that is gone when this process is.
func (o undoOptions) openJournal(replica string, process Process) (undoSQL, func(), error) {
	chosen, err := o.replicaOf(replica)
	if err != nil {
		return undoSQL{}, nil, err
	}
	file, err := os.CreateTemp("", "trueup-undo-*.sql")
	if err != nil {
		return undoSQL{}, nil, fmt.Errorf("making the undo SQL of %s: %w", o.file, err)
	}
	forget := process.Leftovers.Add(func() { _ = os.Remove(file.Name()) })
	discard := func() {
		forget()
		_ = file.Close()
		_ = os.Remove(file.Name())
	}
	buffer := bufio.NewWriter(file)
	if err = repair.WriteUndo(buffer, o.file, chosen); err == nil {
		err = buffer.Flush()
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		discard()
		return undoSQL{}, nil, fmt.Errorf("making the undo SQL of %s: %w", o.file, err)
	}
	return undoSQL{ReadSeeker: file, ofJournal: chosen}, discard, nil
}

// replicaOf is the replica of a journal that has that address, or the only one: it may be reached under another address now.
func (o undoOptions) replicaOf(address string) (string, error) {
	replicas, err := repair.Undoable(o.file)
	if err != nil {
		return "", usagef("--%s %s: %v", undoFlag, o.file, err)
	}
	var addresses []string
	for _, replica := range replicas {
		if replica.Replica == address {
			return address, nil
		}
		addresses = append(addresses, replica.Replica)
	}
	switch len(addresses) {
	case 0:
		return "", usagef("--%s %s: this journal holds no repair of rows, so there is nothing to undo", undoFlag, o.file)
	case 1:
		return addresses[0], nil
	}
	return "", usagef("--%s %s: it holds repairs of %s; name one of these addresses with --replica, not %s", undoFlag, o.file, strings.Join(addresses, ", "), address)
}

package cli

import (
	"errors"
	"io/fs"

	"github.com/urfave/cli/v2"

	"trueup/internal/audit"
	"trueup/report"
)

// showOptions are the settings of trueup audit show.
type showOptions struct {
	file   string
	format string
	output string
}

func auditShowCommand(process Process) *cli.Command {
	return &cli.Command{
		Name:      "show",
		Category:  "audit",
		Usage:     "print a journal for a person to read",
		UsageText: "trueup audit show [flags] FILE",
		ArgsUsage: "FILE",
		Description: "Says first whether the journal is as it was written, then prints its entries in words, with every statement and everything " +
			"that was written down before a row was changed. It holds the rows' values: look after what you print. " +
			"The HTML is one file, without scripts and without anything from elsewhere.",
		Flags: []cli.Flag{
			&cli.StringFlag{Category: outputCategory, Name: "format", Value: string(report.JournalText), Usage: "`FORMAT` to print: text, markdown or html"},
			&cli.StringFlag{Category: outputCategory, Name: "output", Usage: "`FILE` to write it to; it appears only when it is complete"},
		},
		Action: func(c *cli.Context) error {
			return runAuditShow(showOptions{file: c.Args().First(), format: c.String("format"), output: c.String("output")}, process)
		},
	}
}

// runAuditShow ends as audit verify does: with 0 for a whole journal only.
func runAuditShow(options showOptions, process Process) error {
	if err := oneOf("format", options.format, report.JournalFormats()...); err != nil {
		return err
	}
	if samePath(options.file, options.output) {
		return usagef("--output %s is the journal itself", options.output)
	}
	output, discard, err := process.openOutput(options.output, "output")
	if err != nil {
		return err
	}
	defer discard()
	found, err := report.WriteJournal(output, options.file, report.JournalFormat(options.format), report.TextOptionsFor(output, false),
		func(visit func(audit.Entry)) (audit.Summary, bool, error) { return audit.Read(options.file, visit) })
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return usagef("%v", err)
	}
	if err == nil {
		err = output.Commit()
	}
	if code := auditCode(found.State); err == nil && code != report.OK {
		return exitError{code}
	}
	return err
}

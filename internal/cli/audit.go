package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/urfave/cli/v2"

	"trueup/internal/audit"
	"trueup/report"
)

// auditOptions are the settings of trueup audit verify.
type auditOptions struct {
	file       string
	expectHead string
	format     string
}

func auditCommand(process Process) *cli.Command {
	return &cli.Command{
		Name:      "audit",
		Usage:     "verify: prove that a journal is as it was written; show: read it",
		UsageText: "trueup audit verify|show [flags] FILE",
		Description: "The journals of checks, repairs and recoveries are in the folder journal of --state-dir; each report names its own. \"trueup help audit verify\" and " +
			"\"trueup help audit show\" have the flags.",
		Subcommands: []*cli.Command{{
			Name:      "verify",
			Category:  "audit",
			Usage:     "prove that a journal is as it was written",
			UsageText: "trueup audit verify [flags] FILE",
			ArgsUsage: "FILE",
			Description: "Reads a journal, each line of which carries the hash of the one before it, and prints how many entries it has and " +
				"the hash of the last one (its head). Whoever kept a head can have it compared: a journal of which the end was cut off between two lines, " +
				"or that was written anew as a whole, does not show that by itself.",
			Flags: []cli.Flag{
				&cli.StringFlag{Category: "What to expect", Name: "expect-head", Usage: "`HASH` that the last entry must have"},
				&cli.StringFlag{Category: outputCategory, Name: "format", Value: "text", Usage: "`FORMAT` to print: text or json"},
			},
			Action: func(c *cli.Context) error {
				return runAuditVerify(auditOptions{file: c.Args().First(), expectHead: strings.ToLower(c.String("expect-head")), format: c.String("format")}, process.Streams)
			},
		}, auditShowCommand(process)},
	}
}

// auditReport is the JSON form of trueup audit verify.
type auditReport struct {
	SchemaVersion int           `json:"schema_version"`
	Command       string        `json:"command"`
	ExitCode      int           `json:"exit_code"`
	File          string        `json:"file"`
	State         string        `json:"state"` // "whole", "changed", "cut" or "open"
	Problem       string        `json:"problem"`
	ProcessAlive  bool          `json:"process_alive"`
	RunID         string        `json:"run_id"`
	Entries       int64         `json:"entries"`
	Head          string        `json:"head"`
	Left          []audit.Entry `json:"left_open"`
}

// runAuditVerify ends with 0 for a whole journal, 1 for one that was changed, 3 for one that has no end or leaves something open.
func runAuditVerify(options auditOptions, streams Streams) error {
	if err := oneOf("format", options.format, "text", "json"); err != nil {
		return err
	}
	found, held, err := audit.Read(options.file, nil)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return usagef("%v", err)
	}
	if err != nil {
		return err
	}
	if options.expectHead != "" && found.Head != options.expectHead && found.State != audit.Changed {
		found.State, found.Problem = audit.Changed, "its head is not the one that was expected: it was cut, written anew, or has gone on since"
	}
	done := auditReport{SchemaVersion: report.SchemaVersion, Command: "audit verify", ExitCode: auditCode(found.State), File: options.file, State: string(found.State),
		Problem: found.Problem, ProcessAlive: held, RunID: found.Run, Entries: found.Entries, Head: found.Head, Left: append([]audit.Entry{}, found.Left...)}
	if options.format == "json" {
		encoder := json.NewEncoder(streams.Out)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(done)
	} else {
		_, err = io.WriteString(streams.Out, done.text())
	}
	if err != nil || done.ExitCode == report.OK {
		return err
	}
	return exitError{done.ExitCode}
}

func auditCode(state audit.State) int {
	switch state {
	case audit.Whole:
		return report.OK
	case audit.Open, audit.Cut:
		return report.Unverified
	case audit.Changed:
	}
	return report.Different
}

func (r auditReport) text() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s\n  entries: %d\n  head:    %s\n", report.Harmless(r.File), r.State, r.Entries, r.Head)
	if r.Problem != "" {
		fmt.Fprintf(&out, "  %s\n", report.Harmless(r.Problem))
	}
	if r.ProcessAlive {
		out.WriteString("  A process that writes it is alive.\n")
	}
	for _, left := range r.Left {
		fmt.Fprintf(&out, "  open: entry %d of %s: %s\n", left.Sequence, left.Time.Format("2006-01-02 15:04:05 UTC"), report.Harmless(report.EntryTitle(left)))
	}
	if len(r.Left) > 0 && !r.ProcessAlive {
		out.WriteString("  \"trueup status\" says what is to be done about what is open; \"trueup audit show\" shows the entries.\n")
	}
	return out.String()
}

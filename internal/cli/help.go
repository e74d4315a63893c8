package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"trueup/report"
)

const (
	helpWidth = 80     // of any terminal
	flagWidth = 26     // longer flags stand on a line of their own
	unbroken  = "\x00" // a space at which no line is broken
)

// helpFor tells whether the arguments ask for help, and for the help of which command; nil is the program's own.
func helpFor(app *cli.App, args []string) (command *cli.Command, asked bool, err error) {
	if len(args) == 0 {
		return nil, false, nil
	}
	switch args[0] {
	case "help":
		names := slices.DeleteFunc(slices.Clone(args[1:]), isHelpFlag)
		if len(names) == 0 {
			return nil, true, nil
		}
		if command, err = commandNamed(app, names[0]); err != nil {
			return nil, true, err
		}
		command, names = ofGroup(command, names[1:])
		if len(names) > 0 {
			err = usagef("\"trueup help\" takes one command; what is %q?", names[0])
		}
		return command, true, err
	case "--help", "-help", "-h":
		return nil, true, nil
	}
	if command = app.Command(args[0]); command != nil && slices.ContainsFunc(args[1:], isHelpFlag) {
		command, _ = ofGroup(command, args[1:])
		return command, true, nil
	}
	return nil, false, nil
}

// ofGroup is the command of a group that the arguments name, or the group itself; rest are the arguments after it.
func ofGroup(command *cli.Command, args []string) (found *cli.Command, rest []string) {
	if len(command.Subcommands) == 0 {
		return command, args
	}
	if named, err := subcommandNamed(command, args); err == nil {
		return named, args[1:]
	}
	return command, args
}

func isHelpFlag(arg string) bool { return arg == "--help" || arg == "-help" || arg == "-h" }

// writeHelp prints the help of a command, or the program's own for nil, at most helpWidth cells wide.
func writeHelp(w io.Writer, app *cli.App, command *cli.Command) error {
	var out strings.Builder
	if command == nil {
		writeProgramHelp(&out, app)
	} else {
		writeCommandHelp(&out, command)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func writeProgramHelp(out *strings.Builder, app *cli.App) {
	fmt.Fprintf(out, "%s: %s\n\nUsage: %s\n\nCommands:\n", app.Name, app.Usage, app.UsageText)
	for _, command := range app.Commands {
		writeEntry(out, command.Name, 10, command.Usage)
	}
	writeEntry(out, "help", 10, "print this, or with a command's name that command's flags")
	out.WriteString("\n")
	writeParagraph(out, "To see it at work on servers of its own: trueup demo. To begin with yours: trueup help check.")
	writeExitCodes(out, exitCodesOf("check"))
}

func writeCommandHelp(out *strings.Builder, command *cli.Command) {
	writeParagraph(out, "trueup "+title(command)+": "+command.Usage)
	fmt.Fprintf(out, "Usage: %s\n\n", command.UsageText)
	for paragraph := range strings.SplitSeq(command.Description, "\n\n") {
		if paragraph == "" {
			continue
		}
		if strings.HasPrefix(paragraph, " ") { // set as it is: examples
			out.WriteString(paragraph + "\n\n")
			continue
		}
		writeParagraph(out, paragraph)
	}
	if len(command.Subcommands) > 0 {
		out.WriteString("Commands:\n")
		for _, c := range command.Subcommands {
			writeEntry(out, c.Name, 10, c.Usage)
		}
		out.WriteString("\n")
	}
	category := "-"
	for _, flag := range command.Flags {
		if visible, can := flag.(cli.VisibleFlag); can && !visible.IsVisible() {
			continue
		}
		if c := flag.(cli.CategorizableFlag).GetCategory(); c != category {
			if category != "-" {
				out.WriteString("\n")
			}
			out.WriteString(c + ":\n")
			category = c
		}
		title, usage := describeFlag(flag)
		writeEntry(out, title, flagWidth, usage)
	}
	if len(command.Flags) > 0 {
		out.WriteString("\n")
	}
	writeExitCodes(out, exitCodesOf(title(command)))
}

// describeFlag is what a flag is called, with its value, and what it means, with its default.
func describeFlag(flag cli.Flag) (title, usage string) {
	title = "--" + flag.Names()[0]
	usage = flag.(cli.DocGenerationFlag).GetUsage()
	if before, rest, quoted := strings.Cut(usage, "`"); quoted {
		value, after, _ := strings.Cut(rest, "`")
		title += " " + value
		usage = before + value + after
	}
	standard := ""
	switch f := flag.(type) {
	case *cli.StringFlag:
		standard = f.Value
	case *cli.IntFlag:
		if f.Value != 0 {
			standard = fmt.Sprint(f.Value)
		}
	case *cli.DurationFlag:
		if f.Value != 0 {
			standard = durationText(f.Value)
		}
	}
	if standard != "" {
		usage += " (default" + unbroken + standard + ")"
	}
	return title, usage
}

// durationText is a duration as a person writes it: 1m, not 1m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// writeEntry prints a name and, beside it from a column on, what it means.
func writeEntry(out *strings.Builder, name string, column int, text string) {
	indent := strings.Repeat(" ", column+2)
	first := "  " + name
	if len(first) > len(indent)-2 {
		out.WriteString(first + "\n")
		first = ""
	}
	for i, line := range wrapWords(text, helpWidth-len(indent)) {
		if i == 0 {
			fmt.Fprintf(out, "%-*s%s\n", len(indent), first, line)
			continue
		}
		out.WriteString(indent + line + "\n")
	}
}

func writeParagraph(out *strings.Builder, text string) {
	out.WriteString(strings.Join(wrapWords(text, helpWidth), "\n") + "\n\n")
}

func wrapWords(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	lines = append(lines, line)
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], unbroken, " ")
	}
	return lines
}

// exitCode is one exit code of a command and its meaning.
type exitCode struct {
	code    int
	meaning string
}

// exitCodesOf are a command's exit codes; every help lists them.
func exitCodesOf(command string) []exitCode {
	var codes []int
	words := map[int]string{}
	switch command {
	case "status":
		codes = []int{report.OK, report.Different, report.Failed, report.Unverified, report.Usage, report.Interrupted, report.Terminated}
		words = map[int]string{report.OK: "all that was looked at replicates", report.Different: "a server does not replicate: stopped, broken or not connected",
			report.Failed: "the source could not be reached, or an error ended it", report.Unverified: "a server, a journal or a pause's replica could not be read"}
	case "repair":
		codes = []int{report.OK, report.Different, report.Failed, report.Unverified, report.Usage, report.Interrupted, report.Terminated}
		words = map[int]string{report.OK: "nothing to repair, or repaired and verified equal; with --undo: all undone",
			report.Different: "the plan is not empty, differences are left, or the answer was no", report.Failed: "an error ended it: the report says what was done"}
	case "recover":
		codes = []int{report.OK, report.Different, report.Failed, report.Unverified, report.Usage, report.Interrupted, report.Terminated}
		words = map[int]string{report.OK: "nothing to recover from, or past the error and all that was touched verified equal",
			report.Different: "the replica is still stopped, or rows differ", report.Failed: "a step failed: the report says what was done",
			report.Unverified: "past the error, and not all that was touched could be compared"}
	case "audit", "audit verify", "audit show":
		codes = []int{report.OK, report.Different, report.Failed, report.Unverified, report.Usage}
		words = map[int]string{report.OK: "the journal is whole: as it was written, up to its end", report.Different: "it was changed, or its head is not the expected one",
			report.Failed: "it could not be read", report.Unverified: "it has no end, or leaves something open: its process lives or was killed"}
	case "demo":
		codes = []int{report.OK, report.Failed, report.Usage, report.Interrupted, report.Terminated}
		words = map[int]string{report.OK: "the check found exactly the damage", report.Failed: "it did not, or an error ended the demo"}
	case "version":
		codes = []int{report.OK, report.Failed, report.Usage}
		words = map[int]string{report.OK: "the version was printed", report.Failed: "it could not be written"}
	default:
		codes = []int{report.OK, report.Different, report.Failed, report.Unverified, report.Usage, report.Interrupted, report.Terminated}
	}
	var all []exitCode
	for _, code := range codes {
		meaning := words[code]
		if meaning == "" {
			meaning = report.CodeMeaning(code)
		}
		all = append(all, exitCode{code, meaning})
	}
	return all
}

func writeExitCodes(out *strings.Builder, codes []exitCode) {
	out.WriteString("Exit codes")
	if slices.ContainsFunc(codes, func(c exitCode) bool { return c.code == report.Unverified }) {
		out.WriteString(" (when several hold: 1 before 2 before 3)")
	}
	out.WriteString(":\n")
	for _, c := range codes {
		writeEntry(out, fmt.Sprintf("%3d", c.code), 5, c.meaning)
	}
}

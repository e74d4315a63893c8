package report

import (
	"fmt"
	"io"
	"strings"
)

// trapWidth is the width of the longest trap's name; a longer one only shifts its line.
const trapWidth = 20

// WriteSelfTestText writes the self-test for a person to read: a line for each trap, with what went wrong below it, and a
// conclusion. It fails only where w does.
func WriteSelfTestText(w io.Writer, s SelfTest, options TextOptions) error {
	t := &textPrinter{options: options}
	on := ""
	if s.ServerVersion != "" {
		on = " MariaDB " + showName(shortVersion(s.ServerVersion)) + ","
	}
	t.prose(4, "trueup self-test %s,%s took %s", showName(s.RunID), on, showDuration(s.DurationSeconds))
	if len(s.Traps) > 0 {
		t.out.WriteByte('\n')
	}
	for _, trap := range s.Traps {
		t.trap(trap)
	}
	t.out.WriteByte('\n')
	for _, problem := range s.Problems {
		t.prose(4, "  %s", showMessage(problem))
	}
	t.paragraph(s.conclusion())
	t.prose(2, "Exit code %d: %s.", s.ExitCode, s.codeMeaning())
	if _, err := io.WriteString(w, t.out.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// trap prints one trap's line; its words are padded before they are painted.
func (t *textPrinter) trap(trap Trap) {
	word, colour := trap.word()
	const indent = 14 + trapWidth
	line := wrap(fmt.Sprintf("%-12s  %-*s%s", word, trapWidth, showName(trap.Name), showMessage(trap.Planted)), t.options.Width, indent)
	t.printf("%s%s\n", paint(t.options.Color, colour, word), strings.TrimPrefix(line, word))
	for _, problem := range trap.Problems {
		t.prose(indent+2, "%*s%s", indent, "", showMessage(problem))
	}
	if t.options.Verbose {
		for _, row := range trap.Found {
			t.prose(indent+2, "%*s%s", indent, "", row)
		}
	}
}

// word says of a trap in a word or two what came of it.
func (t Trap) word() (string, colour) {
	switch {
	case t.OK && len(t.Expected) == 0:
		return "equal", green
	case t.OK:
		return "found", green
	case len(t.Expected) > 0 && len(t.Found) == 0:
		return "NOT FOUND", red
	default:
		return "WRONG", red
	}
}

// String is the row as a person reads it.
func (r TrapRow) String() string {
	text := r.Kind
	if r.Count != 1 {
		text += fmt.Sprintf(" %d×", r.Count)
	}
	if r.Key != "" {
		text += " " + showName(r.Key)
	}
	if len(r.Columns) > 0 {
		text += " in " + showName(strings.Join(r.Columns, ", "))
	}
	return text
}

func (s SelfTest) conclusion() string {
	switch harmless := len(s.Traps) - s.planted(); {
	case s.Interrupted:
		return "Interrupted before the self-test was complete: it says nothing."
	case s.Error != "":
		return "The self-test could not be completed: " + strings.TrimRight(showMessage(s.Error), ".") + "."
	case s.Verdict == ConditionPassed:
		return fmt.Sprintf("The damage of all %d traps was found, row by row, with its kind, its key and its columns; nothing else was reported, and the %d tables without damage are equal.",
			s.planted(), harmless)
	case len(s.Traps) == 0:
		return "There was no trap, so nothing is proven."
	case s.failed() == 0:
		return "Every trap was judged right, but something else was reported that should not be: do not trust this build's verdicts here."
	default:
		return fmt.Sprintf("%d of %s failed: do not trust this build's verdicts on this machine; please report this output.", s.failed(), count(len(s.Traps), "trap", "traps"))
	}
}

func (s SelfTest) codeMeaning() string {
	switch s.ExitCode {
	case OK:
		return "every planted damage was found exactly, and nothing else"
	case Failed:
		return "the self-test did not pass"
	default:
		return CodeMeaning(s.ExitCode)
	}
}

package report

import (
	"io"
	"os"

	"golang.org/x/term"
)

// TerminalWidth is the width of the terminal that w, a file or an Output, writes to, in cells; false when w is
// no terminal.
func TerminalWidth(w io.Writer) (int, bool) {
	if output, ok := w.(*Output); ok {
		w = output.writer
	}
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return 80, true // a terminal without a known size, such as a serial line
	}
	return width, true
}

// colour is an SGR sequence; the empty one colours nothing.
type colour string

const (
	green  colour = "\x1b[32m"
	red    colour = "\x1b[31m"
	yellow colour = "\x1b[33m"
	bold   colour = "\x1b[1m"
)

func paint(on bool, c colour, s string) string {
	if !on || c == "" || s == "" {
		return s
	}
	return string(c) + s + "\x1b[0m"
}

func verdictColour(verdict string) colour {
	switch verdict {
	case ConditionEqual:
		return green
	case ConditionDifferent, ConditionFailed:
		return red
	case ConditionUnverified:
		return yellow
	default:
		return ""
	}
}

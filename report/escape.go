package report

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"
)

// valueWidth is how many characters of a value are shown; names and numbers are hardly ever longer.
const valueWidth = 40

// showName prints a name as it is where that is harmless, else with Go escapes. A backslash forces escapes
// too, so that two names never look the same.
func showName(name string) string {
	if !strings.Contains(name, `\`) && harmless(name) {
		return name
	}
	return quoteInner(name)
}

// showMessage prints a sentence on one line.
func showMessage(message string) string {
	message = strings.Join(strings.FieldsFunc(message, func(r rune) bool { return r == '\n' || r == '\r' }), " ")
	if harmless(message) {
		return message
	}
	return quoteInner(message)
}

// harmless is true for text that cannot drive or fool a terminal: no control, format or invisible characters.
func harmless(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}

func quoteInner(s string) string {
	quoted := strconv.Quote(s)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

func tableTitle(database, table string) string { return showName(database) + "." + showName(table) }

// showValue prints one value: NULL, a bare number, quoted text, or 0x… for bytes that are not text.
func showValue(v *Value) string { return showFrom(v, 0) }

// showPair prints two values that differ. Where both are long and begin alike, what is shown of them begins
// shortly before the first difference: else the same beginning would be shown twice.
func showPair(source, replica *Value) string {
	from := 0
	if source != nil && replica != nil && source.Value != nil && replica.Value != nil && source.Encoding == replica.Encoding {
		from = windowStart([]rune(*source.Value), []rune(*replica.Value), source.Encoding)
	}
	return showFrom(source, from) + " → " + showFrom(replica, from)
}

func windowStart(a, b []rune, encoding string) int {
	if max(len(a), len(b)) <= valueWidth {
		return 0
	}
	common := 0
	for common < min(len(a), len(b)) && a[common] == b[common] {
		common++
	}
	if common < valueWidth*3/4 {
		return 0
	}
	start := common - valueWidth/4
	if encoding == "hex" {
		start -= start % 2
	}
	return start
}

// showFrom prints a value without its first `from` characters (hexadecimal digits), cut to valueWidth.
func showFrom(v *Value, from int) string {
	switch {
	case v == nil:
		return "(no row)"
	case v.Value == nil:
		return "NULL"
	case v.Bytes > 0: // a part
		whole := *v
		whole.Bytes = 0
		shown := showFrom(&whole, from)
		if note := strings.LastIndex(shown, " ("); note > 0 && strings.HasSuffix(shown, ")") {
			shown = shown[:note] // how long the part is says nothing
		}
		return fmt.Sprintf("%s (of %s bytes)", shown, grouped(v.Bytes))
	case v.Encoding == "hex":
		return "0x" + cut([]rune(*v.Value), from, func(s string) string { return s }, "byte", 2)
	case isNumber(*v.Value):
		return *v.Value
	default:
		return cut([]rune(*v.Value), from, strconv.Quote, "character", 1)
	}
}

// cut shows valueWidth runes from `from` on, with … for what is left out on either side and the length said
// in units of runesPerUnit runes.
func cut(runes []rune, from int, show func(string) string, unit string, runesPerUnit int) string {
	if from == 0 && len(runes) <= valueWidth {
		return show(string(runes))
	}
	length := count(len(runes)/runesPerUnit, unit, unit+"s")
	from = min(from, len(runes))
	end := min(from+valueWidth, len(runes))
	out := show(string(runes[from:end]))
	if end < len(runes) {
		out += "…"
	}
	if from > 0 {
		return fmt.Sprintf("…%s (from %s %s, %s)", out, unit, grouped(int64(from/runesPerUnit+1)), length)
	}
	return fmt.Sprintf("%s (%s)", out, length)
}

// isNumber is true for a plain decimal number that is short enough to be shown whole.
func isNumber(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(s) > valueWidth {
		return false
	}
	whole, fraction, dotted := strings.Cut(digits, ".")
	onlyDigits := func(part string) bool { return part != "" && strings.Trim(part, "0123456789") == "" }
	return onlyDigits(whole) && (!dotted || onlyDigits(fraction))
}

// displayWidth is how many terminal cells a string without escape sequences takes.
func displayWidth(s string) int { return text.StringWidthWithoutEscSequences(s) }

// wrap breaks prose between words so that no line is wider than width (0: no limit); lines after the first
// are indented. A word that is wider stands alone: addresses and names stay whole for copying.
func wrap(prose string, width, indent int) string {
	if width <= 0 || displayWidth(prose) <= width {
		return prose
	}
	var out strings.Builder
	words := strings.TrimLeft(prose, " ")
	used := len(prose) - len(words)
	out.WriteString(prose[:used])
	for i, word := range strings.Split(words, " ") {
		size := displayWidth(word)
		switch {
		case i == 0:
		case used+1+size > width:
			out.WriteString("\n" + strings.Repeat(" ", indent))
			used = indent
		default:
			out.WriteByte(' ')
			used++
		}
		out.WriteString(word)
		used += size
	}
	return out.String()
}

// count prints a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(int64(n)) + " " + many
}

// grouped prints a number with commas between thousands.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Harmless returns a message whose lines cannot drive or fool a terminal; its line breaks stay. Messages quote what
// servers and files say.
func Harmless(message string) string {
	lines := strings.Split(message, "\n")
	for i, line := range lines {
		if line = strings.TrimSuffix(line, "\r"); !harmless(line) {
			line = quoteInner(line)
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

// HarmlessLines returns a writer that passes whole lines on as Harmless makes them. What comes after the last line break is kept back.
func HarmlessLines(w io.Writer) io.Writer { return &harmlessLines{w: w} }

type harmlessLines struct {
	w    io.Writer
	rest []byte
}

func (h *harmlessLines) Write(p []byte) (int, error) {
	h.rest = append(h.rest, p...)
	end := bytes.LastIndexByte(h.rest, '\n') + 1
	if end == 0 {
		return len(p), nil
	}
	whole := Harmless(string(h.rest[:end]))
	h.rest = append(h.rest[:0], h.rest[end:]...)
	if _, err := io.WriteString(h.w, whole); err != nil {
		return 0, err
	}
	return len(p), nil
}

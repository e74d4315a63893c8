package report

import (
	"io"
	"strconv"
	"strings"
)

// textSheet writes a journal as plain text, wrapped for a terminal.
type textSheet struct {
	w       io.Writer
	options TextOptions
	err     error
}

// flush writes what was printed; the printer is for one entry.
func (s *textSheet) flush(t *textPrinter) {
	if s.err == nil {
		_, s.err = io.WriteString(s.w, t.out.String())
	}
}

func (s *textSheet) begin(h journalHead) {
	t := &textPrinter{options: s.options}
	t.paragraph(showMessage(h.verdict()))
	var lines [][]string
	for _, line := range h.lines() {
		lines = append(lines, []string{line[0], showMessage(line[1])})
	}
	t.aligned("  ", lines)
	s.flush(t)
}

func (s *textSheet) entry(e journalEntry) {
	t := &textPrinter{options: s.options}
	t.out.WriteByte('\n')
	t.prose(4, "%d. %s  %s", e.number, e.time(), paint(s.options.Color, bold, showMessage(e.title)))
	for _, f := range e.fields {
		if f.text != "" {
			t.prose(6, "    %s: %s", showMessage(f.label), showMessage(f.text))
		} else {
			t.printf("    %s:\n", showMessage(f.label))
		}
		for _, line := range f.list {
			t.prose(8, "      %s", showMessage(line))
		}
		for _, code := range f.code {
			for line := range strings.SplitSeq(Harmless(code), "\n") { // to be copied: no line of it is broken
				t.printf("      %s\n", line)
			}
		}
	}
	s.flush(t)
}

func (s *textSheet) end() error { return s.err }

// markdownSheet writes a journal as CommonMark. What servers and files say is never markup: it stands in code blocks, or with every punctuation
// character escaped.
type markdownSheet struct {
	w   io.Writer
	err error
}

func (s *markdownSheet) write(parts ...string) {
	if s.err == nil {
		_, s.err = io.WriteString(s.w, strings.Join(parts, ""))
	}
}

func (s *markdownSheet) begin(h journalHead) {
	s.write("# Audit journal of run ", markdownText(h.summary.Run), "\n\n**", markdownText(h.verdict()), "**\n\n| | |\n|---|---|\n")
	for _, line := range h.lines() {
		s.write("| ", markdownText(line[0]), " | ", markdownText(line[1]), " |\n")
	}
}

func (s *markdownSheet) entry(e journalEntry) {
	s.write("\n## ", strconv.FormatInt(e.number, 10), "\\. ", markdownText(e.title), "\n\n", e.time(), " · ", markdownText(e.kind), "\n")
	for _, f := range e.fields {
		s.write("\n- **", markdownText(f.label), "**")
		if f.text != "" {
			s.write(": ", markdownText(f.text))
		}
		s.write("\n")
		for _, line := range f.list {
			s.write("  - ", markdownText(line), "\n")
		}
		for _, code := range f.code {
			s.write("\n", markdownCode(code))
		}
	}
}

func (s *markdownSheet) end() error { return s.err }

// markdownText makes text that no renderer takes for markup: CommonMark lets ASCII punctuation characters be escaped by a backslash, and the two that HTML begins with are entities, for renderers that let HTML through.
func markdownText(text string) string {
	var out strings.Builder
	for _, r := range showMessage(text) {
		switch {
		case r == '<':
			out.WriteString("&lt;")
		case r == '&':
			out.WriteString("&amp;")
		case strings.ContainsRune("\\`*_{}[]()#+!|>~$@", r):
			out.WriteByte('\\')
			out.WriteRune(r)
		default:
			out.WriteRune(r)
		}
	}
	return markdownStart(strings.ReplaceAll(out.String(), "://", `:\/\/`)) // some renderers make a link of every address
}

// markdownStart escapes what is markup at the beginning of a line only.
func markdownStart(text string) string {
	if strings.HasPrefix(text, "-") {
		return `\` + text
	}
	digits := strings.TrimLeft(text, "0123456789")
	if digits != text && strings.HasPrefix(digits, ".") {
		return strings.TrimSuffix(text, digits) + `\` + digits
	}
	return text
}

// markdownCode is a block of code within a list, with a fence that is longer than every run of backticks in it.
func markdownCode(code string) string {
	fence := "```"
	for strings.Contains(code, fence) {
		fence += "`"
	}
	var out strings.Builder
	out.WriteString("  " + fence + "\n")
	for line := range strings.SplitSeq(Harmless(code), "\n") {
		out.WriteString("  " + line + "\n")
	}
	out.WriteString("  " + fence + "\n")
	return out.String()
}

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// WriteJSON writes the check as one indented JSON object with a newline at the end. It fails only where w does.
func WriteJSON(w io.Writer, c Check) error { return writeJSON(w, c) }

func writeJSON(w io.Writer, document any) error {
	encoder := json.NewEncoder(inertWriter{w})
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return fmt.Errorf("writing the JSON report: %w", err)
	}
	return nil
}

// inertWriter passes JSON on with every character escaped that could drive or fool a terminal. encoding/json
// escapes only what is below U+0020; DEL, C1 controls (U+009B starts an escape sequence) and the invisible
// format characters (which reorder text) it lets through. Each Write must hold whole characters.
type inertWriter struct{ w io.Writer }

func (i inertWriter) Write(p []byte) (int, error) {
	out := p
	if bytes.ContainsFunc(p, mustEscape) {
		out = escapeJSON(p)
	}
	if _, err := i.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escapeJSON relies on these characters only ever standing inside JSON strings.
func escapeJSON(p []byte) []byte {
	out := make([]byte, 0, len(p)+64)
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		switch {
		case !mustEscape(r):
			out = append(out, p[:size]...)
		case r > 0xFFFF:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+(r>>10), 0xDC00+(r&0x3FF))
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		p = p[size:]
	}
	return out
}

func mustEscape(r rune) bool { return r > 0x7E && !unicode.IsPrint(r) }

package recovery

import (
	"strings"
	"unicode/utf8"

	"trueup/check"
	"trueup/checksum"
)

// mostShown is how many bytes of a value a sentence shows.
const mostShown = 64

// describeValues writes the values of a row's first columns as "id=5, name='x'".
func describeValues(columns []checksum.Column, row checksum.Row) string {
	layout := &checksum.Layout{Columns: columns}
	var parts []string
	for _, named := range check.NewRow(layout, row) {
		parts = append(parts, named.Name+"="+describeValue(named.Value))
	}
	return strings.Join(parts, ", ")
}

// describeValue is a value as a sentence shows it.
func describeValue(v check.Value) string {
	switch {
	case v.Null:
		return "NULL"
	case v.Hex:
		return "0x" + shorten(v.Text)
	case strings.Trim(v.Text, "0123456789.-") == "" && v.Text != "":
		return shorten(v.Text)
	}
	return "'" + shorten(v.Text) + "'"
}

func shorten(text string) string {
	if len(text) <= mostShown {
		return text
	}
	end := mostShown
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

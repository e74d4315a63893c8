package schema

import (
	"slices"
	"testing"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	for columnType, want := range map[string][]string{
		"enum('a')":                      {"a"},
		"enum('','x')":                   {"", "x"},
		"set('x','')":                    {"x", ""},
		"enum('it''s','''','a'',''b')":   {"it's", "'", "a','b"},
		`enum('back\\slash','\\''','é')`: {`back\slash`, `\'`, "é"},
		`enum('a\nb\0c\rd')`:             {"a\nb\x00c\rd"},
		"enum('a)','(''b')":              {"a)", "('b"},
		"int(11)":                        nil,
	} {
		if got := Members(columnType); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", columnType, got, want)
		}
	}
}

package schema

import (
	"fmt"
	"strings"
)

// Filter holds the patterns that choose what is compared, as the flags take them: '*' is any run of characters, '?'
// one character. A name with a literal dot, '*' or '?' is written between backticks, where every character is
// itself and a doubled backtick is one: `a.b`.c* is every table whose name begins with c in the database a.b.
//
// Databases and Tables narrow each other: with both, a table must fit both. An empty list lets everything through.
type Filter struct {
	Databases       []string // database
	Tables          []string // database.table
	IgnoreDatabases []string // database
	IgnoreTables    []string // database.table
	IgnoreColumns   []string // database.table.column
}

// pattern is one parsed pattern: one to three name globs.
type pattern struct {
	text  string // as it was given
	flag  string // without dashes
	parts []glob
}

func (p pattern) literal() bool {
	for _, part := range p.parts {
		if !part.literal() {
			return false
		}
	}
	return true
}

func (p pattern) match(names ...string) bool {
	for i, name := range names {
		if !p.parts[i].match(name) {
			return false
		}
	}
	return true
}

// systemDatabases belong to the server; no check compares them.
var systemDatabases = []string{"information_schema", "mysql", "performance_schema", "sys"}

// isSystemDatabase compares exactly: servers print these names in lower case, and where names have letter case a
// database called Sys is a user's. information_schema and performance_schema have no letter case anywhere.
func isSystemDatabase(name string) bool {
	for _, system := range systemDatabases {
		if name == system {
			return true
		}
	}
	return strings.EqualFold(name, "information_schema") || strings.EqualFold(name, "performance_schema")
}

// ParseFilter checks the patterns. Every error is the user's to mend (a usage error) and names flag and pattern.
func ParseFilter(filter Filter) (*Selector, error) {
	s := &Selector{}
	for _, list := range []struct {
		flag     string
		patterns []string
		parts    int
		into     *[]pattern
	}{
		{"databases", filter.Databases, 1, &s.databases},
		{"tables", filter.Tables, 2, &s.tables},
		{"ignore-databases", filter.IgnoreDatabases, 1, &s.ignoreDatabases},
		{"ignore-tables", filter.IgnoreTables, 2, &s.ignoreTables},
		{"ignore-columns", filter.IgnoreColumns, 3, &s.ignoreColumns},
	} {
		for _, text := range list.patterns {
			p, err := parsePattern(list.flag, text, list.parts)
			if err != nil {
				return nil, err
			}
			*list.into = append(*list.into, p)
		}
	}
	for _, p := range append(append([]pattern(nil), s.databases...), s.tables...) {
		if p.parts[0].literal() && isSystemDatabase(p.parts[0].text()) {
			return nil, fmt.Errorf("--%s %s: %s belongs to the server itself and is never compared (nor are %s)",
				p.flag, p.text, p.parts[0].text(), strings.Join(systemDatabases, ", "))
		}
	}
	return s, nil
}

var patternForms = [...]string{1: "database", 2: "database.table", 3: "database.table.column"}

func parsePattern(flag, text string, want int) (pattern, error) {
	if err := CheckName(text); err != nil {
		return pattern{}, fmt.Errorf("--%s %q: %w", flag, text, err)
	}
	parts, err := parseParts(text)
	if err != nil {
		return pattern{}, fmt.Errorf("--%s %s: %w; the form is %s", flag, text, err, patternForms[want])
	}
	switch {
	case len(parts) < want:
		return pattern{}, fmt.Errorf("--%s %s: the pattern has %s; write %s, for example %s",
			flag, text, dots(len(parts)-1), patternForms[want], strings.Repeat("*.", want-len(parts))+text)
	case len(parts) > want && want == 1:
		return pattern{}, fmt.Errorf("--%s %s: a database pattern has no dot; give tables to --%s, or put a name that holds a dot between backticks",
			flag, text, strings.Replace(flag, "databases", "tables", 1))
	case len(parts) > want:
		return pattern{}, fmt.Errorf("--%s %s: the pattern has %s; write %s, and put a name that holds a dot between backticks",
			flag, text, dots(len(parts)-1), patternForms[want])
	}
	return pattern{text: text, flag: flag, parts: parts}, nil
}

func dots(n int) string {
	switch n {
	case 0:
		return "no dot"
	case 1:
		return "one dot"
	default:
		return fmt.Sprintf("%d dots", n)
	}
}

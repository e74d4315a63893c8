package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// optionFile reads an option file as the MariaDB and MySQL clients do (mysys/my_default.c; manual: "Configuring
// MariaDB with Option Files"). gopkg.in/ini.v1 differs from them in comments behind values, in quotes and escapes.
type optionFile struct {
	groups   []string
	options  []option
	warnings []string
	files    []string // all that were read
}

// option is a line of a chosen group: the last of its name wins.
type option struct {
	name     string // with - for _
	value    string
	hasValue bool
	file     string
}

// deepestInclude is how deep the clients follow !include.
const deepestInclude = 10

func (f *optionFile) read(path string, depth int) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("%s can be written by every user of this machine; the mysql client ignores such a file: chmod o-w %s", path, path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f.files = append(f.files, path)
	if strings.HasPrefix(string(content), "\ufeff") {
		return fmt.Errorf("%s begins with a byte order mark, which the mysql client does not take: save it as UTF-8 without one", path)
	}
	group, anyGroup := "", false
	number := 0
	for line := range strings.SplitSeq(string(content), "\n") {
		number++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '!':
			if err := f.directive(strings.TrimSpace(line[1:]), path, number, depth); err != nil {
				return err
			}
		case line[0] == '[':
			name, _, closed := strings.Cut(line[1:], "]")
			if !closed {
				return fmt.Errorf("%s, line %d: a group's name is not closed with ]", path, number)
			}
			group, anyGroup = strings.TrimRight(name, " \t"), true
		case !anyGroup:
			return fmt.Errorf("%s, line %d: an option stands before the first [group]", path, number)
		case f.wanted(group):
			f.options = append(f.options, parseOption(line, path))
		}
	}
	return nil
}

func (f *optionFile) wanted(group string) bool {
	for _, name := range f.groups {
		if name == group {
			return true
		}
	}
	return false
}

// directive follows !include and !includedir; other directives are ignored, as the clients do.
func (f *optionFile) directive(text, path string, number, depth int) error {
	name, argument, _ := strings.Cut(text, " ")
	if tab := strings.IndexByte(name, '\t'); tab >= 0 {
		name, argument = name[:tab], text[tab+1:]
	}
	argument = strings.TrimSpace(argument)
	if name != "include" && name != "includedir" {
		return nil
	}
	if depth >= deepestInclude {
		f.warnings = append(f.warnings, fmt.Sprintf("%s, line %d: files are included more than %d deep; the rest is left out", path, number, deepestInclude))
		return nil
	}
	if name == "include" {
		if _, err := os.Stat(argument); os.IsNotExist(err) {
			f.warnings = append(f.warnings, fmt.Sprintf("%s, line %d: the included file %s does not exist", path, number, argument))
			return nil
		}
		return f.read(argument, depth+1)
	}
	entries, err := os.ReadDir(argument)
	if err != nil {
		return fmt.Errorf("%s, line %d: %w", path, number, err)
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".cnf" {
			continue
		}
		if err := f.read(filepath.Join(argument, entry.Name()), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// parseOption reads name, or name = value.
func parseOption(line, file string) option {
	line = withoutComment(line)
	name, value, hasValue := strings.Cut(line, "=")
	name = strings.TrimPrefix(strings.ReplaceAll(strings.TrimSpace(name), "_", "-"), "loose-")
	value = strings.TrimSpace(value)
	if n := len(value); n > 1 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
		value = value[1 : n-1]
	}
	return option{name: name, value: unescapeOption(value), hasValue: hasValue, file: file}
}

// withoutComment cuts a line at a # outside quotes. A ; ends nothing within a line.
func withoutComment(line string) string {
	var quote byte
	escaped := false
	for i := range len(line) {
		c := line[i]
		if (c == '"' || c == '\'') && !escaped {
			switch quote {
			case 0:
				quote = c
			case c:
				quote = 0
			}
		}
		if quote == 0 && c == '#' {
			return line[:i]
		}
		escaped = quote != 0 && c == '\\' && !escaped
	}
	return line
}

var optionEscapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 's': ' ', '"': '"', '\'': '\'', '\\': '\\'}

func unescapeOption(value string) string {
	var out strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' && i+1 < len(value) {
			if c, known := optionEscapes[value[i+1]]; known {
				out.WriteByte(c)
				i++
				continue
			}
		}
		out.WriteByte(value[i])
	}
	return out.String()
}

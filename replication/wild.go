package replication

import "unicode"

// wildMatch matches a name against a pattern as the server's wild filters do: % is any run of characters, the
// dot between database and table included, _ is any one, a backslash takes the next character as it is; letter
// case does not count, since the server compares in its general case-insensitive collation.
func wildMatch(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	pi, ni := 0, 0
	afterMany, resumeAt := -1, 0 // where to go on after a % that has to take one character more
	for ni < len(n) {
		switch next, width := wildToken(p, pi); {
		case width == 1 && next == '%':
			pi++
			afterMany, resumeAt = pi, ni
		case width > 0 && (width == 1 && next == '_' || fold(next) == fold(n[ni])):
			pi += width
			ni++
		case afterMany >= 0:
			resumeAt++
			pi, ni = afterMany, resumeAt
		default:
			return false
		}
	}
	for pi < len(p) && p[pi] == '%' {
		pi++
	}
	return pi == len(p)
}

// wildToken is the pattern's character at i and how many runes stand for it: 2 when it is escaped, 0 at the end.
func wildToken(p []rune, i int) (rune, int) {
	switch {
	case i >= len(p):
		return 0, 0
	case p[i] == '\\' && i+1 < len(p):
		return p[i+1], 2
	}
	return p[i], 1
}

func fold(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }

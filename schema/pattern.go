package schema

import (
	"errors"
	"strings"
)

// glob is one name pattern: runes, of which '*' and '?' are wildcards unless they were quoted.
type glob []globRune

type globRune struct {
	char rune
	wild bool
}

// literal tells whether the pattern holds no wildcard.
func (g glob) literal() bool {
	for _, r := range g {
		if r.wild {
			return false
		}
	}
	return true
}

// text is the name a literal pattern stands for.
func (g glob) text() string {
	var b strings.Builder
	for _, r := range g {
		b.WriteRune(r.char)
	}
	return b.String()
}

func (g glob) lower() glob {
	folded := make(glob, len(g))
	for i, r := range g {
		folded[i] = globRune{char: []rune(strings.ToLower(string(r.char)))[0], wild: r.wild}
	}
	return folded
}

// match tells whether the whole name fits. It goes back to the last '*' only, so it is linear for names in practice
// and never worse than length of name times length of pattern.
func (g glob) match(name string) bool {
	runes := []rune(name)
	p, n, star, from := 0, 0, -1, 0
	for n < len(runes) {
		switch {
		case p < len(g) && g[p].wild && g[p].char == '*':
			star, from = p, n
			p++
		case p < len(g) && ((g[p].wild && g[p].char == '?') || (!g[p].wild && g[p].char == runes[n])):
			p++
			n++
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	for p < len(g) && g[p].wild && g[p].char == '*' {
		p++
	}
	return p == len(g)
}

// parseParts cuts a pattern at its unquoted dots. Between backticks every character is itself, wildcards and dots
// too, and a doubled backtick is one backtick.
func parseParts(pattern string) ([]glob, error) {
	parts := []glob{nil}
	runes := []rune(pattern)
	quoted := false
	for i := 0; i < len(runes); i++ {
		last := &parts[len(parts)-1]
		switch r := runes[i]; {
		case r == '`' && quoted && i+1 < len(runes) && runes[i+1] == '`':
			*last = append(*last, globRune{char: '`'})
			i++
		case r == '`':
			quoted = !quoted
		case quoted:
			*last = append(*last, globRune{char: r})
		case r == '.':
			parts = append(parts, nil)
		default:
			*last = append(*last, globRune{char: r, wild: r == '*' || r == '?'})
		}
	}
	if quoted {
		return nil, errors.New("a backtick is not closed")
	}
	for _, part := range parts {
		if len(part) == 0 {
			return nil, errors.New("a name in it is empty")
		}
	}
	return parts, nil
}

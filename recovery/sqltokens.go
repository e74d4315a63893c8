package recovery

import "strings"

// tokenKind is what a piece of a statement is.
type tokenKind uint8

const (
	plainWord  tokenKind = iota // a keyword, or a name
	backticked                  // a name
	doubled                     // in double quotes: a name under ANSI_QUOTES, else a text; the log's text does not say which
	symbol                      // one character
	text                        // in single quotes; it is passed over, as numbers are
)

type token struct {
	kind tokenKind
	text string // without quotes
}

// named tells whether the token may be a name.
func (t token) named() bool { return t.kind <= doubled }

// is tells whether the token is that symbol.
func (t token) is(character string) bool { return t.kind == symbol && t.text == character }

// word is the keyword that the token is, in upper case; "" where it can be none.
func (t token) word() string {
	if t.kind != plainWord {
		return ""
	}
	return strings.ToUpper(t.text)
}

// readings splits a statement into tokens, in each way in which a server may have read it: what a backslash means in quotes depends on the
// sql_mode (NO_BACKSLASH_ESCAPES, ANSI_QUOTES). Ways in which it would have been no statement are left out: a quote or a comment that does
// not end, a backslash outside of quotes. None: the text was cut, or is longer than is looked into.
//
// Texts and numbers are left out: a statement may have millions, and none is a name.
func readings(sql string) (all [][]token) {
	const most = 16 << 20
	if len(sql) > most {
		return nil
	}
	ways := []lexer{{escapes: true, escapesDoubled: true}}
	if strings.Contains(sql, `\`) {
		ways = append(ways, lexer{escapes: true}, lexer{})
	}
	for _, way := range ways {
		way.sql = sql
		if tokens, ok := way.tokens(); ok {
			all = append(all, tokens)
		}
	}
	return all
}

// lexer splits SQL as the servers do.
//
// https://dev.mysql.com/doc/refman/8.4/en/language-structure.html
type lexer struct {
	sql                     string
	at                      int
	escapes, escapesDoubled bool // a backslash escapes in single, in double quotes
	found                   []token
}

func (l *lexer) tokens() (tokens []token, ok bool) {
	for l.at < len(l.sql) {
		if !l.next() {
			return nil, false
		}
	}
	return l.found, true
}

func (l *lexer) add(kind tokenKind, text string) { l.found = append(l.found, token{kind, text}) }

// next takes one token, or what stands between two. False: this is no statement.
func (l *lexer) next() bool {
	rest := l.sql[l.at:]
	switch c := rest[0]; {
	case c <= ' ':
		l.at++
	case c == '#' || isDashComment(rest):
		l.skipLine()
	case strings.HasPrefix(rest, "/*"):
		return l.skipComment()
	case strings.HasPrefix(rest, "*/"): // the end of a comment that servers execute
		l.at += 2
	case c == '\'':
		return l.quoted(text, c, l.escapes)
	case c == '"':
		return l.quoted(doubled, c, l.escapesDoubled)
	case c == '`':
		return l.quoted(backticked, c, false)
	case c == '@':
		return l.variable()
	case inWord(c):
		l.word()
	case c == '.' && len(rest) > 1 && isDigit(rest[1]) && (l.at == 0 || !endsName(l.sql[l.at-1])): // .5
		l.at++
		l.run()
	case c == '\\' && !strings.HasPrefix(rest, `\N`): // \N is NULL
		return false
	default:
		l.at++
		l.add(symbol, rest[:1])
	}
	return true
}

// isDashComment: two dashes begin a comment only before white space or a control character.
func isDashComment(rest string) bool {
	return strings.HasPrefix(rest, "--") && (len(rest) == 2 || rest[2] <= ' ')
}

// inWord are the characters of names without quotes, and of numbers.
func inWord(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// endsName tells whether a name may end with the character: then a dot behind it is no decimal point.
func endsName(c byte) bool { return inWord(c) || c == '`' || c == '"' }

// run takes the characters of a word.
func (l *lexer) run() string {
	start := l.at
	for l.at < len(l.sql) && inWord(l.sql[l.at]) {
		l.at++
	}
	return l.sql[start:l.at]
}

// word takes a word, and passes over a number: digits alone are no name, but behind a dot.
func (l *lexer) word() {
	behindDot := len(l.found) > 0 && l.found[len(l.found)-1].is(".")
	word := l.run()
	if behindDot || strings.Trim(word, "0123456789") != "" {
		l.add(plainWord, word)
		return
	}
	if l.at < len(l.sql) && l.sql[l.at] == '.' {
		if l.at++; l.at < len(l.sql) && isDigit(l.sql[l.at]) {
			l.run()
		}
	}
}

func (l *lexer) skipLine() {
	end := strings.IndexByte(l.sql[l.at:], '\n')
	if end < 0 {
		l.at = len(l.sql)
		return
	}
	l.at += end + 1
}

// skipComment skips a comment. Of one that servers execute (from some version on, which may be this one) only the frame is skipped.
func (l *lexer) skipComment() bool {
	rest := l.sql[l.at:]
	for _, executed := range []string{"/*!", "/*M!"} {
		if strings.HasPrefix(rest, executed) {
			l.at += len(executed)
			for l.at < len(l.sql) && isDigit(l.sql[l.at]) {
				l.at++
			}
			return strings.Contains(l.sql[l.at:], "*/")
		}
	}
	end := strings.Index(rest[2:], "*/")
	l.at += 2 + end + 2
	return end >= 0
}

// quoted takes what stands in quotes; a quote within is doubled, or escaped.
func (l *lexer) quoted(kind tokenKind, quote byte, escapes bool) bool {
	var content strings.Builder
	for at := l.at + 1; at < len(l.sql); at++ {
		switch c := l.sql[at]; {
		case c == '\\' && escapes:
			if at++; at < len(l.sql) {
				content.WriteByte(l.sql[at])
			}
		case c != quote:
			content.WriteByte(c)
		case at+1 < len(l.sql) && l.sql[at+1] == quote:
			content.WriteByte(c)
			at++
		default:
			l.at = at + 1
			if kind != text {
				l.add(kind, content.String())
			}
			return true
		}
	}
	return false
}

// variable takes a variable, or the host of an account, for one symbol: neither is a table.
func (l *lexer) variable() bool {
	for l.at < len(l.sql) && l.sql[l.at] == '@' {
		l.at++
	}
	before := len(l.found)
	if l.at < len(l.sql) && strings.IndexByte("'\"`", l.sql[l.at]) >= 0 {
		if !l.next() {
			return false
		}
		l.found = l.found[:before]
	}
	for l.at < len(l.sql) && (inWord(l.sql[l.at]) || l.sql[l.at] == '.') { // a variable's name may have dots
		l.at++
	}
	l.add(symbol, "@")
	return true
}

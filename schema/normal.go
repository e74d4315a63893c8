package schema

import (
	"regexp"
	"strings"
)

var (
	comment       = regexp.MustCompile(`\s*/\*.*?\*/`)
	displayWidth  = regexp.MustCompile(`^((?:tiny|small|medium|big)?int|year)\(\d+\)`)
	currentMoment = regexp.MustCompile(`\b(?:now|current_timestamp|localtime|localtimestamp)(?:\(0?\)|\b)`)
	momentDigits  = regexp.MustCompile(`\b(?:now|localtime|localtimestamp)\(([1-6])\)`)
	simpleName    = regexp.MustCompile("`([0-9A-Za-z_$]+)`")
	introducer    = regexp.MustCompile(`(^|[^a-z0-9_$` + "`" + `])_(?:utf8mb4|utf8mb3|utf8)\s*$`)
)

// normalType drops from a COLUMN_TYPE what is not the type: the display width of integers and YEAR (MySQL 8.0.19 no
// longer prints it), comments such as MariaDB's COMPRESSED, and the old name of utf8mb3.
func normalType(c Column) string {
	if c.Kind == KindEnum || c.Kind == KindSet {
		return c.ColumnType // its text is values
	}
	text := strings.ToLower(comment.ReplaceAllString(c.ColumnType, ""))
	text = displayWidth.ReplaceAllString(text, "$1")
	if text == "geomcollection" {
		return "geometrycollection"
	}
	return text
}

// normalCharset gives utf8 its present name, in names of character sets and of collations.
func normalCharset(name string) string {
	lower := strings.ToLower(name)
	if lower == "utf8" || strings.HasPrefix(lower, "utf8_") {
		return "utf8mb3" + lower[len("utf8"):]
	}
	return lower
}

// normalExtra drops from EXTRA what is told by other fields (INVISIBLE, DEFAULT_GENERATED).
func normalExtra(extra string) string {
	text := normalExpression(extra)
	for _, word := range []string{"invisible", "default_generated", ","} {
		text = strings.ReplaceAll(text, word, " ")
	}
	text = strings.ReplaceAll(text, "persistent", "stored generated")
	return strings.Join(strings.Fields(text), " ")
}

// normalExpression folds what servers print differently for one expression: letter case, white space, needless
// backticks and utf8 introducers outside quotes, quotes written as \' by MySQL's data dictionary, outer parentheses, and
// the names of the current time.
func normalExpression(expression string) string {
	var out strings.Builder
	for rest := expression; rest != ""; {
		plain, quoted, after := cutQuoted(rest)
		plain = strings.ToLower(strings.Join(strings.Fields(simpleName.ReplaceAllString(plain, "$1")+"|"), " "))
		plain = strings.TrimSuffix(plain, "|")
		plain = currentMoment.ReplaceAllString(plain, "current_timestamp")
		plain = momentDigits.ReplaceAllString(plain, "current_timestamp($1)")
		if quoted != "" {
			plain = introducer.ReplaceAllString(plain, "$1")
		}
		out.WriteString(plain)
		out.WriteString(quoted)
		rest = after
	}
	return trimParentheses(strings.TrimSpace(out.String()))
}

// cutQuoted returns the text before the first string literal, that literal, and what follows. Both 'a' and MySQL's
// \'a\' count as literals and are returned as 'a'.
func cutQuoted(text string) (plain, quoted, after string) {
	start := strings.IndexByte(text, '\'')
	if start < 0 {
		return text, "", ""
	}
	escaped := start > 0 && text[start-1] == '\\'
	plain = text[:start]
	mark := "'"
	if escaped {
		plain, mark = text[:start-1], `\'`
	}
	body := text[start+1:]
	for i := 0; i < len(body); i++ {
		switch {
		case strings.HasPrefix(body[i:], mark+mark):
			i += 2*len(mark) - 1
		case strings.HasPrefix(body[i:], mark):
			literal := strings.ReplaceAll(body[:i], mark+mark, "''")
			return plain, "'" + literal + "'", body[i+len(mark):]
		case !escaped && body[i] == '\\':
			i++
		}
	}
	return text, "", "" // no end: leave it as it is
}

// trimParentheses removes pairs that enclose the whole expression.
func trimParentheses(text string) string {
	for strings.HasPrefix(text, "(") && strings.HasSuffix(text, ")") {
		depth := 0
		for i, r := range text {
			switch r {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth == 0 && i < len(text)-1 {
				return text
			}
		}
		if depth != 0 {
			return text
		}
		text = strings.TrimSpace(text[1 : len(text)-1])
	}
	return text
}

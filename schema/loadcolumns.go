package schema

import (
	"context"
	"encoding/hex"
	"regexp"
	"strings"
)

// columnsQuery takes the generated columns' expression, or ” on MySQL before 5.7, which had no such columns.
const columnsQuery = `SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, ORDINAL_POSITION, COLUMN_DEFAULT, IS_NULLABLE,
	DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION,
	NUMERIC_SCALE, DATETIME_PRECISION, EXTRA, GENERATION_EXPRESSION FROM information_schema.COLUMNS WHERE %s`

func (l *loader) loadColumns(ctx context.Context) error {
	query := columnsQuery
	if !l.mariadb && !l.version.AtLeast(5, 7, 6) {
		query = strings.Replace(query, "GENERATION_EXPRESSION", "'' AS GENERATION_EXPRESSION", 1)
	}
	return l.stream(ctx, query, func(r *row) {
		t := r.table()
		if t == nil {
			return
		}
		c := Column{
			Name: r.text(2), Position: int(r.number(3)), Nullable: r.text(5) == "YES",
			DataType: strings.ToLower(r.text(6)), ColumnType: r.text(7), Charset: r.text(8), Collation: r.text(9),
			CharLength: r.number(10), Precision: int(r.number(11)), Scale: int(r.number(12)),
			FractionalDigits: int(r.number(13)), Extra: r.text(14), GenerationExpr: r.text(15),
		}
		c.Kind = kindOf(c.DataType)
		switch c.Kind {
		case KindInteger, KindDecimal, KindFloat, KindDouble:
			c.Unsigned = strings.Contains(strings.ToLower(c.ColumnType), " unsigned")
		}
		extra := strings.ToUpper(c.Extra)
		c.Invisible = strings.Contains(extra, "INVISIBLE")
		c.Generated = c.GenerationExpr != ""
		c.Default, c.DefaultIsExpr = defaultOf(r.optional(4), c, l.mariadb)
		t.Columns = append(t.Columns, c)
	})
}

// defaultOf tells a default's value from an expression, and takes off how the two families write it down: MariaDB
// (since 10.2.7) prints SQL text, so a literal is quoted, an expression is not and NULL is the word; MySQL prints
// the bare value, binary ones as 0x…, and marks expressions DEFAULT_GENERATED in EXTRA.
//
// https://mariadb.com/kb/en/information-schema-columns-table/
func defaultOf(printed *string, c Column, mariadb bool) (value *string, expression bool) {
	if printed == nil || c.Generated {
		return nil, false
	}
	text := *printed
	if !mariadb {
		if strings.Contains(strings.ToUpper(c.Extra), "DEFAULT_GENERATED") {
			return &text, true
		}
		if decoded, err := hex.DecodeString(strings.TrimPrefix(text, "0x")); err == nil && c.Kind == KindBinary && strings.HasPrefix(text, "0x") {
			text = string(decoded)
		}
		return &text, momentDefault.MatchString(text) && (c.Kind == KindDateTime || c.Kind == KindTimestamp)
	}
	switch {
	case strings.EqualFold(text, "NULL"):
		return nil, false
	case len(text) >= 2 && text[0] == '\'' && isOneLiteral(text):
		text = unquote(text)
		return &text, false
	default:
		return &text, !plainDefault.MatchString(text)
	}
}

var (
	momentDefault = regexp.MustCompile(`(?i)^current_timestamp(?:\(\d?\))?$`)
	plainDefault  = regexp.MustCompile(`(?i)^(?:[-+]?[0-9.]+(?:e[-+]?[0-9]+)?|b'[01]*'|0x[0-9a-f]*|x'[0-9a-f]*')$`)
)

// isOneLiteral tells 'a' from 'a' || 'b': the first literal has to be all there is.
func isOneLiteral(text string) bool {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\'':
			if i+1 < len(text) && text[i+1] == '\'' {
				i++
				continue
			}
			return i == len(text)-1
		}
	}
	return false
}

var escapes = map[byte]byte{'0': 0, 'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'Z': 26}

// unquote decodes a string literal with doubled quotes and backslash escapes, as MariaDB prints defaults under the
// sql_mode of our sessions.
func unquote(literal string) string {
	var b strings.Builder
	body := literal[1 : len(literal)-1]
	for i := 0; i < len(body); i++ {
		switch {
		case body[i] == '\'':
			i++
			b.WriteByte('\'')
		case body[i] == '\\' && i+1 < len(body):
			i++
			if char, ok := escapes[body[i]]; ok {
				b.WriteByte(char)
			} else {
				b.WriteByte(body[i])
			}
		default:
			b.WriteByte(body[i])
		}
	}
	return b.String()
}

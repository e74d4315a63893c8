package schema

import "strings"

// unescaped are the characters that servers write behind a backslash in a COLUMN_TYPE.
var unescaped = map[byte]byte{'\\': '\\', '0': 0, 'n': '\n', 'r': '\r'}

// Members are the members of an ENUM or SET in order, in UTF-8, as its COLUMN_TYPE lists them: quotes are doubled, and backslashes and control
// characters escaped.
func Members(columnType string) []string {
	_, list, _ := strings.Cut(columnType, "('")
	list, _ = strings.CutSuffix(list, ")")
	var members []string
	var member strings.Builder
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == '\\' && i+1 < len(list):
			i++
			if plain, known := unescaped[list[i]]; known {
				member.WriteByte(plain)
			} else {
				member.WriteString(list[i-1 : i+1])
			}
		case list[i] != '\'':
			member.WriteByte(list[i])
		case strings.HasPrefix(list[i:], "''"):
			member.WriteByte('\'')
			i++
		default: // the end of the member: ','
			members = append(members, member.String())
			member.Reset()
			i += len("',") // and the quote that opens the next
		}
	}
	return members
}

package server

import "regexp"

// literal is a text of SQL in quotes, up to the end where it was cut off, or hexadecimal digits.
const literal = `('(?:[^'\\]|\\.|'')*(?:'|$)|"(?:[^"\\]|\\.|"")*(?:"|$)|0[xX][0-9a-fA-F]+)`

var (
	identified = regexp.MustCompile(`(?i)\bIDENTIFIED\b`)
	// secretPlaces are what stands before a password, or its hash, in statements about accounts and channels. The first is for those with
	// IDENTIFIED only.
	afterIdentified = regexp.MustCompile(`(?is)(\b(?:BY|AS|USING|REPLACE)\s+(?:PASSWORD\s*\(?\s*)?)` + literal)
	afterPassword   = regexp.MustCompile(`(?is)(PASSWORD\s*(?:[=(]|:=)\s*)` + literal)
	afterSet        = regexp.MustCompile(`(?is)(\bSET\s+PASSWORD\b[^=]*(?:=|\bTO\b)\s*)` + literal)
)

// MaskSecrets puts *** in the place of passwords, and of their hashes, in the text of a statement or of an error that quotes one. A server may log
// them as they were typed: MariaDB does so for CREATE USER, ALTER USER and GRANT (seen on 10.11).
// What only looks like a password is masked too.
func MaskSecrets(sql string) string {
	const mask = "${1}'" + masked + "'"
	if identified.MatchString(sql) {
		sql = afterIdentified.ReplaceAllString(sql, mask)
	}
	return afterPassword.ReplaceAllString(afterSet.ReplaceAllString(sql, mask), mask)
}

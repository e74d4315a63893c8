package schema

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// refused is what an impossible name is quoted as: the empty identifier, which every server refuses as the name of
// a database, table or column, so that a statement with such a name fails instead of meaning something else. (MariaDB
// takes it in an index hint, which then forces nothing.)
const refused = "``"

// QuoteIdentifier returns a database, table, column or key name between backticks, fit for a statement under every
// sql_mode. A name that CheckName refuses becomes an empty pair of backticks, which the server refuses in turn (error 1064, 1102, 1103 or
// 1054; retrying does not help): no name that Load returned is one, so callers that take names from elsewhere call
// CheckName first.
//
// https://dev.mysql.com/doc/refman/8.4/en/identifiers.html
func QuoteIdentifier(name string) string {
	if CheckName(name) != nil {
		return refused
	}
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}

// QuoteTable returns `database`.`table`, each quoted as QuoteIdentifier does.
func QuoteTable(database, table string) string {
	return QuoteIdentifier(database) + "." + QuoteIdentifier(table)
}

// CheckName tells why no server can have an object of that name: it is empty, holds a NUL, or is not UTF-8.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty")
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("the name %q holds a NUL character, which no server allows", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("the name %q is not valid UTF-8", name)
	}
	return nil
}

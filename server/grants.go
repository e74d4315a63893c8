package server

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Grants are the privileges of a session's account, those of its active roles included. They were read once;
// a later GRANT is not seen.
type Grants struct {
	// Account is the account the server chose for the login, quoted for use in a GRANT: `user`@`host`.
	Account string
	flavor  Flavor
	version Version
	entries []grant
	// literal: names of databases in GRANT are no patterns (MySQL with partial_revokes).
	literal bool
}

// grant is one line of SHOW GRANTS.
type grant struct {
	grantee    string
	database   string // "" for *.*; a pattern
	object     string // "" for a whole database
	privileges []string
	revoked    bool // a restriction of a privilege that is held globally (MySQL's partial revokes)
}

const allPrivileges = "ALL PRIVILEGES"

// ReadGrants reads the privileges of the session's account. SHOW GRANTS without a name is asked because that
// form alone includes what active roles hold, on both families.
func ReadGrants(ctx context.Context, session *Session) (Grants, error) {
	identity := session.server.identity
	grants := Grants{flavor: identity.Flavor, version: identity.Version}
	account, err := session.One(ctx, "SELECT CURRENT_USER() AS account")
	if err != nil {
		return Grants{}, err
	}
	grants.Account = quoteAccount(account.Text("account"))
	if identity.Flavor == MySQL {
		// https://dev.mysql.com/doc/refman/8.4/en/partial-revokes.html: % and _ are then taken as they stand.
		partial, err := session.Records(ctx, "SHOW GLOBAL VARIABLES LIKE 'partial_revokes'")
		if err != nil {
			return Grants{}, err
		}
		grants.literal = len(partial) == 1 && strings.EqualFold(partial[0].Text("Value"), "ON")
	}
	const show = "SHOW GRANTS"
	lines, err := session.Records(ctx, show)
	if err != nil {
		return Grants{}, err
	}
	for _, line := range lines {
		entry, ok, err := parseGrant(line.values[0].String, identity.Flavor)
		if err != nil {
			return Grants{}, session.wrap(err, show)
		}
		if ok {
			grants.entries = append(grants.entries, entry)
		}
	}
	return grants, nil
}

// quoteAccount turns user@host of CURRENT_USER() into `user`@`host`. The host has no @, the user may.
func quoteAccount(account string) string {
	user, host := account, "%"
	if at := strings.LastIndex(account, "@"); at >= 0 {
		user, host = account[:at], account[at+1:]
	}
	return quoteName(user) + "@" + quoteName(host)
}

func quoteName(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// HasGlobal tells whether the account holds at least one of the named privileges on *.*. Names are those of the
// server's own GRANT; REPLICATION CLIENT and REPLICA forms are known as their synonyms.
func (g Grants) HasGlobal(names ...string) bool {
	for _, entry := range g.entries {
		if entry.database == "" && !entry.revoked && entry.hasAny(names, g.flavor) {
			return true
		}
	}
	return false
}

// HasOnDatabase tells whether the account holds the privilege on every table of the database, by a global or a
// database-level grant.
func (g Grants) HasOnDatabase(name, database string) bool {
	for _, entry := range g.entries {
		if entry.revoked && entry.database == database && entry.hasAny([]string{name}, g.flavor) {
			return false
		}
	}
	if g.HasGlobal(name) {
		return true
	}
	var grantees []string
	for _, entry := range g.entries {
		if !slices.Contains(grantees, entry.grantee) {
			grantees = append(grantees, entry.grantee)
		}
	}
	for _, grantee := range grantees {
		if entry, ok := g.databaseEntry(grantee, database); ok && entry.hasAny([]string{name}, g.flavor) {
			return true
		}
	}
	return false
}

// databaseEntry is the one database-level grant of an account or role that counts for a database. The server
// does not add up patterns: the most specific one that matches decides alone
// (https://dev.mysql.com/doc/refman/8.4/en/request-access.html; so does MariaDB).
func (g Grants) databaseEntry(grantee, database string) (grant, bool) {
	var best grant
	bestPrefix := -1
	for _, entry := range g.entries {
		if entry.grantee != grantee || entry.database == "" || entry.object != "" || entry.revoked {
			continue
		}
		if prefix, ok := g.match(entry.database, database); ok && prefix > bestPrefix {
			best, bestPrefix = entry, prefix
		}
	}
	return best, bestPrefix >= 0
}

// match tells whether a database-level pattern covers a database, and how long its part before the first
// wildcard is.
func (g Grants) match(pattern, database string) (prefix int, ok bool) {
	if g.literal {
		return math.MaxInt, strings.ReplaceAll(pattern, `\`, "") == strings.ReplaceAll(database, `\`, "")
	}
	return likePrefix(pattern), like(pattern, database)
}

// HasOnTable tells whether the account holds the privilege on the whole table. A grant on columns does not
// count: information_schema and SELECT * then show those columns only.
func (g Grants) HasOnTable(name, database, table string) bool {
	for _, entry := range g.entries {
		if entry.database == database && entry.object == table && entry.hasAny([]string{name}, g.flavor) {
			return true
		}
	}
	return g.HasOnDatabase(name, database)
}

// RestrictedDatabases are those on which a globally held privilege was taken away again (MySQL's partial revokes).
func (g Grants) RestrictedDatabases(name string) []string {
	var databases []string
	for _, entry := range g.entries {
		if entry.revoked && entry.hasAny([]string{name}, g.flavor) {
			databases = append(databases, entry.database)
		}
	}
	return databases
}

func (e grant) hasAny(names []string, flavor Flavor) bool {
	if slices.Contains(e.privileges, allPrivileges) {
		return true
	}
	return slices.ContainsFunc(names, func(name string) bool {
		return slices.Contains(e.privileges, canonicalPrivilege(name, flavor))
	})
}

// canonicalPrivilege folds synonyms. MariaDB takes REPLICA for SLAVE and REPLICATION CLIENT for BINLOG MONITOR.
func canonicalPrivilege(name string, flavor Flavor) string {
	name = strings.Join(strings.Fields(strings.ToUpper(name)), " ")
	if name == "ALL" {
		return allPrivileges
	}
	if flavor != MariaDB {
		return name
	}
	switch name {
	case "REPLICATION CLIENT":
		return "BINLOG MONITOR"
	case "REPLICA MONITOR":
		return "SLAVE MONITOR"
	}
	return strings.ReplaceAll(name, "REPLICATION REPLICA", "REPLICATION SLAVE")
}

// like matches as the LIKE of the grant tables does: % and _ are wildcards, \ takes the next character as it stands.
func like(pattern, text string) bool {
	for len(pattern) > 0 {
		switch {
		case pattern[0] == '%':
			for skip := 0; skip <= len(text); skip++ {
				if like(pattern[1:], text[skip:]) {
					return true
				}
			}
			return false
		case pattern[0] == '\\' && len(pattern) > 1:
			pattern = pattern[1:]
			if text == "" || text[0] != pattern[0] {
				return false
			}
		case text == "" || (pattern[0] != '_' && pattern[0] != text[0]):
			return false
		}
		pattern, text = pattern[1:], text[1:]
	}
	return text == ""
}

// likePrefix is the number of bytes before the first wildcard; without any, more than every pattern with one.
func likePrefix(pattern string) int {
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '%', '_':
			return i
		}
	}
	return math.MaxInt
}

// parseGrant reads one line of SHOW GRANTS; ok is false for lines that grant no privilege on data or the server:
// roles, PROXY, routines, SET DEFAULT ROLE.
func parseGrant(line string, flavor Flavor) (entry grant, ok bool, err error) {
	words := grantWords(line)
	if len(words) == 0 || (words[0] != "GRANT" && words[0] != "REVOKE") {
		return grant{}, false, nil
	}
	on := slices.Index(words, "ON")
	if on < 0 {
		return grant{}, false, nil // GRANT `role` TO …
	}
	target := words[on+1:]
	to := slices.IndexFunc(target, func(word string) bool { return word == "TO" || word == "FROM" })
	if to < 1 || to+1 >= len(target) {
		// The line itself may hold a password's hash.
		return grant{}, false, fmt.Errorf("a grant %q is not understood", shortenGrant(words, on))
	}
	entry.revoked = words[0] == "REVOKE"
	entry.grantee = granteeOf(target[to+1:])
	object := target[:to]
	if object[0] == "TABLE" {
		object = object[1:]
	}
	if len(object) != 3 || object[1] != "." || slices.Contains([]string{"FUNCTION", "PROCEDURE", "PACKAGE"}, object[0]) {
		return grant{}, false, nil
	}
	if object[0] != "*" {
		entry.database = unquoteName(object[0])
	}
	if object[2] != "*" {
		entry.object = unquoteName(object[2])
	}
	entry.privileges = tableWidePrivileges(words[1:on], flavor)
	return entry, true, nil
}

// granteeOf is the account (three words) or role (one) at the beginning of words.
func granteeOf(words []string) string {
	if len(words) >= 3 && words[1] == "@" {
		return strings.Join(words[:3], "")
	}
	return words[0]
}

func shortenGrant(words []string, on int) string { return strings.Join(words[:on], " ") }

// tableWidePrivileges joins words to privileges and leaves out those that are for columns only.
func tableWidePrivileges(words []string, flavor Flavor) []string {
	var privileges, current []string
	depth, columns := 0, false
	for _, word := range append(words, ",") {
		switch {
		case word == "(":
			depth, columns = depth+1, true
		case word == ")":
			depth--
		case depth > 0:
		case word == ",":
			if !columns && len(current) > 0 {
				privileges = append(privileges, canonicalPrivilege(strings.Join(current, " "), flavor))
			}
			current, columns = nil, false
		default:
			current = append(current, word)
		}
	}
	return privileges
}

// grantWords splits a line into words, names with their quotes, and the signs , . ( ) @ *.
func grantWords(line string) []string {
	var words []string
	for i := 0; i < len(line); {
		start := i
		switch c := line[i]; {
		case c == ' ':
			i++
			continue
		case strings.IndexByte("`'\"", c) >= 0:
			i = quotedEnd(line, i)
		case strings.IndexByte(",.()@*", c) >= 0:
			i++
		default:
			for i < len(line) && strings.IndexByte(" ,.()@*`'\"", line[i]) < 0 {
				i++
			}
		}
		words = append(words, line[start:i])
	}
	return words
}

// quotedEnd is the index after a quoted name that begins at start; a doubled quote is part of it.
func quotedEnd(line string, start int) int {
	quote := line[start]
	for i := start + 1; i < len(line); i++ {
		if line[i] != quote {
			continue
		}
		if i+1 == len(line) || line[i+1] != quote {
			return i + 1
		}
		i++
	}
	return len(line)
}

func unquoteName(word string) string {
	if len(word) < 2 || strings.IndexByte("`'\"", word[0]) < 0 {
		return word
	}
	quote := word[:1]
	return strings.ReplaceAll(word[1:len(word)-1], quote+quote, quote)
}

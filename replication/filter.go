package replication

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"trueup/server"
)

// Filter is one entry of a replication filter.
type Filter struct {
	Name  string // as the option is called: replicate_do_db, replicate_wild_ignore_table …
	Value string // one database, table, pattern, domain or server id; "from->to" for replicate_rewrite_db
}

// String is "replicate_do_db=shop".
func (f Filter) String() string { return f.Name + "=" + f.Value }

// The filters, by the column of the status that lists them in lower case. MariaDB versions whose status lacks
// Replicate_Rewrite_DB (before 10.11) do not tell their rewrites at all.
const (
	doDB            = "replicate_do_db"
	ignoreDB        = "replicate_ignore_db"
	doTable         = "replicate_do_table"
	ignoreTable     = "replicate_ignore_table"
	wildDoTable     = "replicate_wild_do_table"
	wildIgnoreTable = "replicate_wild_ignore_table"
	rewriteDB       = "replicate_rewrite_db"
	doDomain        = "do_domain_ids"
	ignoreDomain    = "ignore_domain_ids"
	ignoreServer    = "ignore_server_ids"
)

var filterColumns = []struct{ column, name string }{
	{doDB, doDB}, {ignoreDB, ignoreDB},
	{doTable, doTable}, {ignoreTable, ignoreTable},
	{wildDoTable, wildDoTable}, {wildIgnoreTable, wildIgnoreTable},
	{"replicate_do_domain_ids", doDomain}, {"replicate_ignore_domain_ids", ignoreDomain},
	{"replicate_ignore_server_ids", ignoreServer},
}

// mysqlRewrite is one pair of MySQL's "(from,to),(from,to)".
var mysqlRewrite = regexp.MustCompile(`\(([^,()]+),([^,()]+)\)`)

// filtersFrom reads the filters of a status row. The server joins entries with commas and does not mark a comma
// within a name; such a name comes out as two.
func filtersFrom(record row) []Filter {
	var filters []Filter
	for _, f := range filterColumns {
		for _, value := range splitList(record.Text(f.column)) {
			filters = append(filters, Filter{Name: f.name, Value: value})
		}
	}
	rewrites := record.Text(rewriteDB)
	if pairs := mysqlRewrite.FindAllStringSubmatch(rewrites, -1); pairs != nil {
		for _, pair := range pairs {
			filters = append(filters, Filter{Name: rewriteDB, Value: pair[1] + "->" + pair[2]})
		}
		return filters
	}
	for _, value := range splitList(rewrites) {
		filters = append(filters, Filter{Name: rewriteDB, Value: value})
	}
	return filters
}

// Replicates tells whether the channel's filters let changes of a table through, under the name that NameOf its database
// gives: the servers rewrite names before they filter (seen on MariaDB 10.11 and MySQL 9.7), and put them into lower case where the
// replica does (seen on MariaDB 10.11 and MySQL 5.6). When not, reason names the
// filter. When they do, reason is "" or says what makes it uncertain: filters
// by database go by the session's default database where the source logs statements, and domain and server id
// filters drop events whatever their table (MySQL manual, "How Servers Evaluate Replication Filtering Rules").
func (s Status) Replicates(database, table string) (replicated bool, reason string) {
	if database = s.NameOf(database); s.FoldsNames {
		database = strings.ToLower(database)
	}
	if reason := s.refusedByDatabase(database); reason != "" {
		return false, reason
	}
	if reason := s.refusedByTable(database, table); reason != "" {
		return false, reason
	}
	return true, s.uncertain()
}

// NameOf is the name that a database of the source has on the replica: another one where the channel rewrites it. Statements
// that name a database themselves are not rewritten: a CREATE TABLE may have gone to the old name.
func (s Status) NameOf(database string) string {
	for _, f := range s.named(rewriteDB) {
		if from, to, _ := strings.Cut(f.Value, "->"); from == database {
			return to
		}
	}
	return database
}

// SourceNameOf is the reverse of NameOf: the name that a database of the replica has on the source. known is false where the channel writes
// nothing there, or databases of several names.
func (s Status) SourceNameOf(database string) (name string, known bool) {
	var names []string
	for _, f := range s.named(rewriteDB) {
		if from, to, _ := strings.Cut(f.Value, "->"); to == database && s.NameOf(from) == database && !slices.Contains(names, from) {
			names = append(names, from)
		}
	}
	switch {
	case len(names) == 1:
		return names[0], true
	case len(names) == 0 && s.NameOf(database) == database:
		return database, true
	}
	return "", false
}

// Rewrites tells whether the channel rewrites the name of any database. MariaDB before 10.11 does not say so.
func (s Status) Rewrites() bool { return len(s.named(rewriteDB)) > 0 }

func (s Status) refusedByDatabase(database string) string {
	if only := s.named(doDB); len(only) > 0 {
		for _, f := range only {
			if f.Value == database {
				return ""
			}
		}
		return "not among the channel's filters " + list(only)
	}
	for _, f := range s.named(ignoreDB) {
		if f.Value == database {
			return "left out by the channel's filter " + f.String()
		}
	}
	return ""
}

// refusedByTable follows the server's order: the first of do, ignore, wild do and wild ignore that matches
// decides; where none does, any do filter refuses.
func (s Status) refusedByTable(database, table string) string {
	name := database + "." + table
	// The server looks tables up without regard to letter case, even where their names have it.
	if matchAny(s.named(doTable), name, strings.EqualFold) != "" {
		return ""
	}
	if f := matchAny(s.named(ignoreTable), name, strings.EqualFold); f != "" {
		return "left out by the channel's filter " + f
	}
	if matchAny(s.named(wildDoTable), name, wildMatch) != "" {
		return ""
	}
	if f := matchAny(s.named(wildIgnoreTable), name, wildMatch); f != "" {
		return "left out by the channel's filter " + f
	}
	if only := append(s.named(doTable), s.named(wildDoTable)...); len(only) > 0 {
		return "not among the channel's filters " + list(only)
	}
	return ""
}

func (s Status) uncertain() string {
	var byDatabase, byOrigin []Filter
	for _, f := range s.Filters {
		switch f.Name {
		case doDB, ignoreDB:
			byDatabase = append(byDatabase, f)
		case doDomain, ignoreDomain, ignoreServer:
			byOrigin = append(byOrigin, f)
		}
	}
	var reasons []string
	if len(byDatabase) > 0 {
		reasons = append(reasons, list(byDatabase)+": changes logged as statements are filtered by the session's default database, not by the table's")
	}
	if len(byOrigin) > 0 {
		reasons = append(reasons, list(byOrigin)+": changes of those origins are filtered whatever their table")
	}
	return strings.Join(reasons, "; ")
}

// Ignores tells of which origins the replica ignores transactions that come on the channel: its own, wherever they come back from, and
// those it was told to ignore (IGNORE_SERVER_IDS). A replica with its source's server id executes what has it (replicate_same_server_id).
func (s Status) Ignores(replica server.Identity) func(serverID string) bool {
	var ids []string
	for _, f := range s.named(ignoreServer) {
		ids = append(ids, f.Value)
	}
	if replica.ServerID != s.SourceServerID {
		ids = append(ids, fmt.Sprint(replica.ServerID))
	}
	return func(id string) bool { return slices.Contains(ids, id) }
}

// IgnoresUntold tells whether the channel leaves out transactions of which the events of the source's log do not say so as they are shown: by
// their GTID domain (MariaDB's DO_DOMAIN_IDS, IGNORE_DOMAIN_IDS), or by a mark (MariaDB's skip_replication; its position does not count
// those that its source does not send, seen on 10.11).
func (s Status) IgnoresUntold() bool {
	return len(s.named(doDomain)) > 0 || len(s.named(ignoreDomain)) > 0 || s.IgnoresMarked
}

func (s Status) named(name string) []Filter {
	var found []Filter
	for _, f := range s.Filters {
		if f.Name == name {
			found = append(found, f)
		}
	}
	return found
}

func matchAny(filters []Filter, name string, match func(pattern, name string) bool) string {
	for _, f := range filters {
		if match(f.Value, name) {
			return f.String()
		}
	}
	return ""
}

func list(filters []Filter) string {
	texts := make([]string, len(filters))
	for i, f := range filters {
		texts[i] = f.String()
	}
	return strings.Join(texts, ", ")
}

// BinlogFilter says which databases a source writes to its binary log.
type BinlogFilter struct {
	DoDB     []string // binlog_do_db: only these
	IgnoreDB []string // binlog_ignore_db: all but these; without effect where DoDB is set
}

// ReadBinlogFilter reads the source's filter. The error wraps ErrBinlogOff when it writes no binary log.
func ReadBinlogFilter(ctx context.Context, session *server.Session) (BinlogFilter, error) {
	record, err := binlogStatus(ctx, session)
	if err != nil {
		return BinlogFilter{}, err
	}
	return BinlogFilter{DoDB: splitList(record.Text("Binlog_Do_DB")), IgnoreDB: splitList(record.Text("Binlog_Ignore_DB"))}, nil
}

// Logs tells whether changes of a database's tables reach the binary log. When not, reason names the filter;
// when they do, reason is "" or says that statements go by the session's default database instead.
func (f BinlogFilter) Logs(database string) (logged bool, reason string) {
	const byStatement = "changes logged as statements are filtered by the session's default database, not by the table's"
	switch {
	case len(f.DoDB) > 0 && !slices.Contains(f.DoDB, database):
		return false, "not among the source's binlog_do_db=" + strings.Join(f.DoDB, ",")
	case len(f.DoDB) > 0:
		return true, "binlog_do_db=" + strings.Join(f.DoDB, ",") + ": " + byStatement
	case slices.Contains(f.IgnoreDB, database):
		return false, "left out by the source's binlog_ignore_db=" + database
	case len(f.IgnoreDB) > 0:
		return true, fmt.Sprintf("binlog_ignore_db=%s: %s", strings.Join(f.IgnoreDB, ","), byStatement)
	}
	return true, ""
}

package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"trueup/schema"
	"trueup/server"
)

// tablesOf are the tables of the source that the statements of a transaction may change, by what they say and by what hangs on it on
// the source now: foreign keys that act, triggers, stored functions. databases tells of a table whether it counts at all. It may name a table
// that is not changed, but leaves none out that may be: where a statement does not tell, it is all of them.
//
// why says in sentences which tables are named, and what put the others in doubt. err is that of a statement to the source.
func tablesOf(ctx context.Context, source *server.Session, statements []Statement, databases func(database, table string) bool) (tables []schema.Name, why []string, err error) {
	known, err := loadNames(ctx, source)
	if err != nil {
		return nil, nil, err
	}
	s := newSuspects(source.Server().Identity(), known, databases)
	s.takeStatements(statements)
	if !s.all && len(s.rows) > 0 {
		if err := s.hang(ctx, source); err != nil {
			return nil, nil, err
		}
	}
	return s.tables(), s.why, nil
}

// suspects gathers the tables that a transaction may change.
type suspects struct {
	names  *catalogNames
	on     server.Identity
	counts func(database, table string) bool
	taken  map[schema.Name]bool
	rows   map[schema.Name]bool // of those, the ones on which other tables' rows may hang
	all    bool
	// passing are temporary tables that the transaction itself makes.
	passing map[string]bool
	why     []string
}

func newSuspects(on server.Identity, names *catalogNames, counts func(database, table string) bool) *suspects {
	return &suspects{names: names, on: on, counts: counts, taken: map[schema.Name]bool{}, rows: map[schema.Name]bool{}, passing: map[string]bool{}}
}

func (s *suspects) takeStatements(statements []Statement) {
	for _, statement := range statements {
		if !statement.Annotation { // the replica does not execute that
			s.takeStatement(statement)
		}
	}
}

// say adds a sentence, once.
func (s *suspects) say(format string, args ...any) {
	if sentence := fmt.Sprintf(format, args...); !slices.Contains(s.why, sentence) {
		s.why = append(s.why, sentence)
	}
}

// suspectAll takes all tables.
func (s *suspects) suspectAll(format string, args ...any) {
	s.all = true
	s.say("Any table may be changed: "+format, args...)
}

// tables are those that were taken and count, in order.
func (s *suspects) tables() (tables []schema.Name) {
	for _, one := range s.names.entries {
		if !one.isTable() || one.ofServer() || !s.all && !s.taken[one.name] {
			continue
		}
		if s.counts(one.name.Database, one.name.Table) {
			tables = append(tables, one.name)
		}
	}
	return tables
}

// takeStatement takes what one statement may change.
func (s *suspects) takeStatement(statement Statement) {
	ways := readings(statement.Text)
	if len(ways) == 0 {
		s.suspectAll("the statement %s is not whole in the log, or too long to be looked into.", shortened(statement.Text))
		return
	}
	for _, tokens := range ways {
		n := namesOf(s.on, tokens)
		if slices.ContainsFunc(tokens, func(t token) bool { return t.named() && !utf8.ValidString(t.text) }) {
			s.suspectAll("the statement %s has names in another character set than UTF-8.", shortened(statement.Text))
		}
		switch n.does {
		case changesNothing:
			s.say("%s changes no row.", shortened(statement.Text))
		case changesDefinition:
			s.say("%s changes a definition and no row; what later statements do on the replica may depend on it.", shortened(statement.Text))
		case dropsDatabase:
			s.takeDatabases(n)
		default:
			s.takeNames(statement, n)
		}
	}
}

// takeDatabases takes the tables of databases that are named: those of one that was made again after it was dropped.
func (s *suspects) takeDatabases(n *namesIn) {
	for _, m := range n.mentions {
		for _, one := range s.names.entries {
			if s.names.fold(m.name) == s.names.fold(one.name.Database) && one.isTable() {
				s.taken[one.name] = true
				s.say("all tables of %s: the statement drops the database.", one.name.Database)
			}
		}
	}
}

// takeNames takes the tables that a statement names.
func (s *suspects) takeNames(statement Statement, n *namesIn) {
	references := 0
	for _, m := range n.mentions {
		found := s.names.find(m, statement.Database)
		for _, one := range found {
			s.take(one, m, n)
		}
		if m.reference {
			references++
			if len(found) == 0 {
				s.miss(statement, m, n)
			}
		}
	}
	switch {
	case n.does == changesAnything:
		s.suspectAll("the text of %s does not tell what it changes.", shortened(statement.Text))
	case references == 0:
		s.suspectAll("%s does not say which table it changes.", shortened(statement.Text))
	}
	for _, c := range n.calls {
		s.takeCall(c, statement.Database)
	}
}

// take takes what a name stands for.
func (s *suspects) take(one *entry, m mention, n *namesIn) {
	switch {
	case one.kind == "VIEW" || one.kind == "SYSTEM VIEW":
		s.suspectAll("%s, which is named, is a view.", joined(one.name))
		return
	case one.kind == "SEQUENCE":
		s.say("%s is a sequence, which is not compared.", joined(one.name))
		return
	case one.ofServer():
		s.say("%s, which is named, is a table of the server's own, which is not compared.", joined(one.name))
		return
	}
	if n.does == changesRows || n.does == changesAnything {
		s.rows[one.name] = true
	}
	if s.taken[one.name] {
		return
	}
	s.taken[one.name] = true
	if m.reference {
		s.say("What a statement changes in %s is not in the log.", joined(one.name))
		return
	}
	s.say("%s, in doubt: a statement has that word, which may be the name of something else.", joined(one.name))
}

// miss is about a name that stands where a table's has to, and that is none of the source's: the table may have been renamed since.
func (s *suspects) miss(statement Statement, m mention, n *namesIn) {
	lower := strings.ToLower(m.name)
	name := m.name
	if m.database != "" {
		name = m.database + "." + name
	}
	switch {
	case n.does == dropsTable:
		s.say("The source has no %s, which is dropped.", name)
	case m.replaced: // by the name that follows, which is looked for too
	case m.database == "" && (lower == "dual" || s.passing[lower] || isNumberTable(lower) || !m.target && n.aliases[lower]):
	case n.verb == "CREATE" && n.temporary():
		s.passing[lower] = true
	default:
		s.suspectAll("%s, which %s names, is not on the source now: it may have another name since, or be a temporary table.", name, shortened(statement.Text))
	}
}

// temporary tells whether a CREATE makes a temporary table.
func (n *namesIn) temporary() bool {
	return slices.ContainsFunc(n.tokens[:min(len(n.tokens), 5)], func(t token) bool { return t.word() == "TEMPORARY" })
}

// isNumberTable knows the tables that MariaDB makes up: https://mariadb.com/kb/en/sequence-storage-engine/
func isNumberTable(name string) bool {
	return strings.HasPrefix(name, "seq_") && strings.Contains(name, "_to_")
}

// takeCall is about a call of what is not the server's own function.
func (s *suspects) takeCall(c call, database string) {
	if c.database == "" {
		c.database = database
	}
	for _, routine := range s.names.routines {
		if strings.EqualFold(routine.Table, c.name) && (c.database == "" || s.names.fold(routine.Database) == s.names.fold(c.database)) {
			s.suspectAll("the statement calls the stored function %s.", joined(routine))
			return
		}
	}
	s.suspectAll("the statement calls %s, which may be a stored function.", c.name)
}

func joined(name schema.Name) string { return name.Database + "." + name.Table }

// shortened is a statement as a sentence has it.
func shortened(statement string) string {
	const most = 80 // characters
	shown := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(statement, "?")), " "))
	if len(shown) <= most {
		return string(shown)
	}
	return string(shown[:most]) + "…"
}

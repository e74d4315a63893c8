package schema

import (
	"slices"
	"strings"
)

// Selector is a parsed Filter. The zero value lets everything through. It is safe for concurrent use.
//
// Database and table names are compared exactly, or without letter case after FoldNames; column names never have
// letter case (identifier case sensitivity, reference manual 11.2.3).
type Selector struct {
	databases, tables, ignoreDatabases, ignoreTables, ignoreColumns []pattern
	fold                                                            bool
}

// FoldNames returns a copy that compares database and table names without letter case, or exactly.
// Catalog.Selector is one that suits its server.
func (s *Selector) FoldNames(fold bool) *Selector {
	c := *s
	if fold && !s.fold {
		for _, list := range []*[]pattern{&c.databases, &c.tables, &c.ignoreDatabases, &c.ignoreTables, &c.ignoreColumns} {
			*list = foldPatterns(*list)
		}
	}
	c.fold = s.fold || fold
	return &c
}

func foldPatterns(patterns []pattern) []pattern {
	folded := slices.Clone(patterns)
	for i := range folded {
		folded[i].parts = slices.Clone(folded[i].parts)
		for j := range folded[i].parts {
			folded[i].parts[j] = folded[i].parts[j].lower()
		}
	}
	return folded
}

func (s *Selector) name(name string) string {
	if s.fold {
		return strings.ToLower(name)
	}
	return name
}

func first(patterns []pattern, names ...string) (pattern, bool) {
	for _, p := range patterns {
		if p.match(names...) {
			return p, true
		}
	}
	return pattern{}, false
}

// passesDatabase tells whether any table of a database could be chosen.
func (s *Selector) passesDatabase(database string) bool {
	d := s.name(database)
	if _, ignored := first(s.ignoreDatabases, d); ignored || isSystemDatabase(database) {
		return false
	}
	if _, ok := first(s.databases, d); !ok && len(s.databases) > 0 {
		return false
	}
	_, ok := first(s.tables, d)
	return ok || len(s.tables) == 0
}

// MatchesTable tells whether the patterns choose a table. Heartbeat, checksum and ghost tables are another matter:
// see Catalog.Exclusion.
func (s *Selector) MatchesTable(database, table string) bool {
	code, _ := s.excludedBy(database, table)
	return code == ""
}

// excludedBy says which flag leaves a table out; the code is "" when none does.
func (s *Selector) excludedBy(database, table string) (code, why string) {
	d, t := s.name(database), s.name(table)
	if isSystemDatabase(database) {
		return ExcludedByFilter, "a system database"
	}
	if p, ok := first(s.ignoreDatabases, d); ok {
		return ExcludedByFilter, "left out by --ignore-databases " + p.text
	}
	if p, ok := first(s.ignoreTables, d, t); ok {
		return ExcludedByFilter, "left out by --ignore-tables " + p.text
	}
	if _, ok := first(s.databases, d); !ok && len(s.databases) > 0 {
		return ExcludedNotChosen, "not chosen by --databases"
	}
	if _, ok := first(s.tables, d, t); !ok && len(s.tables) > 0 {
		return ExcludedNotChosen, "not chosen by --tables"
	}
	return "", ""
}

// MatchesColumn tells whether a column is compared: no --ignore-columns pattern fits it.
func (s *Selector) MatchesColumn(database, table, column string) bool {
	d, t, c := s.name(database), s.name(table), strings.ToLower(column)
	for _, p := range s.ignoreColumns {
		if p.match(d, t) && p.parts[2].lower().match(c) {
			return false
		}
	}
	return true
}

// Names tells whether --tables names the table itself, without a wildcard. Such a table was asked for: when it
// cannot be compared (a view, a sequence) the run is unverified.
func (s *Selector) Names(database, table string) bool {
	d, t := s.name(database), s.name(table)
	for _, p := range s.tables {
		if p.literal() && p.match(d, t) {
			return true
		}
	}
	return false
}

// Unmatched returns the --databases and --tables patterns that chose no table of the catalog, each with its flag
// ("--tables shop.ordres"). A pattern whose every table is ignored or excluded is among them: a run that compares
// nothing must not end as equal.
func (s *Selector) Unmatched(catalog *Catalog) []string {
	folded := s.FoldNames(catalog.FoldsNames)
	given := append(slices.Clone(folded.databases), folded.tables...)
	matched := make([]bool, len(given))
	for _, t := range catalog.Tables {
		if _, excluded := folded.exclusion(catalog, t); excluded {
			continue
		}
		names := []string{folded.name(t.Database), folded.name(t.Name)}
		for i, p := range given {
			matched[i] = matched[i] || p.match(names[:len(p.parts)]...)
		}
	}
	var unmatched []string
	for i, p := range given {
		if !matched[i] {
			unmatched = append(unmatched, "--"+p.flag+" "+p.text)
		}
	}
	return unmatched
}

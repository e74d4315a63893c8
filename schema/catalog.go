package schema

import (
	"cmp"
	"slices"
	"strings"
)

// Catalog is what one server holds, of the databases its filter lets through. It does not change after Load and
// is safe for concurrent reading.
type Catalog struct {
	// Tables are sorted by database and name, byte by byte. Tables that the filter excludes are among them as
	// long as their database passes; see Exclusion.
	Tables []*Table
	// FoldsNames is true where the server takes database and table names in any letter case
	// (lower_case_table_names is not 0).
	FoldsNames bool
	// Selector is the filter as this server compares names.
	Selector *Selector

	index map[tableName]*Table
}

type tableName struct{ database, table string }

// NewCatalog sorts and indexes tables. foldsNames is lower_case_table_names != 0; a nil selector lets everything
// through.
func NewCatalog(tables []*Table, foldsNames bool, selector *Selector) *Catalog {
	if selector == nil {
		selector = &Selector{}
	}
	c := &Catalog{
		Tables: slices.Clone(tables), FoldsNames: foldsNames,
		Selector: selector.FoldNames(foldsNames), index: make(map[tableName]*Table, len(tables)),
	}
	slices.SortFunc(c.Tables, func(a, b *Table) int {
		return cmp.Or(strings.Compare(a.Database, b.Database), strings.Compare(a.Name, b.Name))
	})
	for _, t := range c.Tables {
		c.index[c.key(t.Database, t.Name)] = t
	}
	return c
}

func (c *Catalog) key(database, table string) tableName {
	if c.FoldsNames {
		return tableName{strings.ToLower(database), strings.ToLower(table)}
	}
	return tableName{database, table}
}

// HasInAnyCase tells whether there is a table of that name, whatever its letter case: on a replica that folds names it is the source's.
func (c *Catalog) HasInAnyCase(database, name string) bool {
	return slices.ContainsFunc(c.Tables, func(t *Table) bool {
		return strings.EqualFold(t.Database, database) && strings.EqualFold(t.Name, name)
	})
}

// Table finds a table by name, comparing names as this server does.
func (c *Catalog) Table(database, name string) (*Table, bool) {
	t, ok := c.index[c.key(database, name)]
	return t, ok
}

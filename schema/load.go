package schema

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"trueup/server"
)

// loader gathers one server's definitions.
type loader struct {
	session   *server.Session
	selector  *Selector
	mariadb   bool
	version   server.Version
	condition string // on TABLE_SCHEMA, for every query
	arguments []driver.Value
	tables    map[tableName]*Table
	strings   map[string]string
	renamed   map[string]string // see LoadRenamed
}

// Load reads the definitions of all tables, views and sequences in the databases that the selector lets through
// (nil: all but the system databases). It takes no locks that outlast a statement, but the server opens every
// table in turn, which takes some tenths of a millisecond each the first time.
//
// It fails when a statement fails (*server.StatementError; a lost connection is worth another try) and when the
// server prints something that cannot be understood (it is not). A single table that cannot be opened is no
// failure: see Table.LoadError.
func Load(ctx context.Context, session *server.Session, selector *Selector) (*Catalog, error) {
	return LoadRenamed(ctx, session, selector, nil)
}

// LoadRenamed is Load for a server on which databases have other names: renamed has the name to use for each of them, "" for
// one to leave out. The selector, and the catalog, have the names to use.
func LoadRenamed(ctx context.Context, session *server.Session, selector *Selector, renamed map[string]string) (catalog *Catalog, err error) {
	err = session.Repeat(ctx, func() error { // one that was ended in the middle begins anew
		catalog, err = loadOnce(ctx, session, selector, renamed)
		return err
	})
	return catalog, err
}

func loadOnce(ctx context.Context, session *server.Session, selector *Selector, renamed map[string]string) (*Catalog, error) {
	identity := session.Server().Identity()
	if identity.Flavor == server.UnknownFlavor {
		return nil, fmt.Errorf("%s: reading table definitions: the server (%s) is neither MySQL nor MariaDB",
			session.Server().Address(), identity.VersionText)
	}
	names, err := session.One(ctx, "SELECT @@lower_case_table_names AS folding")
	if err != nil {
		return nil, fmt.Errorf("reading how the server compares table names: %w", err)
	}
	folds := names.Text("folding") != "0"
	if selector == nil {
		selector = &Selector{}
	}
	l := &loader{
		session: session, selector: selector.FoldNames(folds), mariadb: identity.Flavor == server.MariaDB,
		version: identity.Version, tables: map[tableName]*Table{}, strings: map[string]string{}, renamed: renamed,
	}
	l.condition, l.arguments = l.selector.databaseCondition()
	if len(renamed) > 0 { // the server does not know the names that the selector has
		l.condition, l.arguments = (&Selector{}).databaseCondition()
	}
	for _, step := range []struct {
		what string
		read func(context.Context) error
	}{
		{"tables", l.loadTables}, {"partitions", l.loadPartitions}, {"columns", l.loadColumns}, {"keys", l.loadKeys},
	} {
		if err := step.read(ctx); err != nil {
			return nil, fmt.Errorf("reading the definitions of %s: %w", step.what, err)
		}
	}
	return NewCatalog(l.finish(), folds, selector), nil
}

// databaseCondition narrows TABLE_SCHEMA on the server, where the patterns name databases without wildcards; what
// comes is filtered again. The cast makes the comparison exact: the columns' own collation has no letter case on
// MariaDB and would hide a database named Sys. MariaDB evaluates it before it opens a table.
func (s *Selector) databaseCondition() (string, []driver.Value) {
	column := "CAST(TABLE_SCHEMA AS BINARY)"
	if s.fold {
		column = "CAST(LOWER(TABLE_SCHEMA) AS BINARY)"
	}
	patterns := s.databases
	if len(patterns) == 0 {
		patterns = s.tables
	}
	names := make([]driver.Value, 0, len(patterns))
	for _, p := range patterns {
		if !p.parts[0].literal() {
			names = nil
			break
		}
		names = append(names, p.parts[0].text())
	}
	if len(names) > 0 && len(names) <= 1000 {
		return column + " IN (?" + strings.Repeat(", ?", len(names)-1) + ")", names
	}
	return column + " NOT IN ('" + strings.Join(systemDatabases, "', '") + "')", nil
}

// row reads the columns of one result row by position; the first that cannot be read is kept in err.
type row struct {
	l      *loader
	values []driver.Value
	err    error
}

// stream runs a query whose condition has a %s for the databases' condition.
func (l *loader) stream(ctx context.Context, query string, each func(*row)) error {
	statement, err := l.session.Prepare(ctx, fmt.Sprintf(query, l.condition))
	if err != nil {
		return err
	}
	r := &row{l: l}
	err = statement.Stream(ctx, l.arguments, func(values []driver.Value) error {
		r.values = values
		each(r)
		return r.err
	})
	if closeErr := statement.Close(); err == nil {
		err = closeErr
	}
	return err
}

// text returns a value as text, NULL as "". Equal texts share memory: a server's definitions say "varchar" a
// hundred thousand times.
func (r *row) text(i int) string {
	switch value := r.values[i].(type) {
	case nil:
		return ""
	case []byte:
		if known, ok := r.l.strings[string(value)]; ok {
			return known
		}
		text := string(value)
		r.l.strings[text] = text
		return text
	case string:
		return value
	default:
		return fmt.Sprint(value)
	}
}

// optional returns a value as text, nil for NULL.
func (r *row) optional(i int) *string {
	if r.values[i] == nil {
		return nil
	}
	text := r.text(i)
	return &text
}

// number returns an integer, NULL as 0. Values above 2^63-1 (an estimate of a broken table) become 2^63-1.
func (r *row) number(i int) int64 {
	switch value := r.values[i].(type) {
	case nil:
		return 0
	case int64:
		return value
	}
	number, err := parseCount(r.text(i))
	if err != nil && r.err == nil {
		r.err = err
	}
	return number
}

// table finds the table a row is about by its first two columns; nil for one that is not to be loaded or came to
// be after the tables were read.
func (r *row) table() *Table {
	return r.l.tables[tableName{r.text(0), r.text(1)}]
}

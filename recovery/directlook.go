package recovery

import (
	"context"
	"fmt"
	"strings"

	"trueup/replication"
	"trueup/replication/binlog"
	"trueup/schema"
	"trueup/server"
)

// look tells what a transaction does to the tables in question; nil: nothing.
func (s *directSearch) look(ctx context.Context, t *binlog.Transaction) (*DirectWrite, error) {
	w := &DirectWrite{GTID: t.GTID, File: t.File, Offset: t.Start, At: t.At, ServerID: t.ServerID}
	touches, rows, tables := false, 0, 0
	for i := range t.Changes {
		change := &t.Changes[i]
		name := schema.Name{Database: change.Table.Database, Table: change.Table.Name}
		if !s.tables[name] {
			continue
		}
		tables++
		if s.isTouched != nil && !s.isTouched(name, change) {
			continue
		}
		if rows++; rows <= shownDirectRows {
			shown, err := s.describe(ctx, name, change)
			if err != nil {
				return nil, err
			}
			w.Rows = append(w.Rows, shown)
		}
	}
	switch {
	case t.Truncated && tables > 0:
		w.Rows = append(w.Rows, fmt.Sprintf("and others: of its %d row changes not all were looked at", t.Rows))
		touches = true
	case rows > shownDirectRows:
		w.Rows = append(w.Rows, fmt.Sprintf("and %d more", rows-shownDirectRows))
	}
	touches = touches || rows > 0
	for _, statement := range t.Statements {
		w.Statements = append(w.Statements, server.MaskSecrets(statement.Text))
		touches = touches || !statement.Annotation && s.names(statement)
	}
	if !touches {
		return nil, nil
	}
	return w, nil
}

// names tells whether a statement names one of the tables, or drops their database; also where it cannot be read as a whole.
func (s *directSearch) names(statement binlog.Statement) bool {
	ways := readings(statement.Text)
	for _, tokens := range ways {
		n := namesOf(s.session.Server().Identity(), tokens)
		if n.does == changesNothing || n.does == changesDefinition {
			continue
		}
		for _, m := range n.mentions {
			if s.isNamed(m, n.does == dropsDatabase, statement.Database) {
				return true
			}
		}
	}
	return len(ways) == 0
}

// isNamed tells whether a name is one of the tables': letter case is ignored, since some servers do.
func (s *directSearch) isNamed(m mention, isDatabase bool, database string) bool {
	if m.database != "" {
		database = m.database
	}
	for name := range s.tables {
		switch {
		case isDatabase:
			if strings.EqualFold(m.name, name.Database) {
				return true
			}
		case strings.EqualFold(m.name, name.Table) && (database == "" || strings.EqualFold(database, name.Database)):
			return true
		}
	}
	return false
}

// describe is a change of a row as a line has it: "insert shop.orders id=5". Where the table was altered since, or a value cannot be
// read, the row's values are left out.
func (s *directSearch) describe(ctx context.Context, name schema.Name, change *binlog.Change) (string, error) {
	line := fmt.Sprintf("%s %s", change.Kind, joined(name))
	one, err := s.definition(ctx, name)
	if err != nil {
		return "", err
	}
	image := change.Before
	if image == nil {
		image = change.After
	}
	if one.layout == nil || !one.fits(change.Table) {
		return line, nil
	}
	row, present, whole, err := one.row(image)
	if err != nil || !whole && !one.hasKey(present) { //nolint:nilerr // the line says less then
		return line, nil
	}
	return line + " " + one.describe(row), nil
}

// definition loads a table of the replica, once.
func (s *directSearch) definition(ctx context.Context, name schema.Name) (*table, error) {
	if s.known == nil {
		s.known = &tables{}
	}
	if one := s.known.named(name); one != nil {
		return one, nil
	}
	loaded, err := loadTables(ctx, nil, s.session, replication.Status{}, []schema.Name{name})
	switch {
	case err == nil:
		s.known.all = append(s.known.all, loaded.all...)
	case ctx.Err() != nil || server.IsConnectionLost(err):
		return nil, fmt.Errorf("reading the definition of %s on the replica: %w", joined(name), err)
	default: // such as a table that cannot be opened
		s.known.all = append(s.known.all, &table{name: name})
	}
	return s.known.named(name), nil
}

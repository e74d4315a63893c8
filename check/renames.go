package check

import (
	"context"
	"fmt"
	"slices"

	"trueup/checksum"
	"trueup/schema"
	"trueup/server"
)

// A channel can rewrite the names of databases. The run knows every database by the name it has on the source: definitions are
// loaded from a replica under those names, and only who talks to the replica about rows uses the replica's.

// renames are the databases that have another name on a replica than on the source.
type renames struct {
	onReplica map[string]string // by their names on the source
	onSource  map[string]string // by their names on the replica; "": none of the source's has come to be that one
	mixed     map[string]string // why a database of the source cannot be told from another one on the replica
}

// DatabaseName is a database that has another name on a replica than on the source.
type DatabaseName struct{ Source, Replica string }

// name is what the replica calls a database of the source.
func (n renames) name(database string) string {
	if there, renamed := n.onReplica[database]; renamed {
		return there
	}
	return database
}

// readRenames finds out for every replica which databases have another name there.
func (r *run) readRenames(ctx context.Context) error {
	rewrites := func(m *member) bool {
		for ; m != nil; m = m.upstream {
			if m.status.Rewrites() {
				return true
			}
		}
		return false
	}
	if !slices.ContainsFunc(r.members, rewrites) {
		return nil
	}
	records, err := r.control.Records(ctx, "SHOW DATABASES")
	if err != nil {
		return fmt.Errorf("listing the source's databases: %w", err)
	}
	var databases []string
	for _, record := range records {
		databases = append(databases, record.Text("Database"))
	}
	for _, m := range r.members {
		if m.usable() && rewrites(m) {
			m.setRenames(databases)
		}
	}
	return nil
}

// setRenames follows every database of the source to the replica.
func (m *member) setRenames(databases []string) {
	found := renames{onReplica: map[string]string{}, onSource: map[string]string{}, mixed: map[string]string{}}
	from := map[string]string{} // by name on the replica
	for _, database := range databases {
		there := m.nameOf(database)
		if other, taken := from[there]; taken {
			why := fmt.Sprintf("databases %s and %s of the source are both replicated as %s", other, database, there)
			found.mixed[database], found.mixed[other] = why, why
		}
		from[there] = database
	}
	for there, database := range from {
		if there != database && found.mixed[database] == "" {
			found.onReplica[database], found.onSource[there] = there, database
		}
	}
	for database := range found.onReplica {
		if _, used := from[database]; !used {
			found.onSource[database] = "" // the replica's own database of that name is another one
		}
	}
	m.renames = found
	for _, database := range databases {
		if there, renamed := found.onReplica[database]; renamed {
			m.result.Renamed = append(m.result.Renamed, DatabaseName{Source: database, Replica: there})
		}
	}
	m.watch.name = func(name schema.Name) schema.Name {
		return schema.Name{Database: found.name(name.Database), Table: name.Table}
	}
}

// nameOf follows a database's name down the chain.
func (m *member) nameOf(database string) string {
	if m.upstream != nil {
		database = m.upstream.nameOf(database)
	}
	return m.status.NameOf(database)
}

// load reads the replica's definitions, under the names that databases have on the source.
func (m *member) load(ctx context.Context, session *server.Session, selector *schema.Selector) (*schema.Catalog, error) {
	return schema.LoadRenamed(ctx, session, selector, m.renames.onSource)
}

// layoutOn is how a task's table is read on replica number i.
func (r *run) layoutOn(i int, t *task) *checksum.Layout {
	return t.layout.In(r.members[i].renames.name(t.layout.Database))
}

package check

import (
	"context"
	"slices"

	"trueup/replication/syncpoint"
	"trueup/schema"
	"trueup/server"
)

// lockedTables are the tables that a point locks, where it locks any: those that are compared. Before MySQL 8.0 a foreign key's
// cascade changes a child's rows without the child's metadata lock, and so under its read lock (seen on 5.6): there the tables from
// which cascades come are locked as well, though they may be compared already, or not be asked for.
func (r *run) lockedTables(ctx context.Context) ([]syncpoint.Table, error) {
	return r.withCascades(ctx, r.comparedTables())
}

// withCascades adds the tables from which cascades come, where they are to be locked as well.
func (r *run) withCascades(ctx context.Context, tables []syncpoint.Table) ([]syncpoint.Table, error) {
	identity := r.source.Identity()
	if identity.Flavor != server.MySQL || identity.Version.AtLeast(8, 0, 0) {
		return tables, nil
	}
	session, err := r.source.Session(ctx, server.SessionOptions{})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	for i := 0; i < len(tables); i++ { // it grows: parents have parents
		parents, err := schema.CascadingParents(ctx, session, schema.Name{Database: tables[i].Database, Table: tables[i].Name})
		if server.IsNoSuchTable(err) {
			continue // whoever reads it will say so
		}
		if err != nil {
			return nil, err
		}
		for _, parent := range parents {
			if table := (syncpoint.Table{Database: parent.Database, Name: parent.Table}); !slices.Contains(tables, table) {
				tables = append(tables, table)
			}
		}
	}
	return tables, nil
}

package check

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"trueup/schema"
	"trueup/server"
)

// A table can be replaced by another one under the same name (RENAME, as gh-ost and pt-online-schema-change do it; EXCHANGE
// PARTITION) while a snapshot is held. The snapshot then shows the *other* table's rows, without an error. So the tables'
// identities are read before the snapshots are opened and again after rows were read: what was read is believed only where they
// are the same. Rows that differ are not listed before that, and the readers hold the table's metadata lock meanwhile.

// errReplaced says that a name led to another table after the snapshots were opened. It goes away in a new sync point.
var errReplaced = errors.New("the table was replaced by another one under its name (RENAME, EXCHANGE PARTITION) or rebuilt while it was checked")

// identities are those that the tables had before a point's snapshots were opened.
type identities struct {
	source   schema.Identities
	replicas []schema.Identities // by number of the replica; nil where it is out
}

// watch reads identities on one server, on a session of its own that holds no snapshot. It is safe for concurrent use.
type watch struct {
	server *server.Server
	mutex  sync.Mutex
	reader *schema.IdentityReader
	open   *server.Session
	name   func(schema.Name) schema.Name // the server's name of a table of the source; nil: the same
}

func (w *watch) read(ctx context.Context, names []schema.Name) (schema.Identities, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for first := true; ; first = false {
		if w.open == nil {
			session, err := w.server.Session(ctx, server.SessionOptions{Reopens: true})
			if err != nil {
				return nil, err
			}
			w.open, w.reader = session, schema.NewIdentityReader(session)
		}
		found, err := w.readRenamed(ctx, names)
		if err == nil {
			return found, nil
		}
		w.shut() // the driver has closed the connection where ctx ended in the middle of it
		if !first || !server.IsConnectionLost(err) {
			return nil, err
		}
	}
}

func (w *watch) readRenamed(ctx context.Context, names []schema.Name) (schema.Identities, error) {
	if w.name == nil {
		return w.reader.Read(ctx, names)
	}
	there := make([]schema.Name, len(names))
	for i, name := range names {
		there[i] = w.name(name)
	}
	found, err := w.reader.Read(ctx, there)
	if err != nil {
		return nil, err
	}
	identities := schema.Identities{}
	for i, name := range names {
		if identity := found[there[i]]; identity != "" {
			identities[name] = identity
		}
	}
	return identities, nil
}

func (w *watch) close() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.shut()
}

func (w *watch) shut() {
	if w.open != nil {
		_ = w.open.Close()
		w.open = nil
	}
}

// readIdentities reads the identities of the tables that are still to be compared in sync points, on every server of the next one.
func (r *run) readIdentities(ctx context.Context) (*identities, error) {
	var names []schema.Name
	for _, table := range r.comparedTables() {
		names = append(names, schema.Name{Database: table.Database, Table: table.Name})
	}
	found := &identities{replicas: make([]schema.Identities, len(r.members))}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		found.source, err = r.watch.read(groupCtx, names)
		return err
	})
	for i, m := range r.members {
		if r.isUsable(m) && m.strategy.isSynced() {
			group.Go(func() error {
				var err error
				// Without identities nothing read there is believed; that the replica cannot be reached is found out again.
				if found.replicas[i], err = m.watch.read(ctx, names); err != nil {
					r.request.Logger.Warn("the identities of tables could not be read", "replica", m.address, "error", err)
				}
				return nil
			})
		}
	}
	return found, group.Wait()
}

// unchanged returns errReplaced unless the table is, on one server, the one it was before the snapshots were opened.
func unchanged(ctx context.Context, on *watch, before schema.Identities, name schema.Name) error {
	now, err := on.read(ctx, []schema.Name{name})
	if err != nil {
		return err
	}
	if now[name] == "" || now[name] != before[name] {
		return errReplaced
	}
	return nil
}

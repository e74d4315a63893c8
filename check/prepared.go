package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/schema"
	"trueup/server"
)

// Prepared is a check whose servers are connected and whose tables are planned. Whoever goes on with what it finds out, as a repair
// does, uses the same connections. It is for one goroutine.
type Prepared struct {
	run *run
	err error // that ended the preparation; Compare says so in its result
}

// Prepare does what a check does before it reads rows. The error is a *RequestError: nothing was touched. Everything else that goes
// wrong is in the result of Compare. Close the prepared check in any case.
func Prepare(ctx context.Context, request Request, observer Observer) (*Prepared, error) {
	if err := request.Validate(); err != nil {
		return nil, err
	}
	p := &Prepared{run: newRun(request, observer)}
	p.err = protect(func() error { return p.run.prepare(ctx) })
	var refused *RequestError
	if errors.As(p.err, &refused) {
		p.run.close()
		return nil, p.err
	}
	return p, nil
}

// Compare compares the rows, once, and returns the check's result.
func (p *Prepared) Compare(ctx context.Context) (*Result, error) {
	err := p.err
	if err == nil {
		err = protect(func() error { return p.run.compareTables(ctx) })
	}
	var refused *RequestError
	if errors.As(err, &refused) {
		return nil, err
	}
	p.run.conclude(ctx, err)
	return p.run.result, nil
}

// Close ends every connection.
func (p *Prepared) Close() { p.run.close() }

// Source is the source's server; nil where it was not reached.
func (p *Prepared) Source() *server.Server { return p.run.source }

// Replica is replica number i of the result: its server, nil where it was not reached, and what is known of it.
func (p *Prepared) Replica(i int) (*server.Server, ReplicaResult) {
	m := p.run.members[i]
	return m.server, m.result
}

// Info are the servers, as the result has them, before it is there.
func (p *Prepared) Info() (source ServerInfo, replicas []ServerInfo) {
	for _, m := range p.run.members {
		replicas = append(replicas, m.result.ServerInfo)
	}
	return p.run.result.Source, replicas
}

// Endpoints are the replicas of the check that were named, or discovered and reached: another check to which they are Known is of the same ones.
func (p *Prepared) Endpoints() []server.Endpoint {
	if named := p.run.request.Replicas; len(named) > 0 {
		return named
	}
	var reached []server.Endpoint
	for _, m := range p.run.members {
		if m.server != nil {
			reached = append(reached, m.server.Endpoint())
		}
	}
	return reached
}

// Upstream is the number of the replica from which replica number i replicates; found is false where that is the source.
func (p *Prepared) Upstream(i int) (upstream int, found bool) {
	n := p.run.members[i].number
	return n - 1, n > 0
}

// DifferingTable is one table on one replica with rows that differ.
type DifferingTable struct {
	Replica             int // its number in the result
	Source, OnReplica   *schema.Table
	Database            string           // that the replica has for the source's
	Layout              *checksum.Layout // how its rows were compared, on the source
	Ranges              []chunker.Range  // in the key's order, neighbours merged
	Missing, Extra      int64
	Changed             int64
	IgnoredColumns      bool // --ignore-columns leaves some of its columns out
	DefinitionDiffers   bool
	UncomparableColumns []string // with why
}

// DifferingTables are the tables in which Compare has found rows that differ, in the result's order.
func (p *Prepared) DifferingTables() []DifferingTable {
	r := p.run
	var found []DifferingTable
	for _, state := range r.tables {
		for i := range r.members {
			for _, t := range state.tasks {
				if !slices.Contains(t.replicas, i) {
					continue
				}
				if d, any := r.differentIn(state, t, i); any {
					found = append(found, d)
				}
			}
		}
	}
	return found
}

func (r *run) differentIn(state *tableState, t *task, i int) (DifferingTable, bool) {
	source, _ := r.sourceCatalog.Table(state.result.Database, state.result.Table)
	d := DifferingTable{Replica: i, Source: source, Layout: t.layout, Database: r.members[i].renames.name(state.result.Database)}
	for n, found := range state.ranges { // ordered by mergedRanges
		if found.replica != i {
			continue
		}
		if last := len(d.Ranges) - 1; last >= 0 && neighbours(state.ranges[n-1], found) {
			d.Ranges[last].Upper = found.chunk.Upper
		} else {
			d.Ranges = append(d.Ranges, found.chunk.Range)
		}
		d.Missing += found.delta.missing
		d.Extra += found.delta.extra
		d.Changed += found.delta.changed
	}
	if len(d.Ranges) == 0 {
		return d, false
	}
	d.OnReplica, _ = r.replicaCatalogs[i].Table(state.result.Database, state.result.Table)
	d.DefinitionDiffers = r.definitionDiffers(r.members[i].address, state.result.Database, state.result.Table)
	_, left := schema.ComparableColumns(source, d.OnReplica)
	for _, column := range left {
		d.UncomparableColumns = append(d.UncomparableColumns, column.Name+": "+column.Why)
	}
	for _, column := range source.Columns {
		d.IgnoredColumns = d.IgnoredColumns || !r.sourceCatalog.Selector.MatchesColumn(source.Database, source.Name, column.Name)
	}
	return d, true
}

// Table is a table's definition on the source or, with its names there, on replica number i; on is nil where it does not exist.
func (p *Prepared) Table(i int, database, table string) (source, on *schema.Table) {
	source, _ = p.run.sourceCatalog.Table(database, table)
	if catalog := p.run.replicaCatalogs[i]; catalog != nil {
		on, _ = catalog.Table(database, table)
	}
	return source, on
}

// Named tells whether --tables names a table of the source itself, without a wildcard.
func (p *Prepared) Named(name schema.Name) bool {
	return p.run.sourceCatalog.Selector.Names(name.Database, name.Table)
}

// NameOn is what replica number i calls a database of the source.
func (p *Prepared) NameOn(i int, database string) string {
	return p.run.members[i].renames.name(database)
}

// Held is source and replica at one position, with the replica's applier standing there.
type Held struct {
	Epoch Epoch
	// Source and Replica are in snapshots of the position.
	Source, Replica *server.Session
	// Executed and ExecutedGTID are where the replica stands, or stood, by its own account; OtherAppliers is how many appliers of its other
	// channels ran when it was looked at.
	Executed      replication.Position
	ExecutedGTID  string
	OtherAppliers int
	prepared      *Prepared
	replica       int
	before        *identities
	stands        func(context.Context) error // nil: nobody holds the applier
}

// Stands returns nil where the applier is seen, now, to stand exactly at the position.
func (h *Held) Stands(ctx context.Context) error {
	if h.stands == nil {
		return errors.New("the applier is not held")
	}
	return h.stands(ctx)
}

// SameTable returns nil where a table of the source is, on both servers, the one it was before the snapshots were opened: they would show
// the rows of another one without an error.
func (h *Held) SameTable(ctx context.Context, name schema.Name) error {
	if err := unchanged(ctx, &h.prepared.run.watch, h.before.source, name); err != nil {
		return err
	}
	return unchanged(ctx, &h.prepared.run.members[h.replica].watch, h.before.replicas[h.replica], name)
}

// Hold brings replica number i to a position of the source and calls do while its applier stands exactly there, for at most most:
// then ctx of do ends, and the applier runs again in any case. tables are those that are read; a MySQL source locks them for the
// moment in which its snapshot is opened. The error is that of do, or says why the replica could not be held (a
// *syncpoint.Unverifiable: see MayPass), or why the applier could not be started again.
func (p *Prepared) Hold(ctx context.Context, i int, tables []schema.Name, most time.Duration, do func(context.Context, *Held) error) error {
	var doErr error
	called := false
	err := p.point(ctx, i, tables, func(o *syncpoint.Options, before *identities) {
		o.HoldMax = most
		o.Held = func(ctx context.Context, number int, held syncpoint.Held) {
			if number != i {
				return
			}
			called = true
			doErr = protect(func() error {
				return do(ctx, p.held(i, held.Epoch, held.Source, held.Replica, before, held.Stands))
			})
		}
	}, nil)
	if err != nil || called {
		return errors.Join(doErr, err)
	}
	return errors.New("internal error: the applier stood and nobody was told")
}

// Read is Hold without holding: do reads in the snapshots while the applier runs on.
func (p *Prepared) Read(ctx context.Context, i int, tables []schema.Name, do func(context.Context, *Held) error) error {
	return p.point(ctx, i, tables, nil, func(point *syncpoint.Point, before *identities) error {
		lease, err := point.Lease()
		if err != nil {
			return err
		}
		defer point.Return(lease)
		return protect(func() error {
			return do(ctx, p.held(i, lease.Epoch, lease.Source, lease.Replicas[i], before, nil))
		})
	})
}

func (p *Prepared) held(i int, epoch *syncpoint.Epoch, source, replica *server.Session, before *identities, stands func(context.Context) error) *Held {
	on := epoch.Replicas[i]
	held := &Held{Epoch: epochOf(epoch), Source: source, Replica: replica, Executed: on.Executed, ExecutedGTID: on.GTID, prepared: p, replica: i, before: before, stands: stands}
	m := p.run.members[i]
	for _, status := range m.statuses {
		if status.Channel != m.status.Channel && status.ApplierRunning {
			held.OtherAppliers++
		}
	}
	return held
}

// point makes a sync point of one replica, and of those above it in its chain.
func (p *Prepared) point(ctx context.Context, i int, tables []schema.Name, change func(*syncpoint.Options, *identities), use func(*syncpoint.Point, *identities) error) error {
	r := p.run
	before := &identities{replicas: make([]schema.Identities, len(r.members))}
	var err error
	if before.source, err = r.watch.read(ctx, tables); err != nil {
		return err
	}
	if before.replicas[i], err = r.members[i].watch.read(ctx, tables); err != nil {
		return err
	}
	replicas := make([]syncpoint.Replica, len(r.members))
	for n := i + 1; n > 0; n = r.members[n-1].number {
		replicas[n-1] = r.members[n-1].replica()
		replicas[n-1].Strategy = syncpoint.Until
	}
	options := r.pointOptions(1)
	options.Workers = 1
	if options.Tables, err = r.withCascades(ctx, syncpointTables(tables)); err != nil {
		return err
	}
	if change != nil {
		change(&options, before)
	}
	point, err := syncpoint.Open(ctx, r.source, replicas, options)
	if err != nil {
		return err
	}
	defer point.Close()
	if failed := point.Failed(i); failed != nil {
		return failed
	}
	if use == nil {
		return nil
	}
	return use(point, before)
}

func syncpointTables(names []schema.Name) []syncpoint.Table {
	tables := make([]syncpoint.Table, len(names))
	for i, name := range names {
		tables[i] = syncpoint.Table{Database: name.Database, Name: name.Table}
	}
	return tables
}

// Address names replica number i in messages.
func (p *Prepared) Address(i int) string { return p.run.members[i].address }

// Downstream tells which replicas of the result replicate from replica number i.
func (p *Prepared) Downstream(i int) (below []int) {
	for n, m := range p.run.members {
		if m.number == i+1 {
			below = append(below, n)
		}
	}
	return below
}

// Usable tells whether replica number i can be compared, and so held.
func (p *Prepared) Usable(i int) error {
	m := p.run.members[i]
	if p.run.isUsable(m) && m.server != nil {
		return nil
	}
	return fmt.Errorf("it is unverified (%s): %s", m.result.ReasonCode, m.result.Reason)
}

// Await waits until replica number i has executed the source's log up to a position.
func (p *Prepared) Await(ctx context.Context, i int, position replication.Position) error {
	m := p.run.members[i]
	session, err := m.server.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return err
	}
	defer session.Close()
	return p.run.waitInTurn(ctx, session, m, position)
}

// SourcePosition is the end of the source's log.
func (p *Prepared) SourcePosition(ctx context.Context) (replication.Position, error) {
	session, err := p.run.source.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return replication.Position{}, err
	}
	defer session.Close()
	return replication.SourcePosition(ctx, session)
}

// LetCatchUp gives replica number i time to execute what the source has written while the applier stood: as much as it stood, or less
// where that is enough. A source that writes nothing costs no time. The error is that of ctx.
func (p *Prepared) LetCatchUp(ctx context.Context, i int, stood time.Duration) error {
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, stood)
	defer cancel()
	at, err := p.SourcePosition(limited)
	if err == nil {
		err = p.Await(limited, i, at)
	}
	if err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	return pauseFor(ctx, stood-time.Since(began))
}

package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/schema"
	"trueup/server"
)

// loadCatalogs reads the definitions of the source and of every usable replica. An ALTER may be on its way: each replica
// is read after it has passed the position at which the source's definitions were read, and where something differs all
// are read once more; only what differs both times is a difference (see confirmed).
func (r *run) loadCatalogs(ctx context.Context) error {
	filters := r.request.Filters
	selector, err := schema.ParseFilter(schema.Filter{Databases: filters.Databases, Tables: filters.Tables, IgnoreDatabases: filters.IgnoreDatabases,
		IgnoreTables: filters.IgnoreTables, IgnoreColumns: filters.IgnoreColumns})
	if err != nil {
		return &RequestError{Err: err}
	}
	if err := r.loadRound(ctx, selector); err != nil {
		return err
	}
	if unmatched := r.sourceCatalog.Selector.Unmatched(r.sourceCatalog); len(unmatched) > 0 {
		return requestErrorf("these patterns match no table on %s: %s; a check of nothing would end as \"equal\"", r.source.Address(), strings.Join(unmatched, ", "))
	}
	first := r.definitionDifferences()
	if len(first) == 0 {
		return nil
	}
	if err := r.awaitReturns(ctx); err != nil {
		return err
	}
	if err := r.loadRound(ctx, selector); err != nil {
		return err
	}
	r.confirmed = intersect(first, r.definitionDifferences())
	return nil
}

// loadRound reads the source's definitions and then those of the replicas.
func (r *run) loadRound(ctx context.Context, selector *schema.Selector) (err error) {
	if r.sourceCatalog, err = schema.Load(ctx, r.control, selector); err != nil {
		return err
	}
	var target replication.Position
	if r.request.Sync != None {
		if target, err = replication.SourcePosition(ctx, r.control); err != nil {
			return err
		}
	}
	r.replicaCatalogs = make([]*schema.Catalog, len(r.members))
	r.eachUsable(ctx, func(i int, m *member) error {
		session, err := m.server.Session(ctx, server.SessionOptions{Reopens: true})
		if err != nil {
			return err
		}
		defer session.Close()
		if err := r.waitForDefinitions(ctx, session, m, target); err != nil {
			return err
		}
		r.replicaCatalogs[i], err = m.load(ctx, session, selector)
		return err
	})
	return nil
}

// definitionDifferences lists what differs in definition on each usable replica, as the catalogs are now.
func (r *run) definitionDifferences() []SchemaDifference {
	var all []SchemaDifference
	for i, m := range r.members {
		if !m.usable() {
			continue
		}
		for _, difference := range differingTables(r.sourceCatalog, r.replicaCatalogs[i]) {
			if replicated, _ := m.replicates(difference.Database, difference.Table); !replicated {
				continue // what does not come from the source need not be the same
			}
			all = append(all, SchemaDifference{Replica: m.address, Difference: difference})
		}
	}
	return all
}

// intersect keeps what stands in both lists.
func intersect(first, second []SchemaDifference) []SchemaDifference {
	seen := make(map[SchemaDifference]bool, len(first))
	for _, difference := range first {
		seen[difference] = true
	}
	return slices.DeleteFunc(second, func(d SchemaDifference) bool { return !seen[d] })
}

// eachUsable runs something for every usable replica at once; an error makes that replica Unverified.
func (r *run) eachUsable(ctx context.Context, do func(i int, m *member) error) {
	var wait sync.WaitGroup
	for i, m := range r.members {
		if !m.usable() {
			continue
		}
		wait.Go(func() {
			if err := do(i, m); err != nil {
				m.giveUpFor(ctx, err)
			}
		})
	}
	wait.Wait()
}

// differingTables lists everything in which the chosen tables' definitions differ.
func differingTables(source, replica *schema.Catalog) []schema.Difference {
	var differences []schema.Difference
	for _, table := range source.Tables {
		if _, excluded := source.Exclusion(table); excluded {
			continue
		}
		other, found := replica.Table(table.Database, table.Name)
		if !found {
			differences = append(differences, schema.Difference{Database: table.Database, Table: table.Name, Object: "table", What: "missing", SourceValue: table.Kind.String()})
			continue
		}
		differences = append(differences, schema.Compare(table, other)...)
	}
	for _, table := range replica.Tables {
		if _, excluded := replica.Exclusion(table); excluded {
			continue
		}
		if _, found := source.Table(table.Database, table.Name); !found && !(replica.FoldsNames && source.HasInAnyCase(table.Database, table.Name)) {
			differences = append(differences, schema.Difference{Database: table.Database, Table: table.Name, Object: "table", What: "extra", ReplicaValue: table.Kind.String()})
		}
	}
	return differences
}

// waitForDefinitions waits until the replica has passed the position at which the source's definitions were read, unless nothing
// is asked of replication.
func (r *run) waitForDefinitions(ctx context.Context, session *server.Session, m *member, target replication.Position) error {
	switch {
	case r.request.Sync == None:
		return nil
	case !m.clustered:
		return r.waitInTurn(ctx, session, m, target)
	}
	source, err := r.source.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return err
	}
	defer source.Close()
	return r.awaitCluster(ctx, m, source, session)
}

// waitInTurn waits until the replica has executed what the source's log has up to the target; in a chain its upstream comes
// first.
func (r *run) waitInTurn(ctx context.Context, session *server.Session, m *member, target replication.Position) error {
	if m.upstream == nil {
		return r.waitUntilPassed(ctx, session, m, target)
	}
	above, err := m.upstream.server.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return err
	}
	defer above.Close()
	if err := r.waitInTurn(ctx, above, m.upstream, target); err != nil {
		return &syncpoint.Unverifiable{Address: m.address, Code: syncpoint.UpstreamOut, Reason: "the replica it replicates from cannot be compared", Err: err}
	}
	end, err := replication.SourcePosition(ctx, above)
	if err != nil {
		return err
	}
	return r.waitUntilPassed(ctx, session, m, end)
}

// waitUntilPassed waits until the replica has executed the log of its source, or upstream, up to the target. One that does not
// get there within the sync timeout, or whose applier does not run, is given up: its definitions may be older than the source's.
func (r *run) waitUntilPassed(ctx context.Context, session *server.Session, m *member, target replication.Position) error {
	deadline, goal := time.Now().Add(r.request.SyncTimeout), r.goalOf(m, target)
	for {
		status, err := replication.ReadStatus(ctx, session, m.status.Channel)
		if err != nil {
			return err
		}
		if err := syncpoint.Unfit(m.server, status, r.request.SyncTimeout); err != nil {
			return err
		}
		reached, err := goal.isReached(ctx, m.server, status)
		switch {
		case err != nil || reached:
			return err
		case time.Now().After(deadline):
			return &syncpoint.Unverifiable{Address: m.address, Code: syncpoint.Lagging, Reason: fmt.Sprintf("it had executed %s when the source's definitions were read at %s, and did not get there within %v (--sync-timeout)",
				status.Executed, target, r.request.SyncTimeout)}
		}
		if err := pauseFor(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// compareSchemas notes the confirmed differences in definition.
func (r *run) compareSchemas() {
	for _, d := range r.confirmed {
		if r.hasRanges(d.Database, d.Table) {
			r.result.SchemaDifferences = append(r.result.SchemaDifferences, d)
		}
	}
	r.differs = map[definition]bool{}
	for _, d := range r.confirmed {
		r.differs[definition{d.Replica, d.Database, d.Table}] = true
	}
}

// definition is one table's definition on one replica.
type definition struct{ replica, database, table string }

// definitionDiffers tells whether the run has found a difference in a table's definition on a replica.
func (r *run) definitionDiffers(replica, database, table string) bool {
	return r.differs[definition{replica, database, table}]
}

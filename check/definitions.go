package check

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"trueup/schema"
	"trueup/server"
)

// confirmDefinitions reads all definitions once more at the end: a column that was added meanwhile (both families can do that
// without making a new table) was not compared, and a table with it is not called equal.
func (r *run) confirmDefinitions(ctx context.Context) error {
	selector, err := r.request.Filters.selector()
	if err != nil {
		return err
	}
	now := make([]*schema.Catalog, len(r.members))
	var source *schema.Catalog
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() error {
		session, err := r.reconnect(groupCtx, r.source, server.SessionOptions{})
		if err != nil {
			return err
		}
		defer session.Close()
		source, err = schema.Load(groupCtx, session, selector)
		return err
	})
	for i, m := range r.members {
		if r.isUsable(m) {
			group.Go(func() error {
				catalog, err := loadOn(ctx, m, selector)
				if now[i] = catalog; err != nil && ctx.Err() == nil {
					r.giveUpReplica(m, reasonOf(err), fmt.Errorf("its definitions could not be read once more at the end: %w", err))
				}
				return ctx.Err()
			})
		}
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("reading the definitions once more at the end: %w", err)
	}
	for _, state := range r.tables {
		r.confirmDefinition(state, source, now)
	}
	return nil
}

func loadOn(ctx context.Context, m *member, selector *schema.Selector) (*schema.Catalog, error) {
	session, err := m.server.Session(ctx, server.SessionOptions{})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	return m.load(ctx, session, selector)
}

// confirmDefinition makes a table unverified where its definition is another one now than it was when the check was planned.
func (r *run) confirmDefinition(state *tableState, source *schema.Catalog, now []*schema.Catalog) {
	if len(state.tasks) == 0 {
		return
	}
	changed := false
	onSource := changeOf(r.sourceCatalog, source, state.result)
	state.mutex.Lock()
	for i := range state.onReplica {
		on := &state.onReplica[i]
		if on.Verdict != Equal {
			continue
		}
		what, where := onSource, r.source.Address()
		if what == "" && now[i] != nil {
			what, where = changeOf(r.replicaCatalogs[i], now[i], state.result), r.members[i].address
		}
		if what != "" {
			on.set(Unverified, ReasonTableChanged, fmt.Sprintf("its definition changed on %s while it was checked (%s)", where, what))
			changed = true
		}
	}
	state.settle()
	found := state.result
	state.mutex.Unlock()
	if changed {
		r.events.send(TableDone{At: r.events.at(), Table: found})
	}
}

// changeOf names what changed in a table's columns; "" for nothing.
func changeOf(before, now *schema.Catalog, table TableResult) string {
	old, known := before.Table(table.Database, table.Table)
	if !known {
		return ""
	}
	present, found := now.Table(table.Database, table.Table)
	if !found {
		return "the table is gone"
	}
	var changes []string
	for _, difference := range schema.Compare(old, present) {
		if difference.Object == "table" || strings.HasPrefix(difference.Object, "column ") {
			changes = append(changes, difference.Object+": "+difference.What)
		}
	}
	return strings.Join(changes, ", ")
}

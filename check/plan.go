package check

import (
	"fmt"
	"slices"
	"strings"

	"trueup/checksum"
	"trueup/replication"
	"trueup/schema"
)

// planTables decides for every table of the source whether and how it is compared on each replica.
func (r *run) planTables(binlog replication.BinlogFilter) {
	r.tables = nil
	for _, table := range r.sourceCatalog.Tables {
		state := r.planTable(table, binlog)
		if state != nil {
			r.tables = append(r.tables, state)
		}
	}
	r.planExtraTables()
	slices.SortFunc(r.tables, func(a, b *tableState) int {
		if c := strings.Compare(a.result.Database, b.result.Database); c != 0 {
			return c
		}
		return strings.Compare(a.result.Table, b.result.Table)
	})
}

// planTable returns nil for a table that the flags did not choose.
func (r *run) planTable(table *schema.Table, binlog replication.BinlogFilter) *tableState {
	exclusion, excluded := r.sourceCatalog.Exclusion(table)
	if excluded && exclusion.Code == schema.ExcludedNotChosen {
		return nil
	}
	if !r.hasRanges(table.Database, table.Name) {
		return nil
	}
	state := newTableState(table.Database, table.Name, r.members)
	state.estimate = table.RowsEstimate
	if excluded {
		state.leaveOut(NotCompared, ReasonExcluded, exclusion.Why)
		return state
	}
	named := r.sourceCatalog.Selector.Names(table.Database, table.Name)
	if code, reason := notATable(table); code != "" {
		state.leaveOut(notComparedUnless(named), code, reason)
		return state
	}
	logged, reason := binlog.Logs(table.Database)
	if !logged {
		state.leaveOut(notComparedUnless(named), ReasonNotReplicated, reason)
		return state
	}
	if reason != "" {
		r.warnOnce("%s: its binary log may leave changes out: %s", r.source.Address(), reason)
	}
	if code, reason := unreadable(table); code != "" {
		state.leaveOut(Unverified, code, reason)
		return state
	}
	r.planOnReplicas(state, table, named)
	return state
}

// notComparedUnless is the verdict of what is not compared by nature: asked for by name, it is Unverified.
func notComparedUnless(named bool) Verdict {
	if named {
		return Unverified
	}
	return NotCompared
}

func notATable(table *schema.Table) (code, reason string) {
	switch table.Kind {
	case schema.View:
		return ReasonView, "a view holds no rows of its own"
	case schema.Sequence:
		return ReasonSequence, "the state of a sequence is not compared"
	default:
		return "", ""
	}
}

// unreadable says why a table's rows cannot be read in a snapshot on the server it was loaded from.
func unreadable(table *schema.Table) (code, reason string) {
	switch {
	case table.LoadError != "":
		return ReasonTableBroken, table.LoadError
	case !obeysSnapshots(table.Engine):
		return ReasonNonTransactional, fmt.Sprintf("engine %s obeys no snapshot, so it cannot be read at one position while replication runs", table.Engine)
	default:
		return "", ""
	}
}

func obeysSnapshots(engine string) bool {
	return strings.EqualFold(engine, "InnoDB") || strings.EqualFold(engine, "ROCKSDB")
}

// planOnReplicas makes the tasks of a table: one for each set of columns that can be compared, so that a replica that
// lacks a column does not keep that column from being compared on the others.
func (r *run) planOnReplicas(state *tableState, table *schema.Table, named bool) {
	for i, m := range r.members {
		on := &state.onReplica[i]
		if !m.usable() {
			on.set(Unverified, ReasonReplicaUnusable, "the replica is unverified: "+m.result.Reason)
			continue
		}
		replicated, reason := m.replicates(table.Database, table.Name)
		if !replicated {
			on.set(notComparedUnless(named), ReasonNotReplicated, reason)
			continue
		}
		if reason != "" {
			r.warnOnce("%s: its filters may leave changes out: %s", m.address, reason)
		}
		other, found := r.replicaCatalogs[i].Table(table.Database, table.Name)
		if !found && !r.definitionDiffers(m.address, table.Database, table.Name) {
			on.set(Unverified, ReasonTableChanged, "it was created or dropped while the definitions were read")
			continue
		}
		if !found {
			on.set(Different, ReasonTableMissing, "the replica does not have the table")
			continue
		}
		if code, reason := unreadable(other); code != "" {
			on.set(Unverified, code, reason)
			continue
		}
		if r.definitionDiffers(m.address, table.Database, table.Name) {
			on.set(Different, ReasonDefinition, "the definitions differ: see schema_differences")
		}
		r.planComparison(state, table, other, i)
	}
	state.settle()
}

// planComparison adds one replica to the task that compares the same columns by the same key.
func (r *run) planComparison(state *tableState, table, other *schema.Table, replica int) {
	on := &state.onReplica[replica]
	columns, left := r.comparedColumns(table, other)
	layout, err := layoutFor(table, other, columns)
	switch {
	case err != nil:
		on.set(Failed, ReasonReadError, err.Error())
		return
	case len(layout.Columns) == 0:
		on.set(Unverified, ReasonNoColumns, "no column of it can be compared: "+strings.Join(left, "; "))
		return
	}
	state.leave(left)
	state.convert(layout)
	r.explainKeyColumns(state, layout)
	if r.isRestricted() {
		t := &task{state: state, strategy: r.members[replica].strategy, layout: layout, replicas: []int{replica}}
		if r.restrict(t, replica) {
			state.tasks = append(state.tasks, t)
		} else {
			on.set(NotCompared, ReasonExcluded, "none of the ranges that were asked for is of this replica")
			on.unasked = true
		}
		return
	}
	for _, t := range state.tasks {
		if t.layout.SameAs(layout) && t.strategy.isSynced() == r.members[replica].strategy.isSynced() {
			t.replicas = append(t.replicas, replica)
			return
		}
	}
	state.tasks = append(state.tasks, &task{state: state, strategy: r.members[replica].strategy, layout: layout, replicas: []int{replica}})
}

// explainKeyColumns says of columns that --ignore-columns names and that split the table that they are compared all the same.
func (r *run) explainKeyColumns(state *tableState, layout *checksum.Layout) {
	for _, column := range layout.Key.Columns {
		if !layout.Scan && !r.sourceCatalog.Selector.MatchesColumn(layout.Database, layout.Table, column.Name) {
			state.unleave(column.Name)
			r.warnOnce("%s.%s: column %s is compared though --ignore-columns names it: the table is split by it", layout.Database, layout.Table, column.Name)
		}
	}
}

// planExtraTables names tables that only a replica has.
func (r *run) planExtraTables() {
	for _, difference := range r.result.SchemaDifferences {
		if difference.Object != "table" || difference.What != "extra" || !r.hasRanges(difference.Database, difference.Table) {
			continue
		}
		state := r.stateOf(difference.Database, difference.Table)
		for i, m := range r.members {
			if m.address == difference.Replica {
				state.onReplica[i].set(Different, ReasonTableExtra, "the source does not have the table")
			}
		}
		state.settle()
	}
}

func (r *run) stateOf(database, table string) *tableState {
	for _, state := range r.tables {
		if state.result.Database == database && state.result.Table == table {
			return state
		}
	}
	state := newTableState(database, table, r.members)
	for i, m := range r.members {
		if m.usable() {
			state.onReplica[i].set(NotCompared, ReasonTableExtra, "neither the source nor this replica has the table")
		} else {
			state.onReplica[i].set(Unverified, ReasonReplicaUnusable, "the replica is unverified: "+m.result.Reason)
		}
	}
	r.tables = append(r.tables, state)
	return state
}

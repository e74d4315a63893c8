package check

import (
	"fmt"
	"slices"
	"strings"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/replication"
	"trueup/schema"
)

// planTables decides for every table of the source whether and how it is compared on each replica.
func (r *run) planTables(binlog replication.BinlogFilter) {
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
	usable, rejected := schema.SplitKeys(table)
	for i, m := range r.members {
		on := &state.onReplica[i]
		if !m.usable() {
			on.set(Unverified, ReasonReplicaUnusable, "the replica is unverified: "+m.result.Reason)
			continue
		}
		replicated, reason := m.status.Replicates(table.Database, table.Name)
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
		if len(usable) == 0 {
			on.set(Unverified, ReasonNoKey, noKeyReason(rejected))
			continue
		}
		r.planComparison(state, table, other, usable, i)
	}
	state.settle()
}

func noKeyReason(rejected []schema.Rejected) string {
	if len(rejected) == 0 {
		return "it has no primary key and no unique key of NOT NULL columns; comparing without one is not built yet"
	}
	parts := make([]string, len(rejected))
	for i, r := range rejected {
		parts[i] = r.Key + ": " + r.Why
	}
	return "none of its keys can split it: " + strings.Join(parts, "; ")
}

// planComparison adds one replica to the task that compares the same columns by the same key.
func (r *run) planComparison(state *tableState, table, other *schema.Table, usable []schema.Key, replica int) {
	on := &state.onReplica[replica]
	key, found := commonKey(table, other, usable)
	if !found {
		on.set(Unverified, ReasonKeyDiffers, fmt.Sprintf("key %s is not the same on the replica, so its rows cannot be read in the same ranges", usable[0].Name))
		return
	}
	layout, left, err := r.layoutFor(table, other, key)
	if err != nil {
		on.set(Failed, ReasonReadError, err.Error())
		return
	}
	state.leave(left)
	for _, t := range state.tasks {
		if t.layout.SameAs(layout) {
			t.replicas = append(t.replicas, replica)
			return
		}
	}
	state.tasks = append(state.tasks, &task{state: state, layout: layout, replicas: []int{replica}})
}

// commonKey is the first usable key that the other table has too, over columns that sort and compare the same way.
func commonKey(table, other *schema.Table, usable []schema.Key) (schema.Key, bool) {
	otherUsable, _ := schema.SplitKeys(other)
	for _, key := range usable {
		for _, candidate := range otherUsable {
			if candidate.Name == key.Name && slices.Equal(candidate.Columns, key.Columns) && sameOrder(table, other, key) {
				return key, true
			}
		}
	}
	return schema.Key{}, false
}

func sameOrder(table, other *schema.Table, key schema.Key) bool {
	for _, part := range key.Columns {
		a, foundA := table.Column(part.Name)
		b, foundB := other.Column(part.Name)
		if !foundA || !foundB || a.Kind != b.Kind || a.Collation != b.Collation || a.Scale != b.Scale || a.FractionalDigits != b.FractionalDigits ||
			a.DataType != b.DataType && (a.Kind == schema.KindBinary || a.Kind == schema.KindText) || a.DataType == "binary" && a.CharLength != b.CharLength {
			return false // CHAR and VARCHAR, BINARY(4) and BINARY(8) compare trailing bytes differently
		}
	}
	return true
}

// layoutFor chooses the columns: those comparable by value that are not ignored. left names the others with why.
func (r *run) layoutFor(table, other *schema.Table, key schema.Key) (*checksum.Layout, []string, error) {
	split, err := chunker.NewKey(table, key)
	if err != nil {
		return nil, nil, err
	}
	pairs, leftOut := schema.ComparableColumns(table, other)
	var left []string
	for _, column := range leftOut {
		left = append(left, column.Name+": "+column.Why)
	}
	var columns []checksum.Column
	for _, pair := range pairs {
		if !r.sourceCatalog.Selector.MatchesColumn(table.Database, table.Name, pair.Source.Name) {
			left = append(left, pair.Source.Name+": left out by --ignore-columns")
			continue
		}
		columns = append(columns, checksum.Column{Column: pair.Source, AsUTF8: pair.NeedsUTF8})
	}
	return checksum.NewLayout(table.Database, table.Name, split, columns), left, nil
}

// planExtraTables names tables that only a replica has.
func (r *run) planExtraTables() {
	for _, difference := range r.result.SchemaDifferences {
		if difference.Object != "table" || difference.What != "extra" {
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

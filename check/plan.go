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
	for _, t := range state.tasks {
		if t.layout.SameAs(layout) {
			t.replicas = append(t.replicas, replica)
			return
		}
	}
	state.tasks = append(state.tasks, &task{state: state, layout: layout, replicas: []int{replica}})
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

// commonKey is the best key that splits both tables, over columns that sort and compare the same way.
func commonKey(table, other *schema.Table) (schema.Key, bool) {
	usable, _ := schema.SplitKeys(table)
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
		if !foundA || !foundB || a.Kind != b.Kind || a.Collation != b.Collation || a.Scale != b.Scale || a.FractionalDigits != b.FractionalDigits {
			return false
		}
		switch a.Kind {
		case schema.KindBinary, schema.KindText: // CHAR and VARCHAR, BINARY(4) and BINARY(8) compare trailing bytes differently
			if a.DataType != b.DataType || a.DataType == "binary" && a.CharLength != b.CharLength {
				return false
			}
		case schema.KindBit, schema.KindEnum, schema.KindSet, schema.KindUUID, schema.KindInet:
			if !strings.EqualFold(a.ColumnType, b.ColumnType) { // other members have other numbers; MariaDB has two orders of UUIDs
				return false
			}
		}
	}
	return true
}

// comparedColumns are those comparable by value that are not ignored. left names the others with why.
func (r *run) comparedColumns(table, other *schema.Table) (columns []checksum.Column, left []string) {
	pairs, leftOut := schema.ComparableColumns(table, other)
	for _, column := range leftOut {
		left = append(left, column.Name+": "+column.Why)
	}
	for _, pair := range pairs {
		if !r.sourceCatalog.Selector.MatchesColumn(table.Database, table.Name, pair.Source.Name) {
			left = append(left, pair.Source.Name+": left out by --ignore-columns")
			continue
		}
		columns = append(columns, checksum.ColumnOf(pair))
		if pair.Source.ReadsAlike() && strings.EqualFold(pair.Source.ColumnType, pair.Replica.ColumnType) {
			columns = append(columns, checksum.NumberOf(pair.Source))
		}
	}
	return columns, left
}

// layoutFor splits the table by a key that both sides order in the same way; where there is none, it is read whole.
func layoutFor(table, other *schema.Table, columns []checksum.Column) (*checksum.Layout, error) {
	key, found := commonKey(table, other)
	if !found {
		name, identity, columns := commonIdentity(table, other, columns)
		return checksum.NewScanLayout(table.Database, table.Name, name, identity, columns), nil
	}
	split, err := chunker.NewKey(table, key)
	if err != nil {
		return nil, err
	}
	return checksum.NewLayout(table.Database, table.Name, split, columns), nil
}

// commonIdentity finds a key that tells rows apart on both sides, all of it compared, and puts its columns first; identity is
// how many those are, 0 where there is no such key.
func commonIdentity(table, other *schema.Table, columns []checksum.Column) (name string, identity int, ordered []checksum.Column) {
	for _, key := range schema.IdentityKeys(table) {
		for _, candidate := range schema.IdentityKeys(other) {
			if !sameColumns(key, candidate) {
				continue
			}
			if first, rest, whole := takeKey(key, columns); whole {
				return key.Name, len(first), append(first, rest...)
			}
		}
	}
	return "", 0, columns
}

// sameColumns tells whether two keys have the same columns, whatever their names and order: the values are matched, not
// sorted.
func sameColumns(a, b schema.Key) bool {
	names := func(key schema.Key) []string {
		var names []string
		for _, part := range key.Columns {
			names = append(names, part.Name)
		}
		slices.Sort(names)
		return names
	}
	return slices.Equal(names(a), names(b))
}

// takeKey divides the columns into those of the key, each with its number where its text does not tell values apart, and the
// others; whole is false where the key has columns that are not compared.
func takeKey(key schema.Key, columns []checksum.Column) (first, rest []checksum.Column, whole bool) {
	taken := make([]bool, len(columns))
	for _, part := range key.Columns {
		found := false
		for i, column := range columns {
			if !column.IsCompanion() && column.Name == part.Name || column.IsNumberOf(part.Name) {
				taken[i], found = true, true
				first = append(first, column)
			}
		}
		if !found {
			return nil, nil, false
		}
	}
	for i, column := range columns {
		if !taken[i] {
			rest = append(rest, column)
		}
	}
	return first, rest, true
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

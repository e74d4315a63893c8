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
	for _, t := range state.tasks {
		if t.layout.SameAs(layout) {
			t.replicas = append(t.replicas, replica)
			return
		}
	}
	state.tasks = append(state.tasks, &task{state: state, layout: layout, replicas: []int{replica}})
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
		if pair.Source.HasEmptyMember() && strings.EqualFold(pair.Source.ColumnType, pair.Replica.ColumnType) {
			columns = append(columns, checksum.NumberOf(pair.Source))
		}
	}
	return columns, left
}

// layoutFor splits the table by a key that both sides order in the same way; where there is none, it is read whole.
func layoutFor(table, other *schema.Table, columns []checksum.Column) (*checksum.Layout, error) {
	key, found := commonKey(table, other)
	if !found {
		return checksum.NewScanLayout(table.Database, table.Name, commonIdentity(table, other, columns), columns), nil
	}
	split, err := chunker.NewKey(table, key)
	if err != nil {
		return nil, err
	}
	return checksum.NewLayout(table.Database, table.Name, split, columns), nil
}

// commonIdentity is a key whose values tell rows apart on both sides, all of it compared; the zero Key if there is none.
func commonIdentity(table, other *schema.Table, columns []checksum.Column) chunker.Key {
	for _, key := range schema.IdentityKeys(table) {
		for _, candidate := range schema.IdentityKeys(other) {
			if candidate.Name == key.Name && slices.EqualFunc(candidate.Columns, key.Columns, samePart) {
				if identity, whole := identityOf(key, columns); whole {
					return identity
				}
			}
		}
	}
	return chunker.Key{}
}

func samePart(a, b schema.KeyColumn) bool { return a.Name == b.Name }

func identityOf(key schema.Key, columns []checksum.Column) (identity chunker.Key, whole bool) {
	identity.Name = key.Name
	for _, part := range key.Columns {
		i := slices.IndexFunc(columns, func(c checksum.Column) bool { return c.Name == part.Name })
		if i < 0 {
			return chunker.Key{}, false
		}
		identity.Columns = append(identity.Columns, columns[i].Column)
		if i+1 < len(columns) && columns[i+1].IsNumberOf(part.Name) { // its text alone does not tell rows apart
			identity.Columns = append(identity.Columns, columns[i+1].Column)
		}
	}
	return identity, true
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

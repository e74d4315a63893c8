package check

import (
	"slices"
	"strings"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/schema"
)

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

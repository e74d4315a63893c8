package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Rejected is a key that cannot split its table, and why, in words.
type Rejected struct {
	Key string
	Why string
}

// SplitKeys returns the keys by which a table can be cut into ranges, best first: the primary key, then unique keys
// by number of columns, then by the width of their values; and why each other key cannot. Ranges need a total order
// that a bound value hits exactly, so every part must be a whole NOT NULL column of a kind whose values come back from the
// client unchanged, in a BTREE that FORCE INDEX accepts.
func SplitKeys(t *Table) (usable []Key, rejected []Rejected) {
	for _, key := range t.Keys {
		key = t.currentRowsKey(key)
		if why := t.cannotSplit(key); why != "" {
			rejected = append(rejected, Rejected{Key: key.Name, Why: why})
		} else {
			usable = append(usable, key)
		}
	}
	slices.SortStableFunc(usable, func(a, b Key) int {
		if a.Primary != b.Primary {
			if a.Primary {
				return -1
			}
			return 1
		}
		return cmp.Or(
			cmp.Compare(len(a.Columns), len(b.Columns)),
			cmp.Compare(t.width(a), t.width(b)),
			strings.Compare(a.Name, b.Name),
		)
	})
	return usable, rejected
}

// currentRowsKey is a key as it is among current rows: MariaDB adds the end of a named period to every unique key of
// a system-versioned table, and in current rows that column is a constant, which 11.5 made a later one (2106 instead of
// 2038): ranges that end at it would split the rows of older and newer servers differently.
//
// https://mariadb.com/kb/en/timestamp/
func (t *Table) currentRowsKey(key Key) Key {
	last := len(key.Columns) - 1
	if t.Kind != SystemVersioned || !key.Unique || last < 1 {
		return key
	}
	if column, ok := t.Column(key.Columns[last].Name); ok && column.endsPeriod() {
		key.Columns = key.Columns[:last:last]
	}
	return key
}

// endsPeriod tells whether the column is the end of the period of a system-versioned table.
func (c Column) endsPeriod() bool {
	return c.Generated && strings.EqualFold(c.GenerationExpr, "ROW END")
}

func (t *Table) cannotSplit(key Key) string {
	switch {
	case !key.Unique:
		return "not unique"
	case key.Type != "BTREE":
		return fmt.Sprintf("a %s index has no order", key.Type)
	case key.Hidden:
		return "hidden from the optimizer (invisible or ignored): FORCE INDEX is refused"
	case len(key.Columns) == 0:
		return "no columns are known of it"
	}
	for i, part := range key.Columns {
		if why := t.cannotBound(part, i == 0); why != "" {
			return why
		}
	}
	return ""
}

func (t *Table) cannotBound(part KeyColumn, first bool) string {
	if part.Expression != "" {
		return fmt.Sprintf("a part is the expression %s", part.Expression)
	}
	column, ok := t.Column(part.Name)
	switch {
	case !ok:
		return fmt.Sprintf("part %s is no column of the table", part.Name)
	case part.Prefix > 0:
		return fmt.Sprintf("part %s is indexed by its first %d characters or bytes only: a prefix bounds no range exactly", part.Name, part.Prefix)
	case column.Nullable:
		return fmt.Sprintf("part %s may be NULL: NULLs are not unique", part.Name)
	}
	if column.OrderedTwoWays() {
		return fmt.Sprintf("part %s is CHAR with collation %s: the index and the comparison order its values differently", part.Name, column.Collation)
	}
	if column.ReadsAlike() {
		return fmt.Sprintf("part %s has an empty member, or one twice: two of its values read alike", part.Name)
	}
	if why := cannotBoundKind(column.Kind, first); why != "" {
		return fmt.Sprintf("part %s is %s: %s", part.Name, column.Kind, why)
	}
	return ""
}

// OrderedTwoWays is true for CHAR under a NO PAD collation of MariaDB: the index holds the values padded with spaces and so
// puts 'a\t' before 'a', a condition compares them without and puts it behind, and ranges lose the row (10.11.19).
func (c Column) OrderedTwoWays() bool {
	return c.DataType == "char" && strings.Contains(c.Collation, "_nopad_")
}

func cannotBoundKind(kind Kind, first bool) string {
	switch kind {
	case KindInteger, KindYear, KindDecimal, KindFloat, KindDouble, KindBit, KindText, KindBinary, KindDate, KindTime, KindDateTime, KindTimestamp,
		KindUUID, KindInet:
		return ""
	case KindEnum, KindSet:
		if !first {
			return ""
		}
		return "it orders by number, and servers read the whole index for a range of its numbers"
	default:
		return "values of that type cannot bound a range in this version"
	}
}

// IdentityKeys returns the keys whose values tell one row from another, whether they can split the table or not: unique,
// over columns (or beginnings of columns) that are never NULL; the primary key first.
func IdentityKeys(t *Table) []Key {
	var identity []Key
	for _, key := range t.Keys {
		key = t.currentRowsKey(key)
		if key.Unique && len(key.Columns) > 0 && !slices.ContainsFunc(key.Columns, func(part KeyColumn) bool {
			column, ok := t.Column(part.Name)
			return part.Expression != "" || !ok || column.Nullable
		}) {
			identity = append(identity, key)
		}
	}
	return identity
}

// width is how many bytes the values of a key take at most, roughly: it only ranks keys.
func (t *Table) width(key Key) int64 {
	var sum int64
	for _, part := range key.Columns {
		column, _ := t.Column(part.Name)
		switch column.Kind {
		case KindText, KindBinary:
			sum += column.CharLength
		case KindDecimal:
			sum += int64(column.Precision)/2 + 1
		default:
			sum += fixedWidths[column.DataType]
		}
	}
	return sum
}

var fixedWidths = map[string]int64{
	"tinyint": 1, "year": 1, "smallint": 2, "mediumint": 3, "date": 3, "int": 4, "bigint": 8, "time": 6, "timestamp": 7, "datetime": 8,
	"float": 4, "double": 8, "bit": 8, "enum": 2, "set": 8, "inet4": 4, "inet6": 16, "uuid": 16,
}

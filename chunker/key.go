package chunker

import (
	"fmt"
	"strings"

	"trueup/schema"
)

// Key is the unique key whose ranges split a table, with the definitions of its columns in key order.
type Key struct {
	Name       string
	Columns    []schema.Column
	Descending []bool // by number of the column; nil: all ascend
}

// NewKey joins a key of a table with its column definitions. The key must be one that schema.SplitKeys calls usable.
// It fails for a column that the server orders in two ways (schema.Column.OrderedTwoWays).
func NewKey(table *schema.Table, key schema.Key) (Key, error) {
	joined := Key{Name: key.Name}
	for _, part := range key.Columns {
		column, found := columnOf(table, part.Name)
		if !found {
			return Key{}, fmt.Errorf("key %s of %s.%s: no column %q", key.Name, table.Database, table.Name, part.Name)
		}
		if column.OrderedTwoWays() {
			return Key{}, fmt.Errorf("key %s of %s.%s: column %q is CHAR with collation %s, which the server orders in two ways: give the column VARCHAR or another collation",
				key.Name, table.Database, table.Name, part.Name, column.Collation)
		}
		joined.Columns = append(joined.Columns, column)
		joined.Descending = append(joined.Descending, part.Descending)
	}
	return joined, nil
}

func columnOf(table *schema.Table, name string) (schema.Column, bool) {
	for _, column := range table.Columns {
		if column.Name == name {
			return column, true
		}
	}
	return schema.Column{}, false
}

// OrderList is the key's columns in the key's order, for ORDER BY.
func (k Key) OrderList() string {
	list := make([]string, len(k.Columns))
	for i, column := range k.Columns {
		list[i] = schema.QuoteIdentifier(column.Name)
		if k.descends(i) {
			list[i] += " DESC"
		}
	}
	return strings.Join(list, ", ")
}

// boundList is the values of the key's columns as bounds, for SELECT.
func (k Key) boundList() string {
	list := make([]string, len(k.Columns))
	for i, column := range k.Columns {
		list[i] = schema.QuoteIdentifier(column.Name)
		switch column.Kind {
		case schema.KindBit, schema.KindEnum, schema.KindSet: // ordered by number, which is not what a SELECT sends
			list[i] = "CAST(" + list[i] + " AS UNSIGNED)"
		}
	}
	return strings.Join(list, ", ")
}

func (k Key) descends(i int) bool { return i < len(k.Descending) && k.Descending[i] }

// ByteEquality tells whether two keys are equal to the server only when their bytes are: no column with a
// collation, under which unequal bytes may be one key ('a' and 'A', 'a' and 'a '), and no 0 that equals -0.0.
func (k Key) ByteEquality() bool {
	for _, column := range k.Columns {
		switch column.Kind {
		case schema.KindText, schema.KindFloat, schema.KindDouble:
			return false
		}
	}
	return true
}

// bound is the SQL that stands for one bound parameter of the column, of exactly the column's type.
func bound(column schema.Column) string {
	switch column.Kind {
	case schema.KindDecimal:
		// A DECIMAL compared with a string is compared as DOUBLE.
		return fmt.Sprintf("CAST(? AS DECIMAL(%d,%d))", column.Precision, column.Scale)
	case schema.KindText:
		// The stored bytes travel as they are; an explicit collation wins over every other. CAST(? AS BINARY) would not
		// do: MariaDB 10.11 still converts its result from the connection's character set, ä of latin1 to a question mark.
		return fmt.Sprintf("CONVERT(UNHEX(HEX(?)) USING %s) COLLATE %s", column.Charset, column.Collation)
	case schema.KindBinary:
		return "CAST(? AS BINARY)"
	case schema.KindUUID, schema.KindInet:
		return "CAST(? AS " + strings.ToUpper(column.DataType) + ")"
	case schema.KindDate:
		return "CAST(? AS DATE)"
	case schema.KindTime:
		// MySQL since 8.0.22 takes the parameter of CAST(? AS TIME) for a DATETIME, and '00:00:01' for midnight (9.7.4).
		return fmt.Sprintf("CAST(CAST(? AS CHAR) AS TIME(%d))", column.FractionalDigits)
	case schema.KindDateTime, schema.KindTimestamp:
		return fmt.Sprintf("CAST(? AS DATETIME(%d))", column.FractionalDigits)
	default:
		return "?"
	}
}

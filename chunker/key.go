package chunker

import (
	"fmt"
	"strings"

	"trueup/schema"
)

// Key is the unique key whose ranges split a table, with the definitions of its columns in key order.
type Key struct {
	Name    string
	Columns []schema.Column
}

// NewKey joins a key of a table with its column definitions. The key must be one that schema.SplitKeys calls usable.
// It fails for CHAR under a NO PAD collation of MariaDB: the index holds the values padded with spaces and so puts
// 'a\t' before 'a', a condition compares them without and puts it behind, and ranges lose the row (10.11.19).
func NewKey(table *schema.Table, key schema.Key) (Key, error) {
	joined := Key{Name: key.Name}
	for _, part := range key.Columns {
		column, found := columnOf(table, part.Name)
		if !found {
			return Key{}, fmt.Errorf("key %s of %s.%s: no column %q", key.Name, table.Database, table.Name, part.Name)
		}
		if column.DataType == "char" && strings.Contains(column.Collation, "_nopad_") {
			return Key{}, fmt.Errorf("key %s of %s.%s: column %q is CHAR with collation %s, which the server orders in two ways: give the column VARCHAR or another collation",
				key.Name, table.Database, table.Name, part.Name, column.Collation)
		}
		joined.Columns = append(joined.Columns, column)
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

// ColumnList is the key's columns, quoted, for SELECT and ORDER BY.
func (k Key) ColumnList() string {
	quoted := make([]string, len(k.Columns))
	for i, column := range k.Columns {
		quoted[i] = schema.QuoteIdentifier(column.Name)
	}
	return strings.Join(quoted, ", ")
}

// ByteEquality tells whether two keys are equal to the server only when their bytes are: no column with a
// collation, under which unequal bytes may be one key ('a' and 'A', 'a' and 'a ').
func (k Key) ByteEquality() bool {
	for _, column := range k.Columns {
		if column.Kind == schema.KindText {
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
	case schema.KindDate:
		return "CAST(? AS DATE)"
	case schema.KindTime:
		return fmt.Sprintf("CAST(? AS TIME(%d))", column.FractionalDigits)
	case schema.KindDateTime, schema.KindTimestamp:
		return fmt.Sprintf("CAST(? AS DATETIME(%d))", column.FractionalDigits)
	default:
		return "?"
	}
}

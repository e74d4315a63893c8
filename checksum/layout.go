package checksum

import (
	"fmt"
	"slices"
	"strings"

	"trueup/chunker"
	"trueup/schema"
)

// Column is a column to read.
type Column struct {
	schema.Column
	// AsUTF8 reads the text converted to utf8mb4 by the server, for columns whose character sets differ between the
	// sides; otherwise the stored bytes are read.
	AsUTF8 bool
	// Number reads the number of an ENUM or SET instead of its text; Kind is KindInteger then.
	Number bool
	// Decimal reads a DECIMAL as another one that holds the values of both sides; nil: as it is.
	Decimal *schema.Decimal
	stored  string // the name of the column whose Number is read
}

// NumberOf is the column that reads the numbers of an ENUM or SET, under the name that an expression for it has.
func NumberOf(column schema.Column) Column {
	number := Column{Column: column, Number: true, stored: column.Name}
	number.Name, number.Kind = column.Name+"+0", schema.KindInteger
	return number
}

// IsNumberOf tells whether the column is the number of the ENUM or SET of that name, read beside its text.
func (c Column) IsNumberOf(name string) bool { return c.IsCompanion() && c.stored == name }

// IsCompanion tells whether the column is a number that is read beside the text of an ENUM or SET.
func (c Column) IsCompanion() bool { return c.Number && c.Name != c.stored }

// ColumnOf is how a column is read that both sides can have in different types.
func ColumnOf(pair schema.ColumnPair) Column {
	column := Column{Column: pair.Source, AsUTF8: pair.NeedsUTF8, Number: pair.NeedsNumber, Decimal: pair.DecimalOf}
	switch {
	case pair.NeedsNumber:
		column.stored, column.Kind = column.Name, schema.KindInteger
	case pair.NeedsJSON:
		column.Kind = schema.KindJSONValue
	}
	return column
}

// Conversion says in words how the column is compared where that is not as it is stored; "" else.
func (c Column) Conversion() string {
	switch {
	case c.Kind == schema.KindJSONValue:
		return "as JSON values: white space, the order of members and how numbers are written do not count"
	case c.AsUTF8:
		return "converted to utf8mb4: the character sets differ"
	case c.Decimal != nil:
		return fmt.Sprintf("as DECIMAL(%d,%d)", c.Decimal.Precision, c.Decimal.Scale)
	case c.Number && c.stored == c.Name:
		return "as a number"
	default:
		return ""
	}
}

// Expression is the SQL that reads the column.
func (c Column) Expression() string {
	switch {
	case c.Number:
		return "CAST(" + schema.QuoteIdentifier(c.stored) + " AS UNSIGNED)"
	case c.Decimal != nil:
		return fmt.Sprintf("CAST(%s AS DECIMAL(%d,%d))", schema.QuoteIdentifier(c.Name), c.Decimal.Precision, c.Decimal.Scale)
	case c.AsUTF8:
		return "CONVERT(" + schema.QuoteIdentifier(c.Name) + " USING utf8mb4)"
	default:
		return schema.QuoteIdentifier(c.Name)
	}
}

// Layout is which columns of a table are read, and how: the key's columns first, then the others, each once.
type Layout struct {
	Database, Table string
	Key             chunker.Key
	Columns         []Column
	// Scan is true for a table that no key splits: it is read whole and in no order. Key holds the columns that tell its
	// rows apart then, if there are any.
	Scan  bool
	kinds []schema.Kind
}

// NewLayout orders the columns to compare behind those of the key. The columns may hold the key's again.
func NewLayout(database, table string, key chunker.Key, columns []Column) *Layout {
	layout := &Layout{Database: database, Table: table, Key: key}
	inKey := map[string]bool{}
	for _, column := range key.Columns {
		inKey[column.Name] = true
		layout.Columns = append(layout.Columns, Column{Column: column})
	}
	for _, column := range columns {
		if column.Number || !inKey[column.Name] { // a number's name may be that of another column
			layout.Columns = append(layout.Columns, column)
		}
	}
	layout.setKinds()
	return layout
}

func (l *Layout) setKinds() {
	for _, column := range l.Columns {
		l.kinds = append(l.kinds, column.Kind)
	}
}

// NewScanLayout is the layout of a table that is read whole. The first columns, as many as identity says, are those of the
// key of that name, which tells rows apart on both sides; 0: there is none.
func NewScanLayout(database, table, key string, identity int, columns []Column) *Layout {
	layout := &Layout{Database: database, Table: table, Scan: true, Columns: columns}
	if identity > 0 {
		layout.Key.Name = key
	}
	for _, column := range columns[:identity] {
		layout.Key.Columns = append(layout.Key.Columns, column.Column)
	}
	layout.setKinds()
	return layout
}

// In is the layout of the same table in a database of another name.
func (l *Layout) In(database string) *Layout {
	if database == l.Database {
		return l
	}
	there := *l
	there.Database = database
	return &there
}

// Algorithm is how the layout's rows are digested.
func (l *Layout) Algorithm() Algorithm {
	if l.Scan {
		return MultisetXXH64
	}
	return RowsXXH64
}

// SameAs tells whether two layouts of one table read the same columns in the same way.
func (l *Layout) SameAs(other *Layout) bool {
	return l.Scan == other.Scan && l.Key.Name == other.Key.Name && len(l.Key.Columns) == len(other.Key.Columns) && slices.EqualFunc(l.Columns, other.Columns, func(a, b Column) bool {
		return a.Name == b.Name && a.Kind == b.Kind && a.Expression() == b.Expression()
	})
}

// selectWhere is the statement that reads the layout's rows under a condition, in key order.
func (l *Layout) selectWhere(condition string) string {
	var query strings.Builder
	fmt.Fprintf(&query, "SELECT %s FROM %s", l.list(), schema.QuoteTable(l.Database, l.Table))
	if l.Scan {
		return query.String()
	}
	query.WriteString(" FORCE INDEX (" + schema.QuoteIdentifier(l.Key.Name) + ")")
	if condition != "" {
		query.WriteString(" WHERE " + condition)
	}
	query.WriteString(" ORDER BY " + l.Key.OrderList())
	return query.String()
}

// list is what a SELECT of the layout's columns reads.
func (l *Layout) list() string {
	names := make([]string, len(l.Columns))
	for i, column := range l.Columns {
		names[i] = column.Expression()
	}
	return strings.Join(names, ", ")
}

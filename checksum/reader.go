package checksum

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"trueup/chunker"
	"trueup/schema"
	"trueup/server"
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

// expression is the SQL that reads the column.
func (c Column) expression() string {
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
		return a.Name == b.Name && a.Kind == b.Kind && a.expression() == b.expression()
	})
}

// selectWhere is the statement that reads the layout's rows under a condition, in key order.
func (l *Layout) selectWhere(condition string) string {
	names := make([]string, len(l.Columns))
	for i, column := range l.Columns {
		names[i] = column.expression()
	}
	var query strings.Builder
	fmt.Fprintf(&query, "SELECT %s FROM %s", strings.Join(names, ", "), schema.QuoteTable(l.Database, l.Table))
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

// Reader reads the chunks of one table on one server, in the snapshot its session holds. It is for one goroutine.
type Reader struct {
	layout      *Layout
	session     *server.Session
	ranges      [(chunker.HasLower | chunker.HasUpper) + 1]*server.Statement
	point       *server.Statement // by key
	pointByText *server.Statement // by key, for days that the calendar does not have
	hasher      chunkHasher
	buffer      []byte
	slowLookups int  // in the chunk that is being compared
	costKnown   bool // FirstCost was asked
	// Of a table that is scanned:
	multiset  *multiset // what the last Digest saw
	keyBuffer []byte
}

// NewReader makes a reader on a session that holds a snapshot.
func NewReader(layout *Layout, session *server.Session) *Reader {
	return &Reader{layout: layout, session: session}
}

// Layout is what the reader reads.
func (r *Reader) Layout() *Layout { return r.layout }

// Session is the session the reader reads on.
func (r *Reader) Session() *server.Session { return r.session }

// Digest reads a chunk's rows and returns their digest. Errors are those of the server.
func (r *Reader) Digest(ctx context.Context, chunk chunker.Chunk) (Digest, error) {
	if r.layout.Scan {
		return r.scan(ctx)
	}
	r.hasher.reset()
	err := r.Rows(ctx, chunk, func(values []server.Field) error {
		r.hasher.rows++
		return r.digestRow(&r.hasher, values)
	})
	return r.hasher.digest(), err
}

// digestRow gives a row's canonical encoding to the digest.
func (r *Reader) digestRow(to digester, values []server.Field) (err error) {
	if r.buffer, err = digestRow(to, r.buffer, r.layout.kinds, values); err != nil {
		return r.explain(err)
	}
	return nil
}

func (r *Reader) explain(err error) error {
	return fmt.Errorf("%s: %s.%s: %w", r.session.Server().Address(), r.layout.Database, r.layout.Table, err)
}

// Rows calls onRow with each row of the chunk in key order; the values are valid only until it returns.
func (r *Reader) Rows(ctx context.Context, chunk chunker.Chunk, onRow func([]server.Field) error) error {
	shape := chunk.Shape()
	if r.ranges[shape] == nil {
		statement, err := r.session.Prepare(ctx, r.layout.selectWhere(r.layout.Key.Condition(shape)))
		if err != nil {
			return err
		}
		r.ranges[shape] = statement
	}
	return r.withoutMetadataLock(ctx, func() error {
		return r.ranges[shape].StreamFields(ctx, chunk.Arguments(), onRow)
	})
}

// withoutMetadataLock reads inside a savepoint and rolls back to it: that gives the table's metadata lock back,
// which the transaction would otherwise hold to its end, with every ALTER waiting behind it and every reader
// behind that. On MariaDB it works only while the session does not log to its binary log.
func (r *Reader) withoutMetadataLock(ctx context.Context, read func() error) error {
	if err := r.session.Exec(ctx, "SAVEPOINT trueup_chunk"); err != nil {
		return err
	}
	readErr := read()
	if readErr != nil && (ctx.Err() != nil || server.IsConnectionLost(readErr)) {
		return readErr // the connection is gone, and its locks with it
	}
	// A read that failed (1412: the table was altered) has the lock all the same.
	err := r.session.Exec(ctx, "ROLLBACK TO SAVEPOINT trueup_chunk")
	if readErr != nil {
		return readErr
	}
	return err
}

// rowByKey reads the row whose key the server takes for equal to the given one; nil when there is none. The
// returned encoding is that of the row's key columns. It runs inside withoutMetadataLock.
func (r *Reader) rowByKey(ctx context.Context, key []driver.Value) ([]byte, error) {
	point := &r.point
	noDay := r.layout.Key.HasNoDay(key)
	if noDay {
		point = &r.pointByText
	}
	if *point == nil {
		statement, err := r.session.Prepare(ctx, r.layout.selectWhere(r.layout.Key.Equals(noDay)))
		if err != nil {
			return nil, err
		}
		*point = statement
	}
	var found []byte
	err := (*point).StreamFields(ctx, r.layout.Key.EqualsArguments(key), func(values []server.Field) error {
		encoded, err := r.encodeKey(nil, values)
		found = encoded
		return err
	})
	return found, err
}

// encodeKey appends the canonical encoding of a row's key columns.
func (r *Reader) encodeKey(dst []byte, values []server.Field) ([]byte, error) {
	parts := len(r.layout.Key.Columns)
	return AppendRow(dst, r.layout.kinds[:parts], values[:parts])
}

// Close frees the reader's statements; its session stays.
func (r *Reader) Close() {
	for _, statement := range append(r.ranges[:], r.point, r.pointByText) {
		if statement != nil {
			_ = statement.Close()
		}
	}
}

package schema

import "trueup/server"

// TableKind tells what stands behind a name in information_schema.TABLES.
type TableKind uint8

// The kinds of table.
const (
	BaseTable TableKind = iota
	SystemVersioned
	View
	Sequence
)

// Table is one table's definition as one server reports it.
type Table struct {
	Database, Name string
	Flavor         server.Flavor // of the server that has it
	Kind           TableKind
	Engine         string
	Collation      string // the table's default collation
	RowsEstimate   int64  // the server's estimate, for progress only
	BytesEstimate  int64  // data length, for progress only
	Partitioned    bool
	PartitionExpr  string   // methods and expressions, without the single partitions: "RANGE (year(`d`))"
	Columns        []Column // in ordinal order
	Keys           []Key    // PRIMARY first, then by name
	// LoadError is what the server said when it could not open the table, or why its definition is not whole;
	// empty for a sound table. What else is known of such a table must not be trusted.
	LoadError string
}

// Kind is the class of a column's values: what the binary protocol sends and how it is encoded.
type Kind uint8

// The kinds of column values.
const (
	KindUnknown   Kind = iota
	KindInteger        // TINYINT … BIGINT, signed or not
	KindYear           // YEAR
	KindDecimal        // DECIMAL
	KindFloat          // FLOAT
	KindDouble         // DOUBLE
	KindBit            // BIT(n)
	KindText           // CHAR, VARCHAR, TEXT and their sizes
	KindBinary         // BINARY, VARBINARY, BLOB and their sizes
	KindEnum           // ENUM
	KindSet            // SET
	KindDate           // DATE
	KindTime           // TIME
	KindDateTime       // DATETIME
	KindTimestamp      // TIMESTAMP
	KindJSON           // MySQL JSON (MariaDB's JSON is KindText)
	KindGeometry       // every spatial type
	KindUUID           // MariaDB UUID
	KindInet           // MariaDB INET4, INET6
	KindVector         // VECTOR
	KindJSONValue      // JSON that is compared by value, since it is text on one of the sides
)

// Column is one column's definition.
type Column struct {
	Name             string
	Position         int // 1-based
	Kind             Kind
	DataType         string // information_schema DATA_TYPE, lower case
	ColumnType       string // information_schema COLUMN_TYPE, as the server prints it
	Unsigned         bool
	Nullable         bool
	Charset          string // empty for columns without one
	Collation        string
	CharLength       int64   // CHARACTER_MAXIMUM_LENGTH
	Precision, Scale int     // NUMERIC_PRECISION, NUMERIC_SCALE
	FractionalDigits int     // DATETIME_PRECISION
	Default          *string // the literal without quotes, or the expression; nil: NULL or none
	DefaultIsExpr    bool    // Default is an expression such as uuid() or current_timestamp(2)
	Extra            string  // information_schema EXTRA as the server prints it
	Generated        bool
	GenerationExpr   string
	Invisible        bool
}

// ReadsAlike tells whether two values of an ENUM or SET read alike: where it declares the empty text as a member, which reads
// like number 0 (an ENUM's error value, a SET of nothing), or one member twice (which servers allow without strict mode).
func (c Column) ReadsAlike() bool {
	if c.Kind != KindEnum && c.Kind != KindSet {
		return false
	}
	seen := map[string]bool{"''": true}
	for rest := c.ColumnType; ; {
		_, member, after := cutQuoted(rest)
		if member == "" {
			return false
		}
		if seen[member] {
			return true
		}
		seen[member] = true
		rest = after
	}
}

// Key is one index.
type Key struct {
	Name    string
	Primary bool
	Unique  bool
	Type    string // BTREE, HASH, SPATIAL, FULLTEXT, upper case
	Hidden  bool   // MySQL invisible, MariaDB ignored: FORCE INDEX may refuse it
	Columns []KeyColumn
}

// KeyColumn is one part of a Key.
type KeyColumn struct {
	Name       string
	Prefix     int // indexed characters or bytes; 0: the whole value
	Descending bool
	Expression string // MySQL functional key part; Name is empty then
}

// Difference is one thing in which two definitions of a table differ.
type Difference struct {
	Database, Table string
	Object          string // "table", "column k", "key uq_k"
	What            string // "missing", "extra", "type", "collation", "nullable", …
	SourceValue     string
	ReplicaValue    string
}

package binlog

import (
	"encoding/binary"
	"errors"
	"math/bits"

	"github.com/go-mysql-org/go-mysql/mysql"
	library "github.com/go-mysql-org/go-mysql/replication"
)

// The types of columns, as the log numbers them, that the library has no name for: MariaDB's compressed ones.
const (
	typeBlobCompressed    = 140
	typeVarcharCompressed = 141
)

var (
	errCutShort   = errors.New("it is cut short")
	errBadDetails = errors.New("the details of a column's type make no sense")
)

// tableOf reads a Table_map event. The library reads the optional part, but takes the lengths of types that it does
// not know for none, so the rest is read here.
func tableOf(event *library.TableMapEvent, body []byte) (*Table, error) {
	r := reader{rest: body}
	r.take(6 + 2) // the table's number, flags
	database := r.take(int(r.number(1)))
	r.take(1)
	name := r.take(int(r.number(1)))
	r.take(1)
	types := r.take(r.packed())
	meta := reader{rest: r.take(r.packed())}
	nullable := r.take((len(types) + 7) / 8)
	if r.failed {
		return nil, errCutShort
	}
	table := &Table{Database: string(database), Name: string(name), Columns: make([]Column, len(types))}
	unsigned, names := event.UnsignedMap(), event.ColumnNameString()
	for i := range table.Columns {
		c := &table.Columns[i]
		c.Type, c.Meta = realType(types[i], meta.number(metaSize(types[i])))
		c.Nullable = isSet(nullable, i)
		c.Unsigned, c.SignKnown = unsigned[i], len(event.SignednessBitmap) > 0 && event.IsNumericColumn(i)
		if i < len(names) {
			c.Name = names[i]
		}
	}
	if meta.failed {
		return nil, errCutShort
	}
	return table, nil
}

// metaSize is how many bytes a Table_map event has of a type's details.
func metaSize(kind byte) int {
	switch kind {
	case mysql.MYSQL_TYPE_STRING, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_VARCHAR, typeVarcharCompressed,
		mysql.MYSQL_TYPE_NEWDECIMAL, mysql.MYSQL_TYPE_BIT:
		return 2
	case mysql.MYSQL_TYPE_BLOB, typeBlobCompressed, mysql.MYSQL_TYPE_GEOMETRY, mysql.MYSQL_TYPE_JSON, mysql.MYSQL_TYPE_VECTOR,
		mysql.MYSQL_TYPE_FLOAT, mysql.MYSQL_TYPE_DOUBLE, mysql.MYSQL_TYPE_TIME2, mysql.MYSQL_TYPE_DATETIME2, mysql.MYSQL_TYPE_TIMESTAMP2:
		return 1
	}
	return 0
}

// realType tells ENUM and SET from CHAR, which share a number. The two high bits of a CHAR's length are kept, inverted, among
// the bits of the type: MySQL's Field_string::do_save_field_metadata.
func realType(kind byte, details uint64) (byte, uint16) {
	if kind != mysql.MYSQL_TYPE_STRING {
		return kind, uint16(details)
	}
	real, length := byte(details), uint16(details>>8)
	if real == 0 { // of a server older than 5.0.3
		return kind, length
	}
	if real&0x30 != 0x30 {
		length |= uint16(real&0x30^0x30) << 4
		real |= 0x30
	}
	return real, length
}

// image is one row as it was before or after a change.
type image struct {
	table   *Table
	columns []byte // bitmap of those that it has
	partial bool   // JSON documents may be there in part only
}

// read takes an image apart and returns what is behind it. Without keep it only finds the end.
func (m image) read(data []byte, keep bool) (fields []Field, rest []byte, err error) {
	r := reader{rest: data}
	var partial []byte
	if m.partial && r.packed()&int(library.EnumBinlogRowValueOptionsPartialJsonUpdates) != 0 {
		partial = r.take((m.table.count(mysql.MYSQL_TYPE_JSON) + 7) / 8)
	}
	nulls := r.take((onesIn(m.columns, len(m.table.Columns)) + 7) / 8)
	if r.failed {
		return nil, nil, errCutShort
	}
	if keep {
		fields = make([]Field, len(m.table.Columns))
	}
	seen, documents := 0, 0
	for i, column := range m.table.Columns {
		inPart := false
		if column.Type == mysql.MYSQL_TYPE_JSON {
			inPart = partial != nil && isSet(partial, documents)
			documents++
		}
		if !isSet(m.columns, i) {
			continue
		}
		null := isSet(nulls, seen)
		seen++
		if null {
			if keep {
				fields[i] = Field{Present: true, column: column}
			}
			continue
		}
		size, err := sizeOf(column, r.rest)
		if err != nil {
			return nil, nil, err
		}
		raw := r.take(size)
		switch {
		case r.failed:
			return nil, nil, errCutShort
		case keep && inPart:
			fields[i] = Field{Partial: true, column: column, raw: raw}
		case keep:
			if fields[i], err = newField(column, raw); err != nil {
				return nil, nil, err
			}
		}
	}
	return fields, r.rest, nil
}

// complete puts the documents into the image after a change of which the log says that nothing in them has changed.
func complete(before, after []Field) {
	for i, field := range after {
		if field.Partial && len(field.raw) == int(field.column.Meta) && before[i].Present {
			after[i] = before[i]
		}
	}
}

func (t *Table) count(kind byte) (n int) {
	for _, column := range t.Columns {
		if column.Type == kind {
			n++
		}
	}
	return n
}

func isSet(bitmap []byte, i int) bool { return bitmap[i/8]>>(i%8)&1 == 1 }

// onesIn counts the bits that are set among the first n.
func onesIn(bitmap []byte, n int) (ones int) {
	for i, b := range bitmap {
		if left := n - i*8; left < 8 {
			b &= 1<<max(left, 0) - 1
		}
		ones += bits.OnesCount8(b)
	}
	return ones
}

// sizeOf is how many bytes the column's value at the beginning of data takes.
func sizeOf(column Column, data []byte) (int, error) {
	prefix := func(bytes int) (int, error) {
		if len(data) < bytes {
			return 0, errCutShort
		}
		return bytes + int(littleEndian(data[:bytes])), nil
	}
	switch column.Type {
	case mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_STRING, typeVarcharCompressed:
		if column.Meta > 255 {
			return prefix(2)
		}
		return prefix(1)
	case mysql.MYSQL_TYPE_BLOB, typeBlobCompressed, mysql.MYSQL_TYPE_GEOMETRY, mysql.MYSQL_TYPE_JSON, mysql.MYSQL_TYPE_VECTOR:
		if column.Meta < 1 || column.Meta > 4 {
			return 0, errBadDetails
		}
		return prefix(int(column.Meta))
	case mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET:
		return bounded(int(column.Meta&0xff), 1, longestNumber)
	case mysql.MYSQL_TYPE_BIT:
		return bounded((int(column.Meta>>8)*8+int(column.Meta&0xff)+7)/8, 1, longestNumber)
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		precision, scale := precisionOf(column)
		if !isDecimal(precision, scale) {
			return 0, errBadDetails
		}
		return decimalSize(precision, scale), nil
	case mysql.MYSQL_TYPE_TIME2, mysql.MYSQL_TYPE_DATETIME2, mysql.MYSQL_TYPE_TIMESTAMP2:
		size := fixedSizes[column.Type]
		return bounded(size+int(column.Meta+1)/2, size, size+3)
	}
	size, known := fixedSizes[column.Type]
	if !known {
		return 0, &unknownTypeError{column.Type}
	}
	return size, nil
}

const longestNumber = 8 // bytes

func bounded(size, least, most int) (int, error) {
	if size < least || size > most {
		return 0, errBadDetails
	}
	return size, nil
}

var fixedSizes = map[byte]int{
	mysql.MYSQL_TYPE_TINY: 1, mysql.MYSQL_TYPE_SHORT: 2, mysql.MYSQL_TYPE_INT24: 3, mysql.MYSQL_TYPE_LONG: 4, mysql.MYSQL_TYPE_LONGLONG: 8,
	mysql.MYSQL_TYPE_FLOAT: 4, mysql.MYSQL_TYPE_DOUBLE: 8, mysql.MYSQL_TYPE_YEAR: 1, mysql.MYSQL_TYPE_NULL: 0,
	mysql.MYSQL_TYPE_DATE: 3, mysql.MYSQL_TYPE_NEWDATE: 3, mysql.MYSQL_TYPE_TIME: 3, mysql.MYSQL_TYPE_DATETIME: 8, mysql.MYSQL_TYPE_TIMESTAMP: 4,
	mysql.MYSQL_TYPE_TIME2: 3, mysql.MYSQL_TYPE_DATETIME2: 5, mysql.MYSQL_TYPE_TIMESTAMP2: 4,
}

// reader takes bytes off the front of an event. Once it has failed it returns nothing more.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.failed, r.rest = true, nil
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

// number takes a number of up to eight bytes, the lowest first.
func (r *reader) number(bytes int) uint64 { return littleEndian(r.take(bytes)) }

// packed takes a length-encoded number.
func (r *reader) packed() int {
	first := r.number(1)
	switch first {
	case 0xfc:
		first = r.number(2)
	case 0xfd:
		first = r.number(3)
	case 0xfe:
		first = r.number(8)
	}
	if first > uint64(len(r.rest)) && first > 1<<31 {
		r.failed = true
		return 0
	}
	return int(first)
}

func littleEndian(bytes []byte) (n uint64) {
	for i := len(bytes) - 1; i >= 0; i-- {
		n = n<<8 | uint64(bytes[i])
	}
	return n
}

func bigEndian(bytes []byte) uint64 {
	var whole [8]byte
	copy(whole[8-len(bytes):], bytes)
	return binary.BigEndian.Uint64(whole[:])
}

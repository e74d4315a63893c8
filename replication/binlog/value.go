package binlog

import (
	"fmt"
	"math"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// unknownTypeError is a type that this version does not know, so that nothing behind it in the row can be found either.
type unknownTypeError struct{ number byte }

func (e *unknownTypeError) Error() string {
	return fmt.Sprintf("a column is of a type that this version does not know (number %d)", e.number)
}

// newField decodes a value that is not NULL. It shares raw's memory.
func newField(column Column, raw []byte) (Field, error) {
	field := Field{Present: true, column: column, raw: raw}
	var err error
	field.Value, err = shown(column, raw)
	return field, err
}

// shown is a value as it is shown where nothing but the log is known of its column.
func shown(column Column, raw []byte) (any, error) {
	switch column.Type {
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONGLONG:
		return integer(raw, column.Unsigned), nil
	case mysql.MYSQL_TYPE_YEAR:
		return year(raw), nil
	case mysql.MYSQL_TYPE_FLOAT:
		return math.Float32frombits(uint32(littleEndian(raw))), nil
	case mysql.MYSQL_TYPE_DOUBLE:
		return math.Float64frombits(littleEndian(raw)), nil
	case mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET:
		return littleEndian(raw), nil
	case mysql.MYSQL_TYPE_JSON:
		text, err := jsonText(raw[column.Meta:])
		return string(text), err
	case mysql.MYSQL_TYPE_NEWDECIMAL:
		return string(decimalText(column, raw)), nil
	case mysql.MYSQL_TYPE_NULL:
		return nil, nil
	}
	if isTemporal(column.Type) {
		return string(temporalText(column, raw, digitsOf(column))), nil
	}
	return bytesOf(column, raw)
}

// bytesOf takes the length off a value of a type that has one, and undoes MariaDB's compression.
func bytesOf(column Column, raw []byte) ([]byte, error) {
	switch column.Type {
	case mysql.MYSQL_TYPE_VARCHAR, mysql.MYSQL_TYPE_VAR_STRING, mysql.MYSQL_TYPE_STRING:
		return raw[lengthSize(column):], nil
	case typeVarcharCompressed:
		return decompressColumn(raw[lengthSize(column):])
	case mysql.MYSQL_TYPE_BLOB, mysql.MYSQL_TYPE_GEOMETRY, mysql.MYSQL_TYPE_VECTOR:
		return raw[column.Meta:], nil
	case typeBlobCompressed:
		return decompressColumn(raw[column.Meta:])
	default:
		return raw, nil
	}
}

func lengthSize(column Column) int {
	if column.Meta > 255 {
		return 2
	}
	return 1
}

// integer is an int64 where the value fits, else a uint64.
func integer(raw []byte, unsigned bool) any {
	n := littleEndian(raw)
	switch {
	case !unsigned:
		unused := 64 - 8*len(raw)
		return int64(n<<unused) >> unused
	case n > math.MaxInt64:
		return n
	default:
		return int64(n)
	}
}

func year(raw []byte) int64 {
	const base = 1900
	if raw[0] == 0 {
		return 0
	}
	return base + int64(raw[0])
}

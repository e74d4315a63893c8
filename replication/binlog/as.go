package binlog

import (
	"bytes"
	"database/sql/driver"
	"strings"

	"github.com/go-mysql-org/go-mysql/mysql"

	"trueup/schema"
)

// As is the value as a prepared statement on the server reads it from the column: what a checksum.Row has for it (nil, int64,
// uint64, float32, float64 or []byte, which may share the event's memory), text as its stored bytes, TIMESTAMP in UTC. The column is the server's definition
// at the time of the event; with Kind KindInteger, an ENUM, SET or BIT is read as its number. The error is an *UnreadableError: the
// image does not have the value, or the definition is not that of the event.
func (f Field) As(column schema.Column) (driver.Value, error) {
	switch {
	case f.Partial:
		return nil, &UnreadableError{column.Name, "the log only has what changed in the JSON document (binlog_row_value_options=PARTIAL_JSON)"}
	case !f.Present:
		return nil, &UnreadableError{column.Name, "the row's image in the log does not have it (binlog_row_image)"}
	case f.raw == nil:
		return nil, nil
	}
	value, ok, err := f.as(column)
	if err == nil && !ok {
		err = &UnreadableError{column.Name, "the log has it in another type than " + column.ColumnType}
	}
	return value, err
}

// as returns false where the column's kind and the type in the log do not belong together.
func (f Field) as(column schema.Column) (value driver.Value, ok bool, err error) {
	kind := f.column.Type
	switch column.Kind {
	case schema.KindInteger:
		return f.number(column)
	case schema.KindYear:
		return f.Value, kind == mysql.MYSQL_TYPE_YEAR, nil
	case schema.KindFloat:
		return f.Value, kind == mysql.MYSQL_TYPE_FLOAT, nil
	case schema.KindDouble:
		return f.Value, kind == mysql.MYSQL_TYPE_DOUBLE, nil
	case schema.KindDecimal:
		if kind != mysql.MYSQL_TYPE_NEWDECIMAL {
			return nil, false, nil
		}
		return zeroFilled(decimalText(f.column, f.raw), column), true, nil
	case schema.KindBit:
		return f.raw, kind == mysql.MYSQL_TYPE_BIT, nil
	case schema.KindDate, schema.KindTime, schema.KindDateTime, schema.KindTimestamp:
		if !isTemporal(kind) {
			return nil, false, nil
		}
		return temporalText(f.column, f.raw, column.FractionalDigits), true, nil
	case schema.KindEnum, schema.KindSet:
		text, err := f.members(column)
		return text, isMembers(kind), err
	case schema.KindJSON:
		text, isText := f.Value.(string)
		return []byte(text), isText && kind == mysql.MYSQL_TYPE_JSON, nil
	}
	return f.bytes(column)
}

// number reads integers, and the number behind ENUM, SET and BIT.
func (f Field) number(column schema.Column) (value driver.Value, ok bool, err error) {
	switch f.column.Type {
	case mysql.MYSQL_TYPE_TINY, mysql.MYSQL_TYPE_SHORT, mysql.MYSQL_TYPE_INT24, mysql.MYSQL_TYPE_LONG, mysql.MYSQL_TYPE_LONGLONG:
		return integer(f.raw, column.Unsigned), true, nil
	case mysql.MYSQL_TYPE_ENUM, mysql.MYSQL_TYPE_SET:
		return integer(f.raw, true), true, nil
	case mysql.MYSQL_TYPE_BIT:
		highestLast := bytes.Clone(f.raw)
		for i, j := 0, len(highestLast)-1; i < j; i, j = i+1, j-1 {
			highestLast[i], highestLast[j] = highestLast[j], highestLast[i]
		}
		return integer(highestLast, true), true, nil
	}
	return nil, false, nil
}

// bytes reads what is stored as bytes.
func (f Field) bytes(column schema.Column) (value driver.Value, ok bool, err error) {
	stored, isBytes := f.Value.([]byte)
	if text, isText := f.Value.(string); isText && f.column.Type == mysql.MYSQL_TYPE_JSON { // KindJSONValue
		stored, isBytes = []byte(text), true
	}
	if !isBytes {
		return nil, false, nil
	}
	switch column.Kind {
	case schema.KindText, schema.KindJSONValue:
		if column.DataType == "char" {
			stored = unpadded(stored, column.Charset)
		}
		return stored, true, nil
	case schema.KindBinary:
		if column.DataType == "binary" { // the log leaves zero bytes at the end out
			stored = padded(stored, int(column.CharLength))
		}
		return stored, true, nil
	case schema.KindGeometry, schema.KindVector:
		return stored, true, nil
	case schema.KindUUID:
		return uuidText(padded(stored, uuidBytes)), true, nil
	case schema.KindInet:
		return inetText(column.DataType, stored), true, nil
	}
	return nil, false, nil
}

func padded(stored []byte, length int) []byte {
	if len(stored) >= length {
		return stored
	}
	return append(bytes.Clone(stored), make([]byte, length-len(stored))...)
}

// unpadded takes the spaces off a CHAR that the server does not show. The log leaves bytes of a space's value out at the end, whatever the size of a
// character: in UCS-2, where a space is 00 20, that cuts the last one in half.
func unpadded(stored []byte, charset string) []byte {
	space := []byte{' '}
	switch charset {
	case "ucs2", "utf16":
		space = []byte{0, ' '}
	case "utf16le":
		space = []byte{' ', 0}
	case "utf32":
		space = []byte{0, 0, 0, ' '}
	}
	if cut := len(stored) % len(space); cut != 0 {
		stored = append(bytes.Clone(stored), bytes.Repeat([]byte{' '}, len(space)-cut)...)
	}
	for bytes.HasSuffix(stored, space) {
		stored = stored[:len(stored)-len(space)]
	}
	return stored
}

// zeroFilled puts the zeros before a DECIMAL that its ZEROFILL shows.
func zeroFilled(text []byte, column schema.Column) []byte {
	if !strings.Contains(strings.ToLower(column.ColumnType), "zerofill") {
		return text
	}
	width := column.Precision
	if column.Scale > 0 {
		width++
	}
	if width == column.Scale+1 { // the zero before the point
		width++
	}
	return append(bytes.Repeat([]byte{'0'}, max(0, width-len(text))), text...)
}

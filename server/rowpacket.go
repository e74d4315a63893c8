package server

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// columnFormat is how a column's values lie in a row of the binary protocol (MySQL client/server protocol, "Binary
// Protocol Resultset Row").
type columnFormat struct {
	layout   columnLayout
	unsigned bool
	decimals int // fractional digits of times
}

type columnLayout uint8

const (
	layoutBytes columnLayout = iota // length-encoded
	layoutInt8
	layoutInt16
	layoutInt32
	layoutInt64
	layoutFloat
	layoutDouble
	layoutDate
	layoutDateTime
	layoutTime
)

var layoutOfType = map[string]columnLayout{
	"TINYINT": layoutInt8, "SMALLINT": layoutInt16, "YEAR": layoutInt16, "MEDIUMINT": layoutInt32, "INT": layoutInt32, "BIGINT": layoutInt64,
	"FLOAT": layoutFloat, "DOUBLE": layoutDouble, "DATE": layoutDate, "DATETIME": layoutDateTime, "TIMESTAMP": layoutDateTime, "TIME": layoutTime,
	"DECIMAL": layoutBytes, "BIT": layoutBytes, "CHAR": layoutBytes, "VARCHAR": layoutBytes, "BINARY": layoutBytes, "VARBINARY": layoutBytes,
	"TEXT": layoutBytes, "TINYTEXT": layoutBytes, "MEDIUMTEXT": layoutBytes, "LONGTEXT": layoutBytes,
	"BLOB": layoutBytes, "TINYBLOB": layoutBytes, "MEDIUMBLOB": layoutBytes, "LONGBLOB": layoutBytes,
	"ENUM": layoutBytes, "SET": layoutBytes, "JSON": layoutBytes, "GEOMETRY": layoutBytes, "VECTOR": layoutBytes,
}

// formatsOf learns the columns' formats from the driver; false when it names a type that is not known here.
func formatsOf(rows driver.Rows) ([]columnFormat, bool) {
	typed, tells := rows.(interface {
		driver.RowsColumnTypeDatabaseTypeName
		driver.RowsColumnTypePrecisionScale
	})
	if !tells {
		return nil, false
	}
	formats := make([]columnFormat, len(rows.Columns()))
	for i := range formats {
		name, unsigned := strings.CutPrefix(typed.ColumnTypeDatabaseTypeName(i), "UNSIGNED ")
		layout, known := layoutOfType[name]
		if !known {
			return nil, false
		}
		formats[i] = columnFormat{layout: layout, unsigned: unsigned}
		if layout == layoutDateTime || layout == layoutTime {
			if _, scale, ok := typed.ColumnTypePrecisionScale(i); ok && scale <= 6 {
				formats[i].decimals = int(scale)
			}
		}
	}
	return formats, true
}

var errRowCutShort = errors.New("protocol error: a row is cut short")

// rowDecoder takes rows of one result apart. It reuses its memory: what decode returns is valid until its next call.
type rowDecoder struct {
	formats []columnFormat
	fields  []Field
	text    []byte // dates and times of the row
}

func newRowDecoder(formats []columnFormat) *rowDecoder {
	return &rowDecoder{formats: formats, fields: make([]Field, len(formats)), text: make([]byte, 0, len(formats)*mostTimeText)}
}

// decode takes the payload of a row packet apart. Bytes fields share its memory.
func (d *rowDecoder) decode(payload []byte) ([]Field, error) {
	const offset = 2 // the NULL bitmap's first two bits are unused in results
	bitmap := (len(d.formats) + 7 + offset) / 8
	if len(payload) < 1+bitmap {
		return nil, errRowCutShort
	}
	nulls, rest := payload[1:1+bitmap], payload[1+bitmap:]
	d.text = d.text[:0]
	for i, format := range d.formats {
		if bit := i + offset; nulls[bit/8]>>(bit%8)&1 == 1 {
			d.fields[i] = Field{}
			continue
		}
		var err error
		if d.fields[i], rest, err = d.value(format, rest); err != nil {
			return nil, fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return d.fields, nil
}

// sizeOf is the size of the layouts that have a fixed one.
var sizeOf = [...]int{layoutInt8: 1, layoutInt16: 2, layoutInt32: 4, layoutInt64: 8, layoutFloat: 4, layoutDouble: 8, layoutTime: 0}

func (d *rowDecoder) value(format columnFormat, data []byte) (Field, []byte, error) {
	size := sizeOf[format.layout]
	if size == 0 {
		return d.sized(format, data)
	}
	if len(data) < size {
		return Field{}, nil, errRowCutShort
	}
	return fixed(format, data), data[size:], nil
}

func fixed(format columnFormat, data []byte) Field {
	switch format.layout {
	case layoutInt8:
		if format.unsigned {
			return intField(int64(data[0]))
		}
		return intField(int64(int8(data[0])))
	case layoutInt16:
		n := binary.LittleEndian.Uint16(data)
		if format.unsigned {
			return intField(int64(n))
		}
		return intField(int64(int16(n)))
	case layoutInt32:
		n := binary.LittleEndian.Uint32(data)
		if format.unsigned {
			return intField(int64(n))
		}
		return intField(int64(int32(n)))
	case layoutFloat:
		return Field{Type: FieldFloat, bits: uint64(binary.LittleEndian.Uint32(data))}
	case layoutDouble:
		return Field{Type: FieldDouble, bits: binary.LittleEndian.Uint64(data)}
	default:
		n := binary.LittleEndian.Uint64(data)
		if format.unsigned {
			return uintField(n)
		}
		return intField(int64(n))
	}
}

// sized takes a value with a length before it.
func (d *rowDecoder) sized(format columnFormat, data []byte) (Field, []byte, error) {
	length, n := lengthEncoded(data)
	if n == 0 || length > uint64(len(data)-n) {
		return Field{}, nil, errRowCutShort
	}
	end := n + int(length)
	value, rest := data[n:end:end], data[end:]
	if format.layout == layoutBytes {
		return Field{Type: FieldBytes, bytes: value}, rest, nil
	}
	begin := len(d.text)
	var err error
	if format.layout == layoutTime {
		d.text, err = appendTime(d.text, value, format.decimals)
	} else {
		d.text, err = appendDateTime(d.text, value, format)
	}
	return Field{Type: FieldBytes, bytes: d.text[begin:len(d.text):len(d.text)]}, rest, err
}

// lengthEncoded reads a length-encoded integer and how many bytes it took; 0 bytes: cut short.
func lengthEncoded(data []byte) (value uint64, n int) {
	if len(data) == 0 {
		return 0, 0
	}
	switch data[0] {
	case 0xfc:
		n = 3
	case 0xfd:
		n = 4
	case 0xfe:
		n = 9
	default:
		return uint64(data[0]), 1
	}
	if len(data) < n {
		return 0, 0
	}
	for i := n - 1; i > 0; i-- {
		value = value<<8 | uint64(data[i])
	}
	return value, n
}

package checksum

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"trueup/schema"
	"trueup/server"
)

// The tags that begin each encoded value. They never change: digests in manifests depend on them.
const (
	tagNull     = 0x00
	tagUint     = 0x01 // 8 bytes, big endian: an integer ≥ 0
	tagNegative = 0x02 // 8 bytes, big endian: two's complement of an integer < 0
	tagFloat    = 0x03 // 4 bytes: IEEE 754 bits, big endian
	tagDouble   = 0x04 // 8 bytes: IEEE 754 bits, big endian
	tagDecimal  = 0x05 // length, digits as the server prints them
	tagTemporal = 0x06 // length, text as the driver prints the binary value
	tagBytes    = 0x07 // length, bytes
	tagText     = 0x08 // length, bytes in the stored character set
)

// ValueError is a value that is not of the type its column was declared with: the statement and the schema do
// not belong together. It is never retried.
type ValueError struct {
	Kind  schema.Kind
	Value driver.Value
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("a value of Go type %T cannot come from a column of kind %d", e.Value, e.Kind)
}

// AppendField appends the canonical encoding of one value of a column of that kind. It allocates only when dst has to
// grow. Two values encode alike exactly when they are equal byte for byte and of one family of types; the encoding of one
// value is never the beginning of another's.
func AppendField(dst []byte, kind schema.Kind, field server.Field) ([]byte, error) {
	integer := kind == schema.KindInteger || kind == schema.KindYear
	switch {
	case field.Type == server.FieldNull:
		return append(dst, tagNull), nil
	case field.Type == server.FieldInt && integer:
		return appendInteger(dst, field.Int()), nil
	case field.Type == server.FieldUint && integer:
		return appendUint(dst, field.Uint()), nil
	case field.Type == server.FieldFloat && kind == schema.KindFloat:
		return binary.BigEndian.AppendUint32(append(dst, tagFloat), math.Float32bits(field.Float())), nil
	case field.Type == server.FieldDouble && kind == schema.KindDouble:
		return binary.BigEndian.AppendUint64(append(dst, tagDouble), math.Float64bits(field.Double())), nil
	case field.Type == server.FieldBytes:
		return appendBytesOf(dst, kind, field.Bytes())
	}
	return dst, &ValueError{Kind: kind, Value: field.Value()}
}

// AppendValue is AppendField for a value as the driver delivers it.
func AppendValue(dst []byte, kind schema.Kind, value driver.Value) ([]byte, error) {
	field, err := server.FieldOf(value)
	if err != nil {
		return dst, &ValueError{Kind: kind, Value: value}
	}
	return AppendField(dst, kind, field)
}

func appendInteger(dst []byte, v int64) []byte {
	if v < 0 {
		return binary.BigEndian.AppendUint64(append(dst, tagNegative), uint64(v))
	}
	return appendUint(dst, uint64(v))
}

func appendUint(dst []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, tagUint), v)
}

func appendBytesOf(dst []byte, kind schema.Kind, v []byte) ([]byte, error) {
	switch kind {
	case schema.KindInteger:
		// BIGINT UNSIGNED above 2^63-1: the driver sends its digits.
		n, err := strconv.ParseUint(string(v), 10, 64)
		if err != nil {
			return dst, &ValueError{Kind: kind, Value: v}
		}
		return appendUint(dst, n), nil
	case schema.KindJSONValue:
		if canonical, ok := canonicalJSON(v); ok {
			return append(appendSize(dst, tagText, len(canonical)), canonical...), nil
		}
		return append(appendSize(dst, tagBytes, len(v)), v...), nil
	default:
		tag, known := sizedTag(kind)
		if !known {
			return dst, &ValueError{Kind: kind, Value: v}
		}
		return append(appendSize(dst, tag, len(v)), v...), nil
	}
}

// sizedTag is the tag of a kind whose values are encoded with their length.
func sizedTag(kind schema.Kind) (tag byte, known bool) {
	switch kind {
	case schema.KindDecimal:
		return tagDecimal, true
	case schema.KindDate, schema.KindTime, schema.KindDateTime, schema.KindTimestamp:
		return tagTemporal, true
	case schema.KindText, schema.KindEnum, schema.KindSet, schema.KindJSON, schema.KindUUID, schema.KindInet:
		return tagText, true
	case schema.KindBinary, schema.KindBit, schema.KindGeometry, schema.KindVector:
		return tagBytes, true
	default:
		return 0, false
	}
}

func appendSize(dst []byte, tag byte, size int) []byte {
	return binary.AppendUvarint(append(dst, tag), uint64(size))
}

// AppendRow appends the encodings of a row's values, one kind a value. Rows of the same kinds encode alike exactly
// when all their values do.
func AppendRow(dst []byte, kinds []schema.Kind, row []server.Field) ([]byte, error) {
	if len(row) != len(kinds) {
		return dst, fmt.Errorf("a row of %d values for %d columns", len(row), len(kinds))
	}
	var err error
	for i := range row {
		if dst, err = AppendField(dst, kinds[i], row[i]); err != nil {
			return dst, fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return dst, nil
}

// directBytes is from where on a value goes to the digest from where it was read, without a copy.
const directBytes = 64 << 10

// digestRow gives the encoding that AppendRow makes to the digest, in pieces; buffer is where small values are put together.
func digestRow(to digester, buffer []byte, kinds []schema.Kind, row []server.Field) ([]byte, error) {
	if len(row) != len(kinds) {
		return buffer, fmt.Errorf("a row of %d values for %d columns", len(row), len(kinds))
	}
	buffer = buffer[:0]
	var err error
	for i := range row {
		if len(row[i].Bytes()) >= directBytes {
			if tag, sized := sizedTag(kinds[i]); sized {
				to.add(appendSize(buffer, tag, len(row[i].Bytes())))
				to.add(row[i].Bytes())
				buffer = buffer[:0]
				continue
			}
		}
		if buffer, err = AppendField(buffer, kinds[i], row[i]); err != nil {
			return buffer, fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	to.add(buffer)
	return buffer, nil
}

// digester takes in an encoding piece by piece.
type digester interface{ add(piece []byte) }

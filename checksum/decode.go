package checksum

import (
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"math"
)

var errCutShort = errors.New("an encoded row is cut short")

// decodeValues takes a canonical encoding apart again into driver values; byte values share encoded's memory.
func decodeValues(encoded []byte) ([]driver.Value, error) {
	var values []driver.Value
	for len(encoded) > 0 {
		value, rest, err := decodeValue(encoded)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		encoded = rest
	}
	return values, nil
}

func decodeValue(encoded []byte) (value driver.Value, rest []byte, err error) {
	tag, rest := encoded[0], encoded[1:]
	switch tag {
	case tagNull:
		return nil, rest, nil
	case tagUint, tagNegative, tagDouble:
		if len(rest) < 8 {
			return nil, nil, errCutShort
		}
		return fixedValue(tag, binary.BigEndian.Uint64(rest)), rest[8:], nil
	case tagFloat:
		if len(rest) < 4 {
			return nil, nil, errCutShort
		}
		return math.Float32frombits(binary.BigEndian.Uint32(rest)), rest[4:], nil
	default:
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) {
			return nil, nil, errCutShort
		}
		end := n + int(length)
		return rest[n:end:end], rest[end:], nil
	}
}

// fixedValue is what an 8-byte value stands for: int64 where it fits, else uint64, or float64.
func fixedValue(tag byte, bits uint64) driver.Value {
	switch {
	case tag == tagDouble:
		return math.Float64frombits(bits)
	case tag == tagUint && bits > math.MaxInt64:
		return bits
	default:
		return int64(bits)
	}
}

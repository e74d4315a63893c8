package chunker

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"math"
	"strconv"

	"trueup/schema"
)

// Value is one value of a key column: int64, uint64, float64 or []byte, never nil, since key columns are NOT NULL. A BIT,
// ENUM or SET is the number that orders it.
// The bytes of a []byte are owned by the Value and must not be changed.
type Value struct{ raw driver.Value }

// NewValue copies a value as Statement.Stream delivers it. It fails for NULL and for types that no usable key has.
func NewValue(column schema.Column, raw driver.Value) (Value, error) {
	switch v := raw.(type) {
	case int64, uint64, float64:
		return Value{v}, nil
	case float32:
		return Value{float64(v)}, nil // exact
	case []byte:
		switch column.Kind {
		case schema.KindInteger, schema.KindBit, schema.KindSet:
			// The driver sends BIGINT UNSIGNED above 2^63-1 as digits.
			n, err := strconv.ParseUint(string(v), 10, 64)
			if err != nil {
				return Value{}, fmt.Errorf("column %s: %w", column.Name, err)
			}
			return Value{n}, nil
		}
		return Value{bytes.Clone(v)}, nil
	default:
		return Value{}, fmt.Errorf("column %s: a key value of type %T cannot be a bound", column.Name, raw)
	}
}

// BitNumber is the number that a BIT's bytes stand for: an int64, or a uint64 where it is above that.
func BitNumber(bits []byte) driver.Value {
	var number uint64
	for _, b := range bits {
		number = number<<8 | uint64(b)
	}
	if number > math.MaxInt64 {
		return number
	}
	return int64(number)
}

// NewValues copies the leading values of a row as the values of a key.
func (k Key) NewValues(row []driver.Value) ([]Value, error) {
	values := make([]Value, len(k.Columns))
	for i, column := range k.Columns {
		var err error
		if values[i], err = NewValue(column, row[i]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// Argument is the value as a statement argument.
func (v Value) Argument() driver.Value { return v.raw }

// Equal tells whether two values are the same, byte for byte.
func (v Value) Equal(other Value) bool {
	a, isBytes := v.raw.([]byte)
	b, otherIsBytes := other.raw.([]byte)
	if isBytes || otherIsBytes {
		return isBytes && otherIsBytes && bytes.Equal(a, b)
	}
	return v.raw == other.raw
}

func equalValues(a, b []Value) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

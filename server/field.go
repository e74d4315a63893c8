package server

import (
	"database/sql/driver"
	"fmt"
	"math"
)

// FieldType is what kind of value a Field holds.
type FieldType uint8

// The types of a Field.
const (
	FieldNull   FieldType = iota
	FieldInt              // Int
	FieldUint             // Uint: an integer above 2^63-1
	FieldFloat            // Float: single precision
	FieldDouble           // Double
	FieldBytes            // Bytes: everything else; dates and times as text
)

// Field is one value of a row, without the allocation that an interface value costs.
type Field struct {
	Type  FieldType
	bits  uint64
	bytes []byte
}

// Int is the value of a FieldInt.
func (f Field) Int() int64 { return int64(f.bits) }

// Uint is the value of a FieldUint.
func (f Field) Uint() uint64 { return f.bits }

// Float is the value of a FieldFloat, exact to the bit.
func (f Field) Float() float32 { return math.Float32frombits(uint32(f.bits)) }

// Double is the value of a FieldDouble, exact to the bit.
func (f Field) Double() float64 { return math.Float64frombits(f.bits) }

// Bytes are those of a FieldBytes. Inside a stream they are valid only until its callback returns.
func (f Field) Bytes() []byte { return f.bytes }

// Value is the field as the driver would deliver it, except that FieldUint is a uint64. It shares the field's bytes.
func (f Field) Value() driver.Value {
	switch f.Type {
	case FieldInt:
		return f.Int()
	case FieldUint:
		return f.Uint()
	case FieldFloat:
		return f.Float()
	case FieldDouble:
		return f.Double()
	case FieldBytes:
		return f.bytes
	default:
		return nil
	}
}

// FieldOf turns a value of the driver into a Field; it shares the value's bytes. It fails for types that the driver does
// not deliver from a prepared statement.
func FieldOf(value driver.Value) (Field, error) {
	switch v := value.(type) {
	case nil:
		return Field{}, nil
	case int64:
		return intField(v), nil
	case uint64:
		return uintField(v), nil
	case float32:
		return Field{Type: FieldFloat, bits: uint64(math.Float32bits(v))}, nil
	case float64:
		return Field{Type: FieldDouble, bits: math.Float64bits(v)}, nil
	case []byte:
		return Field{Type: FieldBytes, bytes: v}, nil
	default:
		return Field{}, fmt.Errorf("a value of Go type %T does not come from a prepared statement", value)
	}
}

func intField(v int64) Field { return Field{Type: FieldInt, bits: uint64(v)} }

// uintField is a FieldInt where the value fits, as the driver does it.
func uintField(v uint64) Field {
	if v <= math.MaxInt64 {
		return intField(int64(v))
	}
	return Field{Type: FieldUint, bits: v}
}

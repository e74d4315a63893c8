package chunker

import (
	"database/sql/driver"
	"strings"
	"time"

	"trueup/schema"
)

// Range is the keys above Lower up to and including Upper; nil is infinite.
type Range struct {
	Key          Key
	Lower, Upper []Value
}

// Joins tells whether the next range begins where this one ends.
func (r Range) Joins(next Range) bool {
	return r.Upper != nil && next.Lower != nil && equalValues(r.Upper, next.Lower)
}

// EndsWith tells whether both ranges end at the same place.
func (r Range) EndsWith(other Range) bool { return equalValues(r.Upper, other.Upper) }

// Is tells whether both ranges, of one key, are the same.
func (r Range) Is(other Range) bool {
	return r.Shape() == other.Shape() && equalValues(r.Lower, other.Lower) && equalValues(r.Upper, other.Upper)
}

// Chunk is one range of a table, numbered in key order from 0.
type Chunk struct {
	Range
	Index int
}

// Shape tells ranges apart by the statement they need: those of one shape differ only in arguments.
type Shape uint8

// The bits of a Shape.
const (
	HasLower Shape = 1 << iota
	HasUpper
)

// Shape is the range's shape.
func (r Range) Shape() Shape {
	var shape Shape
	if r.Lower != nil {
		shape |= HasLower
	}
	if r.Upper != nil {
		shape |= HasUpper
	}
	return shape
}

// Condition is the SQL condition of all ranges of that shape over the key; empty for the range without ends.
func (k Key) Condition(shape Shape) string {
	var parts []string
	if shape&HasLower != 0 {
		parts = append(parts, k.beyond(after, after, 0))
	}
	if shape&HasUpper != 0 {
		parts = append(parts, k.beyond(before, upTo, 0))
	}
	return strings.Join(parts, " AND ")
}

// side is a comparison in the key's order: its operator for ascending and for descending columns.
type side [2]string

var after, before, upTo = side{">", "<"}, side{"<", ">"}, side{"<=", ">="}

func (k Key) operator(s side, i int) string {
	if k.descends(i) {
		return s[1]
	}
	return s[0]
}

// beyond compares the key's columns from number i on with a bound, lexicographically: "strict" for all columns
// but the last, "last" for that one. Row constructors, (a,b) > (?,?), are not used: some servers plan them as a
// scan of the whole index. The expanded form gives the range optimizer every key part.
func (k Key) beyond(strict, last side, i int) string {
	name, value := schema.QuoteIdentifier(k.Columns[i].Name), bound(k.Columns[i])
	if i == len(k.Columns)-1 {
		return name + " " + k.operator(last, i) + " " + value
	}
	return "(" + name + " " + k.operator(strict, i) + " " + value + " OR (" + name + " = " + value + " AND " + k.beyond(strict, last, i+1) + "))"
}

// Arguments are the arguments of Condition(r.Shape()).
func (r Range) Arguments() []driver.Value {
	arguments := appendBeyond(nil, r.Lower)
	return appendBeyond(arguments, r.Upper)
}

// appendBeyond mirrors Key.beyond: every column but the last stands twice.
func appendBeyond(arguments []driver.Value, values []Value) []driver.Value {
	for i, value := range values {
		arguments = append(arguments, value.Argument())
		if i < len(values)-1 {
			arguments = append(arguments, value.Argument())
		}
	}
	return arguments
}

// Equals is the condition that the key is one that the server takes for equal to the values of EqualsArguments. No
// key equals one that is no text of its character set: the server would look for it with question marks instead. A day that
// the calendar does not have is found only by its text (daysAsText), and not by way of the index.
func (k Key) Equals(daysAsText bool) string {
	parts := make([]string, 0, len(k.Columns))
	for _, column := range k.Columns {
		name, value := schema.QuoteIdentifier(column.Name), bound(column)
		switch {
		case column.Kind == schema.KindText:
			parts = append(parts, name+" = "+value, "HEX("+value+") = HEX(?)")
		case column.Kind == schema.KindEnum, column.Kind == schema.KindSet, daysAsText && holdsDays(column.Kind): // the text that was read, not the number that bounds a range
			parts = append(parts, "CAST("+name+" AS BINARY) = CAST(? AS BINARY)")
		default:
			parts = append(parts, name+" = "+value)
		}
	}
	return strings.Join(parts, " AND ")
}

// HasNoDay tells whether one of the values, one a column, is a date that the calendar does not have, or zero.
func (k Key) HasNoDay(values []driver.Value) bool {
	for i, value := range values {
		if text, isBytes := value.([]byte); isBytes && holdsDays(k.Columns[i].Kind) && !isDay(text) {
			return true
		}
	}
	return false
}

func holdsDays(kind schema.Kind) bool {
	return kind == schema.KindDate || kind == schema.KindDateTime || kind == schema.KindTimestamp
}

// isDay tells whether a date, or a date and time, names a day of the calendar.
func isDay(text []byte) bool {
	_, err := time.Parse(time.DateOnly, string(text[:min(len(text), len(time.DateOnly))]))
	return err == nil
}

// EqualsArguments are the arguments of Equals, one value a column.
func (k Key) EqualsArguments(values []driver.Value) []driver.Value {
	arguments := make([]driver.Value, 0, len(values))
	for i, value := range values {
		if bits, isBytes := value.([]byte); isBytes && k.Columns[i].Kind == schema.KindBit {
			value = BitNumber(bits)
		}
		if single, isSingle := value.(float32); isSingle {
			value = float64(single)
		}
		arguments = append(arguments, value)
		if k.Columns[i].Kind == schema.KindText {
			arguments = append(arguments, value, value)
		}
	}
	return arguments
}

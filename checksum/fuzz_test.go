package checksum

import (
	"bytes"
	"database/sql/driver"
	"math"
	"slices"
	"strconv"
	"testing"

	"trueup/schema"
	"trueup/server"
)

// fuzzedKinds are the columns of fuzzed rows: neighbours of one tag, between which bytes could move unseen.
var fuzzedKinds = []schema.Kind{schema.KindText, schema.KindText, schema.KindInteger, schema.KindBinary, schema.KindDouble, schema.KindBinary}

// fuzzedRow is a row of fuzzedKinds; the bits of nulls say which values are NULL. Integers beyond 2^63-1 are digits, as the
// driver sends them.
func fuzzedRow(a, b, c []byte, number uint64, nulls byte) []driver.Value {
	var integer driver.Value = int64(number)
	if nulls&0x80 != 0 && number > math.MaxInt64 {
		integer = strconv.AppendUint(nil, number, 10)
	}
	row := []driver.Value{a, b, integer, c, math.Float64frombits(number), a}
	for i := range row {
		if nulls&(1<<i) != 0 {
			row[i] = nil
		}
	}
	return row
}

// asDecoded is the row with its integers as decodeValues gives them back.
func asDecoded(row []driver.Value) []driver.Value {
	decoded := slices.Clone(row)
	if digits, isBytes := row[2].([]byte); isBytes {
		decoded[2], _ = strconv.ParseUint(string(digits), 10, 64) // never fails: fuzzedRow wrote them
	}
	return decoded
}

// FuzzRowsEncodeInjectively: rows with NULLs, numbers and texts encode alike exactly when they are equal, and come back.
func FuzzRowsEncodeInjectively(f *testing.F) {
	long := bytes.Repeat([]byte{tagText}, 300)
	f.Add([]byte("x"), []byte(""), []byte(""), uint64(1), byte(0), []byte("x"), []byte(""), []byte(""), uint64(1), byte(0))
	f.Add([]byte{tagText}, []byte(""), []byte{}, uint64(0), byte(0), []byte(""), []byte{tagText}, []byte{}, uint64(0), byte(0x20))
	f.Add([]byte{tagText}, []byte(""), []byte{}, uint64(0), byte(0x20), []byte(""), []byte{tagText}, []byte{}, uint64(0), byte(0x20))
	f.Add([]byte(""), []byte(""), []byte(""), uint64(0), byte(0x01), []byte(""), []byte(""), []byte(""), uint64(0), byte(0x02))
	f.Add(long, []byte("y"), long, uint64(math.MaxUint64), byte(0x80), long[1:], []byte("xy"), long, uint64(math.MaxUint64), byte(0))
	f.Add([]byte("a"), []byte("b"), []byte("c"), uint64(1)<<63, byte(0x80), []byte("a"), []byte("b"), []byte("c"), uint64(1)<<63, byte(0x90))
	f.Fuzz(func(t *testing.T, a1, a2, a3 []byte, an uint64, aNulls byte, b1, b2, b3 []byte, bn uint64, bNulls byte) {
		a, b := fuzzedRow(a1, a2, a3, an, aNulls), fuzzedRow(b1, b2, b3, bn, bNulls)
		encodedA, encodedB := mustEncode(t, fuzzedKinds, a), mustEncode(t, fuzzedKinds, b)
		a, b = asDecoded(a), asDecoded(b)
		if alike := bytes.Equal(encodedA, encodedB); alike != sameValues(a, b) {
			t.Fatalf("%q and %q encode to %x and %x", a, b, encodedA, encodedB)
		}
		decoded, err := decodeValues(encodedA)
		if err != nil || !sameValues(a, decoded) {
			t.Fatalf("%q came back as %q, %v", a, decoded, err)
		}
		var digested pieces
		if _, err := digestRow(&digested, nil, fuzzedKinds, fieldsOf(fuzzedRow(a1, a2, a3, an, aNulls))); err != nil || !bytes.Equal(digested, encodedA) {
			t.Fatalf("%q: digested %x of %x, %v", a, []byte(digested), encodedA, err)
		}
	})
}

// fuzzedValue is the encoding of one value of any kind; none where the kind has no such value.
func fuzzedValue(kind byte, text []byte, number uint64) ([]byte, bool) {
	values := []typed{
		{schema.KindInteger, int64(number)}, {schema.KindInteger, strconv.AppendUint(nil, number, 10)}, {schema.KindYear, int64(number)},
		{schema.KindFloat, math.Float32frombits(uint32(number))}, {schema.KindDouble, math.Float64frombits(number)},
		{schema.KindText, text}, {schema.KindBinary, text}, {schema.KindDecimal, text}, {schema.KindDateTime, text}, {schema.KindText, nil},
	}
	value := values[int(kind)%len(values)]
	field, err := server.FieldOf(value.value)
	if err != nil {
		return nil, false
	}
	encoded, err := AppendField(nil, value.kind, field)
	return encoded, err == nil
}

// FuzzNoValueBeginsAnother: the encoding of one value is never the beginning of another's, whatever their types. So where one
// value ends does not depend on what follows.
func FuzzNoValueBeginsAnother(f *testing.F) {
	f.Add(byte(5), []byte("a"), uint64(0), byte(5), []byte("ab"), uint64(0))
	f.Add(byte(5), []byte(""), uint64(0), byte(9), []byte(""), uint64(0))
	f.Add(byte(6), bytes.Repeat([]byte("a"), 127), uint64(0), byte(6), bytes.Repeat([]byte("a"), 128), uint64(0))
	f.Add(byte(0), []byte(""), uint64(math.MaxUint64), byte(1), []byte(""), uint64(math.MaxUint64))
	f.Add(byte(3), []byte(""), uint64(0), byte(4), []byte(""), uint64(0))
	f.Fuzz(func(t *testing.T, aKind byte, aText []byte, aNumber uint64, bKind byte, bText []byte, bNumber uint64) {
		a, isA := fuzzedValue(aKind, aText, aNumber)
		b, isB := fuzzedValue(bKind, bText, bNumber)
		if !isA || !isB || bytes.Equal(a, b) {
			return
		}
		if bytes.HasPrefix(a, b) || bytes.HasPrefix(b, a) {
			t.Fatalf("%x begins %x, or the other way round", a, b)
		}
	})
}

package checksum

import (
	"bytes"
	"database/sql/driver"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"trueup/schema"
	"trueup/server"
)

// typed is a kind with a value as the driver sends values of that kind.
type typed struct {
	kind  schema.Kind
	value driver.Value
}

func drawTyped(t *rapid.T) typed {
	kind := rapid.SampledFrom([]schema.Kind{schema.KindInteger, schema.KindYear, schema.KindDecimal, schema.KindFloat, schema.KindDouble,
		schema.KindBit, schema.KindText, schema.KindBinary, schema.KindEnum, schema.KindDateTime, schema.KindJSON, schema.KindGeometry}).Draw(t, "kind")
	if rapid.IntRange(0, 9).Draw(t, "null") == 0 {
		return typed{kind, nil}
	}
	switch kind {
	case schema.KindInteger, schema.KindYear:
		return typed{kind, rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3)).Draw(t, "integer")}
	case schema.KindFloat:
		return typed{kind, math.Float32frombits(rapid.Uint32().Draw(t, "float"))}
	case schema.KindDouble:
		return typed{kind, math.Float64frombits(rapid.Uint64().Draw(t, "double"))}
	default:
		// Short values over few bytes, so that equal ones and prefixes of each other are drawn.
		return typed{kind, rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 2, 7, '#', 'x'}), 0, 4).Draw(t, "bytes")}
	}
}

func drawRow(t *rapid.T, name string) ([]schema.Kind, []driver.Value) {
	columns := rapid.SliceOfN(rapid.Custom(drawTyped), 1, 4).Draw(t, name)
	var kinds []schema.Kind
	var values []driver.Value
	for _, c := range columns {
		kinds = append(kinds, c.kind)
		values = append(values, c.value)
	}
	return kinds, values
}

// sameValues compares bit by bit: NaN equals itself, 0 does not equal -0.
func sameValues(a, b []driver.Value) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		switch v := a[i].(type) {
		case float32:
			w, ok := b[i].(float32)
			if !ok || math.Float32bits(v) != math.Float32bits(w) {
				return false
			}
		case float64:
			w, ok := b[i].(float64)
			if !ok || math.Float64bits(v) != math.Float64bits(w) {
				return false
			}
		case []byte:
			w, ok := b[i].([]byte)
			if !ok || !bytes.Equal(v, w) {
				return false
			}
		default:
			if a[i] != b[i] {
				return false
			}
		}
	}
	return true
}

func mustEncode(t interface{ Fatal(...any) }, kinds []schema.Kind, values []driver.Value) []byte {
	encoded, err := AppendRow(nil, kinds, fieldsOf(values))
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// fieldsOf panics on values that no driver delivers: the tests hold none.
func fieldsOf(values []driver.Value) []server.Field {
	fields := make([]server.Field, len(values))
	for i, value := range values {
		var err error
		if fields[i], err = server.FieldOf(value); err != nil {
			panic(err)
		}
	}
	return fields
}

// TestEncodingIsInjective: rows of one table encode alike exactly when they are equal.
func TestEncodingIsInjective(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kinds, a := drawRow(t, "a")
		b := make([]driver.Value, len(a))
		for i, kind := range kinds {
			b[i] = a[i]
			if rapid.Bool().Draw(t, "other") {
				b[i] = rapid.Custom(drawTyped).Filter(func(v typed) bool { return v.kind == kind }).Draw(t, "b").value
			}
		}
		same := bytes.Equal(mustEncode(t, kinds, a), mustEncode(t, kinds, b))
		if same != sameValues(a, b) {
			t.Fatalf("%v and %v: encoded alike %v", a, b, same)
		}
	})
}

// TestEncodingDecodes is the stronger form: whatever was encoded, in any number of rows, comes back.
func TestEncodingDecodes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kinds, values := drawRow(t, "row")
		decoded, err := decodeValues(mustEncode(t, kinds, values))
		if err != nil {
			t.Fatal(err)
		}
		if !sameValues(values, decoded) {
			t.Fatalf("%v came back as %v", values, decoded)
		}
	})
}

func FuzzEncodingIsInjective(f *testing.F) {
	f.Add([]byte("x#y"), []byte("z"), []byte("x"), []byte("y#z"))
	f.Add([]byte(""), []byte("a"), []byte("a"), []byte(""))
	kinds := []schema.Kind{schema.KindText, schema.KindText}
	f.Fuzz(func(t *testing.T, a1, a2, b1, b2 []byte) {
		a := mustEncode(t, kinds, []driver.Value{a1, a2})
		b := mustEncode(t, kinds, []driver.Value{b1, b2})
		if bytes.Equal(a, b) != (bytes.Equal(a1, b1) && bytes.Equal(a2, b2)) {
			t.Fatalf("(%q, %q) and (%q, %q) encode to %x and %x", a1, a2, b1, b2, a, b)
		}
	})
}

func FuzzDecodeNeverPanics(f *testing.F) {
	f.Add([]byte{tagText, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{tagUint, 1, 2})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		_, _ = decodeValues(encoded)
	})
}

// TestWhatOtherCheckersConfuse names pairs that look alike to a text protocol or to separators.
func TestWhatOtherCheckersConfuse(t *testing.T) {
	t.Parallel()
	text := []schema.Kind{schema.KindText, schema.KindText}
	for name, test := range map[string]struct {
		kinds []schema.Kind
		a, b  []driver.Value
	}{
		"separators":         {text, []driver.Value{[]byte("x#y"), []byte("z")}, []driver.Value{[]byte("x"), []byte("y#z")}},
		"NULL against ''":    {text, []driver.Value{nil, []byte("")}, []driver.Value{[]byte(""), nil}},
		"trailing spaces":    {text, []driver.Value{[]byte("a "), []byte("")}, []driver.Value{[]byte("a"), []byte("")}},
		"-0.0":               {[]schema.Kind{schema.KindDouble}, []driver.Value{math.Copysign(0, -1)}, []driver.Value{0.0}},
		"FLOAT of 8 digits":  {[]schema.Kind{schema.KindFloat}, []driver.Value{float32(16777216)}, []driver.Value{float32(16777218)}},
		"last bit of DOUBLE": {[]schema.Kind{schema.KindDouble}, []driver.Value{0.1}, []driver.Value{math.Nextafter(0.1, 1)}},
	} {
		if bytes.Equal(mustEncode(t, test.kinds, test.a), mustEncode(t, test.kinds, test.b)) {
			t.Errorf("%s: encode alike", name)
		}
	}
}

func TestUnsignedIntegersAreOneFamily(t *testing.T) {
	t.Parallel()
	digits := mustEncode(t, []schema.Kind{schema.KindInteger}, []driver.Value{[]byte("9223372036854775808")})
	decoded, err := decodeValues(digits)
	if err != nil || !reflect.DeepEqual(decoded, []driver.Value{uint64(1) << 63}) {
		t.Fatalf("2^63 came back as %v, %v", decoded, err)
	}
	negative := mustEncode(t, []schema.Kind{schema.KindInteger}, []driver.Value{int64(math.MinInt64)})
	if bytes.Equal(digits, negative) {
		t.Error("2^63 and -2^63 encode alike")
	}
}

func TestValuesOfAnotherTypeAreErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []typed{
		{schema.KindText, int64(1)}, {schema.KindInteger, 1.5}, {schema.KindInteger, []byte("1.5")}, {schema.KindUnknown, []byte("x")},
		{schema.KindDouble, float32(1)}, {schema.KindFloat, float64(1)}, {schema.KindFloat, []byte("1")},
	} {
		if _, err := AppendValue(nil, test.kind, test.value); err == nil {
			t.Errorf("%T as kind %v: no error", test.value, test.kind)
		}
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	kinds, values := benchmarkRow()
	buffer := make([]byte, 0, 1024)
	var h chunkHasher
	h.reset()
	allocations := testing.AllocsPerRun(1000, func() {
		var err error
		if buffer, err = digestRow(&h, buffer, kinds, values); err != nil {
			t.Fatal(err)
		}
	})
	if allocations != 0 {
		t.Errorf("%v allocations a row", allocations)
	}
}

func benchmarkRow() ([]schema.Kind, []server.Field) {
	return []schema.Kind{schema.KindInteger, schema.KindInteger, schema.KindText, schema.KindText},
		fieldsOf([]driver.Value{int64(123456), int64(500000), bytes.Repeat([]byte("c"), 119), bytes.Repeat([]byte("p"), 59)})
}

func BenchmarkEncodeAndHashRow(b *testing.B) {
	kinds, values := benchmarkRow()
	buffer := make([]byte, 0, 1024)
	var h chunkHasher
	h.reset()
	b.SetBytes(195)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if buffer, err = digestRow(&h, buffer, kinds, values); err != nil {
			b.Fatal(err)
		}
	}
}

// TestDigestRowIsTheEncoding: whether a value is copied or goes to the digest from where it lies, the bytes are the same.
func TestDigestRowIsTheEncoding(t *testing.T) {
	kinds := []schema.Kind{schema.KindInteger, schema.KindText, schema.KindBinary, schema.KindText, schema.KindInteger}
	for _, size := range []int{0, 1, directBytes - 1, directBytes, directBytes + 1, 3 * directBytes} {
		row := fieldsOf([]driver.Value{int64(-1), bytes.Repeat([]byte("t"), size), bytes.Repeat([]byte("b"), size/2), nil, int64(7)})
		want, err := AppendRow(nil, kinds, row)
		if err != nil {
			t.Fatal(err)
		}
		var got pieces
		if _, err := digestRow(&got, nil, kinds, row); err != nil || !bytes.Equal(got, want) {
			t.Errorf("values of %d bytes: %d bytes digested of %d encoded, %v", size, len(got), len(want), err)
		}
	}
}

type pieces []byte

func (p *pieces) add(piece []byte) { *p = append(*p, piece...) }

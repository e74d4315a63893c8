package binlog

import (
	"bytes"
	"math"
	"testing"
)

// The texts are those that MySQL 8.0 and 9.7 print; integration tests hold more against servers.
func TestJSONDoubles(t *testing.T) {
	t.Parallel()
	for value, want := range map[float64]string{
		0: "0.0", 1: "1.0", -1.5: "-1.5", 1e15: "1e15", 1e14: "100000000000000.0", 123456789012345: "123456789012345.0", 1234567890123456: "1.234567890123456e15",
		12345678901234567.5: "1.2345678901234568e16", 1e100: "1e100", 0.1: "0.1", 1e-14: "0.00000000000001", 1e-15: "0.000000000000001", 1e-16: "1e-16", 5e-324: "5e-324", math.MaxFloat64: "1.7976931348623157e308",
	} {
		if got := string(appendJSONDouble(nil, value)); got != want {
			t.Errorf("%g: %s, want %s", value, got, want)
		}
	}
}

// FuzzJSON: a broken document is an error, never a panic.
func FuzzJSON(f *testing.F) {
	f.Add([]byte{0, 1, 0, 12, 0, 11, 0, 1, 0, 5, 1, 0, 'a'})
	f.Add([]byte{2, 1, 0, 7, 0, 5, 1, 0})
	f.Add([]byte{15, 246, 4, 3, 1, 0x80, 1})
	f.Fuzz(func(t *testing.T, document []byte) {
		before := bytes.Clone(document)
		if _, err := jsonText(document); err == nil && !bytes.Equal(before, document) {
			t.Error("the document was changed")
		}
	})
}

// FuzzImage: a broken row is an error, never a panic.
func FuzzImage(f *testing.F) {
	f.Add([]byte{1, 4, 15, 2, 16, 1}, []byte{0, 5, 6, 7})
	f.Fuzz(func(t *testing.T, shape, data []byte) {
		table := &Table{}
		for i := 0; i+1 < len(shape); i += 2 {
			table.Columns = append(table.Columns, Column{Type: shape[i], Meta: uint16(shape[i+1])})
		}
		m := image{table: table, columns: bytes.Repeat([]byte{0xff}, len(table.Columns)/8+1)}
		fields, rest, err := m.read(data, true)
		if err == nil && (len(fields) != len(table.Columns) || len(rest) > len(data)) {
			t.Errorf("%d fields, %d bytes left of %d", len(fields), len(rest), len(data))
		}
	})
}

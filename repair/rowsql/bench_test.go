package rowsql_test

import (
	"testing"

	"trueup/checksum"
	"trueup/repair/rowsql"
	"trueup/schema"
)

// BenchmarkUpdate is one changed row of a table of five columns, guarded.
func BenchmarkUpdate(b *testing.B) {
	c := schema.Column{Name: "c", Kind: schema.KindText, Charset: "utf8mb4"}
	pad := schema.Column{Name: "pad", Kind: schema.KindText, Charset: "utf8mb4"}
	k := schema.Column{Name: "k", Kind: schema.KindInteger}
	table := keyed(1, id, k, c, pad)
	text := make([]byte, 120)
	for i := range text {
		text[i] = byte('a' + i%26)
	}
	change := rowsql.Change{Before: checksum.Row{int64(1), int64(2), text, text[:60]}, After: checksum.Row{int64(1), int64(3), text, text[:60]}, Count: 1}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := table.Statements(change, false); err != nil {
			b.Fatal(err)
		}
	}
}

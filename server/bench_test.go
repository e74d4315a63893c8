package server_test

import (
	"database/sql/driver"
	"testing"

	"trueup/server"
)

// BenchmarkStream reads rows of about 195 bytes, as a check does.
func BenchmarkStream(b *testing.B) {
	const rows = 200_000
	on := open(b, sharedInstance(b).AdminEndpoint())
	root := session(b, on, server.SessionOptions{})
	name := database(b)
	mustExec(b, root, "CREATE TABLE "+name+".t (id int primary key, k int, c char(120) not null, pad char(60) not null) CHARSET latin1",
		"INSERT INTO "+name+".t SELECT seq, seq * 7, REPEAT('c', 119), REPEAT('p', 59) FROM "+name+".seq_1_to_200000")
	statement, err := session(b, on, server.SessionOptions{Reader: true}).Prepare(b.Context(), "SELECT id, k, c, pad FROM "+name+".t FORCE INDEX (PRIMARY) WHERE id > ? ORDER BY id")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := statement.Stream(b.Context(), []driver.Value{int64(0)}, func([]driver.Value) error { n++; return nil }); err != nil || n != rows {
			b.Fatal(n, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

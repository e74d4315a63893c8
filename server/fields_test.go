package server_test

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"trueup/server"
)

// readers are a session that takes rows from the wire, and one inside TLS, which cannot.
func readers(t testing.TB) map[string]*server.Session {
	t.Helper()
	plain, encrypted := sharedInstance(t).AdminEndpoint(), sharedInstance(t).AdminEndpoint()
	plain.TLS.Mode, encrypted.TLS.Mode = server.TLSOff, server.TLSRequired
	sessions := map[string]*server.Session{
		"wire":  session(t, open(t, plain), server.SessionOptions{Reader: true}),
		"boxed": session(t, open(t, encrypted), server.SessionOptions{Reader: true}),
	}
	if !server.ReadsFromWire(sessions["wire"]) || server.ReadsFromWire(sessions["boxed"]) {
		t.Fatal("the sessions are not the two kinds that this test is about")
	}
	return sessions
}

// normal makes the driver's values comparable with those of fields: digits of large unsigned integers are a uint64 there.
func normal(value driver.Value, unsigned bool) driver.Value {
	if text, isBytes := value.([]byte); isBytes {
		if unsigned {
			var n uint64
			_, _ = fmt.Sscan(string(text), &n)
			return n
		}
		return bytes.Clone(text)
	}
	return value
}

// readBoth reads a query by Stream and by StreamFields.
func readBoth(t testing.TB, on *server.Session, query string, unsigned int) (byDriver, byFields [][]driver.Value) {
	t.Helper()
	statement, err := on.Prepare(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer statement.Close()
	err = statement.Stream(t.Context(), nil, func(values []driver.Value) error {
		var row []driver.Value
		for i, value := range values {
			row = append(row, normal(value, i == unsigned))
		}
		byDriver = append(byDriver, row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = statement.StreamFields(t.Context(), nil, func(fields []server.Field) error {
		var row []driver.Value
		for i, field := range fields {
			row = append(row, normal(field.Value(), i == unsigned))
		}
		byFields = append(byFields, row)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return byDriver, byFields
}

// everyType holds each type of the binary protocol at its ends and in between, and NULL.
var everyType = []string{
	`CREATE TABLE %s.t (n INT PRIMARY KEY, bu BIGINT UNSIGNED, t TINYINT, tu TINYINT UNSIGNED, s SMALLINT, su SMALLINT UNSIGNED, m MEDIUMINT, mu MEDIUMINT UNSIGNED,
		i INT, iu INT UNSIGNED, b BIGINT, y YEAR, f FLOAT, d DOUBLE, x DECIMAL(65,30), bits BIT(64), c CHAR(5), v VARCHAR(300), bn BINARY(4), vb VARBINARY(70000), tx MEDIUMTEXT,
		bl LONGBLOB, e ENUM('a',''), st SET('p','q'), da DATE, dt DATETIME, dt3 DATETIME(3), dt6 DATETIME(6), ts TIMESTAMP NULL, ts6 TIMESTAMP(6) NULL,
		ti TIME, ti1 TIME(1), ti6 TIME(6), j JSON, g GEOMETRY, u UUID, i4 INET4, i6 INET6)`,
	`INSERT INTO %[1]s.t (n) VALUES (0)`,
	`INSERT INTO %[1]s.t VALUES (1, 18446744073709551615, -128, 255, -32768, 65535, -8388608, 16777215, -2147483648, 4294967295, -9223372036854775808, 2155, 16777217, 1e308,
		-1234567890123456789012345678901234.5, b'1', 'é', '😀', 0x00ff, REPEAT('x', 70000), REPEAT('y', 250), X'', 'a', 'p,q', '9999-12-31', '9999-12-31 23:59:59', '2026-01-01 00:00:00.120',
		'2026-01-01 10:00:00.000001', '2026-01-01 01:02:03', '2038-01-19 03:14:07.999999', '838:59:59', '-838:59:59.9', '-00:00:00.000001', '{}', POINT(1, 2), UUID(), '1.2.3.4', '::1')`,
	`INSERT INTO %[1]s.t VALUES (2, 9223372036854775807, 127, 0, 32767, 0, 8388607, 0, 2147483647, 0, 9223372036854775807, 0, -0.0, -0.0,
		0, 0, '', '', 0, '', REPEAT('z', 65536), REPEAT('w', 16777215), '', '', '0000-00-00', '0000-00-00', '2026-01-01', '2026-01-01 10:00', '0000-00-00', '2026-01-01',
		'00:00:00', '100:00:00', '99:59:59.5', '[1, 2]', NULL, '00000000-0000-0000-0000-000000000000', '0.0.0.0', '::')`,
	`INSERT INTO %[1]s.t VALUES (3, 0, 0, 128, 0, 32768, -1, 8388608, -1, 2147483648, -1, 1901, 1.17549e-38, 4.9e-324, 1, 0xff, ' ', ' ', ' ', ' ', ' ', REPEAT('v', 16777214), 'a', 'q',
		'2026-00-00', '2026-00-00', '2026-01-01 00:00:00', '2026-12-31 23:59:59.999999', '1970-01-01 00:00:01', '1970-01-01 00:00:01.000001', '-01:00:00', '10:00:00', '24:00:00', '1',
		ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326), NULL, NULL, NULL)`,
	`INSERT INTO %[1]s.t (n, bl) VALUES (4, REPEAT('u', 16777216)), (5, REPEAT('t', 33554500))`,
}

// TestFieldsAreWhatTheDriverDelivers: both ways of reading give the same values for every type, whatever the connection.
func TestFieldsAreWhatTheDriverDelivers(t *testing.T) {
	t.Parallel()
	root := session(t, open(t, sharedInstance(t).AdminEndpoint()), server.SessionOptions{})
	name := database(t)
	for _, statement := range everyType {
		mustExec(t, root, strings.ReplaceAll(fmt.Sprintf(statement, name), "%!(EXTRA string="+name+")", ""))
	}
	var first [][]driver.Value
	for kind, on := range readers(t) {
		byDriver, byFields := readBoth(t, on, "SELECT * FROM "+name+".t ORDER BY n", 1)
		if len(byDriver) != 6 || len(byFields) != 6 {
			t.Fatalf("%s: %d and %d rows", kind, len(byDriver), len(byFields))
		}
		if first == nil {
			first = byDriver
		}
		for i := range byDriver {
			for j := range byDriver[i] {
				if !sameBits(byDriver[i][j], byFields[i][j]) || !sameBits(byDriver[i][j], first[i][j]) {
					t.Errorf("%s: row %d column %d: the driver delivers %.80v, the fields hold %.80v", kind, i, j, byDriver[i][j], byFields[i][j])
				}
			}
		}
	}
}

func sameBits(a, b driver.Value) bool {
	switch v := a.(type) {
	case float32:
		w, ok := b.(float32)
		return ok && math.Float32bits(v) == math.Float32bits(w)
	case float64:
		w, ok := b.(float64)
		return ok && math.Float64bits(v) == math.Float64bits(w)
	default:
		return reflect.DeepEqual(a, b)
	}
}

// TestFieldsAllocateNothingARow: reading more rows allocates no more.
func TestFieldsAllocateNothingARow(t *testing.T) {
	on := readers(t)["wire"]
	statement, err := on.Prepare(t.Context(), "SELECT seq, seq * 1000, REPEAT('c', 119), CAST('2026-01-01' AS DATETIME) + INTERVAL seq SECOND FROM mysql.seq_1_to_100000 LIMIT ?")
	if err != nil {
		t.Fatal(err)
	}
	allocations := func(rows int64) float64 {
		args := []driver.Value{rows}
		return testing.AllocsPerRun(3, func() {
			var n int64
			if err := statement.StreamFields(t.Context(), args, func([]server.Field) error { n++; return nil }); err != nil || n != rows {
				t.Fatal(n, err)
			}
		})
	}
	few, many := allocations(10), allocations(50_000)
	if many-few > 100 {
		t.Errorf("%v allocations for 10 rows, %v for 50,000", few, many)
	}
}

// TestFieldsStreamsEndWell: an error of the callback, of the server, and of the context each end the stream as they should,
// and after the first two the session is as good as before.
func TestFieldsStreamsEndWell(t *testing.T) {
	t.Parallel()
	for kind, on := range readers(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			statement, err := on.Prepare(t.Context(), "SELECT seq, REPEAT('x', 500) FROM mysql.seq_1_to_20000")
			if err != nil {
				t.Fatal(err)
			}
			enough := errors.New("enough")
			n := 0
			if err := statement.StreamFields(t.Context(), nil, func([]server.Field) error {
				n++
				if n == 700 {
					return enough
				}
				return nil
			}); !errors.Is(err, enough) || n != 700 {
				t.Fatalf("after %d rows: %v", n, err)
			}
			failing, err := on.Prepare(t.Context(), "SELECT IF(seq < 3000, seq, (SELECT 1 UNION SELECT 2)) FROM mysql.seq_1_to_5000")
			if err != nil {
				t.Fatal(err)
			}
			err = failing.StreamFields(t.Context(), nil, func([]server.Field) error { return nil })
			if number, _ := server.ErrorNumber(err); number != 1242 {
				t.Fatalf("an error of the server in the middle of a result came as %v", err)
			}
			n = 0
			if err := statement.StreamFields(t.Context(), nil, func([]server.Field) error { n++; return nil }); err != nil || n != 20000 {
				t.Fatalf("the session is not as good as before: %d rows, %v", n, err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			err = statement.StreamFields(ctx, nil, func([]server.Field) error { cancel(); return nil })
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("a cancelled stream ended with %v", err)
			}
		})
	}
}

// TestFieldsOfAnAlteredTable: a statement that was prepared before an ALTER returns the new types.
func TestFieldsOfAnAlteredTable(t *testing.T) {
	t.Parallel()
	root := session(t, open(t, sharedInstance(t).AdminEndpoint()), server.SessionOptions{})
	name := database(t)
	mustExec(t, root, "CREATE TABLE "+name+".t (v INT)", "INSERT INTO "+name+".t VALUES (65)")
	statement, err := readers(t)["wire"].Prepare(t.Context(), "SELECT * FROM "+name+".t")
	if err != nil {
		t.Fatal(err)
	}
	read := func() (value driver.Value) {
		if err := statement.StreamFields(t.Context(), nil, func(fields []server.Field) error {
			value = normal(fields[0].Value(), false)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return value
	}
	if got := read(); got != int64(65) {
		t.Fatalf("INT: %v", got)
	}
	mustExec(t, root, "ALTER TABLE "+name+".t MODIFY v VARCHAR(10)")
	if got := read(); !reflect.DeepEqual(got, []byte("65")) {
		t.Fatalf("VARCHAR: %v", got)
	}
}

// TestWireHandsOutPackets: whatever the sizes of packets and reads, a wire hands out the same bytes; aligned, never more
// than one packet at a time.
func TestWireHandsOutPackets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var sent []byte
		ends := map[int]bool{}
		for range rapid.IntRange(1, 8).Draw(t, "packets") {
			payload := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "payload")
			sent = append(append(sent, byte(len(payload)), 0, 0, 7), payload...)
			ends[len(sent)] = true
		}
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			_ = there.SetDeadline(time.Now().Add(10 * time.Second))
			for rest := sent; len(rest) > 0; {
				n := min(len(rest), 11)
				if _, err := there.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		w := server.NewAlignedWire(here, rapid.IntRange(4, 64).Draw(t, "buffer"))
		defer w.Close()
		var got []byte
		for {
			p := make([]byte, rapid.IntRange(1, 50).Draw(t, "read"))
			n, err := w.Read(p)
			for i := len(got) + 1; i < len(got)+n; i++ {
				if ends[i] {
					t.Fatalf("a read of %d bytes at %d goes past the end of a packet at %d", n, len(got), i)
				}
			}
			got = append(got, p[:n]...)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, sent) {
			t.Fatalf("sent %x, got %x", sent, got)
		}
	})
}

// FuzzDecodeRowNeverPanics: a row packet of any bytes is a row or an error.
func FuzzDecodeRowNeverPanics(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 7, 1, 1, 1, 1, 1, 1, 1})
	f.Fuzz(func(t *testing.T, payload []byte) { _, _ = server.DecodeRow(payload) })
}

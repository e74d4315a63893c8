package rowsql_test

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strconv"
	"testing"

	"trueup/checksum"
	"trueup/internal/sandbox"
	"trueup/internal/sandbox/sandboxtest"
	"trueup/repair/rowsql"
	"trueup/schema"
	"trueup/server"
)

// fuzzedColumn is a column of the table that fuzzed values are written to.
type fuzzedColumn struct {
	definition string
	column     schema.Column
	value      func(text []byte, number uint64) driver.Value
}

func textOf(text []byte, _ uint64) driver.Value { return text }

var fuzzedColumns = []fuzzedColumn{
	{"BIGINT", schema.Column{Kind: schema.KindInteger}, func(_ []byte, n uint64) driver.Value { return int64(n) }},
	{"BIGINT UNSIGNED", schema.Column{Kind: schema.KindInteger}, func(_ []byte, n uint64) driver.Value { return n }},
	{"FLOAT", schema.Column{Kind: schema.KindFloat}, func(_ []byte, n uint64) driver.Value { return math.Float32frombits(uint32(n)) }},
	{"DOUBLE", schema.Column{Kind: schema.KindDouble}, func(_ []byte, n uint64) driver.Value { return math.Float64frombits(n) }},
	{"DECIMAL(65,30)", schema.Column{Kind: schema.KindDecimal}, decimalOf},
	{"BIT(64)", schema.Column{Kind: schema.KindBit}, func(_ []byte, n uint64) driver.Value { return bytes.Clone(bitsOf(n)) }},
	{"YEAR", schema.Column{Kind: schema.KindYear}, func(_ []byte, n uint64) driver.Value { return int64(yearOf(n)) }},
	{"TIME(6)", schema.Column{Kind: schema.KindTime}, timeOf},
	{"DATETIME(6)", schema.Column{Kind: schema.KindDateTime}, func(_ []byte, n uint64) driver.Value {
		return fmt.Appendf(nil, "%04d-%02d-%02d %02d:%02d:%02d.%06d", n%10000, n>>14%13, n>>18%32, n>>23%24, n>>28%60, n>>34%60, n>>40%1000000)
	}},
	{"LONGTEXT CHARACTER SET utf8mb4", schema.Column{Kind: schema.KindText, Charset: "utf8mb4"}, textOf},
	{"LONGTEXT CHARACTER SET latin1", schema.Column{Kind: schema.KindText, Charset: "latin1"}, textOf},
	{"LONGTEXT CHARACTER SET utf16", schema.Column{Kind: schema.KindText, Charset: "utf16"}, textOf},
	{"LONGTEXT CHARACTER SET utf8mb3", schema.Column{Kind: schema.KindText, Charset: "utf8mb3"}, textOf},
	{"LONGTEXT CHARACTER SET ucs2", schema.Column{Kind: schema.KindText, Charset: "ucs2"}, textOf},
	{"LONGTEXT CHARACTER SET swe7", schema.Column{Kind: schema.KindText, Charset: "swe7"}, textOf},
	{"LONGBLOB", schema.Column{Kind: schema.KindBinary}, textOf},
}

func bitsOf(n uint64) []byte {
	return []byte{byte(n >> 56), byte(n >> 48), byte(n >> 40), byte(n >> 32), byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}

func yearOf(n uint64) uint64 {
	if n%256 == 0 {
		return 0
	}
	return 1900 + n%256
}

// decimalOf is a DECIMAL(65,30) as servers print it.
func decimalOf(_ []byte, n uint64) driver.Value {
	digits := strconv.FormatUint(n, 10)
	number := fmt.Sprintf("%s.%030s", digits, digits)
	if n%2 == 1 {
		number = "-" + number
	}
	return []byte(number)
}

// timeOf is a TIME(6); no server has a zero with a sign.
func timeOf(_ []byte, n uint64) driver.Value {
	text := fmt.Appendf(nil, "%02d:%02d:%02d.%06d", n%839, n>>10%60, n>>20%60, n>>26%1000000)
	if n>>63 == 1 && string(text) != "00:00:00.000000" {
		text = append([]byte{'-'}, text...)
	}
	return text
}

// fuzzedServer is the server of a fuzz test: a session that writes, and one that reads.
type fuzzedServer struct{ writing, reading *server.Session }

func startFuzzed(f *testing.F) *fuzzedServer {
	f.Helper()
	instance := sandboxtest.Start(f, sandbox.Options{NoBinlog: true})
	s := &fuzzedServer{writing: sandboxtest.Session(f, instance.AdminEndpoint())}
	opened, err := server.Open(context.Background(), instance.AdminEndpoint())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = opened.Close() })
	if s.reading, err = opened.Session(context.Background(), server.SessionOptions{Reader: true}); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.reading.Close() })
	s.mustExec(f, "CREATE DATABASE fuzz")
	for i, c := range fuzzedColumns {
		s.mustExec(f, fmt.Sprintf("CREATE TABLE fuzz.t%d (v %s) ENGINE=InnoDB", i, c.definition))
	}
	return s
}

func (s *fuzzedServer) mustExec(t testing.TB, sql string) {
	t.Helper()
	if err := s.writing.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%v\n%.300s", err, sql)
	}
}

// stored is the only value of the table, through the binary protocol.
func (s *fuzzedServer) stored(t *testing.T, table int) (value driver.Value) {
	t.Helper()
	statement, err := s.reading.Prepare(t.Context(), fmt.Sprintf("SELECT v FROM fuzz.t%d", table))
	if err != nil {
		t.Fatal(err)
	}
	defer statement.Close()
	rows := 0
	if err := statement.Stream(t.Context(), nil, func(row []driver.Value) error {
		rows++
		value = row[0]
		if v, isBytes := value.([]byte); isBytes {
			value = bytes.Clone(v)
		}
		return nil
	}); err != nil || rows != 1 {
		t.Fatalf("%d rows, %v", rows, err)
	}
	return value
}

func (s *fuzzedServer) matches(t *testing.T, table int, guard []byte) bool {
	t.Helper()
	record, err := s.writing.One(t.Context(), fmt.Sprintf("SELECT COUNT(*) AS n FROM fuzz.t%d WHERE %s", table, guard))
	if err != nil {
		t.Fatalf("%v\n%.300s", err, guard)
	}
	return record.Text("n") == "1"
}

// FuzzLiteral writes a value by its literal to a real server and reads it back: it is the same, byte for byte; its guard finds it, and that of
// a neighbour does not. A value that has no literal is one that the server refuses.
func FuzzLiteral(f *testing.F) {
	s := startFuzzed(f)
	for kind := range fuzzedColumns {
		for _, seed := range []struct {
			text   string
			number uint64
		}{
			{"", 0}, {"plain", 1}, {`C:\new`, 2}, {"it's", 3}, {"a\nb", 4}, {`it's \ " ` + "`\x00\n;", 1 << 63}, {"\xff", math.MaxUint64}, {"*/ x", 0x3fb999999999999a}, {"Aa  ", 0x3dcccccd}, {"😀\xd8\x00", 0x80000000}, {"é", 0x7fefffffffffffff},
		} {
			f.Add(byte(kind), []byte(seed.text), seed.number, seed.number^1)
		}
	}
	f.Fuzz(func(t *testing.T, kind byte, text []byte, number, neighbour uint64) {
		table := int(kind) % len(fuzzedColumns)
		for _, modes := range []string{"", ",ANSI_QUOTES,NO_BACKSLASH_ESCAPES"} {
			s.mustExec(t, rowsql.Strict[:len(rowsql.Strict)-1]+modes+"'")
			s.writeAndFind(t, table, text, number, neighbour)
		}
	})
}

func (s *fuzzedServer) writeAndFind(t *testing.T, table int, text []byte, number, neighbour uint64) {
	t.Helper()
	c := fuzzedColumns[table]
	column := checksum.Column{Column: c.column}
	column.Name = "v"
	value := c.value(text, number)
	literal, err := rowsql.AppendLiteral(nil, column, value)
	if unwritable := (*rowsql.UnwritableError)(nil); errors.As(err, &unwritable) {
		s.mustRefuse(t, table, value)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsAny(literal, "\n\r\\;\x00\"") {
		t.Fatalf("the literal of %q is %q", value, literal)
	}
	s.mustExec(t, fmt.Sprintf("DELETE FROM fuzz.t%d", table))
	if err := s.writing.Exec(t.Context(), fmt.Sprintf("INSERT INTO fuzz.t%d VALUES (%s)", table, literal)); err != nil {
		t.Fatalf("%q: %v", value, err)
	}
	stored := s.stored(t, table)
	if !sameValue(t, column, stored, value) && !isNegativeZero(value) { // MariaDB 10.11 stores 0 for it
		t.Fatalf("%q is stored as %q by %s", value, stored, literal)
	}
	for _, other := range []uint64{number, neighbour, number + 1} {
		for _, otherText := range [][]byte{text, append(bytes.Clone(text), ' '), bytes.ToUpper(text)} {
			guarded := c.value(otherText, other)
			guard, err := rowsql.AppendGuard(nil, column, guarded)
			if unwritable := (*rowsql.UnwritableError)(nil); errors.As(err, &unwritable) {
				continue // no number
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := s.matches(t, table, guard); got != sameValue(t, column, stored, guarded) {
				t.Fatalf("%q is stored; the guard of %q holds: %v: %s", stored, guarded, got, guard)
			}
		}
	}
}

// mustRefuse: the server does not take the bytes in any of the ways that come to mind.
func (s *fuzzedServer) mustRefuse(t *testing.T, table int, value driver.Value) {
	t.Helper()
	v, isBytes := value.([]byte)
	if !isBytes {
		return // no number
	}
	s.mustExec(t, fmt.Sprintf("DELETE FROM fuzz.t%d", table))
	if err := s.writing.Exec(t.Context(), fmt.Sprintf("INSERT INTO fuzz.t%d VALUES (x'%x')", table, v)); err == nil && sameValue(t, checksum.Column{Column: fuzzedColumns[table].column}, s.stored(t, table), v) && !hasSurrogates(v) {
		t.Fatalf("%q was said to be unwritable, and is not", v)
	}
}

// hasSurrogates tells whether the bytes may hold half a surrogate pair, which MariaDB takes in UTF-8 and MySQL does not.
func hasSurrogates(v []byte) bool {
	return bytes.IndexByte(v, 0xed) >= 0
}

func isNegativeZero(value driver.Value) bool {
	switch v := value.(type) {
	case float32:
		return v == 0 && math.Signbit(float64(v))
	case float64:
		return v == 0 && math.Signbit(v)
	}
	return false
}

func sameValue(t *testing.T, column checksum.Column, a, b driver.Value) bool {
	t.Helper()
	encodedA, errA := checksum.AppendValue(nil, column.Kind, a)
	encodedB, errB := checksum.AppendValue(nil, column.Kind, b)
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(encodedA, encodedB)
}

package integration

import (
	"crypto/md5"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/schema"
	"trueup/server"
)

// comparedType is a column and values of it as SQL. Each value differs from its neighbours as little as can be.
type comparedType struct {
	column string
	values []string
	more   string // further columns of the table
}

func plainType(column string, values ...string) comparedType {
	return comparedType{column: column, values: values}
}

var comparedTypes = []comparedType{
	plainType("FLOAT", "16777216", "16777218", "0.1e0", "1.1754944e-38", "1.1754942e-38", "3.4028235e38", "0"),
	plainType("DOUBLE", "0.1e0", "0.10000000000000002e0", "5e-324", "0", "1.7976931348623157e308", "1.7976931348623155e308"),
	plainType("FLOAT(7,3)", "1.5", "1.501", "-1.501"), plainType("DOUBLE(20,5) UNSIGNED", "1.00001", "1.00002"),
	plainType("TINYINT", "-128", "-127", "0", "127"), plainType("TINYINT(1)", "0", "1"), plainType("SMALLINT UNSIGNED ZEROFILL", "0", "1", "65535"),
	plainType("MEDIUMINT", "-8388608", "8388607", "-1"), plainType("MEDIUMINT UNSIGNED", "16777215", "16777214"), plainType("INT UNSIGNED", "4294967295", "4294967294", "0"),
	plainType("INT(8) ZEROFILL", "5", "50"),
	plainType("BIGINT", "-9223372036854775808", "-9223372036854775807", "9223372036854775807", "0"),
	plainType("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551614", "9223372036854775808", "9223372036854775807", "9007199254740993", "9007199254740992"),
	plainType("DECIMAL(65,30)", "0.000000000000000000000000000001", "0.000000000000000000000000000002", "-0.000000000000000000000000000001", "0"),
	plainType("DECIMAL(10,2) ZEROFILL", "1.00", "1.01"), plainType("BIT(1)", "0", "1"), plainType("BIT(10)", "0", "1", "256", "257"),
	plainType("BIT(64)", "0", "1", "18446744073709551615", "18446744073709551614"),
	plainType("VARCHAR(20)", "''", "' '", "'a'", "'a '", "'A'", "'á'", "'a\u0301'", "'\u200b'"),
	plainType("CHAR(20)", "''", "'a'", "'A'", "'a\\t'", "'\\0'"), plainType("VARCHAR(20) CHARACTER SET latin1", "'e'", "'é'", "'É'", "'e '"),
	plainType("VARCHAR(20) CHARACTER SET ucs2", "''", "'a'", "'a '"), plainType("TEXT CHARACTER SET sjis", "'表'", "'ソ'", "'ｿ'"),
	plainType("TINYTEXT", "''", "'a#b'", "'a'"), plainType("MEDIUMTEXT", "REPEAT('é',70000)", "CONCAT(REPEAT('é',69999),'e')"), plainType("LONGTEXT COLLATE utf8mb4_bin", "'😀'", "'😁'"),
	plainType("BINARY(4)", "''", "'a'", "'a '", "'a\\0\\0 '"), plainType("VARBINARY(9)", "''", "'\\0'", "'\\0\\0'", "' '", "X'ff'", "X'fe'"),
	plainType("TINYBLOB", "''", "X'00'"), plainType("BLOB", "''", "X'80'", "X'c280'"), plainType("MEDIUMBLOB", "REPEAT('x',300)", "REPEAT('x',301)"),
	plainType("LONGBLOB", "REPEAT('x',17000000)", "CONCAT(REPEAT('x',16999999),'y')"),
	plainType("ENUM('a','A ','b','é')", "0", "1", "2", "3", "4"), plainType("ENUM('','x')", "1", "2"), plainType("SET('a','b','é')", "''", "'a'", "'a,b'", "'b'", "'a,b,é'"),
	plainType("DATE", "'0000-00-00'", "'2026-00-00'", "'2026-02-31'", "'2026-03-01'", "'9999-12-31'"), plainType("YEAR", "0", "1901", "2155", "2000"),
	plainType("TIME", "'-838:59:59'", "'-00:00:01'", "'00:00:00'", "'00:00:01'", "'100:00:00'"), plainType("TIME(6)", "'-00:00:00.000001'", "'00:00:00.000001'", "'00:00:00'", "'-838:59:59.999999'"),
	plainType("TIME(2)", "'-24:00:00.01'", "'24:00:00.01'", "'00:00:00.10'"),
	plainType("DATETIME", "'0000-00-00 00:00:00'", "'2026-01-01 00:00:00'", "'2026-01-01 00:00:01'"), plainType("DATETIME(6)", "'2026-01-01'", "'2026-01-01 00:00:00.000001'", "'2026-01-01 00:00:00.000010'", "'0000-00-00'"),
	plainType("DATETIME(1)", "'2026-01-01 00:00:00.1'", "'2026-01-01 00:00:00'"), plainType("TIMESTAMP NULL", "'0000-00-00 00:00:00'", "'2026-10-25 00:30:00'", "'2026-10-25 01:30:00'", "'2038-01-19 03:14:07'"),
	plainType("TIMESTAMP(3) NULL", "'2026-10-25 00:30:00.001'", "'2026-10-25 00:30:00.002'", "'1970-01-01 00:00:01'"),
	plainType("JSON", `'{"a":1,"b":2}'`, `'{"a":1, "b":2}'`, `'{"b":2,"a":1}'`, `'{"a":1.0,"b":2}'`),
	plainType("GEOMETRY", "ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(1 2)',4326)", "ST_GeomFromText('LINESTRING(1 2,3 4)')"),
	plainType("POINT", "ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(1 2.0000000000000004)')"), plainType("POLYGON", "ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))')", "ST_GeomFromText('POLYGON((0 0,1 1,1 0,0 0))')"),
	plainType("GEOMETRYCOLLECTION", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))')", "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),POINT(1 1))')"),
	plainType("INET4", "'1.2.3.4'", "'1.2.3.5'", "'0.0.0.0'"), plainType("INET6", "'::'", "'::1'", "'::ffff:1.2.3.4'", "'2001:db8::ff'"),
	plainType("UUID", "'123e4567-e89b-12d3-a456-426655440000'", "'123e4567-e89b-12d3-a456-426655440001'", "'00000000-0000-0000-0000-000000000000'"),
	plainType("VARCHAR(500) COMPRESSED", "REPEAT('a',400)", "CONCAT(REPEAT('a',399),'A')", "''"), plainType("BLOB COMPRESSED", "REPEAT('a',4000)", "REPEAT('a',3999)"),
	plainType("INT INVISIBLE", "1", "2"),
	{"INT", []string{"1", "2", "-2147483648"}, ", g INT AS (v % 7) VIRTUAL, s VARCHAR(30) AS (CONCAT('v', v)) STORED"},
	{"VARCHAR(20)", []string{"'a'", "'A'"}, ", lower_v VARCHAR(20) AS (LOWER(v)) VIRTUAL INVISIBLE, KEY (lower_v)"},
}

// TestEveryTypeIsCompared: equal on two servers, each minimal change found as exactly the rows changed, and the values
// fetched are the stored ones. The value after the last is NULL.
func TestEveryTypeIsCompared(t *testing.T) {
	t.Parallel()
	arguments := []string{"--max-allowed-packet=1G", "--innodb-log-file-size=256M", "--default-time-zone=+05:30"}
	tp := NewTopology(t, Options{SourceArgs: arguments, ReplicaArgs: arguments})
	n := tp.Source
	n.Exec(t, "CREATE DATABASE types")
	for i, c := range comparedTypes {
		var rows []string
		for row, value := range append(c.values, "NULL") {
			rows = append(rows, fmt.Sprintf("(%d, %s)", row+1, value))
		}
		n.Exec(t, "SET sql_mode='ALLOW_INVALID_DATES', time_zone='+00:00'",
			fmt.Sprintf("CREATE TABLE types.t%d (id INT PRIMARY KEY, v %s%s)", i, c.column, c.more),
			fmt.Sprintf("INSERT IGNORE INTO types.t%d (id, v) VALUES %s", i, strings.Join(rows, ", ")))
	}
	tp.WaitCaughtUp(t)
	source, replica := openServer(t, n), openServer(t, tp.Replica(0))
	catalog := loadSchema(t, source)
	for i, c := range comparedTypes {
		t.Run(c.column, func(t *testing.T) {
			table := fmt.Sprintf("t%d", i)
			layout := layoutOf(t, catalog, "types", table)
			if len(layout.Columns) != 2+strings.Count(c.more, " AS (") {
				t.Errorf("%d columns are read", len(layout.Columns))
			}
			rows := len(c.values) + 1
			expectChanged(t, source, replica, layout, rows, false)
			// Not one UPDATE with CASE, which would convert the values to one common type.
			statements := []string{"SET time_zone='+00:00', sql_mode='ALLOW_INVALID_DATES'"}
			for row, value := range append(c.values, "NULL") {
				statements = append(statements, fmt.Sprintf("UPDATE IGNORE types.%s SET v=%s WHERE id=%d", table, value, (row+1)%rows+1))
			}
			tp.Damage(t, 0, statements...)
			expectChanged(t, source, replica, layout, rows, true)
		})
	}
}

// expectChanged compares a table in one chunk and in chunks of one row, of which all must be equal or all changed.
func expectChanged(t *testing.T, source, replica *server.Server, layout *checksum.Layout, rows int, changed bool) {
	t.Helper()
	ours := checksum.NewReader(layout, readSession(t, source, true))
	theirs := checksum.NewReader(layout, readSession(t, replica, true))
	defer ours.Close()
	defer theirs.Close()
	for _, size := range []int{1, 1000} {
		for _, chunk := range split(t, readSession(t, source, false), layout, size) {
			a, b := digest(t, ours, chunk), digest(t, theirs, chunk)
			if chunk.Upper == nil && size == 1 {
				continue // after the last row
			}
			if a.Rows != int64(min(size, rows)) || b.Rows != a.Rows {
				t.Fatalf("chunk %d of up to %d rows: %d and %d rows", chunk.Index, size, a.Rows, b.Rows)
			}
			if equal, err := a.Equal(b); err != nil || equal == changed {
				t.Errorf("chunk %d of up to %d rows: digests equal %v, %v", chunk.Index, size, equal, err)
			}
			delta, err := checksum.Compare(t.Context(), ours, theirs, chunk)
			if err != nil {
				t.Fatal(err)
			}
			want := 0
			if changed {
				want = int(a.Rows)
			}
			if len(delta.Changed) != want || len(delta.Missing)+len(delta.Extra) != 0 {
				t.Errorf("chunk %d of up to %d rows: %+v, want %d changed", chunk.Index, size, delta, want)
			}
			checkFetched(t, ours, chunk, int(a.Rows))
			checkFetched(t, theirs, chunk, int(b.Rows))
		}
	}
}

func digest(t testing.TB, reader *checksum.Reader, chunk chunker.Chunk) checksum.Digest {
	t.Helper()
	d, err := reader.Digest(t.Context(), chunk)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// checkFetched compares the values that Fetch returns with what the server says of them in other ways.
func checkFetched(t *testing.T, reader *checksum.Reader, chunk chunker.Chunk, rows int) {
	t.Helper()
	layout := reader.Layout()
	numbers := make([]int, rows)
	for i := range numbers {
		numbers[i] = i
	}
	fetched := map[int]checksum.Row{}
	err := reader.CopyRows(t.Context(), chunk, numbers, func(number int, row checksum.Row) error {
		fetched[number] = row
		return nil
	})
	if err != nil || len(fetched) != rows {
		t.Fatalf("fetched %d of %d rows: %v", len(fetched), rows, err)
	}
	for _, row := range fetched {
		for i, column := range layout.Columns {
			record, err := reader.Session().One(t.Context(), fmt.Sprintf("SELECT %s AS answer FROM %s WHERE id = %v",
				askedAs(column), schema.QuoteTable(layout.Database, layout.Table), row[0]))
			if err != nil {
				t.Fatal(err)
			}
			if want, notNull := record.Lookup("answer"); notNull != (row[i] != nil) || !sameAnswer(column, row[i], want) {
				t.Errorf("row %v, column %s: %.60s fetched, the server has %.60s", row[0], column.Name, inWords(column, row[i]), want)
			}
		}
	}
}

// askedAs is SQL that says all of a value in another way than the protocol of prepared statements does.
func askedAs(column checksum.Column) string {
	name := schema.QuoteIdentifier(column.Name)
	switch column.Kind {
	case schema.KindFloat, schema.KindDouble:
		return name + " + 0e0" // DOUBLE comes as text with as many digits as make it exact
	case schema.KindText, schema.KindBinary, schema.KindGeometry, schema.KindEnum, schema.KindSet, schema.KindJSON:
		return "IF(LENGTH(" + name + ") > 10000, MD5(" + name + "), LOWER(HEX(" + name + ")))"
	case schema.KindBit:
		return "CAST(" + name + " + 0 AS CHAR)"
	case schema.KindInteger, schema.KindYear:
		return "CAST(" + name + " + 0 AS CHAR)" // without leading zeros
	default:
		return "CAST(" + name + " AS CHAR)"
	}
}

// inWords is what the server answers to askedAs for a value.
func inWords(column checksum.Column, value driver.Value) string {
	v, isBytes := value.([]byte)
	switch {
	case value == nil:
		return ""
	case !isBytes:
		return fmt.Sprint(value)
	case column.Kind == schema.KindBit:
		return new(big.Int).SetBytes(v).String()
	case strings.HasPrefix(askedAs(column), "IF(") && len(v) > 10000:
		return fmt.Sprintf("%x", md5.Sum(v))
	case strings.HasPrefix(askedAs(column), "IF("):
		return hex.EncodeToString(v)
	default:
		return string(v)
	}
}

// sameAnswer compares the two, floating-point numbers bit by bit whatever their spelling.
func sameAnswer(column checksum.Column, value driver.Value, answer string) bool {
	number, err := strconv.ParseFloat(answer, 64)
	switch v := value.(type) {
	case float32:
		return err == nil && number == float64(v)
	case float64:
		return err == nil && number == v
	default:
		return inWords(column, value) == answer
	}
}

// TestNegativeZero: MariaDB stores 0 where a statement gives it -0.0, in whatever form. ATAN2 tells the two apart, which
// text does not. A -0.0 that came by another way (an imported tablespace) is sent as 0 by both protocols, and not seen.
func TestNegativeZero(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{Replicas: -1})
	n := tp.Source
	n.Exec(t, "CREATE DATABASE nz", "CREATE TABLE nz.z (f FLOAT, d DOUBLE)", "INSERT INTO nz.z VALUES (-0e0, -0e0), ('-0', '-0'), (0e0 * -1, 0e0 * -1)")
	writing, err := openServer(t, n).Session(t.Context(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer writing.Close()
	negative := math.Copysign(0, -1)
	if err := writing.Exec(t.Context(), "INSERT INTO nz.z VALUES (?, ?)", negative, negative); err != nil {
		t.Fatal(err)
	}
	if got := n.Value(t, "SELECT ATAN2(-0e0, -1) < 0"); got != "1" {
		t.Errorf("ATAN2 does not tell -0.0 from 0: %s", got)
	}
	if got := n.Value(t, "SELECT COUNT(*) FROM nz.z WHERE ATAN2(f, -1) > 0 AND ATAN2(d, -1) > 0"); got != "4" {
		t.Errorf("%s of 4 rows hold 0", got)
	}
}

// TestNoChunkKeepsTheMetadataLock: a table can be altered at any time while read sessions hold their snapshots; the
// reader then learns that the table has changed, and lets go of the lock after that too.
func TestNoChunkKeepsTheMetadataLock(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{Replicas: -1})
	n := tp.Source
	n.Exec(t, "CREATE DATABASE mdl")
	on := openServer(t, n)
	// What changes no stored row leaves the snapshot as it is: the reader goes on and reads the same.
	for i, change := range []struct {
		alter    string
		rebuilds bool
	}{
		{"ADD COLUMN more INT", false}, {"MODIFY c VARCHAR(300) NOT NULL", false}, {"ADD UNIQUE KEY (v)", false},
		{"FORCE", true}, {"ADD COLUMN more INT FIRST, ALGORITHM=COPY", true}, {"MODIFY c VARCHAR(20) COLLATE utf8mb4_bin NOT NULL", true},
	} {
		t.Run(change.alter, func(t *testing.T) {
			table := fmt.Sprintf("t%d", i)
			n.Exec(t, fmt.Sprintf("CREATE TABLE mdl.%s (c VARCHAR(20) NOT NULL PRIMARY KEY, v INT) SELECT CONCAT('k', seq) AS c, seq AS v FROM mdl.seq_1_to_100", table))
			layout := layoutOf(t, loadSchema(t, on), "mdl", table)
			session, other, splitting := readSession(t, on, true), readSession(t, on, true), readSession(t, on, false)
			reader, second := checksum.NewReader(layout, session), checksum.NewReader(layout, other)
			chunks := split(t, splitting, layout, 10)
			for _, chunk := range chunks[:3] {
				digest(t, reader, chunk)
				if _, err := checksum.Compare(t.Context(), reader, second, chunk); err != nil {
					t.Fatal(err)
				}
			}
			promptly := func(statement string) {
				t.Helper()
				n.Exec(t, "SET lock_wait_timeout=1", statement) // fails where a reader keeps the lock
			}
			before := digest(t, reader, chunks[1])
			promptly("ALTER TABLE mdl." + table + " " + change.alter)
			after, err := reader.Digest(t.Context(), chunks[1])
			switch {
			case change.rebuilds && !server.IsTableChanged(err):
				t.Errorf("reading after ALTER … %s: %v, want the error of a changed table", change.alter, err)
			case !change.rebuilds && (err != nil || after != before):
				t.Errorf("reading after ALTER … %s: %+v, %v, before it %+v", change.alter, after, err, before)
			}
			promptly("DROP TABLE mdl." + table)
		})
	}
}

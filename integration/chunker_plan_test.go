package integration

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"trueup/check"
	"trueup/checksum"
	"trueup/chunker"
	"trueup/server"
)

// statusOf is some of the session's counters: rows read by way of an index, rows read without one, sorts.
func statusOf(t testing.TB, session *server.Session) (indexed, unindexed, sorts int64) {
	t.Helper()
	records, err := session.Records(context.Background(), "SHOW SESSION STATUS WHERE Variable_name LIKE 'Handler_read%' OR Variable_name LIKE 'Sort_%'")
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		name := record.Text("Variable_name")
		value, _ := strconv.ParseInt(record.Text("Value"), 10, 64)
		switch {
		case strings.HasPrefix(name, "Sort_"):
			sorts += value
		case strings.HasPrefix(name, "Handler_read_rnd"):
			unindexed += value
		default:
			indexed += value
		}
	}
	return indexed, unindexed, sorts
}

// cost is what a piece of work cost the session.
func cost(t testing.TB, session *server.Session, work func()) (indexed, unindexed, sorts int64) {
	t.Helper()
	indexed, unindexed, sorts = statusOf(t, session)
	work()
	// SHOW STATUS fills a temporary table and reads it: what it costs itself is taken off again.
	a, b, c := statusOf(t, session)
	x, y, z := statusOf(t, session)
	return a - indexed - (x - a), b - unindexed - (y - b), c - sorts - (z - c)
}

// plannedKeys are composite keys with few values in the columns before the last: type and value for number i.
var plannedKeys = []struct{ name, lead, leadOf, tail, tailOf string }{
	{"int", "INT", "x", "INT", "i"},
	{"year", "YEAR", "2000+x", "SMALLINT UNSIGNED", "i"},
	{"bigint", "BIGINT UNSIGNED", "CAST(9223372036854775806 AS UNSIGNED)+x", "BIGINT UNSIGNED", "CAST(18446744073709500000 AS UNSIGNED)+i"},
	{"decimal", "DECIMAL(65,30)", "x/3-1", "DECIMAL(20,2)", "i/100-100"},
	{"utf8mb4", "VARCHAR(30)", "CONCAT('é',x)", "VARCHAR(30)", "CONCAT('é',MD5(i))"},
	{"utf8mb4bin", "CHAR(10) COLLATE utf8mb4_bin", "CONCAT('é',x)", "CHAR(40) COLLATE utf8mb4_bin", "CONCAT('😀',MD5(i))"},
	{"uca1400", "VARCHAR(30) COLLATE utf8mb4_uca1400_ai_ci", "CONCAT('é',x)", "VARCHAR(40) COLLATE utf8mb4_uca1400_ai_ci", "CONCAT('é',MD5(i))"},
	{"latin1", "VARCHAR(30) CHARACTER SET latin1", "CONCAT('é',x)", "CHAR(40) CHARACTER SET latin1", "CONCAT('é',MD5(i))"},
	{"ucs2", "VARCHAR(30) CHARACTER SET ucs2", "CONCAT('é',x)", "CHAR(40) CHARACTER SET ucs2", "CONCAT('я',MD5(i))"},
	{"sjis", "VARCHAR(30) CHARACTER SET sjis", "CONCAT('表',x)", "CHAR(40) CHARACTER SET sjis", "CONCAT('ソ',MD5(i))"},
	{"binary", "BINARY(4)", "CHAR(255,0,x)", "BINARY(16)", "UNHEX(MD5(i))"},
	{"varbinary", "VARBINARY(20)", "CHAR(255,0,x)", "VARBINARY(20)", "UNHEX(MD5(i))"},
	{"date", "DATE", "'2026-01-01'+INTERVAL x DAY", "DATE", "'1900-01-01'+INTERVAL i DAY"},
	{"datetime", "DATETIME(6)", "'2026-01-01'+INTERVAL x SECOND", "DATETIME(3)", "'1900-01-01'+INTERVAL i*1001000 MICROSECOND"},
	{"timestamp", "TIMESTAMP", "'2026-01-01'+INTERVAL x SECOND", "TIMESTAMP(6)", "'2026-01-01'+INTERVAL i*1000001 MICROSECOND"},
	{"double", "DOUBLE", "x/3", "DOUBLE", "i/7"},
	{"float", "FLOAT", "x/3", "FLOAT", "i/8"},
	{"bit", "BIT(9)", "x", "BIT(64)", "CAST(18446744073709500000 AS UNSIGNED)+i"},
	{"uuid", "UUID", "CONCAT('00000000-0000-4000-8000-00000000000',x)", "UUID", "CONCAT('00000000-0000-4000-8000-',LPAD(HEX(i),12,'0'))"},
	{"inet", "INET4", "CONCAT('10.0.0.',x)", "INET6", "CONCAT('2001:db8::',HEX(i))"},
	{"time", "TIME", "SEC_TO_TIME(x-2)", "TIME(2)", "SEC_TO_TIME(i/100-250)"},
}

// TestChunksReadOnlyTheirRows counts what the server reads: finding a chunk's end and reading the chunk both cost
// as many rows as the chunk has, wherever in the table it is, for keys whose first columns alone tell little.
func TestChunksReadOnlyTheirRows(t *testing.T) {
	t.Parallel()
	const rows, chunkRows = 50_000, 1_000
	tp := NewTopology(t, Options{Replicas: -1, SourceWithoutBinlog: true})
	n := tp.Source
	n.Exec(t, "CREATE DATABASE plan", fmt.Sprintf("CREATE TABLE plan.n ENGINE=MEMORY SELECT CAST(seq AS SIGNED) AS i, CAST(seq %% 5 AS SIGNED) AS x FROM plan.seq_1_to_%d", rows))
	for _, key := range plannedKeys {
		for form, columns := range map[string]string{"two": "a, c", "three": "a, b, c"} {
			n.Exec(t, "SET sql_mode='', time_zone='+00:00'", fmt.Sprintf(`CREATE TABLE plan.%s_%s (a %s NOT NULL, b INT NOT NULL, c %s NOT NULL, v INT NOT NULL, PRIMARY KEY (%s))
				SELECT %s AS a, i %% 3 AS b, %s AS c, i AS v FROM plan.n ORDER BY %s`, key.name, form, key.lead, key.tail, columns, key.leadOf, key.tailOf, columns))
		}
	}
	n.Exec(t, "CREATE TABLE plan.second (p INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(30) NOT NULL, c INT NOT NULL, UNIQUE KEY `u``k` (a, c)) SELECT CONCAT('é',x) AS a, i AS c FROM plan.n")
	n.Exec(t, "CREATE TABLE plan.falling (a INT NOT NULL, c INT NOT NULL, PRIMARY KEY (a DESC, c)) SELECT x AS a, i AS c FROM plan.n ORDER BY a DESC, c",
		"CREATE TABLE plan.chosen (c INT NOT NULL, e ENUM('z','y','x') NOT NULL, v INT, PRIMARY KEY (c, e)) SELECT i AS c, 1 + i % 3 AS e FROM plan.n ORDER BY c")
	on := openServer(t, n)
	catalog := loadSchema(t, on)
	session := readSession(t, on, true)
	for _, table := range catalog.Tables {
		if len(table.Keys) == 0 {
			continue
		}
		t.Run(table.Name, func(t *testing.T) {
			layout := layoutOf(t, catalog, "plan", table.Name)
			if table.Name == "second" {
				key, err := chunker.NewKey(table, table.Keys[1])
				if err != nil {
					t.Fatal(err)
				}
				layout = checksum.NewLayout("plan", "second", key, nil)
			}
			checkCosts(t, session, layout, rows, chunkRows)
		})
	}
}

func checkCosts(t *testing.T, session *server.Session, layout *checksum.Layout, rows, chunkRows int) {
	var chunks []chunker.Chunk
	indexed, unindexed, sorts := cost(t, session, func() { chunks = split(t, session, layout, chunkRows) })
	if most := int64(rows + 10*len(chunks)); indexed < int64(rows-chunkRows) || indexed > most || unindexed > 0 || sorts > 0 {
		t.Errorf("splitting %d rows into %d chunks read %d rows by an index, %d without, sorted %d", rows, len(chunks), indexed, unindexed, sorts)
	}
	reader := checksum.NewReader(layout, session)
	defer reader.Close()
	// Each shape of range is prepared once; the first, the last and some in the middle show all of them.
	for _, i := range []int{0, 1, len(chunks) / 3, len(chunks) / 2, len(chunks) - 2, len(chunks) - 1} {
		count := 0
		indexed, unindexed, sorts := cost(t, session, func() {
			err := reader.Rows(context.Background(), chunks[i], func([]server.Field) error { count++; return nil })
			if err != nil {
				t.Fatal(err)
			}
		})
		if indexed < int64(count) || indexed > int64(count+10) || unindexed > 0 || sorts > 0 {
			t.Errorf("chunk %d of %d, %d rows: read %d rows by an index, %d without, sorted %d", i, len(chunks), count, indexed, unindexed, sorts)
		}
	}
}

// TestSlowChunksAreNamed: where a server reads a whole index for each chunk, the check says so, and is right all the same.
// A MySQL that gives its range optimizer no room is the way to get there with keys that are otherwise read by ranges.
func TestSlowChunksAreNamed(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { slowChunks(t) }, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 5, Minor: 7, Patch: 12}})
}

func slowChunks(t *testing.T) {
	tp := NewTopology(t, Options{})
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (a INT, b INT, v INT, PRIMARY KEY (a, b))", "INSERT INTO app.t SELECT seq % 7, seq, seq FROM "+tp.Numbers(20_000))
	tp.WaitCaughtUp(t)
	request := requestFor(tp)
	request.Size = chunker.SizeOptions{Rows: 500}
	if result := runCheck(t, request); len(result.Warnings) > 0 || result.Verdict != check.Equal {
		t.Errorf("before: %s", describe(result))
	}
	tp.Replica(0).Exec(t, "SET GLOBAL range_optimizer_max_mem_size = 1")
	result := runCheck(t, request)
	if result.Verdict != check.Equal || len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], tp.Replica(0).Address()+": app.t: the server does not use key PRIMARY") {
		t.Errorf("on a replica without ranges: %s", describe(result))
	}
}

package integration

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"trueup/checksum"
	"trueup/server"
)

// damagedTables are two tables of one definition, dmg_a.t and dmg_b.t, on one server.
type damagedTables struct {
	name, keyColumns, key string
	values                func(*rand.Rand) string // of the key, as SQL
	respell               string                  // an UPDATE that writes keys otherwise, if it can
}

func words3(random *rand.Rand, alphabet ...string) string {
	var b strings.Builder
	for range 1 + random.IntN(3) {
		b.WriteString(alphabet[random.IntN(len(alphabet))])
	}
	return "'" + b.String() + "'"
}

var damaged = []damagedTables{
	{"integers", "k BIGINT UNSIGNED NOT NULL", "k", func(r *rand.Rand) string { return fmt.Sprint(^uint64(0) - uint64(r.IntN(300))) }, ""},
	{"case", "k VARCHAR(20) NOT NULL", "k", func(r *rand.Rand) string { return words3(r, "a", "B", "c", "é", "E", " ", "ß", "s", "😀") }, "k = UPPER(k)"},
	{"spaces", "k VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL", "k", func(r *rand.Rand) string { return words3(r, "a", "b", "é", " ", "\\t") }, "k = CONCAT(k, ' ')"},
	{"german", "k VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci NOT NULL", "k", func(r *rand.Rand) string { return words3(r, "ss", "ß", "ö", "oe", "a", "u") }, "k = REPLACE(k, 'ss', 'ß')"},
	{"unicode", "k VARCHAR(20) COLLATE utf8mb4_unicode_ci NOT NULL", "k", func(r *rand.Rand) string { return words3(r, "ss", "ß", "a", "á", "A", "z") }, "k = REPLACE(k, 'ss', 'ß')"},
	{"nopad", "k VARCHAR(20) COLLATE utf8mb4_uca1400_nopad_ai_ci NOT NULL", "k", func(r *rand.Rand) string { return words3(r, "ss", "ß", "a", "á", "A", " ", "が", "カ") }, "k = LOWER(k)"},
	{"ucs2", "k VARCHAR(20) CHARACTER SET ucs2 NOT NULL", "k", func(r *rand.Rand) string { return words3(r, "a", "Я", "я", "é", " ") }, "k = UPPER(k)"},
	{"composite", "k VARCHAR(20) NOT NULL, j DECIMAL(10,3) NOT NULL", "k, j", func(r *rand.Rand) string { return words3(r, "a", "B", "é") + fmt.Sprintf(", %d/8", r.IntN(8)-4) }, "k = LOWER(k)"},
	{"reversed", "j DATETIME(3) NOT NULL, k VARBINARY(9) NOT NULL", "j, k", func(r *rand.Rand) string {
		return fmt.Sprintf("'2026-01-01 00:00:00.%03d', X'%02x%s'", r.IntN(5), r.IntN(256), []string{"", "00", "20"}[r.IntN(3)])
	}, ""},
}

// create makes both tables with the same random rows and then damages the second.
func (d damagedTables) create(t testing.TB, n *Node, random *rand.Rand) {
	a, b := "dmg_a."+d.name, "dmg_b."+d.name
	insert := func(table string, count int) string {
		rows := make([]string, count)
		for i := range rows {
			rows[i] = fmt.Sprintf("(%s, %s)", d.values(random), []string{"NULL", "''", "' '", "'v'", "'V'"}[random.IntN(5)])
		}
		return fmt.Sprintf("INSERT IGNORE INTO %s (%s, v) VALUES %s", table, d.key, strings.Join(rows, ", "))
	}
	statements := []string{
		fmt.Sprintf("CREATE OR REPLACE TABLE %s (%s, v VARCHAR(5), rowno INT NOT NULL AUTO_INCREMENT, PRIMARY KEY (%s), KEY (rowno))", a, d.keyColumns, d.key),
		insert(a, 20+random.IntN(200)), fmt.Sprintf("CREATE OR REPLACE TABLE %s LIKE %s", b, a), fmt.Sprintf("INSERT INTO %s SELECT * FROM %s", b, a),
	}
	where := func() string {
		return fmt.Sprintf(" WHERE rowno %% %d = %d", 2+random.IntN(30), random.IntN(6))
	}
	for range random.IntN(6) {
		switch random.IntN(4) {
		case 0:
			statements = append(statements, "DELETE FROM "+b+where())
		case 1:
			statements = append(statements, insert(b, random.IntN(20)+1))
		case 2:
			statements = append(statements, "UPDATE "+b+" SET v = CONCAT(IFNULL(v, ''), ' ')"+where())
		case 3:
			if d.respell != "" {
				statements = append(statements, "UPDATE IGNORE "+b+" SET "+d.respell+where())
			}
		}
	}
	n.Exec(t, append([]string{"SET sql_mode=''"}, statements...)...)
}

// naive asks the server for the differences in one statement: a join by the key, values compared byte by byte.
func (d damagedTables) naive(t testing.TB, n *Node) []string {
	t.Helper()
	on, hexA, hexB := []string{}, []string{}, []string{}
	for _, column := range strings.Split(d.key, ", ") {
		on = append(on, "a."+column+" = b."+column)
		hexA, hexB = append(hexA, "HEX(CAST(a."+column+" AS BINARY))"), append(hexB, "HEX(CAST(b."+column+" AS BINARY))")
	}
	join, textA, textB := strings.Join(on, " AND "), "CONCAT_WS('/', "+strings.Join(hexA, ", ")+")", "CONCAT_WS('/', "+strings.Join(hexB, ", ")+")"
	found := firstColumn(t, n, fmt.Sprintf(`SELECT CONCAT('missing ', %[2]s) FROM dmg_a.%[1]s AS a WHERE NOT EXISTS (SELECT 1 FROM dmg_b.%[1]s AS b WHERE %[4]s)
		UNION ALL SELECT CONCAT('extra ', %[3]s) FROM dmg_b.%[1]s AS b WHERE NOT EXISTS (SELECT 1 FROM dmg_a.%[1]s AS a WHERE %[4]s)
		UNION ALL SELECT CONCAT('changed ', %[2]s, ' ', %[3]s) FROM dmg_a.%[1]s AS a JOIN dmg_b.%[1]s AS b ON %[4]s
			WHERE %[2]s <> %[3]s OR NOT HEX(a.v) <=> HEX(b.v) OR a.rowno <> b.rowno`, d.name, textA, textB, join))
	slices.Sort(found)
	return found
}

// keyText is what naive prints of a key.
func keyText(layout *checksum.Layout, row checksum.Row) string {
	parts := make([]string, len(layout.Key.Columns))
	for i := range parts {
		value, isBytes := row[i].([]byte)
		if !isBytes {
			value = fmt.Append(nil, row[i])
		}
		parts[i] = strings.ToUpper(hex.EncodeToString(value))
	}
	return strings.Join(parts, "/")
}

// compareInChunks is what Compare finds in all chunks, as naive prints it.
func compareInChunks(t testing.TB, on *server.Server, layoutA, layoutB *checksum.Layout, size int) []string {
	t.Helper()
	a, b := checksum.NewReader(layoutA, readSession(t, on, true)), checksum.NewReader(layoutB, readSession(t, on, true))
	defer func() { _, _ = a.Session().Close(), b.Session().Close() }()
	var found []string
	for _, chunk := range split(t, a.Session(), layoutA, size) {
		delta, err := checksum.Compare(t.Context(), a, b, chunk)
		if err != nil {
			t.Fatal(err)
		}
		equal, err := digest(t, a, chunk).Equal(digest(t, b, chunk))
		if err != nil || equal != delta.IsEmpty() {
			t.Errorf("chunk %d: digests equal %v, %v, but rows %+v", chunk.Index, equal, err, delta)
		}
		err = checksum.Values(t.Context(), a, b, chunk, delta, delta.Rows(), func(row checksum.Found) error {
			switch {
			case row.Replica == nil:
				found = append(found, "missing "+keyText(layoutA, row.Source))
			case row.Source == nil:
				found = append(found, "extra "+keyText(layoutA, row.Replica))
			default:
				found = append(found, "changed "+keyText(layoutA, row.Source)+" "+keyText(layoutA, row.Replica))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(found)
	return found
}

// TestCompareFindsWhatANaiveComparisonFinds damages tables at random and compares them in chunks of random size, keys
// equal under a collation but written with other bytes among them.
func TestCompareFindsWhatANaiveComparisonFinds(t *testing.T) {
	t.Parallel()
	random, _ := randomFrom(t)
	tp := NewTopology(t, Options{Replicas: -1})
	n := tp.Source
	n.Exec(t, "CREATE DATABASE dmg_a", "CREATE DATABASE dmg_b")
	on := openServer(t, n)
	differences := map[string]int{}
	for round := range 12 {
		for _, d := range damaged {
			d.create(t, n, random)
		}
		catalog := loadSchema(t, on)
		for _, d := range damaged {
			want := d.naive(t, n)
			size := []int{1, 2, 5, 30, 1000}[random.IntN(5)]
			got := compareInChunks(t, on, layoutOf(t, catalog, "dmg_a", d.name), layoutOf(t, catalog, "dmg_b", d.name), size)
			if !slices.Equal(got, want) {
				t.Fatalf("round %d, %s, chunks of %d rows:\ngot  %q\nwant %q", round, d.name, size, got, want)
			}
			for _, difference := range want {
				fields := strings.Fields(difference)
				differences[fields[0]]++
				if fields[0] == "changed" && fields[1] != fields[2] {
					differences["respelled"]++
				}
			}
		}
	}
	t.Logf("differences found: %v", differences)
	if len(differences) != 4 {
		t.Errorf("a kind of difference was never made: %v", differences)
	}
}

// TestKeysEqualUnderTheirCollation names the pairs that the random test may miss.
func TestKeysEqualUnderTheirCollation(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{Replicas: -1})
	n := tp.Source
	n.Exec(t, "CREATE DATABASE eq_a", "CREATE DATABASE eq_b")
	tests := []struct {
		collation, source, replica string
		same                       bool
	}{
		{"utf8mb4_general_ci", "'A'", "'a'", true}, {"utf8mb4_bin", "'A'", "'a'", false}, {"utf8mb4_general_ci", "'a'", "'a '", true}, {"utf8mb4_bin", "'a'", "'a '", true},
		{"utf8mb4_nopad_bin", "'a'", "'a '", false}, {"utf8mb4_general_nopad_ci", "'a'", "'a '", false}, {"utf8mb4_general_ci", "'ß'", "'ss'", false}, {"utf8mb4_general_ci", "'ß'", "'s'", true},
		{"utf8mb4_unicode_ci", "'ß'", "'ss'", true}, {"utf8mb4_uca1400_ai_ci", "'ß'", "'ss'", true}, {"utf8mb4_german2_ci", "'ä'", "'ae'", true},
		{"utf8mb4_general_ci", "'😀'", "'🐬'", true}, {"utf8mb4_unicode_520_ci", "'😀'", "'🐬'", false}, {"utf8mb4_unicode_ci", "'a\u0301'", "'á'", true},
	}
	for i, c := range tests {
		for database, value := range map[string]string{"eq_a": c.source, "eq_b": c.replica} {
			n.Exec(t, fmt.Sprintf("CREATE TABLE %s.t%d (k VARCHAR(20) COLLATE %s NOT NULL PRIMARY KEY, v INT) SELECT %s AS k, 1 AS v UNION SELECT 'zz', 2 UNION SELECT '0', 3", database, i, c.collation, value))
		}
	}
	on := openServer(t, n)
	catalog := loadSchema(t, on)
	for i, c := range tests {
		name := fmt.Sprintf("t%d", i)
		a := checksum.NewReader(layoutOf(t, catalog, "eq_a", name), readSession(t, on, true))
		b := checksum.NewReader(layoutOf(t, catalog, "eq_b", name), readSession(t, on, true))
		delta, err := checksum.Compare(t.Context(), a, b, wholeTable(a.Layout()))
		want := [3]int{1, 1, 0}
		if c.same {
			want = [3]int{0, 0, 1}
		}
		if got := [3]int{len(delta.Missing), len(delta.Extra), len(delta.Changed)}; err != nil || got != want {
			t.Errorf("%s: %s and %s: missing, extra, changed %v, want %v, %v", c.collation, c.source, c.replica, got, want, err)
		}
	}
}

// TestMemoryDoesNotGrowWithTheTable reads 200 MB with two readers at once. It is not parallel: it measures the process.
func TestMemoryDoesNotGrowWithTheTable(t *testing.T) {
	tp := NewTopology(t, Options{Replicas: -1, SourceWithoutBinlog: true})
	n := tp.Source
	const rows, rowBytes = 50_000, 4_096
	n.Exec(t, "CREATE DATABASE big", "SET unique_checks=0", fmt.Sprintf(
		"CREATE TABLE big.t (id INT PRIMARY KEY, c MEDIUMTEXT NOT NULL) SELECT seq AS id, REPEAT(MD5(seq), %d) AS c FROM big.seq_1_to_%d", rowBytes/32, rows))
	on := openServer(t, n)
	layout := layoutOf(t, loadSchema(t, on), "big", "t")
	readers := []*checksum.Reader{checksum.NewReader(layout, readSession(t, on, true)), checksum.NewReader(layout, readSession(t, on, true))}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := watchHeap(t)
	var group errgroup.Group
	digests := make([]checksum.Digest, len(readers))
	for i, reader := range readers {
		group.Go(func() (err error) {
			digests[i], err = reader.Digest(context.Background(), wholeTable(layout))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	inUse := peak()
	runtime.ReadMemStats(&after)
	if digests[0] != digests[1] || digests[0].Rows != rows || digests[0].Bytes < rows*rowBytes {
		t.Errorf("digests %+v", digests)
	}
	const mega = 1 << 20
	allocated := after.TotalAlloc - before.TotalAlloc
	t.Logf("read 2 x %d MB: heap in use at most %d MB more than before, %d MB allocated in all", digests[0].Bytes/mega, (int64(inUse)-int64(before.HeapInuse))/mega, allocated/mega)
	if inUse > before.HeapInuse+16*mega || allocated > 32*mega {
		t.Errorf("the heap grew from %d to %d bytes, %d bytes were allocated", before.HeapInuse, inUse, allocated)
	}
}

// watchHeap samples the heap; the function it returns ends that and tells the most bytes in use that were seen.
func watchHeap(t testing.TB) func() uint64 {
	done, most := make(chan struct{}), uint64(0)
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapInuse)
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	stop := sync.OnceFunc(func() { close(done); watching.Wait() })
	t.Cleanup(stop)
	return func() uint64 { stop(); return most }
}

// BenchmarkDigestRows reads and digests 100,000 rows of 195 bytes an operation, server and driver included.
func BenchmarkDigestRows(b *testing.B) {
	tp := NewTopology(b, Options{Replicas: -1, SourceWithoutBinlog: true})
	n := tp.Source
	const rows = 100_000
	n.Exec(b, "CREATE DATABASE sb", fmt.Sprintf(`CREATE TABLE sb.t (id INT UNSIGNED PRIMARY KEY, k INT NOT NULL, c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL)
		SELECT seq AS id, seq * 7 %% %d AS k, REPEAT(MD5(seq), 3) AS c, CONCAT(MD5(seq), '-', LEFT(MD5(seq), 26)) AS pad FROM sb.seq_1_to_%d`, rows, rows))
	on := openServer(b, n)
	reader := checksum.NewReader(layoutOf(b, loadSchema(b, on), "sb", "t"), readSession(b, on, true))
	whole := wholeTable(reader.Layout())
	var before, after runtime.MemStats
	b.ReportAllocs()
	runtime.ReadMemStats(&before)
	begin := time.Now()
	for b.Loop() {
		if d := digest(b, reader, whole); d.Rows != rows {
			b.Fatalf("%d rows", d.Rows)
		}
	}
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	all := float64(b.N) * rows
	b.ReportMetric(all/took.Seconds(), "rows/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/all, "allocs/row")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/all, "B/row")
}

package integration

import (
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"trueup/chunker"
	"trueup/schema"
)

// keyPart is a column of a key under test: its type and the SQL of some of its values.
type keyPart struct {
	columnType string
	fixed      []string
	random     func(*rand.Rand) string
}

func fixedPart(columnType string, values ...string) keyPart {
	return keyPart{columnType: columnType, fixed: values}
}

func (p keyPart) value(random *rand.Rand) string {
	if p.random == nil || len(p.fixed) > 0 && random.IntN(3) == 0 {
		return p.fixed[random.IntN(len(p.fixed))]
	}
	return p.random(random)
}

// integerParts are all integer types with their ends, the places where 53 and 63 bits are not enough, and values around.
func integerParts() []keyPart {
	var parts []keyPart
	for name, bits := range map[string]uint{"TINYINT": 8, "SMALLINT": 16, "MEDIUMINT": 24, "INT": 32, "BIGINT": 64} {
		least, most := -int64(1)<<(bits-1), int64(1)<<(bits-1)-1
		signed := keyPart{columnType: name, random: func(r *rand.Rand) string { return strconv.FormatInt(least+int64(r.Uint64()>>(64-bits)), 10) }}
		for _, v := range []int64{least, least + 1, -1, 0, 1, most - 1, most} {
			signed.fixed = append(signed.fixed, strconv.FormatInt(v, 10))
		}
		top := uint64(math.MaxUint64) >> (64 - bits)
		unsigned := keyPart{columnType: name + " UNSIGNED", random: func(r *rand.Rand) string { return strconv.FormatUint(r.Uint64()>>(64-bits), 10) }}
		for _, v := range []uint64{0, 1, top/2 - 1, top / 2, top/2 + 1, top/2 + 2, top - 1, top} {
			unsigned.fixed = append(unsigned.fixed, strconv.FormatUint(v, 10))
		}
		if bits == 64 {
			for _, v := range []uint64{1 << 53, 1<<53 + 1, 1<<53 + 2, 1<<63 + 1<<53, 1<<63 + 1<<53 + 1, 1<<63 + 1<<53 + 2, top - 2, top - 3} {
				unsigned.fixed = append(unsigned.fixed, strconv.FormatUint(v, 10))
			}
		}
		parts = append(parts, signed, unsigned, keyPart{columnType: name + "(5) ZEROFILL", fixed: unsigned.fixed, random: unsigned.random})
	}
	return parts
}

func numberParts() []keyPart {
	digits := func(random *rand.Rand, n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte(byte('0' + random.IntN(10)))
		}
		return b.String()
	}
	decimal := func(whole, scale int) func(*rand.Rand) string {
		return func(r *rand.Rand) string {
			return []string{"", "-"}[r.IntN(2)] + digits(r, 1+r.IntN(whole)) + "." + digits(r, scale)
		}
	}
	nines, zeros := strings.Repeat("9", 35), strings.Repeat("0", 29)
	return []keyPart{
		fixedPart("YEAR", "0", "'0000'", "1901", "1902", "1969", "1970", "1971", "1999", "2000", "2001", "2069", "2070", "2155"),
		{"DECIMAL(10,2)", []string{"0", "0.01", "-0.01", "99999999.99", "-99999999.99", "0.1", "0.10"}, decimal(8, 2)},
		{"DECIMAL(20,0)", []string{"9007199254740992", "9007199254740993", "9007199254740994", "18446744073709551615", "18446744073709551616"}, decimal(20, 0)},
		{"DECIMAL(65,30)", []string{nines + "." + nines[:30], "-" + nines + "." + nines[:30], "0." + zeros + "1", "-0." + zeros + "1", "0", nines + "." + nines[:29] + "8"}, decimal(35, 30)},
		{"DECIMAL(30,30)", []string{"0", "0." + zeros + "1", "0." + zeros + "2"}, decimal(1, 30)},
		{"DECIMAL(12,3) UNSIGNED", []string{"0", "0.001", "999999999.999"}, decimal(9, 3)},
	}
}

// words are mixed into texts: letters with and without accents, both cases, what collations ignore or expand,
// trailing spaces, control characters that sort before a space.
var words = []string{"a", "A", "b", "B", "ä", "Ä", "ae", "e", "é", "è", "E", "ß", "ss", "s", " ", "  ", "\t", "\n", "\x01", "ç", "ñ", "z", "Z", "0", "9", "_", "%", "'", "\\", "-"}

// textPart is a text column; alphabet is added to the words, and what the character set cannot hold becomes "?".
func textPart(columnType, charset, collation string, alphabet ...string) keyPart {
	alphabet = append(alphabet, words...)
	literal := func(text string) string {
		return fmt.Sprintf("CONVERT(_utf8mb4 X'%s' USING %s)", hex.EncodeToString([]byte(text)), charset)
	}
	part := keyPart{columnType: fmt.Sprintf("%s CHARACTER SET %s COLLATE %s", columnType, charset, collation)}
	for _, text := range []string{"", " ", "a", "a ", "a  b", "a\t", "A", "aa", "ss", "ß", "\\", "'"} {
		part.fixed = append(part.fixed, literal(text))
	}
	part.random = func(r *rand.Rand) string {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		return literal(b.String())
	}
	return part
}

func textParts(collations map[string]bool) []keyPart {
	wide := []string{"€", "я", "Я", "漢", "字", "か", "が", "カ", "😀", "🐬", "𝒳", "\u0301", "\u200b", "ﬁ", "Ǆ", "ı", "İ"}
	japanese := []string{"漢", "字", "か", "が", "カ", "ｶ", "ー", "表", "ソ", "能"}
	var parts []keyPart
	for _, c := range []struct {
		columnType, charset, collation string
		alphabet                       []string
	}{
		{"VARCHAR(20)", "utf8mb4", "utf8mb4_general_ci", wide}, {"CHAR(20)", "utf8mb4", "utf8mb4_general_ci", wide},
		{"VARCHAR(20)", "utf8mb4", "utf8mb4_unicode_ci", wide}, {"VARCHAR(20)", "utf8mb4", "utf8mb4_unicode_520_ci", wide},
		{"VARCHAR(20)", "utf8mb4", "utf8mb4_bin", wide}, {"CHAR(20)", "utf8mb4", "utf8mb4_bin", wide},
		{"VARCHAR(20)", "utf8mb4", "utf8mb4_nopad_bin", wide},
		{"VARCHAR(20)", "utf8mb4", "utf8mb4_unicode_nopad_ci", wide},
		{"VARCHAR(20)", "utf8mb4", "utf8mb4_uca1400_ai_ci", wide}, {"CHAR(20)", "utf8mb4", "utf8mb4_uca1400_as_cs", wide},
		{"VARCHAR(20)", "utf8mb4", "utf8mb4_uca1400_nopad_as_ci", wide}, {"VARCHAR(20)", "utf8mb4", "utf8mb4_czech_ci", append(wide, "ch", "c", "h")},
		{"VARCHAR(20)", "utf8mb4", "utf8mb4_uca1400_spanish2_ai_ci", append(wide, "ch", "ll", "ñ")},
		{"VARCHAR(20)", "utf8mb3", "utf8mb3_general_ci", wide[:11]}, {"CHAR(20)", "utf8mb3", "utf8mb3_bin", wide[:11]},
		{"VARCHAR(20)", "latin1", "latin1_swedish_ci", nil}, {"CHAR(20)", "latin1", "latin1_german1_ci", []string{"ö", "ü", "€"}},
		{"VARCHAR(20)", "latin1", "latin1_german2_ci", []string{"ö", "ü", "oe"}}, {"VARCHAR(20)", "latin1", "latin1_bin", []string{"ö", "ÿ"}},
		{"VARCHAR(20)", "latin2", "latin2_czech_cs", []string{"č", "ch", "ř"}},
		{"VARCHAR(20)", "ucs2", "ucs2_general_ci", wide[:8]}, {"CHAR(20)", "ucs2", "ucs2_bin", wide[:8]},
		{"VARCHAR(20)", "utf16", "utf16_general_ci", wide}, {"CHAR(20)", "utf16", "utf16_unicode_ci", wide}, {"VARCHAR(20)", "utf16", "utf16_bin", wide},
		{"VARCHAR(20)", "utf16le", "utf16le_general_ci", wide}, {"VARCHAR(20)", "utf32", "utf32_unicode_ci", wide},
		{"VARCHAR(20)", "cp1251", "cp1251_general_ci", []string{"я", "Я", "ж", "ё", "Ё"}}, {"VARCHAR(20)", "koi8r", "koi8r_bin", []string{"я", "ж"}},
		{"VARCHAR(20)", "sjis", "sjis_japanese_ci", japanese}, {"CHAR(20)", "sjis", "sjis_bin", japanese}, {"VARCHAR(20)", "cp932", "cp932_japanese_ci", japanese},
		{"VARCHAR(20)", "ujis", "ujis_japanese_ci", japanese}, {"VARCHAR(20)", "gbk", "gbk_chinese_ci", []string{"漢", "字", "中", "國", "縗", "誠"}},
		{"VARCHAR(20)", "big5", "big5_chinese_ci", []string{"漢", "字", "功", "許", "蓋"}}, {"VARCHAR(20)", "tis620", "tis620_thai_ci", []string{"ก", "เ", "แ", "่"}},
		{"VARCHAR(20)", "ascii", "ascii_general_ci", nil}, {"CHAR(20)", "ascii", "ascii_bin", nil},
	} {
		if collations[c.collation] {
			parts = append(parts, textPart(c.columnType, c.charset, c.collation, c.alphabet...))
		}
	}
	// Every other character set, in its default collation.
	for _, collation := range []string{"armscii8_general_ci", "big5_bin", "cp1250_general_ci", "cp1256_general_ci", "cp1257_general_ci", "cp850_general_ci", "cp852_general_ci",
		"cp866_general_ci", "dec8_swedish_ci", "eucjpms_japanese_ci", "euckr_korean_ci", "gb18030_chinese_ci", "gb2312_chinese_ci", "geostd8_general_ci", "greek_general_ci",
		"hebrew_general_ci", "hp8_english_ci", "keybcs2_general_ci", "koi8u_general_ci", "latin5_turkish_ci", "latin7_general_ci", "macce_general_ci", "macroman_general_ci",
		"swe7_swedish_ci"} {
		if collations[collation] {
			charset, _, _ := strings.Cut(collation, "_")
			parts = append(parts, textPart("VARCHAR(20)", charset, collation, "漢", "字", "ö", "ü", "ğ", "я", "Ω", "ω", "א", "š", "ž", "€", "한"))
		}
	}
	return parts
}

// exactParts are the types whose bounds are numbers of another type, or that only MariaDB has.
func exactParts() []keyPart {
	hexDigits := func(r *rand.Rand, n int) string {
		return fmt.Sprintf("%032x", r.Uint64())[32-n:]
	}
	// Values that single precision holds as they are; -0 is stored as 0.
	singles := []string{"0", "0.5", "-0.5", "16777216", "16777218", "-3.4028234663852886e38", "3.4028234663852886e38", "1.401298464324817e-45", "0.1"}
	bits := func(width int) keyPart {
		return keyPart{fmt.Sprintf("BIT(%d)", width), []string{"0", "1", fmt.Sprintf("b'%s'", strings.Repeat("1", width))},
			func(r *rand.Rand) string { return fmt.Sprintf("b'%0*b'", width, r.Uint64()>>(64-width)) }}
	}
	return []keyPart{
		{"FLOAT", singles, func(r *rand.Rand) string { return strconv.FormatFloat(float64(r.Float32()), 'g', -1, 32) }},
		{"DOUBLE", append(singles, "1.7976931348623157e308", "2.2250738585072014e-308", "0.30000000000000004"),
			func(r *rand.Rand) string { return strconv.FormatFloat(r.NormFloat64(), 'g', -1, 64) }},
		bits(1), bits(9), bits(64),
		{"UUID", []string{"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'00000000-0000-0000-0000-000000000001'"}, func(r *rand.Rand) string {
			return fmt.Sprintf("'%s-%s-%x%s-8%s-%s'", hexDigits(r, 8), hexDigits(r, 4), 1+r.IntN(7), hexDigits(r, 3), hexDigits(r, 3), hexDigits(r, 12))
		}},
		{"INET4", []string{"'0.0.0.0'", "'255.255.255.255'", "'10.0.0.9'", "'10.0.0.10'"}, func(r *rand.Rand) string { return fmt.Sprintf("'10.%d.0.%d'", r.IntN(256), r.IntN(256)) }},
		{"INET6", []string{"'::'", "'::1'", "'::ffff:1.2.3.4'", "'2001:db8::9'", "'2001:db8::10'"}, func(r *rand.Rand) string { return fmt.Sprintf("'2001:db8::%s'", hexDigits(r, 4)) }},
	}
}

// trailingParts bound a range only behind another column.
func trailingParts() []keyPart {
	return []keyPart{
		fixedPart("ENUM('z','y','w','x')", "0", "1", "2", "3", "4", "'y'"),
		{"SET('b','a','d','c')", []string{"0", "1", "15"}, func(r *rand.Rand) string { return strconv.Itoa(r.IntN(16)) }},
	}
}

func binaryParts() []keyPart {
	randomBytes := func(least, most int) func(*rand.Rand) string {
		return func(r *rand.Rand) string {
			b := make([]byte, least+r.IntN(most-least+1))
			for i := range b {
				b[i] = []byte{0, 0, 1, ' ', 'a', 'A', 0x7f, 0x80, 0xff, byte(r.Uint32())}[r.IntN(10)]
			}
			return "X'" + hex.EncodeToString(b) + "'"
		}
	}
	short := []string{"X''", "X'00'", "X'0000'", "X'20'", "X'2020'", "X'61'", "X'6100'", "X'6120'", "X'41'", "X'ff'", "X'ff00'", "X'c3'", "X'c3a4'"}
	return []keyPart{
		{"BINARY(1)", short[:2], randomBytes(1, 1)}, {"BINARY(4)", short, randomBytes(0, 4)}, {"BINARY(16)", short, randomBytes(16, 16)},
		{"VARBINARY(1)", short[:2], randomBytes(0, 1)}, {"VARBINARY(20)", short, randomBytes(0, 20)}, {"VARBINARY(300)", short, randomBytes(0, 300)},
		{"CHAR(8) CHARACTER SET binary", short, randomBytes(0, 8)},
	}
}

// timeParts are the temporal types in every precision: zero dates, impossible ones, and the hour that Central
// Europe has twice.
func timeParts() []keyPart {
	quoted := func(values ...string) []string {
		for i, v := range values {
			values[i] = "'" + v + "'"
		}
		return values
	}
	dates := quoted("0000-00-00", "0000-00-01", "0000-01-01", "1000-01-01", "1969-12-31", "1970-01-01", "2026-00-00", "2026-01-00", "2026-02-28", "2026-02-31", "2026-03-01", "2028-02-29", "9999-12-31")
	parts := []keyPart{{"DATE", dates, func(r *rand.Rand) string {
		return fmt.Sprintf("'%04d-%02d-%02d'", r.IntN(3000), 1+r.IntN(12), 1+r.IntN(28))
	}}}
	moments := quoted("0000-00-00 00:00:00", "0000-00-00 00:00:00.000001", "0000-00-00 01:00:00", "1000-01-01 00:00:00", "2026-00-00 10:00:00", "2026-02-31 12:00:00",
		"2026-03-29 01:59:59.999999", "2026-03-29 02:30:00", "2026-10-25 00:30:00", "2026-10-25 01:30:00", "2026-10-25 02:30:00", "9999-12-31 23:59:59.999999")
	instants := quoted("0000-00-00 00:00:00", "1970-01-01 00:00:01", "1970-01-01 00:00:01.5", "2026-03-29 00:59:59.999999", "2026-03-29 01:00:00", "2026-10-24 23:30:00.25",
		"2026-10-25 00:30:00.25", "2026-10-25 00:59:59.999999", "2026-10-25 01:00:00", "2026-10-25 01:30:00.25", "2038-01-19 03:14:07", "2038-01-19 03:14:07.999999")
	spans := quoted("-838:59:59.999999", "-838:59:59", "-24:00:00", "-00:00:01", "-00:00:00.000001", "-00:00:00.5", "00:00:00", "00:00:00.000001", "00:00:01", "23:59:59.9", "24:00:00", "100:00:00.1", "838:59:59", "838:59:59.999999")
	for digits := range 7 {
		fraction := func(r *rand.Rand) string {
			return fmt.Sprintf("%02d:%02d:%02d.%06d", r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1e6))
		}
		parts = append(parts,
			keyPart{fmt.Sprintf("DATETIME(%d)", digits), moments, func(r *rand.Rand) string {
				return fmt.Sprintf("'2026-%02d-%02d %s'", 1+r.IntN(12), 1+r.IntN(28), fraction(r))
			}},
			keyPart{fmt.Sprintf("TIMESTAMP(%d)", digits), instants, func(r *rand.Rand) string { return fmt.Sprintf("'2026-10-25 %s'", fraction(r)) }},
			keyPart{fmt.Sprintf("TIME(%d)", digits), spans, func(r *rand.Rand) string {
				return fmt.Sprintf("'%s%d:%02d:%02d.%06d'", []string{"", "-"}[r.IntN(2)], r.IntN(838), r.IntN(60), r.IntN(60), r.IntN(1e6))
			}})
	}
	return parts
}

// keyTable is a table whose primary key has the given parts, under names that need quoting.
type keyTable struct {
	name       string
	parts      []keyPart
	names      []string
	descending []bool
}

var awkwardNames = []string{"a.b", "back`tick", "with space", "new\nline", "quo'te\"", "select", "ünïcode", "semi;colon--", "q?mark", "tab\tbed"}

func keyTables(collations map[string]bool, random *rand.Rand) []keyTable {
	all := integerParts()
	all = append(all, numberParts()...)
	all = append(all, textParts(collations)...)
	all = append(all, binaryParts()...)
	all = append(all, timeParts()...)
	all = append(all, exactParts()...)
	var tables []keyTable
	add := func(parts ...keyPart) {
		number := len(tables)
		table := keyTable{name: fmt.Sprintf("%d %s", number, awkwardNames[number%len(awkwardNames)]), parts: parts}
		for i := range parts {
			table.names = append(table.names, fmt.Sprintf("%s %d", awkwardNames[(number+i)%len(awkwardNames)], i)+"x")
			table.descending = append(table.descending, random.IntN(4) == 0)
		}
		tables = append(tables, table)
	}
	for _, part := range all {
		add(part)
	}
	long := textPart("VARCHAR(700)", "utf8mb4", "utf8mb4_unicode_ci", strings.Repeat("漢", 200), strings.Repeat("é", 170), strings.Repeat("a", 150))
	long.fixed = nil
	add(long)
	for _, last := range trailingParts() {
		for range 4 {
			add(all[random.IntN(len(all))], last)
			add(all[random.IntN(len(all))], last, all[random.IntN(len(all))])
		}
	}
	for range 40 {
		add(all[random.IntN(len(all))], all[random.IntN(len(all))])
		add(all[random.IntN(len(all))], all[random.IntN(len(all))], all[random.IntN(len(all))])
	}
	return tables
}

// create makes the table in both databases: "ckr" gets all rows, "ck" those that are neither the first two nor the
// last two nor every third.
func (k keyTable) create(t testing.TB, n *Node, random *rand.Rand) {
	var definition, list, key strings.Builder
	for i, part := range k.parts {
		fmt.Fprintf(&definition, "%s %s NOT NULL, ", schema.QuoteIdentifier(k.names[i]), part.columnType)
		fmt.Fprintf(&list, ", %s", schema.QuoteIdentifier(k.names[i]))
		fmt.Fprintf(&key, ", %s %s", schema.QuoteIdentifier(k.names[i]), map[bool]string{true: "DESC"}[k.descending[i]])
	}
	columns, ordered := list.String()[2:], key.String()[2:]
	source, replica := schema.QuoteTable("ck", k.name), schema.QuoteTable("ckr", k.name)
	body := fmt.Sprintf("(%srowno INT NOT NULL AUTO_INCREMENT, PRIMARY KEY (%s), KEY (rowno))", definition.String(), ordered)
	// Few values of a leading column, so that the columns after it matter.
	pools := make([][]string, len(k.parts))
	for i, part := range k.parts {
		pools[i] = append(pools[i], part.fixed...)
		for range 30 {
			pools[i] = append(pools[i], part.value(random))
		}
		if len(k.parts) > 1 {
			random.Shuffle(len(pools[i]), func(a, b int) { pools[i][a], pools[i][b] = pools[i][b], pools[i][a] })
			pools[i] = pools[i][:min(len(pools[i]), 4+4*i)]
		}
	}
	var rows []string
	for r := range 45 {
		values := make([]string, len(pools))
		for i, pool := range pools {
			values[i] = pool[random.IntN(len(pool))]
			if len(pools) == 1 {
				values[i] = pool[r%len(pool)]
			}
		}
		rows = append(rows, "("+strings.Join(values, ", ")+")")
	}
	n.Exec(t, "SET sql_mode='ALLOW_INVALID_DATES', time_zone='+00:00'",
		"CREATE TABLE "+replica+" "+body, "CREATE TABLE "+source+" "+body,
		fmt.Sprintf("INSERT IGNORE INTO %s (%s) VALUES %s", replica, columns, strings.Join(rows, ", ")),
		fmt.Sprintf(`INSERT INTO %s SELECT %s, rowno FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY %s) AS place, COUNT(*) OVER () AS places FROM %s) AS x
			WHERE place > 2 AND place < places - 1 AND place %% 3 <> 0`, source, columns, ordered, replica))
}

// TestChunksHoldEveryRowOnce covers every type of key, in chunks of several sizes: read one after the other, the
// chunks hold what the whole table holds, on the server that was split and on one with more rows between the bounds
// and beyond both ends.
func TestChunksHoldEveryRowOnce(t *testing.T) {
	t.Parallel()
	random, _ := randomFrom(t)
	tp := NewTopology(t, Options{Replicas: -1})
	n := tp.Source
	n.Exec(t, "CREATE DATABASE ck", "CREATE DATABASE ckr", "SET GLOBAL time_zone='+05:30'")
	collations := map[string]bool{}
	for _, row := range n.Query(t, "SELECT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY") {
		collations[row[0]] = true
	}
	tables := keyTables(collations, random)
	for _, table := range tables {
		table.create(t, n, random)
	}
	on := openServer(t, n)
	catalog := loadSchema(t, on)
	splitting, reading := readSession(t, on, false), readSession(t, on, true)
	for _, table := range tables {
		var types []string
		for i, part := range table.parts {
			types = append(types, part.columnType+map[bool]string{true: " DESC"}[table.descending[i]])
		}
		t.Run(strings.Join(types, ","), func(t *testing.T) {
			source, replica := layoutOf(t, catalog, "ck", table.name), layoutOf(t, catalog, "ckr", table.name)
			wantSource, wantReplica := orderedNumbers(t, n, source), orderedNumbers(t, n, replica)
			if len(wantReplica) <= len(wantSource) {
				t.Fatalf("%d rows on the source, %d on the replica: nothing to find", len(wantSource), len(wantReplica))
			}
			for _, rows := range []int{1, 2, 3, 7, 1000} {
				chunks := split(t, splitting, source, rows)
				// Days that the calendar does not have (02-31) bound nothing.
				full := len(wantSource)/rows + 1
				if len(chunks) != full && !(strings.Contains(t.Name(), "DATE") && len(chunks) < full) {
					t.Errorf("%d rows in chunks of %d make %d chunks, want %d", len(wantSource), rows, len(chunks), full)
				}
				checkChunks(t, reading, source, chunks, wantSource)
				checkChunks(t, reading, replica, chunks, wantReplica)
				if t.Failed() {
					t.Fatalf("with chunks of %d rows", rows)
				}
			}
		})
	}
}

// TestCharNoPadIsOrderedInTwoWays is why chunker.NewKey refuses such keys: once it fails on every supported version, they
// need no refusal.
func TestCharNoPadIsOrderedInTwoWays(t *testing.T) {
	t.Parallel()
	n := NewTopology(t, Options{Replicas: -1}).Source
	n.Exec(t, "CREATE DATABASE np", "CREATE TABLE np.t (k CHAR(9) COLLATE utf8mb4_nopad_bin NOT NULL PRIMARY KEY)", "INSERT INTO np.t VALUES ('a'), ('a\t')")
	count := func(hint string) string {
		return n.Value(t, "SELECT COUNT(*) FROM np.t "+hint+" INDEX (PRIMARY) WHERE k > _utf8mb4'a' COLLATE utf8mb4_nopad_bin")
	}
	if forced, ignored := count("FORCE"), count("IGNORE"); forced != "0" || ignored != "1" {
		t.Errorf("the row above 'a' is found %s times by the index and %s times without", forced, ignored)
	}
	catalog := loadSchema(t, openServer(t, n))
	table, _ := catalog.Table("np", "t")
	if _, err := chunker.NewKey(table, table.Keys[0]); err == nil {
		t.Error("the key is accepted")
	}
}

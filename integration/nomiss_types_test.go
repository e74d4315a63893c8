package integration

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"trueup/server"
)

// class is a family of column types whose values are read and written in the same way.
type class string

const (
	integers   class = "integer"
	years      class = "year"
	decimals   class = "decimal"
	floats     class = "float"
	doubles    class = "double"
	bits       class = "bit"
	dates      class = "date"
	spans      class = "time"
	datetimes  class = "datetime"
	timestamps class = "timestamp"
	texts      class = "text"
	binaries   class = "binary"
	enums      class = "enum"
	sets       class = "set"
	documents  class = "json"
	geometries class = "geometry"
	networks   class = "address" // INET4, INET6, UUID
)

// exactForms are, per class, the expression of a column that gives text which two values share only when they are the same
// value. They are of the server's making alone: nothing of the product is in them.
var exactForms = map[class]string{
	integers: "CONCAT($ + 0)", years: "CONCAT($ + 0)", bits: "CONCAT($ + 0)", decimals: "CONCAT($)",
	// A product is a DOUBLE and keeps the sign of -0. MySQL prints it in 22 characters: generated ones have no more.
	floats: "CONCAT($ * 1e0)", doubles: "CONCAT($ * 1e0)",
	dates: "CONCAT($)", spans: "CONCAT($)", datetimes: "CONCAT($)", timestamps: "CONCAT($)",
	texts: "HEX($)", binaries: "HEX($)", geometries: "HEX($)", networks: "CONCAT($)",
	// A value of index 0 and a member that is empty are one text.
	enums: "CONCAT($ + 0, ':', HEX($))", sets: "CONCAT($ + 0, ':', HEX($))",
	documents: "HEX(CONVERT($ USING utf8mb4))",
}

// columnKind is a column's type with values for it.
type columnKind struct {
	keyPart
	class   class
	charset string
	ci      bool // unequal bytes may be equal under its collation
	scale   int  // of decimals; fractional digits of times
	keyable bool // a key of it can split a table
}

// exact is the exact form of an expression of the kind.
func (k columnKind) exact(expression string) string {
	return strings.ReplaceAll(exactForms[k.class], "$", expression)
}

// literal is the SQL of a value of which the exact form is given.
func (k columnKind) literal(exact string) string {
	switch k.class {
	case integers, years, bits, decimals:
		return exact
	case floats, doubles:
		if strings.Contains(exact, "e") {
			return exact
		}
		return exact + "e0"
	case texts:
		return "_" + k.charset + " X'" + exact + "'"
	case binaries, geometries:
		return "X'" + exact + "'"
	case documents:
		return "_utf8mb4 X'" + exact + "'"
	case enums, sets:
		index, _, _ := strings.Cut(exact, ":")
		return index
	default:
		return "'" + exact + "'"
	}
}

// kindPool is what the columns of generated tables are chosen from.
type kindPool struct {
	byClass map[class][]columnKind
	classes []class // sorted: a seed must choose the same in every run
	keyable []columnKind
}

// poolOf is the pool for a server with the given collations.
func poolOf(on ServerRow, collations map[string]bool) *kindPool {
	all := slices.Concat(kindsOf(integerParts(), kindOfInteger), kindsOf(numberParts(), kindOfNumber), kindsOf(textParts(collations), kindOfText),
		kindsOf(longTextParts(collations), kindOfLongText), kindsOf(binaryParts(), kindOfBinary), kindsOf(timeParts(), kindOfTime), plainKinds(), kindsOfServer(on))
	slices.SortStableFunc(all, func(a, b columnKind) int { return strings.Compare(a.columnType, b.columnType) })
	pool := &kindPool{byClass: map[class][]columnKind{}}
	for _, kind := range all {
		if pool.byClass[kind.class] == nil {
			pool.classes = append(pool.classes, kind.class)
		}
		pool.byClass[kind.class] = append(pool.byClass[kind.class], kind)
		if kind.keyable {
			pool.keyable = append(pool.keyable, kind)
		}
	}
	slices.Sort(pool.classes)
	return pool
}

// any chooses a class first, so that the many text and time types do not leave the others out.
func (p *kindPool) any(random *rand.Rand) columnKind {
	return pick(random, p.byClass[pick(random, p.classes)])
}

// suiting lists the kinds that meet a condition, in the pool's order.
func (p *kindPool) suiting(suits func(columnKind) bool) []columnKind {
	var found []columnKind
	for _, c := range p.classes {
		for _, kind := range p.byClass[c] {
			if suits(kind) {
				found = append(found, kind)
			}
		}
	}
	return found
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

func kindsOf(parts []keyPart, kindOf func(keyPart) columnKind) []columnKind {
	var kinds []columnKind
	for _, part := range parts {
		kinds = append(kinds, kindOf(part))
	}
	return kinds
}

func kindOfInteger(part keyPart) columnKind {
	return columnKind{keyPart: part, class: integers, keyable: true}
}

func kindOfNumber(part keyPart) columnKind {
	kind := columnKind{keyPart: part, class: years, keyable: true}
	if _, arguments, ok := strings.Cut(part.columnType, "DECIMAL("); ok {
		kind.class = decimals
		digits, _, _ := strings.Cut(arguments, ")")
		_, scale, _ := strings.Cut(digits, ",")
		kind.scale, _ = strconv.Atoi(scale)
	}
	return kind
}

// kindOfText reads "VARCHAR(20) CHARACTER SET x COLLATE y".
func kindOfText(part keyPart) columnKind {
	words := strings.Fields(part.columnType)
	collation := words[len(words)-1]
	return columnKind{keyPart: part, class: texts, charset: words[3], ci: strings.Contains(collation, "_ci"), keyable: true}
}

func kindOfLongText(part keyPart) columnKind {
	kind := kindOfText(part)
	kind.keyable = false
	return kind
}

func longTextParts(collations map[string]bool) []keyPart {
	parts := []keyPart{
		textPart("TEXT", "utf8mb4", "utf8mb4_general_ci", "€", "😀", strings.Repeat("long ", 60)), textPart("MEDIUMTEXT", "utf8mb4", "utf8mb4_bin", "漢"),
		textPart("LONGTEXT", "latin1", "latin1_swedish_ci", "€"), textPart("TINYTEXT", "ucs2", "ucs2_general_ci", "я"), textPart("TEXT", "sjis", "sjis_japanese_ci", "表", "ソ"),
	}
	if collations["utf8mb4_0900_ai_ci"] {
		parts = append(parts, textPart("TEXT", "utf8mb4", "utf8mb4_0900_ai_ci", "é", "😀"))
	}
	return parts
}

func kindOfBinary(part keyPart) columnKind {
	return columnKind{keyPart: part, class: binaries, keyable: true}
}

// kindOfTime reads "DATE" and "DATETIME(3)".
func kindOfTime(part keyPart) columnKind {
	name, digits, _ := strings.Cut(part.columnType, "(")
	kind := columnKind{keyPart: part, class: class(strings.ToLower(name)), keyable: true}
	kind.scale, _ = strconv.Atoi(strings.TrimSuffix(digits, ")"))
	return kind
}

// plainKinds are the types that every server has and that no key of theirs can split a table.
func plainKinds() []columnKind {
	number := func(r *rand.Rand) float64 { return r.NormFloat64() * math.Pow(10, float64(r.IntN(30)-15)) }
	point := func(r *rand.Rand) string {
		return fmt.Sprintf("ST_GeomFromText('POINT(%d %d)')", r.IntN(90), r.IntN(90))
	}
	kinds := []columnKind{
		{keyPart: keyPart{"FLOAT", []string{"0", "16777216", "16777217e3", "1e-38", "3.4e38", "-0.1e0", "33.333332e0"},
			func(r *rand.Rand) string { return strconv.FormatFloat(r.NormFloat64()*1000, 'e', -1, 32) }}, class: floats},
		{keyPart: keyPart{"DOUBLE", []string{"0", "66.66666666666667e0", "1.7976931348623157e308", "-2.5e-300", "9007199254740993", "0.1e0"},
			func(r *rand.Rand) string { return strconv.FormatFloat(number(r), 'e', 14, 64) }}, class: doubles},
		{keyPart: keyPart{"ENUM('a','b','ä','B2','')", []string{"1", "2", "3", "4", "5"}, nil}, class: enums},
		{keyPart: keyPart{"ENUM('x','y') CHARACTER SET latin1", []string{"0", "1", "2"}, nil}, class: enums},
		{keyPart: keyPart{"SET('x','y','z')", []string{"0", "1", "2", "3", "7"}, nil}, class: sets},
		{keyPart: keyPart{"GEOMETRY", []string{"ST_GeomFromText('LINESTRING(0 0, 1 1, 2 0)')", "ST_GeomFromText('POINT(1 2)', 3857)"}, point}, class: geometries},
		{keyPart: keyPart{"POINT", []string{"ST_GeomFromText('POINT(1 2)')"}, point}, class: geometries},
	}
	for _, width := range []uint{1, 8, 9, 33, 64} {
		kinds = append(kinds, columnKind{class: bits, keyPart: keyPart{fmt.Sprintf("BIT(%d)", width), []string{"0", "1", strconv.FormatUint(math.MaxUint64>>(64-width), 10)},
			func(r *rand.Rand) string { return strconv.FormatUint(r.Uint64()>>(64-width), 10) }}})
	}
	for _, name := range []string{"BLOB", "TINYBLOB", "LONGBLOB"} {
		kinds = append(kinds, columnKind{class: binaries, keyPart: keyPart{name, []string{"X''", "X'00'", "X'20'", "X'0000'"},
			func(r *rand.Rand) string { return fmt.Sprintf("X'%016x'", r.Uint64()) }}})
	}
	return kinds
}

// kindsOfServer are the types that only some servers have.
func kindsOfServer(on ServerRow) []columnKind {
	var kinds []columnKind
	document := func(r *rand.Rand) string {
		return fmt.Sprintf(`'{"n": %d, "list": [%d, null, "café"]}'`, r.IntN(100), r.IntN(3))
	}
	if on.IsMariaDB(10, 2, 7) || on.IsMySQL(5, 7, 8) {
		kinds = append(kinds, columnKind{class: documents, keyPart: keyPart{"JSON", []string{`'{"a": 1, "b": 2}'`, `'[1, 2]'`, `'null'`, `'1.0'`, `'{}'`}, document}})
	}
	if on.IsMariaDB(10, 10, 0) {
		address := func(r *rand.Rand) string { return fmt.Sprintf("'10.0.%d.%d'", r.IntN(3), r.IntN(256)) }
		kinds = append(kinds, columnKind{class: networks, keyPart: keyPart{"INET4", []string{"'0.0.0.0'", "'255.255.255.255'"}, address}})
	}
	if on.IsMariaDB(10, 5, 0) {
		address := func(r *rand.Rand) string { return fmt.Sprintf("'2001:db8::%x'", 1+r.IntN(65535)) }
		kinds = append(kinds, columnKind{class: networks, keyPart: keyPart{"INET6", []string{"'::'", "'::ffff:1.2.3.4'"}, address}})
	}
	if on.IsMariaDB(10, 7, 0) {
		uuid := func(r *rand.Rand) string { return fmt.Sprintf("'%08x-0000-4000-8000-%012x'", r.Uint32(), r.Uint32()) }
		kinds = append(kinds, columnKind{class: networks, keyPart: keyPart{"UUID", []string{"'00000000-0000-0000-0000-000000000000'"}, uuid}})
	}
	if on.Flavor == server.MySQL && on.IsMySQL(8, 0, 0) {
		for _, collation := range []string{"utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", "utf8mb4_0900_bin"} {
			kinds = append(kinds, kindOfText(textPart("VARCHAR(20)", "utf8mb4", collation, "é", "€", "😀", "漢")), kindOfText(textPart("CHAR(20)", "utf8mb4", collation, "é", "😀")))
		}
	}
	return kinds
}

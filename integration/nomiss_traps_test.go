package integration

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"trueup/server"
)

// trap is a kind of damage that a comparison may fail to see, or see as something else.
type trap struct {
	name     string
	flavor   server.Flavor                  // UnknownFlavor: both families
	suits    func(columnKind) bool          // of which kinds of column it needs one; nil: of none
	where    place                          // of these columns
	columns  int                            // 0: one
	nullable bool                           // the column has to be
	maybe    bool                           // whether it takes effect is up to the server
	pair     func(columnKind) (a, b string) // SQL of the value that rows have, and of the one that damage makes of it
	plan     func(*damager)                 // the damage, where it is not that one row gets the other value of the pair
}

// place is where a trap's columns are.
type place int

const (
	inData place = iota
	inKey
)

func (t *trap) dataColumns() int {
	if t.suits == nil || t.where == inKey {
		return 0
	}
	return max(1, t.columns)
}

// trapsOf are the traps of a server, in an order that depends on nothing else.
func trapsOf(on ServerRow) []trap {
	return slices.DeleteFunc(slices.Concat(numberTraps, textTraps, timeTraps, otherTraps, rowTraps), func(t trap) bool {
		return t.flavor != server.UnknownFlavor && t.flavor != on.Flavor ||
			strings.HasPrefix(t.name, "JSON") && !on.IsMariaDB(10, 2, 7) && !on.IsMySQL(5, 7, 8) || t.name == addressTrap && !on.IsMariaDB(10, 5, 0)
	})
}

func always(a, b string) func(columnKind) (string, string) {
	return func(columnKind) (string, string) { return a, b }
}

func ofClass(classes ...class) func(columnKind) bool {
	return func(k columnKind) bool { return slices.Contains(classes, k.class) }
}

func ofType(prefix string) func(columnKind) bool {
	return func(k columnKind) bool { return strings.HasPrefix(k.columnType, prefix) }
}

// neighbours are a number and the next one that the type can hold.
func neighbours(v, next float64) func(columnKind) (string, string) {
	text := func(v float64) string { return strconv.FormatFloat(v, 'e', -1, 64) }
	return always(text(v), text(next))
}

var numberTraps = []trap{
	{name: "FLOAT beyond six digits", suits: ofClass(floats), pair: always("16777216", "16777218")},
	{name: "last bit of a FLOAT", suits: ofClass(floats), pair: neighbours(float64(float32(33.333332)), float64(math.Nextafter32(33.333332, 100)))},
	{name: "last bit of a DOUBLE", suits: ofClass(doubles), pair: neighbours(66.66666666666667, math.Nextafter(66.66666666666667, 100))},
	// MariaDB's servers send 0 for both.
	{name: "sign of zero", flavor: server.MySQL, suits: ofClass(doubles), pair: always("0e0", "-0e0")},
	{name: "integer beyond 53 bits", suits: ofType("BIGINT"), pair: always("9007199254740992", "9007199254740993")},
	{name: "integer beyond 63 bits", suits: ofType("BIGINT UNSIGNED"), pair: always("18446744073709551614", "18446744073709551615")},
	{name: "sign of an integer", suits: func(k columnKind) bool { return k.class == integers && !strings.Contains(k.columnType, " ") }, pair: always("1", "-1")},
	{name: "last digit of a DECIMAL", suits: ofClass(decimals), pair: lastDigit},
	{name: "bit", suits: ofClass(bits), pair: always("0", "1")},
	{name: "zero and NULL", suits: ofClass(integers, bits, doubles), nullable: true, pair: always("0", "NULL")},
	{name: "year 0000", suits: ofClass(years), pair: always("0", "2000")},
	{name: "equal changes of an even number of rows", suits: ofClass(integers, decimals), pair: lastDigit, plan: (*damager).changeEvenly},
}

// lastDigit are two numbers that differ by the least that the column can hold.
func lastDigit(k columnKind) (a, b string) {
	if k.class == integers || k.scale == 0 {
		return "7", "8"
	}
	zeros := "0." + strings.Repeat("0", k.scale-1)
	return zeros + "1", zeros + "2"
}

func isVarText(k columnKind) bool {
	return k.class == texts && !strings.HasPrefix(k.columnType, "CHAR")
}

func isVarBinary(k columnKind) bool {
	return k.class == binaries && (strings.HasPrefix(k.columnType, "VARBINARY") || strings.HasSuffix(k.columnType, "BLOB"))
}

func isCaseless(k columnKind) bool { return k.class == texts && k.ci }

// isPadded tells whether trailing spaces mean nothing to the column's collation.
func isPadded(k columnKind) bool {
	return isVarText(k) && !strings.Contains(k.columnType, "nopad") && !strings.Contains(k.columnType, "0900")
}

// isAccentless tells whether the collation takes é for e.
func isAccentless(k columnKind) bool {
	return isVarText(k) && (strings.Contains(k.columnType, "_general_ci") || strings.Contains(k.columnType, "_unicode_ci") || strings.Contains(k.columnType, "_ai_ci")) &&
		slices.Contains([]string{"utf8mb4", "ucs2", "utf16", "utf32"}, k.charset)
}

// written is a pair of texts in the column's character set.
func written(a, b string) func(columnKind) (string, string) {
	return func(k columnKind) (string, string) {
		in := func(text string) string { return fmt.Sprintf("CONVERT(_utf8mb4 X'%x' USING %s)", text, k.charset) }
		return in(a), in(b)
	}
}

func fromNull(b string) func(columnKind) (string, string) { return always("NULL", b) }

var textTraps = []trap{
	{name: "case", suits: isCaseless, pair: written("Name", "name")},
	{name: "trailing space", suits: isVarText, pair: written("name", "name ")},
	{name: "trailing tab", suits: ofClass(texts), pair: written("name", "name\t")},
	{name: "trailing NUL", suits: isVarText, pair: written("name", "name\x00")},
	{name: "accent", suits: isAccentless, pair: written("resume", "résumé")},
	{name: "composition", suits: isAccentless, pair: written("é", "e\u0301")},
	{name: "NULL and ''", suits: ofClass(texts), nullable: true, pair: fromNull("''")},
	{name: "'' and NULL", suits: ofClass(texts), nullable: true, pair: always("''", "NULL")},
	{name: "NULL and 'NULL'", suits: ofClass(texts), nullable: true, pair: func(k columnKind) (string, string) {
		_, b := written("", "NULL")(k)
		return "NULL", b
	}},
	{name: "NULL and no bytes", suits: isVarBinary, nullable: true, pair: fromNull("X''")},
	{name: "zero byte", suits: isVarBinary, pair: always("X''", "X'00'")},
	{name: "padded byte", suits: ofType("BINARY"), pair: always("X'00'", "X'20'"), maybe: true}, // BINARY(4) stores X'00000000'
	{name: "bytes that are no text", suits: ofClass(texts), maybe: true, pair: func(k columnKind) (string, string) {
		a, _ := written("a", "")(k)
		return a, "X'61FF81'"
	}},
	{name: "separators", suits: isVarText, columns: 2, pair: written("x#y", "x"), plan: (*damager).shiftSeparator},
	{name: "key of other case", suits: isCaseless, where: inKey, pair: written("Name", "nAME")},
	{name: "key with a trailing space", suits: isPadded, where: inKey, pair: written("name", "name ")},
	{name: "key with an accent", suits: isAccentless, where: inKey, pair: written("resume", "résumé")},
}

// momentOf writes a time as a column of the kind prints it.
func momentOf(k columnKind, whole string) string {
	switch {
	case k.class == dates:
		whole, _, _ = strings.Cut(whole, " ")
	case k.scale > 0:
		whole += "." + strings.Repeat("0", k.scale)
	}
	return "'" + whole + "'"
}

func moments(a, b string) func(columnKind) (string, string) {
	return func(k columnKind) (string, string) { return momentOf(k, a), momentOf(k, b) }
}

func isMicro(k columnKind) bool {
	return k.scale == 6 && (k.class == datetimes || k.class == timestamps)
}

var timeTraps = []trap{
	{name: "microsecond", suits: isMicro, pair: always("'2026-07-01 10:00:00.000001'", "'2026-07-01 10:00:00.000002'")},
	{name: "microsecond of a TIME", suits: ofType("TIME(6)"), pair: always("'-10:00:00.000001'", "'-10:00:00.000002'")},
	{name: "sign of a TIME", suits: ofClass(spans), pair: moments("-00:00:01", "00:00:01")},
	{name: "zero date and NULL", suits: ofClass(dates, datetimes, timestamps), nullable: true, pair: func(k columnKind) (string, string) {
		return momentOf(k, "0000-00-00 00:00:00"), "NULL"
	}},
	{name: "NULL and zero date", suits: ofClass(dates, datetimes), nullable: true, pair: func(k columnKind) (string, string) {
		return "NULL", momentOf(k, "0000-00-00 00:00:00")
	}},
	{name: "day that does not exist", suits: ofClass(dates, datetimes), pair: moments("2026-02-31 00:00:00", "2026-03-03 00:00:00")},
	{name: "month zero", suits: ofClass(dates, datetimes), pair: moments("2026-00-00 00:00:00", "2026-00-01 00:00:00")},
	{name: "all moments seven hours later", suits: ofClass(datetimes), pair: moments("2026-07-01 10:00:00", ""), plan: (*damager).shiftMoments},
	{name: "hour that comes twice", suits: ofClass(timestamps), pair: moments("2026-10-25 00:30:00", "2026-10-25 01:30:00")},
}

const (
	addressTrap     = "last digit of an address"
	emptyMemberTrap = "ENUM without a value and with an empty member"
)

var otherTraps = []trap{
	{name: "ENUM without a value", suits: ofType("ENUM('x'"), pair: always("0", "1")},
	{name: "ENUM with an empty member", suits: ofType("ENUM('a'"), pair: always("5", "2")},
	{name: emptyMemberTrap, suits: ofType("ENUM('a'"), pair: always("0", "5")},
	{name: "SET without a member", suits: ofClass(sets), pair: always("0", "1")},
	{name: "SET and NULL", suits: ofClass(sets), nullable: true, pair: fromNull("0")},
	{name: "JSON white space", flavor: server.MariaDB, suits: ofClass(documents), pair: always(`'{"a": 1, "b": 2}'`, `'{"a":1,"b":2}'`)},
	{name: "JSON order", flavor: server.MariaDB, suits: ofClass(documents), pair: always(`'{"a": 1, "b": 2}'`, `'{"b": 2, "a": 1}'`)},
	// MySQL takes them for equal and may leave the row as it is.
	{name: "JSON 1 and 1.0", suits: ofClass(documents), maybe: true, pair: always(`'[1, 2]'`, `'[1.0, 2]'`)},
	{name: "SRID", suits: ofClass(geometries), pair: always("ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(1 2)', 3857)")},
	{name: addressTrap, flavor: server.MariaDB, suits: ofClass(networks), pair: func(k columnKind) (string, string) {
		switch k.columnType {
		case "INET4":
			return "'10.0.0.1'", "'10.0.0.2'"
		case "INET6":
			return "'2001:db8::1'", "'2001:db8::2'"
		default:
			return "'00000000-0000-4000-8000-000000000001'", "'00000000-0000-4000-8000-000000000002'"
		}
	}},
}

func ofAny(columnKind) bool { return true }

var rowTraps = []trap{
	{name: "values of two rows swapped", suits: ofAny, plan: (*damager).swap},
	{name: "another value", suits: ofAny, plan: (*damager).changeValue},
	{name: "key moved", suits: ofAny, where: inKey, plan: (*damager).moveKey},
	{name: "row deleted", plan: func(d *damager) { d.deleteRows(1 + d.random.IntN(3)) }},
	{name: "all rows deleted", plan: func(d *damager) { d.onReplica("DELETE FROM " + d.table.quoted()) }},
	{name: "row added", plan: (*damager).insert},
	{name: "row below the first key", plan: func(d *damager) { d.missAtEnd("") }},
	{name: "row above the last key", plan: func(d *damager) { d.missAtEnd(" DESC") }},
	{name: "row between two keys", plan: (*damager).missBetween},
	{name: "row added to an empty table", plan: func(d *damager) { d.onSource("DELETE FROM " + d.table.quoted()) }},
}

package rowsql_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"trueup/checksum"
	"trueup/repair/rowsql"
	"trueup/schema"
)

func column(kind schema.Kind, charset string) checksum.Column {
	return checksum.Column{Column: schema.Column{Name: "v", Kind: kind, Charset: charset}}
}

func asUTF8(charset string) checksum.Column {
	c := column(schema.KindText, charset)
	c.AsUTF8 = true
	return c
}

func TestLiteralsAndGuards(t *testing.T) {
	t.Parallel()
	mysqlJSON := column(schema.KindJSON, "")
	mysqlJSON.DataType = "json"
	decimal := column(schema.KindDecimal, "")
	decimal.Decimal = &schema.Decimal{Precision: 12, Scale: 4}
	for _, test := range []struct {
		column         checksum.Column
		value          driver.Value
		literal, guard string
	}{
		{column(schema.KindInteger, ""), nil, "NULL", "`v` IS NULL"},
		{column(schema.KindInteger, ""), int64(math.MinInt64), "-9223372036854775808", "`v` = -9223372036854775808"},
		{column(schema.KindInteger, ""), uint64(math.MaxUint64), "18446744073709551615", "`v` = 18446744073709551615"},
		{column(schema.KindYear, ""), int64(0), "0", "`v` = 0"},
		{column(schema.KindFloat, ""), float32(0.1), "1.0000000149011612e-01", "`v` = 1.0000000149011612e-01"},
		{column(schema.KindDouble, ""), 0.1, "1.0000000000000001e-01", "`v` = 1.0000000000000001e-01"},
		{column(schema.KindDouble, ""), math.Copysign(0, -1), "-0.0000000000000000e+00", "(`v` + 0e0 = 0e0 AND ATAN2(`v`, -1) < 0)"},
		{column(schema.KindFloat, ""), float32(0), "0.0000000000000000e+00", "(`v` + 0e0 = 0e0 AND ATAN2(`v`, -1) > 0)"},
		{column(schema.KindDecimal, ""), []byte("-0.01"), "-0.01", "`v` = -0.01"},
		{decimal, []byte("1.5000"), "1.5000", "CAST(`v` AS DECIMAL(12,4)) = 1.5000"},
		{column(schema.KindBit, ""), []byte{1, 0}, "256", "CAST(`v` AS UNSIGNED) = 256"},
		{column(schema.KindDate, ""), []byte("2026-02-31"), "'2026-02-31'", "CAST(`v` AS CHAR) = '2026-02-31'"},
		{column(schema.KindText, "utf8mb4"), []byte("plain"), "'plain'", "CAST(`v` AS BINARY) = 'plain'"},
		{column(schema.KindText, "utf8mb4"), []byte("a;b"), "_utf8mb4 x'613b62'", "CAST(`v` AS BINARY) = x'613b62'"},
		{column(schema.KindText, "latin1"), []byte(`C:\n`), "_latin1 x'433a5c6e'", "CAST(`v` AS BINARY) = x'433a5c6e'"},
		{column(schema.KindText, "utf8"), []byte("é"), "_utf8mb4 x'c3a9'", "CAST(`v` AS BINARY) = x'c3a9'"},
		{column(schema.KindText, "latin1"), []byte("\xe4'"), "_latin1 x'e427'", "CAST(`v` AS BINARY) = x'e427'"},
		{column(schema.KindText, "swe7"), []byte("a"), "_swe7 x'61'", "CAST(`v` AS BINARY) = x'61'"},
		{column(schema.KindText, "ucs2"), []byte{}, "''", "CAST(`v` AS BINARY) = x''"},
		{asUTF8("latin1"), []byte("ä"), "_utf8mb4 x'c3a4'", "CAST(CONVERT(`v` USING utf8mb4) AS BINARY) = x'c3a4'"},
		{mysqlJSON, []byte(`{"a": 1}`), "_utf8mb4 x'7b2261223a20317d'", "CAST(CONVERT(`v` USING utf8mb4) AS BINARY) = x'7b2261223a20317d'"},
		{column(schema.KindBinary, ""), []byte("plain"), "x'706c61696e'", "CAST(`v` AS BINARY) = x'706c61696e'"},
		{column(schema.KindGeometry, ""), []byte{0, 0, 0, 0, 1}, "x'0000000001'", "CAST(`v` AS BINARY) = x'0000000001'"},
		{column(schema.KindInet, ""), []byte("::1"), "'::1'", "CAST(`v` AS CHAR) = '::1'"},
	} {
		literal, err := rowsql.AppendLiteral([]byte("> "), test.column, test.value)
		if err != nil || string(literal) != "> "+test.literal {
			t.Errorf("%v %q: %s, %v, want %s", test.column.Kind, test.value, literal, err, test.literal)
		}
		guard, err := rowsql.AppendGuard([]byte("> "), test.column, test.value)
		if err != nil || string(guard) != "> "+test.guard {
			t.Errorf("%v %q: %s, %v, want %s", test.column.Kind, test.value, guard, err, test.guard)
		}
	}
}

func TestUnwritableValuesAreNamed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		column checksum.Column
		value  driver.Value
	}{
		{column(schema.KindText, "utf8mb4"), []byte("\xff")}, {column(schema.KindText, "utf8mb4"), []byte("a\xc3")}, {column(schema.KindText, "utf8mb4"), []byte("\xed\xa0\x80")},
		{column(schema.KindText, "utf8mb3"), []byte("😀")}, {column(schema.KindText, "utf8"), []byte("\xc0\x80")}, {column(schema.KindText, "ascii"), []byte("é")},
		{column(schema.KindText, "ucs2"), []byte{1}}, {column(schema.KindText, "utf16"), []byte{0xd8, 0}}, {column(schema.KindText, "utf16"), []byte{0xdc, 0, 0xd8, 0}},
		{column(schema.KindText, "utf16le"), []byte{0, 0xd8, 'a', 0}}, {column(schema.KindText, "utf32"), []byte{0, 0x11, 0, 0}}, {column(schema.KindText, "utf32"), []byte{0, 0, 0xd8, 0}},
		{column(schema.KindText, ""), []byte("é")}, {asUTF8("latin1"), []byte("\xe4")}, {column(schema.KindEnum, "utf8mb4"), []byte("\xff")},
		{column(schema.KindDouble, ""), math.NaN()}, {column(schema.KindFloat, ""), float32(math.Inf(1))},
	} {
		literal, err := rowsql.AppendLiteral(nil, test.column, test.value)
		var unwritable *rowsql.UnwritableError
		if !errors.As(err, &unwritable) || unwritable.Column != "v" || !strings.Contains(err.Error(), "column v: ") {
			t.Errorf("%s %q: %s, %v", test.column.Charset, test.value, literal, err)
		}
	}
	for charset, text := range map[string]string{"utf16": "\xd8\x00\xdc\x00", "utf16le": "\x00\xd8\x00\xdc", "utf32": "\x00\x01\xf6\x00", "ucs2": "\xd8\x00", "utf8mb3": "\xef\xbf\xbd", "utf8mb4": "\xef\xbf\xbd"} {
		if literal, err := rowsql.AppendLiteral(nil, column(schema.KindText, charset), []byte(text)); err != nil {
			t.Errorf("%s %q: %s, %v", charset, text, literal, err)
		}
	}
}

// A large value is in a statement once, not twice.
func TestLargeValuesAreGuardedByTheirHash(t *testing.T) {
	t.Parallel()
	large := bytes.Repeat([]byte("x"), 65537)
	guard, err := rowsql.AppendGuard(nil, asUTF8("latin1"), large)
	if want := fmt.Sprintf("SHA2(CAST(CONVERT(`v` USING utf8mb4) AS BINARY), 256) = '%x'", sha256.Sum256(large)); err != nil || string(guard) != want {
		t.Errorf("%s, %v", guard, err)
	}
	if guard, err = rowsql.AppendGuard(nil, column(schema.KindBinary, ""), make([]byte, 65536)); err != nil || !strings.HasPrefix(string(guard), "CAST(`v` AS BINARY) = x'00") {
		t.Errorf("%.80s, %v", guard, err)
	}
}

// Values that cannot come from their column never become SQL: digits and dates go into it as they are.
func TestValuesOfOtherTypesAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind  schema.Kind
		value driver.Value
	}{
		{schema.KindDecimal, []byte("1 OR 1")}, {schema.KindDecimal, []byte("1e5")}, {schema.KindDecimal, []byte("")}, {schema.KindDecimal, []byte("-")}, {schema.KindDecimal, []byte("1.")},
		{schema.KindDecimal, []byte("--1")}, {schema.KindInteger, []byte("0x10")}, {schema.KindDate, []byte("2026'--")}, {schema.KindUUID, []byte(`\`)}, {schema.KindInteger, 1.5}, {schema.KindFloat, 1.5},
		{schema.KindDouble, float32(1)}, {schema.KindText, int64(1)}, {schema.KindUnknown, []byte("x")}, {schema.KindText, "a string"}, {schema.KindFloat, []byte("1")},
	} {
		for name, write := range map[string]func([]byte, checksum.Column, driver.Value) ([]byte, error){"literal": rowsql.AppendLiteral, "guard": rowsql.AppendGuard} {
			sql, err := write(nil, column(test.kind, "utf8mb4"), test.value)
			var wrong *checksum.ValueError
			if !errors.As(err, &wrong) {
				t.Errorf("%s of %v %q: %s, %v", name, test.kind, test.value, sql, err)
			}
		}
	}
}

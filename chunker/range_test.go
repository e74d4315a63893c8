package chunker

import (
	"database/sql/driver"
	"reflect"
	"strings"
	"testing"

	"trueup/schema"
)

func integerKey(names ...string) Key {
	key := Key{Name: "PRIMARY"}
	for _, name := range names {
		key.Columns = append(key.Columns, schema.Column{Name: name, Kind: schema.KindInteger})
	}
	return key
}

func TestConditionExpandsCompositeKeys(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		key   Key
		shape Shape
		want  string
	}{
		{integerKey("a"), 0, ""},
		{integerKey("a"), HasLower, "`a` > ?"},
		{integerKey("a"), HasUpper, "`a` <= ?"},
		{integerKey("a"), HasLower | HasUpper, "`a` > ? AND `a` <= ?"},
		{integerKey("a", "b"), HasLower, "(`a` > ? OR (`a` = ? AND `b` > ?))"},
		{integerKey("a", "b"), HasUpper, "(`a` < ? OR (`a` = ? AND `b` <= ?))"},
		{integerKey("a", "b", "c"), HasUpper, "(`a` < ? OR (`a` = ? AND (`b` < ? OR (`b` = ? AND `c` <= ?))))"},
	} {
		if got := test.key.Condition(test.shape); got != test.want {
			t.Errorf("Condition(%b) of %d columns = %q, want %q", test.shape, len(test.key.Columns), got, test.want)
		}
	}
}

func TestArgumentsFitTheCondition(t *testing.T) {
	t.Parallel()
	key := integerKey("a", "b", "c")
	lower := []Value{{int64(1)}, {int64(2)}, {int64(3)}}
	upper := []Value{{int64(4)}, {int64(5)}, {int64(6)}}
	r := Range{Key: key, Lower: lower, Upper: upper}
	want := []driver.Value{int64(1), int64(1), int64(2), int64(2), int64(3), int64(4), int64(4), int64(5), int64(5), int64(6)}
	if got := r.Arguments(); !reflect.DeepEqual(got, want) {
		t.Errorf("Arguments() = %v, want %v", got, want)
	}
	if marks := strings.Count(key.Condition(r.Shape()), "?"); marks != len(want) {
		t.Errorf("the condition has %d parameters for %d arguments", marks, len(want))
	}
}

func TestBoundIsOfTheColumnsType(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		column schema.Column
		want   string
	}{
		{schema.Column{Kind: schema.KindInteger}, "?"},
		{schema.Column{Kind: schema.KindDecimal, Precision: 30, Scale: 5}, "CAST(? AS DECIMAL(30,5))"},
		{schema.Column{Kind: schema.KindText, Charset: "latin1", Collation: "latin1_german1_ci"}, "CONVERT(UNHEX(HEX(?)) USING latin1) COLLATE latin1_german1_ci"},
		{schema.Column{Kind: schema.KindBinary}, "CAST(? AS BINARY)"},
		{schema.Column{Kind: schema.KindTimestamp, FractionalDigits: 6}, "CAST(? AS DATETIME(6))"},
	} {
		if got := bound(test.column); got != test.want {
			t.Errorf("bound(%v) = %q, want %q", test.column.Kind, got, test.want)
		}
	}
}

func TestNewValueKeepsUnsignedIntegers(t *testing.T) {
	t.Parallel()
	column := schema.Column{Name: "id", Kind: schema.KindInteger, Unsigned: true}
	value, err := NewValue(column, []byte("18446744073709551615"))
	if err != nil || value.Argument() != uint64(18446744073709551615) {
		t.Errorf("NewValue = %v, %v", value.Argument(), err)
	}
	if _, err := NewValue(column, nil); err == nil {
		t.Error("NULL was taken as a key value")
	}
	if _, err := NewValue(column, []byte("12x")); err == nil {
		t.Error("12x was taken as an integer")
	}
}

func TestNewValueOwnsItsBytes(t *testing.T) {
	t.Parallel()
	buffer := []byte("abc")
	value, err := NewValue(schema.Column{Kind: schema.KindBinary}, buffer)
	if err != nil {
		t.Fatal(err)
	}
	buffer[0] = 'X'
	if !value.Equal(Value{[]byte("abc")}) {
		t.Errorf("the value changed with the driver's buffer: %q", value.Argument())
	}
}

func TestNewKeyRefusesWhatTheServerOrdersInTwoWays(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		dataType, collation string
		refused             bool
	}{
		{"char", "utf8mb4_nopad_bin", true}, {"char", "utf8mb4_uca1400_nopad_ai_ci", true},
		{"char", "utf8mb4_bin", false}, {"varchar", "utf8mb4_nopad_bin", false},
	} {
		column := schema.Column{Name: "c", Kind: schema.KindText, DataType: test.dataType, Collation: test.collation}
		_, err := NewKey(&schema.Table{Columns: []schema.Column{column}}, schema.Key{Columns: []schema.KeyColumn{{Name: "c"}}})
		if (err != nil) != test.refused {
			t.Errorf("%s %s: %v", test.dataType, test.collation, err)
		}
	}
}

func TestSurelySurvives(t *testing.T) {
	t.Parallel()
	text := func(charset string) schema.Column { return schema.Column{Kind: schema.KindText, Charset: charset} }
	for _, test := range []struct {
		column schema.Column
		value  string
		want   bool
	}{
		{text("latin1"), "plain", true}, {text("latin1"), "\xe4", false}, {text("utf16"), "plain", false}, {text("utf8mb4"), "\xff", false},
		{schema.Column{Kind: schema.KindDate}, "2026-02-28", true}, {schema.Column{Kind: schema.KindDate}, "2026-02-31", false},
		{schema.Column{Kind: schema.KindDateTime}, "0000-00-00 00:00:00", false}, {schema.Column{Kind: schema.KindTimestamp}, "2026-10-25 01:30:00.25", true},
		{schema.Column{Kind: schema.KindTime}, "-838:59:59", true}, {schema.Column{Kind: schema.KindBinary}, "\xff", true},
	} {
		if got := surelySurvives(test.column, []byte(test.value)); got != test.want {
			t.Errorf("%v %q: %v", test.column.Kind, test.value, got)
		}
	}
}

func TestEqualsTellsTextThatDoesNotSurvive(t *testing.T) {
	t.Parallel()
	key := Key{Columns: []schema.Column{
		{Name: "a", Kind: schema.KindInteger}, {Name: "b", Kind: schema.KindText, Charset: "latin1", Collation: "latin1_bin"},
	}}
	const value = "CONVERT(UNHEX(HEX(?)) USING latin1) COLLATE latin1_bin"
	if got, want := key.Equals(false), "`a` = ? AND `b` = "+value+" AND HEX("+value+") = HEX(?)"; got != want {
		t.Errorf("Equals(false) = %s, want %s", got, want)
	}
	if got, want := key.EqualsArguments([]driver.Value{int64(1), "x"}), []driver.Value{int64(1), "x", "x", "x"}; !reflect.DeepEqual(got, want) {
		t.Errorf("EqualsArguments() = %v, want %v", got, want)
	}
}

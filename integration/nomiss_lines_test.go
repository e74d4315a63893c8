package integration

import (
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"trueup/check"
)

// A differing row is one line: kind, key, and every value that has to be shown. The test makes it from exact forms and
// from what the product lists, with values in one form that fits both.

const nullShown = "NULL"

// shown is a value in that form, from its exact form.
func (c *missColumn) shown(exact sql.NullString) string {
	if !exact.Valid {
		return nullShown
	}
	switch c.class {
	case enums, sets:
		_, text, _ := strings.Cut(exact.String, ":")
		return text
	case bits:
		n, _ := strconv.ParseUint(exact.String, 10, 64)
		return fmt.Sprintf("%X", n)
	case floats, doubles:
		return shownNumber(exact.String, 64)
	default:
		if c.columnType == "YEAR" && exact.String == "0" { // '0' would be the year 2000
			return "0000"
		}
		return exact.String
	}
}

// found is a value in that form, as the product lists it.
func (c *missColumn) found(value *check.Value) string {
	switch {
	case value == nil:
		return "nothing"
	case value.Null:
		return nullShown
	}
	text := value.Text
	if value.Hex {
		text = strings.ToUpper(text)
	}
	switch c.class {
	case texts, binaries, documents, geometries, enums, sets:
		if !value.Hex {
			return strings.ToUpper(hex.EncodeToString([]byte(text)))
		}
		return text
	case bits:
		return "0"[:max(0, 1-len(strings.TrimLeft(text, "0")))] + strings.TrimLeft(text, "0")
	case floats:
		return shownNumber(text, 32)
	case doubles:
		return shownNumber(text, 64)
	default:
		return text
	}
}

// shownNumber is a number with the digits that no other one of the type has.
func shownNumber(text string, size int) string {
	v, err := strconv.ParseFloat(text, size)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%016x", math.Float64bits(v))
}

// line is that of a row of which the source, the replica or both have what is given.
func (t *missTable) line(kind check.DifferenceKind, count int, places []int, source, replica []sql.NullString) string {
	var key, values []string
	row := source
	if row == nil {
		row = replica
	}
	for _, p := range places {
		key = append(key, t.columns[p].name+"="+t.columns[p].shown(row[p]))
	}
	for i, c := range t.columns {
		switch {
		case source == nil:
			values = append(values, c.name+"="+c.shown(replica[i]))
		case replica == nil:
			values = append(values, c.name+"="+c.shown(source[i]))
		case source[i] != replica[i] && c.numberOnly(source[i], replica[i]):
			values = append(values, c.name+"+0="+number(source[i])+">"+number(replica[i]))
		case source[i] != replica[i]:
			values = append(values, c.name+"="+c.shown(source[i])+">"+c.shown(replica[i]))
		}
	}
	return lineOf(kind, int64(count), key, values)
}

// numberOnly is true for ENUMs and SETs that read alike and are not: without a value, and with an empty member.
func (c *missColumn) numberOnly(source, replica sql.NullString) bool {
	return (c.class == enums || c.class == sets) && c.shown(source) == c.shown(replica)
}

// number is that of the exact form of an ENUM or SET.
func number(exact sql.NullString) string {
	before, _, _ := strings.Cut(exact.String, ":")
	return before
}

func lineOf(kind check.DifferenceKind, count int64, key, values []string) string {
	slices.Sort(values)
	return fmt.Sprintf("%s ×%d %s: %s", kind, count, strings.Join(key, ","), strings.Join(values, "|"))
}

// foundLine is that of a row which the product lists.
func (t *missTable) foundLine(d check.RowDifference) string {
	var key, values []string
	for _, part := range d.Key {
		key = append(key, part.Name+"="+t.column(part.Name).found(&part.Value))
	}
	for _, v := range d.Columns {
		c := t.column(v.Name)
		switch {
		case d.Kind == check.Missing && v.Replica == nil:
			values = append(values, v.Name+"="+c.found(v.Source))
		case d.Kind == check.Extra && v.Source == nil:
			values = append(values, v.Name+"="+c.found(v.Replica))
		default:
			values = append(values, v.Name+"="+c.found(v.Source)+">"+c.found(v.Replica))
		}
	}
	return lineOf(d.Kind, d.Count, key, values)
}

// column is the one of that name, or one of no class where there is none: its line fits no other.
func (t *missTable) column(name string) *missColumn {
	for _, c := range t.columns {
		if c.name == name {
			return c
		}
	}
	return &missColumn{}
}

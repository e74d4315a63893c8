package check

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/schema"
)

// A check can be restricted to ranges, which a result named: a stored check that is to be repaired, or what a repair has touched.

// isRestricted tells whether only ranges are compared.
func (r *run) isRestricted() bool { return r.request.Ranges != nil }

// hasRanges tells whether anything of a table is compared.
func (r *run) hasRanges(database, table string) bool {
	for _, asked := range r.request.Ranges {
		if asked.Database == database && asked.Table == table {
			return true
		}
	}
	return !r.isRestricted()
}

// restrict gives a task the ranges that are asked of its replica; wanted is false where there are none. A range of another key than
// the one that splits the table now, or one that cannot be understood, makes it the whole table.
func (r *run) restrict(t *task, replica int) (wanted bool) {
	t.isPart = true
	whole := false
	for _, asked := range r.request.Ranges {
		if asked.Replica != r.members[replica].address || asked.Database != t.layout.Database || asked.Table != t.layout.Table {
			continue
		}
		wanted = true
		within, err := parseRange(t.layout, asked)
		if err != nil {
			whole = true
			if !t.layout.Scan && asked.Key != "" {
				r.warnOnce("%s.%s: all of it is compared instead of a range: %v", asked.Database, asked.Table, err)
			}
			continue
		}
		t.ranges = append(t.ranges, within)
	}
	if whole {
		t.ranges, t.isPart = nil, false
	}
	t.coverage = chunker.CoverageOf(t.ranges)
	return wanted
}

// rangeSplitter splits ranges one after the other.
type rangeSplitter struct {
	*chunker.Splitter
	base  int // chunks of the ranges before
	count int
	next  func() *chunker.Splitter // nil: no more
}

// advance goes on to the next range at the end of one; false: there is none, or err is not the end.
func (s *rangeSplitter) advance(err error) bool {
	if !errors.Is(err, io.EOF) {
		return false
	}
	following := s.next()
	if following == nil {
		return false
	}
	s.Close()
	s.Splitter, s.base = following, s.count
	return true
}

// splitter splits what is to be compared of the task's table.
func (p *producer) splitter(t *task) *rangeSplitter {
	left := t.ranges
	take := func() *chunker.Splitter {
		if len(left) == 0 {
			return nil
		}
		within := left[0]
		left = left[1:]
		return chunker.NewRangeSplitter(p.session, t.layout.Database, t.layout.Table, within, t.sizer)
	}
	if len(left) > 0 {
		return &rangeSplitter{Splitter: take(), next: take}
	}
	return &rangeSplitter{Splitter: chunker.NewSplitter(p.session, t.layout.Database, t.layout.Table, t.layout.Key, t.sizer), next: take}
}

// NewRange is a part of a table as a request names it: a range of the key that splits the table. The table and its database are named as on
// the source.
func NewRange(replica, database, table string, within chunker.Range) Range {
	return Range{Replica: replica, Database: database, Table: table, Key: within.Key.Name, Lower: showBound(within.Key, within.Lower), Upper: showBound(within.Key, within.Upper)}
}

// NewRow shows the values of a row, as the layout reads it.
func NewRow(layout *checksum.Layout, row checksum.Row) (shown []NamedValue) {
	for i, column := range layout.Columns {
		if !column.IsCompanion() {
			shown = append(shown, NamedValue{Name: column.Name, Value: showPart(column, row[i], 0)})
		}
	}
	return shown
}

// parseRange turns a range as it is shown into one of the layout's key.
func parseRange(layout *checksum.Layout, asked Range) (chunker.Range, error) {
	if layout.Scan || !strings.EqualFold(layout.Key.Name, asked.Key) {
		return chunker.Range{}, fmt.Errorf("the range is one of key %q, and the table is split by %q now", asked.Key, layout.Key.Name)
	}
	within := chunker.Range{Key: layout.Key}
	var err error
	if within.Lower, err = parseBound(layout.Key, asked.Lower); err != nil {
		return chunker.Range{}, err
	}
	within.Upper, err = parseBound(layout.Key, asked.Upper)
	return within, err
}

// parseBound is the reverse of showBound.
func parseBound(key chunker.Key, shown []NamedValue) ([]chunker.Value, error) {
	if shown == nil {
		return nil, nil
	}
	if len(shown) != len(key.Columns) {
		return nil, fmt.Errorf("a bound has %d values, and key %s has %d columns", len(shown), key.Name, len(key.Columns))
	}
	values := make([]chunker.Value, len(shown))
	for i, column := range key.Columns {
		raw, err := parseValue(column, shown[i].Value)
		if err == nil {
			values[i], err = chunker.NewValue(column, raw)
		}
		if err != nil {
			return nil, fmt.Errorf("the bound's value for column %s: %w", column.Name, err)
		}
	}
	return values, nil
}

// parseValue is the value of a key's column that showBound has shown.
func parseValue(column schema.Column, shown Value) (any, error) {
	if shown.Null {
		return nil, errors.New("a key's value is never NULL")
	}
	data := []byte(shown.Text)
	if shown.Hex {
		var err error
		if data, err = hex.DecodeString(shown.Text); err != nil {
			return nil, err
		}
	}
	switch column.Kind {
	case schema.KindBit:
		return chunker.BitNumber(data), nil
	case schema.KindInteger, schema.KindYear, schema.KindEnum, schema.KindSet:
		if number, err := strconv.ParseInt(shown.Text, 10, 64); err == nil {
			return number, nil
		}
		if _, err := strconv.ParseUint(shown.Text, 10, 64); err != nil {
			return nil, err
		}
		return data, nil
	case schema.KindFloat, schema.KindDouble:
		return strconv.ParseFloat(shown.Text, 64)
	default:
		return data, nil
	}
}

package check

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/schema"
)

// listRows reads the values of the differing rows of a chunk that the result still has room for, and hands them to the
// result and the observer.
func (w *worker) listRows(ctx context.Context, j job, i int, delta checksum.Delta) error {
	total := len(delta.Missing) + len(delta.Extra) + len(delta.Changed)
	room := w.run.reserve(total)
	if room == 0 {
		return nil
	}
	missing := delta.Missing[:min(room, len(delta.Missing))]
	extra := delta.Extra[:min(room-len(missing), len(delta.Extra))]
	changed := delta.Changed[:min(room-len(missing)-len(extra), len(delta.Changed))]
	source, err := w.source.Fetch(ctx, j.chunk, numbersOf(missing, changed, func(p checksum.Pair) int { return p.Source }))
	if err != nil {
		return err
	}
	replica, err := w.replicas[i].Fetch(ctx, j.chunk, numbersOf(extra, changed, func(p checksum.Pair) int { return p.Replica }))
	if err != nil {
		return err
	}
	lister := rowLister{run: w.run, chunk: j.chunk.Index, layout: j.task.layout, replica: w.run.members[i].address}
	for _, n := range missing {
		lister.list(Missing, source[n], nil)
	}
	for _, n := range extra {
		lister.list(Extra, nil, replica[n])
	}
	for _, pair := range changed {
		lister.list(Changed, source[pair.Source], replica[pair.Replica])
	}
	return lister.err
}

// numbersOf is the ascending list of rows to fetch on one side.
func numbersOf(alone []int, changed []checksum.Pair, side func(checksum.Pair) int) []int {
	numbers := slices.Clone(alone)
	for _, pair := range changed {
		numbers = append(numbers, side(pair))
	}
	slices.Sort(numbers)
	return numbers
}

// rowLister turns rows into RowDifferences.
type rowLister struct {
	run     *run
	chunk   int
	layout  *checksum.Layout
	replica string
	err     error
}

func (l *rowLister) list(kind DifferenceKind, source, replica checksum.Row) {
	difference := RowDifference{Replica: l.replica, Database: l.layout.Database, Table: l.layout.Table, Kind: kind, Count: 1}
	keyRow := source
	if keyRow == nil {
		keyRow = replica
	}
	for i := range l.layout.Key.Columns {
		difference.Key = append(difference.Key, NamedValue{Name: l.layout.Columns[i].Name, Value: l.show(i, keyRow[i])})
	}
	for i, column := range l.layout.Columns {
		changed := ColumnDifference{Name: column.Name}
		if kind == Changed {
			same, err := l.layout.SameValue(i, source[i], replica[i])
			if err != nil {
				l.err = err
				return
			}
			if same {
				continue
			}
		}
		if source != nil {
			value := l.show(i, source[i])
			changed.Source = &value
		}
		if replica != nil {
			value := l.show(i, replica[i])
			changed.Replica = &value
		}
		difference.Columns = append(difference.Columns, changed)
	}
	l.run.addDifference(l.chunk, difference)
}

func (l *rowLister) show(column int, value driver.Value) Value {
	return showValue(l.layout.Columns[column], value)
}

// showValue writes a value exactly: text where the bytes are text, hexadecimal digits where they are not.
func showValue(column checksum.Column, value driver.Value) Value {
	switch v := value.(type) {
	case nil:
		return Value{Null: true}
	case int64:
		return Value{Text: strconv.FormatInt(v, 10)}
	case uint64:
		return Value{Text: strconv.FormatUint(v, 10)}
	case float32:
		return Value{Text: showFloat(float64(v), 32)}
	case float64:
		return Value{Text: showFloat(v, 64)}
	case []byte:
		if isShownAsText(column, v) {
			return Value{Text: string(v)}
		}
		return Value{Text: hex.EncodeToString(v), Hex: true}
	default:
		return Value{Text: fmt.Sprint(v)}
	}
}

// showFloat writes the shortest digits that stand for exactly this value, without an exponent where it stays readable.
func showFloat(v float64, bits int) string {
	if size := math.Abs(v); size == 0 || size >= 1e-6 && size < 1e21 {
		return strconv.FormatFloat(v, 'f', -1, bits)
	}
	return strconv.FormatFloat(v, 'g', -1, bits)
}

// isShownAsText tells whether the stored bytes mean the same as UTF-8: other character sets do so only in ASCII.
func isShownAsText(column checksum.Column, v []byte) bool {
	switch column.Kind {
	case schema.KindBinary, schema.KindBit, schema.KindGeometry, schema.KindVector:
		return false
	}
	switch column.Charset {
	case "utf8mb4", "utf8mb3", "utf8", "ascii", "":
		return utf8.Valid(v)
	case "ucs2", "utf16", "utf16le", "utf32":
		return column.AsUTF8 && utf8.Valid(v)
	}
	if column.AsUTF8 {
		return utf8.Valid(v)
	}
	return !slices.ContainsFunc(v, func(b byte) bool { return b >= utf8.RuneSelf })
}

// showBound writes one end of a range; nil stays nil.
func showBound(key chunker.Key, values []chunker.Value) []NamedValue {
	var named []NamedValue
	for i, value := range values {
		column := checksum.Column{Column: key.Columns[i]}
		named = append(named, NamedValue{Name: column.Name, Value: showValue(column, value.Argument())})
	}
	return named
}

package check

import (
	"database/sql/driver"
	"encoding/binary"
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

// rowLister turns differing rows of one chunk on one replica into RowDifferences: the first ones for the result's list, all
// of them for the request's sink, if there is one.
type rowLister struct {
	run     *run
	chunk   int
	layout  *checksum.Layout
	replica string
	room    int // left in the result's list
}

func (w *worker) newLister(j job, i int) *rowLister {
	return &rowLister{run: w.run, chunk: j.chunk.Index, layout: j.task.layout, replica: w.run.members[i].address}
}

// want is how many of that many rows are to be read again for their values.
func (l *rowLister) want(rows int) int {
	l.room = l.run.reserve(rows)
	if l.run.request.Differences != nil {
		return rows
	}
	return l.room
}

// list takes in one row.
func (l *rowLister) list(found checksum.Found) error {
	difference, err := l.difference(found)
	if err != nil {
		return err
	}
	if l.room > 0 {
		l.room--
		l.run.addDifference(l.chunk, difference)
	}
	return l.run.sink(difference)
}

func (l *rowLister) difference(found checksum.Found) (RowDifference, error) {
	difference := RowDifference{Replica: l.replica, Database: l.layout.Database, Table: l.layout.Table, Kind: Changed, Count: found.Count}
	keyRow := found.Source
	switch {
	case found.Replica == nil:
		difference.Kind = Missing
	case found.Source == nil:
		difference.Kind = Extra
		keyRow = found.Replica
	}
	for i := range l.layout.Key.Columns {
		if i > 0 && l.layout.Columns[i].IsNumberOf(l.layout.Columns[i-1].Name) {
			continue
		}
		difference.Key = append(difference.Key, NamedValue{Name: l.layout.Columns[i].Name, Value: showPart(l.layout.Columns[i], keyRow[i], 0)})
	}
	for i, column := range l.layout.Columns {
		if difference.Kind == Changed {
			same, err := l.layout.SameValue(i, found.Source[i], found.Replica[i])
			if err != nil {
				return RowDifference{}, err
			}
			if same {
				continue
			}
		}
		if column.Number && l.saysMore(difference, column) {
			continue
		}
		difference.Columns = append(difference.Columns, l.column(i, column, found))
	}
	return difference, nil
}

// saysMore tells whether the text of an ENUM is listed already, beside which its number says nothing.
func (l *rowLister) saysMore(difference RowDifference, number checksum.Column) bool {
	return slices.ContainsFunc(difference.Columns, func(c ColumnDifference) bool { return number.IsNumberOf(c.Name) })
}

// column shows one column's value on the sides that have the row.
func (l *rowLister) column(i int, column checksum.Column, found checksum.Found) ColumnDifference {
	shown := ColumnDifference{Name: column.Name}
	from := 0
	if found.Source != nil && found.Replica != nil {
		from = firstDifference(found.Source[i], found.Replica[i])
	}
	if found.Source != nil {
		value := showPart(column, found.Source[i], from)
		shown.Source = &value
	}
	if found.Replica != nil {
		value := showPart(column, found.Replica[i], from)
		shown.Replica = &value
	}
	return shown
}

const (
	shownWhole = 8 << 10 // bytes of a value up to which all of it is shown
	shownPart  = 1 << 10 // bytes that are shown of a longer one
	shownLead  = 64      // of those, before the first byte that differs
)

// firstDifference is the number of bytes with which both values begin.
func firstDifference(a, b driver.Value) int {
	textA, _ := a.([]byte)
	textB, _ := b.([]byte)
	n := 0
	for n < min(len(textA), len(textB)) && textA[n] == textB[n] {
		n++
	}
	return n
}

// showPart shows a value, or of a long one the part around byte number from: a report is no place for 64 MB.
func showPart(column checksum.Column, value driver.Value, from int) Value {
	text, isBytes := value.([]byte)
	if !isBytes || len(text) <= shownWhole {
		return showValue(column, value)
	}
	begin := max(0, min(from-shownLead, len(text)-shownPart))
	for back := 0; back < utf8.UTFMax && begin > 0 && !utf8.RuneStart(text[begin]); back++ {
		begin--
	}
	end := min(len(text), begin+shownPart)
	for end < len(text) && end > begin && !utf8.RuneStart(text[end]) {
		end--
	}
	if end == begin {
		end = min(len(text), begin+shownPart) // no text
	}
	shown := showValue(column, text[begin:end])
	shown.Bytes, shown.Offset = int64(len(text)), int64(begin)
	return shown
}

// showValue writes a value exactly: text where the bytes are text, hexadecimal digits where they are not.
func showValue(column checksum.Column, value driver.Value) Value {
	switch v := value.(type) {
	case nil:
		return Value{Null: true}
	case int64:
		if column.Kind == schema.KindYear { // '0' would be the year 2000
			return Value{Text: fmt.Sprintf("%04d", v)}
		}
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

// showBound writes one end of a range; nil stays nil. An ENUM or SET is bounded by number, a BIT is shown as its bytes, as it is
// in rows.
func showBound(key chunker.Key, values []chunker.Value) []NamedValue {
	var named []NamedValue
	for i, value := range values {
		column := checksum.Column{Column: key.Columns[i]}
		argument := value.Argument()
		switch column.Kind {
		case schema.KindEnum, schema.KindSet:
			column = checksum.NumberOf(column.Column)
		case schema.KindBit:
			argument = bitBytes(argument, column.Precision)
		}
		named = append(named, NamedValue{Name: column.Name, Value: showValue(column, argument)})
	}
	return named
}

// bitBytes are the bytes of a BIT of that many bits.
func bitBytes(number driver.Value, bits int) driver.Value {
	var all [8]byte
	switch n := number.(type) {
	case int64:
		binary.BigEndian.PutUint64(all[:], uint64(n))
	case uint64:
		binary.BigEndian.PutUint64(all[:], n)
	default:
		return number
	}
	const perByte = 8
	return all[len(all)-min(len(all), (bits+perByte-1)/perByte):]
}

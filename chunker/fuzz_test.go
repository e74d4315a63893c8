package chunker

import (
	"bytes"
	"cmp"
	"database/sql/driver"
	"slices"
	"sort"
	"strings"
	"testing"

	"trueup/schema"
)

// modelKey is a key of up to three columns, an integer, bytes and an integer, each ascending or descending.
func modelKey(columns int, descending byte) Key {
	all := []schema.Column{{Name: "a", Kind: schema.KindInteger}, {Name: "b", Kind: schema.KindBinary}, {Name: "c", Kind: schema.KindInteger}}
	key := Key{Name: "PRIMARY", Columns: all[:columns]}
	for i := range columns {
		key.Descending = append(key.Descending, descending&(1<<i) != 0)
	}
	return key
}

// keysFrom cuts bytes into values of a key: few different ones, so that they meet and begin each other.
func keysFrom(data []byte, columns int) [][]Value {
	const each = 4
	var keys [][]Value
	for part := range slices.Chunk(data, each) {
		if len(part) < each {
			break
		}
		all := []Value{{int64(int8(part[0]))}, {part[1 : 1+part[2]%2 : 1+part[2]%2]}, {int64(int8(part[3]))}}
		keys = append(keys, all[:columns])
	}
	return keys
}

func compareValues(a, b driver.Value) int {
	if text, isBytes := a.([]byte); isBytes {
		return bytes.Compare(text, b.([]byte))
	}
	return cmp.Compare(a.(int64), b.(int64))
}

// compareKeys is the order of the key's index.
func (k Key) compareKeys(a, b []Value) int {
	for i := range k.Columns {
		if order := compareValues(a[i].raw, b[i].raw); order != 0 {
			if k.Descending[i] {
				return -order
			}
			return order
		}
	}
	return 0
}

// FuzzRangesCutEveryKeyOnce evaluates the SQL conditions of ranges that join, with their arguments, for every key: it is in
// exactly one of them, which is the one that its place in the key's order says.
func FuzzRangesCutEveryKeyOnce(f *testing.F) {
	some := []byte("\x01a\x01\x01" + "\x01a\x00\x02" + "\x01b\x01\x01" + "\x02a\x01\x05" + "\x02a\x01\x80" + "\xffz\x01\x03" + "\x00\x00\x01\x00")
	for columns := range byte(3) {
		for descending := range byte(8) {
			f.Add(columns, descending, some, some[4:16])
		}
	}
	f.Add(byte(0), byte(0), some, []byte{})
	f.Fuzz(func(t *testing.T, columns, descending byte, keyBytes, boundBytes []byte) {
		const most = 4 * 64 // every key is held against every range
		width := 1 + int(columns)%3
		key := modelKey(width, descending)
		bounds := keysFrom(boundBytes[:min(most, len(boundBytes))], width)
		slices.SortFunc(bounds, key.compareKeys)
		bounds = slices.CompactFunc(bounds, equalValues)
		chunks := chainOf(key, bounds)
		for _, k := range keysFrom(keyBytes[:min(most, len(keyBytes))], width) {
			want := sort.Search(len(bounds), func(i int) bool { return key.compareKeys(k, bounds[i]) <= 0 })
			for _, chunk := range chunks {
				if in := holds(t, chunk.Range, k); in != (chunk.Index == want) {
					t.Fatalf("key %v belongs in chunk %d; in chunk %d, %s with %v: %v", k, want, chunk.Index, key.Condition(chunk.Shape()), chunk.Arguments(), in)
				}
			}
		}
	})
}

// chainOf makes the chunks that end at the bounds, and the one after the last.
func chainOf(key Key, bounds [][]Value) []Chunk {
	var chunks []Chunk
	var lower []Value
	for i, bound := range append(slices.Clone(bounds), nil) {
		chunks = append(chunks, Chunk{Range: Range{Key: key, Lower: lower, Upper: bound}, Index: i})
		lower = bound
	}
	return chunks
}

// holds evaluates a range's condition for a key.
func holds(t *testing.T, r Range, key []Value) bool {
	condition := r.Key.Condition(r.Shape())
	e := evaluation{text: strings.ReplaceAll(condition, "CAST(? AS BINARY)", "?"), arguments: r.Arguments(), row: map[string]driver.Value{}}
	if marks := strings.Count(condition, "?"); marks != len(e.arguments) {
		t.Fatalf("%s has %d parameters for %d arguments", condition, marks, len(e.arguments))
	}
	if condition == "" {
		return true
	}
	for i, column := range r.Key.Columns {
		e.row[column.Name] = key[i].raw
	}
	result := e.anyOf()
	if e.text != "" || len(e.arguments) > 0 {
		t.Fatalf("%s: %q and %v are left", condition, e.text, e.arguments)
	}
	return result
}

// evaluation reads a condition from the left, its arguments with it. All of it is read, also where the result is known.
type evaluation struct {
	text      string
	arguments []driver.Value
	row       map[string]driver.Value
}

func (e *evaluation) takes(text string) bool {
	rest, found := strings.CutPrefix(e.text, text)
	e.text = rest
	return found
}

func (e *evaluation) anyOf() bool {
	result := e.allOf()
	for e.takes(" OR ") {
		next := e.allOf()
		result = result || next
	}
	return result
}

func (e *evaluation) allOf() bool {
	result := e.one()
	for e.takes(" AND ") {
		next := e.one()
		result = result && next
	}
	return result
}

func (e *evaluation) one() bool {
	if e.takes("(") {
		result := e.anyOf()
		if !e.takes(")") {
			panic("no ) before " + e.text)
		}
		return result
	}
	comparison, rest, _ := strings.Cut(e.text, "?")
	e.text = rest
	fields := strings.Fields(comparison)
	order := compareValues(e.row[strings.Trim(fields[0], "`")], e.arguments[0])
	e.arguments = e.arguments[1:]
	switch fields[1] {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "=":
		return order == 0
	}
	panic("operator " + fields[1])
}

// FuzzCoverageAcceptsOnlyACompleteChain spoils a chain of chunks, or does not, and adds it in any order: it is accepted
// exactly when it is a chain from −∞ to +∞.
func FuzzCoverageAcceptsOnlyACompleteChain(f *testing.F) {
	f.Add(byte(0), []byte{}, []byte{})
	f.Add(byte(5), []byte{}, []byte{3, 1, 4, 1, 5})
	f.Add(byte(3), []byte{5, 0, 0, 1}, []byte{}) // from −∞ to +∞, and then some with a gap before
	for spoil := range byte(spoils) {
		for place := range byte(4) {
			f.Add(byte(3), []byte{spoil, place}, []byte{2, 0, 1})
			f.Add(byte(3), []byte{spoil, place, (spoil + place) % spoils, place + 1}, []byte{})
		}
	}
	f.Fuzz(func(t *testing.T, bounds byte, edits, order []byte) {
		chunks := spoiled(chainOfNumbers(int(bounds%16)), edits)
		want := isChain(chunks)
		for i, b := range order[:min(len(order), len(chunks))] {
			j := int(b) % len(chunks)
			chunks[i], chunks[j] = chunks[j], chunks[i]
		}
		var coverage Coverage
		var refused error
		for _, chunk := range chunks {
			if err := coverage.Add(chunk); err != nil {
				refused = err
			}
		}
		if accepted := refused == nil && coverage.Complete() == nil; accepted != want {
			t.Fatalf("accepted %v, want %v (%v, %v): %v", accepted, want, refused, coverage.Complete(), chunks)
		}
	})
}

// chainOfNumbers is a chain with bounds 0, 10, 20 …
func chainOfNumbers(bounds int) []Chunk {
	var numbers []int64
	for i := range bounds {
		numbers = append(numbers, int64(10*i))
	}
	return chunksOver(numbers)
}

const spoils = 7

// spoiled does what a broken splitter could: two bytes say what, and to which chunk.
func spoiled(chunks []Chunk, edits []byte) []Chunk {
	for edit := range slices.Chunk(edits, 2) {
		if len(edit) < 2 || len(chunks) == 0 {
			break
		}
		place := int(edit[1]) % len(chunks)
		chunk := &chunks[place]
		switch edit[0] % spoils {
		case 0:
			chunks = slices.Delete(chunks, place, place+1)
		case 1:
			chunks = append(chunks, *chunk)
		case 2:
			chunk.Lower = []Value{{int64(edit[1])}}
		case 3:
			chunk.Upper = []Value{{int64(edit[1])}}
		case 4:
			chunk.Lower = nil
		case 5:
			chunk.Upper = nil
		case 6:
			chunk.Index++
		}
	}
	return chunks
}

// isChain is the definition: numbered from 0 without gap, each begins where the one before ends, none but the ends is
// infinite.
func isChain(chunks []Chunk) bool {
	sorted := slices.SortedFunc(slices.Values(chunks), func(a, b Chunk) int { return cmp.Compare(a.Index, b.Index) })
	for i, chunk := range sorted {
		first, last := i == 0, i == len(sorted)-1
		if chunk.Index != i || first != (chunk.Lower == nil) || last != (chunk.Upper == nil) {
			return false
		}
		if !first && !equalValues(chunk.Lower, sorted[i-1].Upper) {
			return false
		}
	}
	return len(sorted) > 0
}

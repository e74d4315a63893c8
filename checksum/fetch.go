package checksum

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"trueup/chunker"
	"trueup/server"
)

func (d *Delta) sortChanged() {
	slices.SortFunc(d.Changed, func(a, b Pair) int { return cmp.Compare(a.Source, b.Source) })
}

// Row is one row's values in the layout's column order, in memory of its own.
type Row []driver.Value

// Fetch reads again the rows of a chunk that bear the given numbers (ascending), inside the same snapshot.
func (r *Reader) Fetch(ctx context.Context, chunk chunker.Chunk, numbers []int) (map[int]Row, error) {
	fetched := make(map[int]Row, len(numbers))
	if len(numbers) == 0 {
		return fetched, nil
	}
	number := -1
	wanted := numbers
	err := r.Rows(ctx, chunk, func(values []server.Field) error {
		number++
		if len(wanted) == 0 || number != wanted[0] {
			return nil
		}
		wanted = wanted[1:]
		row, err := r.copyRow(values)
		fetched[number] = row
		return err
	})
	if err == nil && len(wanted) > 0 {
		err = fmt.Errorf("%s: %s.%s: row %d of a chunk was there a moment ago in the same snapshot and is not now",
			r.session.Server().Address(), r.layout.Database, r.layout.Table, wanted[0])
	}
	return fetched, err
}

// copyRow copies a row out of the driver's buffer by way of its encoding, so that what is shown is what was compared.
func (r *Reader) copyRow(values []server.Field) (Row, error) {
	encoded, err := r.encode(values)
	if err != nil {
		return nil, err
	}
	return decodeValues(slices.Clone(encoded))
}

// SameValue tells whether two values of one column are equal as they are compared: byte for byte.
func (l *Layout) SameValue(column int, a, b driver.Value) (bool, error) {
	encodedA, err := AppendValue(nil, l.kinds[column], a)
	if err != nil {
		return false, err
	}
	encodedB, err := AppendValue(nil, l.kinds[column], b)
	if err != nil {
		return false, err
	}
	return slices.Equal(encodedA, encodedB), nil
}

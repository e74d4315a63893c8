package checksum

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"

	"trueup/chunker"
	"trueup/schema"
	"trueup/server"
)

// Row is one row's values in the layout's column order, in memory of its own.
type Row []driver.Value

// Found is one row that differs. Of a row that only one side has, the other side's is nil.
type Found struct {
	Source, Replica Row
	// Count is how many such rows there are: above 1 only where a table has no key that tells rows apart.
	Count int64
}

// Values reads again, inside the same snapshots, the rows of a chunk that Compare found, up to limit of them, and hands
// them to onFound: the missing ones first, then the extra ones, then the changed ones. It holds two rows at a time, and
// those of changed rows that stand in another order on the other side.
func Values(ctx context.Context, source, replica *Reader, chunk chunker.Chunk, delta Delta, limit int, onFound func(Found) error) error {
	missing := delta.Missing[:min(limit, len(delta.Missing))]
	extra := delta.Extra[:min(limit-len(missing), len(delta.Extra))]
	changed := delta.Changed[:min(limit-len(missing)-len(extra), len(delta.Changed))]
	if err := source.CopyRows(ctx, chunk, missing, func(_ int, row Row) error { return onFound(Found{Source: row, Count: 1}) }); err != nil {
		return err
	}
	if err := replica.CopyRows(ctx, chunk, extra, func(_ int, row Row) error { return onFound(Found{Replica: row, Count: 1}) }); err != nil {
		return err
	}
	return changedValues(ctx, source, replica, chunk, changed, onFound)
}

func changedValues(ctx context.Context, source, replica *Reader, chunk chunker.Chunk, changed []Pair, onFound func(Found) error) error {
	if len(changed) == 0 {
		return nil
	}
	return joinRows(ctx, len(changed), joinBytes,
		source.copyPairs(chunk, changed, func(p Pair) int { return p.Source }),
		replica.copyPairs(chunk, changed, func(p Pair) int { return p.Replica }),
		func(_ int, a, b Row) error { return onFound(Found{Source: a, Replica: b, Count: 1}) })
}

// copyPairs reads one side's rows of pairs, each under its pair's place in the list.
func (r *Reader) copyPairs(chunk chunker.Chunk, pairs []Pair, side func(Pair) int) rowSource {
	return func(ctx context.Context, wanted func(int) bool, send func(int, Row) error) error {
		placeOf, numbers := make(map[int]int, len(pairs)), make([]int, 0, len(pairs))
		for place, pair := range pairs {
			if wanted(place) {
				placeOf[side(pair)] = place
				numbers = append(numbers, side(pair))
			}
		}
		slices.Sort(numbers)
		return r.CopyRows(ctx, chunk, numbers, func(number int, row Row) error { return send(placeOf[number], row) })
	}
}

// CopyRows reads again the rows of a chunk that bear the given numbers (ascending), inside the same snapshot, and hands
// copies of them to onRow.
func (r *Reader) CopyRows(ctx context.Context, chunk chunker.Chunk, numbers []int, onRow func(number int, row Row) error) error {
	if len(numbers) == 0 {
		return nil
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
		if err != nil {
			return err
		}
		return onRow(number, row)
	})
	if err == nil && len(wanted) > 0 {
		err = fmt.Errorf("%s: %s.%s: row %d of a chunk was there a moment ago in the same snapshot and is not now",
			r.session.Server().Address(), r.layout.Database, r.layout.Table, wanted[0])
	}
	return err
}

// Split cuts a chunk into parts of a number of rows on this side, inside the snapshot.
func (r *Reader) Split(ctx context.Context, chunk chunker.Chunk, rows int, onPart func(chunker.Chunk) error) error {
	splitter := chunker.NewRangeSplitter(r.session, r.layout.Database, r.layout.Table, chunk.Range, chunker.NewSizer(chunker.SizeOptions{Rows: rows}))
	defer splitter.Close()
	for {
		var part chunker.Chunk
		err := r.withoutMetadataLock(ctx, func() (err error) {
			part, err = splitter.Next(ctx)
			return err
		})
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := onPart(part); err != nil {
			return err
		}
	}
}

// Count is how many rows the table has in the snapshot, as the server counts them.
func (r *Reader) Count(ctx context.Context) (int64, error) {
	statement, err := r.session.Prepare(ctx, "SELECT COUNT(*) FROM "+schema.QuoteTable(r.layout.Database, r.layout.Table))
	if err != nil {
		return 0, err
	}
	defer statement.Close()
	var count int64
	err = r.withoutMetadataLock(ctx, func() error {
		return statement.StreamFields(ctx, nil, func(row []server.Field) error {
			count = row[0].Int()
			return nil
		})
	})
	return count, err
}

// copyRow copies a row out of the driver's buffer by way of its encoding, so that what is shown is what was compared.
func (r *Reader) copyRow(values []server.Field) (Row, error) {
	const tagAndLength = 11
	size := tagAndLength * len(values)
	for _, value := range values {
		size += len(value.Bytes())
	}
	encoded, err := AppendRow(make([]byte, 0, size), r.layout.kinds, values)
	if err != nil {
		return nil, r.explain(err)
	}
	return decodeValues(encoded)
}

// SameValue tells whether two values of one column are equal as they are compared: byte for byte.
func (l *Layout) SameValue(column int, a, b driver.Value) (bool, error) {
	if surelySame(a, b) {
		return true, nil
	}
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

// surelySame tells of most values that are equal that they are, without encoding them.
func surelySame(a, b driver.Value) bool {
	switch x := a.(type) {
	case []byte:
		y, same := b.([]byte)
		return same && bytes.Equal(x, y)
	case int64:
		return a == b
	}
	return a == nil && b == nil
}

// Where reads the rows of a range that fulfil a condition, in no order, and hands copies of them to onRow. The condition is SQL of the caller's.
func (r *Reader) Where(ctx context.Context, condition string, within chunker.Range, onRow func(Row) error) error {
	query := "SELECT " + r.layout.list() + " FROM " + schema.QuoteTable(r.layout.Database, r.layout.Table) + " WHERE (" + condition + ")"
	if of := r.layout.Key.Condition(within.Shape()); of != "" {
		query += " AND (" + of + ")"
	}
	if r.locks {
		query += " FOR UPDATE"
	}
	return r.withoutMetadataLock(ctx, func() error {
		statement, err := r.session.Prepare(ctx, query)
		if err != nil {
			return err
		}
		defer statement.Close()
		return statement.StreamFields(ctx, within.Arguments(), func(values []server.Field) error {
			row, err := r.copyRow(values)
			if err != nil {
				return err
			}
			return onRow(row)
		})
	})
}

// Find reads the row whose key the server takes for equal to the leading values of another one; nil when there is none.
func (r *Reader) Find(ctx context.Context, key Row) (found Row, err error) {
	values := key[:len(r.layout.Key.Columns)]
	err = r.withoutMetadataLock(ctx, func() error {
		statement, err := r.pointStatement(ctx, values)
		if err != nil {
			return err
		}
		return statement.StreamFields(ctx, r.layout.Key.EqualsArguments(values), func(values []server.Field) error {
			found, err = r.copyRow(values)
			return err
		})
	})
	return found, err
}

// KeyOf is the canonical encoding of a row's key, by which rows are told apart in maps, as in Delta.Sums.
func (l *Layout) KeyOf(row Row) (string, error) {
	var encoded []byte
	var err error
	for i := range l.Key.Columns {
		if encoded, err = AppendValue(encoded, l.kinds[i], row[i]); err != nil {
			return "", err
		}
	}
	return string(encoded), nil
}

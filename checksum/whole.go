package checksum

import (
	"context"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"trueup/chunker"
	"trueup/server"
)

// Whole is a chunk's rows on the source and on one replica, all of them in memory: what Digest, Compare and Values find out in a pass each
// comes from one.
type Whole struct {
	Source, Replica Digest
	Delta           Delta
}

// TooMuchError says that a chunk's rows are more than may be held in memory.
type TooMuchError struct {
	Rows      int // that were read until then
	OnReplica bool
}

func (e *TooMuchError) Error() string {
	return fmt.Sprintf("a chunk's first %d rows are more than may be held in memory", e.Rows)
}

// CompareWhole reads a chunk once on both sides, at the same time, and compares the rows. Both readers must be of one layout, which is not
// that of a scan, and hold snapshots of one position. The error wraps a *TooMuchError where one side has more than a number of rows, or more
// than so many bytes in more than one row.
func CompareWhole(ctx context.Context, source, replica *Reader, chunk chunker.Chunk, mostRows int, mostBytes int64) (Whole, error) {
	var sourceRows, replicaRows *rowList
	var sourceErr, replicaErr error
	var group errgroup.Group // one side's error must not cut the other's connection
	group.Go(func() error {
		sourceRows, sourceErr = keepRows(ctx, source, chunk, mostRows, mostBytes)
		return nil
	})
	replicaRows, replicaErr = keepRows(ctx, replica, chunk, mostRows, mostBytes)
	_ = group.Wait()
	var tooMuch *TooMuchError
	if errors.As(replicaErr, &tooMuch) {
		tooMuch.OnReplica = true
	}
	if err := errors.Join(sourceErr, replicaErr); err != nil {
		return Whole{}, err
	}
	whole := Whole{Source: sourceRows.digest(), Replica: replicaRows.digest()}
	if whole.Source == whole.Replica {
		return whole, nil
	}
	var err error
	whole.Delta, err = match(ctx, source, replica, sourceRows, replicaRows)
	return whole, err
}

// keepRows is listRows with the rows' encodings.
func keepRows(ctx context.Context, reader *Reader, chunk chunker.Chunk, mostRows int, mostBytes int64) (*rowList, error) {
	list := &rowList{}
	err := reader.Rows(ctx, chunk, func(values []server.Field) (err error) {
		begin := len(list.rows)
		if list.rows, err = AppendRow(list.rows, reader.layout.kinds, values); err != nil {
			return reader.explain(err)
		}
		list.rowEnds = append(list.rowEnds, len(list.rows))
		list.sums = append(list.sums, xxhash.Sum64(list.rows[begin:]))
		if list.keys, err = reader.encodeKey(list.keys, values); err != nil {
			return err
		}
		list.ends = append(list.ends, len(list.keys))
		if n := len(list.sums); n > mostRows || n > 1 && int64(len(list.rows)) > mostBytes {
			return &TooMuchError{Rows: n}
		}
		return nil
	})
	return list, err
}

// digest is that of the rows as Reader.Digest makes it.
func (l *rowList) digest() Digest {
	return Digest{Algorithm: RowsXXH64, Rows: int64(len(l.sums)), Bytes: int64(len(l.rows)), Sum: [2]uint64{xxhash.Sum64(l.rows), 0}}
}

// row is the values of row i, which share the list's memory.
func (l *rowList) row(i int) (Row, error) {
	begin := 0
	if i > 0 {
		begin = l.rowEnds[i-1]
	}
	return decodeValues(l.rows[begin:l.rowEnds[i]])
}

// Values hands the rows that differ to onFound, as the function of that name does. They share the memory of all of the chunk's rows.
func (w *Whole) Values(onFound func(Found) error) error {
	hand := func(source, replica int) (err error) {
		found := Found{Count: 1}
		if source >= 0 {
			found.Source, err = w.Delta.source.row(source)
		}
		if replica >= 0 && err == nil {
			found.Replica, err = w.Delta.replica.row(replica)
		}
		if err != nil {
			return err
		}
		return onFound(found)
	}
	for _, i := range w.Delta.Missing {
		if err := hand(i, -1); err != nil {
			return err
		}
	}
	for _, j := range w.Delta.Extra {
		if err := hand(-1, j); err != nil {
			return err
		}
	}
	for _, pair := range w.Delta.Changed {
		if err := hand(pair.Source, pair.Replica); err != nil {
			return err
		}
	}
	return nil
}

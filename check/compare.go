package check

import (
	"context"
	"errors"

	"trueup/checksum"
	"trueup/chunker"
)

// partRows is how many rows of a chunk are resolved to differing rows at once: the memory for it grows with them. A chunk
// has more only where the replica has many rows between two keys of the source.
const partRows = chunker.DefaultMaxRows

// errUnconfirmed: digests of one snapshot differed, the rows did not. Memory or network corrupted something on the way.
var errUnconfirmed = errors.New("the digests differed, but the rows, read again in the same snapshots, did not")

// compareOn compares the digests of one replica and, where they differ, the rows. known tells whether on holds the truth
// about the chunk or, where it is partial, differences that were proven before an error.
func (w *worker) compareOn(ctx context.Context, j job, i int, source, replica checksum.Digest) (on chunkOnReplica, known bool, err error) {
	on = chunkOnReplica{replica: i, rows: replica.Rows}
	equal, err := source.Equal(replica)
	if err != nil || equal {
		return on, err == nil, err
	}
	lister := w.newLister(j, i)
	believe := func(list func() error) error { return w.believe(ctx, j.task, i, list) }
	if j.task.layout.Scan {
		on.delta, err = compareScans(ctx, w.source, w.replicas[i], lister, believe)
	} else {
		on.delta, err = compareChunk(ctx, w.source, w.replicas[i], j.chunk, max(source.Rows, replica.Rows), source.Rows >= replica.Rows, lister, believe)
	}
	known = on.delta != counts{}
	if err == nil && !known {
		if err = w.sameTables(ctx, j.task, i); err == nil {
			err = errUnconfirmed
		}
	}
	if err != nil && known {
		on.partial = true
		w.run.truncateList()
		w.run.warn("%s: %s.%s was not compared to the end, there may be more rows that differ: %v", lister.replica, lister.layout.Database, lister.layout.Table, err)
	}
	return on, known, err
}

// compareChunk resolves a chunk to rows, in parts where one side has very many of them.
func compareChunk(ctx context.Context, source, replica *checksum.Reader, chunk chunker.Chunk, rows int64, moreOnSource bool, lister *rowLister,
	believe func(list func() error) error) (found counts, err error) {
	one := func(part chunker.Chunk) error {
		delta, err := checksum.Compare(ctx, source, replica, part)
		if err != nil {
			return err
		}
		if delta.IsEmpty() {
			return nil
		}
		return believe(func() error {
			found.add(countsOf(delta))
			return checksum.Values(ctx, source, replica, part, delta, lister.want(delta.Rows()), lister.list)
		})
	}
	if rows <= 2*partRows {
		err = one(chunk)
		return found, err
	}
	more := replica
	if moreOnSource {
		more = source
	}
	err = more.Split(ctx, chunk, partRows, one)
	return found, err
}

// compareScans resolves a table that is read whole to rows.
func compareScans(ctx context.Context, source, replica *checksum.Reader, lister *rowLister, believe func(list func() error) error) (found counts, err error) {
	err = checksum.CompareScans(ctx, source, replica, checksum.ScanBudget, func(delta *checksum.ScanDelta) error {
		return believe(func() error {
			found.add(counts{missing: delta.Missing, extra: delta.Extra, changed: delta.Changed})
			return delta.Values(ctx, lister.want(delta.Differences()), lister.list)
		})
	})
	return found, err
}

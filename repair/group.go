package repair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"trueup/check"
	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair/rowsql"
)

const (
	// groupRows is how many rows of a range one transaction reads and locks, of one side, at the most; firstRows is how many the first does,
	// before it is known how long they take.
	groupRows = 5000
	firstRows = 2000
	// groupBytes bounds their size: what differs of a group is held in memory.
	groupBytes = 8 << 20
	// mostKeyless is how many rows of a table without a splitting key are repaired: they are one group.
	mostKeyless = 50_000
)

// group is what one transaction changes.
type group struct {
	target  *target
	chunk   chunker.Chunk
	source  checksum.Digest // as it is compared
	stored  checksum.Digest // of the replica's whole rows
	delta   checksum.Delta  // not of a table that is read whole
	changes []rowsql.Change // that differ, of the chunk
}

// views are a table's readers at one position: as it is compared, and whole rows.
type views struct {
	target            *target
	source, replica   *checksum.Reader
	incoming, current *checksum.Reader
}

func newViews(t *target, held *check.Held) *views {
	return &views{target: t, source: checksum.NewReader(t.compared, held.Source), replica: checksum.NewReader(t.compared.In(t.there.Database), held.Replica),
		incoming: checksum.NewReader(t.sql.Incoming, held.Source), current: checksum.NewReader(t.sql.Stored, held.Replica)}
}

func (v *views) close() {
	for _, reader := range []*checksum.Reader{v.source, v.replica, v.incoming, v.current} {
		reader.Close()
	}
}

// digests digests a chunk on both sides at once.
func digests(ctx context.Context, a, b *checksum.Reader, chunk chunker.Chunk) (onA, onB checksum.Digest, err error) {
	var both errgroup.Group
	both.Go(func() (err error) {
		onA, err = a.Digest(ctx, chunk)
		return err
	})
	var errB error
	onB, errB = b.Digest(ctx, chunk)
	return onA, onB, errors.Join(both.Wait(), errB)
}

// cursor is how far a table's ranges were gone through.
type cursor struct {
	target *target
	rows   int // of a group
	left   []chunker.Range
	whole  bool // of a table that is read whole: it is still to be done
}

func newCursor(t *target) *cursor {
	c := &cursor{target: t, rows: firstRows, whole: t.compared.Scan}
	if !t.compared.Scan {
		c.left = append(c.left, t.ranges...)
	}
	return c
}

func (c *cursor) isDone() bool { return len(c.left) == 0 && !c.whole }

// next cuts the next chunk off what is left.
func (c *cursor) next(ctx context.Context, reader *checksum.Reader) (chunk chunker.Chunk, err error) {
	if c.whole {
		return chunker.Chunk{}, nil
	}
	splitter := chunker.NewRangeSplitter(reader.Session(), c.target.name.Database, c.target.name.Table, c.left[0], chunker.NewSizer(chunker.SizeOptions{Rows: c.rows}))
	defer splitter.Close()
	err = reader.Released(ctx, func() (err error) {
		chunk, err = splitter.Next(ctx)
		return err
	})
	if errors.Is(err, io.EOF) {
		return chunk, errors.New("internal error: a range that is empty")
	}
	return chunk, err
}

// pass leaves a chunk behind.
func (c *cursor) pass(chunk chunker.Chunk) {
	if c.whole {
		c.whole = false
		return
	}
	if chunk.Upper == nil || chunk.EndsWith(c.left[0]) {
		c.left = c.left[1:]
		return
	}
	c.left[0].Lower = chunk.Upper
}

// tooLarge says that a chunk is to be cut to a number of rows, counted on one side: its rows are too many, or too large.
type tooLarge struct {
	rows      int
	onReplica bool
}

func (e *tooLarge) Error() string { return "the group is too large" }

// cut cuts a chunk down.
func (v *views) cut(ctx context.Context, chunk chunker.Chunk, to *tooLarge) (chunker.Chunk, error) {
	reader, name := v.source, v.target.name
	if to.onReplica {
		reader, name = v.replica, v.target.there
	}
	splitter := chunker.NewRangeSplitter(reader.Session(), name.Database, name.Table, chunk.Range, chunker.NewSizer(chunker.SizeOptions{Rows: to.rows}))
	defer splitter.Close()
	var part chunker.Chunk
	err := reader.Released(ctx, func() (err error) {
		part, err = splitter.Next(ctx)
		return err
	})
	return part, err
}

// next reads what differs in the next chunk that the cursor has left.
func (v *views) next(ctx context.Context, c *cursor) (*group, chunker.Chunk, error) {
	chunk, err := c.next(ctx, v.source)
	if err != nil {
		return nil, chunk, err
	}
	for {
		g, err := v.read(ctx, chunk)
		var large *tooLarge
		if !errors.As(err, &large) {
			return g, chunk, err
		}
		if chunk, err = v.cut(ctx, chunk, large); err != nil {
			return nil, chunk, err
		}
	}
}

// read reads what differs in a chunk; nil: nothing does.
func (v *views) read(ctx context.Context, chunk chunker.Chunk) (*group, error) {
	if v.target.readsAlike() {
		return v.readOnce(ctx, chunk)
	}
	g := &group{target: v.target, chunk: chunk}
	var there checksum.Digest
	var err error
	if g.source, there, err = digests(ctx, v.source, v.replica, chunk); err != nil {
		return nil, err
	}
	if equal, err := g.source.Equal(there); err != nil || equal {
		return nil, err
	}
	if v.target.compared.Scan {
		return v.readWhole(ctx, g)
	}
	if rows := max(g.source.Rows, there.Rows); rows > 1 && (rows > 2*groupRows || g.source.Bytes+there.Bytes > 2*groupBytes) {
		return nil, &tooLarge{rows: int(min(groupRows, rows/2)), onReplica: there.Rows > g.source.Rows}
	}
	if g.delta, err = checksum.Compare(ctx, v.source, v.replica, chunk); err != nil {
		return nil, err
	}
	err = checksum.Values(ctx, v.incoming, v.current, chunk, g.delta, math.MaxInt, func(found checksum.Found) error {
		g.changes = append(g.changes, rowsql.Change{Before: found.Replica, After: v.carry(found), Count: found.Count, There: -1})
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(g.changes) == 0 {
		return nil, v.nothingDiffers()
	}
	g.stored, err = v.current.Digest(ctx, chunk)
	return g, err
}

func (v *views) nothingDiffers() error {
	return fmt.Errorf("%s.%s: the digests differed, but the rows did not", v.target.name.Database, v.target.name.Table)
}

// readOnce is read where one pass over the rows tells everything: what is compared is the whole row, as it is stored.
func (v *views) readOnce(ctx context.Context, chunk chunker.Chunk) (*group, error) {
	whole, err := checksum.CompareWhole(ctx, v.source, v.replica, chunk, 2*groupRows, groupBytes)
	var much *checksum.TooMuchError
	switch {
	case errors.As(err, &much):
		return nil, &tooLarge{rows: min(groupRows, much.Rows/2), onReplica: much.OnReplica}
	case err != nil || whole.Source == whole.Replica:
		return nil, err
	}
	g := &group{target: v.target, chunk: chunk, source: whole.Source, stored: whole.Replica, delta: whole.Delta}
	err = whole.Values(func(found checksum.Found) error {
		g.changes = append(g.changes, rowsql.Change{Before: found.Replica, After: found.Source, Count: found.Count, There: -1})
		return nil
	})
	if err == nil && len(g.changes) == 0 {
		err = v.nothingDiffers()
	}
	return g, err
}

// carry is the row that is to be: the source's, with the replica's own values in columns that are not compared.
func (v *views) carry(found checksum.Found) checksum.Row {
	if found.Source == nil || found.Replica == nil {
		return found.Source
	}
	for i := range found.Source {
		if !v.target.compares(i) {
			found.Source[i] = found.Replica[i]
		}
	}
	return found.Source
}

// readWhole reads what differs in a table that no key splits.
func (v *views) readWhole(ctx context.Context, g *group) (*group, error) {
	var bytes int64
	err := checksum.CompareScans(ctx, v.source, v.replica, checksum.ScanBudget, func(delta *checksum.ScanDelta) error {
		return delta.Values(ctx, delta.Differences(), func(found checksum.Found) error {
			g.changes = append(g.changes, rowsql.Change{Before: found.Replica, After: found.Source, Count: found.Count, There: -1})
			bytes += rowBytes(found.Source) + rowBytes(found.Replica)
			if len(g.changes) > mostKeyless || bytes > 2*groupBytes {
				return &refusedError{Refusal{Code: RefusedKind, Reason: fmt.Sprintf("no key splits the table, so that it is repaired in one transaction, and more than %d rows or %d MB of it differ: load it anew, or give it a primary key", mostKeyless, 2*groupBytes>>20)}}
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	g.stored, err = v.current.Digest(ctx, g.chunk)
	return g, err
}

func rowBytes(row checksum.Row) (bytes int64) {
	const perValue = 16
	for _, value := range row {
		if text, isBytes := value.([]byte); isBytes {
			bytes += int64(len(text))
		}
		bytes += perValue
	}
	return bytes
}

// refusedError is a refusal on its way up: the rows in question stay as they are.
type refusedError struct{ Refusal }

func (e *refusedError) Error() string { return e.Reason }

func countsOf(changes []rowsql.Change) (counts Counts) {
	for _, c := range changes {
		switch {
		case c.Before == nil:
			counts.Missing += c.Count
		case c.After == nil:
			counts.Extra += c.Count
		default:
			counts.Changed += c.Count
		}
	}
	return counts
}

// keepDeletes leaves only the rows that are to go.
func (g *group) keepDeletes() {
	g.changes = slices.DeleteFunc(g.changes, func(c rowsql.Change) bool { return c.After != nil })
}

package checksum

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"trueup/server"
)

// ScanBudget is how many rows' hashes CompareScans holds at once, of both sides together: 32 bytes each.
const ScanBudget = 1 << 19

// ScanDelta is a part of what differs between two tables without a common order. Its differences are those of some
// partitions; the rows behind them are not in memory.
type ScanDelta struct {
	Missing, Extra, Changed int64 // rows

	source, replica *Reader
	alone           [2][]tallied // on the source only, on the replica only
	changed         [2][]tallied // pairs of one key, by place
}

// CompareScans lists what differs between the tables that both readers have digested before, in portions of at most
// about budget rows, each of which costs two more passes over the tables. Rows are the same row when their key's bytes are
// the same; where the layout has no key, unequal rows are one missing and one extra row.
func CompareScans(ctx context.Context, source, replica *Reader, budget int, onDelta func(*ScanDelta) error) error {
	if source.multiset == nil || replica.multiset == nil {
		return errors.New("internal error: tables are compared that were not digested")
	}
	next := 0
	for {
		var set partitionSet
		next = portion(source.multiset, replica.multiset, next, int64(budget), &set)
		if set.isEmpty() {
			return nil
		}
		delta, err := compareTallies(ctx, source, replica, &set, budget)
		if err != nil {
			return err
		}
		if err := onDelta(delta); err != nil {
			return err
		}
	}
}

// portion adds the next partitions that differ to the set, as many as the budget has room for but at least one, and
// returns where to go on.
func portion(a, b *multiset, from int, budget int64, set *partitionSet) int {
	var rows int64
	for i := from; i < len(a.partitions); i++ {
		if a.partitions[i] == b.partitions[i] {
			continue
		}
		both := a.partitions[i].rows + b.partitions[i].rows
		if rows > 0 && rows+both > budget {
			return i
		}
		rows += both
		set.add(i)
	}
	return len(a.partitions)
}

func compareTallies(ctx context.Context, source, replica *Reader, set *partitionSet, budget int) (*ScanDelta, error) {
	var tallies [2]*tally
	var group errgroup.Group // one side's error must not cut the other's connection
	for side, reader := range []*Reader{source, replica} {
		group.Go(func() (err error) {
			tallies[side], err = reader.tally(ctx, set, budget)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	delta := &ScanDelta{source: source, replica: replica}
	delta.match(tallies[0].sorted(), tallies[1].sorted(), len(source.layout.Key.Columns) > 0)
	return delta, nil
}

// tallied is a row's hashes, and how often the row is there.
type tallied struct {
	rowHash
	count int64
}

func compareHashes(a, b rowHash) int {
	return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.row[0], b.row[0]), cmp.Compare(a.row[1], b.row[1]))
}

// tally counts equal rows. Rows are merged when there are many, so that a table of a single row many times over takes no
// more memory than its unequal rows do.
type tally struct {
	rows    []tallied
	mergeAt int
}

func (r *Reader) tally(ctx context.Context, set *partitionSet, budget int) (*tally, error) {
	// One row, or more, may be there more often than the budget is large: those are merged.
	t := &tally{mergeAt: max(1, min(budget, int(r.multiset.rowsIn(set))))}
	t.rows = make([]tallied, 0, t.mergeAt)
	_, err := r.hashRows(ctx, func(h rowHash, _ []server.Field) error {
		if set.has(h.partition()) {
			t.add(h)
		}
		return nil
	})
	return t, err
}

func (t *tally) add(h rowHash) {
	if len(t.rows) == t.mergeAt {
		t.merge()
		t.mergeAt = max(t.mergeAt, 2*len(t.rows))
	}
	t.rows = append(t.rows, tallied{h, 1})
}

func (t *tally) merge() {
	slices.SortFunc(t.rows, func(a, b tallied) int { return compareHashes(a.rowHash, b.rowHash) })
	merged := t.rows[:0]
	for _, row := range t.rows {
		if last := len(merged) - 1; last >= 0 && merged[last].rowHash == row.rowHash {
			merged[last].count += row.count
			continue
		}
		merged = append(merged, row)
	}
	t.rows = merged
}

func (t *tally) sorted() []tallied {
	t.merge()
	return t.rows
}

// match walks both sorted lists and notes what one side has more of, in the memory of the lists.
func (d *ScanDelta) match(source, replica []tallied, keyed bool) {
	d.alone = [2][]tallied{source[:0], replica[:0]}
	for i, j := 0, 0; i < len(source) || j < len(replica); {
		order := 0
		switch {
		case j == len(replica):
			order = -1
		case i == len(source):
			order = 1
		default:
			order = compareHashes(source[i].rowHash, replica[j].rowHash)
		}
		switch {
		case order < 0:
			d.addAlone(0, source[i].rowHash, source[i].count)
			i++
		case order > 0:
			d.addAlone(1, replica[j].rowHash, replica[j].count)
			j++
		default:
			more := source[i].count - replica[j].count
			d.addAlone(0, source[i].rowHash, more)
			d.addAlone(1, replica[j].rowHash, -more)
			i, j = i+1, j+1
		}
	}
	if keyed {
		d.pairByKey()
	}
	for side, rows := range []*int64{&d.Missing, &d.Extra} {
		for _, row := range d.alone[side] {
			*rows += row.count
		}
	}
	d.Changed = int64(len(d.changed[0]))
}

func (d *ScanDelta) addAlone(side int, h rowHash, count int64) {
	if count > 0 {
		d.alone[side] = append(d.alone[side], tallied{h, count})
	}
}

// pairByKey makes a changed row of a row on each side of one key. Both lists are sorted by key.
func (d *ScanDelta) pairByKey() {
	source, replica := d.alone[0], d.alone[1]
	left := [2][]tallied{source[:0], replica[:0]}
	for i, j := 0, 0; i < len(source) || j < len(replica); {
		switch {
		case j == len(replica) || i < len(source) && source[i].key < replica[j].key:
			left[0] = append(left[0], source[i])
			i++
		case i == len(source) || source[i].key > replica[j].key:
			left[1] = append(left[1], replica[j])
			j++
		default:
			d.changed[0] = append(d.changed[0], source[i])
			d.changed[1] = append(d.changed[1], replica[j])
			i, j = i+1, j+1
		}
	}
	d.alone = left
}

// Differences is how many Found Values has in all: equal rows that only one side has are one.
func (d *ScanDelta) Differences() int {
	return len(d.alone[0]) + len(d.alone[1]) + len(d.changed[0])
}

// Values reads the tables again, inside the same snapshots, and hands the rows that differ to onFound, up to limit: the
// missing ones first, then the extra ones, then the changed ones.
func (d *ScanDelta) Values(ctx context.Context, limit int, onFound func(Found) error) error {
	for side, reader := range []*Reader{d.source, d.replica} {
		rows := d.alone[side][:min(limit, len(d.alone[side]))]
		limit -= len(rows)
		err := reader.copyTallied(ctx, rows, nil, func(place int, row Row) error {
			found := Found{Source: row, Count: rows[place].count}
			if side == 1 {
				found.Source, found.Replica = nil, row
			}
			return onFound(found)
		})
		if err != nil {
			return err
		}
	}
	n := min(limit, len(d.changed[0]))
	if n == 0 {
		return nil
	}
	copies := func(side int, reader *Reader) rowSource {
		return func(ctx context.Context, wanted func(int) bool, send func(int, Row) error) error {
			return reader.copyTallied(ctx, d.changed[side][:n], wanted, send)
		}
	}
	return joinRows(ctx, n, joinBytes, copies(0, d.source), copies(1, d.replica), func(_ int, a, b Row) error {
		return onFound(Found{Source: a, Replica: b, Count: 1})
	})
}

// copyTallied scans the table for the rows of a sorted list and hands the first of each to onRow with its place in it.
func (r *Reader) copyTallied(ctx context.Context, rows []tallied, wanted func(place int) bool, onRow func(place int, row Row) error) error {
	if len(rows) == 0 {
		return nil
	}
	sent := make([]bool, len(rows))
	_, err := r.hashRows(ctx, func(h rowHash, values []server.Field) error {
		place, found := slices.BinarySearchFunc(rows, h, func(a tallied, b rowHash) int { return compareHashes(a.rowHash, b) })
		if !found || sent[place] || wanted != nil && !wanted(place) {
			return nil
		}
		sent[place] = true
		row, err := r.copyRow(values)
		if err != nil {
			return err
		}
		return onRow(place, row)
	})
	return err
}

package checksum

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"trueup/chunker"
	"trueup/server"
)

// Delta is what differs between a chunk's rows on the source and on one replica. Rows are named by their number in
// key order within the chunk, from 0, on the side that has them; the numbers hold as long as the snapshots do.
type Delta struct {
	Missing []int // on the source only: number on the source
	Extra   []int // on the replica only: number on the replica
	Changed []Pair

	source, replica *rowList
}

// Pair is one row that both sides have with unequal values: its number on each side.
type Pair struct{ Source, Replica int }

// Rows is how many rows differ.
func (d Delta) Rows() int { return len(d.Missing) + len(d.Extra) + len(d.Changed) }

// IsEmpty tells whether the rows are equal.
func (d Delta) IsEmpty() bool { return d.Rows() == 0 }

// Compare reads a chunk's rows on both sides, at once, and lists those that differ. Rows are the same row when
// their keys are the same to the server: under a case-insensitive collation 'A' here and 'a' there are one changed row.
// Both readers must be of one layout and hold snapshots of one position.
func Compare(ctx context.Context, source, replica *Reader, chunk chunker.Chunk) (Delta, error) {
	var sourceRows, replicaRows *rowList
	var group errgroup.Group // one side's error must not cut the other's connection
	group.Go(func() (err error) { sourceRows, err = listRows(ctx, source, chunk); return err })
	group.Go(func() (err error) { replicaRows, err = listRows(ctx, replica, chunk); return err })
	if err := group.Wait(); err != nil {
		return Delta{}, err
	}
	return match(ctx, source, replica, sourceRows, replicaRows)
}

// match pairs the rows of both sides.
func match(ctx context.Context, source, replica *Reader, sourceRows, replicaRows *rowList) (Delta, error) {
	delta := matchByBytes(sourceRows, replicaRows)
	delta.source, delta.replica = sourceRows, replicaRows
	if source.layout.Key.ByteEquality() || len(delta.Missing) == 0 || len(delta.Extra) == 0 {
		return delta, nil
	}
	return matchByServer(ctx, source, replica, sourceRows, replicaRows, delta)
}

// Sums are the hashes of a differing row's values on both sides, so that it can be told whether it still differs in the same way
// when it is read again.
type Sums struct {
	Source, Replica     uint64
	OnSource, OnReplica bool
}

// Sums returns the differing rows by key (its bytes on the source, where the row is there).
func (d Delta) Sums() map[string]Sums {
	found := make(map[string]Sums, d.Rows())
	for _, i := range d.Missing {
		found[string(d.source.key(i))] = Sums{Source: d.source.sums[i], OnSource: true}
	}
	for _, j := range d.Extra {
		found[string(d.replica.key(j))] = Sums{Replica: d.replica.sums[j], OnReplica: true}
	}
	for _, pair := range d.Changed {
		found[string(d.source.key(pair.Source))] = Sums{Source: d.source.sums[pair.Source], Replica: d.replica.sums[pair.Replica], OnSource: true, OnReplica: true}
	}
	return found
}

// Only returns the differing rows whose keys, as in Sums, are wanted.
func (d Delta) Only(wanted func(key string) bool) Delta {
	only := Delta{source: d.source, replica: d.replica}
	for _, i := range d.Missing {
		if wanted(string(d.source.key(i))) {
			only.Missing = append(only.Missing, i)
		}
	}
	for _, j := range d.Extra {
		if wanted(string(d.replica.key(j))) {
			only.Extra = append(only.Extra, j)
		}
	}
	for _, pair := range d.Changed {
		if wanted(string(d.source.key(pair.Source))) {
			only.Changed = append(only.Changed, pair)
		}
	}
	return only
}

// rowList is the rows of a chunk on one side: each one's encoded key and the hash of the whole row.
type rowList struct {
	keys []byte
	ends []int // end of key i in keys
	sums []uint64

	// Of a list that keeps the rows themselves, their encodings.
	rows    []byte
	rowEnds []int
}

func (l *rowList) key(i int) []byte {
	begin := 0
	if i > 0 {
		begin = l.ends[i-1]
	}
	return l.keys[begin:l.ends[i]]
}

func listRows(ctx context.Context, reader *Reader, chunk chunker.Chunk) (*rowList, error) {
	list := &rowList{}
	hasher := &rowHasher{}
	err := reader.Rows(ctx, chunk, func(values []server.Field) error {
		hasher.reset()
		err := reader.digestRow(hasher, values)
		if err != nil {
			return err
		}
		list.sums = append(list.sums, hasher.first.Sum64())
		if list.keys, err = reader.encodeKey(list.keys, values); err != nil {
			return err
		}
		list.ends = append(list.ends, len(list.keys))
		return nil
	})
	return list, err
}

// matchByBytes pairs rows whose keys are the same bytes.
func matchByBytes(source, replica *rowList) Delta {
	var delta Delta
	onReplica := make(map[string]int, len(replica.sums))
	for i := range replica.sums {
		onReplica[string(replica.key(i))] = i
	}
	matched := make([]bool, len(replica.sums))
	for i, sum := range source.sums {
		j, found := onReplica[string(source.key(i))]
		if !found {
			delta.Missing = append(delta.Missing, i)
			continue
		}
		matched[j] = true
		if replica.sums[j] != sum {
			delta.Changed = append(delta.Changed, Pair{Source: i, Replica: j})
		}
	}
	for j := range matched {
		if !matched[j] {
			delta.Extra = append(delta.Extra, j)
		}
	}
	return delta
}

// lookupsUnderLock is how many rows are looked up before the table's metadata lock is given back.
const lookupsUnderLock = 500

// mostSlowLookups is how many rows of a chunk are looked up by the text of a day that the calendar does not have, for which
// no index helps.
const mostSlowLookups = 100

// matchByServer pairs the rows that are left by asking the server which row has an equal key: only it knows its
// collations. It asks for the rows of the side that has fewer left.
func matchByServer(ctx context.Context, source, replica *Reader, sourceRows, replicaRows *rowList, delta Delta) (Delta, error) {
	few, fewRows, many, manyRows, asked := delta.Missing, sourceRows, delta.Extra, replicaRows, replica
	swapped := len(delta.Extra) < len(delta.Missing)
	if swapped {
		few, fewRows, many, manyRows, asked = delta.Extra, replicaRows, delta.Missing, sourceRows, source
	}
	manyByKey := make(map[string]int, len(many))
	for _, i := range many {
		manyByKey[string(manyRows.key(i))] = i
	}
	partner := map[int]int{} // of few → of many
	asked.slowLookups = 0
	for batch := range slices.Chunk(few, lookupsUnderLock) {
		err := asked.withoutMetadataLock(ctx, func() error {
			return asked.findPartners(ctx, batch, fewRows, manyByKey, partner)
		})
		if err != nil {
			return Delta{}, err
		}
	}
	return delta.pairUp(partner, swapped), nil
}

// findPartners looks up rows of the other side by key and adds those that are found among manyByKey to partner.
func (r *Reader) findPartners(ctx context.Context, few []int, fewRows *rowList, manyByKey map[string]int, partner map[int]int) error {
	for _, i := range few {
		key, err := decodeValues(fewRows.key(i))
		if err != nil {
			return fmt.Errorf("matching rows by key: %w", err)
		}
		if r.layout.Key.HasNoDay(key) {
			if r.slowLookups++; r.slowLookups > mostSlowLookups {
				continue // it stays a missing and an extra row
			}
		}
		found, err := r.rowByKey(ctx, key)
		if err != nil {
			return err
		}
		if j, here := manyByKey[string(found)]; here && found != nil {
			partner[i] = j
		}
	}
	return nil
}

// pairUp turns missing and extra rows that are partners into changed ones. partner leads from the source's rows to
// the replica's, or, swapped, the other way.
func (d Delta) pairUp(partner map[int]int, swapped bool) Delta {
	pairedSource, pairedReplica := map[int]bool{}, map[int]bool{}
	paired := Delta{Changed: d.Changed, source: d.source, replica: d.replica}
	for from, to := range partner {
		pair := Pair{Source: from, Replica: to}
		if swapped {
			pair = Pair{Source: to, Replica: from}
		}
		pairedSource[pair.Source], pairedReplica[pair.Replica] = true, true
		paired.Changed = append(paired.Changed, pair)
	}
	slices.SortFunc(paired.Changed, func(a, b Pair) int { return cmp.Compare(a.Source, b.Source) })
	for _, i := range d.Missing {
		if !pairedSource[i] {
			paired.Missing = append(paired.Missing, i)
		}
	}
	for _, j := range d.Extra {
		if !pairedReplica[j] {
			paired.Extra = append(paired.Extra, j)
		}
	}
	return paired
}

package checksum

import (
	"context"

	"github.com/cespare/xxhash/v2"

	"trueup/chunker"
	"trueup/server"
)

// MultisetXXH64 digests rows that have no order: two xxHash64 of each encoded row, under different seeds, each added up
// modulo 2^64. Unlike an XOR it sees rows that are there twice, and how often.
const MultisetXXH64 Algorithm = "xxh64x2-multiset"

// secondSeed makes the second hash of a row another one than the first, which has seed 0.
const secondSeed = 0x9e3779b97f4a7c15

// rowHash stands for one row: what its key hashes to, and the row. Without a key, the row's first hash stands for both, so
// that copies of one row have one key.
type rowHash struct {
	key uint64
	row [2]uint64
}

// partitionBits is how many leading bits of a key's hash say which partition of its table a row is in.
const partitionBits = 14

func (h rowHash) partition() int { return int(h.key >> (64 - partitionBits)) }

// partition sums up the rows whose keys hash to it.
type partition struct {
	rows int64
	sum  [2]uint64
}

func (p *partition) add(h rowHash) {
	p.rows++
	p.sum[0] += h.row[0]
	p.sum[1] += h.row[1]
}

// multiset is the digest of all rows of a table, whatever their order, in partitions: where two differ, only the rows of
// the partitions that do are looked at again.
type multiset struct {
	partitions [1 << partitionBits]partition
	bytes      int64
}

func (m *multiset) digest() Digest {
	digest := Digest{Algorithm: MultisetXXH64, Bytes: m.bytes}
	for i := range m.partitions {
		p := &m.partitions[i]
		digest.Rows += p.rows
		digest.Sum[0] += p.sum[0]
		digest.Sum[1] += p.sum[1]
	}
	return digest
}

// rowsIn is how many rows the partitions of a set hold.
func (m *multiset) rowsIn(set *partitionSet) int64 {
	var rows int64
	for i := range m.partitions {
		if set.has(i) {
			rows += m.partitions[i].rows
		}
	}
	return rows
}

// scan digests the whole table, whatever the order of its rows, in one pass.
func (r *Reader) scan(ctx context.Context) (Digest, error) {
	r.multiset = &multiset{}
	bytes, err := r.hashRows(ctx, func(h rowHash, _ []server.Field) error {
		r.multiset.partitions[h.partition()].add(h)
		return nil
	})
	r.multiset.bytes = bytes
	return r.multiset.digest(), err
}

// hashRows calls onRow with each row of the table, valid only until it returns. bytes is the length of all encodings.
func (r *Reader) hashRows(ctx context.Context, onRow func(h rowHash, values []server.Field) error) (bytes int64, err error) {
	parts := len(r.layout.Key.Columns)
	hasher := &rowHasher{wide: true}
	err = r.Rows(ctx, chunker.Chunk{}, func(values []server.Field) error {
		hasher.reset()
		if err := r.digestRow(hasher, values); err != nil {
			return err
		}
		h := rowHash{row: [2]uint64{hasher.first.Sum64(), hasher.second.Sum64()}}
		h.key = h.row[0]
		if parts > 0 {
			var err error
			if r.keyBuffer, err = r.encodeKey(r.keyBuffer[:0], values); err != nil {
				return err
			}
			h.key = xxhash.Sum64(r.keyBuffer)
		}
		return onRow(h, values)
	})
	return hasher.bytes, err
}

// partitionSet is a set of partitions.
type partitionSet [1 << partitionBits / 64]uint64

func (s *partitionSet) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *partitionSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s *partitionSet) isEmpty() bool {
	return *s == partitionSet{}
}

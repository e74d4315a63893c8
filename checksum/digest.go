package checksum

import (
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Algorithm names how a Digest was made; digests of unlike algorithms cannot be compared.
type Algorithm string

// RowsXXH64 is the xxHash64 of the canonical encodings of the rows in key order.
const RowsXXH64 Algorithm = "xxh64-rows"

// Digest stands for the rows of a chunk on one server.
type Digest struct {
	Algorithm Algorithm
	Rows      int64
	Bytes     int64 // of the canonical encoding
	Sum       [2]uint64
}

// Equal compares two digests. It is an error to compare digests of unlike algorithms.
func (d Digest) Equal(other Digest) (bool, error) {
	if d.Algorithm != other.Algorithm {
		return false, fmt.Errorf("digests of unlike algorithms cannot be compared: %q and %q", d.Algorithm, other.Algorithm)
	}
	return d == other, nil
}

// chunkHasher digests encoded rows one after the other.
type chunkHasher struct {
	xxh   xxhash.Digest
	rows  int64
	bytes int64
}

func (h *chunkHasher) reset() {
	h.xxh.Reset()
	h.rows, h.bytes = 0, 0
}

func (h *chunkHasher) add(piece []byte) {
	_, _ = h.xxh.Write(piece) // never fails
	h.bytes += int64(len(piece))
}

func (h *chunkHasher) digest() Digest {
	return Digest{Algorithm: RowsXXH64, Rows: h.rows, Bytes: h.bytes, Sum: [2]uint64{h.xxh.Sum64(), 0}}
}

// rowHasher digests one encoded row, and again under another seed where wide is set.
type rowHasher struct {
	first, second xxhash.Digest
	wide          bool
	bytes         int64 // of all rows
}

func (h *rowHasher) reset() {
	h.first.Reset()
	if h.wide {
		h.second.ResetWithSeed(secondSeed)
	}
}

func (h *rowHasher) add(piece []byte) {
	_, _ = h.first.Write(piece)
	if h.wide {
		_, _ = h.second.Write(piece)
	}
	h.bytes += int64(len(piece))
}

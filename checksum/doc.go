// Package checksum reads the rows of a chunk and tells whether they are equal on two servers.
//
// Rows come through prepared statements (the binary protocol: exact FLOAT and DOUBLE bits) in key order. Each
// value is encoded with its type and, where its size is not fixed by the type, its length, NULL as a type of its
// own; so unequal rows never encode alike, which no encoding with separators can say. A chunk's digest is the
// xxHash64 of its encoded rows one after the other: not linear, so that equal changes do not cancel, and ordered,
// so that swapped values show.
//
// Unequal digests make a chunk a candidate; Compare then lists the rows of both sides by key and row hash, inside
// the same snapshots, matches them by the key as the server sees it, and says which are missing, extra or changed.
//
// Memory: one row buffer a reader while digesting; key bytes and 8 bytes of hash a row while comparing.
package checksum

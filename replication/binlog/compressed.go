package binlog

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
)

// mostInflated bounds what one value or event may grow to: the largest that a server takes (max_allowed_packet).
const mostInflated = 1 << 30

// decompressColumn undoes MariaDB's COMPRESSED attribute of a column, whose values are logged as they are stored: the method
// and the size of the length in the first byte, the length, the data (MariaDB source, sql/field_comp.cc).
func decompressColumn(stored []byte) ([]byte, error) {
	const noMethod, zlibMethod, withoutHeader = 0, 8, 8
	if len(stored) == 0 {
		return stored, nil
	}
	head := stored[0]
	switch head >> 4 {
	case noMethod:
		return stored[1:], nil
	case zlibMethod:
	default:
		return nil, fmt.Errorf("a column is compressed by a method that this version does not know (number %d)", head>>4)
	}
	r := reader{rest: stored[1:]}
	length := r.take(int(head & 7))
	if r.failed {
		return nil, errCutShort
	}
	return inflate(r.rest, bigEndian(length), head&withoutHeader != 0)
}

// decompressEvent undoes MariaDB's log_bin_compress: the size of the length in the first byte, the length, zlib's data.
func decompressEvent(stored []byte) ([]byte, error) {
	r := reader{rest: stored}
	length := r.take(int(r.number(1) & 7))
	if r.failed {
		return nil, errCutShort
	}
	return inflate(r.rest, bigEndian(length), false)
}

func inflate(data []byte, length uint64, withoutHeader bool) ([]byte, error) {
	if length > mostInflated {
		return nil, errors.New("compressed data says that it is larger than any server takes")
	}
	var source io.Reader = flate.NewReader(bytes.NewReader(data))
	if !withoutHeader {
		var err error
		if source, err = zlib.NewReader(bytes.NewReader(data)); err != nil {
			return nil, fmt.Errorf("compressed data: %w", err)
		}
	}
	whole, err := io.ReadAll(io.LimitReader(source, int64(length)+1))
	if err != nil {
		return nil, fmt.Errorf("compressed data: %w", err)
	}
	if uint64(len(whole)) != length {
		return nil, errors.New("compressed data does not have the length that it says")
	}
	return whole, nil
}

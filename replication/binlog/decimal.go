package binlog

import (
	"bytes"
	"fmt"
)

// A DECIMAL is groups of nine digits, each in four bytes, the uneven ones at the two ends in as few as they need; its sign is
// the first bit, and a negative one is inverted: MySQL source, strings/decimal.c, decimal2bin.

const groupDigits = 9

var bytesOfDigits = [groupDigits + 1]int{0, 1, 1, 2, 2, 3, 3, 4, 4, 4}

func precisionOf(column Column) (precision, scale int) {
	return int(column.Meta & 0xff), int(column.Meta >> 8)
}

// isDecimal tells whether DECIMAL(precision, scale) exists.
func isDecimal(precision, scale int) bool {
	const mostDigits = 65
	return precision >= 1 && precision <= mostDigits && scale <= precision
}

func decimalSize(precision, scale int) int {
	size := func(digits int) int { return digits/groupDigits*4 + bytesOfDigits[digits%groupDigits] }
	return size(precision-scale) + size(scale)
}

// decimalText is a DECIMAL as the server prints it, without ZEROFILL.
func decimalText(column Column, raw []byte) []byte {
	precision, scale := precisionOf(column)
	return decimalDigits(raw, precision, scale)
}

func decimalDigits(raw []byte, precision, scale int) []byte {
	stored := bytes.Clone(raw)
	negative := stored[0]&0x80 == 0
	stored[0] ^= 0x80
	if negative {
		for i := range stored {
			stored[i] ^= 0xff
		}
	}
	var digits []byte
	group := func(n int) {
		if n == 0 {
			return
		}
		size := bytesOfDigits[n]
		digits = fmt.Appendf(digits, "%0*d", n, bigEndian(stored[:size]))
		stored = stored[size:]
	}
	whole := precision - scale
	group(whole % groupDigits)
	for range whole / groupDigits {
		group(groupDigits)
	}
	if digits = bytes.TrimLeft(digits, "0"); len(digits) == 0 {
		digits = []byte{'0'}
	}
	if scale > 0 {
		digits = append(digits, '.')
	}
	for range scale / groupDigits {
		group(groupDigits)
	}
	group(scale % groupDigits)
	if negative {
		digits = append([]byte{'-'}, digits...)
	}
	return digits
}

package server

import (
	"encoding/binary"
	"fmt"
)

// mostTimeText is the longest text of a date or time: "-838:59:59.000000" and "2006-01-02 15:04:05.000000".
const mostTimeText = 26

// appendDateTime writes a date or a date with time of the binary protocol as text, as the driver does: the protocol
// leaves trailing parts out that are zero.
func appendDateTime(dst, data []byte, format columnFormat) ([]byte, error) {
	var year, month, day, hour, minute, second, micros int
	switch len(data) {
	case 11:
		micros = int(binary.LittleEndian.Uint32(data[7:]))
		fallthrough
	case 7:
		hour, minute, second = int(data[4]), int(data[5]), int(data[6])
		fallthrough
	case 4:
		year, month, day = int(binary.LittleEndian.Uint16(data)), int(data[2]), int(data[3])
	case 0:
	default:
		return dst, fmt.Errorf("protocol error: a date of %d bytes", len(data))
	}
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, '-'), month, 2)
	dst = appendDigits(append(dst, '-'), day, 2)
	if format.layout == layoutDate {
		return dst, nil
	}
	return appendClock(append(dst, ' '), hour, minute, second, micros, format.decimals), nil
}

// appendTime writes a time of the binary protocol as text, as the driver does. Hours may have three digits.
func appendTime(dst, data []byte, decimals int) ([]byte, error) {
	var hours, minute, second, micros int
	negative := false
	switch len(data) {
	case 12:
		micros = int(binary.LittleEndian.Uint32(data[8:]))
		fallthrough
	case 8:
		negative = data[0] == 1
		hours = int(binary.LittleEndian.Uint32(data[1:]))*24 + int(data[5])
		minute, second = int(data[6]), int(data[7])
	case 0:
	default:
		return dst, fmt.Errorf("protocol error: a time of %d bytes", len(data))
	}
	if negative {
		dst = append(dst, '-')
	}
	return appendClock(dst, hours, minute, second, micros, decimals), nil
}

func appendClock(dst []byte, hour, minute, second, micros, decimals int) []byte {
	if hour >= 100 {
		dst = appendDigits(dst, hour, 3)
	} else {
		dst = appendDigits(dst, hour, 2)
	}
	dst = appendDigits(append(dst, ':'), minute, 2)
	dst = appendDigits(append(dst, ':'), second, 2)
	if decimals == 0 {
		return dst
	}
	dst = appendDigits(append(dst, '.'), micros, 6)
	return dst[:len(dst)-(6-decimals)]
}

// appendDigits writes a number with leading zeros.
func appendDigits(dst []byte, n, width int) []byte {
	for divisor := pow10(width - 1); divisor > 0; divisor /= 10 {
		dst = append(dst, byte('0'+n/divisor%10))
	}
	return dst
}

func pow10(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}

package rowsql

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"

	"trueup/server"
)

// isASCIIBased tells whether every printable ASCII character is in the character set what it is in ASCII, and is there by its own byte.
// In swe7 and the Japanese sets some are not; text of sets that are missing here is written in hexadecimal.
func isASCIIBased(charset string) bool {
	switch charset {
	case "utf8mb4", "utf8mb3", "utf8", "ascii", "latin1", "latin2", "latin5", "latin7", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866",
		"koi8r", "koi8u", "greek", "hebrew":
		return true
	}
	return false
}

// introducer is the name by which every server of both families knows the character set, or one that holds it: utf8 means utf8mb4 on some,
// and older ones do not know utf8mb3.
func introducer(charset string) string {
	if charset == "utf8" || charset == "utf8mb3" {
		return "utf8mb4"
	}
	return charset
}

// isLoose tells whether the server takes halves of surrogate pairs in UTF-8 and UTF-32, and every byte as ASCII: MariaDB 10.11 and 11.8 and MySQL
// 5.6 do, MySQL 9.7 does not.
func isLoose(on server.Identity) bool {
	return on.Flavor == server.MariaDB || on.Flavor == server.MySQL && !on.Version.AtLeast(5, 7, 0)
}

// invalidIn says why the server refuses the bytes as text of the character set; "" where it takes them or only it can tell. No way round
// was found on MySQL 5.6 and 9.7 and MariaDB 10.11 and 11.8: hexadecimal without an introducer, CAST, CONVERT, CONCAT and a column of
// bytes are all checked when they are stored.
func invalidIn(charset string, v []byte, loose bool) string {
	valid := true
	switch charset {
	case "utf8mb4":
		valid = validUTF8(v, utf8.UTFMax, loose)
	case "utf8mb3", "utf8":
		valid = validUTF8(v, utf8.UTFMax-1, loose)
	case "ascii":
		valid = loose || !slices.ContainsFunc(v, func(b byte) bool { return b >= utf8.RuneSelf })
	case "ucs2": // without surrogate pairs, so that no half of one is wrong
		valid = len(v)%2 == 0
	case "utf16":
		valid = validUTF16(v, binary.BigEndian)
	case "utf16le":
		valid = validUTF16(v, binary.LittleEndian)
	case "utf32":
		valid = validUTF32(v, loose)
	}
	if valid {
		return ""
	}
	return fmt.Sprintf("its bytes are no text in %s", charset)
}

func validUTF8(v []byte, longest int, loose bool) bool {
	for len(v) > 0 {
		r, size := utf8.DecodeRune(v)
		if r == utf8.RuneError && size == 1 && loose && isSurrogate(v) {
			size = 3
		} else if r == utf8.RuneError && size == 1 || size > longest {
			return false
		}
		v = v[size:]
	}
	return true
}

// isSurrogate tells whether UTF-8 begins with half a surrogate pair.
func isSurrogate(v []byte) bool {
	continues := func(b, from byte) bool { return b >= from && b <= 0xbf }
	return len(v) >= 3 && v[0] == 0xed && continues(v[1], 0xa0) && continues(v[2], utf8.RuneSelf)
}

func validUTF16(v []byte, order binary.ByteOrder) bool {
	const surrogate, low, above = 0xd800, 0xdc00, 0xe000
	for ; len(v) >= 2; v = v[2:] {
		unit := order.Uint16(v)
		if unit < surrogate || unit >= above {
			continue
		}
		if v = v[2:]; unit >= low || len(v) < 2 || order.Uint16(v) < low || order.Uint16(v) >= above {
			return false
		}
	}
	return len(v) == 0
}

func validUTF32(v []byte, loose bool) bool {
	for ; len(v) >= 4; v = v[4:] {
		if r := binary.BigEndian.Uint32(v); r > utf8.MaxRune || !loose && !utf8.ValidRune(rune(r)) {
			return false
		}
	}
	return len(v) == 0
}

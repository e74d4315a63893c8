package binlog

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

const (
	uuidBytes  = 16
	inet4Bytes = 4
	inet6Bytes = 16
)

// uuidText prints a UUID as MariaDB does. It stores those of most versions with the parts turned round, so that those made one
// after the other lie together, and the others as they are; two bits tell which (MariaDB source, plugin/type_uuid).
func uuidText(stored []byte) []byte {
	if stored[6]&-stored[8]&0x80 != 0 {
		turned := append([]byte{}, stored[12:16]...)
		turned = append(turned, stored[10:12]...)
		turned = append(turned, stored[8:10]...)
		turned = append(turned, stored[6:8]...)
		stored = append(turned, stored[0:6]...)
	}
	digits := hex.EncodeToString(stored)
	return []byte(digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:])
}

// inetText prints an INET4 or INET6 as MariaDB does.
func inetText(dataType string, stored []byte) []byte {
	if dataType == "inet4" {
		return []byte(netip.AddrFrom4([inet4Bytes]byte(padded(stored, inet4Bytes))).String())
	}
	return []byte(inet6Text([inet6Bytes]byte(padded(stored, inet6Bytes))))
}

// inet6Text leaves the longest run of zeros out, also one of a single word, and prints an IPv4 address at the end as such, as other programs
// do not (MariaDB source, sql/sql_type_inet.cc).
func inet6Text(address [inet6Bytes]byte) string {
	const words = inet6Bytes / 2
	var word [words]uint64
	gap, length := 0, 0
	for i := range word {
		word[i] = bigEndian(address[2*i : 2*i+2])
		run := 0
		for j := i; j >= 0 && word[j] == 0; j-- {
			run++
		}
		if run > length {
			gap, length = i-run+1, run
		}
	}
	if length == words {
		return "::"
	}
	var text strings.Builder
	for i := 0; i < words; i++ {
		if length > 0 && i == gap {
			text.WriteString(":")
			if i == 0 {
				text.WriteString(":")
			}
			i += length - 1
			continue
		}
		if i == words-2 && gap == 0 && (length == words-2 || length == words-3 && word[words-3] == 0xffff) {
			return text.String() + netip.AddrFrom4([inet4Bytes]byte(address[inet6Bytes-inet4Bytes:])).String()
		}
		fmt.Fprintf(&text, "%x", word[i])
		if i < words-1 {
			text.WriteString(":")
		}
	}
	return text.String()
}

package binlog

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/go-mysql-org/go-mysql/mysql"

	"trueup/schema"
)

func isMembers(kind byte) bool { return kind == mysql.MYSQL_TYPE_ENUM || kind == mysql.MYSQL_TYPE_SET }

// members is the text of an ENUM or SET: that of the members whose numbers or bits are logged. Number 0 of an ENUM is the empty text of a value that
// was none of the members.
func (f Field) members(column schema.Column) ([]byte, error) {
	members, number := schema.Members(column.ColumnType), littleEndian(f.raw)
	var chosen []string
	switch {
	case column.Kind == schema.KindEnum && number > uint64(len(members)), column.Kind == schema.KindSet && number>>len(members) != 0:
		return nil, &UnreadableError{column.Name, "the log has a member that is not in " + column.ColumnType}
	case column.Kind == schema.KindEnum && number > 0:
		chosen = members[number-1 : number]
	case column.Kind == schema.KindSet:
		for i, member := range members {
			if number>>i&1 == 1 {
				chosen = append(chosen, member)
			}
		}
	}
	text, known := inCharset(strings.Join(chosen, ","), column.Charset)
	if !known {
		return nil, &UnreadableError{column.Name, "its members are not ASCII, and the character set " + column.Charset + " is not known here"}
	}
	return text, nil
}

// inCharset is text as the server stores it; false where the character set is not known here.
func inCharset(text, charset string) (stored []byte, known bool) {
	switch charset {
	case "ucs2", "utf16":
		return inUTF16(text, binary.BigEndian), true
	case "utf16le":
		return inUTF16(text, binary.LittleEndian), true
	case "utf32":
		for _, r := range text {
			stored = binary.BigEndian.AppendUint32(stored, uint32(r))
		}
		return append([]byte{}, stored...), true
	case "latin1":
		return inLatin1(text)
	case "utf8mb4", "utf8mb3", "utf8", "binary":
		return []byte(text), true
	}
	isASCII := !strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
	return []byte(text), isASCII
}

func inUTF16(text string, order binary.AppendByteOrder) []byte {
	stored := []byte{}
	for _, unit := range utf16.Encode([]rune(text)) {
		stored = order.AppendUint16(stored, unit)
	}
	return stored
}

// from80 are the characters that the servers' latin1 has from 0x80 on, where ISO 8859-1 has control characters; those that cp1252 leaves free
// are control characters there too.
const from80 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

func inLatin1(text string) (stored []byte, known bool) {
	special := []rune(from80)
	stored = []byte{}
	for _, r := range text {
		place := bytes.IndexFunc([]byte(from80), func(s rune) bool { return s == r })
		switch {
		case place >= 0:
			for i, s := range special {
				if s == r {
					stored = append(stored, byte(0x80+i))
				}
			}
		case r <= 0xff:
			stored = append(stored, byte(r))
		default:
			return nil, false
		}
	}
	return stored, true
}

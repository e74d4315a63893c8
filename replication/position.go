package replication

import (
	"cmp"
	"strconv"
	"strings"
)

// Position is a place between two events of a server's binary log: a file and the byte offset of the next
// event. The zero value is no position and orders before every other.
type Position struct {
	File   string
	Offset uint64
}

// IsZero tells whether p is no position.
func (p Position) IsZero() bool { return p == Position{} }

// String is "file:offset", and "" for no position.
func (p Position) String() string {
	if p.IsZero() {
		return ""
	}
	return p.File + ":" + strconv.FormatUint(p.Offset, 10)
}

// Compare orders two positions of the same server's log: -1 when p comes before other, 0 when they are the
// same place, 1 when p comes after. Files order by their number, not as text: after binlog.999999 comes
// binlog.1000000. Positions of different servers, or of a log that was renamed, have no meaningful order;
// Compare is then still a total order, by the name in front of the number.
func (p Position) Compare(other Position) int {
	base, number := splitLogFile(p.File)
	otherBase, otherNumber := splitLogFile(other.File)
	return cmp.Or(
		strings.Compare(base, otherBase),
		cmp.Compare(len(number), len(otherNumber)),
		strings.Compare(number, otherNumber),
		strings.Compare(p.File, other.File), // the same number with other leading zeros
		cmp.Compare(p.Offset, other.Offset),
	)
}

// splitLogFile splits "binlog.000012" into "binlog." and "12": the number without leading zeros, so that
// length and then text order it whatever its size.
func splitLogFile(file string) (base, number string) {
	digits := len(file)
	for digits > 0 && file[digits-1] >= '0' && file[digits-1] <= '9' {
		digits--
	}
	return file[:digits], strings.TrimLeft(file[digits:], "0")
}

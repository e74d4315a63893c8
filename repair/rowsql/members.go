package rowsql

import (
	"strings"
	"unicode/utf8"

	"trueup/checksum"
	"trueup/schema"
)

// memberNumber is the number that stands for the text of an ENUM or SET in the target's definition, where the text may not: a server looks
// members up by the column's collation, under which two of them may be equal ('a' and 'A'; servers allow that without strict mode). It
// returns false where the text will do, and where it cannot be found among the members.
func memberNumber(target, read checksum.Column, text []byte) (number uint64, found bool) {
	if target.Kind != schema.KindEnum && target.Kind != schema.KindSet || len(text) == 0 || !readsAsUTF8(read, text) {
		return 0, false
	}
	members := schema.Members(target.ColumnType)
	if areDistinct(members) {
		return 0, false
	}
	wanted := []string{string(text)}
	if target.Kind == schema.KindSet {
		wanted = strings.Split(string(text), ",")
	}
	for _, name := range wanted {
		place := placeOf(members, name)
		switch {
		case place < 0:
			return 0, false
		case target.Kind == schema.KindEnum:
			return uint64(place) + 1, true
		}
		number |= 1 << place
	}
	return number, true
}

// readsAsUTF8 tells whether the bytes of the text are what it is in UTF-8.
func readsAsUTF8(column checksum.Column, text []byte) bool {
	switch charset := charsetOf(column); charset {
	case "utf8mb4", "utf8mb3", "utf8":
		return utf8.Valid(text)
	default:
		return isASCIIBased(charset) && isHarmless(text)
	}
}

// placeOf is the place of the only member of that name; -1 where there is none or more than one.
func placeOf(members []string, name string) int {
	place := -1
	for i, member := range members {
		if strings.TrimRight(member, " ") == name {
			if place >= 0 {
				return -1
			}
			place = i
		}
	}
	return place
}

// areDistinct tells whether the members are unequal under every collation: plain ASCII, and unequal without regard to case.
func areDistinct(members []string) bool {
	seen := map[string]bool{}
	for _, member := range members {
		folded := strings.ToLower(strings.TrimRight(member, " "))
		if seen[folded] || !isHarmless([]byte(member)) {
			return false
		}
		seen[folded] = true
	}
	return true
}

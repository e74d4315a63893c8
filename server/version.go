package server

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Flavor is the family of a server. Behaviour that differs between families hangs on this type, never on
// a comparison of version strings.
type Flavor uint8

// The families trueup knows.
const (
	UnknownFlavor Flavor = iota
	MySQL
	MariaDB
)

// String returns "mysql", "mariadb" or "unknown", the words of the JSON output.
func (f Flavor) String() string {
	switch f {
	case MySQL:
		return "mysql"
	case MariaDB:
		return "mariadb"
	default:
		return "unknown"
	}
}

// Version is a server's release number; compare with AtLeast.
type Version struct{ Major, Minor, Patch int }

// AtLeast tells whether the version is major.minor.patch or newer. Ask it only within one Flavor: the numbers
// of MySQL and MariaDB say nothing about each other.
func (v Version) AtLeast(major, minor, patch int) bool {
	if v.Major != major {
		return v.Major > major
	}
	if v.Minor != minor {
		return v.Minor > minor
	}
	return v.Patch >= patch
}

// String returns "major.minor.patch".
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

var (
	releaseNumber = regexp.MustCompile(`^(\d{1,4})\.(\d{1,4})(?:\.(\d{1,6}))?`)
	// MariaDB 10 and 11 put 5.5.5- before their version so that replicas of old MySQL accept them; some
	// proxies pass it on.
	replicationPrefix = regexp.MustCompile(`^5\.5\.5-(\d+\.\d+)`)
	// Servers that speak the protocol and print a MySQL release number but are neither family.
	imitations = []string{"tidb", "oceanbase", "vitess", "starrocks", "doris", "singlestore", "memsql", "dolt", "clickhouse"}
)

// ParseVersion reads what SELECT VERSION() printed, with @@version_comment after it where it is known:
// "10.11.19-MariaDB-0+deb12u1-log Debian 12", "8.4.3 MySQL Community Server - GPL". A text without a release
// number is an error. A server that only imitates MySQL is UnknownFlavor without an error.
func ParseVersion(text string) (Flavor, Version, error) {
	text = strings.TrimSpace(text)
	number := text
	if replicationPrefix.MatchString(text) {
		number = strings.TrimPrefix(text, "5.5.5-")
	}
	parts := releaseNumber.FindStringSubmatch(number)
	if parts == nil {
		return UnknownFlavor, Version{}, fmt.Errorf("%q is not a server version: it does not begin with a release number", text)
	}
	var version Version
	for i, field := range []*int{&version.Major, &version.Minor, &version.Patch} {
		if parts[i+1] != "" {
			// The pattern admits only short runs of digits, so Atoi cannot fail.
			*field, _ = strconv.Atoi(parts[i+1])
		}
	}
	return flavorOf(strings.ToLower(text)), version, nil
}

func flavorOf(lower string) Flavor {
	for _, name := range imitations {
		if strings.Contains(lower, name) {
			return UnknownFlavor
		}
	}
	if strings.Contains(lower, "mariadb") {
		return MariaDB
	}
	return MySQL
}

package replication

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// mariaGTID is the last transaction of a domain.
type mariaGTID struct {
	serverID uint32
	sequence uint64
}

func parseMariaDBSet(text string) (GTIDSet, error) {
	domains := map[uint32]mariaGTID{}
	for _, part := range splitList(text) {
		domain, gtid, err := parseMariaDBGTID(part)
		if err != nil {
			return GTIDSet{}, err
		}
		if _, twice := domains[domain]; twice {
			return GTIDSet{}, fmt.Errorf("domain %d stands there twice, a position has one GTID a domain", domain)
		}
		domains[domain] = gtid
	}
	if len(domains) == 0 {
		return GTIDSet{}, nil
	}
	return GTIDSet{domains: domains}, nil
}

func parseMariaDBGTID(text string) (uint32, mariaGTID, error) {
	parts := strings.Split(text, "-")
	if len(parts) != 3 {
		return 0, mariaGTID{}, fmt.Errorf("%q is not domain-server-sequence", text)
	}
	domain, err1 := strconv.ParseUint(parts[0], 10, 32)
	serverID, err2 := strconv.ParseUint(parts[1], 10, 32)
	sequence, err3 := strconv.ParseUint(parts[2], 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return 0, mariaGTID{}, fmt.Errorf("%q is not domain-server-sequence: %w", text, err)
	}
	return uint32(domain), mariaGTID{serverID: uint32(serverID), sequence: sequence}, nil
}

func (s GTIDSet) mariaDBString() string {
	var parts []string
	for _, domain := range slices.Sorted(maps.Keys(s.domains)) {
		gtid := s.domains[domain]
		parts = append(parts, fmt.Sprintf("%d-%d-%d", domain, gtid.serverID, gtid.sequence))
	}
	return strings.Join(parts, ",")
}

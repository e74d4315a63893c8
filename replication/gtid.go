package replication

import (
	"fmt"
	"slices"
	"strings"

	"trueup/server"
)

// GTIDSet is a set of transactions. MariaDB's form "0-1-5,1-2-9" is a position: one GTID a domain, which
// stands for everything of that domain up to its sequence number. MySQL's form "uuid[:tag]:1-5:7,…" is a set of
// intervals for each source UUID and tag. The zero value is the empty set of either. A GTIDSet is never
// changed once made and may be shared.
type GTIDSet struct {
	domains   map[uint32]mariaGTID       // MariaDB
	intervals map[gtidSource][]gtidRange // MySQL: sorted, disjoint, not adjacent, never empty
}

// ParseGTIDSet reads a GTID set as the flavor's servers print it; MySQL's line breaks, letter case and
// neighbouring or overlapping intervals are normalized. Text in another form is an error, which a retry with
// the same text repeats.
func ParseGTIDSet(flavor server.Flavor, text string) (GTIDSet, error) {
	parse := parseMySQLSet
	if flavor == server.MariaDB {
		parse = parseMariaDBSet
	}
	set, err := parse(text)
	if err != nil {
		return GTIDSet{}, fmt.Errorf("GTID set %q: %w", text, err)
	}
	return set, nil
}

// IsEmpty tells whether s has no transaction.
func (s GTIDSet) IsEmpty() bool { return len(s.domains) == 0 && len(s.intervals) == 0 }

// String is the set in its flavor's form, ordered, without line breaks; ParseGTIDSet reads it back.
func (s GTIDSet) String() string {
	if len(s.domains) > 0 {
		return s.mariaDBString()
	}
	return s.mySQLString()
}

// Equal tells whether both sets have the same transactions. On MariaDB the server ids must match too.
func (s GTIDSet) Equal(o GTIDSet) bool {
	if len(s.domains) != len(o.domains) || len(s.intervals) != len(o.intervals) {
		return false
	}
	return s.AgreesOn(o)
}

// Contains tells whether s has everything that o has. MariaDB: for each domain of o, s is at the same
// sequence number or a later one, whichever server wrote it. MySQL: each interval of o lies inside one of s.
func (s GTIDSet) Contains(o GTIDSet) bool {
	for domain, theirs := range o.domains {
		ours, ok := s.domains[domain]
		if !ok || ours.sequence < theirs.sequence {
			return false
		}
	}
	for source, theirs := range o.intervals {
		for _, r := range theirs {
			if !coveredBy(r, s.intervals[source]) {
				return false
			}
		}
	}
	return true
}

// AgreesOn tells whether s stands exactly where o stands, as far as o says anything. MariaDB: for each domain
// of o, s has that very GTID, server id and sequence number; s may have more domains. MySQL: s restricted to
// the source UUIDs of o, all their tags included, equals o.
func (s GTIDSet) AgreesOn(o GTIDSet) bool {
	for domain, theirs := range o.domains {
		if ours, ok := s.domains[domain]; !ok || ours != theirs {
			return false
		}
	}
	uuids := map[string]bool{}
	for source, theirs := range o.intervals {
		uuids[source.uuid] = true
		if !slices.Equal(s.intervals[source], theirs) {
			return false
		}
	}
	for source := range s.intervals {
		if _, ok := o.intervals[source]; !ok && uuids[source.uuid] {
			return false
		}
	}
	return true
}

// IsBeyond tells whether s has transactions that o lacks, of origins that o knows. MariaDB: of a domain in both, s has a later sequence
// number. MySQL: of a server's UUID in both, other than the given one, s has one that o has not.
func (s GTIDSet) IsBeyond(o GTIDSet, except string) bool {
	for domain, ours := range s.domains {
		if theirs, ok := o.domains[domain]; ok && ours.sequence > theirs.sequence {
			return true
		}
	}
	for source, ours := range s.intervals {
		if strings.EqualFold(source.uuid, except) || o.ofServer(source.uuid).IsEmpty() {
			continue
		}
		for _, r := range ours {
			if !coveredBy(r, o.intervals[source]) {
				return true
			}
		}
	}
	return false
}

// splitList splits at commas, trims white space and drops empty parts, as the servers do.
func splitList(text string) []string {
	var parts []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

package syncpoint

import (
	"strings"

	"trueup/replication"
	"trueup/server"
)

// proveHistory compares the GTIDs at one epoch.
func (s *stepper) proveHistory(flavor server.Flavor, epoch *Epoch) error {
	agree, err := histories(flavor, epoch.GTID, epoch.Replicas[s.number].GTID)
	if err != nil || agree {
		return err
	}
	return s.refuse(OtherHistory, nil, "at %s the source has GTIDs %s and the replica %s: it does not replicate from this source, or its GTID position was set by hand",
		epoch.Position, epoch.GTID, epoch.Replicas[s.number].GTID)
}

// histories tells whether the GTIDs of source and replica at one position can belong to one history. On MariaDB
// a domain that the replica does not know says nothing: it was filled from a copy and replicates by file and offset,
// or the channel ignores the domain.
func histories(flavor server.Flavor, ofSource, ofReplica string) (agree bool, err error) {
	if flavor == server.MariaDB {
		ofSource = onlyDomainsOf(ofSource, ofReplica)
	}
	source, err := replication.ParseGTIDSet(flavor, ofSource)
	if err != nil {
		return false, err
	}
	replica, err := replication.ParseGTIDSet(flavor, ofReplica)
	if err != nil {
		return false, err
	}
	return replica.AgreesOn(source), nil
}

// onlyDomainsOf drops the GTIDs of domains that the other position does not have.
func onlyDomainsOf(position, other string) string {
	known := map[string]bool{}
	for gtid := range strings.SplitSeq(other, ",") {
		domain, _, _ := strings.Cut(strings.TrimSpace(gtid), "-")
		known[domain] = true
	}
	var kept []string
	for gtid := range strings.SplitSeq(position, ",") {
		if domain, _, _ := strings.Cut(strings.TrimSpace(gtid), "-"); known[domain] {
			kept = append(kept, gtid)
		}
	}
	return strings.Join(kept, ",")
}

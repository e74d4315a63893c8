package syncpoint

import (
	"context"
	"strings"

	"trueup/replication"
	"trueup/server"
)

// proveHistory compares the GTIDs at one epoch.
func (s *stepper) proveHistory(ctx context.Context, flavor server.Flavor, epoch *Epoch) error {
	ofSource, err := s.sourceGTID(ctx, epoch)
	if err != nil {
		return err
	}
	if s.back != nil {
		ofSource = withoutServer(ofSource, serverID(s.replica.Server))
	}
	agree, err := histories(flavor, ofSource, epoch.Replicas[s.number].GTID)
	if err != nil || agree {
		return err
	}
	return s.refuse(OtherHistory, nil, "at %s the source has GTIDs %s and the replica %s: it does not replicate from this source, or its GTID position was set by hand",
		epoch.Position, ofSource, epoch.Replicas[s.number].GTID)
}

// withoutServer drops the GTIDs that a server has given: a replica ignores its own where they come back to it, and
// its position says nothing of them.
func withoutServer(position, serverID string) string {
	var kept []string
	for gtid := range strings.SplitSeq(position, ",") {
		if parts := strings.Split(strings.TrimSpace(gtid), "-"); len(parts) != 3 || parts[1] != serverID {
			kept = append(kept, gtid)
		}
	}
	return strings.Join(kept, ",")
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

package syncpoint

import (
	"context"
	"strings"

	"trueup/replication"
	"trueup/server"
)

// proveHistory compares the GTIDs at one epoch.
func (s *stepper) proveHistory(ctx context.Context, flavor server.Flavor, epoch *Epoch) error {
	if s.follows() {
		return nil // it executes other tables' transactions all the while
	}
	ofSource, err := s.sourceGTID(ctx, epoch)
	if err != nil {
		return err
	}
	agree, err := histories(flavor, ofSource, epoch.Replicas[s.number].GTID)
	if err == nil && !agree { // what it ignores is not in its position
		agree, err = histories(flavor, s.stood.WithoutIgnored(s.replica.Server.Identity(), ofSource), epoch.Replicas[s.number].GTID)
	}
	if err != nil || agree {
		return err
	}
	return s.refuse(OtherHistory, nil, "at %s the source has GTIDs %s and the replica %s: it does not replicate from this source, or its GTID position was set by hand",
		epoch.Position, ofSource, epoch.Replicas[s.number].GTID)
}

// isAt tells whether an applier that reports the status is exactly at the target. Where the server's position says little
// the GTIDs decide: reading those of the target makes the source read its log from the file's beginning.
func (s *stepper) isAt(ctx context.Context, status replication.Status, target replication.Position) (bool, error) {
	same, err := s.same(ctx, status.Executed, target)
	if err != nil || !status.SeveralDomains() {
		return same, err
	}
	if same && !status.Inferred { // it has executed nothing beyond the target; but of a slow domain not all before it either
		return s.hasExecuted(ctx, status, target)
	}
	return s.agreesOn(ctx, status, target)
}

// hasExecuted tells by the GTIDs whether a MariaDB replica has executed everything before a target. Where nothing with a GTID is there
// its position tells.
func (s *stepper) hasExecuted(ctx context.Context, status replication.Status, target replication.Position) (bool, error) {
	ofTarget, err := s.gtidOf(ctx, target)
	if err != nil {
		return false, err
	}
	if ofTarget == "" {
		return s.same(ctx, status.Executed, target)
	}
	return status.HasExecuted(s.replica.Server.Identity(), ofTarget)
}

// agreesOn tells by the GTIDs whether a MariaDB replica has executed everything before a target, and nothing behind it.
func (s *stepper) agreesOn(ctx context.Context, status replication.Status, target replication.Position) (bool, error) {
	text, err := s.gtidOf(ctx, target)
	if err != nil {
		return false, err
	}
	if text = status.WithoutIgnored(s.replica.Server.Identity(), text); text == "" {
		return false, nil
	}
	ofTarget, err := replication.ParseGTIDSet(server.MariaDB, text)
	if err != nil {
		return false, err
	}
	executed, err := replication.ParseGTIDSet(server.MariaDB, status.ExecutedGTID)
	return err == nil && executed.AgreesOn(ofTarget), err
}

// gtidOf is the GTID position of a target, "" where it is not known.
func (s *stepper) gtidOf(ctx context.Context, target replication.Position) (string, error) {
	ofTarget, known := s.gtids[target]
	if !known {
		var err error
		if ofTarget, err = s.places.gtidAt(ctx, target); err != nil {
			return "", err
		}
		s.gtids[target] = ofTarget
	}
	return ofTarget, nil
}

// gtidAt is the GTID position of the log at a place; see replication.GTIDAt.
func (p *places) gtidAt(ctx context.Context, at replication.Position) (string, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	ctx, cancel := shared(ctx)
	defer cancel()
	return replication.GTIDAt(ctx, p.source, at)
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

// nameGTIDs gives the epochs of a MySQL source their GTIDs. The source cannot tell those of a position; but a replica that
// stands exactly there has executed these and, beyond them, nothing that the source has, unless the two are dual masters.
func (o *opening) nameGTIDs(ctx context.Context) {
	for _, epoch := range o.point.Epochs {
		for i, s := range o.steppers {
			on := epoch.Replicas[i]
			if !on.Exact || on.GTID == "" || s.upstream != nil || s.back != nil || s.replica.Server.Identity().Flavor != server.MySQL {
				continue
			}
			record, err := o.control.One(ctx, "SELECT GTID_SUBTRACT(?, GTID_SUBTRACT(?, @@GLOBAL.gtid_executed)) AS gtid", on.GTID, on.GTID)
			if err != nil {
				o.options.Logger.Info("the GTIDs of the position are not known", "source", o.source.Address(), "error", err)
				return
			}
			epoch.GTID = strings.Join(strings.Fields(record.Text("gtid")), "")
			break
		}
	}
}

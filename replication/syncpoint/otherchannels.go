package syncpoint

import (
	"context"
	"time"

	"trueup/replication"
	"trueup/server"
)

// A replica of several sources may get the source's transactions on another channel as well, from another replica of it: it executes
// each once, by its GTID, on whichever channel it comes first. Only the applier of the channel in question is stopped, so that the other may
// take the replica beyond the position. GTIDs say so: the replica has some of the source's origins that the source had not.

// othersSettle is for how long a transaction of MySQL may be visible and not yet among the executed GTIDs.
const othersSettle = 10 * time.Millisecond

// noteExecuted reads which GTIDs a MySQL source has executed, where a replica has several channels: while the checked tables are locked and
// the snapshots are open, so that what is beyond them may have changed those tables.
func (o *opening) noteExecuted(ctx context.Context) (err error) {
	for i, s := range o.steppers {
		if o.executed == "" && o.point.failed[i] == nil && s.channels > 1 && !s.follows() && o.source.Identity().Flavor == server.MySQL {
			o.executed, err = replication.ExecutedGTID(ctx, o.readers[0].session)
		}
		s.sourceExecuted = o.executed
	}
	return err
}

// proveAlone refuses a replica that stands at the target on its channel and has executed later transactions of the source on another. status is as of
// after its snapshots were opened.
func (s *stepper) proveAlone(ctx context.Context, status replication.Status, target replication.Position) error {
	if s.channels <= 1 || !status.UsesGTID && status.ExecutedGTID == "" {
		return nil
	}
	ofSource := s.sourceExecuted
	flavor := s.replica.Server.Identity().Flavor
	var err error
	if flavor == server.MariaDB {
		ofSource, err = s.gtidOf(ctx, target)
	} else if err = sleep(ctx, othersSettle); err == nil {
		status, err = s.status(ctx)
	}
	if err != nil || ofSource == "" {
		return err
	}
	had, err := replication.ParseGTIDSet(flavor, status.WithoutIgnored(s.replica.Server.Identity(), ofSource))
	if err != nil {
		return err
	}
	has, err := replication.ParseGTIDSet(flavor, status.ExecutedGTID)
	if err == nil && has.IsBeyond(had, s.replica.Server.Identity().UUID) {
		err = s.refuse(NotExact, nil, "it gets the source's transactions on another of its %d channels too, and has executed some from beyond %s on that: stop that channel's applier for the while, or read it in another way (--sync lock, --sync recheck)",
			s.channels, target)
	}
	return err
}

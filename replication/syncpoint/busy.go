package syncpoint

import (
	"context"

	"trueup/replication"
)

// STOP waits for the applier's running statement (MariaDB, which then rolls the transaction back and executes it once more
// afterwards) or transaction (MySQL). A big transaction or a long statement, such as an ALTER, is therefore waited out before the
// pause: one that was stopped and started again point after point would never get through.

// awaitBetween returns when the applier has nothing to execute, or has just ended a transaction, so that the one it is in by now is
// young. It is part of catching up, whose time limit ctx has.
func (s *stepper) awaitBetween(ctx context.Context) error {
	var last replication.Position
	var received string // by GTID, when first looked at
	for polls := 0; ; polls++ {
		status, err := s.status(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			if err := s.refuseUnfit(status); err != nil {
				return err
			}
			if status.SeveralDomains() { // one of them may be in the middle of a long transaction while the others go on
				if received == "" {
					received = status.ReceivedGTID
				}
				if between, err := status.HasExecuted(s.replica.Server.Identity(), received); err != nil || between {
					return err
				}
				if sleep(ctx, 2*pollInterval) == nil {
					continue
				}
				return s.refuseBusy(status.Executed)
			}
			moved := polls > 0 && status.Executed != last
			if moved || status.Executed.Compare(status.Received) >= 0 {
				return nil
			}
			if polls%lookInterval == lookInterval-1 { // what it has received may be no transaction
				if idle, err := s.isAt(ctx, status, status.Received); err == nil && idle {
					return nil
				}
			}
			last = status.Executed
		}
		if sleep(ctx, 2*pollInterval) != nil {
			return s.refuseBusy(last)
		}
	}
}

func (s *stepper) refuseBusy(at replication.Position) error {
	return s.refuse(Busy, nil, "its applier was in the middle of a long transaction or statement behind %s, which did not end within %v (--sync-timeout)",
		at, s.options.Timeout)
}

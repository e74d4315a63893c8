package replication

import (
	"context"
	"errors"
	"fmt"

	"trueup/server"
)

// byEmptyTransaction executes an empty transaction under the failing one's GTID, on one session.
//
// MySQL manual, "Skipping Transactions With GTIDs".
func (s *skipper) byEmptyTransaction(ctx context.Context) (status Status, passed bool, err error) {
	gtid, err := s.oneGTID(server.MySQL)
	if err != nil {
		return Status{}, false, err
	}
	if s.replica.BinlogOff() {
		return Status{}, false, s.errorf("the session does not log, the replica's own replicas would not get the empty transaction: %w", ErrCannotSkip)
	}
	executed, err := s.executed(ctx, gtid)
	if err == nil && executed {
		err = s.errorf("the replica has executed %s already: %w", gtid, ErrFailingChanged)
	}
	if err != nil {
		return Status{}, false, err
	}
	if err := s.commitEmpty(ctx, gtid); err != nil {
		return Status{}, false, err
	}
	if executed, err = s.executed(ctx, gtid); err == nil && !executed {
		err = s.errorf("%s is not among the executed GTIDs: %w", gtid, ErrSkipWithoutEffect)
	}
	if err != nil {
		return Status{}, false, err
	}
	s.failing.GTID = gtid
	return s.start(ctx)
}

// commitEmpty always leaves the session with automatic GTIDs: it would give the next transaction this one's otherwise.
func (s *skipper) commitEmpty(ctx context.Context, gtid string) (err error) {
	defer func() {
		if err != nil { // a session that owns a GTID, also outside of a transaction, may not have another next one (error 1790)
			err = errors.Join(err, s.putBack(ctx, "give up what is begun", "ROLLBACK"))
		}
		err = errors.Join(err, s.putBack(ctx, "give automatic GTIDs again", "SET SESSION GTID_NEXT = 'AUTOMATIC'"))
	}()
	if err := s.do(ctx, "take the failing transaction's GTID", "SET SESSION GTID_NEXT = "+quote(gtid)); err != nil {
		return err
	}
	if err := s.do(ctx, "begin an empty transaction", "BEGIN"); err != nil {
		return err
	}
	return s.do(ctx, "commit it", commitStatement)
}

// oneGTID is the failing transaction's GTID in the server's form, after a look that it is one.
// commitStatement is what makes an empty transaction pass over another one.
const commitStatement = "COMMIT"

func (s *skipper) oneGTID(flavor server.Flavor) (string, error) {
	if s.failing.GTID == "" {
		return "", s.errorf("the transaction's GTID is not known: %w", ErrCannotSkip)
	}
	set, err := ParseGTIDSet(flavor, s.failing.GTID)
	if err == nil && !set.isOne() {
		err = fmt.Errorf("%q is not one transaction", s.failing.GTID)
	}
	if err != nil {
		return "", s.errorf("%w: %w", ErrCannotSkip, err)
	}
	return set.String(), nil
}

// isOne tells whether the set is one transaction (MariaDB: one GTID).
func (s GTIDSet) isOne() bool {
	for _, ranges := range s.intervals {
		if len(ranges) != 1 || ranges[0].first != ranges[0].last {
			return false
		}
	}
	return len(s.intervals)+len(s.domains) == 1
}

// executed tells whether a MySQL server has executed a transaction.
func (s *skipper) executed(ctx context.Context, gtid string) (bool, error) {
	record, err := s.replica.One(ctx, "SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed) AS executed", gtid)
	if err != nil {
		return false, fmt.Errorf("looking whether %s was executed: %w", gtid, err)
	}
	return record.Text("executed") == "1", nil
}

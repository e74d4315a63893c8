package replication

import (
	"context"
	"fmt"
	"strconv"

	"trueup/server"
)

// ClusterProgress is how far a member of a cluster is with the transactions that all members execute.
type ClusterProgress struct {
	kind  ClusterKind
	gtids string // of a replication group
	seqno int64  // of a Galera cluster
}

// String is what people are shown.
func (p ClusterProgress) String() string {
	if p.kind == GroupReplication {
		return "GTIDs " + p.gtids
	}
	return fmt.Sprintf("write set %d", p.seqno)
}

// ReadClusterProgress reads how far a member is: what was visible there before is part of it.
//
// https://galeracluster.com/library/documentation/galera-status-variables.html (wsrep_last_committed)
func ReadClusterProgress(ctx context.Context, session *server.Session, cluster Cluster) (ClusterProgress, error) {
	progress := ClusterProgress{kind: cluster.Kind}
	var err error
	switch cluster.Kind {
	case GroupReplication:
		progress.gtids, err = ExecutedGTID(ctx, session)
	case Galera:
		progress.seqno, err = lastCommitted(ctx, session)
	default:
		err = fmt.Errorf("%s: it is a member of no cluster", session.Server().Address())
	}
	return progress, err
}

func lastCommitted(ctx context.Context, session *server.Session) (int64, error) {
	record, err := session.One(ctx, "SHOW GLOBAL STATUS LIKE 'wsrep_last_committed'")
	if err != nil {
		return 0, fmt.Errorf("reading how far the Galera node is: %w", err)
	}
	seqno, err := strconv.ParseInt(record.Text("Value"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: wsrep_last_committed: %w", session.Server().Address(), err)
	}
	return seqno, nil
}

// IsReachedOn tells whether another member is as far.
func (p ClusterProgress) IsReachedOn(ctx context.Context, session *server.Session) (bool, error) {
	if p.kind == Galera {
		seqno, err := lastCommitted(ctx, session)
		return seqno >= p.seqno, err
	}
	executed, err := ExecutedGTID(ctx, session)
	if err != nil {
		return false, err
	}
	there, err := ParseGTIDSet(server.MySQL, executed)
	if err != nil {
		return false, err
	}
	wanted, err := ParseGTIDSet(server.MySQL, p.gtids)
	return err == nil && there.Contains(wanted), err
}

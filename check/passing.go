package check

import (
	"context"
	"fmt"
	"time"

	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// awaitPassed waits until a replica has executed whatever the source had committed, for as long as --sync-timeout says. Where the
// source replicates from the replica as well (dual masters), it also waits until the source has executed what was written there.
// source is a session on the source without a snapshot; from is its position. Errors are the servers', or a *syncpoint.Unverifiable.
func (r *run) awaitPassed(ctx context.Context, m *member, source *server.Session, from replication.Position) error {
	session, err := m.server.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return err
	}
	defer session.Close()
	if m.clustered {
		return r.awaitCluster(ctx, m, source, session)
	}
	if m.back == nil {
		return r.waitInTurn(ctx, session, m, from)
	}
	end, err := replication.SourcePosition(ctx, session)
	if err != nil {
		return err
	}
	if err := r.waitInTurn(ctx, session, m, from); err != nil {
		return err
	}
	return r.awaitReturn(ctx, m, source, *m.back, end)
}

// awaitReturn waits until the source has executed the log of a replica from which it replicates.
func (r *run) awaitReturn(ctx context.Context, m *member, source *server.Session, channel string, end replication.Position) error {
	written := &goal{log: m.server, at: end}
	return r.poll(ctx, func() (bool, error) {
		status, err := replication.ReadStatus(ctx, source, channel)
		if err != nil {
			return false, err
		}
		return written.isReached(ctx, source.Server(), status)
	}, func() error {
		return &syncpoint.Unverifiable{Address: m.address, Code: syncpoint.ReplicaWrites,
			Reason: fmt.Sprintf("the source replicates from it, and did not execute its log up to %s within %v (--sync-timeout)", end, r.request.SyncTimeout)}
	})
}

// awaitCluster waits until a member of the source's own cluster has executed what the source had.
func (r *run) awaitCluster(ctx context.Context, m *member, source, session *server.Session) error {
	target, err := replication.ReadClusterProgress(ctx, source, r.cluster)
	if err != nil {
		return err
	}
	return r.poll(ctx, func() (bool, error) { return target.IsReachedOn(ctx, session) }, func() error {
		return &syncpoint.Unverifiable{Address: m.address, Code: syncpoint.Lagging,
			Reason: fmt.Sprintf("it did not execute what the source had, up to %s, within %v (--sync-timeout)", target, r.request.SyncTimeout)}
	})
}

// poll asks again and again until it is done, or the sync timeout is over.
func (r *run) poll(ctx context.Context, isDone func() (bool, error), late func() error) error {
	const interval = 5 * time.Millisecond
	for deadline := time.Now().Add(r.request.SyncTimeout); ; {
		done, err := isDone()
		if err != nil || done {
			return err
		}
		if time.Now().After(deadline) {
			return late()
		}
		if err := pauseFor(ctx, interval); err != nil {
			return err
		}
	}
}

// goal is a position of a server's log that another is to execute.
type goal struct {
	log   *server.Server
	at    replication.Position
	gtid  string // where known says so
	known bool
}

// goalOf is a position in the log of a replica's source, or upstream.
func (r *run) goalOf(m *member, at replication.Position) *goal {
	if m.upstream != nil {
		return &goal{log: m.upstream.server, at: at}
	}
	return &goal{log: r.source, at: at}
}

// isReached tells whether the server with that status of a channel has executed the log up to there. Where MariaDB executes several domains
// in parallel only the GTIDs tell, for which the log's server is asked once: it reads its log from the file's beginning for that.
func (g *goal) isReached(ctx context.Context, on *server.Server, status replication.Status) (bool, error) {
	if !status.SeveralDomains() {
		return status.Executed.Compare(g.at) >= 0, nil
	}
	if !g.known {
		log, err := g.log.Session(ctx, server.SessionOptions{Reopens: true})
		if err != nil {
			return false, err
		}
		defer log.Close()
		if g.gtid, err = replication.GTIDAt(ctx, log, g.at); err != nil {
			return false, err
		}
		g.known = true
	}
	if g.gtid == "" { // nothing with a GTID is before it
		return status.Executed.Compare(g.at) >= 0, nil
	}
	return status.HasExecuted(on.Identity(), g.gtid)
}

// awaitReturns waits until the source has executed what was written so far to the replicas from which it replicates (dual
// masters): an ALTER may be on its way there.
func (r *run) awaitReturns(ctx context.Context) error {
	for _, m := range r.members {
		if !m.usable() || m.back == nil {
			continue
		}
		if err := r.awaitReturnOf(ctx, m, *m.back); err != nil {
			m.giveUpFor(ctx, err)
		}
	}
	return ctx.Err()
}

func (r *run) awaitReturnOf(ctx context.Context, m *member, channel string) error {
	session, err := m.server.Session(ctx, server.SessionOptions{})
	if err != nil {
		return err
	}
	defer session.Close()
	end, err := replication.SourcePosition(ctx, session)
	if err != nil {
		return err
	}
	return r.awaitReturn(ctx, m, r.control, channel, end)
}

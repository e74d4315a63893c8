package check

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"trueup/checksum"
	"trueup/server"
)

// Under Recheck and None no snapshot outlives a chunk: each is read in new ones, opened for it on the source and the replicas at
// about the same time.

// freshSessions are a worker's sessions for that. A replica that was not read yet has none.
type freshSessions struct {
	source   *server.Session
	control  *server.Session // on the source, without snapshots: positions and the log
	replicas []*server.Session
}

func (f *freshSessions) close() {
	for _, session := range append(f.replicas, f.source, f.control) {
		if session != nil {
			_ = session.Close()
		}
	}
	f.source, f.control, f.replicas = nil, nil, nil
}

const (
	beginSnapshot = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
	endSnapshot   = "ROLLBACK"
)

// compareFresh compares one chunk of a task that is read without a sync point. Its error ends the run.
func (w *worker) compareFresh(ctx context.Context, j job) error {
	if err := w.run.throttle.pass(ctx, func() error { return w.rest(ctx) }); err != nil {
		return errors.Join(err, w.breakOff(j, chunkResult{chunk: j.chunk, on: j.settled, started: time.Now()}))
	}
	result := chunkResult{chunk: j.chunk, on: j.settled, started: time.Now()}
	if err := w.openFresh(ctx, j); err != nil {
		return errors.Join(err, w.breakOff(j, result))
	}
	if len(j.task.live()) == 0 {
		result.failed = true
		return w.run.finishJob(j, result)
	}
	failures, err := w.readFresh(ctx, j, &result)
	result.took = time.Since(result.started)
	if failed, err := w.failed(ctx, j, result, failures, err); failed {
		return err
	}
	return w.run.finishJob(j, result)
}

// openFresh makes sure that there are sessions on the source and on the replicas that are still compared. A replica that cannot be
// reached for the time it would have to reach a position is given up; the error is the source's.
func (w *worker) openFresh(ctx context.Context, j job) (err error) {
	if w.fresh.source == nil {
		w.fresh.close()
		w.fresh.replicas = make([]*server.Session, len(w.run.members))
		if w.fresh.source, err = w.run.reconnect(ctx, w.run.source, server.SessionOptions{Reader: true}); err != nil {
			return fmt.Errorf("the source was lost: %w", err)
		}
		if w.fresh.control, err = w.run.reconnect(ctx, w.run.source, server.SessionOptions{}); err != nil {
			return fmt.Errorf("the source was lost: %w", err)
		}
	}
	for _, i := range j.unread() {
		m := w.run.members[i]
		if !w.run.isUsable(m) {
			j.task.giveUp(i, Unverified, m.result.ReasonCode, m.result.Reason)
			continue
		}
		if w.fresh.replicas[i] != nil {
			continue
		}
		if w.fresh.replicas[i], err = w.run.reconnect(ctx, m.server, server.SessionOptions{Reader: true}); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			w.run.giveUpReplica(m, reasonOf(err), err)
			j.task.giveUp(i, Unverified, m.result.ReasonCode, m.result.Reason)
		}
	}
	w.closeReaders()
	w.task, w.source = j.task, checksum.NewReader(j.task.layout, w.fresh.source)
	w.replicas = make([]*checksum.Reader, len(w.run.members))
	for i, session := range w.fresh.replicas {
		if session != nil {
			w.replicas[i] = checksum.NewReader(w.run.layoutOn(i, j.task), session)
		}
	}
	return nil
}

// readFresh compares the chunk with every replica in new snapshots.
func (w *worker) readFresh(ctx context.Context, j job, result *chunkResult) (failures map[int]error, err error) {
	unread := j.unread()
	sessions := []*server.Session{w.fresh.source}
	for _, i := range unread {
		sessions = append(sessions, w.fresh.replicas[i])
	}
	began, err := onEach(ctx, sessions, beginSnapshot)
	if err != nil {
		return nil, err
	}
	if failures = failuresOf(unread, began); len(failures) > 0 {
		return failures, nil
	}
	digests, failures, err := w.digest(ctx, j, result)
	if err != nil {
		return nil, err
	}
	for _, i := range unread {
		if digests[i] == nil {
			continue
		}
		on, known, err := w.compareFreshOn(ctx, j, i, result.source, *digests[i])
		if known {
			result.on = append(result.on, on)
		}
		var sink *SinkError
		if errors.As(err, &sink) || w.ofSource(err) {
			return nil, err
		}
		if err != nil {
			failures[i] = err
		}
	}
	if len(failures) > 0 {
		return failures, nil // the sessions are closed by whoever decides what that costs
	}
	ended, err := onEach(ctx, sessions, endSnapshot)
	if err != nil || len(failuresOf(unread, ended)) > 0 {
		w.fresh.close() // what was read is sound; the next chunk gets new sessions
	}
	return nil, nil
}

// failuresOf are the replicas' errors by number.
func failuresOf(replicas []int, errs []error) map[int]error {
	failures := map[int]error{}
	for n, err := range errs {
		if err != nil {
			failures[replicas[n]] = err
		}
	}
	return failures
}

// compareFreshOn compares with one replica; see compareOn.
func (w *worker) compareFreshOn(ctx context.Context, j job, i int, source, replica checksum.Digest) (on chunkOnReplica, known bool, err error) {
	on = chunkOnReplica{replica: i, rows: replica.Rows}
	equal, err := source.Equal(replica)
	if err != nil || equal {
		return on, err == nil, err
	}
	if j.task.strategy == Recheck {
		err = w.recheck(ctx, j, &on, max(source.Rows, replica.Rows), source.Rows >= replica.Rows)
	} else {
		lister := w.newLister(j, i)
		asItIs := func(list func() error) error { return list() }
		if j.task.layout.Scan {
			on.delta, err = compareScans(ctx, w.source, w.replicas[i], lister, asItIs)
		} else {
			on.delta, err = compareChunk(ctx, w.source, w.replicas[i], j.chunk, max(source.Rows, replica.Rows), source.Rows >= replica.Rows, lister, asItIs)
		}
		if err == nil && on.delta == (counts{}) {
			err = errUnconfirmed
		}
	}
	known = err == nil || on.delta != counts{}
	if err != nil && known {
		on.partial = true
		w.run.truncateList()
		w.run.warn("%s: %s.%s was not compared to the end, there may be more rows that differ: %v", w.run.members[i].address, j.task.layout.Database, j.task.layout.Table, err)
	}
	return on, known, err
}

// onEach runs a statement on every session at once. The first is the source's, whose error is err; the others' errors are in
// their order.
func onEach(ctx context.Context, sessions []*server.Session, statement string) (ofReplicas []error, err error) {
	errs := make([]error, len(sessions))
	var wait sync.WaitGroup
	for i, session := range sessions {
		wait.Go(func() { errs[i] = session.Exec(ctx, statement) })
	}
	wait.Wait()
	return errs[1:], errs[0]
}

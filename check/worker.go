package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// job is one chunk to compare.
type job struct {
	task  *task
	chunk chunker.Chunk
}

// worker compares chunks, one after the other, on read sessions of its own.
type worker struct {
	run      *run
	lease    *lease
	task     *task // that the readers are for
	source   *checksum.Reader
	replicas []*checksum.Reader // by number of the replica; nil for those that are not compared
}

// work compares jobs until there are none, or until the run cannot go on.
func (w *worker) work(ctx context.Context, jobs <-chan job) error {
	defer w.close()
	for j := range jobs {
		if err := w.compare(ctx, j); err != nil {
			return err
		}
	}
	return nil
}

// compare compares one chunk and records what was found. Its error ends the run: the source is lost, or ctx has ended.
func (w *worker) compare(ctx context.Context, j job) error {
	if len(j.task.live()) > 0 {
		if err := w.prepare(ctx, j.task); err != nil {
			return err
		}
	}
	if len(j.task.live()) == 0 {
		return w.run.finishJob(j, chunkResult{chunk: j.chunk, failed: true, started: time.Now()})
	}
	result := chunkResult{chunk: j.chunk, epoch: w.lease.Epoch.ID, started: time.Now()}
	digests, err := w.digest(ctx, j, &result)
	if err != nil {
		return w.sourceFailed(ctx, j, result, err)
	}
	for _, i := range j.task.live() {
		if digests[i] == nil {
			continue
		}
		on, known, err := w.compareOn(ctx, j, i, result.source, *digests[i])
		if known {
			result.on = append(result.on, on) // also when its rows could not be listed: a proven difference stays one
		}
		var sink *SinkError
		if errors.As(err, &sink) {
			return w.breakOff(j, result, err)
		}
		if w.ofSource(err) {
			return w.sourceFailed(ctx, j, result, err)
		}
		if err != nil {
			if err := w.readFailed(ctx, j, i, err); err != nil {
				return w.breakOff(j, result, err)
			}
		}
	}
	result.took = time.Since(result.started)
	defer w.run.releaseTask(j.task)
	if err := w.run.record(j, result); err != nil {
		return err
	}
	w.countRows(ctx, j.task)
	return nil
}

// prepare makes sure that the worker holds a fresh lease and readers of the task's table in it.
func (w *worker) prepare(ctx context.Context, t *task) error {
	if err := w.run.throttle.pass(ctx, w.rest); err != nil {
		return err
	}
	next, err := w.run.keeper.next(ctx, w.lease)
	if err != nil {
		w.lease = nil
		return fmt.Errorf("making a sync point: %w", err)
	}
	if next == w.lease && t == w.task {
		return nil
	}
	if next == w.lease {
		w.closeReaders()
	}
	w.lease, w.task = next, t
	w.source = checksum.NewReader(t.layout, next.Source)
	w.replicas = make([]*checksum.Reader, len(next.Replicas))
	for _, i := range t.replicas {
		switch session := next.Replicas[i]; {
		case session != nil:
			w.replicas[i] = checksum.NewReader(t.layout, session)
		default:
			code, reason := w.run.members[i].result.ReasonCode, w.run.members[i].result.Reason
			if failed := next.held.point.Failed(i); failed != nil && failed.Code != syncpoint.LeftOut {
				code, reason = string(failed.Code), failed.Error()
			}
			t.giveUp(i, Unverified, code, reason)
		}
	}
	return nil
}

// digest reads the chunk on the source and the replicas at once. A replica that cannot be read has no digest and is
// given up; the error is the source's.
func (w *worker) digest(ctx context.Context, j job, result *chunkResult) ([]*checksum.Digest, error) {
	digests := make([]*checksum.Digest, len(w.replicas))
	failures := make([]error, len(w.replicas))
	live := j.task.live()
	var group errgroup.Group
	for _, i := range live {
		reader := w.replicas[i]
		group.Go(func() error {
			return protect(func() error {
				digest, err := w.digestOn(ctx, reader, j.chunk)
				if failures[i] = err; err == nil {
					digests[i] = &digest
				}
				return nil
			})
		})
	}
	var sourceErr error
	result.source, sourceErr = w.digestOn(ctx, w.source, j.chunk)
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, i := range live {
		if failures[i] == nil {
			continue
		}
		if err := w.readFailed(ctx, j, i, failures[i]); err != nil {
			return nil, err
		}
	}
	return digests, sourceErr
}

// digestOn digests a chunk on one server and warns where the server read far more than the chunk for it.
func (w *worker) digestOn(ctx context.Context, reader *checksum.Reader, chunk chunker.Chunk) (checksum.Digest, error) {
	digest, cost, known, err := reader.FirstCost(ctx, chunk)
	if known && cost.IsScan() {
		layout := reader.Layout()
		w.run.warnOnce("%s: %s.%s: the server does not use key %s for the chunks' bounds: every chunk reads far more rows than it has. "+
			"The verdict is right, but the check is slow: ANALYZE the table, or look at its statistics and optimizer switches",
			reader.Session().Server().Address(), layout.Database, layout.Table, layout.Key.Name)
		w.run.request.Logger.Info("a chunk's cost", "server", reader.Session().Server().Address(), "table", layout.Database+"."+layout.Table,
			"rows read", cost.Reads, "rows", cost.Rows)
	}
	return digest, err
}

// breakOff records what was proven of a chunk when the run ends in the middle of it. The task is not released: the end of the
// run says why the rest was not compared.
func (w *worker) breakOff(j job, result chunkResult, err error) error {
	result.failed = true
	return errors.Join(err, w.run.record(j, result))
}

// ofSource tells whether a statement on the source failed.
func (w *worker) ofSource(err error) bool {
	var failed *server.StatementError
	return errors.As(err, &failed) && failed.Address == w.run.source.Address()
}

// readFailed decides what an error of a replica's read costs: the table on that replica, or the replica. It returns an
// error only when ctx has ended.
func (w *worker) readFailed(ctx context.Context, j job, i int, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m := w.run.members[i]
	switch {
	case errors.Is(err, errUnconfirmed):
		j.task.giveUp(i, Unverified, ReasonUnconfirmed, err.Error())
	case server.IsConnectionLost(err):
		j.task.giveUp(i, Unverified, ReasonConnectionLost, err.Error())
		w.run.loseReplica(m, err)
	default:
		verdict, code := tableReason(err)
		j.task.giveUp(i, verdict, code, err.Error())
	}
	return nil
}

// tableReason classifies an error of reading one table.
func tableReason(err error) (Verdict, string) {
	switch {
	case server.IsTableChanged(err), server.IsNoSuchTable(err), server.IsNoSuchColumn(err):
		return Unverified, ReasonTableChanged
	case server.IsAccessDenied(err):
		return Unverified, ReasonMissingPrivilege
	case server.IsLockTimeout(err):
		return Unverified, ReasonTableLocked
	default:
		return Failed, ReasonReadError
	}
}

// sourceFailed decides what an error of the source's read costs: the table, or the run.
func (w *worker) sourceFailed(ctx context.Context, j job, result chunkResult, err error) error {
	if ctx.Err() != nil {
		return w.breakOff(j, result, ctx.Err())
	}
	result.failed = true
	if server.IsConnectionLost(err) {
		return errors.Join(fmt.Errorf("the source was lost: %w", err), w.run.finishJob(j, result))
	}
	verdict, code := tableReason(err)
	j.task.giveUpAll(verdict, code, err.Error())
	return w.run.finishJob(j, result)
}

func (w *worker) closeReaders() {
	if w.source != nil {
		w.source.Close()
	}
	for _, reader := range w.replicas {
		if reader != nil {
			reader.Close()
		}
	}
	w.source, w.replicas = nil, nil
}

// rest gives the worker's sessions back, and their snapshots with them, while the run waits.
func (w *worker) rest() {
	w.closeReaders()
	w.run.keeper.rest(w.lease)
	w.lease, w.task = nil, nil
}

func (w *worker) close() {
	w.run.keeper.done(w.lease)
	w.lease = nil
}

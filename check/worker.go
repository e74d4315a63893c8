package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/replication/syncpoint"
)

// job is one chunk to compare.
type job struct {
	task  *task
	chunk chunker.Chunk
	tries int // in sync points that were of no more use
	// settled are the replicas for which an earlier try came to an end; they are not read again.
	settled []chunkOnReplica
}

// unread are the replicas that are still to be compared.
func (j job) unread() []int {
	return slices.DeleteFunc(j.task.live(), func(i int) bool {
		return slices.ContainsFunc(j.settled, func(on chunkOnReplica) bool { return on.replica == i })
	})
}

// mostTries is how often a chunk is begun, each time in a new sync point.
const mostTries = 3

// worker compares chunks, one after the other, on read sessions of its own.
type worker struct {
	run      *run
	lease    *lease
	task     *task // that the readers are for
	source   *checksum.Reader
	replicas []*checksum.Reader // by number of the replica; nil for those that are not compared
	pending  []finished         // compared, but not yet known to be of the right tables
	redo     []job              // to be compared once more
	fresh    freshSessions
}

// work compares jobs until there are none, or until the run cannot go on.
func (w *worker) work(ctx context.Context, jobs <-chan job) error {
	defer w.close()
	for {
		j, more, err := w.next(ctx, jobs)
		if err != nil || !more {
			return err
		}
		if err := w.compare(ctx, j); err != nil {
			return err
		}
	}
}

// compare compares one chunk. Its error ends the run: the source is lost for good, or ctx has ended.
func (w *worker) compare(ctx context.Context, j job) error {
	if !j.task.strategy.isSynced() {
		return w.compareFresh(ctx, j)
	}
	if len(j.task.live()) > 0 {
		if err := w.prepare(ctx, j.task); err != nil {
			return errors.Join(err, w.breakOff(j, chunkResult{chunk: j.chunk, on: j.settled, started: time.Now()}))
		}
	}
	result := chunkResult{chunk: j.chunk, on: j.settled, started: time.Now()}
	if len(j.task.live()) == 0 {
		result.failed = true
		return w.run.finishJob(j, result)
	}
	result.epoch = w.lease.Epoch.ID
	failures, err := w.compareAll(ctx, j, &result)
	result.took = time.Since(result.started)
	if failed, err := w.failed(ctx, j, result, failures, err); failed {
		return err
	}
	w.pending = append(w.pending, finished{job: j, result: result, held: w.lease.held})
	return nil
}

// compareAll compares the chunk with every replica that is to be read. It returns the replicas' errors by number; err is the
// source's, or the sink's.
func (w *worker) compareAll(ctx context.Context, j job, result *chunkResult) (failures map[int]error, err error) {
	digests, failures, err := w.digest(ctx, j, result)
	if err != nil {
		return nil, err
	}
	for _, i := range j.unread() {
		if digests[i] == nil {
			continue
		}
		on, known, err := w.compareOn(ctx, j, i, result.source, *digests[i])
		if known {
			result.on = append(result.on, on) // also when its rows could not be listed: a proven difference stays one
		}
		var sink *SinkError
		if errors.As(err, &sink) || w.ofSource(err) {
			return nil, err
		}
		if err != nil {
			failures[i] = err
		}
	}
	return failures, nil
}

// prepare makes sure that the worker holds a fresh lease and readers of the task's table in it.
func (w *worker) prepare(ctx context.Context, t *task) error {
	if err := w.run.throttle.pass(ctx, func() error { return w.rest(ctx) }); err != nil {
		return err
	}
	if w.run.keeper.isOver(w.lease) {
		if err := w.confirm(ctx); err != nil { // while there are snapshots in which rows can be counted
			return err
		}
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
			w.replicas[i] = checksum.NewReader(w.run.layoutOn(i, t), session)
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

// digest reads the chunk on the source and the replicas at once. A replica that cannot be read has an error in failures and no
// digest; err is the source's.
func (w *worker) digest(ctx context.Context, j job, result *chunkResult) (digests []*checksum.Digest, failures map[int]error, err error) {
	digests = make([]*checksum.Digest, len(w.replicas))
	errs := make([]error, len(w.replicas))
	unread := j.unread()
	var group errgroup.Group
	for _, i := range unread {
		reader := w.replicas[i]
		group.Go(func() error {
			return protect(func() error {
				digest, err := w.digestOn(ctx, reader, j.chunk)
				if errs[i] = err; err == nil {
					digests[i] = &digest
				}
				return nil
			})
		})
	}
	var sourceErr error
	result.source, sourceErr = w.digestOn(ctx, w.source, j.chunk)
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	failures = map[int]error{}
	for _, i := range unread {
		if errs[i] != nil {
			failures[i] = errs[i]
		}
	}
	return digests, failures, sourceErr
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

// rest gives the worker's sessions back, and their snapshots with them, while the run waits. What was compared is confirmed
// before: the wait may last for hours, and the run end in it.
func (w *worker) rest(ctx context.Context) error {
	err := w.confirm(ctx)
	w.closeReaders()
	w.fresh.close()
	w.run.keeper.rest(w.lease)
	w.lease, w.task = nil, nil
	return err
}

func (w *worker) close() {
	w.run.keeper.done(w.lease)
	w.lease = nil
	w.fresh.close()
	w.abandon()
}

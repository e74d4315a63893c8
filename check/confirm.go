package check

import (
	"context"
	"slices"
	"sync"
	"time"

	"trueup/checksum"
	"trueup/schema"
)

// finished is a chunk that was compared and waits for the proof that its rows were those of the right tables.
type finished struct {
	job    job
	result chunkResult
	held   *held
}

const (
	// mostPending chunks, for confirmTime at the most, wait for one look at the tables' identities: it costs a scan of the
	// servers' dictionaries, more than a small table does.
	mostPending = 64
	// confirmTime is also how long a worker without work may keep snapshots of a point that was given up: the others may wait for a
	// throttle.
	confirmTime = 200 * time.Millisecond
)

// next returns the next chunk to compare; more is false when there are no more. While it waits for one it confirms what is
// pending, and lets go of snapshots that have become too old.
func (w *worker) next(ctx context.Context, jobs <-chan job) (j job, more bool, err error) {
	for {
		if len(w.pending) >= mostPending || len(w.pending) > 0 && time.Since(w.pending[0].result.started) > confirmTime {
			if err := w.confirm(ctx); err != nil {
				return job{}, false, err
			}
		}
		if last := len(w.redo) - 1; last >= 0 {
			j, w.redo = w.redo[last], w.redo[:last]
			return j, true, nil
		}
		timer := time.NewTimer(confirmTime)
		ended := false
		select {
		case j, more = <-jobs:
			ended = !more
		case <-timer.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
		timer.Stop()
		if err != nil || more {
			return j, more, err
		}
		if err := w.confirm(ctx); err != nil || ended && len(w.redo) == 0 {
			return job{}, false, err
		}
		if left := w.run.keeper.idle(w.lease); left != w.lease {
			w.lease, w.task, w.source, w.replicas = nil, nil, nil, nil
		}
	}
}

// confirm records the pending chunks of those tables that are still the ones they were before the snapshots were opened; the
// others are read again in a new sync point.
func (w *worker) confirm(ctx context.Context) error {
	pending := w.pending
	if len(pending) == 0 {
		return nil
	}
	now := w.identitiesOf(ctx, pending)
	if ctx.Err() != nil {
		return ctx.Err() // the pending ones are abandoned
	}
	w.pending = nil
	for n, f := range pending {
		if recordErr := w.confirmOne(ctx, f, now); recordErr != nil {
			w.pending = pending[n+1:]
			return recordErr
		}
	}
	return nil
}

// present are the identities that tables have now, or why they are not known, on each server.
type present struct {
	identities
	sourceErr   error
	replicaErrs []error
}

// identitiesOf reads the identities that the tables of pending chunks have now, on every server they were read on.
func (w *worker) identitiesOf(ctx context.Context, pending []finished) *present {
	var names []schema.Name
	on := map[int]bool{}
	for _, f := range pending {
		if name := f.job.task.name(); !slices.Contains(names, name) {
			names = append(names, name)
		}
		for _, c := range f.result.on {
			on[c.replica] = true
		}
	}
	members := w.run.members
	now := &present{identities: identities{replicas: make([]schema.Identities, len(members))}, replicaErrs: make([]error, len(members))}
	var wait sync.WaitGroup
	wait.Go(func() { now.source, now.sourceErr = w.run.watch.read(ctx, names) })
	for i := range on {
		wait.Go(func() { now.replicas[i], now.replicaErrs[i] = members[i].watch.read(ctx, names) })
	}
	wait.Wait()
	return now
}

// why says why a chunk on a replica is not believed.
func (p *present) why(replica int) error {
	switch {
	case p.sourceErr != nil:
		return p.sourceErr
	case p.replicaErrs[replica] != nil:
		return p.replicaErrs[replica]
	default:
		return errReplaced
	}
}

// confirmOne records one chunk, or puts it back where a table was replaced, or where that could not be found out.
func (w *worker) confirmOne(ctx context.Context, f finished, now *present) error {
	name, before := f.job.task.name(), f.held.identities
	believed := f.result
	believed.on = nil
	var doubted []int
	sourceSame := now.source[name] != "" && now.source[name] == before.source[name]
	for _, c := range f.result.on {
		same := sourceSame && now.replicas[c.replica][name] != "" && now.replicas[c.replica][name] == before.replicas[c.replica][name]
		if same || c.delta != (counts{}) { // differing rows were listed while the table was known to be the right one
			believed.on = append(believed.on, c)
		} else {
			doubted = append(doubted, c.replica)
		}
	}
	if len(doubted) > 0 && w.again(f.job, believed, f.held, now.why(doubted[0])) {
		return nil
	}
	for _, i := range doubted {
		why := now.why(i)
		verdict, code := tableReason(why)
		f.job.task.giveUp(i, verdict, code, why.Error())
	}
	defer w.run.releaseTask(f.job.task)
	if err := w.run.record(f.job, believed); err != nil {
		return err
	}
	w.countRows(ctx, f.job.task)
	return nil
}

// name is the table's name on the source.
func (t *task) name() schema.Name {
	return schema.Name{Database: t.layout.Database, Table: t.layout.Table}
}

// believe lets differing rows be listed while both readers hold the table's metadata lock and the table is known to be the
// right one on both sides.
func (w *worker) believe(ctx context.Context, t *task, i int, list func() error) error {
	return checksum.Hold(ctx, w.source, w.replicas[i], func() error {
		if err := w.sameTables(ctx, t, i); err != nil {
			return err
		}
		return list()
	})
}

// sameTables returns errReplaced unless the table is the one it was before the snapshots were opened, on the source and on a
// replica.
func (w *worker) sameTables(ctx context.Context, t *task, i int) error {
	before := w.lease.held.identities
	if err := unchanged(ctx, &w.run.watch, before.source, t.name()); err != nil {
		return err
	}
	return unchanged(ctx, &w.run.members[i].watch, before.replicas[i], t.name())
}

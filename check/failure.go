package check

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// passes tells whether an error may be gone in a new sync point: the session was lost, the table is another one now, or was
// being replaced, or somebody ended the statement.
func passes(err error) bool {
	var connect *server.ConnectError
	var replica *syncpoint.Unverifiable
	if errors.As(err, &replica) {
		return false
	}
	return errors.Is(err, errReplaced) || errors.As(err, &connect) || server.IsConnectionLost(err) ||
		server.IsTableChanged(err) || server.IsNoSuchTable(err) || server.IsQueryInterrupted(err)
}

// again puts a chunk back that was lost on the way, to be read in a new sync point; false when it was tried often enough.
// What was proven stays.
func (w *worker) again(j job, result chunkResult, held *held, err error) bool {
	if !passes(err) || j.tries+1 >= mostTries {
		return false
	}
	w.run.request.Logger.Info("a chunk is read again in a new sync point", "table", j.task.layout.Database+"."+j.task.layout.Table, "why", err)
	if held != nil {
		w.run.keeper.discard(held)
	}
	w.fresh.close()
	j.tries++
	j.settled = proven(result.on)
	w.redo = append(w.redo, j)
	return true
}

// proven are the replicas on which differing rows were listed: that was done while the table was known to be the right one.
func proven(on []chunkOnReplica) []chunkOnReplica {
	return slices.DeleteFunc(slices.Clone(on), func(c chunkOnReplica) bool { return c.delta == counts{} })
}

// failed sees to a chunk that was not compared to the end: failures are the replicas' errors, err is the source's or the sink's. The
// error returned ends the run.
func (w *worker) failed(ctx context.Context, j job, result chunkResult, failures map[int]error, err error) (bool, error) {
	var sink *SinkError
	switch {
	case ctx.Err() != nil:
		return true, w.breakOff(j, result, ctx.Err())
	case errors.As(err, &sink):
		return true, w.breakOff(j, result, err)
	case err != nil:
		return true, w.sourceFailed(j, result, err)
	case len(failures) > 0:
		return true, w.replicasFailed(j, result, failures)
	}
	return false, nil
}

// sourceFailed decides what an error of the source's read costs: another try, or the table.
func (w *worker) sourceFailed(j job, result chunkResult, err error) error {
	if w.again(j, result, w.held(j), err) {
		return nil
	}
	if !j.task.strategy.isSynced() {
		w.fresh.close()
	}
	result.failed = true
	result.on = proven(result.on)
	verdict, code := tableReason(err)
	j.task.giveUpAll(verdict, code, err.Error())
	return w.run.finishJob(j, result)
}

// replicasFailed decides what errors of replicas' reads cost: another try, or the table on those replicas.
func (w *worker) replicasFailed(j job, result chunkResult, failures map[int]error) error {
	for i, err := range failures {
		if passes(err) && !isPartial(result.on, i) && w.again(j, result, w.held(j), err) {
			return nil
		}
	}
	for i, err := range failures {
		verdict, code := tableReason(err)
		j.task.giveUp(i, verdict, code, err.Error())
	}
	if !j.task.strategy.isSynced() {
		w.fresh.close()
		return w.run.finishJob(j, result)
	}
	w.pending = append(w.pending, finished{job: j, result: result, held: w.lease.held})
	return nil
}

// held is the point the job was read in; nil where it was read without.
func (w *worker) held(j job) *held {
	if !j.task.strategy.isSynced() {
		return nil
	}
	return w.lease.held
}

func isPartial(on []chunkOnReplica, replica int) bool {
	return slices.ContainsFunc(on, func(c chunkOnReplica) bool { return c.replica == replica && c.partial })
}

// tableReason classifies an error of reading one table.
func tableReason(err error) (Verdict, string) {
	var connect *server.ConnectError
	var replica *syncpoint.Unverifiable
	switch {
	case errors.As(err, &replica):
		return Unverified, string(replica.Code)
	case errors.Is(err, errUnconfirmed):
		return Unverified, ReasonUnconfirmed
	case errors.Is(err, errReplaced), server.IsTableChanged(err), server.IsNoSuchTable(err), server.IsNoSuchColumn(err):
		return Unverified, ReasonTableChanged
	case server.IsConnectionLost(err), errors.As(err, &connect), server.IsQueryInterrupted(err):
		return Unverified, ReasonConnectionLost
	case server.IsAccessDenied(err):
		return Unverified, ReasonMissingPrivilege
	case server.IsLockTimeout(err):
		return Unverified, ReasonTableLocked
	default:
		return Failed, ReasonReadError
	}
}

// ofSource tells whether a statement on the source failed.
func (w *worker) ofSource(err error) bool {
	var failed *server.StatementError
	return errors.As(err, &failed) && failed.Address == w.run.source.Address()
}

// breakOff records what was proven of a chunk when the run ends in the middle of it. The task is not released: the end of the
// run says why the rest was not compared.
func (w *worker) breakOff(j job, result chunkResult, errs ...error) error {
	result.failed = true
	result.on = proven(result.on)
	return errors.Join(append(errs, w.run.record(j, result))...)
}

// abandon records what was proven of the chunks that the worker leaves behind when the run ends.
func (w *worker) abandon() {
	var failures []error
	for _, f := range w.pending {
		failures = append(failures, w.breakOff(f.job, f.result))
	}
	for _, j := range w.redo {
		failures = append(failures, w.breakOff(j, chunkResult{chunk: j.chunk, on: j.settled}))
	}
	w.pending, w.redo = nil, nil
	if err := errors.Join(failures...); err != nil {
		w.run.warn("%v", fmt.Errorf("recording what was proven before the end: %w", err))
	}
}

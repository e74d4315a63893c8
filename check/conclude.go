package check

import (
	"cmp"
	"context"
	"slices"
)

// conclude turns what was gathered into the result.
func (r *run) conclude(ctx context.Context, err error) {
	r.result.FinishedAt = r.request.Now()
	r.result.Interrupted, r.result.timeUp, r.result.restricted = isInterrupted(ctx), isTimeUp(ctx) && err != nil, r.isRestricted()
	if r.result.timeUp {
		r.warn("--max-duration %v was over before everything was compared: the rest is unverified (max_duration)", r.request.MaxDuration)
	}
	if err != nil && !isOfCutShort(ctx, err) {
		r.result.Err = err
	}
	for _, m := range r.members {
		if m != nil {
			r.result.Replicas = append(r.result.Replicas, m.result)
		}
	}
	for _, state := range r.tables {
		r.settleUnfinished(ctx, state)
		r.result.Tables = append(r.result.Tables, state.result)
		r.result.DifferentRanges = append(r.result.DifferentRanges, r.mergedRanges(state)...)
	}
	r.result.Differences = r.orderedDifferences()
	r.result.conclude()
	r.events.send(RunFinished{At: r.events.at(), Result: r.result})
}

// orderedDifferences are the listed rows by table, replica and chunk; within a chunk as they were found.
func (r *run) orderedDifferences() []RowDifference {
	slices.SortStableFunc(r.listed, func(a, b listed) int {
		return cmp.Or(cmp.Compare(a.Database, b.Database), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Replica, b.Replica), cmp.Compare(a.chunk, b.chunk))
	})
	ordered := make([]RowDifference, len(r.listed))
	for i, l := range r.listed {
		ordered[i] = l.RowDifference
	}
	return ordered
}

// settleUnfinished makes sure that a table whose comparison never began or never ended does not read as equal.
func (r *run) settleUnfinished(ctx context.Context, state *tableState) {
	if state.reported {
		return
	}
	code, reason := ReasonNotReached, "the run ended before it was compared"
	if ctx.Err() != nil {
		code, reason = cutShort(ctx)
	}
	for i := range state.onReplica {
		if state.onReplica[i].Verdict == Equal {
			state.onReplica[i].set(Unverified, code, reason)
		}
	}
	state.settle()
}

// mergedRanges are the ranges in which replicas differ, neighbours merged, in the order of replica and key.
func (r *run) mergedRanges(state *tableState) []DifferentRange {
	slices.SortFunc(state.ranges, func(a, b rangeFound) int {
		if a.replica != b.replica {
			return a.replica - b.replica
		}
		return a.chunk.Index - b.chunk.Index
	})
	var merged []DifferentRange
	for i, found := range state.ranges {
		if i > 0 && neighbours(state.ranges[i-1], found) {
			last := &merged[len(merged)-1]
			last.Upper = showBound(found.chunk.Key, found.chunk.Upper)
			last.Missing += found.delta.missing
			last.Extra += found.delta.extra
			last.Changed += found.delta.changed
			continue
		}
		merged = append(merged, r.differentRange(state, found))
	}
	return merged
}

func neighbours(a, b rangeFound) bool {
	return a.replica == b.replica && a.chunk.Key.Name == b.chunk.Key.Name && a.chunk.Index+1 == b.chunk.Index && a.chunk.Joins(b.chunk.Range)
}

func (r *run) differentRange(state *tableState, found rangeFound) DifferentRange {
	return DifferentRange{Replica: r.members[found.replica].address, Database: state.result.Database, Table: state.result.Table,
		Key: found.chunk.Key.Name, Lower: showBound(found.chunk.Key, found.chunk.Lower), Upper: showBound(found.chunk.Key, found.chunk.Upper),
		Missing: found.delta.missing, Extra: found.delta.extra, Changed: found.delta.changed}
}

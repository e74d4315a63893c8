package check

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"trueup/checksum"
	"trueup/server"
)

// countRows asks the servers how many rows a table has, once all of its chunks are in, and holds that against the sum over
// the chunks: a bound that the server understands in another way than it orders the index would lose rows, or double them,
// though the ranges join. It is possible where one snapshot covered the table, and needed where there was more than one
// chunk. A server that does not answer leaves the table as it is: that the ranges join was proven before. Large tables are not
// counted: an ALTER waits for it.
func (w *worker) countRows(ctx context.Context, t *task) {
	if w.lease == nil {
		return
	}
	live, countable := t.countable(w.lease.Epoch.ID)
	if !countable {
		return
	}
	counts := make([]int64, len(w.run.members))
	var source int64
	var group errgroup.Group
	count := func(layout *checksum.Layout, session *server.Session, into *int64) {
		group.Go(func() error {
			return protect(func() (err error) {
				*into, err = checksum.NewReader(layout, session).Count(ctx)
				return err
			})
		})
	}
	count(t.layout, w.lease.Source, &source)
	for _, i := range live {
		count(w.run.layoutOn(i, t), w.lease.Replicas[i], &counts[i])
	}
	err := group.Wait()
	for _, i := range live {
		if err == nil {
			err = w.sameTables(ctx, t, i)
		}
	}
	if err != nil {
		w.run.request.Logger.Warn("rows were not counted", "table", t.layout.Database+"."+t.layout.Table, "error", err)
		return
	}
	t.recordCounts(live, source, counts)
}

// mostCounted is how many rows are counted: some million a second, and the count holds the table's metadata lock.
const mostCounted = 5_000_000

// countable tells whether every chunk of the task was read in the epoch, and which replicas were compared to the end.
func (t *task) countable(epoch int) (live []int, countable bool) {
	t.state.mutex.Lock()
	defer t.state.mutex.Unlock()
	chunks := t.chunks[epoch]
	if t.counted || t.broken || t.isPart || t.rows > mostCounted || chunks < 2 || len(t.chunks) != 1 || t.coverage.Complete() != nil {
		return nil, false
	}
	t.counted = true
	return t.liveLocked(), true
}

// recordCounts holds the servers' counts against the rows of the chunks.
func (t *task) recordCounts(live []int, source int64, counts []int64) {
	t.state.mutex.Lock()
	defer t.state.mutex.Unlock()
	t.agreed = len(live) > 0
	for _, i := range live {
		on := &t.state.onReplica[i]
		if why := miscount(t.rows, source, on.Rows, counts[i]); why != "" {
			t.agreed = false
			on.set(Unverified, ReasonCoverage, why)
		}
	}
}

func miscount(sourceRows, sourceCount, replicaRows, replicaCount int64) string {
	const lost = "the chunks held %d rows %s, which counts %d: a range lost or doubled rows"
	switch {
	case sourceRows != sourceCount:
		return fmt.Sprintf(lost, sourceRows, "of the source", sourceCount)
	case replicaRows != replicaCount:
		return fmt.Sprintf(lost, replicaRows, "of the replica", replicaCount)
	default:
		return ""
	}
}

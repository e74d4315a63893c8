package check

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/replication"
	"trueup/server"
)

// What differs is read again in rounds. In each the source's position is noted first, then the replica is waited for until it has
// passed it, and only then both sides are read: whatever the source had committed by then the replica has too. A row that is
// equal once, or gone, was on its way. A row that differs in the same way again is a difference
//
//   - after two rounds, where the source's log holds no change of its table while they were read: both sides show one state;
//   - after manyRounds, where the table is written to all the while.
//
// A transaction can be in the source's log and on the replica before it is visible on the source: for a moment, or for as long as a
// semi-synchronous source waits for a replica. So the rounds also last longer than that.
//
// A row that differs in another way each time is unverified. A row that flips between two values all the while could be taken for
// a difference if each of manyRounds, at random moments, met both sides at the same two values: the odds are below one in 200,000.

const (
	manyRounds = 9
	mostRounds = 25
	// visibleTime is how long a transaction may be in the log and not visible, where no replica is waited for.
	visibleTime = 200 * time.Millisecond
	// namedRows is how many rows that keep changing are named.
	namedRows = 5
)

// suspect is a row that differs, and for how long it has in the same way.
type suspect struct {
	sums      checksum.Sums
	rounds    int
	since     time.Time
	calm      int // rounds in a row without a change of the table
	calmSince time.Time
}

func (s suspect) isProven(now time.Time, visible time.Duration) bool {
	return s.calm >= 2 && now.Sub(s.calmSince) > visible || s.rounds >= manyRounds && now.Sub(s.since) > visible
}

// suspects are the rows that have differed in every round so far, by key.
type suspects map[string]suspect

// see takes in what a round found.
func (s suspects) see(found map[string]checksum.Sums, calm bool, at time.Time) {
	for key, had := range s {
		sums, still := found[key]
		if !still {
			delete(s, key)
			continue
		}
		if sums != had.sums {
			had = suspect{sums: sums, since: at}
		}
		had.rounds++
		switch {
		case !calm:
			had.calm = 0
		case had.calm == 0:
			had.calm, had.calmSince = 1, at
		default:
			had.calm++
		}
		s[key] = had
	}
}

// isProven tells whether a row is proven to differ by now.
func (s suspects) isProven(key string, visible time.Duration) bool {
	suspect, found := s[key]
	return found && suspect.isProven(time.Now(), visible)
}

func (s suspects) allProven(visible time.Duration) bool {
	for key := range s {
		if !s.isProven(key, visible) {
			return false
		}
	}
	return true
}

// recheck finds out which rows of a chunk really differ on one replica. The sessions hold snapshots, here and on return.
func (w *worker) recheck(ctx context.Context, j job, on *chunkOnReplica, rows int64, moreOnSource bool) error {
	visible, err := w.run.visibleWithin(ctx, w.fresh.source)
	if err != nil {
		return err
	}
	if j.task.layout.Scan {
		return w.recheckScan(ctx, j, on, visible)
	}
	parts := []chunker.Chunk{j.chunk}
	if rows > 2*partRows {
		parts = nil
		more := w.replicas[on.replica]
		if moreOnSource {
			more = w.source
		}
		if err := more.Split(ctx, j.chunk, partRows, func(part chunker.Chunk) error { parts = append(parts, part); return nil }); err != nil {
			return err
		}
	}
	for _, part := range parts {
		if err := w.recheckPart(ctx, j, on, part, visible); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) recheckPart(ctx context.Context, j job, on *chunkOnReplica, part chunker.Chunk, visible time.Duration) error {
	replica := w.replicas[on.replica]
	delta, err := checksum.Compare(ctx, w.source, replica, part)
	if err != nil {
		return err
	}
	began := time.Now()
	still := suspects{}
	for key, sums := range delta.Sums() {
		still[key] = suspect{sums: sums, since: began, rounds: 1}
	}
	for round := 1; len(still) > 0 && !still.allProven(visible); round++ {
		if round > mostRounds || time.Since(began) > w.run.request.SyncTimeout+visible {
			break
		}
		if err := pauseAtRandom(ctx, visible); err != nil {
			return err
		}
		calm, err := w.round(ctx, j, on.replica, func() (err error) {
			delta, err = checksum.Compare(ctx, w.source, replica, part)
			return err
		})
		if err != nil {
			return err
		}
		still.see(delta.Sums(), calm, time.Now())
	}
	return w.concludePart(ctx, j, on, part, delta, still, visible)
}

// concludePart lists the rows that are proven to differ and names those that keep changing.
func (w *worker) concludePart(ctx context.Context, j job, on *chunkOnReplica, part chunker.Chunk, delta checksum.Delta, still suspects, visible time.Duration) error {
	lister := w.newLister(j, on.replica)
	proven := delta.Only(func(key string) bool { return still.isProven(key, visible) })
	if !proven.IsEmpty() {
		on.delta.add(countsOf(proven))
		if err := checksum.Values(ctx, w.source, w.replicas[on.replica], part, proven, lister.want(proven.Rows()), lister.list); err != nil {
			return err
		}
	}
	changing := delta.Only(func(key string) bool { _, is := still[key]; return is && !still.isProven(key, visible) })
	if changing.IsEmpty() {
		return nil
	}
	on.unsettled += changing.Rows()
	return checksum.Values(ctx, w.source, w.replicas[on.replica], part, changing, namedRows, func(found checksum.Found) error {
		difference, err := lister.difference(found)
		if err == nil && len(on.changing) < namedRows {
			on.changing = append(on.changing, keyText(difference.Key))
		}
		return err
	})
}

func keyText(key []NamedValue) string {
	var parts []string
	for _, column := range key {
		parts = append(parts, column.Name+"="+column.Value.Text)
	}
	return strings.Join(parts, ",")
}

// pauseAtRandom waits between two rounds, not always as long: a writer with a beat must not be met at the same point of it.
func pauseAtRandom(ctx context.Context, visible time.Duration) error {
	const least = 10 * time.Millisecond
	timer := time.NewTimer(least + rand.N(visible/4))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// round lets the replica pass the source's present position, opens new snapshots on both and reads in them. calm tells whether the
// table was not changed on the source from that position to the end of reading.
func (w *worker) round(ctx context.Context, j job, i int, read func() error) (calm bool, err error) {
	both := []*server.Session{w.fresh.source, w.fresh.replicas[i]}
	if err := inSnapshots(ctx, both, endSnapshot); err != nil {
		return false, err
	}
	from, err := replication.SourcePosition(ctx, w.fresh.source)
	if err != nil {
		return false, err
	}
	if err := w.run.awaitPassed(ctx, w.run.members[i], w.fresh.source, from); err != nil {
		return false, err
	}
	if err := inSnapshots(ctx, both, beginSnapshot); err != nil {
		return false, err
	}
	if err := read(); err != nil {
		return false, err
	}
	to, err := replication.SourcePosition(ctx, w.fresh.source)
	if err != nil {
		return false, err
	}
	if w.run.sourceIsFed || w.run.cluster.IsMember() { // its log need not have all that it executes
		return false, nil
	}
	if cascades, err := w.run.cascades(ctx, w.fresh.source, j.task); err != nil || cascades {
		return false, err
	}
	touched, err := replication.Touched(ctx, w.fresh.source, from, to, j.task.layout.Database, j.task.layout.Table)
	return !touched && err == nil, err
}

// recheckScan is recheck for a table without an order: it differs where it does so in calm rounds, else it is unverified.
func (w *worker) recheckScan(ctx context.Context, j job, on *chunkOnReplica, visible time.Duration) error {
	replica := w.replicas[on.replica]
	var since time.Time // the first of the calm rounds in a row
	began := time.Now()
	for round := 1; ; round++ {
		if round > mostRounds || round > 2 && time.Since(began) > w.run.request.SyncTimeout+visible {
			on.unsettled++
			on.changing = append(on.changing, "it has no key by which rows could be told apart, and is written to all the while")
			return nil
		}
		if err := pauseAtRandom(ctx, visible); err != nil {
			return err
		}
		equal := false
		calm, err := w.round(ctx, j, on.replica, func() error {
			source, err := w.source.Digest(ctx, j.chunk)
			if err != nil {
				return err
			}
			other, err := replica.Digest(ctx, j.chunk)
			if err != nil {
				return err
			}
			on.rows = other.Rows
			equal, err = source.Equal(other)
			return err
		})
		switch {
		case err != nil || equal:
			return err
		case !calm:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > visible:
			on.delta, err = compareScans(ctx, w.source, replica, w.newLister(j, on.replica), func(list func() error) error { return list() })
			return err
		}
	}
}

// changingReason says which rows could not be verified.
func (c chunkOnReplica) changingReason() string {
	more := ""
	if c.unsettled > len(c.changing) {
		more = fmt.Sprintf(" and %d more", c.unsettled-len(c.changing))
	}
	return fmt.Sprintf("rows that differed and changed every time they were read again: %s%s", strings.Join(c.changing, "; "), more)
}

// visibleWithin is how long a transaction can be in the source's log before it is visible.
//
// MySQL manual, "Semisynchronous Replication"; https://mariadb.com/kb/en/semisynchronous-replication/
func (r *run) visibleWithin(ctx context.Context, source *server.Session) (time.Duration, error) {
	records, err := source.Records(ctx, "SHOW GLOBAL VARIABLES LIKE 'rpl_semi_sync_%'")
	if err != nil {
		return 0, err
	}
	visible := visibleTime
	enabled := slices.ContainsFunc(records, func(record server.Record) bool {
		name := record.Text("Variable_name")
		return (strings.HasSuffix(name, "_master_enabled") || strings.HasSuffix(name, "_source_enabled")) && record.Text("Value") == "ON"
	})
	for _, record := range records {
		name := record.Text("Variable_name")
		if enabled && (strings.HasSuffix(name, "_master_timeout") || strings.HasSuffix(name, "_source_timeout")) {
			milliseconds, err := time.ParseDuration(record.Text("Value") + "ms")
			if err != nil {
				return 0, fmt.Errorf("%s: %s: %w", source.Server().Address(), name, err)
			}
			visible += milliseconds
		}
	}
	return visible, nil
}

// cascades tells whether rows of the task's table can change by a foreign key's cascade, which no log shows.
func (r *run) cascades(ctx context.Context, source *server.Session, t *task) (bool, error) {
	t.state.mutex.Lock()
	known := t.state.cascades
	t.state.mutex.Unlock()
	if known != nil {
		return *known, nil
	}
	record, err := source.One(ctx, `SELECT COUNT(*) AS cascading FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?
AND (DELETE_RULE NOT IN ('RESTRICT', 'NO ACTION') OR UPDATE_RULE NOT IN ('RESTRICT', 'NO ACTION'))`, t.layout.Database, t.layout.Table)
	if err != nil {
		return false, err
	}
	cascades := record.Text("cascading") != "0"
	t.state.mutex.Lock()
	t.state.cascades = &cascades
	t.state.mutex.Unlock()
	return cascades, nil
}

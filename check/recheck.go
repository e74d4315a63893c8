package check

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/replication"
	"trueup/schema"
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
// semi-synchronous source waits for a replica. So the rounds also last longer than that moment, and those at which somebody waits do
// not count.
//
// A row that differs in another way each time is unverified. A row that flips between two values could be taken for a difference if
// each of manyRounds, at random moments, met both sides at the same two values. That is one in a million even for a replica that
// is behind by one flip every time.

const (
	manyRounds = 20
	mostRounds = 60
	// visible is how long a transaction may be in the log and not visible, where no replica is waited for.
	visible = 200 * time.Millisecond
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

func (s suspect) isProven(now time.Time) bool {
	return s.calm >= 2 && now.Sub(s.calmSince) > visible || s.rounds >= manyRounds && now.Sub(s.since) > visible
}

// suspects are the rows that have differed in every round so far, by key.
type suspects map[string]suspect

// see takes in what a round found.
func (s suspects) see(found map[string]checksum.Sums, of round, at time.Time) {
	for key, had := range s {
		sums, still := found[key]
		if !still {
			delete(s, key)
			continue
		}
		if sums != had.sums {
			had = suspect{sums: sums, since: at}
		}
		if of.counts {
			had.rounds++
		}
		switch {
		case !of.calm:
			had.calm = 0
		case had.calm == 0:
			had.calm, had.calmSince = 1, at
		default:
			had.calm++
		}
		s[key] = had
	}
}

func (s suspects) allProven(now time.Time) bool {
	for _, suspect := range s {
		if !suspect.isProven(now) {
			return false
		}
	}
	return true
}

// recheck finds out which rows of a chunk really differ on one replica. The sessions hold snapshots, here and on return.
func (w *worker) recheck(ctx context.Context, j job, on *chunkOnReplica, rows int64, moreOnSource bool) error {
	if j.task.layout.Scan {
		return w.recheckScan(ctx, j, on)
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
		if err := w.recheckPart(ctx, j, on, part); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) recheckPart(ctx context.Context, j job, on *chunkOnReplica, part chunker.Chunk) error {
	replica := w.replicas[on.replica]
	delta, err := checksum.Compare(ctx, w.source, replica, part)
	if err != nil {
		return err
	}
	began := time.Now()
	still := suspects{}
	for key, sums := range delta.Sums() {
		still[key] = suspect{sums: sums, since: began}
	}
	for rounds := 1; len(still) > 0 && !still.allProven(time.Now()); rounds++ {
		if rounds > mostRounds || time.Since(began) > w.run.request.SyncTimeout+visible {
			break
		}
		if err := pauseAtRandom(ctx); err != nil {
			return err
		}
		seen, err := w.round(ctx, j, on.replica, func() (err error) {
			delta, err = checksum.Compare(ctx, w.source, replica, part)
			return err
		})
		if err != nil {
			return err
		}
		if !seen.counts {
			rounds-- // nothing was learned, but that there is somebody to wait for
		}
		still.see(delta.Sums(), seen, time.Now())
	}
	return w.concludePart(ctx, j, on, part, delta, still)
}

// concludePart lists the rows that are proven to differ and names those that keep changing.
func (w *worker) concludePart(ctx context.Context, j job, on *chunkOnReplica, part chunker.Chunk, delta checksum.Delta, still suspects) error {
	lister, now := w.newLister(j, on.replica), time.Now()
	proven := delta.Only(func(key string) bool { suspect, is := still[key]; return is && suspect.isProven(now) })
	if !proven.IsEmpty() {
		on.delta.add(countsOf(proven))
		if err := checksum.Values(ctx, w.source, w.replicas[on.replica], part, proven, lister.want(proven.Rows()), lister.list); err != nil {
			return err
		}
	}
	changing := delta.Only(func(key string) bool { suspect, is := still[key]; return is && !suspect.isProven(now) })
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
func pauseAtRandom(ctx context.Context) error {
	const least = 10 * time.Millisecond
	return pauseFor(ctx, least+rand.N(visible/4))
}

// round is what is known of one round.
type round struct {
	counts bool // no transaction was waiting for a semi-synchronous replica: what was in the log was visible
	calm   bool // and the table was not changed on the source from the position to the end of reading
}

// round lets the replica pass the source's present position, opens new snapshots on both and reads in them.
func (w *worker) round(ctx context.Context, j job, i int, read func() error) (seen round, err error) {
	both := []*server.Session{w.fresh.source, w.fresh.replicas[i]}
	if err := onBoth(ctx, both, endSnapshot); err != nil {
		return seen, err
	}
	from, err := replication.SourcePosition(ctx, w.fresh.control)
	if err != nil {
		return seen, err
	}
	if err := w.run.awaitPassed(ctx, w.run.members[i], w.fresh.control, from); err != nil {
		return seen, err
	}
	waits, err := replication.SomeoneWaits(ctx, w.fresh.control)
	if err != nil {
		return seen, err
	}
	if err := onBoth(ctx, both, beginSnapshot); err != nil {
		return seen, err
	}
	if err := read(); err != nil {
		return seen, err
	}
	seen.counts = !waits
	to, err := replication.SourcePosition(ctx, w.fresh.control)
	if err != nil {
		return seen, err
	}
	if w.run.feeds.Any() || w.run.cluster.IsMember() { // its log need not have all that it executes
		return seen, nil
	}
	if cascades, err := w.run.cascades(ctx, w.fresh.control, j.task); err != nil || cascades {
		return seen, err
	}
	touched, err := replication.Touched(ctx, w.fresh.control, from, to, j.task.layout.Database, j.task.layout.Table)
	seen.calm = seen.counts && !touched && err == nil
	return seen, err
}

// onBoth runs a statement on the source's and a replica's session.
func onBoth(ctx context.Context, both []*server.Session, statement string) error {
	ofReplica, err := onEach(ctx, both, statement)
	return errors.Join(append(ofReplica, err)...)
}

// recheckScan is recheck for a table without an order: it differs where it does so in calm rounds, else it is unverified.
func (w *worker) recheckScan(ctx context.Context, j job, on *chunkOnReplica) error {
	replica := w.replicas[on.replica]
	var since time.Time // the first of the calm rounds in a row
	began := time.Now()
	const leastTries = 3 // a pass may take longer than the limit
	rounds := 0
	for tries := 0; ; tries++ {
		if rounds > mostRounds || tries >= leastTries && time.Since(began) > w.run.request.SyncTimeout+visible {
			on.unsettled++
			on.changing = append(on.changing, "it has no key by which rows could be told apart, and is written to all the while")
			return nil
		}
		if err := pauseAtRandom(ctx); err != nil {
			return err
		}
		equal := false
		seen, err := w.round(ctx, j, on.replica, func() error {
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
		if seen.counts {
			rounds++
		}
		switch {
		case err != nil || equal:
			return err
		case !seen.calm:
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

// cascades tells whether rows of the task's table can change by a foreign key's cascade, which no log shows.
func (r *run) cascades(ctx context.Context, source *server.Session, t *task) (bool, error) {
	t.state.mutex.Lock()
	known := t.state.cascades
	t.state.mutex.Unlock()
	if known != nil {
		return *known, nil
	}
	parents, err := schema.CascadingParents(ctx, source, t.name())
	if err != nil {
		return false, err
	}
	cascades := len(parents) > 0
	t.state.mutex.Lock()
	t.state.cascades = &cascades
	t.state.mutex.Unlock()
	return cascades, nil
}

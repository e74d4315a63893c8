package syncpoint

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"trueup/replication"
	"trueup/server"
)

// Where the source replicates from its replica (dual masters), the replica may hold transactions of its own that are on
// their way to the source: no position of the source's log says which. What the source has of them when its snapshots
// are opened is at least what its applier had executed just before (X, a position in the replica's log). What the
// replica's snapshot shows of them lies before the log's end just after it was opened (Y). So the two snapshots hold
// the same of them if none lies between X and Y. Transactions that came from the source lie there, and do no harm.
//
// The other way round, the replica ignores its own transactions when they come back in the source's log: its position may
// lie before or behind them, with the same rows.
//
// In a ring the replica from which the source replicates is at the end of a chain, and has in its log what was written to those
// above it.
//
// MySQL does not say where in the log a snapshot lies, so a transaction of the replica's that the source has applied
// already, and the replica itself not yet committed in its engine, would be missed. Where none waits for a semi-synchronous
// replica, the way through the network, the source's applier, its snapshots and the stepping of the replica would have to be
// faster than one commit for that.

// back is the channel on which the source replicates from the replica.
type back struct {
	session  *server.Session // on the source
	channel  string
	executed replication.Position // X
	err      error                // of reading X
	origins  func(serverID string) bool
}

var errWaiting = errors.New("transactions in its log wait for a semi-synchronous replica, and are not visible yet")

var errSlowDomain = errors.New("the source executes several domains in parallel, and is behind in one of them")

const (
	// returnPatience is how long the pause is drawn out for the source to execute what the replica wrote itself. MySQL's parallel
	// appliers say every 300 ms only how far they are (replica_checkpoint_period).
	returnPatience = 350 * time.Millisecond
	// returnTries is how often a point is made anew while replicas have just written.
	returnTries = 3
	// mostReturning bounds how many events of a replica's log are looked through.
	mostReturning = 100_000
	returnsAtOnce = 1000
)

// openRetried makes a point, again where a replica of dual masters had just written.
func openRetried(ctx context.Context, source *server.Server, replicas []Replica, options Options) (point *Point, err error) {
	for try := 1; ; try++ {
		if point, err = openOnce(ctx, source, replicas, options); err != nil || try == returnTries || !point.hasFailedBy(ReplicaWrites) {
			return point, err
		}
		if err := errors.Join(point.Close(), sleep(ctx, time.Duration(try)*50*time.Millisecond)); err != nil {
			return nil, err
		}
	}
}

func (p *Point) hasFailedBy(code Code) bool {
	for _, failed := range p.failed {
		if failed != nil && failed.Code == code {
			return true
		}
	}
	return false
}

// connectBack finds the channel on which the source replicates from this replica; most sources have none.
func (s *stepper) connectBack(ctx context.Context, source *server.Server, feeds replication.Feeds) error {
	channel, found, err := feeds.From(s.replica.Server.Identity(), s.replica.Server.Endpoint())
	if err != nil {
		return s.refuse(ReplicaWrites, err, "whether the source replicates from it cannot be told")
	}
	if !found {
		return nil
	}
	session, err := source.Session(ctx, server.SessionOptions{})
	if err != nil {
		return err
	}
	s.back = &back{session: session, channel: channel}
	own, ofSource := serverID(s.replica.Server), serverID(source)
	statuses, err := replication.ReadStatuses(ctx, s.control)
	onlyFromSource := s.upstream == nil && len(statuses) == 1
	s.back.origins = func(id string) bool { return id == own || !onlyFromSource && id != ofSource }
	return err
}

// serverID is the server's id as events have it.
func serverID(of *server.Server) string {
	return strconv.FormatUint(uint64(of.Identity().ServerID), 10)
}

// failAbove takes out the replicas above one from which the source replicates where that one is out: in a ring, what was written
// to those above goes through it, and only its log tells whether the source has it.
func (o *opening) failAbove() {
	for i, s := range o.steppers {
		if s.back == nil || o.point.failed[i] == nil {
			continue
		}
		for up := s.upstream; up != nil; up = up.upstream {
			if o.point.failed[up.number] == nil {
				o.point.failed[up.number] = &Unverifiable{Address: up.address(), Code: ReplicaWrites,
					Reason: "it is in a ring: what is written to it directly reaches the source through a replica below it, where it was not shown to have arrived", Err: o.point.failed[i]}
			}
		}
	}
}

// noteReturns reads how far the source has executed the logs of the replicas from which it replicates. It comes before the
// source's snapshots.
func (o *opening) noteReturns(ctx context.Context) {
	for _, s := range o.steppers {
		if s.back != nil && s.log != nil {
			s.back.err = s.noteReturn(ctx)
		}
	}
}

func (s *stepper) noteReturn(ctx context.Context) error {
	for began := time.Now(); ; {
		status, err := replication.ReadStatus(ctx, s.back.session, s.back.channel)
		if err != nil {
			return err
		}
		s.back.executed = status.Executed
		end, err := s.log.end(ctx)
		if err != nil {
			return err
		}
		busy, err := s.log.written(ctx, status.Executed, end, s.back.origins)
		if err == nil && !busy {
			if busy, err = s.log.someoneWaits(ctx); busy && time.Since(began) > returnPatience {
				return errWaiting
			}
		}
		if err == nil && !busy && status.SeveralDomains() { // before which transactions of a slow domain may be left out
			gtid, gtidErr := s.log.gtidAt(ctx, status.Executed)
			if gtidErr != nil {
				return gtidErr
			}
			has, hasErr := status.HasExecuted(s.back.session.Server().Identity(), gtid)
			if busy, err = !has, hasErr; busy && time.Since(began) > returnPatience {
				return errSlowDomain
			}
		}
		if err != nil || !busy || time.Since(began) > returnPatience {
			return err
		}
		if err := sleep(ctx, 5*pollInterval); err != nil {
			return err
		}
	}
}

// proveReturns refuses a replica that has transactions of its own which the source's snapshots may lack. end is where its log
// ended after its snapshots had been opened.
func (s *stepper) proveReturns(ctx context.Context, reader *server.Session, end replication.Position) error {
	if s.back == nil {
		return nil
	}
	if s.back.err != nil {
		return s.refuse(ReplicaWrites, s.back.err, "the source replicates from it, and how far the source has come could not be read")
	}
	from := s.back.executed
	if s.replica.Server.Identity().Flavor == server.MariaDB {
		at, err := s.log.snapshotPosition(ctx, reader)
		if err != nil {
			return err
		}
		if at.Compare(from) < 0 {
			from = at
		}
	}
	own, err := s.log.written(ctx, from, end, s.back.origins)
	if err != nil {
		return s.refuse(ReplicaWrites, err, "the source replicates from it, and its log could not be read from where the source stands")
	}
	if own {
		return s.refuse(ReplicaWrites, nil, "the source replicates from it, and what was written to it directly had not all reached the source: the source had executed its log up to %s, which ended at %s",
			s.back.executed, end)
	}
	return nil
}

// same is places.same for this replica: transactions that it ignores count for nothing.
func (s *stepper) same(ctx context.Context, a, b replication.Position) (bool, error) {
	return s.places.sameFor(ctx, a, b, s.ignores)
}

// sameFor tells whether two positions are one place for a replica that ignores transactions of certain origins (see replication.Status.Ignores).
// Its position may lie before or behind them, with the same rows; MariaDB leaves it before them when it stops at an UNTIL behind them.
func (p *places) sameFor(ctx context.Context, a, b replication.Position, ignores func(serverID string) bool) (bool, error) {
	if same, err := p.same(ctx, a, b); err != nil || same || a.IsZero() || b.IsZero() {
		return same, err
	}
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	others, err := p.written(ctx, a, b, func(id string) bool { return !ignores(id) })
	return !others && err == nil, err
}

// written tells whether a transaction of certain origins lies between two positions of the log. It is an error where the
// log cannot be read from the first on, or the second lies too far away to be looked for.
func (p *places) written(ctx context.Context, from, to replication.Position, origin func(serverID string) bool) (bool, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if from.IsZero() || to.IsZero() {
		return false, errors.New("nothing of it was executed yet")
	}
	atOnce := eventsAtOnce // most callers find what they look for at once
	for looked := 0; looked < mostReturning && from.Compare(to) < 0; looked += atOnce {
		if looked > 0 {
			atOnce = returnsAtOnce
		}
		events, err := p.events(ctx, from, atOnce)
		if err != nil {
			return false, fmt.Errorf("looking for transactions between %s and %s: %w", from, to, err)
		}
		found, reached, err := lookThrough(events, &from, to, origin)
		if err != nil || found || reached {
			return found, err
		}
		if len(events) == atOnce {
			continue
		}
		next, err := p.nextFile(ctx, from, to)
		if err != nil {
			return false, err
		}
		if next.IsZero() {
			return false, fmt.Errorf("%s is no place in the log, which was read from %s on", to, from)
		}
		from = next
	}
	if from.Compare(to) < 0 {
		return false, fmt.Errorf("%s is too far from %s to look at all that lies between", from, to)
	}
	return false, nil
}

// lookThrough looks for a transaction of those origins among events of one file, up to a position. It leaves from at the last
// event, which the next batch begins with: within a transaction MariaDB 11.4 and newer do not say where an event ends.
func lookThrough(events []server.Record, from *replication.Position, to replication.Position, origin func(serverID string) bool) (found, reached bool, err error) {
	for _, event := range events {
		if _, err := fmt.Sscan(event.Text("Pos"), &from.Offset); err != nil {
			return false, false, fmt.Errorf("the beginning of a %s event: %w", event.Text("Event_type"), err)
		}
		if from.Compare(to) >= 0 {
			return false, *from == to, nil
		}
		if !betweenTransactions[event.Text("Event_type")] && origin(event.Text("Server_id")) {
			return true, true, nil
		}
		end, err := endOf(event)
		if err != nil {
			return false, false, err
		}
		if from.File == to.File && end == to.Offset {
			return false, true, nil
		}
	}
	return false, false, nil
}

package syncpoint

import (
	"context"
	"fmt"
	"sync"
	"time"

	"trueup/replication"
	"trueup/server"
)

// A replica of a replica has executed its upstream's log, whose positions are not the source's. It needs none of the
// source's: while the upstream's applier stands at an epoch's position, the upstream's own log ends behind the last of the
// source's transactions up to there and before the next, so that this end is the epoch's position for the replicas below
// it. What somebody writes to the upstream itself may lie before the end or behind it: the source does not have it, and
// it is a difference wherever it is seen.
//
// Nobody waits for those below: an upstream says where its log ends and goes on; its replicas stand where they were
// stopped, which is not beyond that, and follow from one end to the next.

// bulletin is where a stepper says to those below it how far its own log has come. It is safe for concurrent use.
type bulletin struct {
	mutex sync.Mutex
	ends  map[*Epoch]replication.Position // nil: the end once the replica had caught up
	over  bool                            // nothing more will be said
	news  chan struct{}                   // closed when something is
}

func newBulletin() *bulletin {
	return &bulletin{ends: map[*Epoch]replication.Position{}, news: make(chan struct{})}
}

func (b *bulletin) tell(epoch *Epoch, end replication.Position) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	b.ends[epoch] = end
	close(b.news)
	b.news = make(chan struct{})
}

// close says that whoever still waits does so in vain.
func (b *bulletin) close() {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if !b.over {
		b.over = true
		close(b.news)
	}
}

// await waits until the end is known; known is false when it never will be.
func (b *bulletin) await(ctx context.Context, epoch *Epoch) (end replication.Position, known bool, err error) {
	for {
		b.mutex.Lock()
		end, known = b.ends[epoch]
		over, news := b.over, b.news
		b.mutex.Unlock()
		if known || over {
			return end, known, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return end, false, context.Cause(ctx)
		}
	}
}

// linkChain tells every stepper its upstream. An upstream that is no replica of the point fails those below it.
func (o *opening) linkChain(replicas []Replica) {
	for i, replica := range replicas {
		if replica.Upstream < 1 || replica.Upstream > len(replicas) || replica.Upstream == i+1 {
			continue
		}
		o.steppers[i].upstream = o.steppers[replica.Upstream-1]
		o.steppers[i].upstream.feeds = true
	}
	for _, s := range o.steppers {
		for up := s.upstream; up != nil && s.depth < len(replicas); up = up.upstream {
			s.depth++
		}
		o.depth = max(o.depth, s.depth)
	}
}

// failBelow takes out the replicas whose upstream is out.
func (o *opening) failBelow() {
	for range o.steppers { // a chain may be as long as that, in any order
		for i, s := range o.steppers {
			if s.upstream != nil && o.point.failed[i] == nil && o.point.failed[s.upstream.number] != nil {
				o.point.failed[i] = s.upstreamOut(o.point.failed[s.upstream.number])
			}
		}
	}
}

// upstreamOut is why a replica cannot be part of the point without its upstream.
func (s *stepper) upstreamOut(because *Unverifiable) *Unverifiable {
	out := &Unverifiable{Address: s.address(), Code: UpstreamOut, Reason: "the replica it replicates from is not at the sync position"}
	if because != nil {
		out.Err = because
	}
	return out
}

// connectChain opens the session on which those below look into this replica's log.
func (s *stepper) connectChain(ctx context.Context) (err error) {
	if !s.feeds && s.back == nil {
		return nil
	}
	session, err := s.replica.Server.Session(ctx, server.SessionOptions{})
	if err != nil {
		return err
	}
	s.log = newPlaces(session)
	return nil
}

// usePlaces gives every stepper the log in which its replica's positions lie; all are connected.
func (o *opening) usePlaces() {
	for _, s := range o.steppers {
		s.places = o.places
		if s.upstream != nil && s.upstream.log != nil {
			s.places = s.upstream.log
		}
	}
}

// timeLimit is what all positions of this replica together may take: its upstream comes first.
func (s *stepper) timeLimit() time.Duration { return s.options.Timeout * time.Duration(1+s.depth) }

// catchUpInTurn catches up with the source, or with an upstream that has.
func (s *stepper) catchUpInTurn(ctx context.Context, sourceEnd replication.Position) (err error) {
	defer func() {
		if err != nil {
			s.bulletin.close()
		}
	}()
	target := sourceEnd
	if s.upstream != nil {
		if target, err = s.upstreamEnd(ctx, nil); err != nil {
			return err
		}
	}
	if err = s.catchUp(ctx, target); err != nil || !s.feeds {
		return err
	}
	end, err := s.log.end(ctx)
	if err == nil {
		s.bulletin.tell(nil, end)
	}
	return err
}

// upstreamEnd is where the upstream's log ended at the epoch, or, for nil, when it had caught up.
func (s *stepper) upstreamEnd(ctx context.Context, epoch *Epoch) (replication.Position, error) {
	end, known, err := s.upstream.bulletin.await(ctx, epoch)
	if err != nil {
		return end, s.refuse(Lagging, err, "the replica it replicates from was not at the sync position in time")
	}
	if !known {
		return end, s.upstreamOut(nil)
	}
	return end, nil
}

// targetOf is the position of the epoch in the log that this replica executes.
func (s *stepper) targetOf(ctx context.Context, epoch *Epoch) (replication.Position, error) {
	if s.upstream == nil {
		return epoch.Position, nil
	}
	end, err := s.upstreamEnd(ctx, epoch)
	s.lastTarget = end
	return end, err
}

// standsAtSource is where the applier stands in the source's log; no position for a replica of a replica, which is
// never beyond its upstream.
func (s *stepper) standsAtSource() replication.Position {
	if s.upstream != nil {
		return replication.Position{}
	}
	return s.stoppedAt
}

// logEnd is where the replica's own log ends, where somebody needs to know.
func (s *stepper) logEnd(ctx context.Context) (replication.Position, error) {
	if s.log == nil {
		return replication.Position{}, nil
	}
	return s.log.end(ctx)
}

// sourceGTID is the GTID that a replica should have executed at the epoch, as the server says from which it replicates.
func (s *stepper) sourceGTID(ctx context.Context, epoch *Epoch) (string, error) {
	if s.upstream == nil {
		return epoch.GTID, nil
	}
	gtid, err := s.places.gtidAt(ctx, s.lastTarget)
	if err != nil {
		return "", fmt.Errorf("the replica it replicates from could not tell its GTID: %w", err)
	}
	return gtid, nil
}

package syncpoint

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"trueup/replication"
	"trueup/server"
)

// opening is the making of one point.
type opening struct {
	options  Options
	source   *server.Server
	control  *server.Session // on the source
	places   *places         // uses control
	steppers []*stepper      // one a replica
	depth    int             // of the longest chain of replicas below the source's own
	readers  []*sourceReader // one a worker, ordered by position once their snapshots are open
	epochOf  []*Epoch        // of reader i
	blocked  time.Duration   // how long writers of the checked tables had to wait
	locking  *locking
	executed string // by GTID, of a MySQL source; see noteExecuted
	point    *Point

	notRestarted error // names the replicas whose applier could not be started again
}

func newOpening(source *server.Server, replicas []Replica, options Options) *opening {
	o := &opening{options: options, source: source, locking: &locking{held: make(chan struct{}), followed: make(chan struct{})}, point: &Point{failed: make([]*Unverifiable, len(replicas))}}
	for i, replica := range replicas {
		s := &stepper{number: i, replica: replica, options: options, logger: options.Logger, bulletin: newBulletin(), gtids: map[replication.Position]string{}, recorded: func() {}}
		if replica.Server == nil {
			o.point.failed[i] = &Unverifiable{Code: LeftOut, Reason: "it was left out of the sync point"}
		} else {
			s.logger = options.Logger.With("replica", replica.Server.Address())
		}
		o.steppers = append(o.steppers, s)
	}
	o.linkChain(replicas)
	return o
}

func (o *opening) run(ctx context.Context) error {
	most := 2*o.options.Timeout*time.Duration(1+o.depth) + stepGrace + o.options.HoldMax // catching up and stepping have the timeout each
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("making a sync point took longer than %v", most))
	defer cancel()
	if err := o.openSessions(ctx); err != nil {
		return err
	}
	target, err := o.places.end(ctx)
	if err != nil {
		return err
	}
	o.eachStepper(func(s *stepper) error { return s.catchUpInTurn(ctx, target) })
	if err := o.settleSource(ctx); err != nil {
		return err
	}
	if err := o.awaitWriters(ctx); err != nil {
		return err
	}
	if err := o.pauseStepResume(ctx); err != nil {
		return err
	}
	o.failAbove()
	o.proveHistory(ctx)
	o.point.OpenedAt = time.Now()
	o.makeLeases()
	return context.Cause(ctx)
}

const (
	// stepGrace is what a point may take beyond the replicas' own timeouts, for the source's part.
	stepGrace = 10 * time.Second
	// patience is how long appliers that stand wait for one that has not stopped yet.
	patience = 500 * time.Millisecond
)

// openSessions opens everything that takes a round trip before anybody is paused.
func (o *opening) openSessions(ctx context.Context) (err error) {
	if o.control, err = o.source.Session(ctx, server.SessionOptions{}); err != nil {
		return err
	}
	o.places = newPlaces(o.control)
	feeds, err := replication.ReadFeeds(ctx, o.control)
	if err != nil {
		return err
	}
	for range o.options.Workers {
		session, err := o.source.Session(ctx, server.SessionOptions{Reader: true})
		if err != nil {
			return err
		}
		o.keep(session)
		o.readers = append(o.readers, &sourceReader{session: session})
	}
	o.eachStepper(func(s *stepper) error {
		if err := s.connect(ctx, o.options.Workers, o.keep); err != nil {
			return err
		}
		return errors.Join(s.connectBack(ctx, o.source, feeds), s.connectChain(ctx))
	})
	o.usePlaces()
	return nil
}

func (o *opening) keep(session *server.Session) {
	o.point.mutex.Lock()
	defer o.point.mutex.Unlock()
	o.point.sessions = append(o.point.sessions, session)
}

func (o *opening) closeControls() {
	if o.control != nil {
		_ = o.control.Close()
	}
	for _, s := range o.steppers {
		s.close()
	}
}

// eachStepper runs a step of every replica that is still in, at once, and takes those that fail out.
func (o *opening) eachStepper(step func(*stepper) error) {
	o.failBelow()
	defer o.failBelow()
	var wait sync.WaitGroup
	for i, s := range o.steppers {
		if o.point.failed[i] != nil {
			continue
		}
		wait.Go(func() {
			if err := protect(func() error { return step(s) }); err != nil {
				o.point.failed[i] = s.unverifiable(err)
			}
		})
	}
	wait.Wait()
}

// protect turns a panic into an error, so that what has to be undone is undone and the run can say what happened.
func protect(step func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("internal error: %v\n%s", r, debug.Stack())
		}
	}()
	return step()
}

// pauseStepResume is the part in which appliers stand still. Every stepper resumes its own as soon as it is through or
// has failed; that waits for nobody, and happens also when the source fails or ctx ends.
func (o *opening) pauseStepResume(ctx context.Context) error {
	o.eachStepper(func(s *stepper) error {
		if s.follows() {
			return nil
		}
		return s.arm(ctx)
	})
	standing := make(chan replication.Position, len(o.steppers))
	var following sync.WaitGroup
	count := 0
	for i, s := range o.steppers {
		switch {
		case o.point.failed[i] != nil:
		case s.follows():
			following.Add(1)
			o.locking.follow = true
		default:
			count++
			o.locking.pause = true
		}
	}
	go func() {
		following.Wait()
		close(o.locking.followed)
	}()
	ready := make(chan struct{}) // closed once the epochs are there, or will never be
	var sourceErr error
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		o.eachStepper(func(s *stepper) error {
			defer s.bulletin.close()
			if s.follows() {
				defer following.Done()
				return s.follow(ctx, o.locking)
			}
			defer s.resume(ctx)
			if err := o.stand(ctx, s, standing); err != nil {
				return err
			}
			<-ready
			if sourceErr != nil {
				return sourceErr
			}
			return s.stepThrough(ctx, o.epochOf, o.readers)
		})
	}()
	sourceErr = protect(func() error {
		notBefore := farthest(standing, count)
		return o.promptly(ctx, func(ctx context.Context) error {
			o.noteReturns(ctx)
			if err := o.openSourceSnapshots(ctx, notBefore); err != nil {
				return err
			}
			return o.nameEpochs(ctx)
		})
	})
	o.locking.cancel(sourceErr)
	close(ready)
	<-finished
	o.resumeRest(ctx)
	o.noteFollowers()
	return sourceErr
}

// stand pauses a replica's applier and tells where it stands, or that it does not, whatever happens.
func (o *opening) stand(ctx context.Context, s *stepper, standing chan<- replication.Position) error {
	var at replication.Position
	defer func() { standing <- at }()
	err := protect(func() error { return s.pauseApplier(ctx) })
	at = s.standsAtSource()
	return err
}

// farthest waits until every applier stands, or failed to, but not longer than patience after the first one stood,
// and returns the farthest position at which one stands. One that stops later can still be before the epochs.
func farthest(standing <-chan replication.Position, count int) (far replication.Position) {
	var enough <-chan time.Time
	for range count {
		select {
		case at := <-standing:
			if at.IsZero() {
				continue
			}
			if far.IsZero() {
				enough = time.After(patience)
			}
			if far.IsZero() || at.Compare(far) > 0 {
				far = at
			}
		case <-enough:
			return far
		}
	}
	return far
}

// resumeRest disarms the switches of replicas that were never paused. An applier that could not be started again counts
// more than whatever its replica failed by before.
func (o *opening) resumeRest(ctx context.Context) {
	var wait sync.WaitGroup
	for _, s := range o.steppers {
		wait.Go(func() { s.resume(ctx) })
	}
	wait.Wait()
	var failures []error
	for i, s := range o.steppers {
		if s.resumeErr != nil {
			o.point.failed[i] = s.unverifiable(s.resumeErr)
			failures = append(failures, s.resumeErr)
		}
	}
	o.notRestarted = errors.Join(failures...)
}

// nameEpochs gives readers at one place one epoch.
func (o *opening) nameEpochs(ctx context.Context) error {
	for _, reader := range o.readers {
		last := len(o.point.Epochs) - 1
		same := false
		if last >= 0 {
			var err error
			if same, err = o.places.same(ctx, o.point.Epochs[last].Position, reader.position); err != nil {
				return err
			}
		}
		if !same {
			o.point.Epochs = append(o.point.Epochs, &Epoch{ID: o.options.FirstEpoch + last + 1, Position: reader.position,
				OpenedAt: time.Now(), SourceWritesBlocked: o.blocked, Replicas: make([]EpochReplica, len(o.steppers))})
			last++
		}
		o.epochOf = append(o.epochOf, o.point.Epochs[last])
	}
	return nil
}

// proveHistory compares the GTIDs of source and replicas at the last position: file and offset alone would fit a
// replica of another source too, where both sources have the same server id. It runs after the pause, since older
// servers find the GTID of a position by reading the binary log from its file's beginning.
func (o *opening) proveHistory(ctx context.Context) {
	if o.source.Identity().Flavor != server.MariaDB {
		o.nameGTIDs(ctx) // a server's UUID is proof enough
		return
	}
	last := o.point.Epochs[len(o.point.Epochs)-1]
	gtid, err := replication.GTIDAt(ctx, o.control, last.Position)
	if err != nil {
		o.options.Logger.Warn("the source could not tell the GTID of the position", "source", o.source.Address(), "error", err)
		return
	}
	last.GTID = gtid
	o.eachStepper(func(s *stepper) error { return s.proveHistory(ctx, o.source.Identity().Flavor, last) })
}

func (o *opening) makeLeases() {
	for j, s := range o.steppers {
		if o.point.failed[j] != nil {
			s.closeReaders() // nobody will read there, and an open snapshot holds back purge
		}
	}
	for i, reader := range o.readers {
		lease := &Lease{Epoch: o.epochOf[i], Source: reader.session, Replicas: make([]*server.Session, len(o.steppers))}
		for j, s := range o.steppers {
			if o.point.failed[j] == nil {
				lease.Replicas[j] = s.readers[i]
			}
		}
		o.point.free = append(o.point.free, lease)
	}
	o.point.sessions = nil // the leases have them
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

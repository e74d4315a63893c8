package syncpoint

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"trueup/replication"
	"trueup/server"
)

// Strategy names how a point is made.
type Strategy string

// The strategies of a point; see the package comment.
const (
	Until Strategy = "until"
	Lock  Strategy = "lock"
)

// Replica is one replica that a point should hold: its server and the channel that comes from the source, or from another
// of the replicas. With a nil Server it only keeps its number.
type Replica struct {
	Server  *server.Server
	Channel string
	// Upstream is the number, counted from 1, of the replica from which the channel comes; 0: it comes from the source.
	Upstream int
	// Strategy is how it is brought to the position: Until, which "" stands for, or Lock.
	Strategy Strategy
}

// Options say what a point should be.
type Options struct {
	Workers int           // read sessions a server, at least 1
	Timeout time.Duration // for a replica to catch up before its pause, and again for all its steps in it
	// SwitchDelay is when the dead man's switch starts an applier that nobody started; 0: DefaultSwitchDelay.
	SwitchDelay time.Duration
	Pauses      *Pauses // may be nil
	// Recorder and Guard are told of every pause before it begins; each may be nil.
	Recorder   Recorder
	Guard      Guard
	Logger     *slog.Logger
	FirstEpoch int // number of the first epoch; 0: 1
	// Held, where it is set, is called for each replica that is stepped (Until) while its applier stands exactly at the last epoch, in
	// the replica's own goroutine; its ctx ends after HoldMax. The applier runs again when it returns, whatever it did.
	Held    func(ctx context.Context, number int, held Held)
	HoldMax time.Duration

	// Tables are locked on the source, all within LockTimeout and for at most LockHoldMax: on MySQL while the snapshots are opened;
	// on MariaDB only where a replica's strategy is Lock; there until its snapshots are open too. 0: DefaultLockTimeout, DefaultLockHoldMax.
	Tables      []Table
	LockTimeout time.Duration
	LockHoldMax time.Duration
}

const (
	// DefaultTimeout bounds reaching a position.
	DefaultTimeout = 60 * time.Second
	// DefaultLockTimeout bounds waiting for all locks on a source together.
	DefaultLockTimeout = 5 * time.Second
	// DefaultLockHoldMax is how long a source's locks are held at the most.
	DefaultLockHoldMax = 2 * time.Second
	// DefaultSwitchDelay is the delay of the dead man's switch; it is renewed at a third of it. MariaDB looks every 5 seconds
	// whether a sleeping session's client is still there, so that a longer one would make no difference there.
	DefaultSwitchDelay = 5 * time.Second
)

func (o Options) withDefaults() Options {
	o.Workers = max(o.Workers, 1)
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.SwitchDelay <= 0 {
		o.SwitchDelay = DefaultSwitchDelay
	}
	if o.LockTimeout <= 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	if o.LockHoldMax <= 0 {
		o.LockHoldMax = DefaultLockHoldMax
	}
	if o.Pauses == nil {
		o.Pauses = &Pauses{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.FirstEpoch = max(o.FirstEpoch, 1)
	return o
}

// Epoch is one position at which source and replicas are read.
type Epoch struct {
	ID       int
	Position replication.Position
	GTID     string // of the source at the position; empty where nobody can say
	OpenedAt time.Time
	// SourceWritesBlocked is how long writers of the checked tables may have waited; 0 where no lock was needed.
	SourceWritesBlocked time.Duration
	Replicas            []EpochReplica // by number of the replica; those that are not at the epoch have Exact false
}

// EpochReplica is where a replica stood when its snapshot was opened. Where it is Exact, Executed can still be another
// name of the epoch's place than Epoch.Position: the end of a log file that was rotated, for example.
type EpochReplica struct {
	Executed replication.Position
	GTID     string
	Exact    bool
	Paused   time.Duration // the applier's standstill for the whole point, without the time in which it ran to positions
}

// Lease is one read session on the source and one on each replica, all in snapshots of one epoch. It is for one worker.
type Lease struct {
	Epoch    *Epoch
	Source   *server.Session
	Replicas []*server.Session // nil for a replica that is not part of the point
}

// close ends the lease's sessions and with them their snapshots.
func (l *Lease) close() error {
	failures := []error{l.Source.Close()}
	for _, session := range l.Replicas {
		if session != nil {
			failures = append(failures, session.Close())
		}
	}
	return errors.Join(failures...)
}

// Point is a set of leases. Its methods may be called concurrently. A snapshot is held until its lease is given back to a
// closed point, or the point is closed while nobody has the lease.
type Point struct {
	Epochs   []*Epoch
	OpenedAt time.Time
	failed   []*Unverifiable // by number of the replica
	mutex    sync.Mutex
	closed   bool
	free     []*Lease
	sessions []*server.Session // while the point is being made
}

// Lease hands out one of the point's leases; it fails when there are no more.
func (p *Point) Lease() (*Lease, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if len(p.free) == 0 {
		return nil, errors.New("the sync point has no more read sessions to lease")
	}
	lease := p.free[0]
	p.free = p.free[1:]
	return lease, nil
}

// Return takes a lease back; its sessions can be leased again, or end where the point was closed.
func (p *Point) Return(lease *Lease) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.closed {
		_ = lease.close()
		return
	}
	p.free = append(p.free, lease)
}

// Failed is why replica number i is not part of the point; nil when it is.
func (p *Point) Failed(i int) *Unverifiable { return p.failed[i] }

// Close ends the sessions that nobody has a lease of; those of the others end when their leases are returned.
func (p *Point) Close() error {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.closed = true
	var failures []error
	for _, lease := range p.free {
		failures = append(failures, lease.close())
	}
	for _, session := range p.sessions {
		failures = append(failures, session.Close())
	}
	p.sessions, p.free = nil, nil
	return errors.Join(failures...)
}

// Open makes a point. A replica that cannot be brought to the position does not fail it (see Point.Failed); an error
// means that the source failed, or that ctx ended. Whatever it returns, every applier it stopped has been started again,
// or its error names the replica where that was not possible.
func Open(ctx context.Context, source *server.Server, replicas []Replica, options Options) (*Point, error) {
	return openRetried(ctx, source, replicas, options.withDefaults())
}

func openOnce(ctx context.Context, source *server.Server, replicas []Replica, options Options) (*Point, error) {
	opening := newOpening(source, replicas, options)
	defer opening.closeControls()
	if err := opening.run(ctx); err != nil {
		return nil, errors.Join(err, opening.notRestarted, opening.point.Close())
	}
	return opening.point, nil
}

package check

import (
	"context"
	"sync"
	"time"

	"trueup/replication/syncpoint"
)

// keeper holds the present sync point and replaces it when it is too old or of no more use. It is safe for concurrent use.
type keeper struct {
	maxAge time.Duration
	// open makes the next point; its epochs begin at the given number.
	open func(ctx context.Context, firstEpoch int) (*syncpoint.Point, *identities, error)

	mutex   sync.Mutex
	current *held
	making  chan struct{} // closed when the point that is being made is there, or failed
	epochs  int
}

// held is a point, and the identities that the tables had before its snapshots were opened.
type held struct {
	point      *syncpoint.Point
	identities *identities
}

// lease is a worker's read sessions, and the point they belong to.
type lease struct {
	*syncpoint.Lease
	held *held
}

// next returns the lease a worker should use for its next chunk: the one it has, unless the point was replaced. The first
// worker to notice makes the new point; the others finish their chunks and wait for it here, without snapshots.
func (k *keeper) next(ctx context.Context, have *lease) (*lease, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for {
		k.retireOld()
		if have != nil && have.held == k.current {
			return have, nil
		}
		giveBack(have)
		have = nil
		if k.current != nil {
			leased, err := k.current.point.Lease()
			if err != nil {
				return nil, err
			}
			return &lease{Lease: leased, held: k.current}, nil
		}
		if err := k.renew(ctx); err != nil {
			return nil, err
		}
	}
}

// renew makes the next point, or waits for the worker that makes it. The mutex is held, but not meanwhile.
func (k *keeper) renew(ctx context.Context) error {
	if making := k.making; making != nil {
		k.mutex.Unlock()
		defer k.mutex.Lock()
		select {
		case <-making:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	making := make(chan struct{})
	k.making = making
	first := k.epochs + 1
	var made held
	k.mutex.Unlock()
	err := protect(func() (err error) {
		made.point, made.identities, err = k.open(ctx, first)
		return err
	})
	k.mutex.Lock()
	k.making = nil
	close(making)
	if err != nil {
		return err
	}
	k.epochs += len(made.point.Epochs)
	k.current = &made
	return nil
}

// discard takes a point out of use in which something was lost: the next chunk is read in a new one.
func (k *keeper) discard(of *held) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.current == of {
		k.retire()
	}
}

// isOver tells whether the lease will be replaced by the next one.
func (k *keeper) isOver(have *lease) bool {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.retireOld()
	return have != nil && have.held != k.current
}

// idle takes a lease from a worker that waits for work, where its snapshots are too old to be used for more.
func (k *keeper) idle(have *lease) *lease {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.retireOld()
	if have == nil || have.held == k.current {
		return have
	}
	giveBack(have)
	return nil
}

func (k *keeper) retireOld() {
	if k.current != nil && time.Since(k.current.point.OpenedAt) > k.maxAge {
		k.retire()
	}
}

// retire takes the current point out of use: what nobody reads in is closed now, the rest when it is given back.
func (k *keeper) retire() {
	_ = k.current.point.Close()
	k.current = nil
}

// rest gives a worker's lease back and takes the current point out of use: the run is to wait.
func (k *keeper) rest(have *lease) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.current != nil {
		k.retire()
	}
	giveBack(have)
}

// done gives a worker's lease back for good.
func (k *keeper) done(have *lease) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	giveBack(have)
}

func giveBack(have *lease) {
	if have != nil {
		have.held.point.Return(have.Lease)
	}
}

// close closes the current point; no worker may use it any more.
func (k *keeper) close() {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.current != nil {
		k.retire()
	}
}

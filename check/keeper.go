package check

import (
	"context"
	"sync"
	"time"

	"trueup/replication/syncpoint"
)

// keeper holds the present sync point and replaces it when it is too old. It is safe for concurrent use.
type keeper struct {
	maxAge time.Duration
	// open makes the next point; its epochs begin at the given number.
	open func(ctx context.Context, firstEpoch int) (*syncpoint.Point, error)

	mutex   sync.Mutex
	current *held
	epochs  int
}

// held is a point and how many workers read in it.
type held struct {
	point *syncpoint.Point
	users int
	old   bool
}

// lease is a worker's read sessions, and the point they belong to.
type lease struct {
	*syncpoint.Lease
	held *held
}

// next returns the lease a worker should use for its next chunk: the one it has, unless the point has become too old.
// The first worker to notice makes the new point; the others finish their chunks and wait for it here.
func (k *keeper) next(ctx context.Context, have *lease) (*lease, error) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.current != nil && time.Since(k.current.point.OpenedAt) > k.maxAge {
		k.retire()
	}
	if have != nil && have.held == k.current {
		return have, nil
	}
	k.giveBack(have)
	if k.current == nil {
		point, err := k.open(ctx, k.epochs+1)
		if err != nil {
			return nil, err
		}
		k.epochs += len(point.Epochs)
		k.current = &held{point: point}
	}
	leased, err := k.current.point.Lease()
	if err != nil {
		return nil, err
	}
	k.current.users++
	return &lease{Lease: leased, held: k.current}, nil
}

// retire takes the current point out of use; it is closed when its last user leaves.
func (k *keeper) retire() {
	k.current.old = true
	if k.current.users == 0 {
		_ = k.current.point.Close()
	}
	k.current = nil
}

// rest gives a worker's lease back and takes the current point out of use: the run is to wait.
func (k *keeper) rest(have *lease) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.current != nil {
		k.retire()
	}
	k.giveBack(have)
}

// done gives a worker's lease back for good.
func (k *keeper) done(have *lease) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.giveBack(have)
}

func (k *keeper) giveBack(have *lease) {
	if have == nil {
		return
	}
	have.held.users--
	if have.held.old && have.held.users == 0 {
		_ = have.held.point.Close()
	}
}

// close closes the current point; no worker may use it any more.
func (k *keeper) close() {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if k.current != nil {
		_ = k.current.point.Close()
		k.current = nil
	}
}

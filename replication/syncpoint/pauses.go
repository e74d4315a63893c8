package syncpoint

import (
	"context"
	"sync"
	"time"
)

// Pauses counts the appliers that this process has stopped and not yet started again, so that a process that was told
// to end at once can wait the moment until none is left. It is safe for concurrent use; the zero value is ready.
type Pauses struct {
	mutex  sync.Mutex
	active int
	none   chan struct{} // closed when active falls to 0; nil while it is 0
}

func (p *Pauses) begin() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.active == 0 {
		p.none = make(chan struct{})
	}
	p.active++
}

func (p *Pauses) end() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.active--
	if p.active == 0 {
		close(p.none)
		p.none = nil
	}
}

// Wait returns true as soon as no applier is paused by this process, false when the time is over or ctx is done before.
func (p *Pauses) Wait(ctx context.Context, most time.Duration) bool {
	p.mutex.Lock()
	none := p.none
	p.mutex.Unlock()
	if none == nil {
		return true
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-none:
		return true
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	}
}

package cli

import (
	"sync"
	"time"
)

// Leftovers are what a process that a second signal ends at once must still not leave behind. It is safe for
// concurrent use; its zero value is ready.
type Leftovers struct {
	mutex sync.Mutex
	next  int
	clean map[int]func()
}

// Add registers how to clean something up, or how to wait until it has been. Call done when nothing is left to clean.
func (l *Leftovers) Add(clean func()) (done func()) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	id := l.next
	l.next++
	if l.clean == nil {
		l.clean = map[int]func(){}
	}
	l.clean[id] = clean
	return func() {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		delete(l.clean, id)
	}
}

// Clean cleans everything up at the same time and waits for that, but not longer than limit.
func (l *Leftovers) Clean(limit time.Duration) {
	l.mutex.Lock()
	var all sync.WaitGroup
	for _, clean := range l.clean {
		all.Go(clean)
	}
	l.mutex.Unlock()
	cleaned := make(chan struct{})
	go func() {
		all.Wait()
		close(cleaned)
	}()
	select {
	case <-cleaned:
	case <-time.After(limit):
	}
}

package check

import (
	"sync"
	"time"
)

// events hands events to the observer, one at a time.
type events struct {
	mutex    sync.Mutex
	observer Observer
	now      func() time.Time
}

func (e *events) at() At { return At{Time: e.now()} }

func (e *events) send(event Event) {
	if e.observer == nil {
		return
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.observer.Event(event)
}

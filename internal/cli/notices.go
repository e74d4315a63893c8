package cli

import (
	"fmt"
	"io"
	"sync"
)

// Notices prints what a person at the terminal must know at once, such as that a signal was heard. It is safe for
// concurrent use.
type Notices struct {
	mutex sync.Mutex
	w     io.Writer
}

// NewNotices prints on w, usually standard error.
func NewNotices(w io.Writer) *Notices { return &Notices{w: w} }

// Say prints one line.
func (n *Notices) Say(format string, args ...any) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	fmt.Fprintf(n.w, "trueup: "+format+"\n", args...)
}

// through makes Say print on w, which a live progress line makes way for, until back is called.
func (n *Notices) through(w io.Writer) (back func()) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	before := n.w
	n.w = w
	return func() {
		n.mutex.Lock()
		defer n.mutex.Unlock()
		n.w = before
	}
}

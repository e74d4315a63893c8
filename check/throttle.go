package check

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"trueup/server"
)

// throttle makes a run wait while replicas lag or servers are busy. One goroutine looks at the servers every lookInterval;
// workers ask before each chunk, which costs no round trip. Whoever has to wait first lets go of its sync point: a snapshot
// that is held over a wait keeps the servers from purging old row versions, which makes a busy server busier.
//
// A nil throttle never waits. The methods are safe for concurrent use.
type throttle struct {
	run     *run
	limits  Throttle
	source  *watched
	watched []*watched     // replicas
	logs    []*upstreamLog // the source's first

	// looking is held during a look, and while a sync point is made: its pause makes every lag unknown.
	looking sync.Mutex
	opened  bool // a sync point was made, or tried; guarded by looking

	mutex   sync.Mutex
	busy    finding       // why the run has to wait; zero: it need not
	next    chan struct{} // closed after the next look
	err     error         // ends the run
	waiting int           // workers
	since   time.Time     // the first of them waits
	said    finding       // was announced last
	saidAt  time.Time
}

// finding is one server's reason to wait. What tells it from another reason; Text is for people, and its numbers change.
type finding struct{ what, text string }

const (
	// lookInterval is how often the servers are looked at; lag is told in seconds by the servers themselves.
	lookInterval = time.Second
	// lookLimit bounds one look: what a server does not tell in that time counts as too much.
	lookLimit = 3 * time.Second
	// sayInterval is how often a wait that goes on is announced again, with its present numbers.
	sayInterval = 10 * time.Second
)

// startThrottle looks at the servers for the first time and goes on looking until stop is called. The error is a
// *RequestError where a limit is on something that a server does not have.
func (r *run) startThrottle(ctx context.Context) (stop func(), err error) {
	if r.request.Throttle.isOff() {
		return func() {}, nil
	}
	t := &throttle{run: r, limits: r.request.Throttle, source: &watched{server: r.source}, next: make(chan struct{})}
	t.logOf(nil)
	for _, m := range r.members {
		if r.isUsable(m) {
			t.watched = append(t.watched, &watched{server: m.server, member: m, progress: progress{log: t.logOf(m.upstream)}})
		}
	}
	if err := t.requireVariables(ctx); err != nil {
		t.close()
		return nil, err
	}
	r.throttle = t
	t.look(ctx)
	ctx, cancel := context.WithCancel(ctx)
	var looks sync.WaitGroup
	looks.Go(func() {
		if err := protect(func() error { t.keepLooking(ctx); return nil }); err != nil {
			t.fail(err)
		}
	})
	return func() {
		cancel()
		looks.Wait()
		t.close()
	}, nil
}

// logOf is the log that an upstream's replicas follow; nil stands for the source.
func (t *throttle) logOf(upstream *member) *upstreamLog {
	for _, log := range t.logs {
		if log.member == upstream {
			return log
		}
	}
	log := &upstreamLog{server: t.run.source, member: upstream}
	if upstream != nil {
		log.server = upstream.server
	}
	t.logs = append(t.logs, log)
	return log
}

func (t *throttle) keepLooking(ctx context.Context) {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			t.look(ctx)
		}
	}
}

// pass returns when the caller may read its next chunk. Where it has to wait, letGo is called first. An error means that ctx
// has ended, that letGo failed, or that the source's load cannot be read any more.
func (t *throttle) pass(ctx context.Context, letGo func() error) error {
	if t == nil {
		return nil
	}
	held := false
	for {
		busy, next, err := t.state()
		if err != nil || busy == (finding{}) {
			if held {
				t.leave()
			}
			return err
		}
		if !held {
			if err := letGo(); err != nil {
				return err
			}
			held = true
			t.enter()
		}
		select {
		case <-next:
		case <-ctx.Done():
			t.leave()
			return context.Cause(ctx)
		}
	}
}

func (t *throttle) state() (finding, <-chan struct{}, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.busy, t.next, t.err
}

// enter counts a worker that waits.
func (t *throttle) enter() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.waiting++
	if t.waiting == 1 {
		t.since = time.Now()
		t.said = finding{}
		t.announce()
	}
}

// leave ends a worker's wait. The run has waited from its first waiting worker to its last.
func (t *throttle) leave() {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.waiting--
	if t.waiting > 0 {
		return
	}
	waited := time.Since(t.since)
	t.run.resultMutex.Lock()
	t.run.result.Throttled += waited
	t.run.resultMutex.Unlock()
	t.run.events.send(Resumed{At: t.run.events.at(), Waited: waited})
}

// announce says what is waited for: at once when it is something else than before, otherwise now and then. The mutex is held.
func (t *throttle) announce() {
	if t.waiting == 0 || t.busy == (finding{}) || t.busy.what == t.said.what && time.Since(t.saidAt) < sayInterval {
		return
	}
	t.said, t.saidAt = t.busy, time.Now()
	t.run.events.send(Throttled{At: t.run.events.at(), Reason: t.busy.text})
}

// publish tells the workers what a look has found.
func (t *throttle) publish(found finding) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.busy = found
	t.announce()
	t.wake()
}

// fail ends the run at the workers' next chunk.
func (t *throttle) fail(err error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.err = err
	t.wake()
}

func (t *throttle) wake() {
	close(t.next)
	t.next = make(chan struct{})
}

// pausing keeps looks away until done is called: while a sync point is made.
func (t *throttle) pausing() (done func()) {
	if t == nil {
		return func() {}
	}
	t.looking.Lock()
	t.opened = true
	return t.looking.Unlock
}

func (t *throttle) close() {
	for _, w := range append([]*watched{t.source}, t.watched...) {
		w.close()
	}
	for _, log := range t.logs {
		log.closeSession()
	}
}

// requireVariables refuses limits on status variables that a server does not have, or that are no numbers. A server that
// cannot be asked now is left to the looks.
func (t *throttle) requireVariables(ctx context.Context) error {
	if len(t.limits.MaxLoad) == 0 {
		return nil
	}
	for _, w := range append([]*watched{t.source}, t.watched...) {
		values, err := w.load(ctx, t.limits.MaxLoad)
		if err != nil {
			continue
		}
		for i, limit := range t.limits.MaxLoad {
			if values[i].err != nil {
				return requestErrorf("max load: %s: %w; see SHOW GLOBAL STATUS on %s for what can be limited", limit.Variable, values[i].err, w.server.Address())
			}
		}
	}
	return nil
}

// Throttle says when a check waits instead of reading: while a replica lags, or a server is busy. The zero value never does.
type Throttle struct {
	// MaxLag is how far a replica may lag behind the source, its own delay (MASTER_DELAY) left out; 0: no limit. What
	// cannot be read counts as too much; when that goes on for the request's SyncTimeout, the replica is Unverified.
	MaxLag time.Duration
	// MaxLoad are limits to status variables, on the source and on every replica.
	MaxLoad []LoadLimit
}

// LoadLimit is the most that a variable of SHOW GLOBAL STATUS may be.
type LoadLimit struct {
	Variable string
	Most     float64
}

func (t Throttle) isOff() bool { return t.MaxLag == 0 && len(t.MaxLoad) == 0 }

// leastMaxLag: servers tell their lag in whole seconds.
const leastMaxLag = time.Second

// problems says what is wrong with the settings of a check with that many workers.
func (t Throttle) problems(workers int) (problems []error) {
	if t.MaxLag != 0 && t.MaxLag < leastMaxLag {
		problems = append(problems, fmt.Errorf("max lag: %v is less than %v; servers tell their lag in whole seconds", t.MaxLag, leastMaxLag))
	}
	seen := map[string]bool{}
	for _, limit := range t.MaxLoad {
		name := server.StatusName(limit.Variable)
		switch {
		case name == "":
			problems = append(problems, fmt.Errorf("max load: %q is no name of a status variable", limit.Variable))
		case seen[name]:
			problems = append(problems, fmt.Errorf("max load: %s has two limits", limit.Variable))
		case !(limit.Most >= 0) || math.IsInf(limit.Most, 0):
			problems = append(problems, fmt.Errorf("max load: %s=%v: the limit is not a number from 0 on", limit.Variable, limit.Most))
		case name == threadsRunning && limit.Most < float64(workers+ownThreads):
			problems = append(problems, fmt.Errorf("max load: %s=%v: the check itself runs up to %d statements at once with %d workers: give at least that, or fewer workers",
				limit.Variable, limit.Most, workers+ownThreads, workers))
		}
		seen[name] = true
	}
	return problems
}

const (
	threadsRunning = "threads_running"
	// ownThreads are the statements of ours that run beside the workers': finding the chunks' bounds, and the look itself.
	ownThreads = 2
)

package check

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// watched is a server that the throttle looks at. Only one look at a time uses it.
type watched struct {
	server     *server.Server
	member     *member         // nil: the source
	session    *server.Session // nil: to be opened
	progress   progress
	unreadable time.Time // since when nothing could be read; zero: it can
}

// look looks at every server and publishes the first reason to wait.
func (t *throttle) look(ctx context.Context) {
	t.looking.Lock()
	defer t.looking.Unlock()
	found, err := t.lookAtSource(ctx)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && t.source.unreadableFor() >= t.run.request.SyncTimeout:
		t.fail(fmt.Errorf("the source's load and position could not be read for %v (--sync-timeout), so nobody knows whether the check may go on: %w", t.run.request.SyncTimeout, err))
		return
	case err != nil:
		t.publish(found)
		return
	}
	t.lookAtLogs(ctx)
	findings := make([]finding, len(t.watched))
	var wait sync.WaitGroup
	for i, w := range t.watched {
		if t.run.isUsable(w.member) {
			wait.Go(func() {
				if err := protect(func() error { findings[i] = t.lookAtReplica(ctx, w); return nil }); err != nil {
					t.fail(err)
				}
			})
		}
	}
	wait.Wait()
	if ctx.Err() != nil {
		return
	}
	for _, on := range findings {
		if found == (finding{}) {
			found = on
		}
	}
	t.publish(found)
}

// lookAtSource returns why to wait for the source, and notes where its log ends.
func (t *throttle) lookAtSource(ctx context.Context) (found finding, err error) {
	looked, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	found, err = t.source.overload(looked, t.limits.MaxLoad)
	if err == nil && t.limits.MaxLag > 0 {
		err = t.logs[0].look(looked)
	}
	if err != nil {
		t.source.lost()
		return finding{"source unreadable", fmt.Sprintf("the load of the source cannot be read, which counts as too much: %v", err)}, err
	}
	t.source.unreadable = time.Time{}
	return found, nil
}

// lookAtLogs notes where the logs of replicas end that others replicate from. One that cannot be read has no end: whoever
// replicates from it has an unknown lag.
func (t *throttle) lookAtLogs(ctx context.Context) {
	var wait sync.WaitGroup
	for _, log := range t.logs {
		if log.member != nil && t.run.isUsable(log.member) {
			wait.Go(func() { _ = log.look(ctx) })
		}
	}
	wait.Wait()
}

// lookAtReplica returns why to wait for one replica. One that could not be read for the whole of SyncTimeout is given up,
// so that it does not hold the others.
func (t *throttle) lookAtReplica(ctx context.Context, w *watched) finding {
	looked, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	found, err := w.overload(looked, t.limits.MaxLoad)
	if err == nil && found == (finding{}) && t.limits.MaxLag > 0 {
		found, err = t.lagOf(looked, w)
	}
	if err == nil {
		w.unreadable = time.Time{}
		return found
	}
	if ctx.Err() != nil {
		return finding{}
	}
	w.lost()
	if w.unreadableFor() >= t.run.request.SyncTimeout {
		code := reasonOf(err)
		if code == ReasonReadError {
			code = ReasonLagUnknown
		}
		t.run.giveUpReplica(w.member, code, fmt.Errorf("for %v (--sync-timeout) its lag or load could not be read, which counts as too much: %w", t.run.request.SyncTimeout, err))
		return finding{}
	}
	return finding{"unreadable " + w.server.Address(), fmt.Sprintf("the lag or load of replica %s cannot be read, which counts as too much: %v", w.server.Address(), err)}
}

// lagOf judges a replica's lag: the longer of what it says and what the positions show. A member of the source's own cluster
// has no channel that could lag.
func (t *throttle) lagOf(ctx context.Context, w *watched) (finding, error) {
	if w.member.clustered {
		return finding{}, nil
	}
	status, err := replication.ReadStatus(ctx, w.session, w.member.status.Channel)
	if err != nil {
		return finding{}, err
	}
	if unfit := syncpoint.Unfit(w.server, status, t.run.request.SyncTimeout); unfit != nil {
		if !t.opened && w.member.strategy.isSynced() {
			return finding{}, nil // the first sync point refuses it at once, with the same reason
		}
		return finding{}, unfit
	}
	if status.Lag == nil {
		return finding{}, &syncpoint.Unverifiable{Address: w.server.Address(), Code: ReasonLagUnknown,
			Reason: fmt.Sprintf("it does not say how far it lags (receiver %s, error: %q)", status.ReceiverState, status.ReceiverError)}
	}
	lag := *status.Lag
	if up := w.progress.log.member; up == nil || t.run.isUsable(up) {
		behind, err := w.progress.behind(ctx, status.Executed, t.limits.MaxLag)
		if err != nil {
			return finding{}, err
		}
		lag = max(lag, behind)
	}
	lag -= status.Delay
	if lag <= t.limits.MaxLag {
		return finding{}, nil
	}
	return finding{"lag " + w.server.Address(), fmt.Sprintf("replica %s lags %v, --max-lag %v", w.server.Address(), lag.Round(time.Second), t.limits.MaxLag)}, nil
}

// overload returns the first limit to load that is exceeded.
func (w *watched) overload(ctx context.Context, limits []LoadLimit) (finding, error) {
	values, err := w.load(ctx, limits)
	if err != nil {
		return finding{}, err
	}
	for i, limit := range limits {
		if values[i].err != nil {
			return finding{}, fmt.Errorf("%s: %w", limit.Variable, values[i].err)
		}
		if values[i].number > limit.Most {
			return finding{"load " + limit.Variable + " " + w.server.Address(), fmt.Sprintf("%s has %s=%s, --max-load %s=%s", w.title(),
				limit.Variable, plainNumber(values[i].number), limit.Variable, plainNumber(limit.Most))}, nil
		}
	}
	return finding{}, nil
}

func (w *watched) title() string {
	if w.member == nil {
		return "source " + w.server.Address()
	}
	return "replica " + w.server.Address()
}

func plainNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// loadValue is the present value of a status variable.
type loadValue struct {
	number float64
	err    error // the server does not have it, or it is no number
}

// load reads the limited variables, and opens the session where there is none.
func (w *watched) load(ctx context.Context, limits []LoadLimit) ([]loadValue, error) {
	if err := w.connect(ctx); err != nil || len(limits) == 0 {
		return nil, err
	}
	names := make([]string, len(limits))
	for i, limit := range limits {
		names[i] = limit.Variable
	}
	texts, err := server.GlobalStatus(ctx, w.session, names...)
	if err != nil {
		return nil, err
	}
	values := make([]loadValue, len(limits))
	for i, name := range names {
		text, known := texts[server.StatusName(name)]
		number, err := strconv.ParseFloat(text, 64)
		switch {
		case !known:
			err = fmt.Errorf("%s has no such status variable", w.server.Address())
		case err != nil:
			err = fmt.Errorf("%s says %q, which is no number", w.server.Address(), text)
		}
		values[i] = loadValue{number, err}
	}
	return values, nil
}

func (w *watched) connect(ctx context.Context) (err error) {
	if w.session == nil {
		w.session, err = w.server.Session(ctx, server.SessionOptions{})
	}
	return err
}

// lost notes that nothing could be read. The session is opened anew for the next look.
func (w *watched) lost() {
	w.close()
	if w.unreadable.IsZero() {
		w.unreadable = time.Now()
	}
}

func (w *watched) unreadableFor() time.Duration {
	if w.unreadable.IsZero() {
		return 0
	}
	return time.Since(w.unreadable)
}

func (w *watched) close() {
	if w.session != nil {
		_ = w.session.Close()
		w.session = nil
	}
}

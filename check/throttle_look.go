package check

import (
	"context"
	"errors"
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
	server  *server.Server
	member  *member         // nil: the source
	session *server.Session // nil: to be opened
	// marks are ends of the source's log, oldest first, that the replica has not executed yet: it lags as long as the
	// oldest one is known. That also shows transactions that its receiver does not have, which its own word
	// (Seconds_Behind_Source) leaves out.
	marks      []mark
	last       replication.Position // executed at the last look
	unreadable time.Time            // since when nothing could be read; zero: it can
}

type mark struct {
	at       time.Time
	position replication.Position
}

// mostMarks bounds what is remembered of a replica that lags for hours; the oldest mark, which counts, always stays.
const mostMarks = 10_000

// look looks at every server and publishes the first reason to wait.
func (t *throttle) look(ctx context.Context) {
	t.looking.Lock()
	defer t.looking.Unlock()
	found, end, err := t.lookAtSource(ctx)
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
	findings := make([]finding, len(t.watched))
	var wait sync.WaitGroup
	for i, w := range t.watched {
		if t.run.isUsable(w.member) {
			wait.Go(func() { findings[i] = t.lookAtReplica(ctx, w, end) })
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

// lookAtSource returns why to wait for the source, and a mark at the end of its log.
func (t *throttle) lookAtSource(ctx context.Context) (found finding, end mark, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	found, err = t.source.overload(ctx, t.limits.MaxLoad)
	if err == nil && t.limits.MaxLag > 0 {
		end.at = time.Now()
		end.position, err = replication.SourcePosition(ctx, t.source.session)
	}
	if err != nil {
		t.source.lost()
		return finding{"source unreadable", fmt.Sprintf("the load of the source cannot be read, which counts as too much: %v", err)}, mark{}, err
	}
	t.source.unreadable = time.Time{}
	return found, end, nil
}

// lookAtReplica returns why to wait for one replica. One that could not be read for the whole of SyncTimeout is given up,
// so that it does not hold the others.
func (t *throttle) lookAtReplica(ctx context.Context, w *watched, end mark) finding {
	looked, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	found, err := w.overload(looked, t.limits.MaxLoad)
	if err == nil && found == (finding{}) && t.limits.MaxLag > 0 {
		found, err = t.lagOf(looked, w, end)
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

// lagOf judges a replica's lag: the longer of what it says and what the positions show.
func (t *throttle) lagOf(ctx context.Context, w *watched, end mark) (finding, error) {
	status, err := replication.ReadStatus(ctx, w.session, w.member.status.Channel)
	if err != nil {
		return finding{}, err
	}
	if unfit := syncpoint.Unfit(w.server, status, t.run.request.SyncTimeout); unfit != nil {
		if !t.opened {
			return finding{}, nil // the first sync point refuses it at once, with the same reason
		}
		return finding{}, unfit
	}
	if status.Lag == nil {
		return finding{}, &syncpoint.Unverifiable{Address: w.server.Address(), Code: ReasonLagUnknown,
			Reason: fmt.Sprintf("it does not say how far it lags (receiver %s, error: %q)", status.ReceiverState, status.ReceiverError)}
	}
	behind, err := w.behind(ctx, t, status.Executed, end)
	if err != nil {
		return finding{}, err
	}
	lag := max(*status.Lag, behind) - status.Delay
	if lag <= t.limits.MaxLag {
		return finding{}, nil
	}
	return finding{"lag " + w.server.Address(), fmt.Sprintf("replica %s lags %v, --max-lag %v", w.server.Address(), lag.Round(time.Second), t.limits.MaxLag)}, nil
}

// behind is how long ago the source's log ended where the replica stands, a second less at the most: 0 where it has executed
// all of it.
func (w *watched) behind(ctx context.Context, t *throttle, executed replication.Position, end mark) (time.Duration, error) {
	moved := executed != w.last
	w.last = executed
	if end.position.IsZero() {
		return 0, errors.New("the end of the source's log is not known")
	}
	if len(w.marks) < mostMarks {
		w.marks = append(w.marks, end)
	}
	for len(w.marks) > 0 && !executed.IsZero() && executed.Compare(w.marks[0].position) >= 0 {
		w.marks = w.marks[1:]
	}
	if len(w.marks) == 0 {
		return 0, nil
	}
	if lag := end.at.Sub(w.marks[0].at); moved || lag < t.limits.MaxLag {
		return lag, nil
	}
	// It stands: after a rotation of the log it may have executed everything and stand at another name of the end.
	same, err := t.samePlace(ctx, executed, end.position)
	if err != nil {
		return 0, err
	}
	if same {
		w.marks = nil
		return 0, nil
	}
	return end.at.Sub(w.marks[0].at), nil
}

// samePlace asks the source; the looks at several replicas share its session.
func (t *throttle) samePlace(ctx context.Context, a, b replication.Position) (bool, error) {
	t.asking.Lock()
	defer t.asking.Unlock()
	return syncpoint.SamePlace(ctx, t.source.session, a, b)
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

// lost notes that nothing could be read. The session is opened anew for the next look: of one that was given up in the
// middle of a statement nobody knows the state.
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

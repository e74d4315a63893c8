package check

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// upstreamLog is the binary log of a server that others replicate from, the source's or, in a chain, a replica's. It is safe
// for concurrent use.
type upstreamLog struct {
	server *server.Server
	member *member // nil: the source

	mutex   sync.Mutex
	session *server.Session // nil: to be opened
	end     mark            // at the last look; zero: it could not be read
}

// mark is where a log ended at a time.
type mark struct {
	at       time.Time
	position replication.Position
}

// look notes where the log ends now.
func (l *upstreamLog) look(ctx context.Context) (err error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	now := mark{at: time.Now()}
	if l.session == nil {
		l.session, err = l.server.Session(ctx, server.SessionOptions{})
	}
	if err == nil {
		now.position, err = replication.SourcePosition(ctx, l.session)
	}
	if err != nil {
		l.closeSession()
		now = mark{}
	}
	l.end = now
	return err
}

// same tells whether no transaction lies between two positions of the log.
func (l *upstreamLog) same(ctx context.Context, a, b replication.Position) (bool, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.session == nil {
		return false, fmt.Errorf("the log of %s cannot be read", l.server.Address())
	}
	return syncpoint.SamePlace(ctx, l.session, a, b)
}

// closeSession ends the session; of one that was given up in the middle of a statement nobody knows the state.
func (l *upstreamLog) closeSession() {
	if l.session != nil {
		_ = l.session.Close()
		l.session = nil
	}
}

// progress is how far a replica has come in its upstream's log. Marks are ends of the log, oldest first, that it has not
// executed yet: it lags as long as the oldest one is known. That also shows transactions that its receiver does not have,
// which its own word (Seconds_Behind_Source) leaves out.
type progress struct {
	log   *upstreamLog
	marks []mark
	last  replication.Position // executed at the last look
}

// mostMarks bounds what is remembered of a replica that lags for hours; the oldest mark, which counts, always stays.
const mostMarks = 10_000

// behind is how long ago the log ended where the replica stands, a second less at the most; 0 where it has executed all of
// it. With a lag of enough and no movement it looks closer.
func (p *progress) behind(ctx context.Context, executed replication.Position, enough time.Duration) (time.Duration, error) {
	moved := executed != p.last
	p.last = executed
	end := p.log.end
	if end.position.IsZero() {
		return 0, errors.New("the end of the log of its upstream is not known")
	}
	if len(p.marks) < mostMarks {
		p.marks = append(p.marks, end)
	}
	for len(p.marks) > 0 && !executed.IsZero() && executed.Compare(p.marks[0].position) >= 0 {
		p.marks = p.marks[1:]
	}
	if len(p.marks) == 0 {
		return 0, nil
	}
	lag := end.at.Sub(p.marks[0].at)
	if moved || lag < enough {
		return lag, nil
	}
	// It stands: after a rotation of the log it may have executed everything and stand at another name of the end.
	same, err := p.log.same(ctx, executed, end.position)
	if err != nil {
		return 0, err
	}
	if same {
		p.marks = nil
		return 0, nil
	}
	return lag, nil
}

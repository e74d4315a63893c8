package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"time"
)

// A connection can die without a word: a firewall forgets it, a host between vanishes, a proxy accepts bytes and forwards none.
// Waiting for the server's answer then looks the same as waiting for a long scan, so no time limit tells them apart. The server
// does: where nothing came for a while, it is asked over another connection what the first one is doing there. While it
// executes a statement it is waited for, however long. Once it has nothing more to do for us, or is gone, or cannot
// hand its rows over, or cannot be reached at all for a longer time, the connection is given up.

const (
	// DefaultSilence is how long nothing may come from a server before it is asked, and asked again.
	DefaultSilence = 5 * time.Second
	// looksTillLost is how often in a row the server has to say that it waits for us, with nothing having come meanwhile.
	looksTillLost = 3
	// unreachableTimes, times the silence, is how long a server may not be reachable at all.
	unreachableTimes = 6
)

// SilentError is a connection that was given up because nothing came over it. IsConnectionLost is true of it: the work may be
// done again on a new session.
type SilentError struct {
	Address string
	Silent  time.Duration
	Why     string
}

func (e *SilentError) Error() string {
	return fmt.Sprintf("nothing came from %s for %v, and %s: a firewall, a proxy or the network between lost the connection", e.Address, e.Silent.Round(100*time.Millisecond), e.Why)
}

// Timeout makes it an error of the network, as net.Error has it.
func (e *SilentError) Timeout() bool { return true }

// doing is what a server says of one of our connections.
type doing int

const (
	unknown     doing = iota // it could not be asked, or would not say
	executing                // it works for us
	waiting                  // it has answered, or never got the question
	stuck                    // it has rows for us and cannot hand them over
	gone                     // it has ended the connection
	unreachable              // no connection to it can be made
)

var deadText = map[doing]string{
	waiting: "the server says that it waits for us", stuck: "the server says that it cannot send its rows",
	gone: "the server does not know the connection any more", unreachable: "the server cannot be reached",
}

// listener judges the silence on one connection. It is for the goroutine that reads from the connection.
type listener struct {
	server *Server
	id     uint64 // of the connection on the server
	ctx    context.Context
}

// silence is what was found out since the last byte came.
type silence struct {
	since time.Time
	last  doing
	looks int
}

// patience is how long a read waits before the server is asked; 0: for ever.
func (l *listener) patience() time.Duration {
	if l == nil {
		return 0
	}
	return l.server.endpoint.silence()
}

// judge asks the server, and returns why the connection is given up; nil while it is to be waited for.
func (l *listener) judge(s *silence) error {
	found := l.ask()
	if s.looks++; found != s.last {
		s.last, s.looks = found, 1
	}
	silent := time.Since(s.since)
	switch found {
	case waiting, stuck, gone:
		if s.looks < looksTillLost {
			return nil
		}
	case unreachable:
		if silent < unreachableTimes*l.patience() {
			return nil
		}
	default:
		return nil
	}
	l.end(found)
	return &SilentError{Address: l.server.Address(), Silent: silent, Why: deadText[found]}
}

// ask finds out over a connection of its own what the server does for the silent one.
func (l *listener) ask() doing {
	ctx, cancel := context.WithTimeout(l.ctx, max(l.patience(), l.server.endpoint.connectTimeout()))
	defer cancel()
	session, err := l.server.openDeaf(ctx)
	if err != nil {
		return doingOfError(ctx, err)
	}
	defer session.Close()
	records, err := session.Records(ctx, "SHOW PROCESSLIST")
	if err != nil {
		return doingOfError(ctx, err)
	}
	wanted := strconv.FormatUint(l.id, 10)
	for _, record := range records {
		if record.Text("Id") == wanted {
			return doingOf(record.Text("Command"), record.Text("State"))
		}
	}
	return gone
}

// doingOf reads a line of the process list. "Writing to net" became "Sending to client" in MySQL 5.7.8 (MySQL manual, "General
// Thread States"); a thread is in that state only while it writes.
func doingOf(command, state string) doing {
	switch {
	case command == "Sleep":
		return waiting
	case slices.Contains([]string{"Writing to net", "Sending to client"}, state):
		return stuck
	}
	return executing
}

// doingOfError tells a server that cannot be reached from one that answers with a refusal, which says nothing of the connection.
func doingOfError(ctx context.Context, err error) doing {
	var connect *ConnectError
	answered := errors.As(err, &connect) && slices.Contains([]ConnectFailure{ConnectDenied, ConnectTooMany, ConnectAccount, ConnectCanceled}, connect.Failure)
	if _, isServers := ErrorNumber(err); answered || isServers || errors.Is(ctx.Err(), context.Canceled) {
		return unknown
	}
	return unreachable
}

// end kills the connection on the server, which may else keep its snapshot and its locks for hours. Where that fails there is
// nothing more to do.
func (l *listener) end(found doing) {
	if found != waiting && found != stuck {
		return
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.server.endpoint.connectTimeout())
	defer cancel()
	session, err := l.server.openDeaf(ctx)
	if err != nil {
		return
	}
	defer session.Close()
	_ = session.Exec(ctx, "KILL CONNECTION "+strconv.FormatUint(l.id, 10))
}

// openDeaf opens a session whose own silence is bounded by ctx alone.
func (s *Server) openDeaf(ctx context.Context) (*Session, error) {
	conn, err := s.connect(ctx, s.plain)
	if err != nil {
		return nil, err
	}
	return &Session{server: s, conn: conn}, nil
}

// listeningConn is a connection that does not wait for ever. Until a session listens, the context of the login bounds it.
type listeningConn struct {
	net.Conn
	listener *listener
	ctx      context.Context // ends when the connection is closed
	cancel   context.CancelFunc
	givenUp  error // why the connection was; for the goroutine that uses it
}

func newListeningConn(conn net.Conn) *listeningConn {
	c := &listeningConn{Conn: conn}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// listen begins to judge the silences of a session's connection.
func (c *listeningConn) listen(session *Session) {
	c.listener = &listener{server: session.server, id: session.id, ctx: c.ctx}
}

// Close ends a Read that asks the server, too.
func (c *listeningConn) Close() error {
	c.cancel()
	return c.Conn.Close()
}

// Read waits for the server, and gives the connection up where the listener says so.
func (c *listeningConn) Read(p []byte) (int, error) {
	if c.givenUp != nil { // the driver looks for the rest of a result
		return 0, c.givenUp
	}
	patience := c.listener.patience()
	if patience == 0 {
		return c.Conn.Read(p)
	}
	for s := (silence{since: time.Now()}); ; {
		if err := c.Conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return 0, err
		}
		n, err := c.Conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if err := c.listener.judge(&s); err != nil {
			c.givenUp = err
			return 0, err
		}
	}
}

// Write gives a server that takes nothing more as long as one that cannot be reached.
func (c *listeningConn) Write(p []byte) (written int, err error) {
	if c.givenUp != nil {
		return 0, c.givenUp
	}
	allowed := unreachableTimes * c.listener.patience()
	if allowed == 0 {
		return c.Conn.Write(p)
	}
	const piece = 64 << 10
	for part := range slices.Chunk(p, piece) {
		if err := c.Conn.SetWriteDeadline(time.Now().Add(allowed)); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(part)
		written += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = &SilentError{Address: c.listener.server.Address(), Silent: allowed, Why: "it takes nothing from us"}
			c.givenUp = err
		}
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

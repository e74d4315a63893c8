package syncpoint

import (
	"context"
	"fmt"
	"sync"
	"time"

	"trueup/replication"
	"trueup/server"
)

// places knows which positions of the source's binary log are the same place: positions with no transaction between
// them. Replica and source need not name a place alike: after a rotation a replica stands at the old file's end, at
// the new file's beginning or behind any of its head events, and MariaDB writes checkpoint events at any time. It is
// safe for concurrent use.
type places struct {
	mutex  sync.Mutex
	source *server.Session
	heads  map[string]head // by file
	doubts map[replication.Position]*doubt
}

func newPlaces(source *server.Session) *places {
	return &places{source: source, heads: map[string]head{}, doubts: map[replication.Position]*doubt{}}
}

// betweenTransactions are the events that belong to no transaction.
var betweenTransactions = map[string]bool{
	"Format_desc": true, "Gtid_list": true, "Binlog_checkpoint": true, "Start_encryption": true, "Rotate": true,
	"Stop": true, "Previous_gtids": true,
}

const (
	eventsAtOnce = 16
	// mostEvents bounds how far apart two positions are looked at; places that are the same lie a few events apart,
	// or a few dozen where log files were flushed in quick succession.
	mostEvents = 512
)

// end is the end of the source's binary log at this moment.
func (p *places) end(ctx context.Context) (replication.Position, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	ctx, cancel := shared(ctx)
	defer cancel()
	return replication.SourcePosition(ctx, p.source)
}

// sourceLimit bounds one query on the source's session.
const sourceLimit = 10 * time.Second

// shared is the context for a query on the source's session, which all replicas' steppers use: the driver closes a
// connection whose context ends in mid-query, and one replica's deadline must not take the source from the others.
func shared(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), sourceLimit)
}

// same tells whether no transaction lies between two positions. It reads the source's log from the first on; a log
// that cannot be read from there (purged, or no position of this source) is an error.
func (p *places) same(ctx context.Context, a, b replication.Position) (bool, error) {
	if a == b {
		return true, nil
	}
	if a.IsZero() || b.IsZero() {
		return false, nil
	}
	if a.Compare(b) > 0 {
		a, b = b, a
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for looked := 0; looked < mostEvents; looked += eventsAtOnce {
		next, err := p.walk(ctx, a, b)
		if err != nil {
			return false, fmt.Errorf("looking whether a transaction lies between %s and %s: %w", a, b, err)
		}
		if next == b || next.IsZero() {
			return next == b, nil
		}
		a = next
	}
	return false, nil
}

// walk goes a few events from a towards b and returns how far it came; no position when there is a transaction, or
// when b is no place between two events.
func (p *places) walk(ctx context.Context, a, b replication.Position) (replication.Position, error) {
	events, err := p.events(ctx, a, eventsAtOnce)
	if err != nil {
		return replication.Position{}, err
	}
	for _, event := range events {
		if !betweenTransactions[event.Text("Event_type")] {
			return replication.Position{}, nil
		}
		if a.Offset, err = endOf(event); err != nil {
			return replication.Position{}, err
		}
		if a == b {
			return b, nil
		}
	}
	switch {
	case len(events) == eventsAtOnce:
		return a, nil
	case a.File == b.File:
		return replication.Position{}, nil
	}
	return p.nextFile(ctx, a, b)
}

// nextFile is the beginning of the file after that of a. Rotate events name it, but a server that crashed wrote none.
func (p *places) nextFile(ctx context.Context, a, b replication.Position) (replication.Position, error) {
	ctx, cancel := shared(ctx)
	defer cancel()
	files, err := p.source.Records(ctx, "SHOW BINARY LOGS")
	if err != nil {
		return replication.Position{}, err
	}
	for i, file := range files[:max(len(files)-1, 0)] {
		if file.Text("Log_name") == a.File {
			next := replication.Position{File: files[i+1].Text("Log_name"), Offset: firstOffset}
			if next.Compare(b) > 0 {
				return replication.Position{}, nil
			}
			return next, nil
		}
	}
	return replication.Position{}, nil
}

// firstOffset is where a binary log's first event begins.
const firstOffset = 4

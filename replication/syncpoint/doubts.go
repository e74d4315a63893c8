package syncpoint

import (
	"context"
	"time"

	"trueup/replication"
	"trueup/server"
)

// doubtTime is how long a transaction may take from the log to the engine where it waits for no replica: for a group commit
// that is what it takes to get a mutex.
const doubtTime = time.Second

// doubt is a position directly behind a checkpoint event: the transaction before the event may not be visible.
type doubt struct {
	since   time.Time // when it was seen first, or when a transaction was last seen waiting
	cleared bool      // it is visible by now: in every snapshot that is opened from now on
}

// undoubted tells whether a snapshot that was opened just now has all transactions before its position. It is asked again and
// again, with a new snapshot each time. The caller holds the mutex.
func (p *places) undoubted(ctx context.Context, at replication.Position) (bool, error) {
	behind, err := p.behindCheckpoint(ctx, at)
	if err != nil || !behind {
		return err == nil, err
	}
	d := p.doubts[at]
	if d == nil {
		d = &doubt{since: time.Now()}
		p.doubts[at] = d
	}
	if d.cleared {
		return true, nil
	}
	waits, err := p.someoneWaits(ctx)
	if waits {
		d.since = time.Now() // what no longer waits is not visible at once
	}
	d.cleared = err == nil && time.Since(d.since) > doubtTime // for the next snapshot
	return false, err
}

// endIsUndoubted is undoubted for a snapshot at the log's end.
func (p *places) endIsUndoubted(ctx context.Context) (bool, error) {
	at, err := p.end(ctx)
	if err != nil {
		return false, err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	h, err := p.readHead(ctx, at.File)
	if err != nil || !h.begun || at.Offset <= h.end {
		return err == nil, err
	}
	clear, err := p.undoubted(ctx, at)
	return clear || err == nil && p.doubts[at] != nil && p.doubts[at].cleared, err
}

// behindCheckpoint tells whether the event that ends at the position is a Binlog_checkpoint. Events cannot be read backwards;
// but this one's length is known: a header, the length of a file's name, the name, and a checksum where the log has them.
//
// https://mariadb.com/kb/en/binlog_checkpoint_event/
func (p *places) behindCheckpoint(ctx context.Context, at replication.Position) (bool, error) {
	const header, lengthOfName, checksum = 19, 4, 4
	size := uint64(header + lengthOfName + len(at.File))
	for _, size := range []uint64{size + checksum, size} {
		if at.Offset < firstOffset+size {
			continue
		}
		events, err := p.events(ctx, replication.Position{File: at.File, Offset: at.Offset - size}, 1)
		if number, _ := server.ErrorNumber(err); number == noSuchEvent {
			continue
		}
		if err != nil || len(events) == 0 {
			return false, err
		}
		if end, err := endOf(events[0]); err != nil || end == at.Offset && events[0].Text("Event_type") == "Binlog_checkpoint" {
			return err == nil, err
		}
	}
	return false, nil
}

// someoneWaits is replication.SomeoneWaits on the source's shared session.
func (p *places) someoneWaits(ctx context.Context) (bool, error) {
	ctx, cancel := shared(ctx)
	defer cancel()
	return replication.SomeoneWaits(ctx, p.source)
}

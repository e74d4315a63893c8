package syncpoint

import (
	"context"
	"fmt"
	"strings"
	"time"

	"trueup/replication"
	"trueup/server"
)

// MariaDB's position of a snapshot can be wrong in four ways, each seen on 10.11:
//
// Binlog_snapshot_file and Binlog_snapshot_position pass through variables that all sessions share: while several
// sessions run SHOW STATUS, one can get the position of another. So it is read by one session at a time, until it is
// the same several times in a row.
//
// The position is also set when a new log file is begun, which is too early: transactions at the old file's end may be
// in the log and not yet visible (for as long as a semi-synchronous source waits for its replica). A snapshot
// opened meanwhile lacks them, though they lie before its position. And when they become visible, they set the offset
// they have in the old file, while the name is already that of the new one.
//
// And a Binlog_checkpoint event behind a transaction that is not visible yet makes the position behind the event that of
// snapshots, which lack the transaction.
//
// So a position is used where it is between two transactions of its own file: transactions become visible in the
// log's order, so those of older files are. In a file's head it is used if the snapshot was opened after the
// server had written there, as a Binlog_checkpoint event naming this very file, that everything in older files is
// committed. Directly behind a checkpoint event among the transactions it is used only once the transaction before the event
// must be visible (doubts.go).

// head is what is known of the events at a file's beginning that belong to no transaction.
type head struct {
	end     uint64 // where they end, or the first transaction begins
	begun   bool   // a transaction follows
	settled bool   // all transactions of older files are visible
}

// settleLimit bounds waiting for a quiet source to settle: longer than any transaction waits between log and engine,
// for an acknowledgement of a semi-synchronous replica at the most (10 seconds by default).
const settleLimit = 15 * time.Second

// noSuchEvent is ER_ERROR_WHEN_EXECUTING_COMMAND, which SHOW BINLOG EVENTS answers for an offset where no event begins.
const noSuchEvent = 1220

// sameReads is how often in a row a snapshot's position has to be the same, mostReads how often it is read at the most.
const (
	sameReads = 3
	mostReads = 100
)

// snapshotPosition reads the position of the session's snapshot.
func (p *places) snapshotPosition(ctx context.Context, session *server.Session) (replication.Position, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var last replication.Position
	same := 0
	for range mostReads {
		position, err := replication.SnapshotPosition(ctx, session)
		if err != nil {
			return replication.Position{}, err
		}
		if position != last {
			same = 0
		}
		if last, same = position, same+1; same == sameReads {
			return position, nil
		}
	}
	return replication.Position{}, fmt.Errorf("%s: the position of a snapshot was not the same %d times in %d readings: other clients run SHOW STATUS all the time, and the server mixes the answers up",
		session.Server().Address(), sameReads, mostReads)
}

// trust judges the position that a snapshot got. It returns the position to use, and whether the snapshot is sound;
// one that is not has to be opened again.
func (p *places) trust(ctx context.Context, at replication.Position) (replication.Position, bool, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	settledBefore := p.heads[at.File].settled
	h, err := p.readHead(ctx, at.File)
	switch {
	case err != nil:
		return at, false, err
	case h.begun && at.Offset > h.end:
		begins, err := p.groupBegins(ctx, at)
		if err != nil || !begins {
			return at, false, err
		}
		sound, err := p.undoubted(ctx, at)
		return at, sound, err
	case !h.begun:
		at.Offset = min(at.Offset, h.end)
	}
	return at, settledBefore, nil
}

// settle waits until a snapshot in the file's head would be sound, so that nobody has to wait for that in a pause.
func (p *places) settle(ctx context.Context, file string) (settled bool, err error) {
	for started := time.Now(); ; {
		p.mutex.Lock()
		h, err := p.readHead(ctx, file)
		if late := time.Since(started) > settleLimit; err == nil && late {
			h.settled = true
			p.heads[file] = h
			p.mutex.Unlock()
			return false, nil
		}
		p.mutex.Unlock()
		if err != nil {
			return true, err
		}
		if h.begun || h.settled {
			clear, err := p.endIsUndoubted(ctx)
			late := time.Since(started) > settleLimit
			if err != nil || clear || late { // late: the snapshot will not be sound, and says so
				return true, err
			}
		}
		if err := sleep(ctx, lagInterval); err != nil {
			return false, err
		}
	}
}

// readHead reads a file's head unless all about it is known. The caller holds the mutex.
func (p *places) readHead(ctx context.Context, file string) (head, error) {
	h := p.heads[file]
	if h.begun {
		return h, nil
	}
	events, err := p.events(ctx, replication.Position{File: file, Offset: firstOffset}, eventsAtOnce)
	if err != nil {
		return h, fmt.Errorf("reading the beginning of the source's log %s: %w", file, err)
	}
	for _, event := range events {
		if !betweenTransactions[event.Text("Event_type")] {
			h.begun = true
			break
		}
		if event.Text("Event_type") == "Binlog_checkpoint" && event.Text("Info") == file {
			h.settled = true
		}
		if h.end, err = endOf(event); err != nil {
			return h, err
		}
	}
	p.heads[file] = h
	return h, nil
}

// groupBegins tells whether a position lies between two transactions.
func (p *places) groupBegins(ctx context.Context, at replication.Position) (bool, error) {
	events, err := p.events(ctx, at, 1)
	if number, _ := server.ErrorNumber(err); number == noSuchEvent {
		return false, nil
	}
	if err != nil || len(events) == 0 {
		return err == nil, err
	}
	kind := events[0].Text("Event_type")
	return kind == "Gtid" || betweenTransactions[kind], nil
}

// events reads events from a position on.
func (p *places) events(ctx context.Context, from replication.Position, most int) ([]server.Record, error) {
	ctx, cancel := shared(ctx)
	defer cancel()
	return p.source.Records(ctx, fmt.Sprintf("SHOW BINLOG EVENTS IN '%s' FROM %d LIMIT %d",
		strings.ReplaceAll(from.File, "'", "''"), from.Offset, most))
}

func endOf(event server.Record) (offset uint64, err error) {
	if _, err := fmt.Sscan(event.Text("End_log_pos"), &offset); err != nil {
		return 0, fmt.Errorf("the end of a %s event: %w", event.Text("Event_type"), err)
	}
	return offset, nil
}

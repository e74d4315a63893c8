package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"trueup/check"
	"trueup/chunker"
	"trueup/repair/rowsql"
	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/schema"
	"trueup/server"
)

// applier repairs one replica, one hold of its applier after the other.
type applier struct {
	*run
	work    *work
	queue   []*pass
	numbers int // groups that were committed
	naming  *Numbers
}

// pass is one way through a table's ranges.
type pass struct {
	*cursor
	deletes bool // only rows that are to go: children before their parents
	last    bool // what is refused for a foreign key is refused for good
	tries   int  // of the present chunk, without success
	slow    int  // holds that were too short for the smallest group, one after the other
}

// growShare is the part of a hold in which a group has to be done for the next ones to become larger again: one of twice the rows fits
// into it, too. With less a repair that a busy moment has cut down to single rows could stay at them, since each group takes its
// transaction and its entry in the journal.
const growShare = 4

// mostTries is how often a group is planned anew, after somebody else has changed its rows, or a hold is tried.
const mostTries = 3

// applyToReplica repairs one replica.
func (r *run) applyToReplica(ctx context.Context, w *work) error {
	a := &applier{run: r, work: w, naming: r.naming()}
	if err := a.recordReplica(ctx); err != nil {
		return err
	}
	a.queue = newQueue(w)
	return a.holdAll(ctx)
}

// newQueue are the passes over a replica's tables: children go before their parents, and come after them.
func newQueue(w *work) (queue []*pass) {
	for i := len(w.targets) - 1; i >= 0; i-- {
		if t := w.targets[i]; t.links.any() && t.planned.Extra > 0 && !t.compared.Scan {
			queue = append(queue, &pass{cursor: newCursor(t), deletes: true})
			t.deletedFirst = true
		}
	}
	for _, t := range w.targets {
		queue = append(queue, &pass{cursor: newCursor(t)})
	}
	return queue
}

// holdAll holds the applier until nothing is left to do, or nothing more can be done.
func (a *applier) holdAll(ctx context.Context) error {
	for failures, last := 0, -1; ; {
		if len(a.queue) == 0 {
			if last = a.requeue(last); len(a.queue) == 0 {
				return nil
			}
		}
		before, paused := a.numbers, a.work.result.Paused
		err := a.hold(ctx)
		switch stopped := leftStopped(err); {
		case stopped != nil: // that is for a person to know, whatever else happened
			return stopped
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil || a.numbers > before:
			failures = 0
		default:
			failures++
		}
		if err != nil && (failures >= mostTries || !mayPass(err)) {
			a.work.result.Refused = append(a.work.result.Refused, Refusal{Code: RefusedUnverified, Reason: "it could not be held at a position: " + err.Error(), Rows: a.left()})
			return nil
		}
		if len(a.queue) > 0 {
			if err := a.prepared.LetCatchUp(ctx, a.work.replica, a.work.result.Paused-paused); err != nil {
				return err
			}
		}
	}
}

// requeue goes once more through tables with rows that could not be changed for a foreign key: what they refer to may be there by now, or
// what refers to them be gone. Once that does not help any more (last is how many groups there were when it was done before), it is done
// for the last time.
func (a *applier) requeue(last int) int {
	for _, t := range a.work.targets {
		if t.pending {
			a.queue = append(a.queue, &pass{cursor: newCursor(t), last: last == a.numbers})
		}
		t.pending = false
	}
	return a.numbers
}

// leftStopped is the error of an applier that could not be started again; nil: there is none.
func leftStopped(err error) error {
	var unverifiable *syncpoint.Unverifiable
	if errors.As(err, &unverifiable) && unverifiable.Code == syncpoint.NotRestarted {
		return unverifiable
	}
	return nil
}

// left is how many planned rows were not reached.
func (a *applier) left() (rows int64) {
	for _, p := range a.queue {
		if !p.deletes {
			rows += p.target.planned.Total() - p.target.result.Done.Total()
		}
	}
	return max(0, rows)
}

// mayPass tells whether another hold may do better.
func mayPass(err error) bool {
	var unverifiable *syncpoint.Unverifiable
	if errors.As(err, &unverifiable) {
		return unverifiable.MayPass()
	}
	var journal *journalError
	return !errors.As(err, &journal) && (server.IsTransient(err) || server.IsConnectionLost(err) || errors.Is(err, syncpoint.ErrSourceSlow) || syncpoint.IsNotGranted(err) || errors.Is(err, context.DeadlineExceeded))
}

// tables are those that are still to be gone through.
func (a *applier) tables() (names []schema.Name) {
	seen := map[schema.Name]bool{}
	for _, p := range a.queue {
		if !seen[p.target.name] {
			seen[p.target.name] = true
			names = append(names, p.target.name)
		}
	}
	return names
}

// hold holds the replica's applier once, and repairs as many groups as there is time for.
func (a *applier) hold(ctx context.Context) error {
	return a.prepared.Hold(ctx, a.work.replica, a.tables(), a.request.MaxPause, func(ctx context.Context, held *check.Held) error {
		began := time.Now()
		a.notePlace(held)
		defer func() {
			a.work.result.Pauses++
			a.work.result.Paused += time.Since(began)
		}()
		on, _ := a.prepared.Replica(a.work.replica)
		writer, err := openWriter(ctx, on, server.SessionOptions{Writer: true, WaitTimeout: a.request.MaxPause + writerTimeout, LockWaitTimeout: min(lockWait, a.request.MaxPause/2)})
		if err != nil {
			return err
		}
		defer writer.Close()
		h := &holding{applier: a, held: held, writer: writer, until: began.Add(a.request.MaxPause), by: map[*target]*pass{}}
		if h.packet, err = mostPacket(ctx, writer); err != nil {
			return err
		}
		return h.repair(ctx)
	})
}

// openWriter opens a session that changes rows.
func openWriter(ctx context.Context, on *server.Server, options server.SessionOptions) (*server.Session, error) {
	options.LockWaitTimeout = cmp.Or(options.LockWaitTimeout, lockWait)
	writer, err := on.Session(ctx, options)
	if err != nil {
		return nil, err
	}
	rowLocks := fmt.Sprintf("SET SESSION innodb_lock_wait_timeout = %d", max(1, int(options.LockWaitTimeout.Seconds())))
	if err := errors.Join(writer.Exec(ctx, rowsql.Strict), writer.Exec(ctx, rowLocks)); err != nil {
		return nil, errors.Join(err, writer.Close())
	}
	return writer, nil
}

const (
	// lockWait bounds waiting for somebody's lock on a row, or on a table's definition; within a hold it is less.
	lockWait = 2 * time.Second
	// writerTimeout is for how long after a hold the replica keeps a transaction of a process that is gone without its connection's end
	// being noticed.
	writerTimeout = 30 * time.Second
)

// notePlace notes where the replica stands.
func (a *applier) notePlace(held *check.Held) {
	result := a.work.result
	at := replication.Position{File: held.Epoch.File, Offset: held.Epoch.Position}
	if result.Pauses == 0 {
		result.Before, result.BeforeGTID = at, held.Epoch.GTID
	}
	result.After, result.AfterGTID = at, held.Epoch.GTID
}

// holding is one hold of a replica's applier.
type holding struct {
	*applier
	held   *check.Held
	writer *server.Session
	until  time.Time
	views  *views
	packet int64             // bytes of a statement that the replica takes
	most   time.Duration     // that a group has taken
	by     map[*target]*pass // that has changed a table in this hold: its snapshots do not show it
}

// errAgain ends a hold: what is left is planned anew in the next one's snapshots.
var errAgain = errors.New("in another hold")

// repair goes on with the queue while there is time for another group.
func (h *holding) repair(ctx context.Context) error {
	defer h.closeViews()
	for len(h.queue) > 0 {
		p := h.queue[0]
		if p.isDone() {
			h.queue = h.queue[1:]
			h.closeViews()
			continue
		}
		if other := h.by[p.target]; h.most > 0 && time.Now().Add(2*h.most).After(h.until) || other != nil && other != p {
			return nil
		}
		began := time.Now()
		if err := h.step(ctx, p); errors.Is(err, errAgain) {
			return nil
		} else if err != nil {
			return err
		}
		took := time.Since(began)
		h.most, p.slow = max(h.most, took), 0
		if took < h.request.MaxPause/growShare {
			p.rows = min(groupRows, 2*p.rows)
		}
	}
	return nil
}

func (h *holding) closeViews() {
	if h.views != nil {
		h.views.close()
		h.views = nil
	}
}

// step repairs the next group of a pass, or refuses it.
func (h *holding) step(ctx context.Context, p *pass) error {
	if h.views == nil || h.views.target != p.target {
		h.closeViews()
		h.views = newViews(p.target, h.held)
	}
	g, chunk, err := h.views.next(ctx, p.cursor)
	if err == nil && g != nil {
		if p.deletes {
			g.keepDeletes()
		}
		h.by[p.target] = p
		err = h.applyGroup(ctx, p, g)
	}
	return h.concludeStep(ctx, p, g, chunk, err)
}

// concludeStep leaves a chunk behind that was repaired or refused; another error is one of the hold.
func (h *holding) concludeStep(ctx context.Context, p *pass, g *group, chunk chunker.Chunk, err error) error {
	var refused *refusedError
	switch {
	case err == nil:
	case errors.As(err, &refused):
		h.refuseGroup(p, g, refused.Refusal)
	case errors.Is(err, errMoved), server.IsLockTimeout(err), server.IsDeadlock(err):
		if p.tries++; p.tries < mostTries {
			if errors.Is(err, errMoved) { // the fewer rows, the fewer of them are refused with the one that keeps changing
				p.rows = max(1, p.rows/4)
			}
			return errAgain
		}
		h.refuseGroup(p, g, Refusal{Code: RefusedMoved, Reason: "somebody else changes or locks its rows on the replica: " + err.Error()})
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return h.tooSlow(p)
	default:
		return fmt.Errorf("%s.%s: %w", p.target.name.Database, p.target.name.Table, err)
	}
	p.tries = 0
	p.pass(chunk)
	return nil
}

// tooSlow makes the groups smaller after one did not fit into a hold; the smallest is refused.
func (h *holding) tooSlow(p *pass) error {
	if h.most > 0 {
		return nil // there were others before it; it has the next hold for itself
	}
	if p.rows > 1 && !p.whole {
		p.rows = max(1, p.rows/4)
		return errAgain
	}
	const mostSlow = 10
	if p.slow++; p.slow < mostSlow { // a busy moment is no reason to refuse the rest
		return errAgain
	}
	h.refuseGroup(p, nil, Refusal{Code: RefusedPause, Reason: fmt.Sprintf("the smallest group of its rows took longer than %v, for which the applier may stand (--max-pause)", h.request.MaxPause), Rows: p.target.planned.Total() - p.target.result.Done.Total()})
	p.left, p.whole = nil, false
	return nil
}

// refuseGroup notes that a group's rows stay as they are.
func (h *holding) refuseGroup(p *pass, g *group, refused Refusal) {
	if g != nil && refused.Rows == 0 {
		refused.Rows = countsOf(g.changes).Total()
	}
	h.refuseRows(p, refused)
}

// refuseRows notes that rows stay as they are, unless another pass comes to them.
func (h *holding) refuseRows(p *pass, refused Refusal) {
	switch {
	case p.deletes:
		return
	case refused.Code == RefusedForeignKey && !p.last:
		p.target.pending = true
		return
	}
	p.target.addRefusal(refused)
	h.send(GroupRefused{At: h.now(), Replica: h.work.result.Address, Database: p.target.name.Database, Table: p.target.name.Table, Refusal: refused})
}

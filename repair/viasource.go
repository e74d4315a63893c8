package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trueup/check"
	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair/rowsql"
	"trueup/schema"
	"trueup/server"
)

// Via the source: statements that change nothing there are written to its binary log as they are, and change the rows on the replica. The
// source's rows are locked and proven to be what they were when the plan was read, so that what is replicated is what every server has to
// have at that place of the log; on the replica a row changes only where it is, byte for byte, the one that was read.

// viaSource repairs one replica so.
type viaSource struct {
	*applier
	writer *server.Session // on the source
	done   done            // in the present round
}

// applyViaSource repairs one replica by way of the source's binary log.
func (r *run) applyViaSource(ctx context.Context, w *work) error {
	if refused, err := r.refuseViaSource(ctx, w); err != nil || refused {
		return err
	}
	a := &applier{run: r, work: w, naming: r.naming()}
	if err := a.recordReplica(ctx); err != nil {
		return err
	}
	writer, err := openWriter(ctx, r.prepared.Source(), server.SessionOptions{Writer: true, Logged: true})
	if err != nil {
		return err
	}
	defer writer.Close()
	v := &viaSource{applier: a, writer: writer}
	for round := 0; round < mostTries; round++ {
		changed, err := v.round(ctx)
		if err != nil || changed == 0 {
			return err
		}
		at, err := v.prepared.SourcePosition(ctx)
		if err != nil {
			return err
		}
		if err := r.prepared.Await(ctx, w.replica, at); err != nil {
			return fmt.Errorf("waiting for the replica to execute the repair: %w", err)
		}
	}
	return nil // what still differs, the check at the end names
}

// round reads what differs at a new position and writes statements for it; it returns how many rows they are about.
func (v *viaSource) round(ctx context.Context) (rows int64, err error) {
	queue := newQueue(v.work)
	v.done = done{}
	var names []schema.Name
	for _, p := range queue {
		if len(p.target.result.Refused) > 0 {
			p.left, p.whole = nil, false
			continue
		}
		if !slices.Contains(names, p.target.name) { // a table may have several passes
			names = append(names, p.target.name)
		}
	}
	err = v.prepared.Read(ctx, v.work.replica, names, func(ctx context.Context, held *check.Held) error {
		v.notePlace(held)
		for _, p := range queue {
			views := newViews(p.target, held)
			done, err := v.writePass(ctx, views, held, p)
			views.close()
			rows += done
			if err != nil {
				return err
			}
		}
		return nil
	})
	return rows, err
}

func (v *viaSource) writePass(ctx context.Context, views *views, held *check.Held, p *pass) (rows int64, err error) {
	for !p.isDone() {
		g, chunk, err := views.next(ctx, p.cursor)
		if err == nil && g != nil {
			if p.deletes {
				g.keepDeletes()
			}
			err = v.writeGroup(ctx, views, held, p, g)
		}
		var refused *refusedError
		var row *rowError
		switch {
		case err == nil && g != nil:
			rows += countsOf(g.changes).Total()
		case err == nil, errors.Is(err, errMoved): // another round looks at it again
		case errors.As(err, &refused):
			p.target.addRefusal(refused.Refusal)
		case errors.As(err, &row):
			row.Refusal.Rows = countsOf(g.changes).Total()
			p.target.addRefusal(row.Refusal)
		default:
			return rows, err
		}
		p.pass(chunk)
	}
	return rows, nil
}

// writeGroup writes what can be written of a group.
func (v *viaSource) writeGroup(ctx context.Context, views *views, held *check.Held, p *pass, g *group) error {
	g.dropUnwritable(p.target.addRefusal)
	if err := views.dropOrphans(ctx, v.work, g, p.target.addRefusal); err != nil {
		return err
	}
	if err := v.done.drop(g, p.deletes); err != nil || len(g.changes) == 0 {
		return err
	}
	if room := v.request.MaxRows - v.changed; countsOf(g.changes).Total() > room {
		return &refusedError{Refusal{Code: RefusedMaxRows, Reason: fmt.Sprintf("more rows differ by now than the %d that may be changed (--max-rows)", v.request.MaxRows), Rows: countsOf(g.changes).Total()}}
	}
	return v.transaction(ctx, views, held, g)
}

// takenBy is the condition that another row of the table has a unique value of the row that is to be; "" for none.
func (t *target) takenBy(c rowsql.Change) (string, error) {
	var conditions []string
	for _, key := range t.keys {
		columns, prefixes := t.columnsOf(key)
		condition, err := t.hasValues(columns, prefixes, []rowsql.Change{c})
		if err != nil {
			return "", err
		}
		if condition != "" {
			conditions = append(conditions, condition)
		}
	}
	return strings.Join(conditions, " OR "), nil
}

// transaction writes the statements of one group on the source.
func (v *viaSource) transaction(ctx context.Context, views *views, held *check.Held, g *group) error {
	t := g.target
	along, err := views.conflicts(ctx, views.current, chunker.Range{Lower: g.chunk.Lower}, g.changes)
	if err != nil {
		return err
	}
	if along, err = v.done.take(t, along); err != nil {
		return err
	}
	all := slices.Concat(along, g.changes)
	statements, err := ordered(all, func(c rowsql.Change) ([]rowsql.Statement, error) {
		taken, err := t.takenBy(c)
		if err != nil {
			return nil, err
		}
		return t.sql.Replicated(c, t.moves(c), taken)
	})
	if err != nil {
		return asUnwritable(err)
	}
	// Filters by database go by the default database where statements are replicated.
	if err := v.writer.Exec(ctx, "USE "+schema.QuoteIdentifier(t.name.Database)); err != nil {
		return err
	}
	if err := v.writer.Exec(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	h := &holding{applier: v.applier, held: held, writer: v.writer, views: views}
	entry, err := v.lockAndWrite(ctx, h, g, all, statements)
	if err != nil {
		return errors.Join(err, h.rollBack(entry))
	}
	committed, err := h.commit(ctx, entry)
	if committed {
		entry.along = int64(len(along))
		h.count(g, g.changes, entry)
	}
	return err
}

func (v *viaSource) lockAndWrite(ctx context.Context, h *holding, g *group, all []rowsql.Change, statements []rowsql.Statement) (*groupEntry, error) {
	t := g.target
	locked := checksum.NewLockingReader(t.compared, v.writer)
	defer locked.Close()
	now, err := locked.Digest(ctx, g.chunk)
	if err != nil {
		return nil, err
	}
	if same, err := now.Equal(g.source); err != nil || !same {
		return nil, errors.Join(err, errMoved)
	}
	if err := h.held.SameTable(ctx, t.name); err != nil {
		return nil, err
	}
	entry, err := h.record(ctx, t, all)
	if err != nil {
		return nil, err
	}
	for _, s := range statements {
		if err := changeRows(ctx, v.writer, s.SQL, 0, s.Lax); err != nil {
			return entry, err
		}
	}
	return entry, nil
}

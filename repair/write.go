package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair/rowsql"
	"trueup/server"
)

// errMoved says that a group's rows are not any more what they were when it was planned.
var errMoved = errors.New("the rows are not any more what they were a moment ago")

// applyGroup changes a group's rows in one transaction, or those of them that can be changed; the others are refused.
func (h *holding) applyGroup(ctx context.Context, p *pass, g *group) error {
	all := len(g.changes)
	if !g.areLiterals() { // else what stands against one of them all the same is met when the group is recorded or written
		g.dropUnwritable(func(refused Refusal) { h.refuseRows(p, refused) })
	}
	switch {
	case len(g.changes) == 0:
		return nil
	case len(g.changes) < all && g.target.compared.Scan:
		return &refusedError{Refusal{Code: RefusedValue, Reason: "no key splits the table, so that all of it or nothing is repaired, and other rows of it cannot be written"}}
	}
	if room := h.request.MaxRows - h.changed; countsOf(g.changes).Total() > room {
		return &refusedError{Refusal{Code: RefusedMaxRows, Reason: fmt.Sprintf("more rows differ by now than the %d that may be changed (--max-rows)", h.request.MaxRows)}}
	}
	for {
		err := h.transaction(ctx, g, g.changes)
		var links *linkError
		if !errors.As(err, &links) {
			if isOfRow(err) {
				return h.applySifted(ctx, p, g, err)
			}
			return err
		}
		if g.target.compared.Scan { // no part of it could be proven
			return &refusedError{links.Refusal}
		}
		left := g.without(links.bad)
		if len(left) == len(g.changes) { // a row that changes along
			return h.applySifted(ctx, p, g, err)
		}
		refused := links.Refusal
		refused.Rows = int64(len(g.changes) - len(left))
		h.refuseRows(p, refused)
		if g.changes = left; len(left) == 0 {
			return nil
		}
	}
}

// without are the group's changes but for some.
func (g *group) without(bad []rowsql.Change) []rowsql.Change {
	return slices.DeleteFunc(slices.Clone(g.changes), func(c rowsql.Change) bool {
		return slices.ContainsFunc(bad, func(b rowsql.Change) bool { return sameRow(b.Before, c.Before) && sameRow(b.After, c.After) })
	})
}

// sameRow tells whether two rows are one in memory.
func sameRow(a, b checksum.Row) bool {
	return a == nil && b == nil || len(a) > 0 && len(b) > 0 && &a[0] == &b[0]
}

// applySifted changes the rows of a group that can be changed.
func (h *holding) applySifted(ctx context.Context, p *pass, g *group, failed error) error {
	good, refusals, err := h.sift(ctx, g, failed)
	if err != nil {
		return err
	}
	for _, refused := range refusals {
		h.refuseRows(p, refused)
	}
	if len(good) == 0 {
		return nil
	}
	return h.transaction(ctx, g, good)
}

// areLiterals tells whether all rows of a group can be written, and written back, as far as their values go: the usual case, found out
// without making a statement of each row.
func (g *group) areLiterals() bool {
	t := g.target
	if !t.hasKey() {
		return false
	}
	before, after := sidesOf(g.changes)
	back := t.sql.Reversed()
	var scratch []byte
	var err error
	for batch := range batches(after) {
		if scratch, _, err = t.sql.InsertRows(scratch[:0], batch, t.sql.Incoming); err != nil {
			return false
		}
	}
	for batch := range batches(before) {
		if scratch, _, err = back.InsertRows(scratch[:0], batch, back.Incoming); err != nil {
			return false
		}
	}
	return true
}

// dropUnwritable refuses rows with values that no statement writes, or writes back, exactly.
func (g *group) dropUnwritable(onRefused func(Refusal)) {
	g.changes = slices.DeleteFunc(g.changes, func(c rowsql.Change) bool {
		_, err := g.target.statements(c)
		if err == nil {
			_, err = g.target.undoStatements(c)
		}
		if err != nil {
			onRefused(Refusal{Code: RefusedValue, Reason: err.Error(), Rows: c.Count})
		}
		return err != nil
	})
}

// transaction changes some of a group's rows, and commits once it is proven that they, and nothing else of the group, are right.
func (h *holding) transaction(ctx context.Context, g *group, changes []rowsql.Change) error {
	if err := h.writer.Exec(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	entry, err := h.changeAndProve(ctx, g, changes, false)
	if err != nil {
		return errors.Join(err, h.rollBack(entry))
	}
	committed, err := h.commit(ctx, entry)
	if committed {
		h.count(g, changes, entry)
	}
	return err
}

// changeAndProve does everything up to the commit. A trial, which is never committed, writes nothing into the journal.
func (h *holding) changeAndProve(ctx context.Context, g *group, changes []rowsql.Change, trial bool) (entry *groupEntry, err error) {
	t := g.target
	whole := checksum.NewLockingReader(t.sql.Stored, h.writer)
	defer whole.Close()
	now, err := whole.Digest(ctx, g.chunk)
	if err != nil {
		return nil, err
	}
	if same, err := now.Equal(g.stored); err != nil || !same {
		return nil, errors.Join(err, errMoved)
	}
	along, err := h.views.conflicts(ctx, whole, chunker.Range{}, changes)
	if err != nil {
		return nil, err
	}
	if entry, err = h.announce(ctx, whole, t, along, changes, trial); err != nil {
		return nil, err
	}
	if err := h.write(ctx, t, slices.Concat(along, changes)); err != nil {
		return entry, err
	}
	if err := h.proveLinks(ctx, t, slices.Concat(along, changes)); err != nil {
		return entry, err
	}
	if err := h.proveRows(ctx, g, changes, along); err != nil {
		return entry, err
	}
	if err := h.held.SameTable(ctx, t.name); err != nil {
		return entry, err
	}
	return entry, h.held.Stands(ctx)
}

// announce writes what takes the changes back into the journal. For a trial it only makes sure that it could be written.
func (h *holding) announce(ctx context.Context, whole *checksum.Reader, t *target, along, changes []rowsql.Change, trial bool) (*groupEntry, error) {
	if trial {
		if _, err := t.undoOf(slices.Concat(along, changes)); err != nil {
			return nil, asUnwritable(err)
		}
		return nil, nil
	}
	if !t.hasKey() {
		if err := countEqual(ctx, whole, changes); err != nil {
			return nil, err
		}
	}
	entry, err := h.record(ctx, t, slices.Concat(along, changes))
	if err != nil {
		return nil, err
	}
	entry.along = int64(len(along))
	return entry, nil
}

// proveRows digests the chunk as it is now, in the transaction: it must be what the source has. Where only some of its rows were
// changed, what differs must be the others.
func (h *holding) proveRows(ctx context.Context, g *group, changes, along []rowsql.Change) error {
	t := g.target
	after := checksum.NewLockingReader(t.compared.In(t.there.Database), h.writer)
	defer after.Close()
	for _, c := range along {
		if err := h.proveAlong(ctx, t, after, c); err != nil {
			return err
		}
	}
	if int64(len(changes)) == int64(g.delta.Rows()) || t.compared.Scan {
		now, err := after.Digest(ctx, g.chunk)
		if err != nil {
			return err
		}
		if equal, err := now.Equal(g.source); err != nil || !equal {
			return errors.Join(err, errNotEqual)
		}
		return nil
	}
	left, err := checksum.Compare(ctx, h.views.source, after, g.chunk)
	if err != nil {
		return err
	}
	expected := g.delta.Sums()
	for _, c := range slices.Concat(along, changes) {
		row := c.After
		if row == nil {
			row = c.Before
		}
		key, err := t.sql.Stored.KeyOf(row)
		if err != nil {
			return err
		}
		delete(expected, key)
	}
	for key := range left.Sums() {
		if _, known := expected[key]; !known {
			return errNotEqual
		}
		delete(expected, key)
	}
	if len(expected) > 0 {
		return errNotEqual
	}
	return nil
}

// errNotEqual says that rows were changed and are not what the source has.
var errNotEqual = &rowError{Refusal{Code: RefusedNotVerified, Reason: "written to the replica, the row was not what the source has (a type that cannot hold it, or a generated value); it was taken back"}}

// proveAlong makes sure that a row of another range that changed along is what the source has.
func (h *holding) proveAlong(ctx context.Context, t *target, after *checksum.Reader, c rowsql.Change) error {
	key := c.After
	if key == nil {
		key = c.Before
	}
	want, err := h.views.source.Find(ctx, key)
	if err != nil {
		return err
	}
	now, err := after.Find(ctx, key)
	if err != nil {
		return err
	}
	if (want == nil) != (now == nil) {
		return errNotEqual
	}
	for i := range want {
		if same, err := t.compared.SameValue(i, want[i], now[i]); err != nil || !same {
			return errors.Join(err, errNotEqual)
		}
	}
	return nil
}

// commitTimeout bounds a commit, which is not broken off by the end of the hold: nobody would know what became of it.
const commitTimeout = 10 * time.Second

// commit commits, and says so in the journal. Whatever goes wrong with that, a group that was committed is known to be.
func (h *holding) commit(ctx context.Context, entry *groupEntry) (committed bool, err error) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if err := h.writer.Exec(limited, "COMMIT"); err != nil {
		if _, answered := server.ErrorNumber(err); answered && !server.IsConnectionLost(err) {
			return false, errors.Join(err, h.rollBack(entry))
		}
		h.work.result.Undo++ // perhaps: its entry stays open, and undoing passes over what was not committed
		return false, fmt.Errorf("whether the group was committed is not known: %w", err)
	}
	return true, h.recordEnd(entry, endCommitted)
}

// rollBack takes a transaction back, and says so in the journal.
func (h *holding) rollBack(entry *groupEntry) error {
	limited, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	err := h.writer.Exec(limited, "ROLLBACK")
	if err != nil { // the connection's end takes it back
		_ = h.writer.Close()
	}
	return h.recordEnd(entry, endRolledBack)
}

// count takes a committed group into the result.
func (h *holding) count(g *group, changes []rowsql.Change, entry *groupEntry) {
	counts := countsOf(changes)
	result := g.target.result
	result.Done.Missing += counts.Missing
	result.Done.Extra += counts.Extra
	result.Done.Changed += counts.Changed
	result.Groups++
	result.Conflicts += entry.along
	h.work.result.Statements += entry.statements
	h.work.result.Undo++
	h.changed += counts.Total() + entry.along
	h.numbers++
	h.send(GroupDone{At: h.now(), Replica: h.work.result.Address, Database: g.target.name.Database, Table: g.target.name.Table, Rows: counts, Statements: entry.statements})
}

package repair

import (
	"context"
	"errors"
	"io"
	"slices"

	"trueup/check"
	"trueup/chunker"
	"trueup/repair/rowsql"
	"trueup/replication"
	"trueup/schema"
)

// planner writes one replica's plan, read in the snapshots of one position.
type planner struct {
	*run
	work   *work
	held   *check.Held
	script *rowsql.Script
	done   done
}

// writePlan plans one replica and writes its script.
func (r *run) writePlan(ctx context.Context, w *work) error {
	queue := newQueue(w)
	var names []schema.Name
	for _, t := range w.targets {
		names = append(names, t.name)
	}
	_, found := r.prepared.Replica(w.replica)
	out := io.Discard
	if r.request.Script != nil {
		out = r.request.Script(found)
	}
	return r.prepared.Read(ctx, w.replica, names, func(ctx context.Context, held *check.Held) error {
		p := &planner{run: r, work: w, held: held, script: rowsql.NewScript(out, r.header(w, held)), done: done{}}
		at := replication.Position{File: held.Epoch.File, Offset: held.Epoch.Position}
		w.result.Before, w.result.After = at, at
		w.result.BeforeGTID, w.result.AfterGTID = held.Epoch.GTID, held.Epoch.GTID
		for _, pass := range queue {
			if err := p.walk(ctx, pass); err != nil {
				return err
			}
		}
		return p.script.Close()
	})
}

// header is what a plan's script says of itself.
func (r *run) header(w *work, held *check.Held) rowsql.Header {
	on, found := r.prepared.Replica(w.replica)
	source, _ := r.prepared.Info()
	return rowsql.Header{Kind: rowsql.Plan, Run: r.request.Check.RunID, Version: r.request.Version, At: r.request.Check.Now(), Source: source.Address, Replica: found.Address,
		On: on.Identity(), Channel: found.Channel, Position: held.Executed, GTID: held.ExecutedGTID, Appliers: held.OtherAppliers}
}

// walk writes the groups of one pass.
func (p *planner) walk(ctx context.Context, pass *pass) error {
	v := newViews(pass.target, p.held)
	defer v.close()
	for !pass.isDone() {
		g, chunk, err := v.next(ctx, pass.cursor)
		if err == nil && g != nil {
			err = p.writeGroup(ctx, v, g, pass.deletes)
		}
		var refused *refusedError
		var row *rowError
		switch {
		case err == nil:
		case errors.As(err, &refused):
			p.refuse(pass, g, refused.Refusal)
		case errors.As(err, &row):
			p.refuse(pass, g, row.Refusal)
		default:
			return err
		}
		pass.pass(chunk)
	}
	return p.held.SameTable(ctx, pass.target.name)
}

func (p *planner) refuse(pass *pass, g *group, refused Refusal) {
	if g != nil && refused.Rows == 0 {
		refused.Rows = countsOf(g.changes).Total()
	}
	if g == nil {
		refused.Rows = pass.target.planned.Total()
	}
	if !pass.deletes || g == nil {
		pass.target.addRefusal(refused)
	}
}

// writeGroup writes one transaction.
func (p *planner) writeGroup(ctx context.Context, v *views, g *group, deletes bool) error {
	t := g.target
	if deletes {
		g.keepDeletes()
	}
	onRefused := t.addRefusal
	if deletes {
		onRefused = func(Refusal) {} // the second pass comes to them again
	}
	g.dropUnwritable(onRefused)
	if err := v.dropOrphans(ctx, p.work, g, onRefused); err != nil {
		return err
	}
	if err := p.done.drop(g, deletes); err != nil || len(g.changes) == 0 {
		return err
	}
	if !t.hasKey() {
		if err := countEqual(ctx, v.current, g.changes); err != nil {
			return err
		}
	}
	along, err := v.conflicts(ctx, v.current, chunker.Range{Lower: g.chunk.Lower}, g.changes)
	if err != nil {
		return err
	}
	if along, err = p.done.take(t, along); err != nil {
		return err
	}
	all := slices.Concat(along, g.changes)
	statements, err := ordered(all, t.statements)
	if err != nil {
		return asUnwritable(err)
	}
	if err := p.script.Group(t.there.Database+"."+t.there.Table, statements); err != nil {
		return err
	}
	counts := countsOf(g.changes)
	t.result.Done.Missing += counts.Missing
	t.result.Done.Extra += counts.Extra
	t.result.Done.Changed += counts.Changed
	t.result.Groups++
	t.result.Conflicts += int64(len(along))
	p.work.result.Statements += int64(len(statements))
	p.send(GroupDone{At: p.now(), Replica: p.work.result.Address, Database: t.name.Database, Table: t.name.Table, Rows: counts, Statements: int64(len(statements))})
	return nil
}

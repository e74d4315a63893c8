package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair"
	"trueup/repair/rowsql"
	"trueup/schema"
	"trueup/server"
)

// fixPlan is what has to change on a replica so that a transaction applies: rows are put back as they were before it on the source, rows
// that stand in its way are removed, or given the values they have on the source.
type fixPlan struct {
	rewritings []*rewriting
	// obstacles say why the transaction cannot be made to apply; none: it can.
	obstacles []string
	// beside are rows that the transaction does not touch itself, but the fix does: they have to be proven too.
	beside []besideRow
}

// rewriting is one table's part.
type rewriting struct {
	table   *table
	changes []rowsql.Change
	reasons []reason // one for each change
	seen    map[string]int
}

// reason is why a row changes.
type reason struct {
	problem string // what is wrong with it: the sentence that explains the error
	remedy  string // what is done about it
	passes  bool   // the applier finds the row all the same: the transaction does not fail for it
}

type besideRow struct {
	table *table
	key   checksum.Row
}

// rows is how many rows change.
func (p *fixPlan) rows() (n int) {
	for _, w := range p.rewritings {
		n += len(w.changes)
	}
	return n
}

// stands tells whether a row stands against the transaction: it fails as long as that is so.
func (p *fixPlan) stands() bool {
	return slices.ContainsFunc(p.rewritings, func(w *rewriting) bool {
		return slices.ContainsFunc(w.reasons, func(why reason) bool { return !why.passes })
	})
}

// of is the rewriting of a table.
func (p *fixPlan) of(t *table) *rewriting {
	for _, w := range p.rewritings {
		if w.table == t {
			return w
		}
	}
	w := &rewriting{table: t, seen: map[string]int{}}
	p.rewritings = append(p.rewritings, w)
	return w
}

// add notes one change, once a row.
func (p *fixPlan) add(t *table, before, after checksum.Row, count int64, why reason) error {
	w := p.of(t)
	if t.keyed {
		row := before
		if row == nil {
			row = after
		}
		key, err := t.layout.KeyOf(row)
		if err != nil {
			return err
		}
		if _, known := w.seen[key]; known {
			return nil
		}
		w.seen[key] = len(w.changes)
	}
	w.changes = append(w.changes, rowsql.Change{Before: before, After: after, Count: count, There: -1})
	w.reasons = append(w.reasons, why)
	return nil
}

func (p *fixPlan) obstruct(format string, args ...any) {
	if said := fmt.Sprintf(format, args...); !slices.Contains(p.obstacles, said) {
		p.obstacles = append(p.obstacles, said)
	}
}

// planner works out a fix from what both sides have now.
type planner struct {
	touched *touched
	plan    *fixPlan
	replica *sideReader
	source  *sideReader // nil: the source was not reached
	// links are the replica's foreign keys; aboutLinks tells whether the error is one of them.
	links      []repair.ForeignKey
	aboutLinks bool
	// load loads the definition of one more table, by its name on the replica; nil: it cannot be shown, or written.
	load func(ctx context.Context, there schema.Name) (*table, error)
	// later finds a row as it was before the first change of it that comes later in the source's log; nil: there is none.
	later func(ctx context.Context, t *table, isIt func(checksum.Row) bool) (checksum.Row, error)
}

// sideReader reads single rows of one server in one snapshot.
type sideReader struct {
	session *server.Session
	readers map[*table]*checksum.Reader
	there   bool // on the replica, with its names
}

func newSideReader(ctx context.Context, on *server.Server, onReplica bool) (*sideReader, error) {
	session, err := on.Session(ctx, server.SessionOptions{Reader: true})
	if err != nil {
		return nil, err
	}
	if err := session.Exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
		return nil, errors.Join(err, session.Close())
	}
	return &sideReader{session: session, readers: map[*table]*checksum.Reader{}, there: onReplica}, nil
}

func (s *sideReader) close() {
	for _, reader := range s.readers {
		reader.Close()
	}
	_ = s.session.Close()
}

func (s *sideReader) reader(t *table) *checksum.Reader {
	reader := s.readers[t]
	if reader == nil {
		layout := t.layout
		if !s.there {
			layout = t.onSource()
		}
		reader = checksum.NewReader(layout, s.session)
		s.readers[t] = reader
	}
	return reader
}

// sourceRow reads the row of a key as the source has it now; known is false where that cannot be told.
func (p *planner) sourceRow(ctx context.Context, t *table, key checksum.Row) (row checksum.Row, known bool, err error) {
	if p.source == nil || t.source == nil {
		return nil, false, nil
	}
	row, err = p.source.find(ctx, t, key)
	return row, err == nil, err
}

// find reads the row of a key; nil: there is none.
func (s *sideReader) find(ctx context.Context, t *table, key checksum.Row) (checksum.Row, error) {
	return s.reader(t).Find(ctx, key)
}

// planFix works out what has to change.
func (p *planner) planFix(ctx context.Context) error {
	for _, one := range p.touched.tables.all {
		rows := p.touched.rows[one]
		if rows == nil {
			continue
		}
		if !one.keyed {
			if err := p.planEqual(ctx, one, rows); err != nil {
				return err
			}
			continue
		}
		for _, key := range rows.order {
			if err := p.planRow(ctx, one, rows, rows.by[key]); err != nil {
				return err
			}
		}
	}
	for i := range p.touched.changes {
		c := &p.touched.changes[i]
		if c.problem != "" {
			p.plan.obstruct("%s", c.problem)
		}
	}
	if err := p.planLinks(ctx); err != nil {
		return err
	}
	return p.planConflicts(ctx)
}

// planRow looks at one row that the transaction names.
func (p *planner) planRow(ctx context.Context, t *table, rows *touchedRows, row *touchedRow) error {
	found, err := p.replica.find(ctx, t, row.key)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("row %s of %s.%s", t.describe(row.key), t.there.Database, t.there.Table)
	switch {
	case row.initial == nil && found == nil, row.partial && found != nil:
		return nil
	case row.initial == nil:
		key, err := t.layout.KeyOf(found)
		if err != nil {
			return err
		}
		if other := rows.by[key]; other != nil && other.initial != nil {
			return nil // the transaction itself makes room: under a collation both keys are one
		}
		return p.plan.add(t, found, nil, 1, reason{problem: name + " is there on the replica already", remedy: "it is removed, and the transaction writes it"})
	case row.partial:
		return p.planPartial(ctx, t, row, name)
	case found == nil:
		return p.plan.add(t, nil, row.initial, 1, reason{problem: name + " is missing on the replica", remedy: "it is put back as it was before the transaction"})
	case !sameValues(t.layout, found, row.initial):
		return p.plan.add(t, found, row.initial, 1, reason{problem: name + " has other values on the replica than it had before the transaction", remedy: "it is given those", passes: true})
	}
	return nil
}

// planPartial puts a missing row back of which the log has only a part: as the source has it now. What the transaction and those after it
// change in it are the values they leave, so that it ends as the source's.
func (p *planner) planPartial(ctx context.Context, t *table, row *touchedRow, name string) error {
	now, known, err := p.sourceRow(ctx, t, row.key)
	switch {
	case err != nil:
		return err
	case !known:
		p.plan.obstruct("%s is missing on the replica, the log does not have all of it (binlog_row_image), and how the source has it now is not known", name)
		return nil
	case now == nil:
		p.plan.obstruct("%s is missing on the replica, the log does not have all of it (binlog_row_image), and the source has it no more", name)
		return nil
	}
	return p.plan.add(t, nil, now, 1, reason{problem: name + " is missing on the replica", remedy: "it is put there as the source has it now, since the log does not have all of it (binlog_row_image)"})
}

// planEqual looks at the rows of a table without a key: so many like that have to be there.
func (p *planner) planEqual(ctx context.Context, t *table, rows *touchedRows) error {
	if slices.ContainsFunc(t.replica.Keys, func(k schema.Key) bool { return k.Unique }) {
		p.plan.obstruct("%s.%s has no key by which single rows are found, and a unique key: which row stands in the way is not known", t.there.Database, t.there.Table)
		return nil
	}
	if rows.tooMany {
		p.plan.obstruct("%s.%s has no key by which single rows are found, and the transaction changes more than %d of its rows: each would take a scan of the table", t.there.Database, t.there.Table, mostEqual)
		return nil
	}
	for _, row := range rows.equal {
		if row.count == 0 {
			continue
		}
		name := fmt.Sprintf("row %s of %s.%s", t.describe(row.key), t.there.Database, t.there.Table)
		if row.partial {
			p.plan.obstruct("%s: the log does not have all of it (binlog_row_image), and the table has no key to find it by", name)
			continue
		}
		of := rowsql.Table{On: p.replica.session.Server().Identity(), Stored: t.layout, Incoming: t.layout}
		condition, err := of.Condition(row.key)
		if err != nil {
			return err
		}
		var there int64
		err = p.replica.reader(t).Where(ctx, condition, chunker.Range{}, func(checksum.Row) error {
			there++
			return nil
		})
		if err != nil {
			return err
		}
		if missing := row.count - there; missing > 0 {
			if err := p.plan.add(t, nil, row.key, missing, reason{problem: fmt.Sprintf("%s is missing on the replica (%d times)", name, missing), remedy: "it is put back as it was before the transaction"}); err != nil {
				return err
			}
		}
	}
	return nil
}

// has is the reason for which a row changes.
func (p *fixPlan) has(t *table, key string) (reason, bool) {
	for _, w := range p.rewritings {
		if n, known := w.seen[key]; w.table == t && known {
			return w.reasons[n], true
		}
	}
	return reason{}, false
}

// sentences are what the fix does, up to a number of them.
func (p *fixPlan) sentences(most int) (said []string) {
	for _, w := range p.rewritings {
		for _, r := range w.reasons {
			said = append(said, r.problem+": "+r.remedy)
		}
	}
	if more := len(said) - most; more > 0 {
		said = append(said[:most], fmt.Sprintf("and %d rows more", more))
	}
	return said
}

// problems are what is wrong on the replica, up to a number of them.
func (p *fixPlan) problems(most int) (said []string) {
	for _, w := range p.rewritings {
		for _, r := range w.reasons {
			said = append(said, r.problem)
		}
	}
	if more := len(said) - most; more > 0 {
		said = append(said[:most], fmt.Sprintf("and so with %d rows more", more))
	}
	return said
}

// rewriteTables are the plan's changes as they are carried out.
func (p *fixPlan) rewriteTables() (tables []repair.Rewriting, names []schema.Name) {
	for _, w := range p.rewritings {
		if len(w.changes) > 0 {
			tables = append(tables, repair.Rewriting{Table: w.table.replica, Layout: w.table.layout, Changes: w.changes})
			names = append(names, w.table.there)
		}
	}
	return tables, names
}

// statements are those that carry the plan out on that server, in their order.
func (p *fixPlan) statements(on server.Identity) (all []string, err error) {
	tables, _ := p.rewriteTables()
	for _, t := range tables {
		texts, err := t.Statements(on)
		if err != nil {
			return nil, err
		}
		all = append(all, texts...)
	}
	return all, nil
}

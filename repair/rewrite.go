package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"trueup/check"
	"trueup/checksum"
	"trueup/repair/rowsql"
	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/schema"
	"trueup/server"
)

// Rewriting is what is to become of rows of one table of a replica.
type Rewriting struct {
	Table *schema.Table // on the replica
	// Layout reads whole rows there. Rows that are to be are in it too.
	Layout  *checksum.Layout
	Changes []rowsql.Change
}

// Statements are those that Rewrite runs for the table on that server, in their order. The error is an *rowsql.UnwritableError.
func (w Rewriting) Statements(on server.Identity) ([]string, error) {
	t := newRewritten(w, on)
	changes := slices.Clone(w.Changes)
	for i := range changes {
		changes[i].There = -1
	}
	all, err := ordered(changes, t.statements)
	var texts []string
	for _, s := range all {
		texts = append(texts, s.SQL)
	}
	return texts, err
}

// RewriteRequest is what a rewriting of rows needs.
type RewriteRequest struct {
	On      *server.Server // the replica
	Source  string         // addresses, for the journal
	Replica string
	Channel string
	Version string // of trueup
	// Tables are changed in one transaction, in their order; foreign keys are not checked.
	Tables []Rewriting
	// Stands is asked right before the commit; its error takes everything back.
	Stands func(ctx context.Context) error
	// Journal gets what takes the changes back before they are made.
	Journal syncpoint.Recorder
	// Numbers number the groups of the run's journal; nil: there are no others.
	Numbers *Numbers
}

// Rewritten is what a rewriting has changed.
type Rewritten struct {
	Groups     int // in the journal, one a table
	Statements int64
	Rows       int64
}

// MayRewrite refuses a replica that must not be, or cannot be, written to directly, and tables with triggers, which would fire: the error
// joins one for each reason. Nothing is changed.
func MayRewrite(ctx context.Context, on *server.Server, tables []schema.Name) error {
	problems, err := objections(ctx, on, tables, func(session *server.Session, grants server.Grants, refuse refuser) error {
		cluster, err := replication.ClusterOf(ctx, session)
		if cluster.IsMember() {
			refuse("", "it is a member of the %s: members are not changed one by one", cluster)
		}
		for _, table := range tables {
			if slices.ContainsFunc([]string{"INSERT", "UPDATE", "DELETE"}, func(privilege string) bool { return !grants.HasOnTable(privilege, table.Database, table.Table) }) {
				refuse("", "the account may not change table %s.%s: GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", table.Database, table.Table, schema.QuoteTable(table.Database, table.Table), grants.Account)
			}
		}
		return err
	})
	return errors.Join(append(problems, err)...)
}

// refuser takes in what stands against writing to a server.
type refuser = func(code, format string, args ...any)

// objections are what stands against writing to a server directly, triggers on the tables included, beside what further finds.
func objections(ctx context.Context, on *server.Server, tables []schema.Name, further func(*server.Session, server.Grants, refuser) error) (problems []error, err error) {
	session, err := on.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return nil, err
	}
	defer session.Close()
	grants, err := server.ReadGrants(ctx, session)
	if err != nil {
		return nil, err
	}
	refuse := func(_, format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: "+format, append([]any{on.Address()}, args...)...))
	}
	if err := further(session, grants, refuse); err != nil {
		return problems, err
	}
	if err := refuseUnwritable(ctx, session, grants, refuse); err != nil {
		return problems, err
	}
	for _, table := range tables {
		if refused := triggersOf(ctx, session, grants, table); refused != nil {
			refuse("", "table %s.%s: %s", table.Database, table.Table, refused.Reason)
		}
	}
	return problems, nil
}

// Rewrite changes rows of a replica whose applier stands, unlogged, in one transaction: each row only if it still is what Before says, byte
// for byte. What takes it back is in the journal before, so that Undo can. It does nothing to the applier.
//
// The error is one of the server, of the journal, or says which row is not any more as it was; nothing is changed then. Only where the
// connection is lost in the commit itself is it not known; the error says so.
func Rewrite(ctx context.Context, request RewriteRequest) (Rewritten, error) {
	writer, err := openWriter(ctx, request.On, server.SessionOptions{Writer: true, WaitTimeout: writerTimeout, LockWaitTimeout: rewriteLockWait})
	if err != nil {
		return Rewritten{}, err
	}
	defer writer.Close()
	w := newRewriter(request, writer)
	if w.packet, err = mostPacket(ctx, writer); err != nil {
		return Rewritten{}, err
	}
	if err := w.recordServer(ctx, w.work.result.ServerInfo, request.Source, request.Channel); err != nil {
		return Rewritten{}, err
	}
	if err := writer.Exec(ctx, "START TRANSACTION"); err != nil {
		return Rewritten{}, err
	}
	err = w.rewrite(ctx, request.Tables)
	if err == nil {
		err = request.Stands(ctx)
	}
	if err != nil {
		err = errors.Join(err, w.giveUp())
		w.awaitLate()
		return Rewritten{}, err
	}
	return w.done, w.commitAll(ctx)
}

// rewriteLockWait is how long a rewriting waits for a lock that somebody else holds: nobody waits for it but the person.
const rewriteLockWait = 2 * lockWait

// rewriter is a transaction that changes rows of several tables while nobody holds the applier: it stands by itself.
type rewriter struct {
	*holding
	entries []*groupEntry
	done    Rewritten
}

func newRewriter(request RewriteRequest, writer *server.Session) *rewriter {
	r := &run{request: Request{Journal: request.Journal, Numbers: request.Numbers, Version: request.Version}}
	on := check.ServerInfo{Address: request.Replica, Identity: request.On.Identity()}
	a := &applier{run: r, naming: r.naming(), work: &work{run: r, result: &ReplicaResult{ServerInfo: on}}}
	return &rewriter{holding: &holding{applier: a, writer: writer}}
}

// rewrite changes the rows, each table's undo being in the journal before.
func (w *rewriter) rewrite(ctx context.Context, tables []Rewriting) error {
	for _, table := range tables {
		t := newRewritten(table, w.work.result.Identity)
		if !t.hasKey() {
			whole := checksum.NewLockingReader(table.Layout, w.writer)
			err := countEqual(ctx, whole, table.Changes)
			whole.Close()
			if err != nil {
				return err
			}
		}
		entry, err := w.record(ctx, t, table.Changes)
		if err != nil {
			return err
		}
		w.entries = append(w.entries, entry)
		if err := w.writeGuarded(ctx, t, table.Changes); err != nil {
			return fmt.Errorf("table %s.%s on %s: %w", t.there.Database, t.there.Table, w.work.result.Address, err)
		}
		w.done.Groups++
		w.done.Statements += entry.statements
		w.done.Rows += countsOf(table.Changes).Total()
	}
	return nil
}

// newRewritten is the target of a rewriting: rows are read and written in one way.
func newRewritten(table Rewriting, on server.Identity) *target {
	name := schema.Name{Database: table.Layout.Database, Table: table.Layout.Table}
	t := &target{name: name, there: name, source: table.Table, replica: table.Table, compared: table.Layout,
		sql: rowsql.Table{On: on, Stored: table.Layout, Incoming: table.Layout}, result: &TableResult{}}
	for _, key := range table.Table.Keys {
		if key.Unique && !t.namesRows(key) {
			t.keys = append(t.keys, key)
		}
	}
	return t
}

// giveUp takes everything back.
func (w *rewriter) giveUp() error {
	var errs []error
	for i, entry := range w.entries {
		if i == 0 {
			errs = append(errs, w.rollBack(entry))
			continue
		}
		errs = append(errs, w.recordEnd(entry, endRolledBack))
	}
	return errors.Join(errs...)
}

// commitAll commits, and says so of every group.
func (w *rewriter) commitAll(ctx context.Context) error {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
	defer cancel()
	if err := w.writer.Exec(limited, "COMMIT"); err != nil {
		if _, answered := server.ErrorNumber(err); answered && !server.IsConnectionLost(err) {
			return errors.Join(err, w.giveUp())
		}
		return fmt.Errorf("whether the rows were changed is not known: %w", err)
	}
	var errs []error
	for _, entry := range w.entries {
		errs = append(errs, w.recordEnd(entry, endCommitted))
	}
	return errors.Join(errs...)
}

package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trueup/check"
	"trueup/replication"
	"trueup/schema"
	"trueup/server"
)

// tableWork is a table that only one side has.
type tableWork struct {
	name    schema.Name // on the source
	there   schema.Name
	missing bool // the replica lacks it; else it is the source that does
	ddl     string
	result  int // its number in the replica's result
}

// addTables names tables that only one side has.
func (w *work) addTables(ctx context.Context) error {
	for _, d := range w.run.result.Check.SchemaDifferences {
		if d.Replica != w.result.Address || d.Object != "table" || d.What != "missing" && d.What != "extra" {
			continue
		}
		t := tableWork{name: schema.Name{Database: d.Database, Table: d.Table}, there: schema.Name{Database: w.run.prepared.NameOn(w.replica, d.Database), Table: d.Table},
			missing: d.What == "missing", result: len(w.result.Tables)}
		result := TableResult{Database: d.Database, Table: d.Table}
		if t.missing {
			var err error
			if t.ddl, err = w.run.definition(ctx, t.name); err != nil {
				return err
			}
			result.DDL = t.ddl
			result.Refused = []Refusal{{Code: RefusedMissingTable, Reason: "the replica does not have the table; the source's definition is given; --with-schema creates it and fills it"}}
		} else {
			result.Refused = []Refusal{{Code: RefusedExtraTable, Reason: "the source does not have the table: where nobody needs it, empty it, and --with-schema drops it"}}
		}
		w.result.Tables = append(w.result.Tables, result)
		w.tables = append(w.tables, t)
	}
	return nil
}

// definition is the statement that creates a table as the source has it.
func (r *run) definition(ctx context.Context, name schema.Name) (string, error) {
	session, err := r.prepared.Source().Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return "", err
	}
	defer session.Close()
	record, err := session.One(ctx, "SHOW CREATE TABLE "+schema.QuoteTable(name.Database, name.Table))
	if server.IsNoSuchTable(err) {
		return "", nil // it has gone since
	}
	return record.Text("Create Table", "Create View"), err
}

// changeTables creates and drops tables, where that was asked for, and returns what was created. A replica with which that goes wrong is
// refused; the error is for what a person has to know at once, and for a journal that cannot be written.
func (r *run) changeTables(ctx context.Context, works []*work) (created []check.Range, err error) {
	for _, w := range works {
		if len(w.tables) == 0 || len(w.result.Refused) > 0 {
			continue
		}
		failed := r.preflight(ctx, w)
		if failed == nil && len(w.result.Refused) > 0 {
			continue
		}
		if failed == nil {
			failed = r.prepared.Hold(ctx, w.replica, nil, r.request.MaxPause, func(ctx context.Context, held *check.Held) error {
				made, err := r.changeTablesOn(ctx, w, held)
				created = append(created, made...)
				return err
			})
		}
		if ctx.Err() != nil {
			return created, errors.Join(err, ctx.Err())
		}
		if failed == nil {
			continue
		}
		w.refuse(RefusedUnverified, "creating and dropping tables on it failed, so nothing else was changed: %v", failed)
		var journal *journalError
		if leftStopped(failed) != nil || errors.As(failed, &journal) {
			err = errors.Join(err, fmt.Errorf("%s: creating and dropping tables: %w", w.result.Address, failed))
		}
	}
	return created, err
}

func (r *run) changeTablesOn(ctx context.Context, w *work, held *check.Held) (created []check.Range, err error) {
	on, _ := r.prepared.Replica(w.replica)
	writer, err := openWriter(ctx, on, server.SessionOptions{Writer: true, WaitTimeout: writerTimeout})
	if err != nil {
		return nil, err
	}
	defer writer.Close()
	statuses, err := replication.ReadStatuses(ctx, writer)
	if err != nil {
		return nil, err
	}
	for _, t := range w.tables {
		if err := held.Stands(ctx); err != nil {
			return created, err
		}
		result := &w.result.Tables[t.result]
		change, failed, done := r.createTable, "it was not created: ", "it was created as the source has it. Undoing does not drop it; its definition is in the journal"
		if !t.missing {
			change, failed = r.dropTable, "it was not dropped: "
			done = "it was dropped: the source does not have it, and it held no row. Undoing does not bring it back; its definition is in the journal"
		}
		err := r.refuseDrop(ctx, t, statuses)
		if err == nil {
			err = change(ctx, w, writer, t)
		}
		var journal *journalError
		if errors.As(err, &journal) {
			return created, err
		}
		if err != nil {
			result.Refused[0].Reason = failed + err.Error()
			continue
		}
		result.Refused, result.Notes = nil, append(result.Notes, done)
		if t.missing {
			created = append(created, check.Range{Replica: w.result.Address, Database: t.name.Database, Table: t.name.Table})
		}
	}
	return created, nil
}

// createTable creates a table on the replica as the source has it.
func (r *run) createTable(ctx context.Context, w *work, writer *server.Session, t tableWork) error {
	if !strings.HasPrefix(t.ddl, "CREATE TABLE") {
		return errors.New("it is no table of rows, or it has gone from the source since")
	}
	if err := r.recordTable(ctx, w, t, t.ddl); err != nil {
		return err
	}
	if err := writer.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+schema.QuoteIdentifier(t.there.Database)); err != nil {
		return err
	}
	if err := writer.Exec(ctx, "USE "+schema.QuoteIdentifier(t.there.Database)); err != nil {
		return err
	}
	return writer.Exec(ctx, t.ddl)
}

// refuseDrop says why a table that the check has not found on the source is not dropped: what the source, or another one, logs for it
// from now on would stop the replica.
func (r *run) refuseDrop(ctx context.Context, t tableWork, statuses []replication.Status) error {
	if t.missing {
		return nil
	}
	if len(statuses) > 1 {
		return fmt.Errorf("the replica has %d channels, and the table may be another source's; where it is not, drop it by hand", len(statuses))
	}
	now, err := r.definition(ctx, t.name)
	switch {
	case err != nil:
		return fmt.Errorf("whether the source has it by now could not be asked: %w", err)
	case now != "":
		return errors.New("the source has it by now; repair again")
	}
	return nil
}

// dropTable drops a table that the source does not have, where it holds no row: rows are not thrown away.
func (r *run) dropTable(ctx context.Context, w *work, writer *server.Session, t tableWork) error {
	table := schema.QuoteTable(t.there.Database, t.there.Table)
	if err := writer.Exec(ctx, "LOCK TABLES "+table+" WRITE"); err != nil {
		return err
	}
	defer func() { _ = writer.Exec(context.WithoutCancel(ctx), "UNLOCK TABLES") }()
	rows, err := writer.Records(ctx, "SELECT 1 FROM "+table+" LIMIT 1")
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		return errors.New("it holds rows; delete or move them first")
	}
	kinds, err := writer.Records(ctx, "SELECT TABLE_TYPE AS kind FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?", t.there.Database, t.there.Table)
	if err != nil {
		return err
	}
	if len(kinds) != 1 || kinds[0].Text("kind") != "BASE TABLE" { // a system-versioned one
		return errors.New("it keeps a history of its rows, or is no plain table; drop it by hand where nobody needs it")
	}
	record, err := writer.One(ctx, "SHOW CREATE TABLE "+table)
	if err != nil {
		return err
	}
	if err := r.recordTable(ctx, w, t, record.Text("Create Table")); err != nil {
		return err
	}
	return writer.Exec(ctx, "DROP TABLE "+table)
}

// recordTable writes into the journal that a table is about to be created or dropped, with its definition.
func (r *run) recordTable(ctx context.Context, w *work, t tableWork, ddl string) error {
	kind := KindTableDropped
	if t.missing {
		kind = KindTableCreated
	}
	return (&applier{run: r, work: w}).writeEntry(ctx, kind, "", "", tableRecord{Replica: w.result.Address, Database: t.there.Database, Table: t.there.Table, DDL: ddl})
}

// again checks, after tables were created, what was found to differ and the new tables.
func (r *run) again(ctx context.Context, works []*work, created []check.Range) ([]*work, error) {
	r.wholes = append(r.wholes, r.spreads(ctx, works, true)...)
	request := r.rangesFound()
	request.Ranges = append(request.Ranges, created...)
	request.RunID = r.request.Check.RunID
	prepared, err := check.Prepare(ctx, request, nil)
	if err != nil {
		return nil, err
	}
	r.prepared.Close()
	r.prepared = prepared
	before := r.result.Replicas
	first := r.result.Check
	compared, err := prepared.Compare(ctx)
	if err != nil {
		return nil, err
	}
	r.result.Check = compared // for the plan; the result keeps the check that the repair began with
	works, err = r.plan(ctx)
	r.result.Check = first
	if err == nil && compared.Err != nil {
		err = compared.Err
	}
	r.keepNotes(before)
	return works, err
}

// keepNotes takes over why a replica was refused before, and what became of tables that only one side had: why they still are so, the
// definition of those that were created, and, as notes of the replica, those in which nothing differs any more.
func (r *run) keepNotes(before []ReplicaResult) {
	for _, was := range before {
		for _, refused := range was.Refused {
			on := r.replicaNow(was.ServerInfo)
			if !slices.ContainsFunc(on.Refused, func(now Refusal) bool { return now.Code == refused.Code }) {
				on.Refused = append(on.Refused, refused)
			}
		}
		for _, table := range was.Tables {
			now := r.tableNow(was.Address, table)
			switch {
			case now == nil && len(table.Refused) == 0 && table.Planned.Total() == 0 && len(table.Notes) > 0:
				on := r.replicaNow(was.ServerInfo)
				on.Notes = append(on.Notes, fmt.Sprintf("%s.%s: %s", table.Database, table.Table, strings.Join(table.Notes, "; ")))
			case now == nil:
			case isOneSided(*now):
				now.Refused, now.DDL = table.Refused, table.DDL
			case table.DDL != "":
				now.DDL = table.DDL
			}
		}
	}
}

// isOneSided tells whether only one side has a table.
func isOneSided(t TableResult) bool {
	return len(t.Refused) > 0 && (t.Refused[0].Code == RefusedMissingTable || t.Refused[0].Code == RefusedExtraTable)
}

// tableNow is a replica's table in the result as it is; nil: nothing of it differs.
func (r *run) tableNow(replica string, t TableResult) *TableResult {
	for i := range r.result.Replicas {
		for n := range r.result.Replicas[i].Tables {
			if now := &r.result.Replicas[i].Tables[n]; r.result.Replicas[i].Address == replica && now.Database == t.Database && now.Table == t.Table {
				return now
			}
		}
	}
	return nil
}

// replicaNow is a replica in the result as it is, also where nothing of it differs any more. The works point into the list, which has room for all.
func (r *run) replicaNow(info check.ServerInfo) *ReplicaResult {
	for i := range r.result.Replicas {
		if r.result.Replicas[i].Address == info.Address {
			return &r.result.Replicas[i]
		}
	}
	r.result.Replicas = append(r.result.Replicas, ReplicaResult{ServerInfo: info})
	return &r.result.Replicas[len(r.result.Replicas)-1]
}

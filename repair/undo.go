package repair

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"trueup/check"
	"trueup/internal/audit"
	"trueup/repair/rowsql"
	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/schema"
	"trueup/server"
)

// UndoRequest is what undoing a repair needs.
type UndoRequest struct {
	RunID   string
	Replica server.Endpoint
	// File is an undo file, as WriteUndo makes it.
	File    io.ReadSeeker
	Journal syncpoint.Recorder // of this run; may be nil
	// Folder is where this run's journal and those of others are, nil for none; Repaired is the journal of the repair that is undone, "" where
	// only the undo file is there. They tell whether a group of which no row is as the repair left it was undone before.
	Folder   *audit.Folder
	Repaired string
	Logger   *slog.Logger
	Now      func() time.Time
}

// UndoResult is what undoing a repair came to.
type UndoResult struct {
	Replica check.ServerInfo
	Of      string // the run that is undone
	Groups  int    // that the file holds
	Undone  int    // groups whose rows are now as they were before the repair
	// Already are groups that have nothing to undo, as journals say, or the rows themselves: they were undone before, or never committed.
	Already    int
	Statements int64 // of those groups
	Refused    []Refusal
	StartedAt  time.Time
	FinishedAt time.Time
	Err        error // what ended it before its end
}

// Undo restores the rows that a repair has changed, one group at a time, the last one first. A group of which some rows are not any more as
// the repair left them is refused and left as it is.
//
// The error is a *check.RequestError when the file cannot be used: it is none, was changed or cut, or belongs to another server; or when
// the server must not be written to: it is no replica any more, nobody can write, or one of the file's tables has triggers.
func Undo(ctx context.Context, request UndoRequest) (*UndoResult, error) {
	result := &UndoResult{StartedAt: request.Now(), Replica: check.ServerInfo{Address: request.Replica.Address}}
	on, err := server.Open(ctx, request.Replica)
	if err != nil {
		return nil, err
	}
	defer on.Close()
	result.Replica.Identity = on.Identity()
	head, tables, _, err := readWhole(request.File)
	if err == nil {
		err = belongs(head, on)
	}
	if err != nil {
		return nil, &check.RequestError{Err: err}
	}
	if err := mayUndo(ctx, on, tables); err != nil {
		return nil, err
	}
	u := &undoing{request: request, result: result, on: on}
	result.Of = head.Run
	if u.writer, err = openWriter(ctx, on, server.SessionOptions{Writer: true}); err == nil {
		defer u.writer.Close()
		_, err = rowsql.ReadUndo(request.File, func(group rowsql.UndoGroup) error { return u.group(ctx, group) })
	}
	result.Err = err
	result.FinishedAt = request.Now()
	return result, nil
}

// UndoSize is how much an undo file holds.
type UndoSize struct {
	Groups int
	Rows   int64 // row changes: a row that is removed and written anew is two
}

// MeasureUndo reads an undo file, as WriteUndo makes it, to its end, and goes back to its beginning. The error is a *check.RequestError where the file cannot
// be used: it is none, or was changed or cut.
func MeasureUndo(file io.ReadSeeker) (UndoSize, error) {
	_, _, size, err := readWhole(file)
	if err != nil {
		return UndoSize{}, &check.RequestError{Err: err}
	}
	return size, nil
}

// readWhole reads an undo file to its end before anything of it is run, and goes back to its beginning. tables are those it changes.
func readWhole(file io.ReadSeeker) (head rowsql.Header, tables []schema.Name, size UndoSize, err error) {
	found, err := rowsql.ReadUndo(file, func(group rowsql.UndoGroup) error {
		size.Groups++
		for _, statement := range group.Statements {
			table, ok := tableOf(statement.SQL)
			if !ok {
				return fmt.Errorf("group %s holds a statement that no repair writes", group.Name)
			}
			size.Rows += statement.Rows
			if !slices.Contains(tables, table) {
				tables = append(tables, table)
			}
		}
		return group.Err
	})
	switch {
	case err != nil:
		return found.Header, nil, size, err
	case !found.Complete:
		return found.Header, nil, size, errors.New("the undo file's end is missing: it was cut, or is being written; it can be made again from the run's journal")
	}
	_, err = file.Seek(0, io.SeekStart)
	return found.Header, tables, size, err
}

// changesTable is the beginning of every statement that undoes a change.
var changesTable = regexp.MustCompile("^(?:INSERT INTO|DELETE FROM|UPDATE) `((?:[^`]|``)+)`\\.`((?:[^`]|``)+)` ")

// tableOf is the table that a statement of an undo file changes.
func tableOf(sql string) (schema.Name, bool) {
	parts := changesTable.FindStringSubmatch(sql)
	if parts == nil {
		return schema.Name{}, false
	}
	return schema.Name{Database: strings.ReplaceAll(parts[1], "``", "`"), Table: strings.ReplaceAll(parts[2], "``", "`")}, true
}

// mayUndo refuses a server on which undoing would do harm, or could not be done, before any of it is done: what is undone is not logged, so on
// a server that has become a source it would make its replicas differ; and triggers would fire that did not when the rows were repaired.
func mayUndo(ctx context.Context, on *server.Server, tables []schema.Name) error {
	problems, err := objections(ctx, on, tables, func(session *server.Session, _ server.Grants, refuse refuser) error {
		statuses, err := replication.ReadStatuses(ctx, session)
		if err == nil && len(statuses) == 0 {
			refuse("", "it is no replica any more, and may be the source by now: nothing is undone there, since that is not logged and so reaches no replica; make the changes by hand where they are wanted")
		}
		return err
	})
	if err == nil && len(problems) > 0 {
		err = &check.RequestError{Err: errors.Join(problems...)}
	}
	return err
}

// belongs makes sure that a file is for that server.
func belongs(head rowsql.Header, on *server.Server) error {
	was, now := head.On, on.Identity()
	if was.Remains(now) {
		return nil
	}
	return fmt.Errorf("the file undoes a repair of %s (%s, server_id %d), and %s is another server (%s, server_id %d)", head.Replica, was.Flavor, was.ServerID, on.Address(), now.Flavor, now.ServerID)
}

// undoing is an undo file on its way.
type undoing struct {
	request UndoRequest
	result  *UndoResult
	on      *server.Server
	writer  *server.Session
	fates   *fates // read when they are first asked for
}

// group undoes one group in one transaction.
func (u *undoing) group(ctx context.Context, group rowsql.UndoGroup) error {
	if group.Err != nil {
		return group.Err // the file was changed since it was read
	}
	u.result.Groups++
	if err := u.writer.Exec(ctx, "START TRANSACTION"); err != nil {
		return err
	}
	done, missed, err := u.run(ctx, group.Statements)
	if err != nil || missed > 0 {
		if rollback := u.writer.Exec(context.WithoutCancel(ctx), "ROLLBACK"); rollback != nil {
			return errors.Join(err, rollback)
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("undoing %s: %w", group.Name, err)
	case done == 0:
		return u.passOver(ctx, group, int64(missed))
	case missed > 0:
		u.refuse(int64(done+missed), "of group %s (%s) %d statements find their rows no more as the repair left them; the group is left as it is", group.Name, u.where(group), missed)
		return nil
	}
	if err := u.record(ctx, group); err != nil {
		return errors.Join(err, u.writer.Exec(context.WithoutCancel(ctx), "ROLLBACK"))
	}
	if err := u.writer.Exec(context.WithoutCancel(ctx), "COMMIT"); err != nil {
		return fmt.Errorf("whether group %s was undone is not known; run the same once more: %w", group.Name, err)
	}
	u.result.Undone++
	u.result.Statements += int64(done)
	return nil
}

// passOver leaves a group as it is of which no statement found its row, and finds out whether that is right, or is to be said.
func (u *undoing) passOver(ctx context.Context, group rowsql.UndoGroup, statements int64) error {
	if u.fates == nil {
		read := readFates(u.request.journals(), u.result.Of)
		u.fates = &read
	}
	open := u.fates.unknown(group.Name)
	switch {
	case u.fates.nothingLeft(group.Name):
		u.result.Already++
	case open == nil:
		u.refuse(statements, "of group %s (%s) no row is any more as the repair left it: they were changed since then, or undone by a run of which there is no journal here; the group is left as it is", group.Name, u.where(group))
	default:
		before, err := u.isAsBefore(ctx, open)
		if err != nil {
			return fmt.Errorf("comparing the rows of %s with what they were before the repair: %w", group.Name, err)
		}
		if before {
			u.result.Already++
			return nil
		}
		if len(open.Were) == 0 {
			u.refuse(open.Rows, "whether group %s (%s) was committed is not known: the repair ended before its journal said so, and the journal does not have what the rows were; the group is left as it is", group.Name, u.where(group))
			return nil
		}
		u.refuse(open.Rows, "whether group %s (%s) was committed is not known: the repair ended before its journal said so. Its rows (%s) are not as they were before it, and cannot be taken back from what the repair leaves: they were changed since then, or others are in their way; the group is left as it is",
			group.Name, u.where(group), open.names())
	}
	return nil
}

func (u *undoing) refuse(rows int64, format string, args ...any) {
	u.result.Refused = append(u.result.Refused, Refusal{Code: RefusedMoved, Rows: rows, Reason: fmt.Sprintf(format, args...)})
}

// where names the table that a group changes, and the server.
func (u *undoing) where(group rowsql.UndoGroup) string {
	if len(group.Statements) > 0 {
		if table, known := tableOf(group.Statements[0].SQL); known {
			return fmt.Sprintf("%s.%s on %s", table.Database, table.Table, u.on.Address())
		}
	}
	return u.on.Address()
}

// run runs a group's statements; missed are those that found their row no more as it was.
func (u *undoing) run(ctx context.Context, statements []rowsql.Statement) (done, missed int, err error) {
	for _, s := range statements {
		err := changeRows(ctx, u.writer, s.SQL, s.Rows, s.Lax)
		switch {
		case err == nil:
			done++
		case errors.Is(err, errMoved), isOfRow(err):
			missed++
		default:
			return done, missed, err
		}
	}
	return done, missed, nil
}

func (u *undoing) record(ctx context.Context, group rowsql.UndoGroup) error {
	if u.request.Journal == nil {
		return nil
	}
	entry, err := audit.NewEntry(KindUndone, undoneRecord{Replica: u.on.Address(), Run: u.result.Of, Group: group.Name, Statements: len(group.Statements)})
	if err == nil {
		err = u.request.Journal.Record(ctx, entry)
	}
	if err != nil {
		return &journalError{err: err}
	}
	return nil
}

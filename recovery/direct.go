package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"trueup/replication"
	"trueup/replication/binlog"
	"trueup/schema"
	"trueup/server"
)

// What is read of a replica's own log at the most: a person waits for it, and the server has other work.
const (
	mostDirectWrites = 20
	mostDirectBytes  = 1 << 30
	mostDirectTime   = 20 * time.Second
	// mostDirectRows is how many row changes of one transaction are looked at, and shownDirectRows how many are shown.
	mostDirectRows  = 1000
	shownDirectRows = 10
)

// directWrites finds in the replica's own log the transactions that were executed there first (by their server id; with
// log_replica_updates those of the source are in it too), and that touch one of the tables, which have their names on the replica.
// isTouched narrows changes of rows down; nil: every one counts. Those that errant names, as replication.Errant returns it, come first,
// then the newest, and there are 20 at the most.
//
// A server that was the source once has in its log what it wrote then. Statements count where they name one of the tables: what they
// change through a view, a trigger or a routine is not seen.
//
// notes say what could not be read, and why: no log, privileges, damage, a log that is longer than is read. err is that of a lost
// connection, or of the context.
func directWrites(ctx context.Context, replica *server.Server, errant string, tables map[schema.Name]bool, isTouched func(t schema.Name, change *binlog.Change) bool) (found []DirectWrite, notes []string, err error) {
	session, err := replica.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return nil, nil, err
	}
	defer session.Close()
	s := newDirectSearch(session, errant, tables, isTouched)
	if err := s.run(ctx); err != nil {
		return nil, nil, err
	}
	if len(s.notes) == 0 && len(s.found) == 0 {
		s.note("No write of these tables on the replica itself is in its binary log. One under sql_log_bin=0 leaves no trace there.")
	}
	return s.found, s.notes, nil
}

// directSearch goes through the files of a replica's log, the newest first.
type directSearch struct {
	session   *server.Session
	tables    map[schema.Name]bool
	isTouched func(t schema.Name, change *binlog.Change) bool
	isErrant  func(gtid string) bool
	// someErrant is true where transactions are known that only the replica has.
	someErrant bool
	left       uint64 // bytes to read
	limit      time.Duration

	known *tables // definitions, as far as rows were to be shown
	found []DirectWrite
	notes []string
}

func newDirectSearch(session *server.Session, errant string, tables map[schema.Name]bool, isTouched func(t schema.Name, change *binlog.Change) bool) *directSearch {
	return &directSearch{session: session, tables: tables, isTouched: isTouched, isErrant: errantTest(session.Server().Identity().Flavor, errant), someErrant: errant != "",
		left: mostDirectBytes, limit: mostDirectTime}
}

func (s *directSearch) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// run reads file after file until enough is found, or read.
func (s *directSearch) run(ctx context.Context) error {
	files, err := s.files(ctx)
	if err != nil || len(files) == 0 {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	for i, file := range slices.Backward(files) {
		if file.size > s.left && i < len(files)-1 {
			s.note("The replica's binary log was read from %s on, not what is older: that is all that is read of it at once (%d MB).", files[i+1].name, mostDirectBytes>>20)
			break
		}
		s.left -= min(s.left, file.size)
		written, err := s.read(limited, file)
		slices.Reverse(written)
		s.found = append(s.found, written...)
		more, err := s.goesOn(ctx, limited, file, err)
		if err != nil {
			return err
		}
		if !more || s.enough() {
			break
		}
	}
	s.order()
	return nil
}

// goesOn tells whether older files are to be read after one that ended with an error, and notes why it could not be read.
func (s *directSearch) goesOn(ctx, limited context.Context, file logFile, err error) (more bool, failed error) {
	var denied *binlog.DeniedError
	switch {
	case err == nil || errors.Is(err, binlog.ErrEnd):
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case limited.Err() != nil:
		s.note("The replica's binary log was not read to the end of %s, nor what is older: it takes longer than %v.", file.name, s.limit)
		return false, nil
	case server.IsConnectionLost(err):
		return false, err
	case errors.As(err, &denied):
		s.note("Writes on the replica itself could not be looked for: %v. GRANT %s TO %s", err, withObject(denied.Privilege), s.account(ctx))
		return false, nil
	}
	s.note("Of the replica's binary log, %s could not be read: %v.", file.name, err)
	var away *server.ConnectError
	return !errors.As(err, &away), nil
}

// withObject completes what is to be granted.
func withObject(privilege string) string {
	if strings.Contains(privilege, " ON ") {
		return privilege
	}
	return privilege + " ON *.*"
}

// enough tells whether older files have nothing to add.
func (s *directSearch) enough() bool {
	errant := 0
	for i := range s.found {
		if s.isErrant(s.found[i].GTID) {
			errant++
		}
	}
	return errant >= mostDirectWrites || len(s.found) >= mostDirectWrites && !s.someErrant
}

// order puts errant transactions first, and leaves the rest as it was found.
func (s *directSearch) order() {
	slices.SortStableFunc(s.found, func(a, b DirectWrite) int { return btoi(s.isErrant(b.GTID)) - btoi(s.isErrant(a.GTID)) })
	s.found = s.found[:min(len(s.found), mostDirectWrites)]
}

// logFile is a file of a binary log.
type logFile struct {
	name string
	size uint64
}

// files lists the replica's log, the oldest first; none: a note says why.
func (s *directSearch) files(ctx context.Context) (files []logFile, err error) {
	const noBinaryLogging = 1381
	records, err := s.session.Records(ctx, "SHOW BINARY LOGS")
	number, _ := server.ErrorNumber(err)
	switch {
	case number == noBinaryLogging:
		s.note("The replica has no binary log: a write on the replica itself leaves no trace there.")
		return nil, nil
	case server.IsAccessDenied(err):
		s.note("Writes on the replica itself could not be looked for: the account may not list its binary logs. GRANT %s ON *.* TO %s", listPrivilege(s.session.Server().Identity()), s.account(ctx))
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("listing the replica's binary logs: %w", err)
	}
	for _, record := range records {
		size, _ := strconv.ParseUint(record.Text("File_size"), 10, 64)
		files = append(files, logFile{record.Text("Log_name"), size})
	}
	return files, nil
}

// listPrivilege is what SHOW BINARY LOGS takes. https://mariadb.com/kb/en/grant/#binlog-monitor
func listPrivilege(on server.Identity) string {
	if on.Flavor == server.MariaDB && on.Version.AtLeast(10, 5, 2) {
		return "BINLOG MONITOR"
	}
	return "REPLICATION CLIENT"
}

func (s *directSearch) account(ctx context.Context) string {
	grants, err := server.ReadGrants(ctx, s.session)
	if err != nil {
		return "the account"
	}
	return grants.Account
}

// read returns the newest of the writes in one file, the oldest first.
func (s *directSearch) read(ctx context.Context, file logFile) (written []DirectWrite, err error) {
	own := s.session.Server().Identity().ServerID
	limits := binlog.Limits{Rows: mostDirectRows, Bytes: 8 << 20}
	err = binlog.ReadFrom(ctx, s.session.Server(), replication.Position{File: file.name}, limits, func(t *binlog.Transaction) (bool, error) {
		if t.File != file.name {
			return false, nil
		}
		if t.ServerID != own {
			return true, nil
		}
		write, err := s.look(ctx, t)
		if err != nil || write == nil {
			return err == nil, err
		}
		if written = append(written, *write); len(written) > mostDirectWrites {
			written = s.dropOne(written)
		}
		return true, nil
	})
	return written, err
}

// dropOne drops the oldest one that is not errant; of errant ones alone the oldest.
func (s *directSearch) dropOne(written []DirectWrite) []DirectWrite {
	i := slices.IndexFunc(written, func(w DirectWrite) bool { return !s.isErrant(w.GTID) })
	return slices.Delete(written, max(i, 0), max(i, 0)+1)
}

// errantTest tells of a GTID whether it is one of the errant ones. Of MariaDB's, replication.Errant names the last of a domain only.
func errantTest(flavor server.Flavor, errant string) func(gtid string) bool {
	if flavor == server.MariaDB {
		listed := strings.Split(errant, ",")
		return func(gtid string) bool { return gtid != "" && slices.Contains(listed, gtid) }
	}
	set, err := replication.ParseGTIDSet(flavor, errant)
	return func(gtid string) bool {
		one, unread := replication.ParseGTIDSet(flavor, gtid)
		return gtid != "" && err == nil && unread == nil && set.Contains(one)
	}
}

package server

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"
)

// SessionOptions choose what a Session is for. The zero value is a control session: statements about
// replication, status and metadata.
type SessionOptions struct {
	// Reader makes the session fit for reading rows to compare: stored bytes instead of converted text
	// (character_set_results=NULL), no binary logging where the account may switch it off.
	Reader bool
	// Writer makes the session fit for changing rows on a replica: nothing is logged to the binary log (else opening it fails),
	// READ COMMITTED, no foreign key checks, stored bytes in results.
	Writer bool
	// Logged is a Writer whose changes are logged, each statement as it is (binlog_format=STATEMENT, REPEATABLE READ).
	Logged bool
	// Reopens is for a session that only reads, one statement at a time, and keeps nothing on the server: when its connection is lost
	// (KILL, a network), Records and Repeat open it anew and ask again. Transactions, settings, locks and Exec are not for it.
	Reopens bool
	// MultiStatements allows several statements in one packet.
	MultiStatements bool
	// WaitTimeout is @@wait_timeout of the session: how long the server keeps it without a word from us,
	// and with it everything it locks. 0: 8 hours.
	WaitTimeout time.Duration
	// LockWaitTimeout bounds each wait for a metadata or table lock. 0: 5 seconds.
	LockWaitTimeout time.Duration
}

// Session is one physical connection to a Server with canonical settings. It is for one goroutine at a time.
type Session struct {
	server *Server
	conn   *sql.Conn
	id     uint64
	// options are those it was opened with.
	options SessionOptions
	link    *listeningConn
	// wire is the connection's wire while rows can be taken from it; nil where it is encrypted.
	wire *wire
	// binlogOff is true when the session logs nothing to the binary log.
	binlogOff bool
}

// Server is the server the session is on.
func (s *Session) Server() *Server { return s.server }

// ID is the server's connection id, the one KILL takes.
func (s *Session) ID() uint64 { return s.id }

// BinlogOff tells whether the session writes nothing to the binary log (sql_log_bin=0).
func (s *Session) BinlogOff() bool { return s.binlogOff }

// Exec runs one statement (or, with MultiStatements, several) and waits for its end.
func (s *Session) Exec(ctx context.Context, query string, args ...any) error {
	if s.conn == nil {
		return s.wrap(sql.ErrConnDone, query)
	}
	_, err := s.conn.ExecContext(ctx, query, args...)
	return s.wrap(orEnd(ctx, err), query)
}

// Change runs one statement that changes rows and returns how many it changed.
func (s *Session) Change(ctx context.Context, statement string) (rows int64, err error) {
	if s.conn == nil {
		return 0, s.wrap(sql.ErrConnDone, statement)
	}
	result, err := s.conn.ExecContext(ctx, statement)
	if err != nil {
		return 0, s.wrap(orEnd(ctx, err), statement)
	}
	rows, err = result.RowsAffected()
	return rows, s.wrap(err, statement)
}

// Record is one row of a result with its column names, for statements whose columns depend on flavor and version.
type Record struct {
	names  []string
	values []sql.NullString
}

// Lookup returns the text of the named column (letter case ignored) and whether the row has that column with
// a value that is not NULL.
func (r Record) Lookup(name string) (string, bool) {
	for i, n := range r.names {
		if strings.EqualFold(n, name) {
			return r.values[i].String, r.values[i].Valid
		}
	}
	return "", false
}

// Text returns the text of the first of the named columns that the row has; "" when it has none or it is NULL.
func (r Record) Text(names ...string) string {
	for _, name := range names {
		for i, n := range r.names {
			if strings.EqualFold(n, name) {
				return r.values[i].String
			}
		}
	}
	return ""
}

// Names are the column names in the order the server sent them.
func (r Record) Names() []string { return r.names }

// mostReopened is how often in a row a session is opened anew before its connection counts as lost.
const mostReopened = 3

// Records runs a query and returns every row. It is for small results: status, metadata.
func (s *Session) Records(ctx context.Context, query string, args ...any) ([]Record, error) {
	var records []Record
	err := s.Repeat(ctx, func() (err error) {
		records, err = s.records(ctx, query, args...)
		return err
	})
	return records, err
}

// Repeat does something that only reads on the session, again from its beginning where the connection was lost in it and the session
// reopens; else it does it once.
func (s *Session) Repeat(ctx context.Context, read func() error) error {
	err := read()
	for try := 0; try < mostReopened && s.options.Reopens && IsConnectionLost(err); try++ {
		fresh, openErr := s.server.Session(ctx, s.options)
		if openErr != nil {
			return orEnd(ctx, err)
		}
		_ = s.Close()
		*s = *fresh
		err = read()
	}
	return err
}

func (s *Session) records(ctx context.Context, query string, args ...any) ([]Record, error) {
	if s.conn == nil {
		return nil, s.wrap(sql.ErrConnDone, query)
	}
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, s.wrap(orEnd(ctx, err), query)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return nil, s.wrap(err, query)
	}
	var records []Record
	for rows.Next() {
		record := Record{names: names, values: make([]sql.NullString, len(names))}
		targets := make([]any, len(names))
		for i := range targets {
			targets[i] = &record.values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, s.wrap(err, query)
		}
		records = append(records, record)
	}
	return records, s.wrap(orEnd(ctx, rows.Err()), query)
}

// One runs a query that returns exactly one row; more or fewer is an error.
func (s *Session) One(ctx context.Context, query string, args ...any) (Record, error) {
	records, err := s.Records(ctx, query, args...)
	if err != nil {
		return Record{}, err
	}
	if len(records) != 1 {
		return Record{}, s.wrap(fmt.Errorf("expected one row, got %d", len(records)), query)
	}
	return records[0], nil
}

// Close ends the physical connection, and with it the session's snapshot and locks. It may be called twice.
func (s *Session) Close() error {
	if s.conn == nil {
		return nil
	}
	// ErrBadConn makes database/sql discard the connection instead of keeping it for reuse.
	_ = s.conn.Raw(func(any) error { return driver.ErrBadConn })
	err := s.conn.Close()
	s.conn = nil
	if errors.Is(err, sql.ErrConnDone) || errors.Is(err, driver.ErrBadConn) {
		return nil
	}
	return err
}

// orEnd is the context's end instead of a connection that was lost by it: the driver closes the connection then, and says no more than that it is closed where
// it was about to use it.
func orEnd(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && IsConnectionLost(err) {
		return fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	return err
}

// wrap names the server and the statement in an error; nil stays nil.
func (s *Session) wrap(err error, query string) error {
	if err == nil {
		return nil
	}
	if s.link != nil && s.link.givenUp != nil && !errors.Is(err, s.link.givenUp) && IsConnectionLost(err) {
		err = s.link.givenUp // the driver has only seen that the connection failed
	}
	return &StatementError{Address: s.server.Address(), Statement: shorten(query), Err: err}
}

// StatementError is a statement that failed: on which server, which statement, and the driver's error, which
// may be a *mysql.MySQLError (see the Is… functions of this package for its class).
type StatementError struct {
	Address   string
	Statement string // shortened, without arguments
	Err       error
}

func (e *StatementError) Error() string {
	return fmt.Sprintf("%s: %s: %v", e.Address, e.Statement, e.Err)
}

// Unwrap returns the driver's error.
func (e *StatementError) Unwrap() error { return e.Err }

// shorten folds white space and cuts a statement to a length that fits an error message.
func shorten(query string) string {
	const most = 120
	folded := strings.Join(strings.Fields(query), " ")
	if len(folded) > most {
		return folded[:most] + "…"
	}
	return folded
}

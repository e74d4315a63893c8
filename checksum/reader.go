package checksum

import (
	"context"
	"database/sql/driver"
	"fmt"

	"trueup/chunker"
	"trueup/schema"
	"trueup/server"
)

// Reader reads the chunks of one table on one server, in the snapshot its session holds. It is for one goroutine.
type Reader struct {
	layout      *Layout
	session     *server.Session
	locks       bool // reads lock what they read, to the end of the transaction
	ranges      [(chunker.HasLower | chunker.HasUpper) + 1]*server.Statement
	point       *server.Statement // by key
	pointByText *server.Statement // by key, for days that the calendar does not have
	hasher      chunkHasher
	buffer      []byte
	slowLookups int  // in the chunk that is being compared
	costKnown   bool // FirstCost was asked
	// Of a table that is scanned:
	multiset  *multiset // what the last Digest saw
	keyBuffer []byte
}

// NewReader makes a reader on a session that holds a snapshot.
func NewReader(layout *Layout, session *server.Session) *Reader {
	return &Reader{layout: layout, session: session}
}

// NewLockingReader makes a reader on a session that is in a transaction which is to change what it reads: every row is read as it is
// now, and locked, as is the table's definition, to the end of the transaction.
func NewLockingReader(layout *Layout, session *server.Session) *Reader {
	return &Reader{layout: layout, session: session, locks: true}
}

// Layout is what the reader reads.
func (r *Reader) Layout() *Layout { return r.layout }

// Session is the session the reader reads on.
func (r *Reader) Session() *server.Session { return r.session }

// Digest reads a chunk's rows and returns their digest. Errors are those of the server.
func (r *Reader) Digest(ctx context.Context, chunk chunker.Chunk) (Digest, error) {
	if r.layout.Scan {
		return r.scan(ctx)
	}
	r.hasher.reset()
	err := r.Rows(ctx, chunk, func(values []server.Field) error {
		r.hasher.rows++
		return r.digestRow(&r.hasher, values)
	})
	return r.hasher.digest(), err
}

// digestRow gives a row's canonical encoding to the digest.
func (r *Reader) digestRow(to digester, values []server.Field) (err error) {
	if r.buffer, err = digestRow(to, r.buffer, r.layout.kinds, values); err != nil {
		return r.explain(err)
	}
	return nil
}

// selectWhere is the statement that reads the rows under a condition.
func (r *Reader) selectWhere(condition string) string {
	query := r.layout.selectWhere(condition)
	if r.locks {
		query += " FOR UPDATE"
	}
	return query
}

func (r *Reader) explain(err error) error {
	return fmt.Errorf("%s: %s.%s: %w", r.session.Server().Address(), r.layout.Database, r.layout.Table, err)
}

// Rows calls onRow with each row of the chunk in key order; the values are valid only until it returns.
func (r *Reader) Rows(ctx context.Context, chunk chunker.Chunk, onRow func([]server.Field) error) error {
	shape := chunk.Shape()
	if r.ranges[shape] == nil {
		statement, err := r.session.Prepare(ctx, r.selectWhere(r.layout.Key.Condition(shape)))
		if err != nil {
			return err
		}
		r.ranges[shape] = statement
	}
	return r.withoutMetadataLock(ctx, func() error {
		return r.ranges[shape].StreamFields(ctx, chunk.Arguments(), onRow)
	})
}

// withoutMetadataLock reads inside a savepoint and rolls back to it: that gives the table's metadata lock back,
// which the transaction would otherwise hold to its end, with every ALTER waiting behind it and every reader
// behind that. On MariaDB it works only while the session does not log to its binary log.
func (r *Reader) withoutMetadataLock(ctx context.Context, read func() error) error {
	if r.locks {
		return read()
	}
	if err := r.session.Exec(ctx, "SAVEPOINT trueup_chunk"); err != nil {
		return err
	}
	readErr := read()
	if readErr != nil && (ctx.Err() != nil || server.IsConnectionLost(readErr)) {
		return readErr // the connection is gone, and its locks with it
	}
	// A read that failed (1412: the table was altered) has the lock all the same.
	err := r.session.Exec(ctx, "ROLLBACK TO SAVEPOINT trueup_chunk")
	if readErr != nil {
		return readErr
	}
	return err
}

// Released reads something on the reader's session in such a way that the metadata locks it takes are given back.
func (r *Reader) Released(ctx context.Context, read func() error) error {
	return r.withoutMetadataLock(ctx, read)
}

// Hold runs do while both readers hold their table's metadata lock: until it returns, nobody can replace, alter or drop the table,
// and whoever wants to waits, with others behind him. Errors are those of the servers and of do.
func Hold(ctx context.Context, source, replica *Reader, do func() error) error {
	return source.hold(ctx, func() error { return replica.hold(ctx, do) })
}

func (r *Reader) hold(ctx context.Context, do func() error) error {
	if err := r.session.Exec(ctx, "SAVEPOINT trueup_hold"); err != nil {
		return err
	}
	doErr := r.session.Exec(ctx, "SELECT 1 FROM "+schema.QuoteTable(r.layout.Database, r.layout.Table)+" LIMIT 0")
	if doErr == nil {
		doErr = do()
	}
	if doErr != nil && (ctx.Err() != nil || server.IsConnectionLost(doErr)) {
		return doErr
	}
	err := r.session.Exec(ctx, "ROLLBACK TO SAVEPOINT trueup_hold")
	if doErr != nil {
		return doErr
	}
	return err
}

// rowByKey reads the row whose key the server takes for equal to the given one; nil when there is none. The
// returned encoding is that of the row's key columns. It runs inside withoutMetadataLock.
func (r *Reader) rowByKey(ctx context.Context, key []driver.Value) ([]byte, error) {
	statement, err := r.pointStatement(ctx, key)
	if err != nil {
		return nil, err
	}
	var found []byte
	err = statement.StreamFields(ctx, r.layout.Key.EqualsArguments(key), func(values []server.Field) error {
		encoded, err := r.encodeKey(nil, values)
		found = encoded
		return err
	})
	return found, err
}

// pointStatement is the statement that finds a key.
func (r *Reader) pointStatement(ctx context.Context, key []driver.Value) (*server.Statement, error) {
	point := &r.point
	noDay := r.layout.Key.HasNoDay(key)
	if noDay {
		point = &r.pointByText
	}
	if *point == nil {
		statement, err := r.session.Prepare(ctx, r.selectWhere(r.layout.Key.Equals(noDay)))
		if err != nil {
			return nil, err
		}
		*point = statement
	}
	return *point, nil
}

// encodeKey appends the canonical encoding of a row's key columns.
func (r *Reader) encodeKey(dst []byte, values []server.Field) ([]byte, error) {
	parts := len(r.layout.Key.Columns)
	return AppendRow(dst, r.layout.kinds[:parts], values[:parts])
}

// Close frees the reader's statements; its session stays.
func (r *Reader) Close() {
	for _, statement := range append(r.ranges[:], r.point, r.pointByText) {
		if statement != nil {
			_ = statement.Close()
		}
	}
}

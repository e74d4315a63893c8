package server

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Statement is a prepared statement on one Session, for reading rows as the binary protocol sends them. It is
// for one goroutine at a time and ends with its Session.
type Statement struct {
	session *Session
	query   string
	stmt    driver.Stmt
	dest    []driver.Value
	fields  []Field
	named   []driver.NamedValue
	decoder *rowDecoder // of the last result that was read from the wire
}

// Prepare prepares a query whose rows Stream will read.
func (s *Session) Prepare(ctx context.Context, query string) (*Statement, error) {
	if s.conn == nil {
		return nil, s.wrap(sql.ErrConnDone, query)
	}
	statement := &Statement{session: s, query: query}
	err := s.conn.Raw(func(connection any) error {
		preparer, ok := connection.(driver.ConnPrepareContext)
		if !ok {
			return errors.New("the driver's connection cannot prepare statements")
		}
		var err error
		statement.stmt, err = preparer.PrepareContext(ctx, query)
		return err
	})
	if err != nil {
		return nil, s.wrap(orEnd(ctx, err), query)
	}
	return statement, nil
}

// Stream runs the statement and calls onRow for each row, in the server's order. The values are those of the
// driver: nil, int64, float32, float64, or []byte (unsigned integers above 2^63-1, and everything else); they are
// valid only until onRow returns. An error of onRow ends the stream and is returned as it is. The driver is
// spoken to directly, without database/sql between: its bookkeeping costs half a second per million rows.
func (st *Statement) Stream(ctx context.Context, args []driver.Value, onRow func([]driver.Value) error) error {
	return st.run(ctx, args, func(rows driver.Rows) (callbackErr, err error) {
		return st.drain(rows, onRow)
	})
}

// StreamFields is Stream without an allocation for each value: where the connection is not encrypted, the rows are taken
// from the packets on the wire, before the driver boxes every value. The fields are valid only until onRow returns.
func (st *Statement) StreamFields(ctx context.Context, args []driver.Value, onRow func([]Field) error) error {
	boxed := func(rows driver.Rows) (callbackErr, err error) {
		return st.drain(rows, func(values []driver.Value) error {
			fields, err := st.fieldsOf(values)
			if err != nil {
				return err
			}
			return onRow(fields)
		})
	}
	w := st.session.wire
	if w == nil {
		return st.run(ctx, args, boxed)
	}
	if err := w.align(true); err != nil {
		return st.session.wrap(err, st.query)
	}
	defer w.shrink()
	defer func() {
		if w.align(false) != nil {
			_ = st.session.Close() // the stream broke off in the middle of a packet
		}
	}()
	return st.run(ctx, args, func(rows driver.Rows) (callbackErr, err error) {
		formats, known := formatsOf(rows)
		if !known {
			return boxed(rows)
		}
		if st.decoder == nil || !slices.Equal(st.decoder.formats, formats) { // an ALTER changes what a statement returns
			st.decoder = newRowDecoder(formats)
		}
		return st.drainWire(rows, w, onRow)
	})
}

// run executes the statement, lets read take its rows, and tells read's callback error from the driver's.
func (st *Statement) run(ctx context.Context, args []driver.Value, read func(driver.Rows) (callbackErr, err error)) error {
	if st.session.conn == nil {
		return st.session.wrap(sql.ErrConnDone, st.query)
	}
	st.named = st.named[:0]
	for i, arg := range args {
		st.named = append(st.named, driver.NamedValue{Ordinal: i + 1, Value: arg})
	}
	var callbackErr error
	err := st.session.conn.Raw(func(any) error {
		rows, err := st.stmt.(driver.StmtQueryContext).QueryContext(ctx, st.named)
		if err != nil {
			return err
		}
		if cap(st.dest) < len(rows.Columns()) {
			st.dest = make([]driver.Value, len(rows.Columns()))
		}
		st.dest = st.dest[:len(rows.Columns())]
		callbackErr, err = read(rows)
		return errors.Join(err, rows.Close())
	})
	if callbackErr != nil {
		return callbackErr
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	return st.session.wrap(err, st.query)
}

// namedBadConn gives a name to the driver's error of a connection that was lost before a prepared statement could be closed: it has one
// of its own for that, which it does not export and does not replace there (1.10.1).
func namedBadConn(err error) error {
	if err != nil && err.Error() == "bad connection" {
		return driver.ErrBadConn
	}
	return err
}

// drain hands every row to onRow and tells onRow's error from the driver's.
func (st *Statement) drain(rows driver.Rows, onRow func([]driver.Value) error) (callbackErr, err error) {
	for {
		switch err := rows.Next(st.dest); {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil, nil
		default:
			return nil, err
		}
		if err := onRow(st.dest); err != nil {
			return err, nil
		}
	}
}

func (st *Statement) fieldsOf(values []driver.Value) ([]Field, error) {
	st.fields = st.fields[:0]
	for _, value := range values {
		field, err := FieldOf(value)
		if err != nil {
			return nil, err
		}
		st.fields = append(st.fields, field)
	}
	return st.fields, nil
}

// rowPacket begins the payload of a row in the binary protocol; the packet that ends a result begins otherwise.
const rowPacket = 0x00

// drainWire takes the rows from the wire, and leaves the packet that ends them, a good end or an error, to the driver. After
// an error of onRow the remaining rows are read and dropped, so that the session can be used again.
func (st *Statement) drainWire(rows driver.Rows, w *wire, onRow func([]Field) error) (callbackErr, err error) {
	sequence := -1 // of the packet that the driver expects next
	for {
		p, err := w.peek()
		if err != nil {
			return callbackErr, err
		}
		if sequence < 0 {
			sequence = int(p.sequence)
		}
		if len(p.payload) == 0 || p.payload[0] != rowPacket {
			if err := w.giveBack(p, byte(sequence)); err != nil {
				return callbackErr, err
			}
			return callbackErr, st.end(rows)
		}
		if callbackErr == nil {
			var fields []Field
			if fields, callbackErr = st.decoder.decode(p.payload); callbackErr == nil {
				callbackErr = onRow(fields)
			}
		}
		w.take(p)
	}
}

// end lets the driver read the packet that ends a result.
func (st *Statement) end(rows driver.Rows) error {
	err := rows.Next(st.dest)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return errors.New("protocol error: the end of a result was read as a row")
	default:
		return err
	}
}

// Close frees the statement on the server. Closing the Session does too.
func (st *Statement) Close() error {
	if st.session.conn == nil {
		return nil
	}
	return st.session.wrap(st.session.conn.Raw(func(any) error { return namedBadConn(st.stmt.Close()) }), st.query)
}

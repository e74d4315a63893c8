package chunker

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"unicode/utf8"

	"trueup/schema"
	"trueup/server"
)

// Splitter yields the chunks of one table in key order. It is for one goroutine.
type Splitter struct {
	session *server.Session
	table   string // quoted
	key     Key
	sizer   *Sizer
	// offset[shape] finds the n-th key of what is left.
	offset [(HasLower | HasUpper) + 1]*server.Statement
	lower  []Value
	end    []Value // the last chunk's upper end
	index  int
	done   bool
}

// NewSplitter makes the splitter of a table. The session must be a reader session (stored bytes) that nobody else
// uses meanwhile; it needs no snapshot: bounds only divide, and whatever they are, the ranges cover every key.
func NewSplitter(session *server.Session, database, table string, key Key, sizer *Sizer) *Splitter {
	return &Splitter{session: session, table: schema.QuoteTable(database, table), key: key, sizer: sizer}
}

// NewRangeSplitter is NewSplitter for one range of a table.
func NewRangeSplitter(session *server.Session, database, table string, within Range, sizer *Sizer) *Splitter {
	splitter := NewSplitter(session, database, table, within.Key, sizer)
	splitter.lower, splitter.end = within.Lower, within.Upper
	return splitter
}

// GoOnIn makes the splitter go on in another session, from the last bound it found: the one it had was lost.
func (s *Splitter) GoOnIn(session *server.Session) {
	s.session = session
	clear(s.offset[:])
}

// Next returns the next chunk, or io.EOF after the last. After an error the splitter can go on in another session only.
func (s *Splitter) Next(ctx context.Context) (Chunk, error) {
	if s.done {
		return Chunk{}, io.EOF
	}
	upper, err := s.nextBound(ctx)
	if err != nil {
		return Chunk{}, fmt.Errorf("splitting %s by %s: %w", s.table, s.key.Name, err)
	}
	chunk := Chunk{Range: Range{Key: s.key, Lower: s.lower, Upper: upper}, Index: s.index}
	s.index++
	s.lower = upper
	// With a row at the very end of the range there is nothing left after it.
	if s.done = upper == nil || s.end != nil && equalValues(upper, s.end); s.done {
		chunk.Upper = s.end
	}
	return chunk, nil
}

// nextBound finds the key that ends the next chunk; nil when fewer rows are left than a chunk has.
func (s *Splitter) nextBound(ctx context.Context) ([]Value, error) {
	rows := s.sizer.Next()
	const tries, single = 20, 5
	for try := range tries {
		values, err := s.keyAt(ctx, rows-1)
		if err != nil || values == nil {
			return nil, err
		}
		if equalValues(values, s.lower) {
			return nil, &OrderError{Key: s.key.Name}
		}
		survives, err := s.survives(ctx, values)
		if err != nil || survives {
			return values, err
		}
		// Values that cannot be bounds come alone, or in crowds: one bad import, all rows of one prefix.
		rows += 1 << max(0, try-single)
	}
	// One range to the end is always right, only larger than wanted.
	return nil, nil
}

// OrderError is a server that found a bound above itself: it compares the key's values in another way than it orders them, or
// takes the bound for another value. Ranges of the key would overlap, or never end. Retrying is useless.
type OrderError struct{ Key string }

func (e *OrderError) Error() string {
	return fmt.Sprintf("the server does not compare the values of key %s as it orders them: they cannot bound ranges", e.Key)
}

// keyAt reads the key of the row that has that many rows between the current lower bound and itself.
func (s *Splitter) keyAt(ctx context.Context, skip int) ([]Value, error) {
	from := Range{Key: s.key, Lower: s.lower, Upper: s.end}
	statement, err := s.statement(ctx, from.Shape())
	if err != nil {
		return nil, err
	}
	var values []Value
	err = statement.Stream(ctx, append(from.Arguments(), int64(skip)), func(row []driver.Value) error {
		var err error
		values, err = s.key.NewValues(row)
		return err
	})
	return values, err
}

func (s *Splitter) statement(ctx context.Context, shape Shape) (*server.Statement, error) {
	if s.offset[shape] != nil {
		return s.offset[shape], nil
	}
	query := "SELECT " + s.key.boundList() + " FROM " + s.table + " FORCE INDEX (" + schema.QuoteIdentifier(s.key.Name) + ")"
	if condition := s.key.Condition(shape); condition != "" {
		query += " WHERE " + condition
	}
	query += " ORDER BY " + s.key.OrderList() + " LIMIT 1 OFFSET ?"
	statement, err := s.session.Prepare(ctx, query)
	s.offset[shape] = statement
	return statement, err
}

// survives tells whether the values reach the server as bounds unchanged. The server turns a bound that is no
// valid text of its character set into question marks and one that is no day of the calendar (a DATE stored under
// ALLOW_INVALID_DATES) into NULL, and a range that ends at NULL holds no row at all.
func (s *Splitter) survives(ctx context.Context, values []Value) (bool, error) {
	for i, column := range s.key.Columns {
		text, isBytes := values[i].raw.([]byte)
		if !isBytes || surelySurvives(column, text) {
			continue
		}
		same, err := s.roundTrip(ctx, column, text)
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// surelySurvives spares the usual values the way to the server and back.
func surelySurvives(column schema.Column, text []byte) bool {
	switch column.Kind {
	case schema.KindText:
		return asciiCompatible(column.Charset) && isASCII(text)
	case schema.KindDate, schema.KindDateTime, schema.KindTimestamp:
		return isDay(text)
	default:
		return true
	}
}

func (s *Splitter) roundTrip(ctx context.Context, column schema.Column, text []byte) (bool, error) {
	statement, err := s.session.Prepare(ctx, "SELECT CAST("+bound(column)+" AS BINARY)")
	if err != nil {
		return false, err
	}
	defer statement.Close()
	var same bool
	err = statement.Stream(ctx, []driver.Value{text}, func(row []driver.Value) error {
		back, isBytes := row[0].([]byte)
		same = isBytes && bytes.Equal(back, text)
		return nil
	})
	return same, err
}

func isASCII(text []byte) bool {
	for _, b := range text {
		if b >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// asciiCompatible tells whether ASCII bytes stand for themselves in a server character set, alone or in any order.
func asciiCompatible(charset string) bool {
	switch charset {
	case "ucs2", "utf16", "utf16le", "utf32":
		return false
	default:
		return true
	}
}

// Close frees the splitter's statements; its session stays.
func (s *Splitter) Close() {
	for _, statement := range s.offset {
		if statement != nil {
			_ = statement.Close()
		}
	}
}

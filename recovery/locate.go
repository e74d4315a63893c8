package recovery

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"trueup/checksum"
	"trueup/replication"
	"trueup/replication/binlog"
	"trueup/server"
)

// limits bound what is held of a failing transaction: what is beyond is counted only.
var limits = binlog.Limits{Rows: 200_000, Bytes: 256 << 20}

// mostSearched is how many transactions behind the applier's position are looked at for the failing one: with parallel workers, it is not
// always the first.
const mostSearched = 100_000

var (
	// errNotFound says that the log was read, and the failing transaction is not in it.
	errNotFound = errors.New("the failing transaction was not found in the log")
	// errAmbiguous says that the error's text fits several transactions of the log.
	errAmbiguous = errors.New("the error does not name the log file, and fits transactions of several")
)

// search looks for the failing transaction in a log.
type search struct {
	failing  replication.Failing
	flavor   server.Flavor
	executed replication.GTIDSet
	received replication.Position // by the replica
	byGTID   bool                 // the channel goes by GTIDs, and the replica does not say which failed: MariaDB
	named    *namedEvent
	passed   map[string]bool // MariaDB's domains of which the first transaction that was not executed is another one
	seen     int
	found    *binlog.Transaction
	fitting  fitting // found, and how many fit as well as it
	equally  int
}

// fitting is how well a transaction fits what an error says.
type fitting uint8

const (
	notAtAll fitting = iota
	spanning         // the event's end lies within it
	exactly          // an event of it ends there
)

// namedEvent is what an error's text says about the event.
type namedEvent struct {
	kind  binlog.Kind
	table string
}

// onTable is how servers name the event of an error: "Could not execute Write_rows_v1 event on table shop.orders; Duplicate entry …".
var onTable = regexp.MustCompile(`Could not execute (Write|Update|Delete)_rows\S* event on table ([^;]+);`)

func newSearch(failing replication.Failing, flavor server.Flavor, status replication.Status) (*search, error) {
	executed, err := replication.ParseGTIDSet(flavor, status.ExecutedGTID)
	s := &search{failing: failing, flavor: flavor, executed: executed, received: status.Received, passed: map[string]bool{}, byGTID: flavor == server.MariaDB && status.UsesGTID && status.Workers > 0}
	if parts := onTable.FindStringSubmatch(failing.Error.Message); parts != nil {
		s.named = &namedEvent{kind: map[string]binlog.Kind{"Write": binlog.Inserted, "Update": binlog.Updated, "Delete": binlog.Deleted}[parts[1]], table: parts[2]}
	}
	return s, err
}

// take looks at one transaction of the log.
func (s *search) take(t *binlog.Transaction) (more bool, err error) {
	s.seen++
	if s.inAnyFile() {
		return s.takeBest(t), nil
	}
	if s.isFailing(t) {
		s.found = t
		return false, nil
	}
	return s.seen < mostSearched, nil
}

// inAnyFile tells whether only the offset of the failing event is known for sure: the file that a parallel worker names may be the one before, and
// MySQL 5.6 often names none.
func (s *search) inAnyFile() bool {
	return s.failing.GTID == "" && !s.byGTID && !s.failing.EventEnd.IsZero() && !s.failing.EventFileSure
}

// takeBest looks at one of those among which a parallel worker can have failed. The first one is not better than the others: the position may be behind
// what the workers have executed. On MariaDB, which executes in order, it is.
func (s *search) takeBest(t *binlog.Transaction) (more bool) {
	if s.flavor == server.MySQL && s.received.File != "" && t.StartPosition().Compare(s.received) >= 0 {
		return false // and nobody can have failed at it
	}
	switch fits := s.fitOf(t); {
	case fits == notAtAll || fits < s.fitting:
	case fits == s.fitting:
		s.equally++
	default:
		s.found, s.fitting, s.equally = t, fits, 1
	}
	if s.found != nil && s.failing.Ahead > 0 {
		return s.seen < s.failing.Ahead
	}
	return s.seen < mostSearched && (s.found == nil || s.flavor == server.MySQL)
}

// result is the failing transaction, nil where it was not found, or where readErr, with which reading the log ended, left unread what may fit as well. The error is
// errAmbiguous.
func (s *search) result(readErr error) (*binlog.Transaction, error) {
	switch {
	case s.found == nil || !s.inAnyFile() || s.flavor == server.MariaDB:
		return s.found, nil
	case s.equally > 1:
		return nil, errAmbiguous
	case readErr != nil && !errors.Is(readErr, binlog.ErrEnd):
		return nil, nil
	}
	return s.found, nil
}

// isFailing tells whether a transaction is the one that failed.
func (s *search) isFailing(t *binlog.Transaction) bool {
	end := s.failing.EventEnd
	switch {
	case s.failing.GTID != "":
		return t.GTID == s.failing.GTID
	case s.byGTID && t.GTID != "":
		return s.isNext(t)
	case end.IsZero():
		return true
	}
	return t.File == end.File && t.Start < end.Offset && end.Offset <= t.End
}

// fitOf tells how well a transaction fits an error of which the file is not known for sure.
func (s *search) fitOf(t *binlog.Transaction) fitting {
	end := s.failing.EventEnd
	if fileBefore(t.File, end.File) || end.Offset <= t.Start || t.End < end.Offset || s.wasExecuted(t) {
		return notAtAll
	}
	isEnd := func(offset uint64) bool { return offset == end.Offset }
	exact := isEnd(t.End) || slices.ContainsFunc(t.Statements, func(statement binlog.Statement) bool { return isEnd(statement.End) })
	last, ofKind := t.Start, false
	for i := range t.Changes {
		c := &t.Changes[i]
		last = max(last, c.End)
		exact = exact || isEnd(c.End)
		ofKind = ofKind || s.isNamed(c) && (isEnd(c.End) || t.Compressed || s.flavor == server.MariaDB)
	}
	switch {
	case s.named != nil && !ofKind && !(t.Truncated && end.Offset > last):
		return notAtAll
	case exact:
		return exactly
	}
	return spanning
}

// wasExecuted tells whether the replica has a transaction among those that it has executed, by its GTID.
func (s *search) wasExecuted(t *binlog.Transaction) bool {
	if t.GTID == "" {
		return false
	}
	own, err := replication.ParseGTIDSet(s.flavor, t.GTID)
	return err == nil && s.flavor == server.MySQL && s.executed.Contains(own)
}

// fileBefore tells whether a log file comes before another; "" before all.
func fileBefore(file, other string) bool {
	return replication.Position{File: file}.Compare(replication.Position{File: other}) < 0
}

// isNext tells whether a transaction is the first of its domain that was not executed, and fits what the error says of it. The log's name
// in the text is that of whatever domain was read last (seen on 10.11), so that only the offset counts.
func (s *search) isNext(t *binlog.Transaction) bool {
	own, err := replication.ParseGTIDSet(s.flavor, t.GTID)
	domain, _, _ := strings.Cut(t.GTID, "-")
	if err != nil || s.executed.Contains(own) || s.passed[domain] {
		return false
	}
	s.passed[domain] = true
	end := s.failing.EventEnd.Offset
	return (end == 0 || t.Start < end && end <= t.End) && s.fits(t)
}

// fits tells whether a transaction has an event of the kind that the error names.
func (s *search) fits(t *binlog.Transaction) bool {
	if s.named == nil || t.Truncated {
		return true
	}
	for i := range t.Changes {
		if s.isNamed(&t.Changes[i]) {
			return true
		}
	}
	return false
}

// isNamed tells whether a change is of the kind and table that the error names: as the replica has the table, in another database where the channel
// rewrites names.
func (s *search) isNamed(c *binlog.Change) bool {
	return s.named != nil && c.Kind == s.named.kind && strings.HasSuffix(s.named.table, "."+c.Table.Name)
}

// locate reads the failing transaction, from the source's log or from the replica's relay log. from says which.
func (r *run) locate(ctx context.Context, failing replication.Failing, status replication.Status) (found *binlog.Transaction, from string, err error) {
	s, err := newSearch(failing, r.replica.Identity().Flavor, status)
	if err != nil {
		return nil, "", err
	}
	fromSource := r.noReach
	if r.source != nil {
		begin, err := r.beginning(ctx, s)
		if err != nil {
			return nil, "", err
		}
		fromSource = binlog.ReadFrom(ctx, r.source, begin, limits, s.take)
		if found, err := s.result(fromSource); found != nil || err != nil {
			return found, "source", err
		}
	}
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	if s, err = newSearch(failing, r.replica.Identity().Flavor, status); err != nil {
		return nil, "", err
	}
	fromRelay := r.readRelay(ctx, failing.Position, s.take)
	if found, err := s.result(fromRelay); found != nil || err != nil {
		return found, "relay log", err
	}
	return nil, "", fmt.Errorf("from the source: %w; from the replica's relay log: %w", orNotFound(fromSource), orNotFound(fromRelay))
}

func orNotFound(err error) error {
	if err == nil || errors.Is(err, binlog.ErrEnd) {
		return errNotFound
	}
	return err
}

// beginning is where in the source's log the search begins: at the applier's position, but where MariaDB executes several domains in parallel,
// whose position may lie behind a transaction that has not been executed. Then it is the newest file before which everything was.
func (r *run) beginning(ctx context.Context, s *search) (replication.Position, error) {
	at := s.failing.Position
	if !s.byGTID {
		return at, nil
	}
	session, err := r.source.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return at, err
	}
	defer session.Close()
	records, err := session.Records(ctx, "SHOW BINARY LOGS")
	if err != nil {
		if ctx.Err() == nil {
			r.warn("the source does not list its logs, so that only the applier's position is looked at: %v", err)
		}
		return at, ctx.Err()
	}
	for n := len(records) - 1; n >= 0; n-- {
		const firstEvent = 4
		file := replication.Position{File: records[n].Text("Log_name"), Offset: firstEvent}
		if file.Compare(at) > 0 {
			continue
		}
		before, err := replication.GTIDAt(ctx, session, file)
		if err != nil {
			return at, err
		}
		set, err := replication.ParseGTIDSet(server.MariaDB, before)
		if err != nil {
			return at, err
		}
		if n == 0 || s.executed.Contains(set) {
			return file, nil
		}
	}
	return at, nil
}

// imageLater finds a row of a table as it was before the first change of it that the source's log has behind the failing transaction: as it
// was then, too, where the transaction does not change it. nil: there is none in what was searched.
func (r *run) imageLater(ctx context.Context, f *failure, t *table, isIt func(checksum.Row) bool) (found checksum.Row, err error) {
	if r.source == nil {
		return nil, nil
	}
	seen := 0
	err = binlog.ReadFrom(ctx, r.source, f.transaction.EndPosition(), limits, func(later *binlog.Transaction) (more bool, err error) {
		for i := range later.Changes {
			c := &later.Changes[i]
			if c.Before == nil || c.Table.Database != t.name.Database || c.Table.Name != t.name.Table || !t.fits(c.Table) {
				continue
			}
			row, _, whole, err := t.row(c.Before)
			if err == nil && whole && isIt(row) {
				found = row
				return false, nil
			}
		}
		seen++
		return seen < mostSearched, nil
	})
	if errors.Is(err, binlog.ErrEnd) || found != nil {
		err = nil
	}
	return found, err
}

package binlog

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	library "github.com/go-mysql-org/go-mysql/replication"

	"trueup/server"
)

var (
	// errNoBegin is of an event that only stands inside a transaction.
	errNoBegin = errors.New("no transaction begins there")
)

// collector puts events together to transactions.
type collector struct {
	limits Limits
	// numbered is true where every transaction begins with an event of its GTID, or with one that says that it has none:
	// MySQL 5.7 and MariaDB 10.0, and newer ones.
	numbered bool

	current *Transaction
	inside  bool // behind BEGIN
	kept    int64
	tables  map[*library.TableMapEvent]*Table
	note    int // the statement that the next rows come from; -1: not known
}

// describe learns from a log's first event what wrote it.
func (c *collector) describe(format *library.FormatDescriptionEvent) {
	c.drop() // a source that went down, or a connection that was lost, in the middle of a transaction
	flavor, version, err := server.ParseVersion(format.ServerVersion)
	c.numbered = err == nil && (flavor == server.MariaDB || version.AtLeast(5, 7, 0))
}

func (c *collector) drop() { c.current, c.inside, c.tables, c.note = nil, false, nil, -1 }

// add takes the next event of a file. It returns the transaction that ends with it, if one does.
func (c *collector) add(file string, e *event) (*Transaction, error) {
	if opens(e) || c.current == nil {
		switch {
		case !isOfTransaction(e):
			return nil, nil
		case !opens(e) && (c.numbered || !mayOpen(e)):
			return nil, errNoBegin
		}
		c.drop()
		c.kept = 0
		c.current = &Transaction{File: file, Start: e.start, ServerID: e.header.ServerID, At: time.Unix(int64(e.header.Timestamp), 0).UTC()}
	}
	t := c.current
	t.End = e.end
	t.Size += int64(len(e.raw))
	ended, err := c.take(e)
	if err != nil || !ended {
		return nil, err
	}
	c.drop()
	return t, nil
}

// opens tells whether a transaction begins with the event: with its GTID, or with the word that it has none.
func opens(e *event) bool {
	return e.is(library.GTID_EVENT, library.ANONYMOUS_GTID_EVENT, library.GTID_TAGGED_LOG_EVENT, library.MARIADB_GTID_EVENT)
}

// isOfTransaction tells events that are of transactions from those that stand between them.
func isOfTransaction(e *event) bool {
	return opens(e) || mayOpen(e) || e.isInsert() || e.isUpdate() || e.isDelete() || e.is(library.TABLE_MAP_EVENT, library.XID_EVENT, library.XA_PREPARE_LOG_EVENT,
		library.EXECUTE_LOAD_QUERY_EVENT, library.ROWS_QUERY_EVENT, library.MARIADB_ANNOTATE_ROWS_EVENT, library.TRANSACTION_PAYLOAD_EVENT)
}

// mayOpen tells which events a transaction without a GTID begins with.
func mayOpen(e *event) bool {
	return e.is(library.QUERY_EVENT, library.INTVAR_EVENT, library.RAND_EVENT, library.USER_VAR_EVENT, library.BEGIN_LOAD_QUERY_EVENT, library.MARIADB_QUERY_COMPRESSED_EVENT)
}

// take puts an event into the current transaction and tells whether it was its last.
func (c *collector) take(e *event) (ended bool, err error) {
	if e.isCompressed() {
		c.current.Compressed = true
	}
	switch parsed := e.parsed.(type) {
	case *library.GTIDEvent:
		if e.is(library.GTID_EVENT) {
			c.current.GTID = mysqlGTID(parsed)
		}
	case *library.GtidTaggedLogEvent:
		c.current.GTID = mysqlGTID(&parsed.GTIDEvent)
	case *library.MariadbGTIDEvent:
		c.current.GTID = fmt.Sprintf("%d-%d-%d", parsed.GTID.DomainID, e.header.ServerID, parsed.GTID.SequenceNumber)
		c.inside = !parsed.IsStandalone()
		c.current.DDL = parsed.IsDDL()
	case *library.QueryEvent:
		return c.query(e, parsed), nil
	case *library.RowsQueryEvent:
		c.annotate(parsed.Query, e.end)
	case *library.MariadbAnnotateRowsEvent:
		c.annotate(parsed.Query, e.end)
	case *library.TableMapEvent:
		return false, c.tableMap(e, parsed)
	case *library.RowsEvent:
		return false, c.rows(e, parsed)
	case *library.XIDEvent:
		c.current.XID = true
		return true, nil
	default:
		return c.unparsed(e)
	}
	return false, nil
}

// unparsed takes the events that the library does not read, or not far enough.
func (c *collector) unparsed(e *event) (ended bool, err error) {
	switch {
	case e.is(library.XA_PREPARE_LOG_EVENT):
		c.current.XA = xidOf(e.payload())
		return true, nil
	case e.is(library.EXECUTE_LOAD_QUERY_EVENT):
		database, text, code, err := loadStatement(e.payload())
		c.say(Statement{Database: database, Text: text, ErrorCode: code, End: e.end})
		return !c.inside, err
	}
	return false, nil
}

func mysqlGTID(e *library.GTIDEvent) string {
	id := hex.EncodeToString(e.SID)
	if len(id) != 32 {
		return ""
	}
	gtid := id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
	if tag := e.Tag.String(); tag != "" {
		gtid += ":" + tag
	}
	return fmt.Sprintf("%s:%d", gtid, e.GNO)
}

// query takes a statement, or one of those that only say where a transaction begins and ends.
func (c *collector) query(e *event, query *library.QueryEvent) (ended bool) {
	t, text := c.current, string(query.Query)
	t.ThreadID = query.SlaveProxyID
	verb, xid, isXA := xaStatement(text)
	if isXA {
		t.XA = xid
	}
	switch {
	case text == "BEGIN", isXA && verb == "START":
		c.inside = true
		return false
	case isXA && verb == "END":
		return false
	case c.inside && (text == "COMMIT" || text == "ROLLBACK"):
		return true
	}
	c.say(Statement{Database: string(query.Schema), Text: text, ErrorCode: int(query.ErrorCode), End: e.end})
	if !c.inside && !isXA || strings.HasPrefix(text, "CREATE TABLE ") { // MySQL 8.0.21 and newer: with the rows of its SELECT
		t.DDL = true
	}
	return !c.inside || isXA
}

func (c *collector) annotate(text []byte, end uint64) {
	c.say(Statement{Text: string(text), Annotation: true, End: end})
	c.note = len(c.current.Statements) - 1
}

// say keeps a statement, and as much of its text as the limits allow.
func (c *collector) say(s Statement) {
	if left := max(0, c.limits.Bytes-c.kept); int64(len(s.Text)) > left {
		c.current.Truncated = true
		s.Text = s.Text[:left]
	}
	c.kept += int64(len(s.Text))
	c.current.Statements = append(c.current.Statements, s)
}

func (c *collector) tableMap(e *event, parsed *library.TableMapEvent) error {
	table, err := tableOf(parsed, e.payload())
	if err != nil {
		return err
	}
	if c.tables == nil {
		c.tables = map[*library.TableMapEvent]*Table{}
	}
	c.tables[parsed] = table
	return nil
}

// rows takes the rows of an event apart, as far as the limits let them be kept, and counts the others.
func (c *collector) rows(e *event, rows *library.RowsEvent) error {
	table := c.tables[rows.Table]
	if table == nil {
		return errNoBegin
	}
	if int(rows.ColumnCount) != len(table.Columns) {
		return fmt.Errorf("the rows of %s.%s have %d columns and the table %d", table.Database, table.Name, rows.ColumnCount, len(table.Columns))
	}
	kind := Updated
	switch {
	case e.isInsert():
		kind = Inserted
	case e.isDelete():
		kind = Deleted
	}
	first := image{table: table, columns: rows.ColumnBitmap1}
	second := image{table: table, columns: rows.ColumnBitmap2, partial: e.is(library.PARTIAL_UPDATE_ROWS_EVENT)}
	for rest := e.body; len(rest) > 0; {
		t, before := c.current, rest
		keep := !t.Truncated && len(t.Changes) < c.limits.Rows && c.kept <= c.limits.Bytes
		change := Change{Table: table, Kind: kind, Statement: c.note, End: e.end}
		var err error
		if change.Before, rest, err = first.read(rest, keep); err != nil {
			return fmt.Errorf("a row of %s.%s: %w", table.Database, table.Name, err)
		}
		switch kind {
		case Updated:
			if change.After, rest, err = second.read(rest, keep); err != nil {
				return fmt.Errorf("a row of %s.%s: %w", table.Database, table.Name, err)
			}
			complete(change.Before, change.After)
		case Inserted:
			change.Before, change.After = nil, change.Before
		}
		t.Rows++
		if !keep {
			t.Truncated = true
			continue
		}
		c.kept += int64(len(before) - len(rest))
		t.Changes = append(t.Changes, change)
	}
	if rows.Flags&library.RowsEventStmtEndFlag != 0 {
		c.tables, c.note = nil, -1
	}
	return nil
}

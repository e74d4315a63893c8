package syncpoint

import (
	"context"
	"fmt"
	"strings"
	"time"

	"trueup/server"
)

// A LOCK TABLES that waits for a long transaction keeps everybody off who comes to write after it. So where the server tells who
// holds the tables (MySQL since 8.0, with SELECT on performance_schema and PROCESS), such transactions are waited for before the
// lock is asked for, and before any applier is paused: that costs nobody anything.

// writer is a session that has written to a checked table in a transaction that is open for a while.
type writer struct {
	connection, user, host, table, seconds string
}

func (w writer) String() string {
	return fmt.Sprintf("connection %s (%s@%s) has held %s in an open transaction for %s seconds", w.connection, w.user, w.host, w.table, w.seconds)
}

// longWriters finds sessions whose open transactions have written to one of the tables; a transaction that is younger than a second
// or two is none. known is false where the server does not tell.
//
// MySQL manual, "The metadata_locks Table".
func longWriters(ctx context.Context, session *server.Session, tables []Table) (found []writer, known bool, err error) {
	identity := session.Server().Identity()
	if identity.Flavor != server.MySQL || !identity.Version.AtLeast(8, 0, 0) {
		return nil, false, nil
	}
	const query = `SELECT l.OBJECT_SCHEMA AS db, l.OBJECT_NAME AS tbl, t.PROCESSLIST_ID AS id, IFNULL(t.PROCESSLIST_USER, '') AS user, IFNULL(t.PROCESSLIST_HOST, '') AS host,
TIMESTAMPDIFF(SECOND, x.trx_started, NOW()) AS seconds
FROM performance_schema.metadata_locks l JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID
JOIN information_schema.INNODB_TRX x ON x.trx_mysql_thread_id = t.PROCESSLIST_ID
WHERE l.OBJECT_TYPE = 'TABLE' AND l.LOCK_STATUS = 'GRANTED' AND l.LOCK_TYPE NOT IN ('SHARED', 'SHARED_HIGH_PRIO', 'SHARED_READ', 'SHARED_READ_ONLY')
AND TIMESTAMPDIFF(SECOND, x.trx_started, NOW()) >= 2`
	records, err := session.Records(ctx, query)
	for try := 1; isUnreadable(err) && try < 5 && sleep(ctx, pollInterval) == nil; try++ {
		records, err = session.Records(ctx, query)
	}
	if server.IsAccessDenied(err) || isUnreadable(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("looking who writes to the checked tables: %w", err)
	}
	checked := make(map[Table]bool, len(tables))
	for _, table := range tables {
		checked[table] = true
	}
	for _, record := range records {
		table := Table{Database: record.Text("db"), Name: record.Text("tbl")}
		if checked[table] {
			found = append(found, writer{connection: record.Text("id"), user: record.Text("user"), host: record.Text("host"),
				table: table.Database + "." + table.Name, seconds: record.Text("seconds")})
		}
	}
	return found, true, nil
}

// isUnreadable tells whether INNODB_TRX could not be read for somebody else's statement: the server converts those of all
// transactions to utf8mb3, and fails (3854, seen on 9.7) while one of them holds an emoji. A moment later it may not.
func isUnreadable(err error) bool {
	number, _ := server.ErrorNumber(err)
	return number == 3854
}

// awaitWriters waits until no long transaction holds a table that is to be locked, for as long as locks may be waited for. What it
// does not see (replica's appliers have no connection of the kind, and transactions begin at any time) LOCK TABLES waits for.
func (o *opening) awaitWriters(ctx context.Context) error {
	if !o.willLock() {
		return nil
	}
	for deadline := time.Now().Add(o.options.LockTimeout); ; {
		lookCtx, cancel := shared(ctx)
		found, known, err := longWriters(lookCtx, o.control, o.options.Tables)
		cancel()
		if err != nil || !known || len(found) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: %w on the checked tables: it was not asked for, since it would have taken longer than %v (--lock-timeout) and kept writers off: %s; end it, wait, or leave the table out (--ignore-tables)",
				o.source.Address(), errNotGranted, o.options.LockTimeout, join(found))
		}
		if err := sleep(ctx, 5*lagInterval); err != nil {
			return err
		}
	}
}

func join(writers []writer) string {
	const most = 3
	var texts []string
	for _, w := range writers[:min(len(writers), most)] {
		texts = append(texts, w.String())
	}
	if len(writers) > most {
		texts = append(texts, fmt.Sprintf("and %d more", len(writers)-most))
	}
	return strings.Join(texts, "; ")
}

// willLock tells whether the point needs the checked tables to be locked.
func (o *opening) willLock() bool {
	if o.source.Identity().Flavor != server.MariaDB {
		return true
	}
	for i, s := range o.steppers {
		if o.point.failed[i] == nil && s.follows() {
			return true
		}
	}
	return false
}

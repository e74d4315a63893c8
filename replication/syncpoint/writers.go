package syncpoint

import (
	"context"
	"fmt"
	"strings"
	"time"

	"trueup/server"
)

// A LOCK TABLES that waits for a long transaction keeps everybody off who comes to write after it. So where the server tells who
// holds the tables (MySQL since 8.0, with SELECT on performance_schema), such transactions are waited for before the
// lock is asked for, and before any applier is paused: that costs nobody anything.

// writer is a session that has written to a checked table in a transaction that is open for a while.
type writer struct {
	connection, user, host, table, seconds string
}

func (w writer) String() string {
	return fmt.Sprintf("connection %s (%s@%s) has held %s in an open transaction for %s seconds", w.connection, w.user, w.host, w.table, w.seconds)
}

// longWriters finds sessions whose open transactions have written to one of the tables; a transaction that is younger than a second
// or two is none. It finds none where the server does not tell.
//
// information_schema.INNODB_TRX would tell the age as well, but fails where a running statement holds a character of four bytes (error
// 3854, seen on 9.7).
//
// MySQL manual, "The metadata_locks Table", "The events_transactions_current Table".
func longWriters(ctx context.Context, session *server.Session, tables []Table) (found []writer, err error) {
	identity := session.Server().Identity()
	if identity.Flavor != server.MySQL || !identity.Version.AtLeast(8, 0, 0) {
		return nil, nil
	}
	const query = `SELECT l.OBJECT_SCHEMA AS db, l.OBJECT_NAME AS tbl, t.PROCESSLIST_ID AS id, IFNULL(t.PROCESSLIST_USER, '') AS user, IFNULL(t.PROCESSLIST_HOST, '') AS host,
ROUND(x.TIMER_WAIT / 1e12) AS seconds
FROM performance_schema.metadata_locks l JOIN performance_schema.threads t ON t.THREAD_ID = l.OWNER_THREAD_ID
JOIN performance_schema.events_transactions_current x ON x.THREAD_ID = l.OWNER_THREAD_ID AND x.STATE = 'ACTIVE'
WHERE l.OBJECT_TYPE = 'TABLE' AND l.LOCK_STATUS = 'GRANTED' AND l.LOCK_TYPE NOT IN ('SHARED', 'SHARED_HIGH_PRIO', 'SHARED_READ', 'SHARED_READ_ONLY')
AND t.PROCESSLIST_ID IS NOT NULL AND x.TIMER_WAIT >= 2e12`
	records, err := session.Records(ctx, query)
	if err != nil && !server.IsConnectionLost(err) {
		return nil, nil // LOCK TABLES finds out; no look that fails may cost a check
	}
	if err != nil {
		return nil, fmt.Errorf("looking who writes to the checked tables: %w", err)
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
	return found, nil
}

// awaitWriters waits until no long transaction holds a table that is to be locked, for as long as locks may be waited for. What it
// does not see (replica's appliers have no connection of the kind, and transactions begin at any time) LOCK TABLES waits for.
func (o *opening) awaitWriters(ctx context.Context) error {
	if !o.willLock() {
		return nil
	}
	for deadline := time.Now().Add(o.options.LockTimeout); ; {
		lookCtx, cancel := shared(ctx)
		found, err := longWriters(lookCtx, o.control, o.options.Tables)
		cancel()
		if err != nil || len(found) == 0 {
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

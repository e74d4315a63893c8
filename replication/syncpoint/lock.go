package syncpoint

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"trueup/schema"
	"trueup/server"
)

// Table names a checked table; MySQL sources need to know which tables to lock.
type Table struct{ Database, Name string }

// tableLock is a read lock on tables of the source, in a session of its own.
type tableLock struct {
	mutex     sync.Mutex
	session   *server.Session
	since     time.Time     // when waiting for the lock began
	before    time.Duration // the longest of the tries that failed before
	released  bool
	heldSince time.Time
	holdMax   time.Duration
}

// lockTables locks tables for reading. lock_wait_timeout counts for each table anew, so the whole waiting has one deadline,
// at the end of which the statement is killed. If this process freezes while it holds the lock, the server ends the
// session, and with it the lock, after holdMax without a word (wait_timeout).
func lockTables(ctx context.Context, source *server.Server, tables []Table, timeout, holdMax time.Duration) (*tableLock, error) {
	session, err := source.Session(ctx, server.SessionOptions{WaitTimeout: holdMax, LockWaitTimeout: timeout})
	if err != nil {
		return nil, err
	}
	lock := &tableLock{session: session, since: time.Now(), holdMax: holdMax}
	if len(tables) == 0 {
		lock.heldSince = time.Now()
		return lock, nil
	}
	lockCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := session.Exec(lockCtx, lockStatement(tables, lockMode(source.Identity()))); err != nil {
		killCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
		killErr := source.Kill(killCtx, session.ID())
		lock.release()
		if lockCtx.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", errNotGranted, err)
		}
		if server.IsReadOnly(err) {
			err = fmt.Errorf("%w (before MySQL 5.7.5 the lock has to be a WRITE lock, for which a source with read_only=ON wants the privilege SUPER)", err)
		}
		return nil, joinKill(err, killErr)
	}
	lock.heldSince = time.Now()
	return lock, nil
}

func joinKill(err, killErr error) error {
	if killErr != nil {
		return fmt.Errorf("%w (ending the waiting session failed as well: %w)", err, killErr)
	}
	return err
}

// lockMode is the weakest lock that waits for open transactions which have written to a table. Before 5.7.5 READ waits for
// their statements only (WL#6671 made it a metadata lock): one that has written and not committed yet commits while the
// lock is held, and the snapshots then lie behind the position. The InnoDB lock of autocommit=0 is let go before a commit
// is visible. WRITE shuts out readers as well, and waits for transactions that have only read.
func lockMode(source server.Identity) string {
	if source.Flavor == server.MySQL && !source.Version.AtLeast(5, 7, 5) {
		return "WRITE"
	}
	return "READ"
}

func lockStatement(tables []Table, mode string) string {
	var statement strings.Builder
	statement.WriteString("LOCK TABLES ")
	for i, table := range tables {
		if i > 0 {
			statement.WriteString(", ")
		}
		statement.WriteString(schema.QuoteTable(table.Database, table.Name) + " " + mode)
	}
	return statement.String()
}

// proveHeld makes sure that the lock was held until now, gives it back, and returns how long writers may have waited. A
// session that the server ended meanwhile has lost the lock without a word; its next statement fails.
func (l *tableLock) proveHeld(ctx context.Context) (time.Duration, error) {
	if err := l.session.Exec(ctx, "UNLOCK TABLES"); err != nil {
		return 0, fmt.Errorf("the read lock on the checked tables was lost while the snapshots were opened (held for %v, at most %v): %w",
			time.Since(l.heldSince).Round(time.Millisecond), l.holdMax, err)
	}
	blocked := l.waited()
	l.release()
	return blocked, nil
}

// waited is how long writers may have waited until now.
func (l *tableLock) waited() time.Duration { return max(time.Since(l.since), l.before) }

// proveStillHeld makes sure that the lock was held until now, and keeps it. It may be called concurrently.
func (l *tableLock) proveStillHeld(ctx context.Context) error {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	ctx, cancel := shared(ctx) // one follower's deadline must not take the lock from the others
	defer cancel()
	if err := l.session.Exec(ctx, "DO 1"); err != nil {
		return fmt.Errorf("the read lock on the checked tables was lost (taken %v ago, held for at most %v): %w",
			time.Since(l.heldSince).Round(time.Millisecond), l.holdMax, err)
	}
	return nil
}

func (l *tableLock) release() {
	if !l.released {
		l.released = true
		_ = l.session.Close()
	}
}

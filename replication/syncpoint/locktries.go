package syncpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trueup/server"
)

// errNotGranted is a lock that was waited for to the end of a try.
var errNotGranted = errors.New("the lock was not granted")

// IsNotGranted tells whether a point failed because the checked tables could not be locked: somebody's long transaction holds one. It
// may be over at another time.
func IsNotGranted(err error) bool { return errors.Is(err, errNotGranted) }

// firstTry is how long the first try to lock waits, and each one after it twice as long.
const firstTry = 250 * time.Millisecond

// lockInTries is lockTables, given up and begun anew in between. On a MySQL source that is a replica itself LOCK TABLES of
// several tables and a parallel applier can wait for each other for ever (seen on 9.7): a transaction waits for a table that
// is locked already, and one that comes after it holds the last table and waits for the order of commits
// (replica_preserve_commit_order), which the server does not see as a deadlock. And whoever waits keeps the writers of
// the tables it has got: a short try lets them through.
func lockInTries(ctx context.Context, source *server.Server, tables []Table, timeout, holdMax time.Duration) (*tableLock, error) {
	began, longest := time.Now(), time.Duration(0)
	for try := firstTry; ; try *= 2 {
		left := timeout - time.Since(began)
		last := left <= 2*try
		if last {
			try = max(left, time.Millisecond)
		}
		started := time.Now()
		lock, err := lockTables(ctx, source, tables, try, holdMax)
		if err == nil {
			lock.before = longest
			return lock, nil
		}
		longest = max(longest, time.Since(started))
		if !errors.Is(err, errNotGranted) {
			return nil, err
		}
		if last {
			return nil, fmt.Errorf("%s: the read lock on the checked tables was not granted within %v (--lock-timeout): a long transaction writes to one of them: %w", source.Address(), timeout, err)
		}
	}
}

package syncpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"trueup/replication"
	"trueup/schema"
	"trueup/server"
)

// sourceReader is a read session on the source and the exact position of its snapshot.
type sourceReader struct {
	session  *server.Session
	position replication.Position
}

// ErrSourceSlow says that appliers were started again because the source did not do its part in time. Another try may do better.
var ErrSourceSlow = errors.New("no applier may stand for longer: look at the network between, and at the source's load")

// promptly bounds the source's part, for which appliers stand still: a source that became unreachable in it holds nobody for longer.
func (o *opening) promptly(ctx context.Context, do func(context.Context) error) error {
	const grace = 5 * time.Second
	limit := o.options.LockTimeout + o.options.LockHoldMax + grace
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := do(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%s: opening snapshots took longer than %v (%v): %w", o.source.Address(), limit, err, ErrSourceSlow)
	}
	return err
}

// openSourceSnapshots opens the workers' snapshots on the source and orders them by position. MariaDB tells each
// session the position of its snapshot, so nobody has to wait. MySQL does not: there the checked tables are locked for
// reading for the moment in which the position is read and the snapshots are opened. Where replicas are read under the lock, it is
// held until they are through.
// None is opened before the given position, the farthest at which an applier stands.
func (o *opening) openSourceSnapshots(ctx context.Context, notBefore replication.Position) error {
	if o.source.Identity().Flavor == server.MariaDB && !o.locking.follow {
		return o.openEachAtItsPosition(ctx, notBefore)
	}
	return o.openUnderLock(ctx, notBefore)
}

// openEachAtItsPosition opens the snapshots at once, learns their positions and orders them.
func (o *opening) openEachAtItsPosition(ctx context.Context, notBefore replication.Position) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for _, reader := range o.readers {
		group.Go(func() error { return reader.open(groupCtx, o.places, notBefore) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	slices.SortStableFunc(o.readers, func(a, b *sourceReader) int { return a.position.Compare(b.position) })
	return nil
}

// settleSource waits until snapshots on a MariaDB source are sound where it has just begun a new log file.
func (o *opening) settleSource(ctx context.Context) error {
	if o.source.Identity().Flavor != server.MariaDB {
		return nil
	}
	end, err := o.places.end(ctx)
	if err != nil {
		return err
	}
	settled, err := o.places.settle(ctx, end.File)
	if err == nil && !settled {
		o.options.Logger.Warn("the source's log does not say that the transactions of older files are committed; after waiting that is taken for granted",
			"source", o.source.Address(), "file", end.File, "waited", settleLimit)
	}
	return err
}

// openLimit bounds waiting for a sound snapshot that lies not before the replicas. A replica can be ahead of what is
// visible on its source: a source with semi-synchronous replication waits for one between log and engine.
const openLimit = 3 * time.Second

// open opens the snapshot: again and again while it is not sound, or lies before a place where an applier stands. A
// replica that stays ahead for longer than openLimit will be refused, since nothing steps it backwards.
func (r *sourceReader) open(ctx context.Context, places *places, notBefore replication.Position) error {
	for started := time.Now(); ; {
		if err := r.session.Exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
			return err
		}
		position, err := places.snapshotPosition(ctx, r.session)
		if err != nil {
			return err
		}
		sound := false
		if r.position, sound, err = places.trust(ctx, position); err != nil {
			return err
		}
		late := time.Since(started) > openLimit
		if sound && (late || r.position.Compare(notBefore) >= 0) {
			return nil
		}
		if sound {
			if same, err := places.same(ctx, r.position, notBefore); err == nil && same {
				return nil
			}
		}
		if late {
			return fmt.Errorf("%s: the log was rotated and the transactions before that did not become visible within %v (snapshot at %s); try again",
				r.session.Server().Address(), openLimit, position)
		}
		if err := r.session.Exec(ctx, "ROLLBACK"); err != nil {
			return err
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
}

// existing are the tables to lock that the source still has.
func (o *opening) existing(ctx context.Context) ([]Table, error) {
	var left []Table
	for _, table := range o.options.Tables {
		err := o.control.Exec(ctx, "SELECT 1 FROM "+schema.QuoteTable(table.Database, table.Name)+" LIMIT 0")
		switch {
		case err == nil:
			left = append(left, table)
		case !server.IsNoSuchTable(err):
			return nil, err
		}
	}
	return left, nil
}

// lock locks the checked tables.
func (o *opening) lock(ctx context.Context) (*tableLock, error) {
	o.options.Logger.Debug("the checked tables are about to be locked", "source", o.source.Address())
	lock, err := lockInTries(ctx, o.source, o.options.Tables, o.options.LockTimeout, o.options.LockHoldMax)
	if server.IsNoSuchTable(err) {
		// A table was dropped or renamed since it was listed; whoever reads it will say so.
		var left []Table
		if left, err = o.existing(ctx); err == nil {
			lock, err = lockInTries(ctx, o.source, left, o.options.LockTimeout, o.options.LockHoldMax)
		}
	}
	return lock, err
}

// openUnderLock opens the snapshots while nothing can be committed to the checked tables.
func (o *opening) openUnderLock(ctx context.Context, notBefore replication.Position) error {
	lock, err := o.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.release()
	if o.locking.follow {
		if err := o.refusePrepared(ctx); err != nil {
			return err
		}
	}
	position, err := o.places.end(ctx)
	if err != nil {
		return err
	}
	if o.source.Identity().Flavor == server.MariaDB && o.locking.pause {
		err = o.openEachAtItsPosition(ctx, notBefore) // for those that are stepped the other tables count too
	} else {
		err = o.openAllAt(ctx, position)
	}
	if err == nil {
		err = o.noteExecuted(ctx)
	}
	if err != nil {
		return err
	}
	if o.locking.follow {
		return o.letFollow(ctx, position, lock)
	}
	o.blocked, err = lock.proveHeld(ctx)
	return err
}

// letFollow holds the lock, under which the source's snapshots are open, until the followers are through. Each of them proves for
// itself that it was held: one that is late costs the others nothing.
func (o *opening) letFollow(ctx context.Context, position replication.Position, lock *tableLock) error {
	if err := lock.proveStillHeld(ctx); err != nil {
		return err
	}
	o.locking.let(position, lock)
	<-o.locking.followed
	blocked, err := lock.proveHeld(ctx)
	if err != nil {
		o.options.Logger.Info("the lock was lost before it was given back", "source", o.source.Address(), "error", err)
		blocked = lock.waited()
	}
	o.blocked = blocked
	return nil
}

// openAllAt opens the snapshots at one position, at which the tables are locked.
func (o *opening) openAllAt(ctx context.Context, position replication.Position) error {
	group, groupCtx := errgroup.WithContext(ctx)
	for _, reader := range o.readers {
		group.Go(func() error {
			reader.position = position
			return reader.session.Exec(groupCtx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
		})
	}
	return group.Wait()
}

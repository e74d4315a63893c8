package check

import (
	"context"
	"slices"
	"time"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// chooseStrategies finds out, under Auto, what each replica allows: a sync point is made and closed again, and a replica that is
// kept out of it by how it is read is tried with the next strategy. Where one changes, plan is called anew.
func (r *run) chooseStrategies(ctx context.Context, plan func()) error {
	if r.request.Sync != Auto {
		return nil
	}
	changed := r.chooseByRights()
	const mostTries = 12
	deadline := time.Now().Add(r.request.SyncTimeout)
	for try := 1; try <= mostTries && r.anySynced(); try++ {
		point, _, err := r.tryPoint(ctx, 1)
		switch {
		case err == nil:
		case ctx.Err() == nil && passesAtSource(err) && time.Now().Before(deadline):
			if err := pauseFor(ctx, time.Second); err != nil {
				return err
			}
			try--
			continue
		case ctx.Err() != nil || passesAtSource(err) || !r.allFallBack(err):
			return err
		default:
			changed = true
			continue
		}
		again := r.fallBackFrom(point, try)
		_ = point.Close()
		if !again {
			break
		}
		changed = true
	}
	if changed {
		plan()
	}
	return nil
}

func (r *run) anySynced() bool { return r.uses(Until) || r.uses(Lock) }

// chooseByRights leaves out what the account on the source may not do.
func (r *run) chooseByRights() (changed bool) {
	if r.withoutLock == "" {
		return false
	}
	for _, m := range r.members {
		needsLock := m.strategy == Lock || m.strategy == Until && r.source.Identity().Flavor == server.MySQL
		if r.isUsable(m) && needsLock {
			changed = r.fallBack(m, Recheck, r.withoutLock) || changed
		}
	}
	return changed
}

// allFallBack gives up sync points where the source does not allow them: the tables could not be locked, for example.
func (r *run) allFallBack(err error) (changed bool) {
	for _, m := range r.members {
		if r.isUsable(m) && m.strategy.isSynced() {
			changed = r.fallBack(m, Recheck, err.Error()) || changed
		}
	}
	return changed
}

// fallBackFrom gives the replicas that a point left out the next strategy, where another one may help. What may pass gets two more
// tries first.
func (r *run) fallBackFrom(point *syncpoint.Point, try int) (again bool) {
	const patience = 3
	for i, m := range r.members {
		failed := point.Failed(i)
		if failed == nil || failed.Code == syncpoint.LeftOut || !r.isUsable(m) {
			continue
		}
		switch {
		case failed.MayPass() && try < patience:
			again = true
		case dependsOnStrategy(m.strategy, failed.Code):
			again = r.fallBack(m, m.strategy.fallback(), failed.Error()) || again
		}
	}
	return again
}

// dependsOnStrategy tells whether a replica may be read in another way than the one that failed.
func dependsOnStrategy(strategy Strategy, code syncpoint.Code) bool {
	codes := []syncpoint.Code{syncpoint.CannotPause, syncpoint.NotExact, syncpoint.ReplicaWrites, syncpoint.UpstreamOut, syncpoint.JournalUnwritable}
	return slices.Contains(codes, code) || strategy == Lock && code == syncpoint.Lagging
}

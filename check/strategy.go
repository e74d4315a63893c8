package check

import (
	"fmt"
	"slices"

	"trueup/replication/syncpoint"
)

// Strategy is how source and replicas are read so that what differs is a difference.
type Strategy string

const (
	// Until stops each replica's applier exactly at a position of the source for the moment in which snapshots are opened.
	Until = Strategy(syncpoint.Until)
	// Lock locks the checked tables on the source until the replicas have come so far and have opened their snapshots. No applier
	// is stopped; writers wait out the lag.
	Lock = Strategy(syncpoint.Lock)
	// Recheck controls nothing: what differs is read again once the replica has passed the source's position, until it is proven
	// or has gone.
	Recheck Strategy = "recheck"
	// None reads both sides as they are. It is right where nothing is written, and needs no replication.
	None Strategy = "none"
	// Auto is the first of Until, Lock and Recheck that a replica allows.
	Auto Strategy = "auto"
)

// Strategies lists them all.
func Strategies() []Strategy { return []Strategy{Until, Lock, Recheck, None, Auto} }

func (s Strategy) validate() error {
	if slices.Contains(Strategies(), s) {
		return nil
	}
	return fmt.Errorf("sync %q: until, lock, recheck, none or auto", s)
}

// isSynced tells whether rows are read in snapshots of a sync point.
func (s Strategy) isSynced() bool { return s == Until || s == Lock }

// first is what a replica is tried with.
func (s Strategy) first() Strategy {
	if s == Auto {
		return Until
	}
	return s
}

// fallback is what comes after a strategy that a replica does not allow, under Auto; "" when there is nothing.
func (s Strategy) fallback() Strategy {
	switch s {
	case Until:
		return Lock
	case Lock:
		return Recheck
	default:
		return ""
	}
}

// fallBack gives a replica the next strategy where the check may choose (Auto); false when it may not.
func (r *run) fallBack(m *member, to Strategy, why string) bool {
	if r.request.Sync != Auto || to == "" {
		return false
	}
	r.warn("%s: --sync %s is not possible, %s is used: %s", m.address, m.strategy, to, why)
	m.strategy, m.result.Strategy = to, to
	return true
}

// strategies are the ways in which the replicas in question are read.
func (r *run) uses(strategy Strategy) bool {
	return slices.ContainsFunc(r.members, func(m *member) bool { return m.strategy == strategy && r.isUsable(m) })
}

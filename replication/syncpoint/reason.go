package syncpoint

import (
	"fmt"

	"trueup/server"
)

// Code is why a replica cannot be read at a synced position. Codes are part of the JSON contract.
type Code string

// The reason codes of this package.
const (
	ApplierStopped  Code = "applier_stopped"  // it was stopped before we came; we do not start what others stopped
	ApplierError    Code = "applier_error"    // stopped by an error
	ReceiverStopped Code = "receiver_stopped" // nothing arrives from the source
	ReceiverError   Code = "receiver_error"   // the receiver cannot read from the source
	Lagging         Code = "lagging"          // did not catch up within the sync timeout
	Delayed         Code = "delayed"          // MASTER_DELAY beyond the sync timeout
	NotExact        Code = "position_not_exact"
	OtherHistory    Code = "other_history"         // at the same position the GTIDs differ: replica of another source
	CannotPause     Code = "cannot_pause"          // stopping or starting the applier was refused or did not end in time
	NotRestarted    Code = "applier_not_restarted" // ours to start, and it did not
	ReplicaLost     Code = "connection_lost"
	ForeignUntil    Code = "until_set_by_others" // somebody else runs the applier with UNTIL
	LeftOut         Code = "left_out"            // the caller gave no server for it
	SnapshotRefused Code = "snapshot_refused"
	Busy            Code = "applier_busy"        // a long transaction or statement did not end in time
	IdentityChanged Code = "identity_changed"    // another server answers at the address now
	AccessDenied    Code = "access_denied"       // the account is not let in any more
	UpstreamOut     Code = "upstream_unverified" // the replica from which it replicates is not part of the point
	ReplicaWrites   Code = "replica_writes"      // dual masters: it has transactions of its own that the source may lack

	JournalUnwritable Code = "journal_not_written" // so nothing was stopped
	PauseLeftOpen     Code = "pause_left_open"     // a run that died has stopped it, and it stands
)

// Unverifiable is why one replica is not part of a point. It is a result, not a failure of the run.
type Unverifiable struct {
	Address string
	Code    Code
	Reason  string // what was seen, and what a person can do
	Err     error  // may be nil
}

func (u *Unverifiable) Error() string {
	if u.Err != nil {
		return fmt.Sprintf("%s: %s: %v", u.Address, u.Reason, u.Err)
	}
	return fmt.Sprintf("%s: %s", u.Address, u.Reason)
}

// MayPass tells whether a new point may have the replica: what kept it out was of the moment. What needs a person, or took the
// whole timeout already, does not pass; an applier that could not be started again is never stopped once more.
func (u *Unverifiable) MayPass() bool {
	switch u.Code {
	case ReplicaLost, NotExact:
		return true
	case CannotPause:
		return !server.IsAccessDenied(u.Err) && !server.IsSyntaxError(u.Err)
	default:
		return false
	}
}

// Unwrap returns the server's error, if one was behind it.
func (u *Unverifiable) Unwrap() error { return u.Err }

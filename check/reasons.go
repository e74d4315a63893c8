package check

import "trueup/replication/syncpoint"

// The reason codes of replicas and tables, as JSON shows them. The codes of package syncpoint are used as well.
// docs/reasons.md explains each; a test keeps it complete.
const (
	// Of replicas.
	ReasonUnreachable      = "unreachable"
	ReasonAccessDenied     = string(syncpoint.AccessDenied)
	ReasonMissingPrivilege = "missing_privilege"
	ReasonNotFound         = "replica_not_found"
	ReasonNotAReplica      = "not_a_replica"
	ReasonOtherSource      = "replicates_from_another_source"
	ReasonServerType       = "server_not_supported"
	ReasonIdentityChanged  = string(syncpoint.IdentityChanged)
	ReasonNothing          = "nothing_compared"
	ReasonNoUpdates        = "upstream_logs_no_updates"
	ReasonCluster          = "cluster_member"
	ReasonLagUnknown       = "lag_unknown"
	ReasonConnectionLost   = string(syncpoint.ReplicaLost)

	// Of tables.
	ReasonInterrupted      = "interrupted"
	ReasonMaxDuration      = "max_duration"
	ReasonNotReached       = "not_reached"
	ReasonReplicaUnusable  = "replica_unverified"
	ReasonNoColumns        = "no_comparable_column"
	ReasonNonTransactional = "not_transactional"
	ReasonTableBroken      = "table_cannot_be_opened"
	ReasonTableMissing     = "table_missing"
	ReasonTableExtra       = "table_extra"
	ReasonDefinition       = "definition_differs"
	ReasonView             = "view"
	ReasonSequence         = "sequence"
	ReasonExcluded         = "excluded"
	ReasonNotReplicated    = "not_replicated"
	ReasonTableChanged     = "table_changed"
	ReasonTableLocked      = "table_locked"
	ReasonReadError        = "read_error"
	ReasonUnconfirmed      = "digest_not_confirmed"
	ReasonCoverage         = "coverage_not_proven"
	ReasonKeepsChanging    = "keeps_changing"
)

// AllReasons lists every reason code, in the order of docs/reasons.md.
func AllReasons() []string {
	return []string{
		ReasonUnreachable, ReasonAccessDenied, ReasonMissingPrivilege, ReasonNotFound, ReasonNotAReplica, ReasonOtherSource,
		ReasonServerType, ReasonIdentityChanged, ReasonConnectionLost, ReasonNothing,
		string(syncpoint.ApplierStopped), string(syncpoint.ApplierError), string(syncpoint.ReceiverStopped),
		string(syncpoint.ReceiverError), string(syncpoint.Lagging), ReasonLagUnknown, string(syncpoint.Delayed), string(syncpoint.Busy), string(syncpoint.NotExact),
		string(syncpoint.OtherHistory), string(syncpoint.CannotPause), string(syncpoint.NotRestarted),
		string(syncpoint.ForeignUntil), string(syncpoint.SnapshotRefused),
		string(syncpoint.UpstreamOut), ReasonNoUpdates, string(syncpoint.ReplicaWrites), ReasonCluster,
		string(syncpoint.JournalUnwritable), string(syncpoint.PauseLeftOpen),
		ReasonInterrupted, ReasonMaxDuration, ReasonNotReached, ReasonReplicaUnusable, ReasonNoColumns, ReasonNonTransactional,
		ReasonTableBroken, ReasonTableMissing, ReasonTableExtra, ReasonDefinition, ReasonView, ReasonSequence, ReasonExcluded,
		ReasonNotReplicated, ReasonTableChanged, ReasonTableLocked, ReasonReadError, ReasonUnconfirmed, ReasonCoverage, ReasonKeepsChanging,
	}
}

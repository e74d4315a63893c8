package report

// reasonText explains one reason code.
type reasonText struct {
	meaning string // what it says of the replica or table
	advice  string // what a person can do; empty where there is nothing to do
}

// reasonTexts explains every code of check.AllReasons; docs/reasons.md is this table.
var reasonTexts = map[string]reasonText{
	"unreachable":                    {"no connection to the replica", "check address, port, firewall and that the server runs; then check again"},
	"access_denied":                  {"the replica refused the login", "check user, password and the host the account is allowed from"},
	"missing_privilege":              {"the account lacks a privilege on the replica", "run the GRANT that the reason names"},
	"replica_not_found":              {"a registered replica could not be found at any address", "name it with --replica"},
	"not_a_replica":                  {"the server does not replicate at all", "take it out of --replica, or set replication up"},
	"replicates_from_another_source": {"the server replicates, but not from this source", "name its own source with --source"},
	"server_not_supported":           {"a server of this type or version cannot be paused or read safely", "see the list of supported servers"},
	"identity_changed":               {"the address led to another server during the run", "give the address of one server, not of a proxy or a reader endpoint"},
	"connection_lost":                {"the connection broke during the run, or nothing came over it any more (see \"When a connection goes silent\" in servers.md)", "look into the server's error log, and at firewalls and proxies between; then check again"},
	"nothing_compared":               {"there was no table to compare with it", "look at what the filters leave, and at what the account may see"},
	"applier_stopped":                {"its applier was stopped before the check began; it was left as it was", "find out who stopped it and why, start it, then check again"},
	"applier_error":                  {"its applier was stopped by an error", "resolve the error that the reason quotes, then check again"},
	"receiver_stopped":               {"its receiver is stopped: nothing arrives from the source", "start the receiver, then check again"},
	"receiver_error":                 {"its receiver cannot read from the source", "resolve the error that the reason quotes, then check again"},
	"lagging":                        {"it did not catch up in time", "wait until it has caught up, or raise --sync-timeout"},
	"lag_unknown":                    {"how far it lags, or its load, could not be read for the whole of --sync-timeout", "see the error that the reason quotes; without --max-lag and --max-load nobody asks"},
	"applier_busy":                   {"its applier was in the middle of a long transaction or statement for as long as the check waits", "check again when that has ended, or raise --sync-timeout"},
	"delayed":                        {"it is delayed on purpose, by more than the check waits", "raise --sync-timeout above the delay"},
	"position_not_exact":             {"it could not be held exactly at the source's position", "check again; if it stays so, look at who else stops and starts its applier"},
	"other_history":                  {"at the same position it has executed other transactions", "make sure that it is a replica of this source"},
	"cannot_pause":                   {"its applier could not be stopped or started in time", "look for a long transaction or statement in the applier, then check again"},
	"applier_not_restarted":          {"its applier was stopped for the check and did not start again", "start it now (START REPLICA SQL_THREAD, on MariaDB START SLAVE SQL_THREAD)"},
	"until_set_by_others":            {"somebody else runs its applier up to a position of theirs", "wait until they are done, then check again"},
	"snapshot_refused":               {"it refused a consistent snapshot", "see the error that the reason quotes"},
	"upstream_unverified":            {"the replica it replicates from could not be brought to the sync position", "see that replica's own reason"},
	"upstream_logs_no_updates":       {"the replica it replicates from does not pass the source's changes on", "set log_slave_updates (MySQL: log_replica_updates) there, or compare it with --source on that replica"},
	"replica_writes":                 {"dual masters: it was written to directly, and the source had not applied all of that yet", "check again with --sync recheck, or while nobody writes to it"},
	"cluster_member":                 {"it is a member of a Galera cluster or a replication group: there is no channel to pause, or pausing it would hold up the cluster", "check it with --sync recheck"},
	"journal_not_written":            {"the journal that has to name a pause before it begins could not be written, so its applier was not stopped", "make room or give the right to write, or choose another folder with --state-dir; then check again"},
	"pause_left_open":                {"a check that was killed stopped its applier, and it still stands", "if nobody stopped it on purpose since, run the statement that the reason names; then check again"},
	"interrupted":                    {"the check was interrupted before", "check again"},
	"max_duration":                   {"the time of --max-duration was over before all of it was compared", "check again, with more time or fewer tables"},
	"not_reached":                    {"the check ended before it came to this", "check again, with more time or fewer tables"},
	"replica_unverified":             {"the whole replica could not be compared", "see the replica's own reason"},
	"no_comparable_column":           {"no column of it can be compared by value", "make the definitions equal, then check again"},
	"not_transactional":              {"the table's engine has no snapshots, so both sides cannot be read at one position", "convert it to InnoDB"},
	"table_cannot_be_opened":         {"the server cannot open the table", "look at CHECK TABLE and the server's error log"},
	"table_missing":                  {"the table is on the source only", "create it on the replica, or ignore it with --ignore-tables"},
	"table_extra":                    {"the table is on the replica only", "drop it there, or ignore it with --ignore-tables"},
	"definition_differs":             {"the definitions differ so much that rows cannot be compared", "make the definitions equal (see the schema differences)"},
	"view":                           {"a view holds no rows of its own", ""},
	"sequence":                       {"a sequence's state is not compared", ""},
	"excluded":                       {"filters exclude it", ""},
	"not_replicated":                 {"replication filters keep it from the replica", ""},
	"table_changed":                  {"the table was altered or replaced while it was read", "check it again when the change is over"},
	"table_locked":                   {"the table was locked and the lock did not go away in time", "check it again when the ALTER or the locking session is over"},
	"read_error":                     {"reading its rows failed", "see the error that the reason quotes, then check again"},
	"digest_not_confirmed":           {"digests differed, yet reading the rows again showed no difference", "check the table again"},
	"keeps_changing":                 {"--sync recheck: rows differed, and changed every time they were read again", "check again when less is written, or with --sync until or lock"},
	"coverage_not_proven":            {"not every row can be shown to have been read", "check the table again; if it stays so, please report it"},
}

// adviceFor says what a person can do about a reason code; empty for none.
func adviceFor(code string) string { return reasonTexts[code].advice }

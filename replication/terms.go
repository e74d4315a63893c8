package replication

import (
	"fmt"
	"strings"

	"trueup/server"
)

// terms chooses the words of replication statements for one server. MySQL renamed them release by release and
// removed the old forms in 8.4; MariaDB keeps SLAVE and MASTER.
type terms struct {
	flavor  server.Flavor
	version server.Version
}

func termsOf(identity server.Identity) terms {
	return terms{flavor: identity.Flavor, version: identity.Version}
}

// mysqlFrom tells whether this is a MySQL of that release or a later one.
func (t terms) mysqlFrom(major, minor, patch int) bool {
	return t.flavor == server.MySQL && t.version.AtLeast(major, minor, patch)
}

// replica is REPLICA or SLAVE (MySQL 8.0.22 release notes).
func (t terms) replica() string {
	if t.mysqlFrom(8, 0, 22) {
		return "REPLICA"
	}
	return "SLAVE"
}

// source is the prefix of UNTIL's options: SOURCE since MySQL 8.0.23, a release later than REPLICA.
func (t terms) source() string {
	if t.mysqlFrom(8, 0, 23) {
		return "SOURCE"
	}
	return "MASTER"
}

func (t terms) showStatuses() string {
	if t.flavor == server.MariaDB {
		return "SHOW ALL SLAVES STATUS"
	}
	return "SHOW " + t.replica() + " STATUS"
}

func (t terms) showSourcePosition() string {
	if t.mysqlFrom(8, 2, 0) {
		return "SHOW BINARY LOG STATUS"
	}
	return "SHOW MASTER STATUS"
}

func (t terms) showReplicas() string {
	if t.mysqlFrom(8, 0, 22) {
		return "SHOW REPLICAS"
	}
	return "SHOW SLAVE HOSTS"
}

// The channel is always named, the default one too: without a name MySQL acts on every channel, and MariaDB on
// whatever @@default_master_connection says.

// selectApplierGlobals: a SELECT of variables costs a tenth of SHOW VARIABLES, and an applier is waited for with it.
func (t terms) selectApplierGlobals() string {
	switch {
	case t.flavor == server.MariaDB:
		return "SELECT @@GLOBAL.slave_parallel_threads AS workers, @@GLOBAL.gtid_slave_pos AS gtid, @@GLOBAL.replicate_events_marked_for_skip AS marked, @@GLOBAL.lower_case_table_names AS folds"
	case t.mysqlFrom(8, 0, 26):
		return "SELECT @@GLOBAL.replica_parallel_workers AS workers, '' AS gtid, @@GLOBAL.sql_replica_skip_counter AS counter, @@GLOBAL.lower_case_table_names AS folds"
	default:
		return "SELECT @@GLOBAL.slave_parallel_workers AS workers, '' AS gtid, @@GLOBAL.sql_slave_skip_counter AS counter, @@GLOBAL.lower_case_table_names AS folds"
	}
}

func (t terms) startApplier(channel string) string { return t.act("START", channel, applier) }

func (t terms) stopApplier(channel string) string { return t.act("STOP", channel, applier) }

func (t terms) startReceiver(channel string) string { return t.act("START", channel, "IO_THREAD") }

func (t terms) startApplierUntil(channel string, until Position) string {
	return t.act("START", channel, applier+fmt.Sprintf(" UNTIL %s_LOG_FILE = %s, %s_LOG_POS = %d",
		t.source(), quote(until.File), t.source(), until.Offset))
}

// startApplierAfterGaps starts the applier for what lies before transactions that parallel workers have executed ahead of others.
func (t terms) startApplierAfterGaps(channel string) string {
	return t.act("START", channel, applier+" UNTIL SQL_AFTER_MTS_GAPS")
}

// Receiver and applier together; MariaDB only.

func (t terms) startChannel(channel string) string { return "START SLAVE " + quote(channel) }

func (t terms) stopChannel(channel string) string { return "STOP SLAVE " + quote(channel) }

// skipCounter is the variable that makes the applier that is started next pass over event groups (MySQL 8.0.26 release notes).
func (t terms) skipCounter() string {
	if t.mysqlFrom(8, 0, 26) {
		return "sql_replica_skip_counter"
	}
	return "sql_slave_skip_counter"
}

// applier is the servers' word for the thread that a statement is about.
const applier = "SQL_THREAD"

// act starts or stops one thread of a channel; what is the thread, and what else stands there.
func (t terms) act(verb, channel, what string) string {
	if t.flavor == server.MariaDB {
		return verb + " SLAVE " + quote(channel) + " " + what
	}
	if !t.mysqlFrom(5, 7, 6) {
		return verb + " SLAVE " + what // there is one channel, and no word for it
	}
	return verb + " " + t.replica() + " " + what + " FOR CHANNEL " + quote(channel)
}

// quote makes a string literal for the places where the grammar takes neither a parameter nor a hexadecimal
// literal. It doubles backslashes: sessions never run under NO_BACKSLASH_ESCAPES.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(text) + "'"
}

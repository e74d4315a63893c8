package server

import (
	"fmt"
	"strings"
)

// Role is what a server is to a check.
type Role string

// The roles.
const (
	RoleSource  Role = "source"
	RoleReplica Role = "replica"
)

// Duty is what a privilege is needed for, so that a caller can leave out what it will not do.
type Duty string

// The duties.
const (
	DutyReadRows     Duty = "read_rows"     // see tables and read their rows
	DutyPosition     Duty = "position"      // read the source's position
	DutyFindReplicas Duty = "find_replicas" // only when no replica is named
	DutyStatus       Duty = "status"        // read the replica's status
	DutyPause        Duty = "pause"         // stop, step and start the replica's applier (--sync until)
	DutyBinlogOff    Duty = "binlog_off"    // switch off the session's binary logging
	DutyLock         Duty = "lock"          // lock the checked tables for a moment
)

// MissingPrivilege is a privilege the account lacks.
type MissingPrivilege struct {
	Duty           Duty
	Privilege      string
	Why            string
	GrantStatement string // without a semicolon
	// Optional: the check goes on without it, with less; Why says what is lost.
	Optional bool
}

// String is one line for a person: what is missing, what for, and the statement that gives it.
func (m MissingPrivilege) String() string {
	return fmt.Sprintf("%s is missing, needed %s: %s", m.Privilege, m.Why, m.GrantStatement)
}

// requirement is met by any of its privileges; the first is the one to grant.
type requirement struct {
	duty     Duty
	anyOf    []string
	why      string
	optional bool
}

const (
	whyPosition  = "to read the source's binary log position"
	whyEvents    = "to see in the source's binary log which positions are the same place, and to list its registered replicas"
	whyReplicas  = "to list the replicas registered with the source (not needed with --replica)"
	whyDumps     = "to see the replicas that read the source's binary log (not needed with --replica)"
	whyStatus    = "to read the replica's status"
	whyPause     = "to stop, step and start the replica's applier"
	whyBinlogOff = "to read with binary logging off; without it an ALTER on a checked table waits until the sync point ends"
	whyLock      = "to lock the checked tables for the moment in which the sync point is taken"
	whyRows      = "to see the tables and read their rows; tables without it are invisible"
)

// MissingPrivileges compares what the account holds with what a check needs on a server of that role. databases
// are those to be read; none means all, which takes SELECT on *.*, since an account does not see tables it may
// not read, and "equal" would be said without them. Nothing is missing: the result is empty.
func MissingPrivileges(grants Grants, role Role, databases []string) []MissingPrivilege {
	var missing []MissingPrivilege
	for _, r := range requirementsOf(role, grants.flavor, grants.version) {
		if !grants.HasGlobal(r.anyOf...) {
			missing = append(missing, MissingPrivilege{
				Duty: r.duty, Privilege: r.anyOf[0], Why: r.why, Optional: r.optional,
				GrantStatement: grants.grantStatement(r.anyOf[0], "*.*"),
			})
		}
	}
	missing = append(missing, grants.missingOnData("SELECT", DutyReadRows, whyRows, databases)...)
	if grants.flavor == MySQL && role == RoleReplica && len(databases) > 0 {
		// The appliers' errors and positions are in performance_schema.
		missing = append(missing, grants.missingOnData("SELECT", DutyStatus, whyStatus, []string{"performance_schema"})...)
	}
	if grants.flavor == MySQL && role == RoleSource {
		missing = append(missing, grants.missingOnData("LOCK TABLES", DutyLock, whyLock, databases)...)
	}
	return missing
}

// MissingLock is what an account lacks to lock tables of the databases (none: of all), as --sync lock does on every source.
func MissingLock(grants Grants, databases []string) []MissingPrivilege {
	return grants.missingOnData("LOCK TABLES", DutyLock, whyLock, databases)
}

// missingOnData checks a privilege on databases, or everywhere.
func (g Grants) missingOnData(privilege string, duty Duty, why string, databases []string) []MissingPrivilege {
	entry := MissingPrivilege{Duty: duty, Privilege: privilege, Why: why}
	if len(databases) == 0 {
		if !g.HasGlobal(privilege) {
			entry.GrantStatement = g.grantStatement(privilege, "*.*")
			return []MissingPrivilege{entry}
		}
		databases = g.RestrictedDatabases(privilege)
	}
	var missing []MissingPrivilege
	for _, database := range databases {
		if !g.HasOnDatabase(privilege, database) {
			entry.GrantStatement = g.grantStatement(privilege, g.quotePattern(database)+".*")
			missing = append(missing, entry)
		}
	}
	return missing
}

func (g Grants) grantStatement(privilege, on string) string {
	return fmt.Sprintf("GRANT %s ON %s TO %s", privilege, on, g.Account)
}

// quotePattern quotes a database's name for GRANT, where an unescaped _ or % stands for other characters too.
func (g Grants) quotePattern(database string) string {
	if !g.literal {
		database = strings.NewReplacer(`\`, `\\`, `_`, `\_`, `%`, `\%`).Replace(database)
	}
	return quoteName(database)
}

// requirementsOf lists the global privileges. Those for MariaDB 10.11 were found by trying each statement with an
// account that held nothing else; START TRANSACTION WITH CONSISTENT SNAPSHOT, SHOW STATUS LIKE 'binlog_snapshot%',
// BINLOG_GTID_POS, MASTER_POS_WAIT, MASTER_GTID_WAIT and KILL of one's own connection need none.
func requirementsOf(role Role, flavor Flavor, version Version) []requirement {
	switch {
	case flavor == MariaDB && version.AtLeast(10, 5, 2):
		return mariadbRequirements(role, version)
	case flavor == MariaDB:
		return mariadbRequirementsBefore105(role)
	default:
		return mysqlRequirements(role, version)
	}
}

// mariadbRequirements: MariaDB 10.5.2 split SUPER up (MDEV-21743), 10.5.9 moved SHOW SLAVE STATUS to SLAVE
// MONITOR (MDEV-23610), 11.0 took the parts away from SUPER (MDEV-29668).
func mariadbRequirements(role Role, version Version) []requirement {
	orSuper := func(names ...string) []string {
		if version.AtLeast(11, 0, 0) {
			return names
		}
		return append(names, "SUPER")
	}
	binlogOff := requirement{DutyBinlogOff, orSuper("BINLOG ADMIN"), whyBinlogOff, true}
	if role == RoleSource {
		return []requirement{
			{DutyPosition, orSuper("BINLOG MONITOR"), whyPosition, false},
			{DutyFindReplicas, []string{"REPLICATION MASTER ADMIN"}, whyReplicas, false},
			{DutyFindReplicas, []string{"PROCESS"}, whyDumps, false},
			binlogOff,
		}
	}
	status := orSuper("SLAVE MONITOR")
	if !version.AtLeast(10, 5, 9) {
		status = orSuper("REPLICATION SLAVE ADMIN")
	}
	return []requirement{
		{DutyStatus, status, whyStatus, false},
		{DutyPause, orSuper("REPLICATION SLAVE ADMIN"), whyPause, false},
		binlogOff,
	}
}

func mariadbRequirementsBefore105(role Role) []requirement {
	binlogOff := requirement{DutyBinlogOff, []string{"SUPER"}, whyBinlogOff, true}
	if role == RoleSource {
		return []requirement{
			{DutyPosition, []string{"REPLICATION CLIENT", "SUPER"}, whyPosition, false},
			{DutyPosition, []string{"REPLICATION SLAVE"}, whyEvents, false},
			{DutyFindReplicas, []string{"PROCESS"}, whyDumps, false},
			binlogOff,
		}
	}
	return []requirement{
		{DutyStatus, []string{"REPLICATION CLIENT", "SUPER"}, whyStatus, false},
		{DutyPause, []string{"SUPER"}, whyPause, false},
		binlogOff,
	}
}

// mysqlRequirements follow the manual of 8.4: SHOW BINARY LOG STATUS, SHOW REPLICAS, SHOW REPLICA STATUS, STOP REPLICA. Before
// 8.0.11 there is no REPLICATION_SLAVE_ADMIN to grant.
func mysqlRequirements(role Role, version Version) []requirement {
	if role == RoleSource {
		return []requirement{
			{DutyPosition, []string{"REPLICATION CLIENT", "SUPER"}, whyPosition, false},
			{DutyPosition, []string{"REPLICATION SLAVE"}, whyEvents, false},
			{DutyFindReplicas, []string{"PROCESS"}, whyDumps, false},
		}
	}
	pause := []string{"SUPER"}
	if version.AtLeast(8, 0, 11) {
		pause = []string{"REPLICATION_SLAVE_ADMIN", "SUPER"}
	}
	return []requirement{
		{DutyStatus, []string{"REPLICATION CLIENT", "SUPER"}, whyStatus, false},
		{DutyPause, pause, whyPause, false},
	}
}

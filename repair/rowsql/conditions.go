package rowsql

import (
	"fmt"
	"strings"

	"trueup/server"
)

// serverCondition is SQL that holds only on that server. What identifies a server for good is used where there is such a thing; a copied data
// directory has it too, but not its server id and port. MariaDB's server_uid changes where a container comes back under another address (see
// server.Identity.Matches): there the host and the folder say as much.
func serverCondition(on server.Identity) string {
	parts := []string{fmt.Sprintf("@@server_id = %d", on.ServerID), fmt.Sprintf("@@port = %d", on.Port)}
	switch {
	case on.UUID == "":
		parts = append(parts, "@@datadir = "+textLiteral(on.DataDir), "@@hostname = "+textLiteral(on.Hostname))
	case on.Flavor == server.MariaDB:
		parts = append(parts, "((SELECT GLOBAL_VALUE FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME = 'SERVER_UID') = "+textLiteral(on.UUID)+
			" OR @@datadir = "+textLiteral(on.DataDir)+" AND @@hostname = "+textLiteral(on.Hostname)+")")
	default:
		parts = append(parts, "@@server_uuid = "+textLiteral(on.UUID))
	}
	return strings.Join(parts, " AND ")
}

// textLiteral is a literal of text in UTF-8.
func textLiteral(text string) string {
	if isHarmless([]byte(text)) {
		return "'" + text + "'"
	}
	return string(appendHex([]byte("_utf8mb4 "), []byte(text)))
}

// applierCondition is SQL that holds only while the channel's applier is stopped. It is false, or NULL, where the server does not tell.
func (h Header) applierCondition() string {
	switch {
	case h.On.Flavor == server.MariaDB:
		// The number of running SQL threads of all channels. Nothing else tells SQL of them: the process list shows other accounts' threads
		// only to some, and none by its channel. So all have to stand, since one of several could be the wrong one.
		return "(SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Slaves_running') = 0"
	case h.On.Version.AtLeast(5, 7, 6):
		return "(SELECT SERVICE_STATE FROM performance_schema.replication_applier_status WHERE CHANNEL_NAME = " + textLiteral(h.Channel) + ") = 'OFF'"
	default:
		// MySQL 5.6 has one channel, and shows its threads in the performance schema only, while that is on and has lost none.
		return "@@performance_schema = 1 AND (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'Performance_schema_thread_instances_lost') = 0" +
			" AND (SELECT COUNT(*) FROM performance_schema.threads WHERE NAME = 'thread/sql/slave_sql') = 0"
	}
}

// positionCondition is SQL that holds only while the replica is where it was when the plan was made.
func (h Header) positionCondition() string {
	at := textLiteral(h.Position.String())
	switch {
	case h.seesGTID() && h.On.Flavor == server.MariaDB:
		// The server prints the domains in no order.
		var parts []string
		gtids := strings.FieldsFunc(h.GTID, func(r rune) bool { return r == ',' || r == ' ' })
		for _, gtid := range gtids {
			parts = append(parts, "FIND_IN_SET("+textLiteral(gtid)+", @@GLOBAL.gtid_slave_pos) > 0")
		}
		commas := "LENGTH(@@GLOBAL.gtid_slave_pos) - LENGTH(REPLACE(@@GLOBAL.gtid_slave_pos, ',', ''))"
		return strings.Join(append(parts, fmt.Sprintf("%s = %d", commas, len(gtids)-1)), " AND ")
	case h.seesGTID():
		gtids := textLiteral(h.GTID)
		return fmt.Sprintf("GTID_SUBSET(@@GLOBAL.gtid_executed, %s) AND GTID_SUBSET(%[1]s, @@GLOBAL.gtid_executed)", gtids)
	case h.On.Flavor == server.MySQL:
		// Empty where the server keeps its position in a file, as MySQL 5.6 and 5.7 do by default.
		where := ""
		if h.On.Version.AtLeast(5, 7, 6) {
			where = " WHERE Channel_name = " + textLiteral(h.Channel)
		}
		return "COALESCE((SELECT CONCAT(Master_log_name, ':', Master_log_pos) FROM mysql.slave_relay_log_info" + where + "), @trueup_position) = " + at
	default:
		return "@trueup_position = " + at
	}
}

// seesGTID tells whether the GTIDs say where the replica stands. They do not while other channels move them.
func (h Header) seesGTID() bool { return h.GTID != "" && h.Appliers == 0 }

// mayAsk tells whether a person may have to say where the replica stands.
func (h Header) mayAsk() bool {
	return !h.seesGTID() && (h.On.Flavor == server.MariaDB || !h.On.Version.AtLeast(8, 0, 0))
}

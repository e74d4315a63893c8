package integration

import (
	"strconv"
	"strings"
	"testing"

	"trueup/server"
)

// hostileSettings are global settings under which statements mean something else, or are refused, in sessions that do not see to it.
func hostileSettings(on ServerRow) []string {
	settings := []string{
		"sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,IGNORE_SPACE'",
		"sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,HIGH_NOT_PRECEDENCE,NO_UNSIGNED_SUBTRACTION'",
		"sql_mode = 'TRADITIONAL,ONLY_FULL_GROUP_BY'",
		"sql_mode = ''",
		"sql_select_limit = 3", "sql_safe_updates = ON", "autocommit = OFF", "time_zone = '-11:30'", "foreign_key_checks = OFF", "unique_checks = OFF",
		"tx_isolation = 'SERIALIZABLE'", "sql_auto_is_null = ON", "completion_type = 'CHAIN'", "innodb_lock_wait_timeout = 1",
		"character_set_results = latin1", "collation_connection = latin1_german2_ci", "div_precision_increment = 0", "max_join_size = 10", "low_priority_updates = ON",
	}
	if on.Flavor == server.MariaDB {
		settings = append(settings, "sql_mode = 'ORACLE'", "sql_mode = 'EMPTY_STRING_IS_NULL,TIME_ROUND_FRACTIONAL'", "max_statement_time = 0.5", "sql_if_exists = ON", "system_versioning_alter_history = KEEP",
			"innodb_snapshot_isolation = ON", "check_constraint_checks = OFF")
	}
	if on.IsMySQL(8, 0, 0) {
		settings = append(settings, "sql_require_primary_key = ON", "max_execution_time = 500", "sql_generate_invisible_primary_key = ON", "explicit_defaults_for_timestamp = OFF", "windowing_use_high_precision = OFF")
	}
	return settings
}

// setHostile sets a setting for all sessions to come, until the returned function is called; a server that does not know it is left as it is.
func (n *Node) setHostile(t *testing.T, setting string) (restore func()) {
	t.Helper()
	name := strings.Fields(setting)[0]
	if n.Row.IsMySQL(8, 0, 0) && name == "tx_isolation" {
		name, setting = "transaction_isolation", strings.Replace(setting, name, "transaction_isolation", 1)
	}
	_, before, err := n.query(t.Context(), "SELECT @@GLOBAL."+name)
	if err != nil {
		return func() {}
	}
	set := func(setting string) {
		t.Helper()
		n.Exec(t, "SET GLOBAL "+setting)
		// Connections that are kept were opened before.
		n.DB.SetMaxIdleConns(0)
		n.DB.SetMaxIdleConns(2)
	}
	set(setting)
	return func() {
		value := before[0][0]
		if _, err := strconv.ParseFloat(value, 64); err != nil && value != "NULL" {
			value = "'" + value + "'"
		}
		set(name + " = " + value)
	}
}

package server

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// applySettings makes the session independent of what the server, its init_connect or its option file set:
// nothing truncates a result, ends a session or a statement early, or changes what a value looks like. It is
// one SET, two where a reader's account may not switch off binary logging.
func (s *Session) applySettings(ctx context.Context, options SessionOptions) error {
	assignments := s.commonSettings(options)
	switch {
	case options.Writer:
		assignments = append(assignments, s.writerSettings(options)...)
	case options.Reader:
		assignments = append(assignments, s.isolationSettings("REPEATABLE-READ", "1")...)
		assignments = append(assignments, "character_set_results = NULL")
	default:
		assignments = append(assignments, s.isolationSettings("REPEATABLE-READ", "0")...)
		assignments = append(assignments, "character_set_results = utf8mb4")
	}
	if options.Reader && s.server.identity.Flavor == MariaDB {
		// MariaDB takes savepoints for writes while the binary log is on, and ROLLBACK TO SAVEPOINT then keeps
		// the metadata locks. One SET is checked as a whole before any of it takes effect.
		err := s.Exec(ctx, setStatement(append(assignments, "sql_log_bin = 0")))
		if err == nil {
			s.binlogOff = true
			return nil
		}
		if number, ok := ErrorNumber(err); !ok || number != 1227 {
			return err
		}
	}
	return s.Exec(ctx, setStatement(assignments))
}

func setStatement(assignments []string) string {
	return "SET SESSION " + strings.Join(assignments, ", SESSION ")
}

// commonSettings hold for every session.
func (s *Session) commonSettings(options SessionOptions) []string {
	assignments := []string{
		"time_zone = '+00:00'",
		"sql_mode = ''",
		"autocommit = 1",
		"completion_type = 0",
		"sql_auto_is_null = 0",
		"sql_safe_updates = 0",
		"sql_select_limit = 18446744073709551615",
		"sql_big_selects = 1",
		"sql_buffer_result = 0",
		"sql_quote_show_create = 1",
		"character_set_client = utf8mb4",
		"collation_connection = utf8mb4_general_ci",
		"net_read_timeout = 600",
		fmt.Sprintf("net_write_timeout = %d", netWriteTimeout(options)),
		fmt.Sprintf("wait_timeout = %d", wholeSeconds(options.WaitTimeout, defaultWaitTimeout)),
		fmt.Sprintf("lock_wait_timeout = %d", wholeSeconds(options.LockWaitTimeout, defaultLockWaitTimeout)),
	}
	if s.server.identity.Flavor == MariaDB {
		return append(assignments, mariadbSettings(s.server.identity.Version)...)
	}
	if s.server.identity.Version.AtLeast(5, 7, 8) {
		assignments = append(assignments, "max_execution_time = 0")
	}
	if s.server.identity.Version.AtLeast(8, 0, 30) {
		// A server may be told to hide the primary keys that it generates; such a table would look keyless, while its rows are stored, and
		// replicated, by that key.
		assignments = append(assignments, "show_gipk_in_create_table_and_information_schema = ON")
	}
	return assignments
}

// netWriteTimeout is for how many seconds the server waits for us to take in what it sends. Readers of rows may be held up by the other
// side, or by a disk. Other sessions read little; but MariaDB keeps every commit waiting while it sends binary log events, and must not do
// so for a client that is frozen.
func netWriteTimeout(options SessionOptions) int {
	const ofReader, ofControl = 600, 5
	if options.Reader {
		return ofReader
	}
	return ofControl
}

func mariadbSettings(version Version) []string {
	assignments := []string{"max_statement_time = 0", "query_cache_type = OFF"}
	if version.AtLeast(10, 3, 0) {
		assignments = append(assignments,
			"idle_transaction_timeout = 0",
			"idle_readonly_transaction_timeout = 0",
			"idle_write_transaction_timeout = 0",
			// A server may be told to show its system-versioned tables as they were at some time.
			"system_versioning_asof = DEFAULT",
		)
	}
	return assignments
}

// isolationSettings use the variables' names of the time: MariaDB had the tx_ names until 11.1, MySQL until 5.7.20; 8 dropped them.
func (s *Session) isolationSettings(level, readOnly string) []string {
	prefix := "transaction_"
	identity := s.server.identity
	if identity.Flavor == MariaDB && !identity.Version.AtLeast(11, 1, 1) || identity.Flavor == MySQL && !identity.Version.AtLeast(5, 7, 20) {
		prefix = "tx_"
	}
	return []string{prefix + "isolation = '" + level + "'", prefix + "read_only = " + readOnly}
}

// writerSettings are those of a session that changes rows.
func (s *Session) writerSettings(options SessionOptions) []string {
	level, logged := "READ-COMMITTED", "sql_log_bin = 0"
	if options.Logged {
		level, logged = "REPEATABLE-READ", "binlog_format = 'STATEMENT'"
	}
	return append(s.isolationSettings(level, "0"), logged, "character_set_results = NULL",
		"foreign_key_checks = 0", "unique_checks = 1", "innodb_lock_wait_timeout = 2")
}

// wholeSeconds rounds up to whole seconds, at least one; 0 means the default.
func wholeSeconds(given, byDefault time.Duration) int64 {
	if given <= 0 {
		given = byDefault
	}
	return max(1, int64((given+time.Second-1)/time.Second))
}

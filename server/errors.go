package server

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"slices"

	"github.com/go-sql-driver/mysql"
)

// ErrorNumber returns the server's error number inside err, however deep it is wrapped, and whether there is
// one. Errors of the driver and of the network have none.
func ErrorNumber(err error) (uint16, bool) {
	var fromServer *mysql.MySQLError
	if errors.As(err, &fromServer) {
		return fromServer.Number, true
	}
	return 0, false
}

// ErrorText is what the server says of an error, without the statement that it is about; the error's own text where no server gave it.
func ErrorText(err error) string {
	var fromServer *mysql.MySQLError
	if errors.As(err, &fromServer) {
		return fromServer.Error()
	}
	return err.Error()
}

func hasNumber(err error, numbers ...uint16) bool {
	number, ok := ErrorNumber(err)
	return ok && slices.Contains(numbers, number)
}

// IsAccessDenied tells whether the server refused for want of a privilege or a valid login. Retrying does not
// help. 1044 database, 1045 login, 1095 thread of another account, 1142 table, 1143 column, 1227 global
// privilege, 1370 routine, 1698 login by socket only.
func IsAccessDenied(err error) bool {
	return hasNumber(err, 1044, 1045, 1095, 1142, 1143, 1227, 1370, 1698)
}

// IsNoSuchTable tells whether a table, view or its database does not exist: 1049 database, 1051 and 1109
// unknown table, 1146 no such table.
func IsNoSuchTable(err error) bool { return hasNumber(err, 1049, 1051, 1109, 1146) }

// IsNoSuchColumn tells whether a column does not exist (1054).
func IsNoSuchColumn(err error) bool { return hasNumber(err, 1054) }

// IsLockTimeout tells whether waiting for a lock took longer than lock_wait_timeout or
// innodb_lock_wait_timeout (1205). Retrying may help.
func IsLockTimeout(err error) bool { return hasNumber(err, 1205) }

// IsDeadlock tells whether the server rolled the transaction back to end a deadlock (1213). Retry the whole
// transaction.
func IsDeadlock(err error) bool { return hasNumber(err, 1213) }

// IsTableChanged tells whether a table's definition changed after the session's snapshot (1412), or after the
// statement was prepared (1615). Retry in a new snapshot.
func IsTableChanged(err error) bool { return hasNumber(err, 1176, 1412, 1615) }

// IsRecordChanged tells whether a locking read met a row that changed after the snapshot, under MariaDB's
// innodb_snapshot_isolation (1020). Retry in a new transaction.
func IsRecordChanged(err error) bool { return hasNumber(err, 1020) }

// IsDuplicateKey tells whether a row broke a unique key: 1062, 1586 with the key's name, 1859 in ALTER.
func IsDuplicateKey(err error) bool { return hasNumber(err, 1062, 1586, 1859) }

// IsForeignKey tells whether a foreign key stood against a row: 1216, 1217, 1451, 1452.
func IsForeignKey(err error) bool { return hasNumber(err, 1216, 1217, 1451, 1452) }

// IsReadOnly tells whether the server, the transaction or the storage engine takes no writes: 1290 read_only
// and super_read_only (among other options), 1792 transaction, 1836 server in read-only mode.
func IsReadOnly(err error) bool { return hasNumber(err, 1290, 1792, 1836) }

// IsUnknownThread tells whether KILL named a connection that does not exist, any more or at all (1094).
func IsUnknownThread(err error) bool { return hasNumber(err, 1094) }

// IsUnknownVariable tells whether the server does not have a system variable (1193): another flavor or version.
func IsUnknownVariable(err error) bool { return hasNumber(err, 1193) }

// IsSyntaxError tells whether the server does not know a statement (1064): another flavor or version.
func IsSyntaxError(err error) bool { return hasNumber(err, 1064) }

// IsQueryInterrupted tells whether the server ended a statement while its connection goes on: 1317 KILL QUERY,
// 1969 max_statement_time (MariaDB), 3024 max_execution_time (MySQL). Whether to retry depends on who did it.
func IsQueryInterrupted(err error) bool { return hasNumber(err, 1317, 1969, 3024) }

// IsConnectionLost tells whether the connection is gone, and with it the session's snapshot and locks: errors
// of the network and of the driver, 1053 shutdown, 1077 and 1152 connection ended by the server, 1927 KILL
// CONNECTION, 4031 idle too long, 1158 to 1161 packet errors, 2006 and 2013 passed on by a proxy,
// SilentError. Retry on a new session.
// The end of our own context is not a lost connection.
func IsConnectionLost(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if hasNumber(err, 1053, 1077, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 4031) {
		return true
	}
	for _, gone := range []error{driver.ErrBadConn, mysql.ErrInvalidConn, sql.ErrConnDone, io.ErrUnexpectedEOF, io.EOF, net.ErrClosed} {
		if errors.Is(err, gone) {
			return true
		}
	}
	var network *net.OpError
	var silent *SilentError
	return errors.As(err, &network) || errors.As(err, &silent)
}

// IsTransient tells whether the same work may succeed when it is done again, on a new session where the
// connection was lost.
func IsTransient(err error) bool {
	return IsLockTimeout(err) || IsDeadlock(err) || IsTableChanged(err) || IsRecordChanged(err) || IsConnectionLost(err)
}

package server_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/go-sql-driver/mysql"

	"trueup/server"
)

func TestErrorNumber(t *testing.T) {
	t.Parallel()
	wrapped := fmt.Errorf("a: %w", &server.StatementError{Err: errors.Join(io.EOF, &mysql.MySQLError{Number: 1146})})
	if number, ok := server.ErrorNumber(wrapped); !ok || number != 1146 || !server.IsNoSuchTable(wrapped) {
		t.Error(number, ok)
	}
	for _, err := range []error{nil, io.EOF, errors.New("Error 1146")} {
		if number, ok := server.ErrorNumber(err); ok {
			t.Error(err, number)
		}
	}
}

func TestConnectionLost(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		driver.ErrBadConn, mysql.ErrInvalidConn, io.ErrUnexpectedEOF, net.ErrClosed, &net.OpError{Op: "read", Err: errors.New("reset")},
		&mysql.MySQLError{Number: 1927}, &mysql.MySQLError{Number: 2013}, &mysql.MySQLError{Number: 1053},
	} {
		if wrapped := fmt.Errorf("x: %w", err); !server.IsConnectionLost(wrapped) || !server.IsTransient(wrapped) {
			t.Error(err)
		}
	}
	for _, err := range []error{nil, context.Canceled, fmt.Errorf("%w: %w", context.DeadlineExceeded, mysql.ErrInvalidConn), &mysql.MySQLError{Number: 1317}} {
		if server.IsConnectionLost(err) {
			t.Error(err)
		}
	}
}

func TestErrorsOfTheServer(t *testing.T) {
	t.Parallel()
	db := database(t)
	root := admin(t)
	other := admin(t)
	_, endpoint := account(t, "")
	plain := session(t, open(t, endpoint), server.SessionOptions{})
	mustExec(t, root, "CREATE TABLE "+db+".p (id int primary key)", "CREATE TABLE "+db+".c (id int primary key, p int, foreign key (p) references "+db+".p (id))",
		"INSERT INTO "+db+".p VALUES (1)", "INSERT INTO "+db+".c VALUES (1, 1)")
	for _, test := range []struct {
		on        *server.Session
		statement string
		is        func(error) bool
	}{
		{root, "SELECT * FROM " + db + ".none", server.IsNoSuchTable},
		{root, "USE no_such_database", server.IsNoSuchTable},
		{root, "SELECT none FROM " + db + ".p", server.IsNoSuchColumn},
		{root, "INSERT INTO " + db + ".p VALUES (1)", server.IsDuplicateKey},
		{root, "DELETE FROM " + db + ".p", server.IsForeignKey},
		{root, "INSERT INTO " + db + ".c VALUES (2, 7)", server.IsForeignKey},
		{root, "KILL 4000000000", server.IsUnknownThread},
		{root, "SHOW REPLICAS STATUS NOW", server.IsSyntaxError},
		{root, "SELECT @@no_such_variable", server.IsUnknownVariable},
		{root, "SET STATEMENT max_statement_time=0.05 FOR SELECT SLEEP(5)", server.IsQueryInterrupted},
		{plain, "SELECT * FROM " + db + ".p", server.IsAccessDenied},
		{plain, "USE " + db, server.IsAccessDenied},
		{plain, "SHOW MASTER STATUS", server.IsAccessDenied},
	} {
		if err := test.on.Exec(t.Context(), test.statement); !test.is(err) {
			t.Errorf("%s: %v", test.statement, err)
		}
	}
	mustExec(t, root, "LOCK TABLES "+db+".p WRITE")
	if err := other.Exec(t.Context(), "SET STATEMENT lock_wait_timeout=1 FOR SELECT * FROM "+db+".p"); !server.IsLockTimeout(err) || !server.IsTransient(err) {
		t.Error("lock:", err)
	}
	mustExec(t, root, "UNLOCK TABLES")
	mustExec(t, other, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
	mustExec(t, root, "ALTER TABLE "+db+".p ADD COLUMN x int, ALGORITHM=COPY")
	if err := other.Exec(t.Context(), "SELECT * FROM "+db+".p"); !server.IsTableChanged(err) || !server.IsTransient(err) {
		t.Error("changed table:", err)
	}
}

package server_test

import (
	"context"
	"strings"
	"testing"

	"trueup/server"
)

// What the requirements say is what the server enforces: an account with nothing but the privilege may run the
// statement, one with everything else may not.
func TestRequirementsAreThoseOfTheServer(t *testing.T) {
	t.Parallel()
	for statement, privilege := range map[string]string{
		"SHOW MASTER STATUS":                          "BINLOG MONITOR",
		"SHOW SLAVE HOSTS":                            "REPLICATION MASTER ADMIN",
		"SHOW ALL SLAVES STATUS":                      "SLAVE MONITOR",
		"STOP SLAVE SQL_THREAD":                       "REPLICATION SLAVE ADMIN",
		"START SLAVE SQL_THREAD":                      "REPLICATION SLAVE ADMIN",
		"SET SESSION sql_log_bin=0":                   "BINLOG ADMIN",
		"SELECT 1 FROM information_schema.INNODB_TRX": "PROCESS",
	} {
		t.Run(statement, func(t *testing.T) {
			t.Parallel()
			_, holder := account(t, privilege)
			err := session(t, open(t, holder), server.SessionOptions{}).Exec(t.Context(), statement)
			if server.IsAccessDenied(err) {
				t.Errorf("%s is not enough: %v", privilege, err)
			}
			name, rest := account(t, "ALL PRIVILEGES")
			mustExec(t, admin(t), "REVOKE SUPER, "+privilege+" ON *.* FROM "+name)
			err = session(t, open(t, rest), server.SessionOptions{}).Exec(t.Context(), statement)
			if !server.IsAccessDenied(err) {
				t.Errorf("without %s: %v", privilege, err)
			}
		})
	}
}

func TestStatementsThatNeedNoPrivilege(t *testing.T) {
	t.Parallel()
	_, endpoint := account(t, "")
	s := session(t, open(t, endpoint), server.SessionOptions{})
	for _, statement := range []string{"START TRANSACTION WITH CONSISTENT SNAPSHOT", "SHOW STATUS LIKE 'binlog_snapshot%'",
		"SELECT BINLOG_GTID_POS('binlog.000001', 4)", "SELECT MASTER_GTID_WAIT('', 0)"} {
		if err := s.Exec(t.Context(), statement); err != nil {
			t.Error(err)
		}
	}
}

// Running the statements that MissingPrivileges names leaves nothing missing.
func TestGrantStatementsGiveWhatIsMissing(t *testing.T) {
	t.Parallel()
	name := database(t) // with an underscore, a wildcard in GRANT
	mustExec(t, admin(t), "CREATE TABLE "+name+".t (id int primary key)")
	for _, databases := range [][]string{nil, {name}, {name, "mysql"}} {
		for _, role := range []server.Role{server.RoleSource, server.RoleReplica} {
			_, endpoint := account(t, "")
			on := open(t, endpoint)
			missing := missingOf(t, on, role, databases)
			if want := 3 + max(1, len(databases)); len(missing) < want {
				t.Errorf("%s %v: %d missing, want at least %d", role, databases, len(missing), want)
			}
			for _, one := range missing {
				mustExec(t, admin(t), one.GrantStatement)
			}
			if missing := missingOf(t, on, role, databases); len(missing) > 0 {
				t.Errorf("%s %v: still missing %v", role, databases, missing)
			}
			reader := session(t, on, server.SessionOptions{Reader: true})
			if err := reader.Exec(t.Context(), "SELECT * FROM "+name+".t"); err != nil || !reader.BinlogOff() {
				t.Error(reader.BinlogOff(), err)
			}
			neighbour := session(t, on, server.SessionOptions{})
			if err := neighbour.Exec(t.Context(), "SELECT * FROM "+strings.Replace(name, "_", "x", 1)+".t"); databases != nil && !server.IsAccessDenied(err) {
				t.Error("the grant reaches a database of another name:", err)
			}
		}
	}
}

func missingOf(t *testing.T, on *server.Server, role server.Role, databases []string) []server.MissingPrivilege {
	t.Helper()
	grants, err := server.ReadGrants(t.Context(), session(t, on, server.SessionOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	return server.MissingPrivileges(grants, role, databases)
}

// Of several database patterns the most specific decides alone, and roles add to it: as the server does.
func TestGrantsAgreeWithTheServer(t *testing.T) {
	t.Parallel()
	app := database(t)
	root := admin(t)
	mustExec(t, root, "CREATE TABLE "+app+".t (id int primary key)")
	role := "`r" + app + "`"
	mustExec(t, root, "CREATE ROLE "+role, "GRANT SELECT ON "+app+".* TO "+role)
	t.Cleanup(func() { _ = root.Exec(context.Background(), "DROP ROLE "+role) })
	name, endpoint := account(t, "")
	agree := func(want bool, statements ...string) {
		t.Helper()
		mustExec(t, root, statements...)
		s := session(t, open(t, endpoint), server.SessionOptions{})
		grants, err := server.ReadGrants(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		err = s.Exec(t.Context(), "SELECT * FROM "+app+".t")
		if says := grants.HasOnDatabase("SELECT", app); says != want || (err == nil) != want {
			t.Errorf("after %q: the server says %v, the grants %v, want %v", statements, err, says, want)
		}
	}
	agree(false)
	agree(true, "GRANT SELECT ON `d_%`.* TO "+name)
	agree(false, "GRANT INSERT ON `"+app+"`.* TO "+name)
	agree(false, "GRANT "+role+" TO "+name)
	agree(true, "SET DEFAULT ROLE "+role+" FOR "+name)
	if !strings.HasPrefix(name, "`u") {
		t.Fatal(name)
	}
}

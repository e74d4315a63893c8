package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/server"
)

func grantsOf(t *testing.T, flavor server.Flavor, lines ...string) server.Grants {
	t.Helper()
	version := server.Version{Major: 10, Minor: 11, Patch: 19}
	if flavor == server.MySQL {
		version = server.Version{Major: 8, Minor: 4, Patch: 3}
	}
	grants, err := server.ParseGrants(flavor, version, false, lines...)
	if err != nil {
		t.Fatal(err)
	}
	return grants
}

func TestGrantsGlobal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		flavor server.Flavor
		line   string
		has    string
		lacks  string
	}{
		{server.MariaDB, "GRANT ALL PRIVILEGES ON *.* TO `u`@`h` IDENTIFIED BY PASSWORD '*AB' WITH GRANT OPTION", "BINLOG ADMIN", ""},
		{server.MariaDB, "GRANT SUPER, SLAVE MONITOR ON *.* TO `u`@`h`", "REPLICA MONITOR", "BINLOG ADMIN"},
		{server.MariaDB, "GRANT BINLOG MONITOR ON *.* TO `role`", "REPLICATION CLIENT", "SUPER"},
		{server.MariaDB, "GRANT REPLICATION REPLICA ADMIN ON *.* TO PUBLIC", "REPLICATION SLAVE ADMIN", "REPLICATION SLAVE"},
		{server.MySQL, "GRANT SELECT, REPLICATION CLIENT ON *.* TO `u`@`h` REQUIRE SSL WITH GRANT OPTION", "REPLICATION CLIENT", "BINLOG MONITOR"},
		{server.MySQL, "GRANT REPLICATION_SLAVE_ADMIN,SYSTEM_VARIABLES_ADMIN ON *.* TO `u`@`h`", "SYSTEM_VARIABLES_ADMIN", "SELECT"},
		{server.MySQL, "GRANT USAGE ON *.* TO 'u'@'h'", "USAGE", "SELECT"},
		{server.MariaDB, "GRANT `SELECT ON *.* TO ` TO `u`@`h`", "", "SELECT"},
		{server.MariaDB, "GRANT PROXY ON ``@`%` TO `u`@`h`", "", "PROXY"},
		{server.MariaDB, "GRANT EXECUTE ON FUNCTION `*`.`*` TO `u`@`h`", "", "EXECUTE"},
		{server.MariaDB, "SET DEFAULT ROLE `SELECT ON *.*` FOR `u`@`h`", "", "SELECT"},
		{server.MariaDB, "GRANT SELECT ON `*`.* TO `u`@`h`", "", "INSERT"},
	} {
		grants := grantsOf(t, test.flavor, test.line)
		if test.has != "" && !grants.HasGlobal("NO SUCH THING", test.has) {
			t.Errorf("%s: lacks %s", test.line, test.has)
		}
		if test.lacks != "" && grants.HasGlobal(test.lacks) {
			t.Errorf("%s: has %s", test.line, test.lacks)
		}
	}
}

func TestGrantsOnDatabasesAndTables(t *testing.T) {
	t.Parallel()
	grants := grantsOf(t, server.MariaDB,
		"GRANT USAGE ON *.* TO `u`@`h`",
		"GRANT SELECT ON `ap%`.* TO `u`@`h`",
		"GRANT INSERT ON `app`.* TO `u`@`h`",
		"GRANT SELECT, LOCK TABLES ON `we``ird\\_%`.* TO `u`@`h` WITH GRANT OPTION",
		"GRANT SELECT ON `one_`.* TO `u`@`h`",
		"GRANT SELECT (`a, b) ON ``x`), UPDATE ON `shop`.`t.x` TO `u`@`h`",
		"GRANT SELECT ON `shop`.`whole` TO `u`@`h`",
		"GRANT SELECT ON `app2`.* TO `role`", "GRANT `role` TO `u`@`h`", "GRANT INSERT ON `app2`.* TO `u`@`h`",
	)
	for database, want := range map[string]bool{
		"apple": true, "ap": true, "ax": false, "app": false, // the grant on app alone decides, and gives no SELECT
		"we`ird_": true, "we`ird_x": true, "we`irdxx": false, "oneX": true, "one": false, "oneXY": false,
		"shop": false, "app2": true, "": false,
	} {
		if got := grants.HasOnDatabase("SELECT", database); got != want {
			t.Errorf("SELECT on %s: %v", database, got)
		}
	}
	if grants.HasOnTable("SELECT", "shop", "t.x") || !grants.HasOnTable("UPDATE", "shop", "t.x") ||
		!grants.HasOnTable("SELECT", "shop", "whole") || !grants.HasOnTable("SELECT", "apple", "any") {
		t.Error("table privileges")
	}
}

func TestPartialRevokes(t *testing.T) {
	t.Parallel()
	grants, err := server.ParseGrants(server.MySQL, server.Version{Major: 8, Minor: 4}, true,
		"GRANT SELECT, REPLICATION CLIENT, REPLICATION SLAVE, PROCESS, LOCK TABLES ON *.* TO `u`@`h`",
		"GRANT INSERT ON `a%`.* TO `u`@`h`", "REVOKE SELECT ON `hidden_db`.* FROM `u`@`h`")
	if err != nil {
		t.Fatal(err)
	}
	if grants.HasOnDatabase("SELECT", "hidden_db") || !grants.HasOnDatabase("SELECT", "hiddenxdb") || grants.HasOnDatabase("INSERT", "ab") || !grants.HasOnDatabase("INSERT", "a%") {
		t.Error("restrictions or literal names")
	}
	missing := server.MissingPrivileges(grants, server.RoleSource, nil)
	if len(missing) != 1 || missing[0].GrantStatement != "GRANT SELECT ON `hidden_db`.* TO `u`@`h`" {
		t.Errorf("%v", missing)
	}
}

func TestGrantsNotUnderstood(t *testing.T) {
	t.Parallel()
	_, err := server.ParseGrants(server.MariaDB, server.Version{}, false, "GRANT SELECT ON IDENTIFIED BY PASSWORD '*HASH'")
	if err == nil || strings.Contains(err.Error(), "HASH") {
		t.Error(err)
	}
}

func TestMissingPrivilegesByVersion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		flavor  server.Flavor
		version server.Version
		role    server.Role
		want    []string
	}{
		{server.MariaDB, server.Version{Major: 10, Minor: 11, Patch: 1}, server.RoleSource, []string{"BINLOG MONITOR", "REPLICATION MASTER ADMIN", "PROCESS", "BINLOG ADMIN", "SELECT"}},
		{server.MariaDB, server.Version{Major: 10, Minor: 11, Patch: 1}, server.RoleReplica, []string{"SLAVE MONITOR", "REPLICATION SLAVE ADMIN", "BINLOG ADMIN", "SELECT"}},
		{server.MariaDB, server.Version{Major: 10, Minor: 5, Patch: 4}, server.RoleReplica, []string{"REPLICATION SLAVE ADMIN", "REPLICATION SLAVE ADMIN", "BINLOG ADMIN", "SELECT"}},
		{server.MariaDB, server.Version{Major: 10, Minor: 4, Patch: 30}, server.RoleSource, []string{"REPLICATION CLIENT", "REPLICATION SLAVE", "PROCESS", "SUPER", "SELECT"}},
		{server.MariaDB, server.Version{Major: 10, Minor: 4, Patch: 30}, server.RoleReplica, []string{"REPLICATION CLIENT", "SUPER", "SUPER", "SELECT"}},
		{server.MySQL, server.Version{Major: 8, Minor: 4, Patch: 3}, server.RoleSource, []string{"REPLICATION CLIENT", "REPLICATION SLAVE", "PROCESS", "SELECT", "LOCK TABLES"}},
		{server.MySQL, server.Version{Major: 8, Minor: 4, Patch: 3}, server.RoleReplica, []string{"REPLICATION CLIENT", "REPLICATION_SLAVE_ADMIN", "SELECT"}},
	} {
		grants, err := server.ParseGrants(test.flavor, test.version, false, "GRANT USAGE ON *.* TO `u`@`h`")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, missing := range server.MissingPrivileges(grants, test.role, nil) {
			got = append(got, missing.Privilege)
			if want := fmt.Sprintf("GRANT %s ON *.* TO `u`@`h`", missing.Privilege); missing.GrantStatement != want || !strings.Contains(missing.String(), want) {
				t.Errorf("%s, want the statement %s", missing, want)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%v %v %s: %q, want %q", test.flavor, test.version, test.role, got, test.want)
		}
	}
}

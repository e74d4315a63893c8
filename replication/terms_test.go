package replication

import (
	"strings"
	"testing"

	"trueup/server"
)

// statements are every statement of one server, in the order of the fields.
type statements struct{ statuses, position, replicas, start, stop, until string }

func TestStatementsByVersion(t *testing.T) {
	t.Parallel()
	mariadb := statements{
		"SHOW ALL SLAVES STATUS", "SHOW MASTER STATUS", "SHOW SLAVE HOSTS",
		"START SLAVE 'c' SQL_THREAD", "STOP SLAVE 'c' SQL_THREAD",
		"START SLAVE 'c' SQL_THREAD UNTIL MASTER_LOG_FILE = 'b.000002', MASTER_LOG_POS = 4",
	}
	slave := statements{
		"SHOW SLAVE STATUS", "SHOW MASTER STATUS", "SHOW SLAVE HOSTS",
		"START SLAVE SQL_THREAD FOR CHANNEL 'c'", "STOP SLAVE SQL_THREAD FOR CHANNEL 'c'",
		"START SLAVE SQL_THREAD UNTIL MASTER_LOG_FILE = 'b.000002', MASTER_LOG_POS = 4 FOR CHANNEL 'c'",
	}
	half := statements{ // REPLICA came in 8.0.22, SOURCE_LOG_FILE in 8.0.23
		"SHOW REPLICA STATUS", "SHOW MASTER STATUS", "SHOW REPLICAS",
		"START REPLICA SQL_THREAD FOR CHANNEL 'c'", "STOP REPLICA SQL_THREAD FOR CHANNEL 'c'",
		"START REPLICA SQL_THREAD UNTIL MASTER_LOG_FILE = 'b.000002', MASTER_LOG_POS = 4 FOR CHANNEL 'c'",
	}
	replica := half
	replica.until = strings.ReplaceAll(half.until, "MASTER", "SOURCE")
	modern := replica
	modern.position = "SHOW BINARY LOG STATUS"

	tests := []struct {
		flavor  server.Flavor
		version server.Version
		want    statements
	}{
		{server.MariaDB, server.Version{Major: 10, Minor: 5, Patch: 1}, mariadb},
		{server.MariaDB, server.Version{Major: 10, Minor: 11, Patch: 19}, mariadb},
		{server.MariaDB, server.Version{Major: 12, Minor: 0, Patch: 2}, mariadb},
		{server.MySQL, server.Version{Major: 5, Minor: 7, Patch: 44}, slave},
		{server.MySQL, server.Version{Major: 8, Minor: 0, Patch: 21}, slave},
		{server.MySQL, server.Version{Major: 8, Minor: 0, Patch: 22}, half},
		{server.MySQL, server.Version{Major: 8, Minor: 0, Patch: 26}, replica},
		{server.MySQL, server.Version{Major: 8, Minor: 2, Patch: 0}, modern},
		{server.MySQL, server.Version{Major: 8, Minor: 4, Patch: 7}, modern},
		{server.MySQL, server.Version{Major: 9, Minor: 7, Patch: 4}, modern},
	}
	for _, test := range tests {
		identity := server.Identity{Flavor: test.flavor, Version: test.version}
		w := termsOf(identity)
		got := statements{w.showStatuses(), w.showSourcePosition(), w.showReplicas(),
			StartApplierStatement(identity, "c"), StopApplierStatement(identity, "c"),
			w.startApplierUntil("c", Position{"b.000002", 4})}
		if got != test.want {
			t.Errorf("%v %v:\n got %q\nwant %q", test.flavor, test.version, got, test.want)
		}
	}
}

func TestChannelNamesAreQuoted(t *testing.T) {
	t.Parallel()
	identity := server.Identity{Flavor: server.MariaDB, Version: server.Version{Major: 10, Minor: 11}}
	for channel, want := range map[string]string{
		"":                  "STOP SLAVE '' SQL_THREAD",
		"o'brien":           "STOP SLAVE 'o''brien' SQL_THREAD",
		`\'; DROP TABLE t;`: `STOP SLAVE '\\''; DROP TABLE t;' SQL_THREAD`,
	} {
		if got := StopApplierStatement(identity, channel); got != want {
			t.Errorf("%q: %s", channel, got)
		}
	}
}

package integration

import (
	"fmt"

	"trueup/server"
)

// role is what a server of a topology is for, in the words of its command line.
type role struct {
	format          string // of the binary log; "" for none
	parallelThreads int    // of the applier; 0: the family's default
	gtid            bool
	domain          int // of MariaDB's GTIDs
	args            []string
	slowThreads     bool
}

// programArgs is the command line of a server in a container: small memory, no fsync, otherwise what its makers
// chose.
func (r ServerRow) programArgs(role role, port int, further []string) []string {
	args := []string{
		"--no-defaults", "--user=root", "--datadir=/trueup/data", "--socket=/trueup/sock", "--tmpdir=/trueup/tmp", "--pid-file=/trueup/pid",
		fmt.Sprint("--port=", port), "--bind-address=0.0.0.0", "--skip-name-resolve",
		fmt.Sprint("--server-id=", port), "--report-host=127.0.0.1", fmt.Sprint("--report-port=", port),
		"--relay-log=relay", "--slave-net-timeout=10", "--character-set-server=utf8mb4", "--max-connections=100",
		"--innodb-buffer-pool-size=48M", "--innodb-log-buffer-size=4M", "--key-buffer-size=1M",
		// A kill of the server loses nothing of what the system has been given.
		"--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0", "--innodb-doublewrite=0",
		// The system-wide limit of native asynchronous requests is small and shared by all servers.
		"--innodb-use-native-aio=0",
	}
	switch {
	case role.format != "":
		args = append(args, "--log-bin=binlog", "--log-slave-updates=1", "--binlog-format="+role.format)
	case r.IsMySQL(8, 0, 0): // where it is on by default
		args = append(args, "--skip-log-bin")
	}
	if r.Flavor == server.MySQL {
		args = append(args, r.mysqlArgs(role)...)
	} else {
		args = append(args, fmt.Sprint("--slave-parallel-threads=", role.parallelThreads), fmt.Sprint("--gtid-domain-id=", role.domain),
			"--innodb-log-file-size=16M", "--aria-pagecache-buffer-size=8M", "--performance-schema=OFF")
	}
	return append(args, further...)
}

func (r ServerRow) mysqlArgs(role role) []string {
	// The performance schema stays on, as it is by default: only there do MySQL's parallel appliers say what went
	// wrong. It sizes itself by the caches of tables.
	args := []string{"--table-open-cache=400", "--table-definition-cache=400"}
	if r.Version.AtLeast(8, 0, 11) {
		args = append(args, "--mysqlx=OFF")
	}
	if r.Version.AtLeast(5, 7, 6) {
		args = append(args, "--secure-file-priv=NULL")
	}
	if r.Version.AtLeast(8, 0, 30) {
		args = append(args, "--innodb-redo-log-capacity=16M")
	} else {
		args = append(args, "--innodb-log-file-size=16M")
	}
	if role.gtid {
		args = append(args, "--gtid-mode=ON", "--enforce-gtid-consistency=ON")
	} else {
		args = append(args, "--gtid-mode=OFF")
	}
	if role.parallelThreads > 0 {
		args = append(args, fmt.Sprint("--slave-parallel-workers=", role.parallelThreads))
	}
	return args
}

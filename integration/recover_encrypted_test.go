package integration

import (
	"fmt"
	"strings"
	"testing"

	"trueup/recovery"
	"trueup/server"
)

// TestRecoverEncryptedLogs: with encrypted binary and relay logs a fix and a skip end equal, since a server sends its log decrypted. Once the source
// has purged what failed, only the encrypted relay log has it: the diagnosis says that nobody but the server can read that, and offers nothing that would go by it.
func TestRecoverEncryptedLogs(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		if on.Flavor == server.MySQL {
			Require(t, on, Needs{Network: true}) // the keyring is configured beside the server program
		}
		options := modes(on)[0]
		options.SourceArgs, options.ReplicaArgs = encryptedArgs(on, false), encryptedArgs(on, false)
		tp := NewTopology(t, options)
		if on.Flavor == server.MariaDB && tp.Source.Value(t, "SELECT LOAD_FILE(CONCAT(@@plugin_dir, 'file_key_management.so')) IS NULL") == "1" {
			outcomes.skip(t, "needs MariaDB's plugin file_key_management (of Debian's package mariadb-server)")
		}
		for _, node := range tp.Nodes() {
			node.encryptLogs(t)
		}
		if err := tp.Replica(0).waitReplicating(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, action := range map[string]recovery.Action{"1062 in a transaction": recovery.Fix, "1032 one of several rows": recovery.Skip} {
			stop := FindStop(t, name)
			stop.Provoke(t, tp)
			recoverEqual(t, tp, stop, action)
		}
		requireReplicating(t, tp.Replicas...)
		stop := FindStop(t, "1032 in a transaction")
		stop.Provoke(t, tp)
		purgeFailing(t, tp)
		tp.Replica(0).Shell(t, "chmod a+r relay.*") // LOAD_FILE() may want that
		run := NewRecoverRun(t, tp, recovery.Plan)
		result := run.Run(t)
		d := result.Attempts[0].Diagnosis
		if d.Transaction != nil || !strings.Contains(d.NotRead, "encrypted") || d.Option(recovery.Fix) != nil || d.Option(recovery.Skip) != nil || d.Option(recovery.Rebuild) == nil {
			t.Errorf("with nothing but an encrypted relay log: %s", describeRecovery(result))
		}
	}, Needs{MinMySQL: server.Version{Major: 8, Minor: 0, Patch: 24}})
}

// encryptedArgs are the arguments with which a server may read files for trueup, and encrypts its logs.
func encryptedArgs(on ServerRow, encrypts bool) []string {
	args := []string{"--secure-file-priv="}
	switch {
	case on.Flavor == server.MariaDB && encrypts:
		args = append(args, "--plugin-load-add=file_key_management", "--file-key-management-filename=keys.txt", "--encrypt-binlog=1")
	case encrypts:
		args = append(args, "--binlog-encryption=ON")
	}
	if on.IsMySQL(8, 0, 27) {
		return append(args, "--replica-parallel-workers=4")
	}
	return args
}

// encryptLogs gives the server a key, and restarts it such that its logs are encrypted from then on.
func (n *Node) encryptLogs(t *testing.T) {
	t.Helper()
	before, _ := n.BinlogPosition(t)
	if n.Row.Flavor == server.MariaDB {
		n.Shell(t, "echo '1;"+strings.Repeat("5a", 32)+"' > keys.txt")
	} else {
		n.Shell(t, `printf '{"components": "file://component_keyring_file"}' > /usr/sbin/mysqld.my && printf '{"path": "%s/keyring", "read_only": false}' "$PWD" > '`+
			n.Value(t, "SELECT @@plugin_dir")+`component_keyring_file.cnf'`)
	}
	if err := n.Restart(t.Context(), encryptedArgs(n.Row, true)...); err != nil {
		t.Fatal(err)
	}
	file, _ := n.BinlogPosition(t)
	encrypted := strings.Contains(fmt.Sprint(n.Query(t, "SHOW BINLOG EVENTS IN '"+file+"' LIMIT 5")), "Start_encryption")
	if n.Row.Flavor == server.MySQL {
		logs := n.Query(t, "SHOW BINARY LOGS")
		encrypted = logs[len(logs)-1][2] == "Yes"
	}
	if file == before || !encrypted {
		t.Fatalf("%s: the log %s is not encrypted", n.Name(), file)
	}
}

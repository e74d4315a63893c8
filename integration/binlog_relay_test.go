package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	repl "trueup/replication"
	"trueup/replication/binlog"
	"trueup/server"
)

// TestRelayLogIsRead: what a replica has received and not executed is read from its relay log as it is from the source's log, at the same places,
// over the ends of files of both; from files on this machine, and through the server.
func TestRelayLogIsRead(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, gtid := range []bool{false, true} {
			t.Run(fmt.Sprintf("gtid=%v", gtid), func(t *testing.T) { testRelayLog(t, on, gtid) })
		}
	})
}

func testRelayLog(t *testing.T, on ServerRow, gtid bool) {
	tp := NewTopology(t, Options{GTID: gtid, ReplicaArgs: []string{"--secure-file-priv=", "--max-allowed-packet=64M"}})
	n, replica := tp.Source, tp.Replica(0)
	n.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v TEXT) ENGINE=InnoDB")
	tp.WaitCaughtUp(t)
	replica.StopReplica(t, "SQL_THREAD")
	n.Exec(t, "INSERT INTO app.t VALUES (1,'a'),(2,'b')", "BEGIN", "UPDATE app.t SET v='x'", "DELETE FROM app.t WHERE id=1", "COMMIT")
	n.Exec(t, "FLUSH BINARY LOGS", "INSERT INTO app.t VALUES (3,'c')", "ALTER TABLE app.t ADD w INT", "INSERT INTO app.t VALUES (4,'d',5)")
	waitReceived(t, replica, n)
	replica.Exec(t, "FLUSH LOGS")
	n.Exec(t, "INSERT INTO app.t VALUES (6,'e',7)", "FLUSH BINARY LOGS", "INSERT INTO app.t VALUES (8,NULL,NULL)")
	waitReceived(t, replica, n)
	source, target := openServer(t, n), openServer(t, replica)
	session, err := target.Session(t.Context(), server.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	log := relayLogOf(t, replica)
	want := readLog(t, source, log.At, binlog.Limits{})
	if len(want) != 7 {
		t.Fatalf("the source has %d transactions behind %s: %v", len(want), log.At, summaries(want))
	}
	if on.Local() {
		if log.Dir, err = binlog.RelayDir(t.Context(), session); err != nil {
			t.Fatal(err)
		}
	} else if read, err := readRelay(t, session, log); !on.IsMySQL(8, 0, 0) && (!errors.As(err, new(*binlog.FileError)) || len(read) > 0) {
		t.Errorf("files that not everybody may read: %v, %v", summaries(read), err)
	} else if err := replica.container(t).run(t.Context(), "sh", "-c", "chmod -R o+rX /trueup/data"); err != nil {
		t.Fatal(err)
	}
	requireRelayed(t, session, log, want)
	for skipped := range want[:2] { // between transactions of the first file
		log.Offset += uint64(want[skipped].Size)
		log.At = want[skipped].EndPosition()
		requireRelayed(t, session, log, want[skipped+1:])
	}
	requireWrongPlaces(t, session, relayLogOf(t, replica), log.Dir)
	if on.Local() {
		log.File, log.Offset, log.At = relayLogOf(t, replica).File, relayLogOf(t, replica).Offset, relayLogOf(t, replica).At
		requireWholeFiles(t, session, log)
	}
}

// requireWholeFiles: where a file of the relay log is missing or cut short that others follow, it is told, and not taken for the end.
func requireWholeFiles(t *testing.T, session *server.Session, log binlog.RelayLog) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(log.Dir, strings.TrimRight(log.File, "0123456789")+"[0-9]*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("relay logs: %v, %v", files, err)
	}
	from := log.Dir
	log.Dir = t.TempDir()
	place := func(name string, less int) {
		content, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(log.Dir, name), content[:len(content)-less], 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	place(log.File, 0)
	var file *binlog.FileError
	if read, err := readRelay(t, session, log); !errors.As(err, &file) || !errors.Is(err, os.ErrNotExist) || len(read) == 0 {
		t.Errorf("without the second file: %v, %v", summaries(read), err)
	}
	place(log.File, 3)
	if read, err := readRelay(t, session, log); !errors.Is(err, binlog.ErrEnd) || len(read) == 0 {
		t.Errorf("cut short, and the last: %v, %v", summaries(read), err)
	}
	for _, other := range files {
		if name := filepath.Base(other); name != log.File {
			place(name, 0)
		}
	}
	var damaged *binlog.DamagedError
	if read, err := readRelay(t, session, log); !errors.As(err, &damaged) || len(read) == 0 {
		t.Errorf("cut short, and others follow: %v, %v", summaries(read), err)
	}
}

// waitReceived waits until the replica has received all that the source has logged. MariaDB may add an event to the log meanwhile (flushLogs).
func waitReceived(t *testing.T, replica, source *Node) {
	t.Helper()
	end := source.position(t)
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		status := replica.Status(t)
		read, _ := strconv.ParseUint(status["Read_Master_Log_Pos"], 10, 64)
		if status["Master_Log_File"] == end.File && read >= end.Offset ||
			status["Gtid_IO_Pos"] != "" && status["Gtid_IO_Pos"] == source.Value(t, "SELECT @@gtid_binlog_pos") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the replica has not received the log up to %s: %v", end, status)
		}
	}
}

// relayLogOf is where the replica's applier stands.
func relayLogOf(t *testing.T, replica *Node) binlog.RelayLog {
	t.Helper()
	status := replica.Status(t)
	var log binlog.RelayLog
	log.File, log.At.File = status["Relay_Log_File"], status["Relay_Master_Log_File"]
	if _, err := fmt.Sscan(status["Relay_Log_Pos"]+" "+status["Exec_Master_Log_Pos"], &log.Offset, &log.At.Offset); err != nil {
		t.Fatalf("%v: %v", status, err)
	}
	return log
}

func readRelay(t *testing.T, session *server.Session, log binlog.RelayLog) ([]*binlog.Transaction, error) {
	t.Helper()
	var read []*binlog.Transaction
	err := binlog.ReadRelay(t.Context(), session, log, binlog.Limits{}, func(found *binlog.Transaction) (bool, error) {
		read = append(read, found)
		return true, nil
	})
	return read, err
}

func requireRelayed(t *testing.T, session *server.Session, log binlog.RelayLog, want []*binlog.Transaction) {
	t.Helper()
	read, err := readRelay(t, session, log)
	if !errors.Is(err, binlog.ErrEnd) || !slices.Equal(summaries(read), summaries(want)) {
		t.Fatalf("from %+v: %v, read:\n%s\nwant:\n%s", log, err, strings.Join(summaries(read), "\n"), strings.Join(summaries(want), "\n"))
	}
	for i, transaction := range read {
		if transaction.StartPosition() != want[i].StartPosition() || transaction.EndPosition() != want[i].EndPosition() || transaction.GTID != want[i].GTID || transaction.ServerID != want[i].ServerID {
			t.Errorf("%s: %s to %s, GTID %q; in the source's log %s to %s, GTID %q", summary(transaction), transaction.StartPosition(), transaction.EndPosition(), transaction.GTID,
				want[i].StartPosition(), want[i].EndPosition(), want[i].GTID)
		}
	}
}

// requireWrongPlaces: a place that is not one, a file that is not there, and the log of another source are told as such.
func requireWrongPlaces(t *testing.T, session *server.Session, log binlog.RelayLog, dir string) {
	t.Helper()
	log.Dir = dir
	var position *binlog.PositionError
	inside, beyond, other := log, log, log
	inside.Offset++
	beyond.Offset += 1 << 30
	other.At = repl.Position{File: log.At.File, Offset: log.At.Offset + 1}
	for name, wrong := range map[string]binlog.RelayLog{"inside an event": inside, "behind the end": beyond, "of another source": other} {
		if read, err := readRelay(t, session, wrong); !errors.As(err, &position) || len(read) > 0 {
			t.Errorf("%s: %v, %v", name, summaries(read), err)
		}
	}
	log.File = "nothing." + log.File
	var file *binlog.FileError
	if _, err := readRelay(t, session, log); !errors.As(err, &file) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestEncryptedLogIsRead: a server sends its encrypted log decrypted; as a file, it cannot be read, and the error says so.
func TestEncryptedLogIsRead(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1, SourceArgs: []string{"--secure-file-priv="}})
		n := tp.Source
		keyring := `printf '{"components": "file://component_keyring_file"}' > /usr/sbin/mysqld.my && printf '{"path": "/trueup/data/keyring", "read_only": false}' > "$0"component_keyring_file.cnf`
		if err := n.container(t).run(t.Context(), "sh", "-c", keyring, n.Value(t, "SELECT @@plugin_dir")); err != nil {
			t.Fatal(err)
		}
		from := n.position(t)
		if err := n.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.Exec(t, "SET GLOBAL binlog_encryption=ON", "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO app.t VALUES (2)")
		opened := openServer(t, n)
		read := readLog(t, opened, from, binlog.Limits{})
		if got := summaries(read); len(got) != 4 || got[3] != "insert app.t ()>(2); XID" || read[3].EndPosition() != n.position(t) {
			t.Fatalf("up to %s: %v", n.position(t), got)
		}
		for i, transaction := range read[1:] {
			requireFirst(t, opened, read[i].EndPosition(), transaction)
		}
		session, err := opened.Session(t.Context(), server.SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		var file *binlog.FileError
		if read, err := readRelay(t, session, binlog.RelayLog{File: read[3].File, Offset: 4}); !errors.As(err, &file) || !strings.Contains(err.Error(), "encrypted") {
			t.Errorf("as a file: %v, %v", summaries(read), err)
		}
	}, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8, Minor: 0, Patch: 24}, Network: true})
}

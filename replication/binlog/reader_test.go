package binlog_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"trueup/internal/sandbox"
	"trueup/internal/sandbox/sandboxtest"
	"trueup/replication"
	"trueup/replication/binlog"
	"trueup/server"
)

// source is a server with a log of some megabytes, and where the log begins.
func source(t *testing.T) (*sandbox.Instance, *server.Server, replication.Position) {
	t.Helper()
	instance := sandboxtest.Start(t, sandbox.Options{Name: "source"})
	session := sandboxtest.Session(t, instance.AdminEndpoint())
	from, err := replication.SourcePosition(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v LONGTEXT)",
		"INSERT INTO app.t SELECT seq, REPEAT('x', 1000000) FROM mysql.seq_1_to_12", "UPDATE app.t SET v = 'y'"} {
		if err := session.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return instance, session.Server(), from
}

func TestReaderEndsWhenItIsToldTo(t *testing.T) {
	t.Parallel()
	instance, on, from := source(t)
	read := func(ctx context.Context, visit func(*binlog.Transaction) (bool, error)) error {
		return binlog.ReadFrom(ctx, on, from, binlog.Limits{}, visit)
	}
	enough := errors.New("enough")
	if err := read(t.Context(), func(*binlog.Transaction) (bool, error) { return true, enough }); err != enough { //nolint:errorlint // as it is
		t.Errorf("the visitor's error: %v", err)
	}
	seen := 0
	if err := read(t.Context(), func(*binlog.Transaction) (bool, error) { seen++; return seen < 2, nil }); err != nil || seen != 2 {
		t.Errorf("two were wanted: %d, %v", seen, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := read(ctx, func(*binlog.Transaction) (bool, error) { cancel(); return true, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if err := read(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted before: %v", err)
	}
	kill := sync.OnceValue(instance.Kill)
	if err := read(t.Context(), func(*binlog.Transaction) (bool, error) { return true, kill() }); !server.IsConnectionLost(err) && !errors.As(err, new(*server.ConnectError)) {
		t.Errorf("the server is gone: %v", err)
	}
	if err := read(t.Context(), nil); !errors.As(err, new(*server.ConnectError)) {
		t.Errorf("the server has gone: %v", err)
	}
}

func TestReaderLogsInAsSessionsDo(t *testing.T) {
	t.Parallel()
	instance, on, from := source(t)
	session := sandboxtest.Session(t, on.Endpoint())
	for _, statement := range []string{"CREATE USER reader IDENTIFIED BY 'first'", "GRANT REPLICATION SLAVE ON *.* TO reader"} {
		if err := session.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	account := on.Endpoint()
	account.User, account.Password, account.PasswordSet = "reader", "first", true
	socket := account
	socket.Network, socket.Address = "unix", instance.Socket()
	for _, endpoint := range []server.Endpoint{on.Endpoint(), account, socket} {
		opened, err := server.Open(t.Context(), endpoint)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		err = binlog.ReadFrom(t.Context(), opened, from, binlog.Limits{}, func(*binlog.Transaction) (bool, error) { count++; return true, nil })
		if !errors.Is(err, binlog.ErrEnd) || count < 4 {
			t.Errorf("%s: %d transactions, %v", endpoint, count, err)
		}
		_ = opened.Close()
	}
	opened, err := server.Open(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if err := session.Exec(t.Context(), "SET PASSWORD FOR reader = PASSWORD('second')"); err != nil {
		t.Fatal(err)
	}
	err = binlog.ReadFrom(t.Context(), opened, from, binlog.Limits{}, nil)
	var refused *server.ConnectError
	if !errors.As(err, &refused) || refused.Failure != server.ConnectDenied || strings.Contains(fmt.Sprintf("%v %+v", err, refused.Endpoint), "first") {
		t.Errorf("with the old password: %v", err)
	}
}

// TestBrokenLogs: with checksums, every byte that is changed in a log file is noticed; without them nothing worse comes of it than wrong values; and a file
// that is cut off anywhere just ends.
func TestBrokenLogs(t *testing.T) {
	t.Parallel()
	instance := sandboxtest.Start(t, sandbox.Options{Name: "source"})
	session := sandboxtest.Session(t, instance.AdminEndpoint())
	for _, checksum := range []string{"CRC32", "NONE"} {
		log, sound := smallLog(t, instance, session, checksum)
		name := filepath.Join(log.Dir, log.File)
		read := func(content []byte) (count int, err error) {
			if err := os.WriteFile(name, content, 0o600); err != nil {
				t.Fatal(err)
			}
			err = binlog.ReadRelay(t.Context(), session, log, binlog.Limits{}, func(*binlog.Transaction) (bool, error) { count++; return true, nil })
			return count, err
		}
		if count, err := read(sound); !errors.Is(err, binlog.ErrEnd) || count < 5 {
			t.Fatalf("the sound file: %d transactions, %v", count, err)
		}
		for i := 4; i < len(sound); i++ {
			broken := bytes.Clone(sound)
			broken[i] ^= 1 << (i % 8)
			_, err := read(broken)
			if checksum == "CRC32" && errors.Is(err, binlog.ErrEnd) && !isSize(sound, i) {
				t.Errorf("byte %d of %d was changed, and nobody noticed: %v", i, len(sound), err)
			}
			if i%7 != 0 {
				continue
			}
			if _, err := read(sound[:i]); !errors.Is(err, binlog.ErrEnd) {
				t.Errorf("cut off at %d: %v", i, err)
			}
		}
	}
}

// isSize tells whether a byte of a log file belongs to the size of an event: a wrong one can make the file look cut off.
func isSize(log []byte, at int) bool {
	const header = 19
	for event := 4; event+header <= len(log); event += int(binary.LittleEndian.Uint32(log[event+9:])) {
		if at >= event+9 && at < event+13 {
			return true
		}
	}
	return false
}

// smallLog makes a log file with transactions of several kinds, and copies it.
func smallLog(t *testing.T, instance *sandbox.Instance, session *server.Session, checksum string) (log binlog.RelayLog, content []byte) {
	t.Helper()
	run := func(statement string) {
		if err := session.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	run("SET GLOBAL binlog_checksum = " + checksum)
	run("FLUSH BINARY LOGS")
	at, err := replication.SourcePosition(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"CREATE OR REPLACE DATABASE app", "CREATE TABLE app.t (id INT, n DECIMAL(10,3), d DATETIME(3), e ENUM('a','b'), v VARCHAR(20), g POINT, c VARCHAR(200) COMPRESSED)",
		"INSERT INTO app.t VALUES (1, 1.5, NOW(), 'a', 'x', POINT(1,2), REPEAT('c', 100)), (2, NULL, NULL, NULL, NULL, NULL, NULL)", "SET GLOBAL log_bin_compress = ON, GLOBAL log_bin_compress_min_len = 10", "UPDATE app.t SET v = REPEAT('y', 20)",
		"SET GLOBAL log_bin_compress = OFF", "DELETE FROM app.t", "FLUSH BINARY LOGS"} {
		run(statement)
	}
	content, err = os.ReadFile(filepath.Join(instance.Dir(), "data", at.File))
	if err != nil {
		t.Fatal(err)
	}
	return binlog.RelayLog{Dir: t.TempDir(), File: at.File, Offset: 4}, content
}

package server_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trueup/internal/sandbox"
	"trueup/internal/sandbox/sandboxtest"
	"trueup/server"
)

// hostile are settings of a server or of its init_connect that would cut results short, end sessions or change
// what values look like.
var hostile = []string{
	"sql_select_limit = 2", "max_statement_time = 1", "sql_mode = 'ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES'",
	"time_zone = '-07:00'", "idle_transaction_timeout = 1", "idle_readonly_transaction_timeout = 1",
	"idle_write_transaction_timeout = 1", "wait_timeout = 2", "net_write_timeout = 1", "net_read_timeout = 1",
	"tx_isolation = 'READ-UNCOMMITTED'", "tx_read_only = 1", "autocommit = 0", "sql_auto_is_null = 1", "sql_big_selects = 0",
	"max_join_size = 2", "sql_safe_updates = 1", "completion_type = 1", "lock_wait_timeout = 1", "sql_quote_show_create = 0",
	"system_versioning_asof = '2001-01-01'", "character_set_client = latin1", "collation_connection = latin1_german1_ci",
	"sql_buffer_result = 1",
}

// settled is what every session must read back.
var settled = map[string]string{
	"sql_select_limit": "18446744073709551615", "max_statement_time": "0", "sql_mode": "", "time_zone": "+00:00",
	"idle_transaction_timeout": "0", "idle_readonly_transaction_timeout": "0", "idle_write_transaction_timeout": "0",
	"wait_timeout": "28800", "net_read_timeout": "600", "lock_wait_timeout": "5",
	"autocommit": "1", "sql_auto_is_null": "0", "sql_big_selects": "1", "sql_safe_updates": "0", "completion_type": "NO_CHAIN",
	"sql_quote_show_create": "1", "system_versioning_asof": "DEFAULT", "sql_buffer_result": "0", "query_cache_type": "OFF",
	"character_set_client": "utf8mb4", "collation_connection": "utf8mb4_general_ci", "tx_isolation": "REPEATABLE-READ",
}

func TestSettingsOverrideTheServers(t *testing.T) {
	t.Parallel()
	instance := sandboxtest.Start(t, sandbox.Options{Name: "hostile", Args: []string{
		"--query-cache-size=1M", "--query-cache-type=1", "--skip-character-set-client-handshake", "--character-set-server=latin1"}})
	endpoint := instance.AdminEndpoint()
	root := session(t, open(t, endpoint), server.SessionOptions{})
	mustExec(t, root, "CREATE USER plain@'%' IDENTIFIED BY 'x'",
		"CREATE DATABASE app", "CREATE TABLE app.t (id int primary key, s timestamp, c char(5))",
		"INSERT INTO app.t VALUES (1,'2026-01-01 00:00:00','a'),(2,'2026-01-01','b'),(3,'2026-01-01','c')", "GRANT SELECT ON app.* TO plain@'%'",
		"SET GLOBAL init_connect = 'SET @@character_set_results=latin1, @@foreign_key_checks=1'")
	for _, assignment := range hostile {
		mustExec(t, root, "SET GLOBAL "+assignment)
	}
	plain := endpoint
	plain.User, plain.Password = "plain", "x"
	for name, endpoint := range map[string]server.Endpoint{"administrator": endpoint, "plain account": plain} {
		for _, reader := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s reader=%v", name, reader), func(t *testing.T) {
				t.Parallel()
				s := session(t, open(t, endpoint), server.SessionOptions{Reader: reader})
				requireSettings(t, s, reader)
				if privileged := name == "administrator"; s.BinlogOff() != (reader && privileged) {
					t.Error("BinlogOff is", s.BinlogOff())
				}
				records, err := s.Records(t.Context(), `SELECT id, s, c, "text" AS q FROM app.t`)
				if err != nil || len(records) != 3 {
					t.Fatalf("%d rows, %v", len(records), err)
				}
				if r := records[0]; r.Text("s") != "2026-01-01 00:00:00" || r.Text("c") != "a" || r.Text("q") != "text" {
					t.Errorf("row %q %q %q", r.Text("s"), r.Text("c"), r.Text("q"))
				}
				if err := s.Exec(t.Context(), "DO SLEEP(2.2)"); err != nil {
					t.Error("a statement was ended early:", err)
				}
			})
		}
	}
}

func requireSettings(t *testing.T, s *server.Session, reader bool) {
	t.Helper()
	want := map[string]string{"character_set_results": "utf8mb4", "tx_read_only": "0", "sql_log_bin": "1", "net_write_timeout": "5"}
	if reader {
		want["character_set_results"], want["tx_read_only"], want["net_write_timeout"] = "", "1", "600"
	}
	if s.BinlogOff() {
		want["sql_log_bin"] = "0"
	}
	for name, value := range settled {
		want[name] = value
	}
	for name, value := range want {
		record, err := s.One(t.Context(), "SELECT @@SESSION."+name+" AS v")
		if err != nil {
			t.Fatal(err)
		}
		if got := record.Text("v"); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	record, err := s.One(t.Context(), "SELECT @@SESSION.character_set_results AS v")
	if _, hasValue := record.Lookup("v"); err != nil || hasValue == reader {
		t.Errorf("character_set_results: has a value %v, %v", hasValue, err)
	}
}

func TestSessionTimeouts(t *testing.T) {
	t.Parallel()
	s := session(t, open(t, sharedInstance(t).AdminEndpoint()), server.SessionOptions{WaitTimeout: 1500 * time.Millisecond, LockWaitTimeout: time.Millisecond})
	record, err := s.One(t.Context(), "SELECT @@SESSION.wait_timeout AS w, @@SESSION.lock_wait_timeout AS l")
	if err != nil || record.Text("w") != "2" || record.Text("l") != "1" {
		t.Errorf("wait %s s, lock wait %s s, %v", record.Text("w"), record.Text("l"), err)
	}
	watching := admin(t)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		found, err := watching.One(t.Context(), fmt.Sprintf("SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE ID = %d", s.ID()))
		if err != nil {
			t.Fatal(err)
		}
		if found.Text("n") == "0" {
			break
		}
	}
	if _, err := s.One(t.Context(), "SELECT 1"); !server.IsConnectionLost(err) {
		t.Error("after the wait timeout:", err)
	}
}

func TestReaderMayNotWrite(t *testing.T) {
	t.Parallel()
	name := database(t)
	mustExec(t, admin(t), "CREATE TABLE "+name+".t (id int primary key) ENGINE=InnoDB")
	reader := session(t, open(t, sharedInstance(t).AdminEndpoint()), server.SessionOptions{Reader: true})
	if err := reader.Exec(t.Context(), "INSERT INTO "+name+".t VALUES (1)"); !server.IsReadOnly(err) {
		t.Error("an INSERT of a reader:", err)
	}
}

func TestMultiStatements(t *testing.T) {
	t.Parallel()
	on := open(t, sharedInstance(t).AdminEndpoint())
	multi := session(t, on, server.SessionOptions{MultiStatements: true})
	mustExec(t, multi, "SET @a = 1; SET @a = @a + 1")
	if record, err := multi.One(t.Context(), "SELECT @a AS a"); err != nil || record.Text("a") != "2" {
		t.Error(record.Text("a"), err)
	}
	if err := session(t, on, server.SessionOptions{}).Exec(t.Context(), "SET @a = 1; SET @a = 2"); !server.IsSyntaxError(err) {
		t.Error("two statements in one packet:", err)
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	reader := session(t, open(t, sharedInstance(t).AdminEndpoint()), server.SessionOptions{Reader: true})
	statement, err := reader.Prepare(t.Context(), "SELECT seq, CAST(16777217.5 AS FLOAT), NULL FROM "+database(t)+".seq_1_to_5 WHERE seq > ?")
	if err != nil {
		t.Fatal(err)
	}
	for _, lower := range []int64{0, 3} { // a statement runs more than once
		var rows int64
		err := statement.Stream(t.Context(), []driver.Value{lower}, func(values []driver.Value) error {
			rows++
			if values[0] != lower+rows || values[1] != float32(16777218) || values[2] != nil {
				t.Errorf("row %d: %#v", rows, values)
			}
			return nil
		})
		if err != nil || rows != 5-lower {
			t.Errorf("%d rows, %v", rows, err)
		}
	}
	own := errors.New("the callback's own")
	err = statement.Stream(t.Context(), []driver.Value{int64(0)}, func([]driver.Value) error { return own })
	if err != own {
		t.Error("the callback's error came back as", err)
	}
	if err := statement.Close(); err != nil {
		t.Error(err)
	}
	if _, err := reader.Prepare(t.Context(), "SELECT nothing FROM no_such_db.t"); !server.IsNoSuchTable(err) || !strings.Contains(err.Error(), "SELECT nothing") {
		t.Error(err)
	}
}

func TestStreamEndsWithItsContext(t *testing.T) {
	t.Parallel()
	reader := session(t, open(t, sharedInstance(t).AdminEndpoint()), server.SessionOptions{Reader: true})
	statement, err := reader.Prepare(t.Context(), "SELECT seq FROM "+database(t)+".seq_1_to_100000000")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begin, rows := time.Now(), 0
	err = statement.Stream(ctx, nil, func([]driver.Value) error {
		if rows++; rows == 1000 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || server.IsConnectionLost(err) || time.Since(begin) > 5*time.Second {
		t.Errorf("after %v and %d rows: %v", time.Since(begin), rows, err)
	}
}

// Values of 64 MB must come and go whole.
func TestLargeValues(t *testing.T) {
	t.Parallel()
	s := session(t, open(t, sharedInstance(t).AdminEndpoint()), server.SessionOptions{})
	statement, err := s.Prepare(t.Context(), "SELECT REPEAT('x', 67108864) AS big, OCTET_LENGTH(?) AS n")
	if err != nil {
		t.Fatal(err)
	}
	defer statement.Close()
	for _, size := range []int{1, 64 << 20} {
		err = statement.Stream(t.Context(), []driver.Value{make([]byte, size)}, func(values []driver.Value) error {
			if n := len(values[0].([]byte)); n != 64<<20 {
				t.Errorf("read %d bytes", n)
			}
			if values[1] != int64(size) {
				t.Errorf("the server got %v bytes of %d", values[1], size)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestKill(t *testing.T) {
	t.Parallel()
	_, endpoint := account(t, "")
	on := open(t, endpoint)
	victim := session(t, on, server.SessionOptions{})
	begin, killed := time.Now(), make(chan struct{})
	time.AfterFunc(200*time.Millisecond, func() {
		defer close(killed)
		if err := on.Kill(context.Background(), victim.ID()); err != nil {
			t.Error(err)
		}
	})
	if err := victim.Exec(t.Context(), "DO SLEEP(20)"); !server.IsConnectionLost(err) || time.Since(begin) > 10*time.Second {
		t.Errorf("the victim after %v: %v", time.Since(begin), err)
	}
	<-killed
	if err := on.Kill(t.Context(), victim.ID()); err != nil {
		t.Error("killing what is gone:", err)
	}
	foreign := admin(t)
	if err := on.Kill(t.Context(), foreign.ID()); !server.IsAccessDenied(err) {
		t.Error("killing another account's connection:", err)
	}
}

func TestSameServer(t *testing.T) {
	t.Parallel()
	instance := sharedInstance(t)
	other := sandboxtest.Start(t, sandbox.Options{Name: "other"})
	socket := instance.AdminEndpoint()
	socket.Network, socket.Address, socket.Password = "unix", instance.Socket(), ""
	first := open(t, instance.AdminEndpoint())
	for name, test := range map[string]struct {
		endpoint server.Endpoint
		want     bool
	}{"socket": {socket, true}, "other": {other.AdminEndpoint(), false}} {
		same, err := server.SameServer(t.Context(), first, open(t, test.endpoint))
		if err != nil || same != test.want {
			t.Errorf("%s: %v, %v", name, same, err)
		}
	}
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	instance := sharedInstance(t)
	identity := open(t, instance.AdminEndpoint()).Identity()
	if identity.Flavor != server.MariaDB || identity.Port != instance.Port() || int(identity.ServerID) != instance.Port() ||
		identity.Hostname == "" || !strings.HasPrefix(identity.DataDir, instance.Dir()) || !strings.HasPrefix(identity.VersionText, identity.Version.String()) {
		t.Errorf("%+v", identity)
	}
	if identity.Version.AtLeast(10, 11, 19) && identity.UUID == "" {
		t.Error("no server_uid")
	}
}

// A proxy that leads to another server later must be noticed by the next session.
func TestSessionOnAnotherServer(t *testing.T) {
	t.Parallel()
	first, second := sharedInstance(t), sandboxtest.Start(t, sandbox.Options{Name: "second"})
	endpoint := first.AdminEndpoint()
	for _, instance := range []*sandbox.Instance{first, second} {
		root := session(t, open(t, instance.AdminEndpoint()), server.SessionOptions{})
		mustExec(t, root, "CREATE USER proxied@'%' IDENTIFIED BY 'x'")
	}
	var target atomic.Pointer[string]
	lead := func(to string) { target.Store(&to) }
	endpoint.User, endpoint.Password = "proxied", "x"
	endpoint.Address = proxy(t, &target)
	lead(first.Address())
	through := open(t, endpoint)
	session(t, through, server.SessionOptions{})
	lead(second.Address())
	_, err := through.Session(t.Context(), server.SessionOptions{})
	var changed *server.IdentityChangedError
	if !errors.As(err, &changed) || changed.Was == changed.Now || !strings.Contains(err.Error(), endpoint.Address) {
		t.Errorf("%T %v", err, err)
	}
}

func proxy(t *testing.T, target *atomic.Pointer[string]) string {
	listener := listen(t)
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", *target.Load())
			if err != nil {
				_ = near.Close()
				continue
			}
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
			go func() { _, _ = io.Copy(near, far); _ = near.Close() }()
		}
	}()
	return listener.Addr().String()
}

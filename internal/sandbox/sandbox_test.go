package sandbox

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// envChild makes this test program a child that starts a server, prints where it is and waits to be killed.
const envChild = "TRUEUP_SANDBOX_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(envChild) != "" {
		runChild()
	}
	goleak.VerifyTestMain(m)
}

func runChild() {
	instance, err := Start(context.Background(), Options{Name: "child"})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("ready", instance.PID(), instance.Port(), instance.Dir())
	time.Sleep(time.Minute)
	os.Exit(0)
}

// requireServer skips, or fails where REQUIRE_SERVERS=1, when this machine can run no server.
func requireServer(t *testing.T) {
	t.Helper()
	if _, err := Find(t.Context()); err != nil {
		if os.Getenv("REQUIRE_SERVERS") == "1" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED, NOT PROVEN: ", err)
	}
}

func start(t *testing.T, options Options) *Instance {
	t.Helper()
	requireServer(t)
	instance, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := instance.Stop(); err != nil {
			t.Error(err)
		}
	})
	return instance
}

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func value(t *testing.T, dsn, query string) string {
	t.Helper()
	var v sql.NullString
	if err := open(t, dsn).QueryRow(query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v.String
}

func TestStartAppliesOptions(t *testing.T) {
	t.Parallel()
	i := start(t, Options{Name: "options", ServerID: 42, BinlogFormat: "mixed", GTIDDomain: 7, ParallelThreads: 3, Args: []string{"--read-only=1"}})
	got := value(t, i.DSN(), `SELECT CONCAT_WS(' ', @@server_id, @@binlog_format, @@gtid_domain_id, @@slave_parallel_threads,
		@@read_only, @@log_bin, @@port, @@performance_schema, @@report_port, @@skip_name_resolve)`)
	if want := fmt.Sprintf("42 MIXED 7 3 ON ON %d OFF %d ON", i.Port(), i.Port()); got != want {
		t.Errorf("settings: got %s, want %s", got, want)
	}
	if got := value(t, i.SocketDSN(), "SELECT CURRENT_USER()"); got != "root@localhost" {
		t.Errorf("on the socket: %s", got)
	}
	if got := value(t, i.DSN(), "SELECT @@gtid_binlog_pos"); got != "" {
		t.Errorf("a fresh server's binary log must be empty, it holds %s", got)
	}
	endpoint := i.AdminEndpoint()
	wrong := fmt.Sprintf("root:wrong@tcp(%s)/", endpoint.Address)
	if err := open(t, wrong).Ping(); err == nil {
		t.Error("a wrong password was let in")
	}
	if err := open(t, fmt.Sprintf("root@tcp(%s)/", endpoint.Address)).Ping(); err == nil {
		t.Error("root without password was let in over TCP")
	}
}

func TestStartWithoutBinlog(t *testing.T) {
	t.Parallel()
	i := start(t, Options{NoBinlog: true})
	if got := value(t, i.DSN(), "SELECT @@log_bin"); got != "0" {
		t.Errorf("log_bin = %s", got)
	}
}

func TestStartIsFast(t *testing.T) {
	requireServer(t)
	start(t, Options{}) // makes the template
	began := time.Now()
	i := start(t, Options{})
	// Either takes less than a second. The bounds leave room for a disk that hangs, and are far from what a database made anew, or a server
	// that does not hear that it is to end, would take.
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("starting took %s", took)
	} else {
		t.Logf("starting took %s", took)
	}
	began = time.Now()
	if err := i.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if _, err := os.Stat(i.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestManyStartAtOnce(t *testing.T) {
	requireServer(t)
	// An empty cache for all of them, so that they also race for the template.
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	instances := make([]*Instance, 4)
	var group sync.WaitGroup
	for n := range instances {
		group.Go(func() {
			var err error
			if instances[n], err = Start(t.Context(), Options{Name: fmt.Sprint("many-", n)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	ports := map[int]bool{}
	for _, i := range instances {
		if i != nil {
			ports[i.Port()] = true
			if err := i.Stop(); err != nil {
				t.Error(err)
			}
		}
	}
	if len(ports) != len(instances) {
		t.Errorf("%d different ports for %d servers", len(ports), len(instances))
	}
}

func TestStartWithoutCacheFolder(t *testing.T) {
	requireServer(t)
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	i := start(t, Options{})
	if got := value(t, i.DSN(), "SELECT 1"); got != "1" {
		t.Error(got)
	}
}

func TestKillAndRestartKeepData(t *testing.T) {
	t.Parallel()
	i := start(t, Options{})
	db := open(t, i.DSN())
	for _, statement := range []string{"CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t VALUES (1),(2)"} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	port := i.Port()
	if err := i.Kill(); err != nil {
		t.Fatal(err)
	}
	if i.PID() != 0 {
		t.Error("a killed server has a process id")
	}
	if err := i.Kill(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("killing a dead server: %v", err)
	}
	if err := i.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := i.Restart(t.Context(), "--read-only=1"); err != nil { // and in order, with another setting
		t.Fatal(err)
	}
	if got := value(t, i.DSN(), "SELECT CONCAT(COUNT(*), '/', @@read_only) FROM app.t"); got != "2/ON" || i.Port() != port {
		t.Errorf("after restarting: %s rows/read_only, port %d (was %d)", got, i.Port(), port)
	}
	if err := i.Shutdown(); err != nil {
		t.Fatal(err)
	}
	if err := i.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := i.Restart(t.Context()); err == nil {
		t.Error("a stopped server was restarted")
	}
}

// The port of a server that is down for a restart is free, and not to be given to another one.
func TestFreePortIsGivenOnce(t *testing.T) {
	seen := map[int]bool{}
	for range 1000 {
		port, err := FreePort()
		if err != nil || seen[port] {
			t.Fatalf("port %d after %d others: %v", port, len(seen), err)
		}
		seen[port] = true
	}
}

// Nothing reserves a port against other processes: a server whose port was taken meanwhile says so, and gets it when it is free again.
func TestRestartWaitsForItsPort(t *testing.T) {
	t.Parallel()
	i := start(t, Options{})
	if err := i.Shutdown(); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", i.Address())
	if err != nil {
		t.Fatal(err)
	}
	i.mu.Lock()
	err = i.launch(t.Context())
	i.mu.Unlock()
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a server on a taken port: %v", err)
	}
	time.AfterFunc(400*time.Millisecond, func() { _ = listener.Close() })
	if err := i.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	i := start(t, Options{})
	db := open(t, i.DSN())
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	if err := i.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := db.PingContext(ctx); err == nil {
		t.Error("a paused server answered")
	}
	if err := i.Resume(); err != nil {
		t.Fatal(err)
	}
	if got := value(t, i.DSN(), "SELECT 1"); got != "1" {
		t.Error(got)
	}
	if err := i.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := i.Stop(); err != nil { // a paused server can be stopped
		t.Fatal(err)
	}
}

func TestStartFailureShowsTheLog(t *testing.T) {
	t.Parallel()
	requireServer(t)
	parent := t.TempDir()
	_, err := Start(t.Context(), Options{Name: "broken", ParentDir: parent, Args: []string{"--no-such-option=1"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-option") || !strings.Contains(err.Error(), "broken") {
		t.Errorf("the error must show the server's own words: %v", err)
	}
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("a failed start left %v", left)
	}
	if _, err := Start(t.Context(), Options{BinlogFormat: "PARCHMENT"}); err == nil {
		t.Error("a wrong binary log format was accepted")
	}
}

func TestStartIsCancelled(t *testing.T) {
	t.Parallel()
	requireServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	parent := t.TempDir()
	if _, err := Start(ctx, Options{ParentDir: parent}); err == nil {
		t.Fatal("started under a context that had ended")
	}
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("a cancelled start left %v", left)
	}
}

// A test program that is killed takes its servers with it, and its folder goes when the next one starts.
func TestServersDieWithTheProcess(t *testing.T) {
	t.Parallel()
	requireServer(t)
	parent := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), envChild+"=1", "TMPDIR="+parent)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	var pid, port int
	var dir string
	if _, err := fmt.Sscanf(line, "ready %d %d %s", &pid, &port, &dir); err != nil {
		t.Fatalf("the child said %q", line)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	waitGone(t, pid, filepath.Join(dir, "pid"))
	lock := filepath.Join(dir, "owner.lock")
	sweep(parent)
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("a young folder must be left alone: %v", err)
	}
	old := time.Now().Add(-2 * youngest)
	if err := os.Chtimes(lock, old, old); err != nil {
		t.Fatal(err)
	}
	sweep(parent)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a dead process is still there: %v", err)
	}
}

// waitGone waits for the end of a server: of its process, or in Docker, where it ends in order, of its pid file.
func waitGone(t *testing.T, pid int, pidFile string) {
	t.Helper()
	gone := func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || isZombie(pid) }
	if pid == 0 {
		gone = func() bool { _, err := os.Stat(pidFile); return errors.Is(err, os.ErrNotExist) }
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if gone() {
			return
		}
	}
	t.Errorf("the server (process %d) outlived the process that started it", pid)
}

// isZombie: in a container whose first process does not wait for orphans, the dead server stays listed.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestSweepLeavesFoldersInUse(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	f, err := newFolder(parent)
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * youngest)
	if err := os.Chtimes(f.lock.Name(), old, old); err != nil {
		t.Fatal(err)
	}
	sweep(parent)
	if _, err := os.Stat(f.path); err != nil {
		t.Errorf("a folder in use was removed: %v", err)
	}
	if err := f.remove(); err != nil {
		t.Fatal(err)
	}
}

func TestFolderPathTooLongForASocket(t *testing.T) {
	t.Parallel()
	parent := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(parent, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := newFolder(parent); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(parent); len(left) != 0 {
		t.Errorf("left %v", left)
	}
}

package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"trueup/server"
)

const (
	adminUser = "root"
	// startLimit is generous: a machine with more tests than cores starts a server in ten times its usual time.
	startLimit    = 60 * time.Second
	shutdownLimit = 30 * time.Second
	portAttempts  = 8
)

// Instance is one private server. Its methods may be called from several goroutines.
type Instance struct {
	options  Options
	runtime  *Runtime
	folder   *folder
	port     int
	password string

	mu       sync.Mutex
	initFile string   // run by the next start; only the first has one
	process  *process // nil before the first start and after Stop
	stopped  bool     // Stop was called: nothing may be started any more
}

// Start starts a server and returns when it answers. The server lives until Stop, or until this process ends;
// ctx bounds only the start. It fails with ErrNoServer where there is nothing to run; an error of the server
// itself comes with the end of its log. Nothing is left behind by a failed start.
func Start(ctx context.Context, options Options) (*Instance, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start a private server: %w", err)
	}
	i := &Instance{options: options, runtime: options.Runtime, password: rand.Text()}
	if i.runtime == nil {
		if i.runtime, err = Find(ctx); err != nil {
			return nil, err
		}
	}
	if i.folder, err = newFolder(options.ParentDir); err != nil {
		return nil, err
	}
	if err := i.firstStart(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start a private server (%s, %s): %w", options.Name, i.runtime, err), i.Stop())
	}
	return i, nil
}

func (i *Instance) firstStart(ctx context.Context) error {
	if err := i.runtime.fillDataDir(ctx, i.folder.data()); err != nil {
		return err
	}
	i.initFile = filepath.Join(i.folder.path, "init.sql")
	if err := os.WriteFile(i.initFile, []byte(i.initStatements()), 0o600); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for attempt := 1; ; attempt++ {
		port, err := FreePort()
		if err != nil {
			return err
		}
		i.port = port
		err = i.launch(ctx)
		if err == nil {
			i.initFile = ""
			return nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) || attempt == portAttempts {
			return err
		}
	}
}

// initStatements make the administrator's account for TCP and leave root without a password on the socket only,
// whose folder nobody else can enter. They stay out of the binary log. One statement a line, as --init-file wants.
func (i *Instance) initStatements() string {
	return strings.Join([]string{
		"SET SESSION sql_log_bin=0;",
		"DELETE FROM mysql.global_priv WHERE User='' OR (User='root' AND Host<>'localhost');",
		"FLUSH PRIVILEGES;",
		"GRANT ALL PRIVILEGES ON *.* TO '" + adminUser + "'@'127.0.0.1' IDENTIFIED BY '" + i.password + "' WITH GRANT OPTION;",
	}, "\n") + "\n"
}

// given are the ports that FreePort has returned, each with the number of the call.
var given struct {
	mu    sync.Mutex
	calls int
	last  map[int]int
}

// notAgain is how many other ports are given before one is given again: half of those that there are.
const notAgain = 6000

// FreePort returns a port that was free a moment ago, below the range from which systems choose the ports of
// outgoing connections: a restarted server would find its port taken by one of them. It is not one that this process
// was given before (but for those of thousands of calls ago): its server may be down only to be started again.
func FreePort() (int, error) {
	given.mu.Lock()
	defer given.mu.Unlock()
	var last error
	for range 50 {
		var b [2]byte
		if _, err := rand.Read(b[:]); err != nil {
			return 0, err
		}
		port := 20000 + (int(b[0])<<8|int(b[1]))%12000
		if call, ok := given.last[port]; ok && given.calls-call < notAgain {
			last = fmt.Errorf("port %d was given before", port)
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", port))
		if err != nil {
			last = err
			continue
		}
		if given.last == nil {
			given.last = map[int]int{}
		}
		given.calls++
		given.last[port] = given.calls
		return port, listener.Close()
	}
	return 0, fmt.Errorf("find a free port: %w", last)
}

// launch runs the server on i.port and waits until it answers. It fails with syscall.EADDRINUSE when
// somebody else took the port. The caller holds i.mu.
func (i *Instance) launch(ctx context.Context) error {
	log, err := os.Create(i.folder.log())
	if err != nil {
		return err
	}
	defer log.Close() // the server has its own handle
	command, container := exec.Command(i.runtime.binary, i.serverArgs()...), ""
	if i.runtime.InDocker() {
		container = newContainerName(safeName(i.options.Name))
		args := append(i.runtime.dockerRunArgs(i.folder.path, container), "--entrypoint", i.runtime.binary, i.runtime.image)
		command = exec.Command(i.runtime.docker, append(args, i.serverArgs()...)...)
	}
	command.Env = os.Environ()
	for name, value := range i.options.Env {
		command.Env = append(command.Env, name+"="+value)
	}
	command.Dir = i.folder.path
	command.Stdout, command.Stderr = log, log
	if i.process, err = startProcess(command, container, i.runtime.docker); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := i.waitReady(ctx); err != nil {
		return errors.Join(err, i.process.kill())
	}
	return nil
}

// waitReady waits until the administrator can log in over TCP, which no other server on that port would allow.
func (i *Instance) waitReady(ctx context.Context) error {
	for {
		if i.answers(ctx) {
			return nil
		}
		select {
		case <-i.process.ended:
			tail := i.LogTail(30)
			if strings.Contains(tail, "Address already in use") {
				return fmt.Errorf("port %d: %w", i.port, syscall.EADDRINUSE)
			}
			return fmt.Errorf("the server ended (%w), its log ends with:\n%s", exitError(i.process.waitErr), tail)
		case <-ctx.Done():
			return fmt.Errorf("the server did not answer on port %d: %w; its log ends with:\n%s", i.port, ctx.Err(), i.LogTail(30))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// Port is the TCP port on 127.0.0.1. It stays the same over Restart.
func (i *Instance) Port() int { return i.port }

// Address is host:port.
func (i *Instance) Address() string { return fmt.Sprint("127.0.0.1:", i.port) }

// Socket is the path of the Unix socket, where root needs no password.
func (i *Instance) Socket() string { return i.folder.socket() }

// Dir is the server's folder: data/ and error.log are in it. Stop removes it.
func (i *Instance) Dir() string { return i.folder.path }

// Runtime is what runs the server.
func (i *Instance) Runtime() *Runtime { return i.runtime }

// DSN is a go-sql-driver data source name of the administrator over TCP, without parameters.
func (i *Instance) DSN() string {
	return fmt.Sprintf("%s:%s@tcp(%s)/", adminUser, i.password, i.Address())
}

// SocketDSN is a go-sql-driver data source name of root on the Unix socket.
func (i *Instance) SocketDSN() string { return fmt.Sprintf("%s@unix(%s)/", adminUser, i.Socket()) }

// AdminEndpoint is the administrator's account over TCP, which may do everything and grant it.
func (i *Instance) AdminEndpoint() server.Endpoint {
	return server.Endpoint{
		Network: "tcp", Address: i.Address(), User: adminUser, Password: server.Secret(i.password), PasswordSet: true,
		TLS: server.TLS{Mode: server.TLSOff}, ConnectTimeout: 10 * time.Second,
	}
}

// PID is the process id of the server program; 0 in Docker and when it is not running.
func (i *Instance) PID() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.process == nil || !i.process.alive() || i.runtime.InDocker() {
		return 0
	}
	return i.process.command.Process.Pid
}

// LogTail returns the last lines of the server's log since its last start.
func (i *Instance) LogTail(lines int) string {
	content, err := os.ReadFile(i.folder.log())
	if err != nil {
		return err.Error()
	}
	return strings.TrimPrefix(tailOf(string(content), lines), ":\n")
}

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	tcnetwork "github.com/testcontainers/testcontainers-go/network"

	"trueup/internal/sandbox"
	"trueup/server"
)

const (
	// answerLimit is generous: a machine with more tests than cores starts a server in ten times its usual time.
	answerLimit   = 90 * time.Second
	shutdownLimit = 30 * time.Second
	actionLimit   = 2 * time.Minute
	portAttempts  = 6
	argsFile      = "/trueup/args"
	// startProgram runs the server with the arguments of a file, one a line: a container's own cannot be changed
	// for a restart.
	startProgram = `while IFS= read -r argument; do set -- "$@" "$argument"; done <` + argsFile + `
exec "$(command -v mariadbd || command -v mysqld)" "$@"`
)

// containerServer is a server in a container. It is in two networks: the bridge, through which its port is published
// on the loopback, and the topology's own, in which it is known by its name and replicates.
type containerServer struct {
	docker  *docker
	row     ServerRow
	host    string // its name in the topology's network
	network string
	args    func(port int, further []string) []string
	slow    string // the library that makes its threads slow, on this machine; "": none

	port int
	box  testcontainers.Container

	mu      sync.Mutex
	further []string // arguments of the topology's options
	stopped bool
}

// newNetwork makes a topology's network. It is internal: what leaves it is the business of the bridge, and a server cut
// off from it can still be asked how it fares.
func (d *docker) newNetwork(ctx context.Context) (*testcontainers.DockerNetwork, error) {
	n, err := tcnetwork.New(ctx, tcnetwork.WithInternal(), tcnetwork.WithLabels(d.labels()))
	if err != nil {
		return nil, fmt.Errorf("make a network of containers: %w", err)
	}
	return n, nil
}

// start starts the server and waits until it answers.
func (c *containerServer) start(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for attempt := 1; ; attempt++ {
		port, err := sandbox.FreePort()
		if err != nil {
			return err
		}
		c.port = port
		if err = c.create(ctx); err == nil {
			return c.waitReady(ctx)
		}
		if c.box != nil {
			_ = c.docker.remove(c.box.GetContainerID())
		}
		if !taken(err) || attempt == portAttempts {
			return fmt.Errorf("start a container of %s: %w", c.row.Name, err)
		}
	}
}

// taken tells whether the daemon could not publish a port because somebody else has it.
func taken(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || strings.Contains(err.Error(), "port is already allocated") ||
		strings.Contains(err.Error(), "address already in use")
}

func (c *containerServer) create(ctx context.Context) (err error) {
	port := network.MustParsePort(fmt.Sprint(c.port, "/tcp"))
	c.box, err = testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		ContainerRequest: testcontainers.ContainerRequest{
			Image: c.row.image, Entrypoint: []string{"/bin/sh", "-c", startProgram, "sh"}, Labels: c.docker.labels(),
			ExposedPorts:   []string{port.String()},
			Networks:       []string{"bridge", c.network},
			NetworkAliases: map[string][]string{c.network: {c.host}},
			Files:          c.files(),
			Env:            c.environment(),
			HostConfigModifier: func(host *container.HostConfig) {
				host.PortBindings = network.PortMap{port: {{HostIP: netip.MustParseAddr("127.0.0.1"), HostPort: port.Port()}}}
			},
		},
		Started: true, Logger: log.NewNoopLogger(),
	})
	return err
}

func (c *containerServer) files() []testcontainers.ContainerFile {
	files := []testcontainers.ContainerFile{{Reader: bytes.NewReader(c.arguments()), ContainerFilePath: argsFile, FileMode: 0o644}}
	if c.slow != "" {
		files = append(files, testcontainers.ContainerFile{HostFilePath: c.slow, ContainerFilePath: slowThreadsLibrary, FileMode: 0o755})
	}
	return files
}

func (c *containerServer) environment() map[string]string {
	if c.slow == "" {
		return nil
	}
	return slowEnvironment(slowThreadsLibrary)
}

func (c *containerServer) arguments() []byte {
	return []byte(strings.Join(c.args(c.port, c.further), "\n") + "\n")
}

// waitReady waits until the administrator can log in.
func (c *containerServer) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	for attempt := 1; ; attempt++ {
		if opened, err := server.Open(ctx, c.AdminEndpoint()); err == nil {
			return opened.Close()
		}
		if attempt%20 == 0 {
			if state, err := c.box.State(ctx); err == nil && !state.Running {
				return fmt.Errorf("the server of %s ended with status %d, its log ends with:\n%s", c.row.Name, state.ExitCode, c.LogTail(20))
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server of %s did not answer on port %d: %w; its log ends with:\n%s", c.row.Name, c.port, ctx.Err(), c.LogTail(20))
		case <-time.After(30 * time.Millisecond):
		}
	}
}

func (c *containerServer) Port() int       { return c.port }
func (c *containerServer) Address() string { return "127.0.0.1:" + strconv.Itoa(c.port) }

func (c *containerServer) DSN() string {
	return fmt.Sprintf("%s:%s@tcp(%s)/", adminUser, adminPassword, c.Address())
}

func (c *containerServer) AdminEndpoint() server.Endpoint {
	return server.Endpoint{
		Network: "tcp", Address: c.Address(), User: adminUser, Password: adminPassword, PasswordSet: true,
		TLS: server.TLS{Mode: server.TLSOff}, ConnectTimeout: 10 * time.Second,
	}
}

func (c *containerServer) LogTail(lines int) string {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	all := strings.Split(strings.TrimSpace(c.docker.logs(ctx, c.box)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func (c *containerServer) Pause() error {
	return c.do(context.Background(), "pause", func(ctx context.Context, id string) error {
		_, err := c.docker.client.ContainerPause(ctx, id, client.ContainerPauseOptions{})
		return err
	})
}

func (c *containerServer) Resume() error {
	return c.do(context.Background(), "resume", func(ctx context.Context, id string) error {
		_, err := c.docker.client.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{})
		return err
	})
}

func (c *containerServer) Kill() error {
	return c.do(context.Background(), "kill", func(ctx context.Context, id string) error {
		_, err := c.docker.client.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "KILL"})
		if err != nil {
			return err
		}
		return c.waitEnded(ctx)
	})
}

func (c *containerServer) waitEnded(ctx context.Context) error {
	for {
		state, err := c.box.State(ctx)
		if err != nil || !state.Running {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *containerServer) Shutdown() error {
	return c.do(context.Background(), "shut down", c.shutdown)
}

func (c *containerServer) shutdown(ctx context.Context, id string) error {
	if state, err := c.box.State(ctx); err == nil && state.Paused {
		if _, err := c.docker.client.ContainerUnpause(ctx, id, client.ContainerUnpauseOptions{}); err != nil {
			return err
		}
	}
	limit := shutdownLimit
	return c.box.Stop(ctx, &limit)
}

func (c *containerServer) Restart(ctx context.Context, args ...string) error {
	return c.do(ctx, "restart", func(ctx context.Context, id string) error {
		if c.stopped {
			return errors.New("it was stopped and removed")
		}
		if err := c.shutdown(ctx, id); err != nil {
			return err
		}
		if len(args) > 0 {
			c.further = append([]string(nil), args...)
		}
		if err := c.box.CopyToContainer(ctx, c.arguments(), argsFile, 0o644); err != nil {
			return err
		}
		if err := c.box.Start(ctx); err != nil {
			return err
		}
		return c.waitReady(ctx)
	})
}

func (c *containerServer) Stop() error {
	return c.do(context.Background(), "stop", func(_ context.Context, id string) error {
		if c.stopped {
			return nil
		}
		c.stopped = true
		return c.docker.remove(id)
	})
}

// cutOff takes the server out of the topology's network; rejoin puts it back.
func (c *containerServer) cutOff() error {
	return c.do(context.Background(), "cut off", func(ctx context.Context, id string) error {
		_, err := c.docker.client.NetworkDisconnect(ctx, c.network, client.NetworkDisconnectOptions{Container: id, Force: true})
		return err
	})
}

func (c *containerServer) rejoin() error {
	return c.do(context.Background(), "rejoin", func(ctx context.Context, id string) error {
		_, err := c.docker.client.NetworkConnect(ctx, c.network, client.NetworkConnectOptions{
			Container: id, EndpointConfig: &network.EndpointSettings{Aliases: []string{c.host}},
		})
		return err
	})
}

// run runs a program in the container.
func (c *containerServer) run(ctx context.Context, command ...string) error {
	code, output, err := c.box.Exec(ctx, command)
	if err != nil {
		return err
	}
	if code != 0 {
		text, _ := io.ReadAll(output)
		return fmt.Errorf("exit status %d: %s", code, text)
	}
	return nil
}

// do does one thing to the container at a time.
func (c *containerServer) do(ctx context.Context, what string, action func(ctx context.Context, id string) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.box == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, actionLimit)
	defer cancel()
	if err := action(ctx, c.box.GetContainerID()); err != nil {
		return fmt.Errorf("%s %s in a container of %s: %w", what, c.host, c.row.Name, err)
	}
	return nil
}

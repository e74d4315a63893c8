package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"trueup/internal/sandbox"
	"trueup/server"
)

// mysqlImages are tried in turn where nobody named an image; only those are taken that are on this machine already.
var mysqlImages = []string{"trueup-test/mysql:9.7", "mysql:9.7", "mysql:8.4"}

// errNoMySQL says that the benchmark has no MySQL to run on.
var errNoMySQL = errors.New("no Docker, or none of its images holds a MySQL server (make test-images; TRUEUP_BENCH_MYSQL names one)")

// container is a MySQL server in a container that shares this machine's network.
type container struct {
	id       string
	port     int
	password string
}

const (
	startLimit = 2 * time.Minute
	// startServer makes a data directory and runs the server on it, in any image that has the program. It is not made durable:
	// the sandbox's servers are not either.
	startServer = `set -eu
mkdir -p /bench/tmp
mysqld --no-defaults --user=root --secure-file-priv=NULL --initialize-insecure --datadir=/bench/data
printf '%s\n' "SET SESSION sql_log_bin=0;" "$ACCOUNT" "$RIGHTS" >/bench/init
exec mysqld --no-defaults --user=root --datadir=/bench/data --tmpdir=/bench/tmp --socket=/bench/sock --pid-file=/bench/pid --init-file=/bench/init \
	--secure-file-priv=NULL --bind-address=127.0.0.1 --skip-name-resolve --mysqlx=OFF --log-bin=binlog --gtid-mode=ON --enforce-gtid-consistency=ON \
	--innodb-flush-log-at-trx-commit=2 --sync-binlog=0 --innodb-doublewrite=0 --innodb-use-native-aio=0 --report-host=127.0.0.1 "$@"`
)

// startMySQL is startServers for MySQL. The error is errNoMySQL where there is none.
func startMySQL(ctx context.Context, image string, rows int64) (*servers, error) {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	if image = presentImage(ctx, image); image == "" {
		return &servers{}, errNoMySQL
	}
	s := &servers{flavor: server.MySQL, title: "Docker " + image, password: rand.Text()}
	for _, target := range []*instance{&s.source, &s.replica} {
		started, err := startContainer(ctx, image, s.password, memoryFor(rows))
		if started != nil {
			*target = started
		}
		if err != nil {
			return s, err
		}
	}
	err := execute(ctx, s.endpoint(s.replica), fmt.Sprintf(
		"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=%d, SOURCE_USER='%s', SOURCE_PASSWORD='%s', SOURCE_CONNECT_RETRY=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_AUTO_POSITION=1",
		s.source.Port(), account, s.password), "START REPLICA")
	if err != nil {
		return s, err
	}
	return s, s.load(ctx, rows)
}

// presentImage is the image named, or the first known one; "" where it is not on this machine.
func presentImage(ctx context.Context, named string) string {
	candidates := mysqlImages
	if named != "" {
		candidates = []string{named}
	}
	for _, image := range candidates {
		if exec.CommandContext(ctx, "docker", "image", "inspect", image).Run() == nil {
			return image
		}
	}
	return ""
}

func startContainer(ctx context.Context, image, password string, args ...string) (*container, error) {
	port, err := sandbox.FreePort()
	if err != nil {
		return nil, err
	}
	user := fmt.Sprintf("'%s'@'127.0.0.1'", account)
	command := append([]string{"run", "--detach", "--network", "host", "--entrypoint", "/bin/sh",
		"--env", fmt.Sprintf("ACCOUNT=CREATE USER IF NOT EXISTS %s IDENTIFIED BY '%s';", user, password),
		"--env", fmt.Sprintf("RIGHTS=GRANT ALL PRIVILEGES ON *.* TO %s WITH GRANT OPTION;", user),
		image, "-c", startServer, "sh", fmt.Sprint("--port=", port), fmt.Sprint("--server-id=", port), fmt.Sprint("--report-port=", port)}, args...)
	out, err := exec.CommandContext(ctx, "docker", command...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("docker run %s: %w\n%s", image, err, out)
	}
	c := &container{id: strings.TrimSpace(string(out)), port: port, password: password}
	return c, c.waitReady(ctx)
}

// poll is how often a server that starts is asked whether it answers.
const poll = 100 * time.Millisecond

func (c *container) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		opened, err := server.Open(ctx, c.AdminEndpoint())
		if err == nil {
			return opened.Close()
		}
		running, inspectErr := exec.Command("docker", "inspect", "--format", "{{.State.Running}}", c.id).Output()
		if ctx.Err() != nil || inspectErr != nil || strings.TrimSpace(string(running)) != "true" {
			log, _ := exec.Command("docker", "logs", "--tail", "20", c.id).CombinedOutput()
			return fmt.Errorf("the server in the container did not answer: %w\n%s", err, log)
		}
		time.Sleep(poll)
	}
}

func (c *container) AdminEndpoint() server.Endpoint {
	return server.Endpoint{Network: "tcp", Address: c.Address(), User: account, Password: server.Secret(c.password), PasswordSet: true,
		TLS: server.TLS{Mode: server.TLSOff}, ConnectTimeout: 10 * time.Second}
}

func (c *container) Address() string { return fmt.Sprintf("127.0.0.1:%d", c.port) }
func (c *container) Port() int       { return c.port }
func (c *container) PID() int        { return 0 }

// Stop removes the container and what it wrote.
func (c *container) Stop() error {
	if out, err := exec.Command("docker", "rm", "--force", "--volumes", c.id).CombinedOutput(); err != nil {
		return fmt.Errorf("docker rm: %w\n%s", err, out)
	}
	return nil
}

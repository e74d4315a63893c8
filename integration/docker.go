package integration

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
	"github.com/testcontainers/testcontainers-go/wait"

	"trueup/server"
)

// Labels by which containers, networks and images of this package are known.
const (
	ownerLabel   = "trueup.test.owner"   // the lock file of the test program they belong to
	machineLabel = "trueup.test.machine" // the machine that lock file is on
	versionLabel = "trueup.test.version" // of an image with a data directory: what the server calls itself
)

// docker is the connection to the Docker daemon that a test program uses.
type docker struct {
	client  *testcontainers.DockerClient
	lock    *os.File
	machine string
}

// connectDocker connects once. What earlier test programs left behind when they were killed is removed.
var connectDocker = sync.OnceValues(func() (*docker, error) {
	ctx, cancel := context.WithTimeout(context.Background(), setupLimit)
	defer cancel()
	// testcontainers would start a container of its own to clean up after us, from an image that is not there without
	// a registry; the lock file below does that work.
	setDefault("TESTCONTAINERS_RYUK_DISABLED", "true")
	// Ports are published on the loopback. Inside a container with the daemon's socket, or where a .dockerenv file lies
	// about, testcontainers would guess the bridge's address.
	setDefault("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")
	log.SetDefault(log.NewNoopLogger()) // it would greet
	connection, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to the Docker daemon: %w", err)
	}
	d := &docker{client: connection}
	if d.machine, err = os.Hostname(); err != nil {
		return nil, err
	}
	if d.lock, err = os.CreateTemp("", "trueup-containers-*.lock"); err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("lock %s: %w", d.lock.Name(), err)
	}
	openLock = d.lock
	return d, d.sweep(ctx)
})

func setDefault(variable, value string) {
	if _, set := os.LookupEnv(variable); !set {
		_ = os.Setenv(variable, value)
	}
}

func (d *docker) labels() map[string]string {
	return map[string]string{ownerLabel: d.lock.Name(), machineLabel: d.machine}
}

// openLock is the lock file of this test program, once there is one.
var openLock *os.File

// closeDocker removes the lock file, after the last test; containers are gone with their tests.
func closeDocker() {
	if openLock != nil {
		_ = os.Remove(openLock.Name())
		_ = openLock.Close()
	}
}

// sweep removes containers and networks of test programs that were killed: those whose lock nobody holds any more.
func (d *docker) sweep(ctx context.Context) error {
	ours := make(client.Filters).Add("label", machineLabel+"="+d.machine)
	containers, err := d.client.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	if err != nil {
		return fmt.Errorf("look for containers left behind: %w", err)
	}
	for _, c := range containers.Items {
		if abandoned(c.Labels[ownerLabel]) {
			// Another program may be sweeping too.
			_, _ = d.client.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		}
	}
	networks, err := d.client.NetworkList(ctx, client.NetworkListOptions{Filters: ours})
	if err != nil {
		return fmt.Errorf("look for networks left behind: %w", err)
	}
	for _, n := range networks.Items {
		if abandoned(n.Labels[ownerLabel]) {
			_, _ = d.client.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
		}
	}
	return nil
}

func abandoned(path string) bool {
	lock, err := os.Open(path)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer lock.Close()
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return false
	}
	_ = os.Remove(path)
	return true
}

// adminPassword is no secret: the servers listen on the loopback and hold nothing.
const (
	adminUser     = "root"
	adminPassword = "trueup-test"
)

// initialise makes a data directory and an administrator who may come from anywhere, in any image that has the
// server program. It prints the server's version in its last line.
const initialise = `set -eu
mkdir -p /trueup/tmp
cat >/trueup/init.sql <<END
SET SESSION sql_log_bin=0;
CREATE USER '` + adminUser + `'@'%' IDENTIFIED BY '` + adminPassword + `';
GRANT ALL PRIVILEGES ON *.* TO '` + adminUser + `'@'%' WITH GRANT OPTION;
END
common="--no-defaults --user=root --datadir=/trueup/data"
others= further=
if command -v mariadbd >/dev/null; then
	program=mariadbd further="--innodb-log-file-size=16M"
	others=mysql.global_priv
	mariadb-install-db $common $further --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve --force
elif mysqld --no-defaults --version | grep -q 'Ver 5\.6'; then
	program=mysqld further="--innodb-log-file-size=16M --innodb-use-native-aio=0"
	others=mysql.user
	mkdir -p /trueup/data
	for share in /usr/local/mysql/share /usr/share/mysql; do
		[ -f $share/mysql_system_tables.sql ] && break
	done
	{
		printf 'CREATE DATABASE mysql;\nUSE mysql;\n'
		cat $share/mysql_system_tables.sql
		grep -v @current_hostname $share/mysql_system_tables_data.sql
	} | mysqld $common $further --bootstrap
else
	program=mysqld further="--innodb-redo-log-capacity=16M --mysqlx=OFF --secure-file-priv=NULL"
	mysqld $common $further --initialize-insecure
fi
# The accounts that old ways of installing make. An init file has one statement a line.
[ -z "$others" ] || cat >>/trueup/init.sql <<END
DELETE FROM $others WHERE User='' OR (User='root' AND Host NOT IN ('localhost', '%'));
FLUSH PRIVILEGES;
END
$program $common $further --skip-networking --socket=/trueup/sock --tmpdir=/trueup/tmp --pid-file=/trueup/pid --init-file=/trueup/init.sql --innodb-fast-shutdown=0 &
i=0
until [ -S /trueup/sock ]; do
	i=$((i + 1)); [ $i -lt 600 ] || exit 1
	kill -0 $!
	sleep 0.1
done
kill -TERM $!
wait $!
rm -f /trueup/data/auto.cnf /trueup/data/binlog.* /trueup/init.sql # each copy is a server with an identity of its own
printf '\n%s\n' "$($program --no-defaults --version)"
`

// ready returns the id of an image like the given one, with a data directory in it: made once, kept by the daemon
// as trueup-test/ready, and made anew when the image or the way to make it changes.
func (d *docker) ready(ctx context.Context, image string) (id, version string, err error) {
	original, err := d.client.ImageInspect(ctx, image)
	if err != nil {
		if err := d.pull(ctx, image); err != nil {
			return "", "", fmt.Errorf("the image %s is not here (make test-images builds some) and cannot be pulled: %w", image, err)
		}
		if original, err = d.client.ImageInspect(ctx, image); err != nil {
			return "", "", err
		}
	}
	sum := sha256.Sum256([]byte(original.ID + "\x00" + initialise))
	tag := "trueup-test/ready:" + hex.EncodeToString(sum[:8])
	kept, err := d.client.ImageInspect(ctx, tag)
	if err != nil {
		if err := d.makeReady(ctx, image, tag); err != nil {
			return "", "", fmt.Errorf("make a data directory in the image %s: %w", image, err)
		}
		if kept, err = d.client.ImageInspect(ctx, tag); err != nil {
			return "", "", err
		}
	}
	return kept.ID, kept.Config.Labels[versionLabel], nil
}

func (d *docker) pull(ctx context.Context, image string) error {
	progress, err := d.client.ImagePull(ctx, image, client.ImagePullOptions{})
	if err != nil {
		return err
	}
	return progress.Wait(ctx)
}

func (d *docker) makeReady(ctx context.Context, image, tag string) error {
	box, err := testcontainers.GenericContainer(ctx, testcontainers.GenericContainerRequest{
		ContainerRequest: testcontainers.ContainerRequest{
			Image: image, Entrypoint: []string{"/bin/sh", "-c", initialise}, Labels: d.labels(),
			WaitingFor: wait.ForExit().WithExitTimeout(setupLimit),
		},
		Started: true, Logger: log.NewNoopLogger(),
	})
	if err != nil {
		return err
	}
	defer d.remove(box.GetContainerID())
	output := d.logs(ctx, box)
	state, err := box.State(ctx)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if state.ExitCode != 0 {
		return fmt.Errorf("exit status %d: %s", state.ExitCode, strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
	// "mysqld  Ver 9.7.4 for Linux on x86_64 ((Debian))"
	_, version, found := strings.Cut(lines[len(lines)-1], "Ver ")
	if !found {
		return fmt.Errorf("the server does not say its version: %q", lines[len(lines)-1])
	}
	version = strings.ReplaceAll(version, `"`, "")
	_, err = d.client.ContainerCommit(ctx, box.GetContainerID(), client.ContainerCommitOptions{
		Reference: tag, Changes: []string{fmt.Sprintf("LABEL %s=%q %s= %s=", versionLabel, version, ownerLabel, machineLabel)},
	})
	return err
}

// remove removes a container in any state, with its volumes.
func (d *docker) remove(id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := d.client.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	return err
}

func (d *docker) logs(ctx context.Context, box testcontainers.Container) string {
	stream, err := box.Logs(ctx)
	if err != nil {
		return err.Error()
	}
	defer stream.Close()
	text, err := io.ReadAll(stream)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// imageRow is the row of an image.
func imageRow(ctx context.Context, name string) (ServerRow, error) {
	d, err := connectDocker()
	if err != nil {
		return ServerRow{}, err
	}
	row := ServerRow{Name: name}
	var text string
	if row.image, text, err = d.ready(ctx, name); err != nil {
		return ServerRow{}, err
	}
	row.Flavor, row.Version, err = server.ParseVersion(text)
	return row, err
}

package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// templateArgs are what mariadb-install-db gets besides the folder. The size of the redo log must be that of
// Start's own, or every start would first write a new log. --force: it otherwise refuses where the machine cannot look up
// its own host name, as in many containers.
var templateArgs = []string{
	"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve", "--force",
	"--innodb-log-file-size=" + redoLogSize,
}

const redoLogSize = "16M"

// templateLock keeps this process from installing the same template twice at once. Other processes may: the
// rename decides, and what lost is removed.
var templateLock sync.Mutex

// fillDataDir makes dataDir a fresh data directory: a copy of the cached template, or, where the user
// has no cache folder that can be written, an installation of its own, which takes about a second longer.
func (r *Runtime) fillDataDir(ctx context.Context, dataDir string) error {
	template, err := r.template(ctx)
	switch {
	case errors.Is(err, errNoCache):
		return r.install(ctx, dataDir)
	case err != nil:
		return err
	}
	if err := copyTree(template, dataDir); err != nil {
		return fmt.Errorf("copy the data directory template %s: %w", template, err)
	}
	return nil
}

var errNoCache = errors.New("no cache folder")

// template returns the folder of the installed template, installing it when it is not there yet.
func (r *Runtime) template(ctx context.Context) (string, error) {
	templateLock.Lock()
	defer templateLock.Unlock()
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", errNoCache
	}
	cache = filepath.Join(cache, "trueup", "sandbox")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", errNoCache
	}
	final := filepath.Join(cache, r.key())
	if isFolder(final) {
		return final, nil
	}
	fresh, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return "", errNoCache
	}
	defer os.RemoveAll(fresh)
	data := filepath.Join(fresh, "data")
	if err := r.install(ctx, data); err != nil {
		return "", err
	}
	if err := os.Rename(data, final); err != nil && !isFolder(final) {
		return "", fmt.Errorf("keep the data directory template: %w", err)
	}
	return final, nil
}

// install runs mariadb-install-db on a folder that does not exist yet.
func (r *Runtime) install(ctx context.Context, dataDir string) error {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return err
	}
	args := append([]string{"--no-defaults", "--datadir=" + dataDir}, templateArgs...)
	if r.baseDir != "" {
		args = append(args, "--basedir="+r.baseDir)
	}
	if os.Getuid() == 0 {
		args = append(args, "--user=root")
	}
	command, name := exec.CommandContext(ctx, r.installer, args...), ""
	if r.InDocker() {
		name = newContainerName("install")
		run := append(r.dockerRunArgs(dataDir, name), "--entrypoint", r.installer, r.image)
		command = exec.CommandContext(ctx, r.docker, append(run, args...)...)
	}
	if out, err := command.CombinedOutput(); err != nil {
		if name != "" {
			// The docker client, killed at the end of ctx, leaves the container it had just made.
			removeContainer(r.docker, name)
		}
		return fmt.Errorf("make a data directory with %s: %w%s", r.installer, err, tailOf(string(out), 15))
	}
	return nil
}

// dockerRunArgs are the arguments of docker for a container that sees folder under its own path, shares this
// machine's network and writes files as this user.
func (r *Runtime) dockerRunArgs(folder, name string) []string {
	return []string{"run", "--rm", "--name", name, "--network", "host", "--volume", folder + ":" + folder,
		"--user", strconv.Itoa(os.Getuid()) + ":" + strconv.Itoa(os.Getgid())}
}

func newContainerName(what string) string {
	return folderPrefix + what + "-" + strings.ToLower(rand.Text()[:10])
}

// copyTree copies a folder of plain files and folders.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		case entry.Type().IsRegular():
			return copyFile(path, target)
		}
		return nil // mariadb-install-db leaves nothing else that a server needs
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

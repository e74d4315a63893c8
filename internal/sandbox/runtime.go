package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Environment variables that choose the server program.
const (
	// EnvBinary is the path of a mariadbd to use instead of the one found on this machine.
	EnvBinary = "TRUEUP_MARIADBD"
	// EnvImage is the Docker image used where this machine has no mariadbd.
	EnvImage = "TRUEUP_DEMO_IMAGE"
)

const defaultImage = "mariadb:lts"

// ErrNoServer is returned by Find when this machine has neither mariadbd nor a usable Docker. Trying again
// helps only after one of them was installed.
var ErrNoServer = errors.New("no MariaDB server on this machine: install one (Debian, Ubuntu: apt-get install mariadb-server; " +
	"elsewhere see https://mariadb.org/download), or name its program in " + EnvBinary + ", or install and start Docker")

// Runtime is a way to run MariaDB servers on this machine: a program, or a Docker image.
type Runtime struct {
	// Version is the server's version as it prints it, for example "10.11.14-MariaDB-0+deb12u2".
	Version string

	binary    string // path of mariadbd; inside the container when image is set
	installer string // path of mariadb-install-db
	baseDir   string // --basedir for installations outside /usr; "" for the program's own default
	image     string // Docker image; "" when the program runs directly
	docker    string // path of the docker program
}

// String says what runs: a program's path, or a Docker image.
func (r *Runtime) String() string {
	if r.image != "" {
		return fmt.Sprintf("MariaDB %s in Docker (%s)", r.Version, r.image)
	}
	return fmt.Sprintf("MariaDB %s (%s)", r.Version, r.binary)
}

// InDocker tells whether servers run in containers.
func (r *Runtime) InDocker() bool { return r.image != "" }

// Find finds a way to run servers: TRUEUP_MARIADBD, mariadbd on PATH, mariadbd where packages put it, Docker; in
// that order. It fails with ErrNoServer when there is none, and with another error when what it found
// does not work: a wrong TRUEUP_MARIADBD, a missing mariadb-install-db, an image that cannot be pulled.
func Find(ctx context.Context) (*Runtime, error) {
	if path := os.Getenv(EnvBinary); path != "" {
		r, err := programRuntime(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("%s=%s: %w", EnvBinary, path, err)
		}
		return r, nil
	}
	if path := lookForProgram("mariadbd"); path != "" {
		return programRuntime(ctx, path)
	}
	docker, err := exec.LookPath("docker")
	if err != nil {
		return nil, ErrNoServer
	}
	return dockerRuntime(ctx, docker)
}

// lookForProgram looks on PATH and then where distributions put servers, which is often not on a user's PATH.
func lookForProgram(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, folder := range systemFolders {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

var systemFolders = []string{"/usr/sbin", "/usr/libexec", "/usr/bin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"}

func programRuntime(ctx context.Context, path string) (*Runtime, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	r := &Runtime{binary: path}
	// A tarball's program looks for its messages and plugins where it was compiled for; packages are right already.
	if base := filepath.Dir(filepath.Dir(path)); base != "/usr" && isFolder(filepath.Join(base, "share")) {
		r.baseDir = base
	}
	out, err := exec.CommandContext(ctx, path, "--no-defaults", "--version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("ask %s for its version: %w%s", path, err, tailOf(string(out), 5))
	}
	if r.Version, err = parseVersion(string(out)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.installer = findInstaller(path); r.installer == "" {
		return nil, fmt.Errorf("%s is there but mariadb-install-db is not (looked beside it and on PATH): install the package that has it (mariadb-server)", path)
	}
	return r, nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// findInstaller prefers the script of the same installation over one on PATH.
func findInstaller(binary string) string {
	base := filepath.Dir(filepath.Dir(binary))
	for _, folder := range []string{filepath.Dir(binary), filepath.Join(base, "bin"), filepath.Join(base, "scripts")} {
		path := filepath.Join(folder, "mariadb-install-db")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return lookForProgram("mariadb-install-db")
}

var versionPattern = regexp.MustCompile(`Ver (\S*MariaDB\S*)`)

func parseVersion(printed string) (string, error) {
	match := versionPattern.FindStringSubmatch(printed)
	if match == nil {
		return "", fmt.Errorf("not a MariaDB server, it calls itself %q", strings.TrimSpace(printed))
	}
	return match[1], nil
}

// dockerRuntime checks that a Docker daemon answers and that the image can run here; pulling it may take minutes.
func dockerRuntime(ctx context.Context, docker string) (*Runtime, error) {
	image := os.Getenv(EnvImage)
	if image == "" {
		image = defaultImage
	}
	// A daemon that hangs must not hang its callers: tests ask before each skip.
	ask, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ask, docker, "version", "--format", "{{.Server.Version}}").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w (Docker is installed, but its daemon does not answer: %w%s)", ErrNoServer, err, tailOf(string(out), 3))
	}
	name := newContainerName("version")
	out, err := exec.CommandContext(ctx, docker, "run", "--rm", "--name", name, "--entrypoint", "mariadbd", image, "--no-defaults", "--version").CombinedOutput()
	if err != nil {
		removeContainer(docker, name)
		return nil, fmt.Errorf("run mariadbd of the Docker image %s (another one can be named in %s): %w%s", image, EnvImage, err, tailOf(string(out), 5))
	}
	version, err := parseVersion(string(out))
	if err != nil {
		return nil, fmt.Errorf("docker image %s: %w", image, err)
	}
	return &Runtime{Version: version, binary: "mariadbd", installer: "mariadb-install-db", image: image, docker: docker}, nil
}

// key names the data directory template of this runtime: another program, another version or another
// installation of the same path gets its own.
func (r *Runtime) key() string {
	stamp := ""
	if r.image == "" {
		if info, err := os.Stat(r.binary); err == nil {
			stamp = fmt.Sprint(info.Size(), info.ModTime().UnixNano())
		}
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{r.binary, r.image, r.Version, stamp, strings.Join(templateArgs, " ")}, "\x00")))
	return "datadir-" + safeName(r.Version) + "-" + hex.EncodeToString(sum[:6])
}

var unsafeInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func safeName(text string) string { return unsafeInName.ReplaceAllString(text, "_") }

// tailOf returns the last lines of a program's output, ready to follow an error message; "" for no output.
func tailOf(output string, lines int) string {
	all := strings.Split(strings.TrimSpace(output), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	text := strings.TrimSpace(strings.Join(all, "\n"))
	if text == "" {
		return ""
	}
	return ":\n" + text
}

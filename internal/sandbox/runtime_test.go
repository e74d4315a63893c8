package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func script(t *testing.T, folder, name, content string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+content+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestParseVersion(t *testing.T) {
	t.Parallel()
	got, err := parseVersion("mariadbd  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64 (Debian 12)\n")
	if err != nil || got != "10.11.14-MariaDB-0+deb12u2" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := parseVersion("/usr/sbin/mysqld  Ver 8.4.0 for Linux on x86_64 (MySQL Community Server - GPL)"); err == nil {
		t.Error("MySQL was taken for MariaDB")
	}
}

func TestFindNamedProgram(t *testing.T) {
	folder := t.TempDir()
	for name, test := range map[string]struct{ path, want string }{
		"not there":   {filepath.Join(folder, "none"), "none"},
		"not MariaDB": {script(t, folder, "mysqld", `echo "mysqld  Ver 8.4.0 for Linux"`), "not a MariaDB server"},
		"fails":       {script(t, folder, "broken", `echo "libfoo.so missing" >&2; exit 127`), "libfoo.so missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(EnvBinary, test.path)
			_, err := Find(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), EnvBinary) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFindPrefersTheInstallerBesideTheProgram(t *testing.T) {
	base := t.TempDir()
	for _, folder := range []string{"bin", "scripts", "share"} {
		if err := os.Mkdir(filepath.Join(base, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	binary := script(t, filepath.Join(base, "bin"), "mariadbd", `echo "mariadbd  Ver 11.4.2-MariaDB for Linux"`)
	installer := script(t, filepath.Join(base, "scripts"), "mariadb-install-db", "exit 0")
	t.Setenv(EnvBinary, binary)
	r, err := Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.installer != installer || r.baseDir != base || r.Version != "11.4.2-MariaDB" || r.InDocker() {
		t.Errorf("got %+v", r)
	}
	if !strings.Contains(r.String(), binary) {
		t.Errorf("String: %s", r)
	}
}

func TestFindNothing(t *testing.T) {
	hideSystemFolders(t)
	t.Setenv("PATH", t.TempDir())
	t.Setenv(EnvBinary, "")
	_, err := Find(t.Context())
	if !errors.Is(err, ErrNoServer) || !strings.Contains(err.Error(), "apt-get install mariadb-server") {
		t.Errorf("got %v", err)
	}
}

func TestFindDocker(t *testing.T) {
	hideSystemFolders(t)
	folder := t.TempDir()
	t.Setenv(EnvBinary, "")
	t.Setenv("PATH", folder)

	script(t, folder, "docker", `echo "Cannot connect to the Docker daemon" >&2; exit 1`)
	if _, err := Find(t.Context()); !errors.Is(err, ErrNoServer) || !strings.Contains(err.Error(), "Cannot connect to the Docker daemon") {
		t.Errorf("no daemon: %v", err)
	}

	script(t, folder, "docker", `case "$1" in version) echo 28.0;; *) echo "pull access denied" >&2; exit 125;; esac`)
	if _, err := Find(t.Context()); err == nil || !strings.Contains(err.Error(), "pull access denied") || !strings.Contains(err.Error(), EnvImage) {
		t.Errorf("no image: %v", err)
	}

	script(t, folder, "docker", `case "$1" in version) echo 28.0;; *) echo "mariadbd  Ver 11.8.2-MariaDB-ubu2404 for debian-linux-gnu";; esac`)
	t.Setenv(EnvImage, "example/mariadb:1")
	r, err := Find(t.Context())
	if err != nil || !r.InDocker() || r.image != "example/mariadb:1" || r.Version != "11.8.2-MariaDB-ubu2404" {
		t.Errorf("got %v, %v", r, err)
	}
}

// hideSystemFolders makes this machine look like one without a server, for tests that are not parallel.
func hideSystemFolders(t *testing.T) {
	t.Helper()
	kept := systemFolders
	systemFolders = nil
	t.Cleanup(func() { systemFolders = kept })
}

package config

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func write(t testing.TB, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// printDefaults is what MariaDB's own my_print_defaults reads from the file.
func printDefaults(t testing.TB, path string) []string {
	t.Helper()
	program, err := exec.LookPath("my_print_defaults")
	if err != nil {
		if os.Getenv("REQUIRE_SERVERS") == "1" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED, NOT PROVEN: ", err)
	}
	command := exec.Command(program, append([]string{"--defaults-file=" + path}, clientGroups...)...)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	if len(out) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// read is the same from our reader.
func read(t testing.TB, path string) []string {
	t.Helper()
	f := &optionFile{groups: clientGroups}
	if err := f.read(path, 0); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, o := range f.options {
		line := "--" + o.name
		if o.hasValue {
			line += "=" + o.value
		}
		lines = append(lines, line)
	}
	return lines
}

var passwordLines = []string{
	`password = spaced value  `, `password=a#b`, `password=a #b`, `password=a ;b`, `password="a #b"`, `password='a #b'`, `password="a'b"`,
	`password='a"b'`, `password="a"b"`, `password="a\"b"`, `password=a\sb\tc\\d\be\"f\'g\xh`, `password=`, `password`, `password=""`,
	`password="abc`, `password=abc"`, `password=a"#b"c`, `password=a"b#c`, `password="x" # comment`, `password="x" trailing`, `password='it''s'`,
	` password = leading`, `password = a=b`, `password=a\#b`, `password="a\\"`, `password=a\`, `password="a\"#b"`, "password = x\t# tab", `password==x`,
	`password="`, `password="a'`, `password=é#x`, `password="a\\" # "`,
}

func TestOptionFileIsReadAsByTheClients(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for i, line := range passwordLines {
		path := write(t, filepath.Join(folder, fmt.Sprint(i, ".cnf")), "[client]\n"+line+"\n")
		if got, want := read(t, path), printDefaults(t, path); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func TestOptionFileProperty(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "my.cnf")
	rapid.Check(t, func(r *rapid.T) {
		value := rapid.StringMatching(`[ab "'#;\\=stx]{0,12}`).Draw(r, "value")
		write(t, path, "[client]\npassword="+value+"\n")
		if got, want := read(t, path), printDefaults(t, path); !slices.Equal(got, want) {
			r.Fatalf("%q: %q, want %q", value, got, want)
		}
	})
}

func TestOptionFileIncludes(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "d"), 0o700); err != nil {
		t.Fatal(err)
	}
	path := write(t, filepath.Join(folder, "my.cnf"), strings.ReplaceAll(`# comment
; other
[mysqld]
user=mysqld
[client]
user = "qu oted"
ssl_ca = /x/ca.pem # trailing
!include DIR/more.inc
!includedir  DIR/d
host=after the include
!unknown x
[ client-mariadb ]
port=1
[client-mariadb ]
port=2
[mysql]
password=not this
`, "DIR", folder))
	write(t, filepath.Join(folder, "more.inc"), "[client]\r\nuser=fromInclude\r\n")
	write(t, filepath.Join(folder, "d", "b.cnf"), "[client-server]\nport=4001\n")
	write(t, filepath.Join(folder, "d", "a.cnf"), "[client-server]\nport=4000\n")
	write(t, filepath.Join(folder, "d", "x.ini"), "[client]\nuser=ignored\n")
	want := printDefaults(t, path)
	for i := range want {
		want[i] = strings.Replace(want[i], "ssl_ca", "ssl-ca", 1)
	}
	if got := read(t, path); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOptionFileThatIncludesItself(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "my.cnf")
	write(t, path, "[client]\nuser=u\n!include "+path+"\n!include /no/such/file\n")
	f := &optionFile{groups: clientGroups}
	if err := f.read(path, 0); err != nil {
		t.Fatal(err)
	}
	if got, want := len(f.options), len(printDefaults(t, path)); got != want {
		t.Errorf("read %d times, want %d", got, want)
	}
	if all := strings.Join(f.warnings, "\n"); !strings.Contains(all, "more than 10 deep") || !strings.Contains(all, "/no/such/file does not exist") {
		t.Error(all)
	}
}

func TestOptionFileRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for content, says := range map[string]string{
		"user=u\n":                               "line 1: an option stands before the first [group]",
		"[client\nuser=u\n":                      "line 1: a group's name is not closed",
		"\ufeff[client]\nuser=u\n":               "byte order mark",
		"[client]\n\n!includedir /no/such/dir\n": "line 3",
		"[mysqld]\nuser=u\n":                     "holds no option in the groups [client]",
		"[client]\nport=x\n":                     "port",
		"[client]\nport=0\n":                     "port",
		"[client]\nconnect-timeout=soon\n":       "connect_timeout",
		"[client]\nssl-mode=SOMETIMES\n":         "ssl_mode",
	} {
		path := write(t, filepath.Join(folder, "my.cnf"), content)
		if _, _, err := readOptionFile(path); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want %q", content, err, says)
		}
	}
	path := write(t, filepath.Join(folder, "my.cnf"), "[client]\nuser=u\n")
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, err := readOptionFile(path); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Error(err)
	}
}

package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "trueup/"

// rooms is the table of ARCHITECTURE.md, from the ground up. A package may import only packages of rooms above its own
// in this list; those of one line know nothing of each other.
var rooms = [][]string{
	{"internal/architecture"},
	{"internal/audit"},
	{"internal/spill"},
	{"server"},
	{"internal/sandbox"},
	{"internal/sandbox/sandboxtest"},
	{"schema"},
	{"replication"},
	{"replication/syncpoint"},
	{"replication/binlog"},
	{"chunker"},
	{"checksum"},
	{"check"},
	{"repair/rowsql"},
	{"repair"},
	{"recovery"},
	{"internal/overview"},
	{"report"},
	{"internal/config", "internal/history", "internal/demo", "internal/guard"},
	{"internal/selftest"},
	{"internal/cli"},
	{"cmd/trueup"},
	{"integration", "bench"},
}

// testTools may be imported by every package's tests, whatever their rank: real servers and topologies.
var testTools = []string{"internal/sandbox", "internal/sandbox/sandboxtest", "integration"}

// reserved names the libraries that are the business of a few packages only; tests may play any application.
var reserved = map[string][]string{
	"github.com/go-mysql-org/go-mysql": {"replication/binlog"},
	// Only a command asks a person at the terminal.
	"charm.land": {"internal/cli"},
	// Others speak to servers through sessions of package server. The demo and the test harness play the
	// application, which has connections of its own.
	"github.com/go-sql-driver/mysql": {"server", "internal/demo", "integration"},
}

// sandboxUsers are the only packages whose production code may start servers; the self-test has its servers from the demo.
var sandboxUsers = []string{"internal/sandbox/sandboxtest", "internal/demo", "integration", "bench"}

type goPackage struct {
	ImportPath                         string
	Standard                           bool
	Imports, TestImports, XTestImports []string
	GoFiles                            []string
}

func (p goPackage) room() string { return strings.TrimPrefix(p.ImportPath, module) }

// tests are the imports of the package's tests.
func (p goPackage) tests() []string { return slices.Concat(p.TestImports, p.XTestImports) }

func list(t *testing.T) []goPackage {
	t.Helper()
	var stderr bytes.Buffer
	// -e: a package that does not build is a matter for the compiler; its imports can be read all the same.
	command := exec.Command("go", "list", "-e", "-json=ImportPath,Standard,Imports,TestImports,XTestImports,GoFiles", module+"...")
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages
		case err != nil:
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

func rank(room string) int {
	return slices.IndexFunc(rooms, func(row []string) bool { return slices.Contains(row, room) })
}

// broken returns the rules that a package breaks.
func broken(p goPackage) []string {
	var rules []string
	own := rank(p.room())
	if own < 0 {
		return []string{fmt.Sprintf("%s has no place: add it to the table of ARCHITECTURE.md and to rooms in this test", p.room())}
	}
	for _, path := range p.Imports {
		room, ours := strings.CutPrefix(path, module)
		switch {
		case !ours:
		case rank(room) >= own:
			rules = append(rules, fmt.Sprintf("%s imports %s, which is not above it in the table of rooms", p.room(), room))
		case room == "internal/sandbox" && !slices.Contains(sandboxUsers, p.room()):
			rules = append(rules, fmt.Sprintf("%s imports internal/sandbox: only the demo, the benchmark and tests start servers", p.room()))
		}
	}
	for _, path := range p.tests() {
		room, ours := strings.CutPrefix(path, module)
		if ours && room != p.room() && rank(room) >= own && !slices.Contains(testTools, room) {
			rules = append(rules, fmt.Sprintf("the tests of %s import %s, which is not above it in the table of rooms", p.room(), room))
		}
	}
	return append(rules, brokenReservations(p)...)
}

func brokenReservations(p goPackage) []string {
	var rules []string
	for library, owners := range reserved {
		uses := func(path string) bool { return path == library || strings.HasPrefix(path, library+"/") }
		if slices.ContainsFunc(p.Imports, uses) && !slices.Contains(owners, p.room()) {
			rules = append(rules, fmt.Sprintf("%s imports %s, which is for %s only", p.room(), library, strings.Join(owners, ", ")))
		}
	}
	return rules
}

func TestImportDirection(t *testing.T) {
	t.Parallel()
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	for _, p := range packages {
		for _, rule := range broken(p) {
			t.Error(rule)
		}
	}
}

func TestEveryPackageOpensWithItsComment(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if len(p.GoFiles) > 0 && !slices.Contains(p.GoFiles, "doc.go") && !slices.Contains(p.GoFiles, "main.go") {
			t.Errorf("%s has no doc.go with its package comment", p.room())
		}
		for _, name := range []string{"utils", "util", "common", "helpers", "helper", "misc"} {
			if strings.HasSuffix("/"+p.room(), "/"+name) {
				t.Errorf("%s: a package is named by what it does", p.room())
			}
		}
	}
}

// The rules must be able to fail.
func TestBrokenRulesAreSeen(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		p    goPackage
		want string
	}{
		"upwards":        {goPackage{ImportPath: "trueup/schema", Imports: []string{"trueup/check"}}, "not above it"},
		"sideways":       {goPackage{ImportPath: "trueup/internal/config", Imports: []string{"trueup/internal/history"}}, "not above it"},
		"unknown":        {goPackage{ImportPath: "trueup/magic"}, "has no place"},
		"to the unknown": {goPackage{ImportPath: "trueup/check", TestImports: []string{"trueup/report"}}, "tests of check"},
		"the driver":     {goPackage{ImportPath: "trueup/check", Imports: []string{"github.com/go-sql-driver/mysql"}}, "for server"},
		"the binary log": {goPackage{ImportPath: "trueup/recovery", Imports: []string{"github.com/go-mysql-org/go-mysql/replication"}}, "replication/binlog only"},
		"harness":        {goPackage{ImportPath: "trueup/cmd/trueup", Imports: []string{"trueup/integration"}}, "not above it"},
		"servers":        {goPackage{ImportPath: "trueup/check", Imports: []string{"trueup/internal/sandbox"}}, "start servers"},
	} {
		if got := strings.Join(broken(test.p), "; "); !strings.Contains(got, test.want) {
			t.Errorf("%s: got %q, want %q in it", name, got, test.want)
		}
	}
	for name, p := range map[string]goPackage{
		"downwards":        {ImportPath: "trueup/check", Imports: []string{"trueup/server", "context"}},
		"servers in tests": {ImportPath: "trueup/server", XTestImports: []string{"trueup/internal/sandbox", "trueup/integration", "trueup/server"}},
	} {
		if got := broken(p); got != nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

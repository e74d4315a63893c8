package selftest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	inBackticks  = regexp.MustCompile("`([^`]+)`")
	testFunction = regexp.MustCompile(`(?m)^func (Test[A-Z]\w*)\(t \*testing\.T\)`)
)

// namedTests are what the last columns of a document's tables name, and what is wrong with its rows.
func namedTests(document string) (named, wrong []string) {
	for line := range strings.Lines(document) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| trap |") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		tests := inBackticks.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != 4 || len(tests) == 0 {
			wrong = append(wrong, fmt.Sprintf("a row has %d cells and names %d tests: %s", len(cells), len(tests), line))
		}
		for _, test := range tests {
			named = append(named, test[1])
		}
	}
	return named, wrong
}

// testsOf are the test functions of every package below a folder.
func testsOf(root string) (map[string]bool, error) {
	tests := map[string]bool{}
	return tests, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		for _, match := range testFunction.FindAllSubmatch(source, -1) {
			tests[string(match[1])] = true
		}
		return err
	})
}

// TestCorrectnessNamesRealTests: every test that docs/correctness.md names exists, and every trap stands in it.
func TestCorrectnessNamesRealTests(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	document, err := os.ReadFile(filepath.Join(root, "docs", "correctness.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := testsOf(root)
	if err != nil || len(tests) < 100 {
		t.Fatalf("%d test functions, %v", len(tests), err)
	}
	named, wrong := namedTests(string(document))
	for _, problem := range wrong {
		t.Error(problem)
	}
	for _, name := range named {
		if !tests[name] && !slices.Contains(Names(), name) {
			t.Errorf("docs/correctness.md names %s, which is neither a test function nor a trap of the self-test", name)
		}
	}
	for _, name := range Names() {
		if !slices.Contains(named, name) {
			t.Errorf("docs/correctness.md does not name the trap %s", name)
		}
	}
}

// The check of the document must be able to fail.
func TestNamedTests(t *testing.T) {
	t.Parallel()
	named, wrong := namedTests("text `no`\n| trap | why | does | shown by |\n|---|---|---|---|\n| a `b` | c | d | `TestOne`, `two` |\n| e | f | `g` | none |\n| h | `i` |\n")
	if !slices.Equal(named, []string{"TestOne", "two", "i"}) || len(wrong) != 2 {
		t.Errorf("%q, %q", named, wrong)
	}
}

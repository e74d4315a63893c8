//go:build mutation

package mutation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	buildLimit = 3 * time.Minute
	// runLimit bounds one run of the guards; one that takes longer has not found the mutant.
	runLimit = 2 * time.Minute
)

// writeOverlay writes the mutated file and the overlay that puts it in the place of the real one.
func writeOverlay(folder string, m mutant) (overlay string, err error) {
	original := filepath.Join(root, m.file)
	content, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	text := string(content)
	for _, e := range m.edits {
		if n := strings.Count(text, e.old); n != 1 {
			return "", fmt.Errorf("the mutation has rotted: this text is %d times in %s, not once:\n%s", n, m.file, e.old)
		}
		text = strings.Replace(text, e.old, e.new, 1)
	}
	mutated := filepath.Join(folder, filepath.Base(m.file))
	if err := os.WriteFile(mutated, []byte(text), 0o600); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{original: mutated}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(folder, "overlay.json")
	return overlay, os.WriteFile(overlay, replace, 0o600)
}

// build compiles the tests of a package; overlay "" is trueup as it is.
func build(folder, in, overlay string) (program string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildLimit)
	defer cancel()
	program = filepath.Join(folder, "guards.test")
	command := exec.CommandContext(ctx, "go", "test", "-c", "-overlay="+overlay, "-o", program, in)
	command.Dir = root
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return program, nil
}

// kind is how a run of the guards ended.
type kind string

const (
	killed   kind = "was killed"
	survived kind = "survived"
	timedOut kind = "ran into the time limit"
	broken   kind = "ended without a failed test"
)

type found struct {
	kind        kind
	killer, why string // of killed: the test, and what it said first
	output      string
}

// run runs the tests of a program, in a folder of its own: rapid writes what made it fail beside the test.
func run(folder, program, expression string) found {
	ctx, cancel := context.WithTimeout(context.Background(), runLimit+30*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, program, "-test.run="+expression, "-test.failfast", "-test.timeout="+runLimit.String())
	command.Dir = folder
	out, err := command.CombinedOutput()
	return judge(string(out), err)
}

// aFailedTest is the line of a test that failed, not of one that only contains it.
var aFailedTest = regexp.MustCompile(`(?m)^ *--- FAIL: (\S+)`)

// judge tells a test that failed from a program that ended otherwise.
func judge(output string, err error) found {
	var exit *exec.ExitError
	fails := aFailedTest.FindAllStringSubmatchIndex(output, -1)
	switch {
	case err == nil && strings.Contains(output, "no tests to run"):
		return found{kind: broken, output: output}
	case err == nil:
		return found{kind: survived, output: output}
	case strings.Contains(output, "panic: test timed out"):
		return found{kind: timedOut, output: output}
	case !errors.As(err, &exit) || len(fails) == 0:
		return found{kind: broken, output: output + err.Error()}
	}
	result := found{kind: killed, output: output}
	for _, at := range fails { // the innermost names the most
		if name := output[at[2]:at[3]]; len(name) > len(result.killer) {
			result.killer, result.why = name, firstLines(output[at[1]:])
		}
	}
	return result
}

func firstLines(text string) string {
	const most = 6
	lines := strings.SplitN(strings.TrimSpace(text), "\n", most+1)
	return strings.Join(lines[:min(most, len(lines))], "\n")
}

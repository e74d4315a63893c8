package integration

import (
	"os/exec"
	"strings"
	"testing"
)

// onTerminal runs a shell command on a pseudo-terminal, as script(1) makes one, and returns what the terminal got.
func onTerminal(t testing.TB, command string) string {
	t.Helper()
	program, err := exec.LookPath("script")
	if err != nil {
		t.Skip("SKIPPED, NOT PROVEN: no script(1) to make a terminal with: ", err)
	}
	out, err := exec.CommandContext(t.Context(), program, "--quiet", "--return", "--command", command, "/dev/null").CombinedOutput()
	if err != nil {
		t.Logf("%s: %v", command, err)
	}
	return string(out)
}

// TestTerminal: colours and a live line where there is a terminal, no colours under NO_COLOR, and nothing that a table's
// name or a value says.
func TestTerminal(t *testing.T) {
	t.Parallel()
	folder := buildTrueup(t)
	tp := NewTopology(t, Options{GTID: true})
	tp.Source.CreateUser(t, "checker", "ALL ON *.*")
	tp.Source.Exec(t, "CREATE DATABASE app", "USE app", "CREATE TABLE app.`a\x1b]0;owned\x07` (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO app.`a\x1b]0;owned\x07` VALUES (1, 'x')",
		"CREATE TABLE app.`r\u202ee` (id INT PRIMARY KEY, v VARCHAR(20))", "INSERT INTO app.`r\u202ee` VALUES (1, 'x')")
	tp.WaitCaughtUp(t)
	tp.Damage(t, 0, "UPDATE app.`a\x1b]0;owned\x07` SET v = '\x1b[2J\u009b2J'", "UPDATE app.`r\u202ee` SET v = '\x1b[2J'")
	check := folder + "/trueup check --source '" + "checker:" + checkerPassword + "@tcp(" + tp.Source.Address() + ")/' --verbose"

	coloured := onTerminal(t, "stty cols 80; "+check)
	if !strings.Contains(coloured, "\x1b[31mdifferent\x1b[0m") {
		t.Errorf("no colours on a terminal: %q", coloured)
	}
	plain := onTerminal(t, "NO_COLOR=1 "+check+" --progress never")
	if strings.Contains(plain, "\x1b") || !strings.Contains(plain, "Exit code 1") {
		t.Errorf("escape sequences under NO_COLOR: %q", plain)
	}
	plan := onTerminal(t, strings.Replace(check, "trueup check", "trueup repair", 1))
	if !strings.Contains(plan, "UPDATE `app`.`r\\u202ee`") || !strings.Contains(plan, "Exit code 1") {
		t.Errorf("no plan: %q", plan)
	}
	for _, out := range []string{coloured, plain, plan} {
		if strings.Contains(out, "\x1b]0;") || strings.Contains(out, "\x1b[2J") || strings.Contains(out, "\u009b") || strings.Contains(out, "\u202e") || strings.Contains(out, "\x07") {
			t.Errorf("data reached the terminal as it is: %q", out)
		}
	}
	help := onTerminal(t, folder+"/trueup help check")
	if strings.Contains(help, "\x1b") || !strings.Contains(help, "Exit codes") {
		t.Errorf("help: %q", help)
	}
}

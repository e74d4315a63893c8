package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestDemoOutline(t *testing.T) {
	t.Parallel()
	lines := strings.Split(`This journal is whole.
  file  skip.jsonl

1. 10:00 UTC  It began

2. 10:01 UTC  About to: skip
    runs:
      SET GLOBAL sql_slave_skip_counter = 1
    account: root
      UPDATE t SET a = '`+strings.Repeat("ä", 200), "\n")
	want := []string{"This journal is whole.", "  file  skip.jsonl", "", "1. 10:00 UTC  It began", "2. 10:01 UTC  About to: skip", "      SET GLOBAL sql_slave_skip_counter = 1",
		shortened(lines[9]), "(Of each entry the first line and the statements are shown here; all of it is 10 lines.)"}
	if got := outline(lines); !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if short := shortened(lines[9]); len([]rune(short)) != 152 || !strings.HasSuffix(short, "ä …") {
		t.Errorf("shortened: %q", short)
	}
	if got := outline([]string{"no journal"}); !slices.Equal(got, []string{"no journal"}) {
		t.Errorf("got %q for what has no entries", got)
	}
}

func TestDemoCuts(t *testing.T) {
	t.Parallel()
	done := []string{"trueup recover", "", "What was done: fix", "  a step", "Exit code 0"}
	if got := whatWasDone(done); !slices.Equal(got, []string{"…", "What was done: fix", "  a step", "Exit code 0"}) {
		t.Errorf("what was done: %q", got)
	}
	if got := conclusion(done); !slices.Equal(got, []string{"…", "  a step", "Exit code 0"}) {
		t.Errorf("conclusion: %q", got)
	}
	if got := shellLine([]string{"repair", "--source", "u@tcp(h:1)/", "/tmp/x/plan.sql"}, "/tmp/x"); got != "repair --source 'u@tcp(h:1)/' plan.sql" {
		t.Errorf("command line %q", got)
	}
}

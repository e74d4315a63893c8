package selftest

import (
	"regexp"
	"strings"
	"testing"
)

// TestTrapsAreComplete: each trap has a name of its own that is a table's name, says what it does, and does it to its own
// table only.
func TestTrapsAreComplete(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, trap := range traps() {
		if seen[trap.name] || !regexp.MustCompile(`^[a-z][a-z0-9_]{2,30}$`).MatchString(trap.name) {
			t.Errorf("%q is no name for a trap, or one of two", trap.name)
		}
		seen[trap.name] = true
		if trap.planted == "" || trap.create == "" {
			t.Errorf("%s: incomplete", trap.name)
		}
		if len(trap.want) > 0 && len(trap.damage) == 0 {
			t.Errorf("%s: rows are wanted and nothing is damaged", trap.name)
		}
		for _, statement := range append(trap.filling(), trap.planting()...) {
			if !strings.Contains(statement, Schema+"."+trap.name) || strings.Contains(statement, "{") && strings.Contains(statement, "table}") {
				t.Errorf("%s: not of its own table: %s", trap.name, statement)
			}
		}
		for _, row := range trap.want {
			if (row.Kind == "changed") != (len(row.Columns) > 0) || row.Count < 1 {
				t.Errorf("%s: %+v", trap.name, row)
			}
		}
	}
	if len(traps()) < 60 {
		t.Errorf("only %d traps", len(traps()))
	}
}

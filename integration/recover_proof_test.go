package integration

import (
	"os"
	"strings"
	"testing"

	"trueup/internal/audit"
	"trueup/recovery"
)

// TestRecoverProvesRowsBeside: a row that only the fix touches, since it holds a unique value that the transaction writes, is among those that
// have to be equal in the end, and the journal says so before anything is done.
func TestRecoverProvesRowsBeside(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, _ ServerRow, tp *Topology) {
		stop := FindStop(t, "1062 second unique key")
		stop.Provoke(t, tp)
		run := NewRecoverRun(t, tp, recovery.Fix)
		if result := run.Run(t); result.Outcome != recovery.Proven {
			t.Fatal(describeRecovery(result))
		}
		journal, err := os.Open(run.Journal)
		if err != nil {
			t.Fatal(err)
		}
		defer journal.Close()
		said := ""
		_, err = audit.Walk(journal, func(entry audit.Entry) {
			if entry.Kind == recovery.KindTouched {
				said += string(entry.Data)
			}
		})
		if err != nil || !strings.Contains(said, `"rows":2`) {
			t.Errorf("row 7 of the transaction, and 9, which holds its value, should be proven (%v): %s", err, said)
		}
	})
}

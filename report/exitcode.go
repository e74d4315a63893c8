package report

import (
	"os"
	"slices"
	"syscall"

	"trueup/check"
)

// The exit codes of every command; docs/exit-codes.md explains them.
const (
	OK          = 0   // all that was asked for is verified equal
	Different   = 1   // differences in data or schema
	Failed      = 2   // an error prevented a verdict
	Unverified  = 3   // no difference seen, but something asked for could not be compared
	Usage       = 64  // wrong usage or configuration; no server was touched
	Interrupted = 130 // ended by SIGINT
	Terminated  = 143 // ended by SIGTERM
)

// The conditions of a run, as JSON lists them.
const (
	ConditionEqual       = "equal"
	ConditionDifferent   = "different"
	ConditionFailed      = "failed"
	ConditionUnverified  = "unverified"
	ConditionInterrupted = "interrupted"
	ConditionTerminated  = "terminated"
	ConditionReplicating = "replicating" // of trueup status
	ConditionStopped     = "stopped"     // of trueup status: a channel of a server does not replicate
	ConditionPassed      = "passed"      // of a self-test only: "equal" would be said of nobody's data
	ConditionUndone      = "undone"      // of trueup repair --undo
	ConditionNotUndone   = "not_undone"  // of trueup repair --undo: rows were left, since they are not as the repair left them
)

// precedence orders the conditions: the first one that holds decides the exit code. A signal comes first
// because the caller that sent it must see that the run was cut short, whatever was found until then.
var precedence = []struct {
	condition string
	code      int
	meaning   string
}{
	{ConditionTerminated, Terminated, "ended by SIGTERM"},
	{ConditionInterrupted, Interrupted, "ended by SIGINT"},
	{ConditionDifferent, Different, "there are differences"},
	{ConditionStopped, Different, "a server does not replicate: stopped, broken or not connected"},
	{ConditionNotUndone, Different, "not everything could be undone"},
	{ConditionFailed, Failed, "an error prevented a complete verdict"},
	{ConditionUnverified, Unverified, "no difference was seen, but something asked for could not be compared"},
	{ConditionEqual, OK, "everything that was asked for is verified equal"},
	{ConditionReplicating, OK, "all that was looked at replicates"},
	{ConditionPassed, OK, "every planted damage was found exactly, and nothing else"},
	{ConditionUndone, OK, "all that the repair changed is as it was before"},
}

// Conditions lists everything that holds of a result, gravest first. It is never empty. "equal" stands alone,
// and only where at least one table was compared with at least one replica: a run that compared nothing has
// proven nothing and is "unverified".
func Conditions(result *check.Result) []string {
	seen := verdictsIn(result)
	var conditions []string
	if result.Interrupted {
		conditions = append(conditions, ConditionInterrupted)
	}
	if seen[check.Different] || len(result.SchemaDifferences) > 0 || len(result.DifferentRanges) > 0 {
		conditions = append(conditions, ConditionDifferent)
	}
	if seen[check.Failed] || result.Err != nil {
		conditions = append(conditions, ConditionFailed)
	}
	if seen[check.Unverified] || result.Interrupted {
		conditions = append(conditions, ConditionUnverified)
	}
	if len(conditions) == 0 && !comparedAnything(result) {
		conditions = append(conditions, ConditionUnverified)
	}
	if len(conditions) == 0 {
		conditions = append(conditions, ConditionEqual)
	}
	return conditions
}

// verdictsIn collects the verdicts of the run, its replicas and its tables. It does not rely on the run's own
// verdict being the sum of the others.
func verdictsIn(result *check.Result) map[check.Verdict]bool {
	seen := map[check.Verdict]bool{result.Verdict: true}
	for _, replica := range result.Replicas {
		seen[replica.Verdict] = true
	}
	for _, table := range result.Tables {
		seen[table.Verdict] = true
		seen[check.Unverified] = seen[check.Unverified] || table.ChunksUnverified > 0
		seen[check.Different] = seen[check.Different] || table.ChunksDifferent > 0
		for _, replica := range table.Replicas {
			seen[replica.Verdict] = true
		}
	}
	return seen
}

// comparedAnything is true when at least one table was compared on at least one replica.
func comparedAnything(result *check.Result) bool {
	for _, table := range result.Tables {
		if table.Verdict == check.Equal && len(table.Replicas) > 0 {
			return len(result.Replicas) > 0
		}
	}
	return false
}

// CodeFor is the exit code for the conditions of a run. An empty or unknown list is Failed: what is not
// understood is never success.
func CodeFor(conditions []string) int {
	for _, p := range precedence {
		if slices.Contains(conditions, p.condition) {
			return p.code
		}
	}
	return Failed
}

// CodeMeaning says in words what an exit code of a run means.
func CodeMeaning(code int) string {
	if code == Usage {
		return "wrong usage or configuration"
	}
	for _, p := range precedence {
		if p.code == code {
			return p.meaning
		}
	}
	return "unknown"
}

// verdictOf is the run's verdict, the gravest of its conditions that is one.
func verdictOf(conditions []string) string {
	for _, verdict := range []string{ConditionDifferent, ConditionFailed, ConditionUnverified, ConditionEqual} {
		if slices.Contains(conditions, verdict) {
			return verdict
		}
	}
	return ConditionFailed
}

// WithSignal returns the check as ended by that signal: conditions and exit code say SIGTERM where a result
// only says "interrupted". A nil signal changes nothing.
func (c Check) WithSignal(signal os.Signal) Check {
	c.Summary = c.Summary.withSignal(signal)
	return c
}

func (s Summary) withSignal(signal os.Signal) Summary {
	if signal != syscall.SIGTERM || !s.Interrupted {
		return s
	}
	s.Conditions = slices.Clone(s.Conditions)
	if i := slices.Index(s.Conditions, ConditionInterrupted); i >= 0 {
		s.Conditions[i] = ConditionTerminated
	}
	s.ExitCode = CodeFor(s.Conditions)
	return s
}

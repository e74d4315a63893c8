package report

import (
	"io"
	"os"
	"slices"
	"syscall"
	"time"
)

// SelfTest is the report of "trueup check --self-test": its JSON form is the marshalled struct. Build it with NewSelfTest.
type SelfTest struct {
	Heading
	Verdict       string   `json:"verdict"` // "passed", "failed" or "unverified" (interrupted)
	Error         string   `json:"error"`   // empty unless an error ended the self-test
	ServerVersion string   `json:"server_version"`
	Traps         []Trap   `json:"self_test"`
	Problems      []string `json:"problems"` // what is wrong and belongs to no trap
}

// Trap is one trap of a self-test: damage in a table of that name.
type Trap struct {
	Name     string    `json:"name"`
	Planted  string    `json:"planted"`
	Expected []TrapRow `json:"expected"`
	Found    []TrapRow `json:"found"`
	OK       bool      `json:"ok"`
	Problems []string  `json:"problems"`
}

// TrapRow is a row that differs, as it was planted or found.
type TrapRow struct {
	Kind    string   `json:"kind"` // "missing", "extra" or "changed"
	Count   int64    `json:"count"`
	Key     string   `json:"key"`     // "id=5", "a=x,b=0x01"; empty where the table has no key
	Columns []string `json:"columns"` // the unequal ones of a changed row
}

// SelfTestRun is what a self-test came to, for NewSelfTest.
type SelfTestRun struct {
	RunID, Version, ServerVersion string
	StartedAt, FinishedAt         time.Time
	Traps                         []Trap
	Problems                      []string
	Err                           error     // what ended it before it was complete
	Signal                        os.Signal // what ended it, if it was that
}

// NewSelfTest makes the report of a self-test and decides its exit code. It has passed only where there were traps and
// all of them are ok.
func NewSelfTest(run SelfTestRun) SelfTest {
	s := SelfTest{
		Heading: Heading{SchemaVersion: SchemaVersion, Command: "check", RunID: run.RunID, Version: run.Version, Interrupted: run.Signal != nil,
			StartedAt: timeOf(run.StartedAt), FinishedAt: timeOf(run.FinishedAt), DurationSeconds: seconds(run.FinishedAt.Sub(run.StartedAt))},
		ServerVersion: run.ServerVersion, Traps: each(run.Traps, trapOf), Problems: each(run.Problems, same[string]),
	}
	switch {
	case run.Signal == syscall.SIGTERM:
		s.Conditions = []string{ConditionTerminated, ConditionUnverified}
	case run.Signal != nil:
		s.Conditions = []string{ConditionInterrupted, ConditionUnverified}
	case run.Err != nil:
		s.Error = run.Err.Error()
		s.Conditions = []string{ConditionFailed}
	case len(s.Traps) == 0 || len(s.Problems) > 0 || s.failed() > 0:
		s.Conditions = []string{ConditionFailed}
	default:
		s.Conditions = []string{ConditionPassed}
	}
	s.Verdict = s.Conditions[len(s.Conditions)-1]
	s.ExitCode = CodeFor(s.Conditions)
	return s
}

func trapOf(t Trap) Trap {
	t.Expected, t.Found, t.Problems = each(t.Expected, trapRowOf), each(t.Found, trapRowOf), each(t.Problems, same[string])
	return t
}

func trapRowOf(r TrapRow) TrapRow {
	r.Columns = each(r.Columns, same[string])
	return r
}

// failed counts the traps that are not ok.
func (s SelfTest) failed() int {
	return len(s.Traps) - len(slices.DeleteFunc(slices.Clone(s.Traps), func(t Trap) bool { return !t.OK }))
}

// planted counts the traps that hold damage; in the others nothing may be reported.
func (s SelfTest) planted() int {
	return len(slices.DeleteFunc(slices.Clone(s.Traps), func(t Trap) bool { return len(t.Expected) == 0 }))
}

// WriteSelfTestJSON writes the self-test as one indented JSON object. It fails only where w does.
func WriteSelfTestJSON(w io.Writer, s SelfTest) error { return writeJSON(w, s) }

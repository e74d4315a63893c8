package report

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trueup/check"
	"trueup/recovery"
	"trueup/repair"
)

func TestRecoveryGolden(t *testing.T) {
	t.Parallel()
	for name, scenario := range recoveries() {
		scenario.facts.Version = "0.1.0"
		r := FromRecovery(scenario.result, scenario.facts)
		if r.ExitCode != scenario.code || !slices.Equal(r.Conditions, scenario.conditions) {
			t.Errorf("%s: exit code %d, %v", name, r.ExitCode, r.Conditions)
		}
		var asJSON, asText, wide, done, asked bytes.Buffer
		if err := errors.Join(WriteRecoveryJSON(&asJSON, r), WriteRecoveryText(&asText, r, TextOptions{Width: 80}), WriteRecoveryText(&wide, r, TextOptions{Verbose: true, Width: 120}),
			WriteRecoveryRest(&done, r, 1, TextOptions{Width: 80}), WriteDiagnosis(&asked, scenario.result.Attempts[0].Diagnosis, TextOptions{Width: 80})); err != nil {
			t.Fatal(err)
		}
		golden(t, "recover-"+name+".json", asJSON.Bytes())
		golden(t, "recover-"+name+".text", asText.Bytes())
		for _, text := range []string{asJSON.String(), asText.String(), wide.String(), done.String(), asked.String()} {
			inert(t, text)
		}
		if name == "next" && (strings.Contains(done.String(), "row id=5 of shop.orders is missing") || !strings.Contains(done.String(), "row id=9 of shop.orders is missing")) {
			t.Errorf("of two errors one was seen: %s", done.String())
		}
		if name == "fixed" {
			golden(t, "recover-fixed.rest", done.Bytes())
			golden(t, "recover-fixed.asked", asked.Bytes())
			golden(t, "recover-fixed.verbose", wide.Bytes())
		}
	}
}

// TestRecoveryConditions are those that the golden files do not show.
func TestRecoveryConditions(t *testing.T) {
	t.Parallel()
	one := func(outcome recovery.Outcome, change ...func(*recovery.Attempt)) *recovery.Result {
		a := recovery.Attempt{Diagnosis: missingRow(), Outcome: outcome}
		for _, c := range change {
			c(&a)
		}
		return recoveredOnce(a)
	}
	proof := func(p *repair.Result) func(*recovery.Attempt) {
		return func(a *recovery.Attempt) { a.Proof = p }
	}
	for name, test := range map[string]struct {
		result *recovery.Result
		facts  RecoveryFacts
		want   []string
	}{
		"declined":                    {one(recovery.Declined), RecoveryFacts{}, []string{ConditionStopped}},
		"differs":                     {one(recovery.Differs), RecoveryFacts{}, []string{ConditionDifferent}},
		"unproven":                    {one(recovery.Unproven), RecoveryFacts{}, []string{ConditionUnverified}},
		"stopped again":               {one(recovery.StoppedAgain), RecoveryFacts{}, []string{ConditionStopped}},
		"an unknown outcome":          {one("dubious"), RecoveryFacts{}, []string{ConditionFailed}},
		"no outcome at all":           {&recovery.Result{}, RecoveryFacts{}, []string{ConditionFailed}},
		"nothing to do, no diagnosis": {&recovery.Result{Outcome: recovery.NothingToDo}, RecoveryFacts{}, []string{ConditionReplicating}},
		"proven, then nothing to do":  {&recovery.Result{Attempts: []recovery.Attempt{fixedAttempt(), {Outcome: recovery.NothingToDo}}}, RecoveryFacts{}, []string{ConditionEqual}},
		"called proven, and the proof says no": {one(recovery.Proven, proof(&repair.Result{Check: differentRun()})), RecoveryFacts{},
			[]string{ConditionDifferent}},
		"called proven, of what was not compared": {one(recovery.Proven, proof(&repair.Result{Check: unverifiedRun()})), RecoveryFacts{}, []string{ConditionUnverified}},
		"ctrl-C when asked":                       {one(recovery.Declined), RecoveryFacts{Aborted: true}, []string{ConditionInterrupted, ConditionStopped, ConditionUnverified}},
		"SIGTERM while it failed":                 {one(recovery.Failed), RecoveryFacts{Signal: syscall.SIGTERM}, []string{ConditionInterrupted, ConditionFailed, ConditionUnverified}},
		"a signal that came too late":             {one(recovery.Proven), RecoveryFacts{Signal: syscall.SIGTERM}, []string{ConditionEqual}},
		"the audit file could not be ended":       {one(recovery.Proven), RecoveryFacts{Err: os.ErrClosed}, []string{ConditionFailed}},
		"ended before a step": {one(recovery.Failed, func(a *recovery.Attempt) { a.Err = context.Canceled }), RecoveryFacts{},
			[]string{ConditionInterrupted, ConditionStopped, ConditionUnverified}},
	} {
		if got := RecoveryConditions(test.result, test.facts); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	terminated := FromRecovery(one(recovery.Failed), RecoveryFacts{Signal: syscall.SIGTERM})
	if terminated.ExitCode != Terminated || terminated.Conditions[0] != ConditionTerminated {
		t.Errorf("SIGTERM: %d, %v", terminated.ExitCode, terminated.Conditions)
	}
}

// TestRecoveryJSONIsNeverNull: of the lists; what may be null is documented.
func TestRecoveryJSONIsNeverNull(t *testing.T) {
	t.Parallel()
	empty := FromRecovery(&recovery.Result{Attempts: []recovery.Attempt{{}, {Diagnosis: &recovery.Diagnosis{Part: recovery.Applier, Transaction: &recovery.Transaction{},
		Rows: []recovery.RowState{{}}, Options: []recovery.Option{{}}, DirectWrites: []recovery.DirectWrite{{}}}}}}, RecoveryFacts{})
	data, err := json.Marshal(empty)
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"started_at", "finished_at", "written_at", "at", "error", "transaction", "proof", "before", "after", "source", "replica"}
	for field := range strings.SplitSeq(string(data), `,"`) {
		if name, isNull := strings.CutSuffix(strings.TrimRight(field, "}]"), `":null`); isNull && !slices.Contains(allowed, strings.Trim(name[strings.LastIndex(name, `"`)+1:], `{"`)) {
			t.Errorf("%s is null", name)
		}
	}
	var back Recovery
	if err := json.Unmarshal(data, &back); err != nil {
		t.Error(err)
	}
}

// TestRecoveryShowsNoPassword: of a statement that the log holds with one.
func TestRecoveryShowsNoPassword(t *testing.T) {
	t.Parallel()
	d := missingRow()
	create := "CREATE USER z IDENTIFIED BY 'hush'"
	d.Error.Message, d.Transaction.Statements[0].Text, d.DirectWrites[0].Statements[0] = "Query: '"+create+"'", create, create
	var out bytes.Buffer
	if err := errors.Join(WriteDiagnosis(&out, d, TextOptions{}), WriteRecoveryJSON(&out, FromRecovery(recoveredOnce(recovery.Attempt{Diagnosis: d}), RecoveryFacts{}))); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hush") || strings.Count(out.String(), "IDENTIFIED BY '***'") < 6 {
		t.Error(out.String())
	}
}

// TestManyRecoveryRows: a large transaction is folded, its problem rows stay.
func TestManyRecoveryRows(t *testing.T) {
	t.Parallel()
	d := missingRow()
	innocent := d.Rows[0]
	d.Rows = d.Rows[1:2]
	for range 500 {
		d.Rows = append([]recovery.RowState{innocent}, d.Rows...)
	}
	d.Transaction.Rows = 100_000
	var out bytes.Buffer
	if err := WriteDiagnosis(&out, d, TextOptions{Width: 80}); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if lines := strings.Count(text, "\n"); lines > 120 || !strings.Contains(text, "! update  shop.orders  id=5") || !strings.Contains(text, "… 480 more of them") ||
		!strings.Contains(text, "99,499 row changes of the transaction are not listed") {
		t.Errorf("%d lines:\n%s", lines, text)
	}
}

func TestRecoveryJSONL(t *testing.T) {
	t.Parallel()
	result := recoveredOnce(skippedAttempt())
	result.Warnings = []string{"one", "two"}
	at := func(ms int) check.At { return check.At{Time: began.Add(time.Duration(ms) * time.Millisecond)} }
	var out, steps bytes.Buffer
	lines := NewJSONL(&out, JSONLOptions{Version: "0.1.0", Recovery: true})
	lines.StartRecovery(result.RunID, source, replica1, began)
	observers := Observers(lines, NewSteps(&steps))
	observers.Event(recovery.Diagnosed{At: at(10), Diagnosis: result.Attempts[0].Diagnosis})
	for _, step := range result.Attempts[0].Steps {
		observers.Event(recovery.StepTaken{At: at(20), Step: step})
	}
	observers.Event(check.Warned{At: at(30), Message: "one"})
	for _, event := range eventsOf(result.Attempts[0].Proof.Check) {
		observers.Event(event)
	}
	observers.Event(recovery.AttemptDone{At: at(40), Attempt: result.Attempts[0]})
	observers.Event(recovery.Finished{At: at(50), Result: result})
	lines.FinishRecovery(FromRecovery(result, RecoveryFacts{Version: "0.1.0"}), at(60).Time)
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range strings.Lines(out.String()) {
		var event struct{ Event string }
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		kinds = append(kinds, event.Event)
	}
	if want := strings.Fields("run_started diagnosed step_taken warning attempt_done warning recovery_finished"); !slices.Equal(kinds, want) {
		t.Errorf("%v, want %v", kinds, want)
	}
	if steps.String() != "  03:04:05  skip exactly one transaction: done\n" {
		t.Errorf("%q", steps.String())
	}
	inert(t, out.String())
}

// TestRecoverOutcomeOfUnnamed: where nothing says at which transaction the applier stood, none is said to be passed, or to be the same.
func TestRecoverOutcomeOfUnnamed(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[recovery.Outcome]string{
		recovery.Unproven:     "the applier went on behind where it stood; which transaction had failed is not known, so that nothing was compared",
		recovery.StoppedAgain: "the replica stopped again, maybe at the same transaction",
	} {
		a := RecoveryAttempt{Error: &RecoveryError{Number: 1756, Class: string(recovery.ClassWorkers)}, RecoveryDone: RecoveryDone{Outcome: string(outcome), Steps: []RecoveryStep{{}}}}
		for _, r := range []Recovery{{}, {Journal: "j", Attempts: []RecoveryAttempt{a, {RecoveryDone: RecoveryDone{Outcome: string(recovery.Explained)}}}}} {
			if got := r.outcomeOf(a); got != want || r.awaitsProof() {
				t.Errorf("%s: %q, %v", outcome, got, r.awaitsProof())
			}
		}
	}
}

package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"trueup/check"
	"trueup/repair"
	"trueup/schema"
)

func TestRepairGolden(t *testing.T) {
	t.Parallel()
	for name, scenario := range repairs() {
		scenario.facts.Version = "0.1.0"
		r := FromRepair(scenario.result, scenario.facts)
		if r.ExitCode != scenario.code || !slices.Equal(r.Conditions, scenario.conditions) {
			t.Errorf("%s: exit code %d, %v", name, r.ExitCode, r.Conditions)
		}
		var asJSON, asText, asked bytes.Buffer
		plan := r
		plan.Applied = false // when somebody is asked nothing is
		if err := errors.Join(WriteRepairJSON(&asJSON, r), WriteRepairText(&asText, r, TextOptions{Width: 80}), WriteRepairPlan(&asked, plan, TextOptions{Width: 80})); err != nil {
			t.Fatal(err)
		}
		asked.WriteString("\n" + r.Question() + "\n")
		golden(t, "repair-"+name+".json", asJSON.Bytes())
		golden(t, "repair-"+name+".text", asText.Bytes())
		for _, text := range []string{asJSON.String(), asText.String(), asked.String()} {
			inert(t, text)
		}
		if name == "plan" || name == "refused" {
			golden(t, "repair-"+name+".asked", asked.Bytes())
		}
	}
}

// TestRepairConditions are those that the golden files do not show.
func TestRepairConditions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		result *repair.Result
		want   []string
	}{
		"the plan of a check that could not compare everything": {&repair.Result{Check: unverifiedRun()}, []string{ConditionUnverified}},
		"what was not compared at first stays so": {changeRepair(appliedRepair(), func(r *repair.Result) {
			r.Check.Replicas[0].Verdict = check.Unverified
		}), []string{ConditionUnverified}},
		"a column that differs stays so": {changeRepair(appliedRepair(), func(r *repair.Result) {
			r.Check.SchemaDifferences = differentRun().SchemaDifferences
		}), []string{ConditionDifferent}},
		"a table that is missing and was not created": {changeRepair(refusedRepair(), func(r *repair.Result) {
			r.Replicas, r.Verified = r.Replicas[1:], verifiedRun()
			r.Replicas[0].Tables = r.Replicas[0].Tables[:1]
			r.Replicas[0].Tables[0].Refused = nil
			r.Verified.SchemaDifferences, r.Verified.Verdict = r.Check.SchemaDifferences, check.Different
		}), []string{ConditionDifferent}},
		"a table that was dropped": {changeRepair(appliedRepair(), func(r *repair.Result) {
			r.Replicas[0].Tables = []repair.TableResult{{Database: "shop", Table: "old", Notes: []string{"it was dropped"}}}
			r.Check.SchemaDifferences = []check.SchemaDifference{{Replica: replica2, Difference: schema.Difference{Database: "shop", Table: "old", Object: "table", What: "extra"}}}
			r.Verified = &check.Result{Replicas: []check.ReplicaResult{{Verdict: check.Unverified}}}
		}), []string{ConditionEqual}},
		"a table that was created": {changeRepair(refusedRepair(), func(r *repair.Result) {
			r.Replicas, r.Verified = r.Replicas[1:], verifiedRun()
			r.Replicas[0].Tables[0].Refused = nil
		}), []string{ConditionEqual}},
		"the check afterwards was interrupted": {changeRepair(appliedRepair(), func(r *repair.Result) {
			r.Verified.Interrupted, r.Verified.Verdict = true, check.Unverified
		}), []string{ConditionInterrupted, ConditionUnverified}},
		"the check afterwards failed": {changeRepair(appliedRepair(), func(r *repair.Result) {
			r.Verified.Err, r.Verified.Verdict = os.ErrClosed, check.Failed
		}), []string{ConditionFailed}},
		"an error after all was verified": {changeRepair(appliedRepair(), func(r *repair.Result) { r.Err = os.ErrClosed }), []string{ConditionFailed}},
		"nothing was compared":            {&repair.Result{Check: &check.Result{}, Applied: true}, []string{ConditionUnverified}},
		"the check afterwards compared nothing": {changeRepair(appliedRepair(), func(r *repair.Result) { r.Verified = &check.Result{} }),
			[]string{ConditionUnverified}},
	} {
		if got := RepairConditions(test.result); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	late := FromRepair(repairs()["interrupted"].result, RepairFacts{Err: os.ErrClosed})
	if late.ExitCode != Interrupted || !slices.Contains(late.Conditions, ConditionFailed) || !strings.Contains(late.Error, os.ErrClosed.Error()) {
		t.Errorf("an undo file that could not be written: %d, %v, %q", late.ExitCode, late.Conditions, late.Error)
	}
	terminated := FromRepair(repairs()["interrupted"].result, RepairFacts{Signal: syscall.SIGTERM})
	if terminated.ExitCode != Terminated || terminated.Conditions[0] != ConditionTerminated || terminated.Error != "" {
		t.Errorf("SIGTERM: %d, %v, %q", terminated.ExitCode, terminated.Conditions, terminated.Error)
	}
}

// TestRepairJSONHasACheckFields: whoever reads a check's report can read a repair's; and no list is null.
func TestRepairJSONHasACheckFields(t *testing.T) {
	t.Parallel()
	fields := func(document any) map[string]json.RawMessage {
		data, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(data, &object); err != nil {
			t.Fatal(err)
		}
		return object
	}
	got := fields(FromRepair(appliedRepair(), RepairFacts{}))
	for field := range fields(FromCheck(equalRun(), "")) {
		if got[field] == nil {
			t.Errorf("missing: %s", field)
		}
		delete(got, field)
	}
	want := strings.Fields("applied declined from_run_id journal refused repairs statements undo_files verification via")
	if left := slices.Sorted(maps.Keys(got)); !slices.Equal(left, want) {
		t.Errorf("beside a check's fields: %v", left)
	}
	empty, err := json.Marshal(FromRepair(&repair.Result{Check: &check.Result{}, Replicas: []repair.ReplicaResult{{Tables: []repair.TableResult{{}}}}}, RepairFacts{}))
	if err != nil || strings.Contains(strings.NewReplacer(`"started_at":null`, "", `"finished_at":null`, "", `"verification":null`, "").Replace(string(empty)), "null") {
		t.Errorf("%v: %s", err, empty)
	}
}

func TestRepairJSONL(t *testing.T) {
	t.Parallel()
	result := refusedRepair()
	at := func(ms int) check.At { return check.At{Time: began.Add(time.Duration(ms) * time.Millisecond)} }
	var out bytes.Buffer
	lines := NewJSONL(&out, JSONLOptions{Version: "0.1.0", Repair: true})
	observers := Observers(lines)
	for _, event := range eventsOf(result.Check) {
		observers.Event(event)
	}
	observers.Event(repair.Planned{At: at(3000), Result: plannedRepair()})
	observers.Event(repair.GroupDone{At: at(3100), Replica: replica2, Database: "shop", Table: "orders", Rows: repair.Counts{Missing: 3}, Statements: 3})
	observers.Event(repair.GroupRefused{At: at(3200), Replica: replica2, Database: "shop", Table: "orders", Refusal: repair.Refusal{Code: repair.RefusedTriggers, Reason: "t", Rows: 3}})
	for _, event := range eventsOf(result.Verified) {
		observers.Event(event)
	}
	observers.Event(check.Warned{At: at(3300), Message: "late"})
	observers.Event(repair.Finished{At: at(3400), Result: result})
	lines.FinishRepair(FromRepair(result, RepairFacts{Version: "0.1.0"}), began.Add(4*time.Second))
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	golden(t, "repair-refused.jsonl", out.Bytes())
	inert(t, out.String())
	seen := map[string]int{}
	for raw := range bytes.Lines(out.Bytes()) {
		var object struct{ Event string }
		if err := json.Unmarshal(raw, &object); err != nil {
			t.Fatal(err)
		}
		seen[object.Event]++
	}
	for event, want := range map[string]int{"run_started": 1, "check_finished": 1, "run_finished": 0, "repair_planned": 1, "group_done": 1, "group_refused": 1, "repair_finished": 1, "warning": 3} {
		if seen[event] != want {
			t.Errorf("%d lines %s, want %d", seen[event], event, want)
		}
	}
}

func TestRepairProgress(t *testing.T) {
	t.Parallel()
	now := began
	var out bytes.Buffer
	p := newProgress(&out, progressOptions{Now: func() time.Time { return now }, Width: func() int { return 100 }, Repair: true})
	shown := func(event check.Event) string {
		out.Reset()
		now = now.Add(time.Second)
		p.Event(event)
		return out.String()
	}
	for _, event := range eventsOf(differentRun()) {
		shown(event)
	}
	if line := shown(repair.Planned{Result: plannedRepair()}); !strings.Contains(line, "repairing  0/8 rows") {
		t.Errorf("after the plan: %q", line)
	}
	line := shown(repair.GroupDone{Replica: replica2, Database: "shop", Table: "orders", Rows: repair.Counts{Missing: 3}})
	if !strings.Contains(line, "repairing  3/8 rows") || !strings.Contains(line, "shop.orders on "+replica2) {
		t.Errorf("after a group: %q", line)
	}
	if line := shown(repair.GroupRefused{}); !strings.Contains(line, "1 refused") {
		t.Errorf("after a refusal: %q", line)
	}
	p.state.planOnly = true
	if line := shown(repair.GroupRefused{}); !strings.Contains(line, "planning  3/8 rows") {
		t.Errorf("of a plan: %q", line)
	}
	release := p.Hold()
	if line := shown(repair.GroupRefused{}); line != "" {
		t.Errorf("while somebody is asked: %q", line)
	}
	release()
	if line := shown(check.RunStarted{}); !strings.Contains(line, "verifying what was repaired  3/8 rows") {
		t.Errorf("while it is verified: %q", line)
	}
	if line := shown(check.RunFinished{Result: verifiedRun()}); !strings.Contains(line, "verifying") {
		t.Errorf("at the end of that: %q", line)
	}
	if line := shown(repair.Finished{}); line != clearLine {
		t.Errorf("at the end: %q", line)
	}
}

// TestRefusalsAreExplained: every Refused… constant of package repair has an explanation, and only those.
func TestRefusalsAreExplained(t *testing.T) {
	t.Parallel()
	codes := refusalCodes(t)
	if len(codes) < 10 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	for _, code := range codes {
		if refusalTexts[code].meaning == "" || refusalTexts[code].advice == "" {
			t.Errorf("%s is not explained in refusalTexts", code)
		}
	}
	for code := range refusalTexts {
		if !slices.Contains(codes, code) {
			t.Errorf("%s is explained and never used", code)
		}
	}
}

// refusalCodes are the values of the Refused… constants, in their order.
func refusalCodes(t *testing.T) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), "../repair/result.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	ast.Inspect(parsed, func(node ast.Node) bool {
		spec, isValue := node.(*ast.ValueSpec)
		if !isValue || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Refused") {
			return true
		}
		if literal, isLiteral := spec.Values[0].(*ast.BasicLit); isLiteral {
			code, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			codes = append(codes, code)
		}
		return true
	})
	return codes
}

func TestAddressInName(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{"10.0.0.1:3306": "10.0.0.1-3306", "[::1]:3306": "1--3306", "/run/mysqld/a.sock": "run-mysqld-a.sock", "db-1.eu:1": "db-1.eu-1"} {
		if got := AddressInName(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestHarmlessLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := HarmlessLines(&out)
	for _, part := range []string{"SELECT `a\x1b", "]0;b`;\n", "\n-- é\n\u202e", "x\n", "rest"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := "SELECT `a\\x1b]0;b`;\n\n-- é\n\\u202ex\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	if _, err := HarmlessLines(brokenWriter{os.ErrClosed}).Write([]byte("x\n")); err == nil {
		t.Error("the writer's error got lost")
	}
}

package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"trueup/check"
)

// contractFields are the field names of the JSON contract, by path; those behind + were added since.
const contractFields = `schema_version command run_id version exit_code conditions interrupted started_at finished_at
duration_seconds throttled_seconds verdict filters warnings source sync replicas tables schema_differences
different_ranges differences differences_truncated +error
filters.tables +filters.databases +filters.ignore_databases +filters.ignore_tables +filters.ignore_columns
source.address source.flavor source.version source.server_id source.server_uuid
sync.strategy sync.epochs
sync.epochs.id sync.epochs.file sync.epochs.position sync.epochs.gtid sync.epochs.source_writes_blocked_seconds
sync.epochs.replicas +sync.epochs.opened_at
sync.epochs.replicas.address sync.epochs.replicas.file sync.epochs.replicas.position sync.epochs.replicas.gtid
sync.epochs.replicas.exact sync.epochs.replicas.applier_paused_seconds
replicas.address replicas.flavor replicas.version replicas.server_id replicas.server_uuid replicas.channel
replicas.verdict replicas.reason_code replicas.reason +replicas.upstream +replicas.strategy +replicas.renamed_databases
tables.database tables.table tables.verdict tables.reason_code tables.reason tables.key_used tables.digest tables.rows
tables.bytes tables.chunks_verified tables.chunks_unverified tables.epochs +tables.converted_columns +tables.coverage +tables.coverage.proven +tables.coverage.chunks +tables.coverage.rows_counted tables.replicas
+tables.chunks_different +tables.duration_seconds +tables.ignored_columns
tables.replicas.address tables.replicas.verdict tables.replicas.rows tables.replicas.missing tables.replicas.extra
tables.replicas.changed +tables.replicas.reason_code +tables.replicas.reason
schema_differences.replica schema_differences.database schema_differences.table schema_differences.object
schema_differences.what schema_differences.source_value schema_differences.replica_value
different_ranges.replica different_ranges.database different_ranges.table different_ranges.key different_ranges.lower
different_ranges.upper different_ranges.missing different_ranges.extra different_ranges.changed
different_ranges.lower.name different_ranges.lower.value different_ranges.lower.encoding
different_ranges.upper.name different_ranges.upper.value different_ranges.upper.encoding
differences.replica differences.database differences.table differences.kind differences.count differences.key
differences.columns differences.key.name differences.key.value differences.key.encoding
differences.columns.name differences.columns.source_value differences.columns.replica_value
differences.columns.source_value.value differences.columns.source_value.encoding
differences.columns.replica_value.value differences.columns.replica_value.encoding`

func TestJSONHasTheContractsFields(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for _, field := range strings.Fields(contractFields) {
		want[strings.TrimPrefix(field, "+")] = true
	}
	got := map[string]bool{}
	data, err := json.Marshal(FromCheck(differentRun(), "0.1.0"))
	if err != nil {
		t.Fatal(err)
	}
	var object any
	if err := json.Unmarshal(data, &object); err != nil {
		t.Fatal(err)
	}
	paths(object, "", got)
	for _, field := range slices.Sorted(maps.Keys(want)) {
		if !got[field] {
			t.Errorf("missing: %s", field)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(got)) {
		if !want[field] {
			t.Errorf("not in the contract: %s", field)
		}
	}
}

func paths(value any, prefix string, into map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for name, field := range v {
			into[prefix+name] = true
			paths(field, prefix+name+".", into)
		}
	case []any:
		for _, element := range v {
			paths(element, prefix, into)
		}
	}
}

func TestArraysAreNeverNull(t *testing.T) {
	t.Parallel()
	result := &check.Result{
		Sync:     check.SyncInfo{Epochs: []check.Epoch{{}}},
		Replicas: []check.ReplicaResult{{}}, Tables: []check.TableResult{{}}, Differences: []check.RowDifference{{}},
		DifferentRanges: []check.DifferentRange{{}},
	}
	for _, r := range []*check.Result{{}, result} {
		data, err := json.Marshal(FromCheck(r, ""))
		if err != nil {
			t.Fatal(err)
		}
		for field := range strings.SplitSeq(string(data), `,"`) {
			name, isNull := strings.CutSuffix(strings.TrimRight(field, "}]"), `":null`)
			if allowed := []string{"started_at", "finished_at", "opened_at", "lower", "upper"}; isNull && !slices.Contains(allowed, name) {
				t.Errorf("%s is null", name)
			}
		}
	}
}

func TestReportReadsBack(t *testing.T) {
	t.Parallel()
	for name, scenario := range scenarios() {
		want := FromCheck(scenario(), "0.1.0")
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Check
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: JSON does not read back as it was", name)
		}
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		result *check.Result
		want   []string
		code   int
	}{
		"equal":         {equalRun(), []string{"equal"}, OK},
		"different":     {differentRun(), []string{"different"}, Different},
		"unverified":    {unverifiedRun(), []string{"unverified"}, Unverified},
		"failed":        {failedRun(), []string{"failed"}, Failed},
		"interrupted":   {interruptedRun(), []string{"interrupted", "unverified"}, Interrupted},
		"many":          {manyRun(), []string{"different", "unverified"}, Different},
		"nothing":       {&check.Result{}, []string{"unverified"}, Unverified},
		"no replica":    {without(equalRun(), func(r *check.Result) { r.Replicas = nil }), []string{"unverified"}, Unverified},
		"no table":      {without(equalRun(), func(r *check.Result) { r.Tables = nil }), []string{"unverified"}, Unverified},
		"only a view":   {without(equalRun(), func(r *check.Result) { r.Tables = r.Tables[3:] }), []string{"unverified"}, Unverified},
		"schema only":   {without(equalRun(), func(r *check.Result) { r.SchemaDifferences = make([]check.SchemaDifference, 1) }), []string{"different"}, Different},
		"late error":    {without(differentRun(), func(r *check.Result) { r.Err = os.ErrClosed }), []string{"different", "failed"}, Different},
		"lost chunk":    {without(equalRun(), func(r *check.Result) { r.Tables[0].ChunksUnverified = 1 }), []string{"unverified"}, Unverified},
		"cut, differed": {without(differentRun(), func(r *check.Result) { r.Interrupted = true }), []string{"interrupted", "different", "unverified"}, Interrupted},
	}
	for name, test := range tests {
		got := Conditions(test.result)
		if !slices.Equal(got, test.want) || CodeFor(got) != test.code {
			t.Errorf("%s: %v, exit code %d; want %v, %d", name, got, CodeFor(got), test.want, test.code)
		}
	}
	if CodeFor(nil) != Failed || CodeFor([]string{"?"}) != Failed {
		t.Error("unknown conditions must not be success")
	}
}

func without(r *check.Result, change func(*check.Result)) *check.Result {
	change(r)
	return r
}

func TestWithSignal(t *testing.T) {
	t.Parallel()
	c := FromCheck(interruptedRun(), "")
	if got := c.WithSignal(syscall.SIGTERM); got.ExitCode != Terminated || got.Conditions[0] != ConditionTerminated {
		t.Errorf("SIGTERM: %d %v", got.ExitCode, got.Conditions)
	}
	if c.ExitCode != Interrupted || c.Conditions[0] != ConditionInterrupted {
		t.Error("the original was changed")
	}
	if got := c.WithSignal(os.Interrupt); got.ExitCode != Interrupted {
		t.Errorf("SIGINT: %d", got.ExitCode)
	}
	if got := FromCheck(equalRun(), "").WithSignal(syscall.SIGTERM); got.ExitCode != OK {
		t.Errorf("a signal after the end must not count: %d", got.ExitCode)
	}
}

func TestShortAddresses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{"127.0.0.1:3307 127.0.0.1:3308", ":3307 :3308"},
		{"db1.eu.example.com:3306 db2.eu.example.com:3306", "db1 db2"},
		{"db1.eu.example.com:3306 db1.us.example.com:3306", "db1.eu.example.com db1.us.example.com"},
		{"10.0.0.1:3306 10.0.0.2:3306", "10.0.0.1 10.0.0.2"},
		{"10.0.0.1:3306 db2.example.com:3307", "10.0.0.1:3306 db2:3307"},
		{"a.x:1 b.x:1 a.x:2", "a:1 b:1 a:2"},
		{"/run/a.sock 10.0.0.2:3306", "/run/a.sock 10.0.0.2:3306"},
	} {
		var replicas []Replica
		for _, address := range strings.Fields(test.in) {
			replicas = append(replicas, Replica{Server: Server{Address: address}})
		}
		shorten := shortAddresses(replicas)
		var got []string
		for _, r := range replicas {
			got = append(got, shorten(r.Address))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %s, want %s", test.in, got, test.want)
		}
		if shorten("all 2") != "all 2" {
			t.Error("not an address")
		}
	}
}

// TestReasonsAreExplained keeps docs/reasons.md and reasonTexts in step with the codes.
func TestReasonsAreExplained(t *testing.T) {
	t.Parallel()
	codes := check.AllReasons()
	for code := range reasonTexts {
		if !slices.Contains(codes, code) {
			t.Errorf("%s is explained and never used", code)
		}
	}
	var doc strings.Builder
	doc.WriteString("# Reason codes\n\nWhy a replica or a table is `unverified`, `failed` or `not_compared`: `reason_code` in JSON, in brackets in text.\n" +
		"The `reason` beside it is a sentence with the details of the case.\n" +
		"This file is written by `go test ./report -run TestReasonsAreExplained -update`.\n\n| code | means | what to do |\n|---|---|---|\n")
	for _, code := range codes {
		if reasonTexts[code].meaning == "" {
			t.Errorf("%s is not explained in reasonTexts", code)
		}
		fmt.Fprintf(&doc, "| `%s` | %s | %s |\n", code, reasonTexts[code].meaning, reasonTexts[code].advice)
	}
	doc.WriteString("\n## Why a repair leaves rows as they are\n\n`reason_code` in `refused`, of a replica, a table or rows of it. The rest of the plan is carried out all the same.\n\n| code | means | what to do |\n|---|---|---|\n")
	for _, code := range refusalCodes(t) {
		fmt.Fprintf(&doc, "| `%s` | %s | %s |\n", code, refusalTexts[code].meaning, refusalTexts[code].advice)
	}
	const path = "../docs/reasons.md"
	if *update {
		if err := os.WriteFile(path, []byte(doc.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != doc.String() {
		t.Errorf("%s is not in step with the codes (%v): go test ./report -update", path, err)
	}
}

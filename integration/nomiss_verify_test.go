package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/check"
)

// verify holds what was found against what is expected, table by table.
func (r *missRun) verify(ctx context.Context, t *testing.T, result *check.Result, states []*missState, chunkRows int) {
	t.Helper()
	found, listed := map[string]check.TableResult{}, map[string][]check.RowDifference{}
	for _, table := range result.Tables {
		found[table.Table] = table
	}
	for _, d := range result.Differences {
		listed[d.Table] = append(listed[d.Table], d)
	}
	if len(result.Tables) != len(states) || len(result.SchemaDifferences) > 0 || result.DifferencesTruncated {
		t.Errorf("%d tables, want %d; truncated: %v; schema differences: %+v", len(result.Tables), len(states), result.DifferencesTruncated, result.SchemaDifferences)
	}
	for _, state := range states {
		table := state.table
		want, problems := r.judge(ctx, state, found[table.name], listed[table.name])
		r.rows += len(state.source) + len(state.replica)
		r.differences += len(want)
		if problems != "" {
			t.Errorf("%s=%d %s=1 (in chunks of %d rows: %s=%d %s=%d), %s, trap %s: %s", EnvNoMissSeed, table.seed, EnvNoMissCases, chunkRows,
				EnvNoMissSeed, states[0].table.seed, EnvNoMissCases, len(states), table.shape, table.trapName(), problems)
			t.Logf("%s;\n%s", table.create(), table.history())
		}
	}
}

func (t *missTable) trapName() string {
	if t.trap == nil {
		return "none"
	}
	return t.trap.name
}

// history is what was done to the table, to be run by hand.
func (t *missTable) history() string {
	var b strings.Builder
	if len(t.rows) > 0 {
		fmt.Fprintln(&b, t.insert(t.rows...)+";")
	}
	for _, d := range t.damage {
		where := "replica"
		if d.onSource {
			where = "source"
		}
		fmt.Fprintf(&b, "%s; -- on the %s: %s\n", d.sql, where, d.trap)
	}
	return b.String()
}

// judge says what is wrong with a table's part of the result, "" when nothing is, and what was to be listed.
func (r *missRun) judge(ctx context.Context, state *missState, result check.TableResult, listed []check.RowDifference) (want []string, problems string) {
	table := state.table
	key, err := table.keyUsed(result.KeyUsed)
	if err != nil {
		return nil, fmt.Sprintf("%v (%s %s %s)", err, result.Verdict, result.ReasonCode, result.Reason)
	}
	if want, err = state.expected(ctx, r.replica, key); err != nil {
		return nil, err.Error()
	}
	var got []string
	for _, d := range listed {
		got = append(got, table.foundLine(d))
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		problems += fmt.Sprintf("\ngot:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	verdict := check.Equal
	if len(want) > 0 {
		verdict = check.Different
	}
	if result.Verdict != verdict || result.Rows != int64(len(state.source)) || len(result.Replicas) != 1 || result.Replicas[0].Rows != int64(len(state.replica)) {
		problems += fmt.Sprintf("\n%s %s %s, rows %d and %+v; want %s, %d and %d rows", result.Verdict, result.ReasonCode, result.Reason, result.Rows, result.Replicas,
			verdict, len(state.source), len(state.replica))
	}
	return want, problems
}

// keyUsed is the key by which the result tells rows apart, given the one it names: the primary key if it splits the table, or
// another one that does; else the first that is unique without NULLs; nil where there is none.
func (t *missTable) keyUsed(name string) (*missKey, error) {
	named := slices.IndexFunc(t.keys, func(k missKey) bool { return k.name == name })
	primary := slices.IndexFunc(t.keys, func(k missKey) bool { return k.usable && k.name == primaryName })
	switch {
	case named >= 0 && t.keys[named].usable && (primary < 0 || primary == named):
		return &t.keys[named], nil
	case slices.ContainsFunc(t.keys, func(k missKey) bool { return k.usable }):
		return nil, fmt.Errorf("the key used is %q", name)
	}
	for i, key := range t.keys {
		if key.identifies() {
			return &t.keys[i], nil
		}
	}
	return nil, nil
}

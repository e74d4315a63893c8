package selftest

import (
	"slices"
	"strings"
	"testing"

	"trueup/check"
	"trueup/report"
	"trueup/schema"
)

// sample are traps of each kind: changed, missing and extra rows, no damage, rows without a key.
func sample() []trap {
	return []trap{
		{name: "one", want: changed("a,b", "id=1")},
		{name: "two", want: append(missing("id=1", "id=2"), extra("id=9")...)},
		{name: "none"},
		{name: "keyless", want: append(times(2, missing("")), times(2, extra(""))...)},
	}
}

// perfect is the result of a check that reports exactly what is wanted.
func perfect(all []trap, damaged bool) *check.Result {
	result := &check.Result{Replicas: make([]check.ReplicaResult, 1)}
	for _, t := range all {
		table := check.TableResult{Database: Schema, Table: t.name}
		on := check.TableReplicaResult{Address: "replica"}
		if damaged && len(t.want) > 0 {
			table.Verdict, on.Verdict, result.Verdict, result.Replicas[0].Verdict = check.Different, check.Different, check.Different, check.Different
			sum := countsOf(t.want)
			on.Missing, on.Extra, on.Changed = sum.missing, sum.extra, sum.changed
			result.DifferentRanges = append(result.DifferentRanges, check.DifferentRange{Database: Schema, Table: t.name, Missing: sum.missing, Extra: sum.extra, Changed: sum.changed})
			for _, row := range t.want {
				result.Differences = append(result.Differences, differenceFrom(t.name, row))
			}
		}
		table.Replicas = []check.TableReplicaResult{on}
		result.Tables = append(result.Tables, table)
	}
	return result
}

func differenceFrom(table string, row report.TrapRow) check.RowDifference {
	kinds := map[string]check.DifferenceKind{"missing": check.Missing, "extra": check.Extra, "changed": check.Changed}
	d := check.RowDifference{Database: Schema, Table: table, Kind: kinds[row.Kind], Count: row.Count}
	if name, value, ok := strings.Cut(row.Key, "="); ok {
		d.Key = []check.NamedValue{{Name: name, Value: check.Value{Text: value}}}
	}
	for _, column := range row.Columns {
		d.Columns = append(d.Columns, check.ColumnDifference{Name: column, Source: &check.Value{Text: "1"}, Replica: &check.Value{Text: "2"}})
	}
	return d
}

func allPerfect(all []trap) []*check.Result {
	var results []*check.Result
	for _, p := range passes {
		results = append(results, perfect(all, p.damaged))
	}
	return results
}

// problemsOf are all problems of an outcome, each trap's with its name.
func problemsOf(outcome Outcome) []string {
	problems := slices.Clone(outcome.Problems)
	for _, t := range outcome.Traps {
		for _, problem := range t.Problems {
			problems = append(problems, t.Name+": "+problem)
		}
		if t.OK != (len(t.Problems) == 0) {
			problems = append(problems, t.Name+": ok does not fit")
		}
	}
	return problems
}

func TestJudgePassesWhatIsExact(t *testing.T) {
	t.Parallel()
	outcome := conclude(sample(), allPerfect(sample()))
	if problems := problemsOf(outcome); len(problems) > 0 {
		t.Error(problems)
	}
	if got := countsOf(outcome.Traps[1].Found); got != (counts{2, 1, 0}) {
		t.Errorf("found %v", got)
	}
}

// TestJudgeSeesWhatIsWrong: each change of a perfect result is a problem that is named, in whichever pass it happened.
func TestJudgeSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(r *check.Result) // of a result of damaged data
		want   string
	}{
		"a row missed":       {func(r *check.Result) { r.Differences = r.Differences[1:] }, "one: PASS: not found: changed id=1 in a, b"},
		"a trap missed":      {func(r *check.Result) { missTable(r, "two") }, "two: PASS: not found: missing id=1"},
		"wrong kind":         {func(r *check.Result) { r.Differences[1].Kind = check.Extra }, "two: PASS: wrongly reported: extra id=1"},
		"wrong key":          {func(r *check.Result) { r.Differences[1].Key[0].Value.Text = "3" }, "two: PASS: wrongly reported: missing id=3"},
		"wrong key's column": {func(r *check.Result) { r.Differences[1].Key[0].Name = "no" }, "two: PASS: wrongly reported: missing no=1"},
		"key of bytes":       {func(r *check.Result) { r.Differences[1].Key[0].Value.Hex = true }, "two: PASS: wrongly reported: missing id=0x1"},
		"key of NULL":        {func(r *check.Result) { r.Differences[1].Key[0].Value.Null = true }, "two: PASS: wrongly reported: missing id=NULL"},
		"a column too few":   {func(r *check.Result) { r.Differences[0].Columns = r.Differences[0].Columns[1:] }, "one: PASS: wrongly reported: changed id=1 in b"},
		"another column":     {func(r *check.Result) { r.Differences[0].Columns[1].Name = "c" }, "one: PASS: wrongly reported: changed id=1 in a, c"},
		"shown alike":        {func(r *check.Result) { r.Differences[0].Columns[0].Replica.Text = "1" }, "one: PASS: both sides are shown alike: changed id=1"},
		"a side not shown":   {func(r *check.Result) { r.Differences[0].Columns[0].Source = nil }, "one: PASS: both sides are shown alike: changed id=1"},
		"wrong count":        {func(r *check.Result) { r.Differences[len(r.Differences)-1].Count = 1 }, "keyless: PASS: not found: extra 2×"},
		"a row twice":        {func(r *check.Result) { r.Differences = append(r.Differences, r.Differences[0]) }, "one: PASS: wrongly reported: changed id=1 in a, b"},
		"a row of an equal one": {func(r *check.Result) {
			r.Differences = append(r.Differences, differenceFrom("none", extra("id=1")[0]))
		}, "none: PASS: wrongly reported: extra id=1"},
		"table not compared":   {func(r *check.Result) { r.Tables = r.Tables[1:] }, "one: PASS: its table was not compared"},
		"verdict equal":        {func(r *check.Result) { r.Tables[0].Verdict = check.Equal }, "one: PASS: its table is equal, not different"},
		"verdict different":    {func(r *check.Result) { r.Tables[2].Verdict = check.Different }, "none: PASS: its table is different, not equal"},
		"unverified":           {func(r *check.Result) { r.Tables[2].Verdict, r.Tables[2].ReasonCode = check.Unverified, "why" }, "none: PASS: its table is unverified, not equal [why]"},
		"on no replica":        {func(r *check.Result) { r.Tables[0].Replicas = nil }, "one: PASS: its table was compared on 0 replicas, not on 1"},
		"equal on the replica": {func(r *check.Result) { r.Tables[0].Replicas[0].Verdict = check.Equal }, "one: PASS: its table on the replica is equal, not different"},
		"table's count":        {func(r *check.Result) { r.Tables[1].Replicas[0].Missing++ }, "two: PASS: its table counts 3 missing, 1 extra, 0 changed"},
		"ranges' count":        {func(r *check.Result) { r.DifferentRanges = r.DifferentRanges[1:] }, "one: PASS: the different ranges count 0 missing"},
		"run's verdict":        {func(r *check.Result) { r.Verdict = check.Unverified }, "PASS: the check's verdict is unverified, not different"},
		"replica's verdict":    {func(r *check.Result) { r.Replicas[0].Verdict = check.Equal }, "PASS: the replica is equal, not different"},
		"two replicas":         {func(r *check.Result) { r.Replicas = append(r.Replicas, r.Replicas[0]) }, "PASS: the check found 2 replicas, not 1"},
		"a definition": {func(r *check.Result) {
			r.SchemaDifferences = []check.SchemaDifference{{Difference: schema.Difference{Database: Schema, Table: "none", Object: "column v"}}}
		}, "PASS: wrongly reported: the definition of trueup_selftest.none differs in column v"},
		"a table of others": {func(r *check.Result) { r.Tables = append(r.Tables, check.TableResult{Database: "shop", Table: "one"}) }, "PASS: shop.one was checked"},
		"a row of others": {func(r *check.Result) {
			r.Differences = append(r.Differences, check.RowDifference{Database: "shop", Table: "one"})
		}, "PASS: wrongly reported: a row of shop.one"},
		"a list cut off": {func(r *check.Result) { r.DifferencesTruncated = true }, "PASS: the list of differing rows is not complete"},
	} {
		for i, p := range passes {
			if !p.damaged {
				continue
			}
			results := allPerfect(sample())
			test.change(results[i])
			problems := problemsOf(conclude(sample(), results))
			want := strings.Replace(test.want, "PASS", p.name, 1)
			if !slices.ContainsFunc(problems, func(problem string) bool { return strings.HasPrefix(problem, want) }) {
				t.Errorf("%s: got %q, want %q", name, problems, want)
			}
		}
	}
}

// missTable makes a result one in which the table's damage was not seen at all.
func missTable(r *check.Result, name string) {
	r.Differences = slices.DeleteFunc(r.Differences, func(d check.RowDifference) bool { return d.Table == name })
	r.DifferentRanges = slices.DeleteFunc(r.DifferentRanges, func(d check.DifferentRange) bool { return d.Table == name })
	for i := range r.Tables {
		if r.Tables[i].Table == name {
			r.Tables[i].Verdict, r.Tables[i].Replicas = check.Equal, []check.TableReplicaResult{{Address: "replica"}}
		}
	}
}

// TestJudgeSeesDamageBeforeItIsPlanted: what is reported of equal data is a problem of its trap.
func TestJudgeSeesDamageBeforeItIsPlanted(t *testing.T) {
	t.Parallel()
	results := allPerfect(sample())
	results[0] = perfect(sample(), true)
	outcome := conclude(sample(), results)
	for _, trap := range outcome.Traps {
		if trap.OK != (trap.Name == "none") {
			t.Errorf("%s is ok: %v", trap.Name, trap.OK)
		}
	}
	if first := outcome.Traps[0].Problems[0]; first != "before the damage: wrongly reported: changed id=1 in a, b" {
		t.Error(first)
	}
}

// TestEveryTrapIsJudged: of the real traps too, a check that sees nothing passes none with damage, one that is exact all.
func TestEveryTrapIsJudged(t *testing.T) {
	t.Parallel()
	all := traps()
	if problems := problemsOf(conclude(all, allPerfect(all))); len(problems) > 0 {
		t.Error(problems)
	}
	blind := []*check.Result{perfect(all, false), perfect(all, false), perfect(all, false)}
	for i, judged := range conclude(all, blind).Traps {
		if judged.OK != (len(all[i].want) == 0) {
			t.Errorf("%s: a blind check is ok: %v", judged.Name, judged.OK)
		}
	}
}

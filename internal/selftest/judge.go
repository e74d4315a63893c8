package selftest

import (
	"fmt"
	"slices"
	"strings"

	"trueup/check"
	"trueup/report"
)

// judge compares what a check says of a trap's table with what must be said of it: the same rows, each with its kind, key
// and columns, the same numbers wherever numbers stand, and a verdict that fits. No problem means exactly that.
func judge(t trap, want []report.TrapRow, result *check.Result) (found []report.TrapRow, problems []string) {
	found, problems = rowsFound(t, result)
	for _, row := range subtract(want, found) {
		problems = append(problems, "not found: "+row.String())
	}
	for _, row := range subtract(found, want) {
		problems = append(problems, "wrongly reported: "+row.String())
	}
	return found, append(problems, judgeTable(t, want, len(problems) == 0, result)...)
}

// rowsFound are the rows listed for a table. A changed row must be shown with unequal values, or nobody could see what
// changed.
func rowsFound(t trap, result *check.Result) (found []report.TrapRow, problems []string) {
	for _, d := range result.Differences {
		if d.Database != Schema || d.Table != t.name {
			continue
		}
		row := report.TrapRow{Kind: d.Kind.String(), Count: d.Count, Key: keyText(d.Key), Columns: []string{}}
		if d.Kind == check.Changed {
			for _, column := range d.Columns {
				row.Columns = append(row.Columns, column.Name)
			}
			if slices.ContainsFunc(d.Columns, shownAlike) {
				problems = append(problems, fmt.Sprintf("both sides are shown alike: %s", row))
			}
		}
		found = append(found, row)
	}
	return found, problems
}

func shownAlike(c check.ColumnDifference) bool {
	return c.Source == nil || c.Replica == nil || *c.Source == *c.Replica
}

func keyText(key []check.NamedValue) string {
	var parts []string
	for _, column := range key {
		value := column.Value.Text
		switch {
		case column.Value.Null:
			value = "NULL"
		case column.Value.Hex:
			value = "0x" + value
		}
		parts = append(parts, column.Name+"="+value)
	}
	return strings.Join(parts, ",")
}

// subtract takes from a, once each, the rows that b holds too.
func subtract(a, b []report.TrapRow) []report.TrapRow {
	rest := slices.Clone(b)
	return slices.DeleteFunc(slices.Clone(a), func(row report.TrapRow) bool {
		i := slices.IndexFunc(rest, func(other report.TrapRow) bool { return sameRow(row, other) })
		if i >= 0 {
			rest = slices.Delete(rest, i, i+1)
		}
		return i >= 0
	})
}

func sameRow(a, b report.TrapRow) bool {
	return a.Kind == b.Kind && a.Count == b.Count && a.Key == b.Key && slices.Equal(slices.Sorted(slices.Values(a.Columns)), slices.Sorted(slices.Values(b.Columns)))
}

// counts are rows by kind.
type counts struct{ missing, extra, changed int64 }

func countsOf(rows []report.TrapRow) counts {
	var c counts
	for _, row := range rows {
		switch row.Kind {
		case "missing":
			c.missing += row.Count
		case "extra":
			c.extra += row.Count
		default:
			c.changed += row.Count
		}
	}
	return c
}

func (c counts) String() string {
	return fmt.Sprintf("%d missing, %d extra, %d changed", c.missing, c.extra, c.changed)
}

// judgeTable looks at the table's verdict and, where the listed rows are right, at every place that counts them.
func judgeTable(t trap, want []report.TrapRow, listed bool, result *check.Result) []string {
	i := slices.IndexFunc(result.Tables, func(r check.TableResult) bool { return r.Database == Schema && r.Table == t.name })
	if i < 0 {
		return []string{"its table was not compared"}
	}
	table, verdict, wanted := result.Tables[i], check.Equal, countsOf(want)
	if len(want) > 0 {
		verdict = check.Different
	}
	if table.Verdict != verdict {
		return []string{fmt.Sprintf("its table is %s, not %s%s", table.Verdict, verdict, because(table.ReasonCode, table.Reason))}
	}
	if len(table.Replicas) != 1 {
		return []string{fmt.Sprintf("its table was compared on %d replicas, not on 1", len(table.Replicas))}
	}
	on := table.Replicas[0]
	if on.Verdict != verdict {
		return []string{fmt.Sprintf("its table on the replica is %s, not %s%s", on.Verdict, verdict, because(on.ReasonCode, on.Reason))}
	}
	if !listed {
		return nil
	}
	var problems []string
	if got := (counts{on.Missing, on.Extra, on.Changed}); got != wanted {
		problems = append(problems, fmt.Sprintf("its table counts %s, not %s", got, wanted))
	}
	var inRanges counts
	for _, r := range result.DifferentRanges {
		if r.Database == Schema && r.Table == t.name {
			inRanges.missing, inRanges.extra, inRanges.changed = inRanges.missing+r.Missing, inRanges.extra+r.Extra, inRanges.changed+r.Changed
		}
	}
	if inRanges != wanted {
		problems = append(problems, fmt.Sprintf("the different ranges count %s, not %s", inRanges, wanted))
	}
	return problems
}

func because(code, reason string) string {
	if code == "" {
		return ""
	}
	return fmt.Sprintf(" [%s]: %s", code, reason)
}

// judgeVerdict looks at the verdicts of the run and its only replica.
func judgeVerdict(verdict check.Verdict, result *check.Result) []string {
	var problems []string
	if result.Verdict != verdict {
		problems = append(problems, fmt.Sprintf("the check's verdict is %s, not %s", result.Verdict, verdict))
	}
	if len(result.Replicas) != 1 {
		return append(problems, fmt.Sprintf("the check found %d replicas, not 1", len(result.Replicas)))
	}
	if on := result.Replicas[0]; on.Verdict != verdict {
		problems = append(problems, fmt.Sprintf("the replica is %s, not %s%s", on.Verdict, verdict, because(on.ReasonCode, on.Reason)))
	}
	return problems
}

// judgeRest looks at what belongs to no trap: nothing else may be reported.
func judgeRest(all []trap, result *check.Result) []string {
	var problems []string
	for _, d := range result.SchemaDifferences {
		problems = append(problems, fmt.Sprintf("wrongly reported: the definition of %s.%s differs in %s", d.Database, d.Table, d.Object))
	}
	ours := func(database, table string) bool {
		return database == Schema && slices.ContainsFunc(all, func(t trap) bool { return t.name == table })
	}
	for _, table := range result.Tables {
		if !ours(table.Database, table.Table) {
			problems = append(problems, fmt.Sprintf("%s.%s was checked; it is no table of the self-test", table.Database, table.Table))
		}
	}
	for _, d := range result.Differences {
		if !ours(d.Database, d.Table) {
			problems = append(problems, fmt.Sprintf("wrongly reported: a row of %s.%s", d.Database, d.Table))
		}
	}
	if result.DifferencesTruncated {
		problems = append(problems, "the list of differing rows is not complete")
	}
	return problems
}

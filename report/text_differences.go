package report

import (
	"fmt"
	"strings"
)

// What is printed without --verbose: enough to see what kind of difference it is.
const (
	schemaDifferencesShown = 40
	rowsShownPerTable      = 8
	rowsShownInAll         = 80
)

// schemaSection lists definitions that differ, under one line a table and replica.
func (t *textPrinter) schemaSection() {
	differences := t.check.SchemaDifferences
	if len(differences) == 0 {
		return
	}
	t.heading("Definitions that differ (source → replica)")
	shown := differences
	if !t.options.Verbose && len(shown) > schemaDifferencesShown {
		shown = shown[:schemaDifferencesShown]
	}
	last := ""
	for _, d := range shown {
		title := tableTitle(d.Database, d.Table) + " on " + showName(d.Replica)
		if title != last {
			t.printf("  %s\n", title)
			last = title
		}
		t.prose(6, "    %s", schemaDifferenceText(d))
	}
	t.andMore(len(differences)-len(shown), "")
}

func schemaDifferenceText(d SchemaDifference) string {
	object := showName(d.Object)
	value := func(s string) string {
		if s == "" {
			return "(none)"
		}
		return showMessage(s)
	}
	switch {
	case d.What == "missing" && d.SourceValue != "":
		return fmt.Sprintf("%s is missing on the replica (source: %s)", object, value(d.SourceValue))
	case d.What == "missing":
		return object + " is missing on the replica"
	case d.What == "extra" && d.ReplicaValue != "":
		return fmt.Sprintf("%s is on the replica only (%s)", object, value(d.ReplicaValue))
	case d.What == "extra":
		return object + " is on the replica only"
	default:
		return fmt.Sprintf("%s, %s: %s → %s", object, showMessage(d.What), value(d.SourceValue), value(d.ReplicaValue))
	}
}

// differenceSection lists rows that differ, under one line a table and replica.
func (t *textPrinter) differenceSection() {
	differences := t.check.Differences
	if len(differences) == 0 {
		return
	}
	t.heading("Rows that differ (source → replica)")
	perTable, shown := map[string]int{}, 0
	last := ""
	for _, d := range differences {
		title := tableTitle(d.Database, d.Table) + " on " + showName(d.Replica)
		if !t.options.Verbose && (perTable[title] == rowsShownPerTable || shown == rowsShownInAll) {
			continue
		}
		perTable[title]++
		shown++
		if title != last {
			t.printf("  %s\n", title)
			last = title
		}
		t.rowDifference(d)
	}
	t.andMore(len(differences)-shown, " of the listed rows")
	if t.check.Truncated {
		t.prose(4, "  There are more rows that differ than were listed (--max-differences); %s.", t.countsAre())
	}
}

// countsAre says whether the counts of differing rows are those of all rows that differ.
func (t *textPrinter) countsAre() string {
	for _, table := range t.check.Tables {
		if table.ChunksUnverified > 0 {
			return "the counts above are those of what was compared"
		}
	}
	return "the counts above are complete"
}

func (t *textPrinter) andMore(n int, what string) {
	if n > 0 {
		t.prose(4, "  … %s more%s; --verbose shows them", grouped(int64(n)), what)
	}
}

// rowDifference prints a row on one line where it fits, else its columns on lines of their own.
func (t *textPrinter) rowDifference(d Difference) {
	head := fmt.Sprintf("    %-7s  %s", d.Kind, keyText(d))
	columns := t.columnTexts(d)
	line := head + "  " + strings.Join(columns, ", ")
	if t.options.Width <= 0 && len(columns) <= 4 || displayWidth(line) <= t.options.Width {
		t.printf("%s\n", strings.TrimRight(line, " "))
		return
	}
	t.prose(13, "%s", head)
	for _, column := range columns {
		t.prose(15, "             %s", column)
	}
}

// columnTexts is empty for rows on one side only, whose key says which row it is, unless all was asked for.
func (t *textPrinter) columnTexts(d Difference) []string {
	if d.Kind != "changed" && len(d.Key) > 0 && !t.options.Verbose {
		return nil
	}
	inKey := map[string]bool{}
	for _, v := range d.Key {
		inKey[v.Name] = d.Kind != "changed"
	}
	var texts []string
	for _, column := range d.Columns {
		switch {
		case inKey[column.Name]:
		case d.Kind == "changed":
			texts = append(texts, showName(column.Name)+": "+showPair(column.SourceValue, column.ReplicaValue))
		case d.Kind == "missing":
			texts = append(texts, showName(column.Name)+"="+showValue(column.SourceValue))
		default:
			texts = append(texts, showName(column.Name)+"="+showValue(column.ReplicaValue))
		}
	}
	return texts
}

func keyText(d Difference) string {
	var parts []string
	for _, v := range d.Key {
		parts = append(parts, showName(v.Name)+"="+showValue(&v.Value))
	}
	if len(parts) == 0 {
		return count(int(d.Count), "row", "rows")
	}
	return strings.Join(parts, " ")
}

package report

import (
	"fmt"
	"slices"
	"strings"
)

// How many rows of a transaction are printed without --verbose: those that cannot be changed with all of their images, the others on a line.
const (
	problemRowsShown  = 8
	innocentRowsShown = 20
	leastValueWidth   = 9
	columnsInTheWay   = 12 // of a row in the transaction's way
)

// recoveryRows prints the rows of the transaction as both sides have them now, those first that cannot be changed as it does.
func (t *recoveryPrinter) recoveryRows(a *RecoveryAttempt) {
	if len(a.Rows) == 0 {
		return
	}
	rows := slices.Clone(a.Rows)
	slices.SortStableFunc(rows, func(x, y RecoveryRow) int { return boolOrder(x.Problem == "", y.Problem == "") })
	t.heading("Its rows, and how they are now%s", marksText(rows))
	problems, innocent, left := 0, 0, 0
	for _, row := range rows {
		counter, most := &innocent, innocentRowsShown
		if row.Problem != "" {
			counter, most = &problems, problemRowsShown
		}
		if *counter++; *counter > most && !t.options.Verbose {
			left++
			continue
		}
		t.recoveryRow(row)
	}
	t.andMore(left, " of them")
	if more := a.Transaction; more != nil && more.Rows > int64(len(rows)) {
		t.prose(4, "  %s of the transaction are not listed.", count(int(more.Rows)-len(rows), "row change", "row changes"))
	}
}

// rowsInTheWay prints the rows for which the transaction fails though it does not change them.
func (t *recoveryPrinter) rowsInTheWay(rows []RecoveryRow) {
	if len(rows) == 0 {
		return
	}
	t.heading("Rows in its way, or missing, that it does not change itself")
	for i, row := range rows {
		if i == problemRowsShown && !t.options.Verbose {
			t.andMore(len(rows)-i, " of them")
			return
		}
		t.recoveryRow(row)
	}
}

func boolOrder(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

func marksText(rows []RecoveryRow) string {
	if rows[0].Problem == "" {
		return ""
	}
	return " (! cannot be changed as the transaction does)"
}

// recoveryRow prints one row: with all that is known of it where it is a problem, else what the transaction does to it.
func (t *recoveryPrinter) recoveryRow(row RecoveryRow) {
	mark := " "
	if row.Problem != "" {
		mark = paint(t.options.Color, red, "!")
	}
	key := keyText(Difference{Key: row.Key, Count: 1})
	kind := showName(row.Kind)
	switch {
	case row.Kind == "" && row.Replica == nil:
		kind = "missing"
	case row.Kind == "":
		kind = "in the way"
	}
	head := fmt.Sprintf("  %s %-6s  %s  %s", mark, kind, tableTitle(row.Database, row.Table), key)
	if row.Problem == "" && row.Kind != "" && !t.options.Verbose {
		t.prose(13, "%s", strings.TrimRight(head+"  "+strings.Join(row.changes(), ", "), " "))
		return
	}
	t.prose(13, "%s", head)
	if row.Problem != "" {
		t.prose(12, "            %s", showMessage(sentence(row.Problem)))
	}
	if row.Unknown != "" {
		t.prose(12, "            %s", showMessage(sentence("how it is now is not known: "+row.Unknown)))
	}
	t.sides(row)
}

// changes are the columns that an update changes, or those of a row that comes; of one that goes its key says enough.
func (r RecoveryRow) changes() []string {
	var texts []string
	inKey := map[string]bool{}
	for _, v := range r.Key {
		inKey[v.Name] = true
	}
	for i := range r.After {
		after := &r.After[i]
		before := columnNamed(r.Before, after.Name)
		switch {
		case r.Before == nil && !inKey[after.Name]:
			texts = append(texts, showName(after.Name)+"="+showValue(&after.Value))
		case before != nil && !sameValue(before, &after.Value):
			texts = append(texts, showName(after.Name)+": "+showPair(before, &after.Value))
		}
	}
	return texts
}

// side is one of the four forms of a row that stand beside each other.
type side struct {
	title string
	row   []NamedValue
	read  bool // false: it is not known
}

// sides prints a row's images in the log and the row on both servers beside each other, a column a line. Columns that are everywhere alike
// are left out but for the key's.
func (t *recoveryPrinter) sides(row RecoveryRow) {
	known := row.Unknown == ""
	var all []side
	for _, s := range []side{{"before", row.Before, row.Before != nil}, {"after", row.After, row.After != nil}, {"source now", row.Source, known || row.Source != nil}, {"replica now", row.Replica, known || row.Replica != nil}} {
		if s.read {
			all = append(all, s)
		}
	}
	names, alike := t.columnsToShow(row, all)
	if len(names) == 0 && row.Kind == "" && known { // neither side has it
		for _, v := range row.Key {
			names = append(names, v.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	lines := [][]string{{"column"}}
	for _, s := range all {
		lines[0] = append(lines[0], s.title)
	}
	width := t.valueCells(names, len(all))
	for _, name := range names {
		cells := []string{showName(name)}
		for _, s := range all {
			cells = append(cells, sideText(s, name, width))
		}
		lines = append(lines, cells)
	}
	t.aligned("            ", lines)
	switch {
	case alike > 0 && row.Kind == "":
		t.prose(12, "            %s not shown; --verbose shows all", count(alike, "more column is", "more columns are"))
	case alike > 0:
		t.prose(12, "            %s alike everywhere", count(alike, "more column is", "more columns are"))
	}
}

// columnsToShow are the key's columns and those in which the sides differ; alike counts the others. Of a row in the way the first others are shown too: which
// of its values stands in the way is to be seen, and often one side has no such row.
func (t *recoveryPrinter) columnsToShow(row RecoveryRow, all []side) (names []string, alike int) {
	seen := map[string]bool{}
	for _, s := range all {
		for _, v := range s.row {
			if seen[v.Name] {
				continue
			}
			seen[v.Name] = true
			if t.options.Verbose || slices.ContainsFunc(row.Key, func(k NamedValue) bool { return k.Name == v.Name }) || differAt(all, v.Name) ||
				row.Kind == "" && len(names) < columnsInTheWay {
				names = append(names, v.Name)
				continue
			}
			alike++
		}
	}
	return names, alike
}

// differAt tells whether two of the sides that have such a row have unlike values in a column.
func differAt(all []side, name string) bool {
	var first *Value
	for _, s := range all {
		v := columnNamed(s.row, name)
		if v == nil {
			continue
		}
		if first == nil {
			first = v
		} else if !sameValue(first, v) {
			return true
		}
	}
	return false
}

// valueCells is how wide a value may be so that all sides fit beside each other; 0 for no limit.
func (t *recoveryPrinter) valueCells(names []string, sides int) int {
	if t.options.Width <= 0 || sides == 0 {
		return 0
	}
	widest := len("column")
	for _, name := range names {
		widest = max(widest, displayWidth(showName(name)))
	}
	return max(leastValueWidth, (t.options.Width-12-widest-2)/sides-2)
}

func sideText(s side, name string, width int) string {
	if s.row == nil {
		return "no row"
	}
	v := columnNamed(s.row, name)
	if v == nil {
		return "?" // an image that leaves it out
	}
	text := showValue(v)
	if width <= 0 || displayWidth(text) <= width {
		return text
	}
	runes := []rune(text)
	for len(runes) > 1 && displayWidth(string(runes)) > width-1 {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

func columnNamed(row []NamedValue, name string) *Value {
	for i := range row {
		if row[i].Name == name {
			return &row[i].Value
		}
	}
	return nil
}

func sameValue(a, b *Value) bool {
	if a.Value == nil || b.Value == nil {
		return a.Value == b.Value
	}
	return *a.Value == *b.Value && a.Encoding == b.Encoding && a.Bytes == b.Bytes
}

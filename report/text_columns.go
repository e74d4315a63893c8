package report

// columnsShown is how many columns are named without --verbose that were not compared as they are stored.
const columnsShown = 10

// columnSection names the columns of compared tables that were left out, or compared in another form than they are stored in.
func (t *textPrinter) columnSection() {
	var lines []string
	for _, table := range t.check.Tables {
		title := tableTitle(table.Database, table.Table)
		for _, column := range table.IgnoredColumns {
			lines = append(lines, title+" not compared: "+showName(column))
		}
		for _, column := range table.ConvertedColumns {
			lines = append(lines, title+" "+showName(column))
		}
	}
	if len(lines) == 0 {
		return
	}
	t.heading("Columns not compared as they are stored")
	shown := lines
	if !t.options.Verbose && len(shown) > columnsShown {
		shown = shown[:columnsShown]
	}
	for _, line := range shown {
		t.prose(6, "  %s", line)
	}
	t.andMore(len(lines)-len(shown), "")
}

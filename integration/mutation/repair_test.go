//go:build mutation

package mutation

// repairMutants break what a repair proves before it commits, what it keeps to be undone, and the order of what it does.
var repairMutants = []mutant{
	{
		name: "where a statement took differences is not looked at", file: "repair/spread.go",
		edits: []edit{{`on && (by.statements != "" || slices.ContainsFunc(`, `on && (slices.ContainsFunc(`}},
		guard: guard{"./integration", "TestRepairFindsWhereDriftWent/.*/a_statement_takes_it_to_another_table"},
	},
	{
		name: "where a foreign key acted is not looked at", file: "repair/spread.go",
		edits: []edit{{`by.String() != "" || slices.ContainsFunc(`, `by.String() != "" || false && slices.ContainsFunc(`}},
		guard: guard{"./integration", "TestRepairFindsWhereDriftWent/.*/a_foreign_key_moves_the_others"},
	},
	{
		name: "tables are read again though nothing was overtaken", file: "repair/spread.go",
		edits: []edit{{`if !all && by.passes == "" {`, `if false {`}},
		guard: guard{"./integration", "TestRepairReadsNoMoreThanItMust"},
	},
	{
		name: "the check afterwards discovers the replicas anew", file: "repair/run.go",
		edits: []edit{{`request.Replicas, request.Known = r.prepared.Endpoints(), true`, `request.Known = true`}},
		guard: guard{"./integration", "TestRepairVerifiesWhatItDiscovered"},
	},
	{
		name: "the range is not digested before the commit", file: "repair/write.go",
		edits: []edit{{`if err := h.proveRows(ctx, g, changes, along); err != nil {`, `if err := error(nil); err != nil {`}},
		guard: guard{"./integration", "TestWhatCannotBecomeEqualIsTakenBack"},
	},
	{
		name: "a group is committed though the applier runs", file: "repair/write.go",
		edits: []edit{{`return entry, h.held.Stands(ctx)`, `return entry, nil`}},
		guard: guard{"./integration", "TestNothingIsCommittedWhileTheApplierRuns"},
	},
	{
		name: "rows change before their images are on the disk", file: "repair/write.go",
		edits: []edit{
			{"\tif err := h.write(ctx, t, slices.Concat(along, changes)); err != nil {\n\t\treturn entry, err\n\t}\n", ""},
			{"\tif entry, err = h.announce(", "\tif err := h.write(ctx, t, slices.Concat(along, changes)); err != nil {\n\t\treturn entry, err\n\t}\n\tif entry, err = h.announce("},
		},
		guard: guard{"./integration", "TestJournalComesFirst"},
	},
	{
		name: "rows that were locked need not be what was read", file: "repair/write.go",
		edits: []edit{{`if same, err := now.Equal(g.stored); err != nil || !same {`, `if _, err := now.Equal(g.stored); err != nil {`}},
		guard: guard{"./integration", "TestRowsThatMovedAreReadAgain"},
	},
	{
		name: "rows of other ranges keep the unique values that a row is to get", file: "repair/conflicts.go",
		edits: []edit{{`for look := changes; len(look) > 0; {`, `for look := changes[:0]; len(look) > 0; {`}},
		guard: guard{"./integration", "TestUniqueValuesOfOtherRanges"},
	},
	{
		name: "rows are inserted before others give up their values", file: "repair/statements.go",
		edits: []edit{{`return slices.Concat(deletes, updates, inserts), nil`, `return slices.Concat(inserts, updates, deletes), nil`}},
		guard: guard{"./integration", "TestRepairEndsEqual"},
	},
	{
		name: "columns that are not compared are lost", file: "repair/group.go",
		edits: []edit{{`found.Source[i] = found.Replica[i]`, `_ = found.Replica[i]`}},
		guard: guard{"./integration", "TestRepairTraps/.*/ignored_columns"},
	},
	{
		name: "rows left without their parent are not looked for", file: "repair/write.go",
		edits: []edit{{`if err := h.proveLinks(ctx, t, slices.Concat(along, changes)); err != nil {`, `if err := error(nil); err != nil {`}},
		guard: guard{"./integration", "TestRepairTraps/.*/a_child_outside"},
	},
	{
		name: "what was done first is undone first", file: "repair/undofile.go",
		edits: []edit{{`for _, g := range slices.Backward(index.groups) {`, `for _, g := range index.groups {`}},
		guard: guard{"./integration", "TestRepairIsUndoneBackwards"},
	},
	{
		name: "a group is undone in part", file: "repair/undo.go",
		edits: []edit{
			{`if err != nil || missed > 0 {`, `if err != nil || missed > 0 && done == 0 {`},
			{`case missed > 0:`, `case missed > 0 && done == 0:`},
		},
		guard: guard{"./integration", "TestRepairIsUndoneBackwards"},
	},
	{
		name: "a repair enters the replica's binary log", file: "repair/apply.go",
		edits: []edit{{`server.SessionOptions{Writer: true, WaitTimeout: a.`, `server.SessionOptions{Writer: true, Logged: true, WaitTimeout: a.`}},
		guard: guard{"./integration", "TestUniqueValuesOfOtherRanges"},
	},
	{
		name: "all equal rows of a table without a key are deleted", file: "repair/rowsql/statements.go",
		edits: []edit{{`sql += fmt.Sprintf(" LIMIT %d", c.Count)`, `sql += ""`}},
		guard: guard{"./integration", "TestPlanRunTwice"},
	},
	{
		name: "a group whose entry came to the disk too late stays open", file: "repair/journal.go",
		edits: []edit{{`if entry.Kind == KindGroup {`, `if entry.Kind == "" {`}},
		guard: guard{"./integration", "TestSlowJournal"},
	},
}

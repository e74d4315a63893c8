//go:build mutation

package mutation

// recoveryMutants break what a recovery makes sure of before it acts, what it changes and skips, and what it proves afterwards.
var recoveryMutants = []mutant{
	{
		name: "a transaction that was executed is taken for the failing one", file: "recovery/locate.go",
		edits: []edit{{`return err == nil && s.flavor == server.MySQL && s.executed.Contains(own)`, `return err == nil && s.flavor == server.MariaDB && s.executed.Contains(own)`}},
		guard: guard{"./recovery", "TestSearchWithoutFile"},
	},
	{
		name: "the first of several transactions that fit is taken for the failing one", file: "recovery/locate.go",
		edits: []edit{{`case s.equally > 1:`, `case s.equally > 1 && s.found == nil:`}},
		guard: guard{"./recovery", "TestSearchWithoutFile"},
	},
	{
		name: "a transaction is passed before the place that its error names", file: "replication/resume.go",
		edits: []edit{{`return behind && status.Executed`, `return (behind || true) && status.Executed`}},
		guard: guard{"./replication", "TestPassedWhereTheFileIsNotSure"},
	},
	{
		name: "a fix is carried out though the channel is not as it was diagnosed", file: "recovery/act.go",
		edits: []edit{{`case now.Error != failing.Error || now.Position != failing.Position:`, `case failing.Error.IsZero():`}},
		guard: guard{"./integration", "TestRecoverSkippedMeanwhile"},
	},
	{
		name: "a skip is carried out though another error stands there", file: "replication/skip.go",
		edits: []edit{
			{`case now.Error != s.failing.Error:`, `case s.failing.Error.IsZero():`},
			{`case now.Position != s.failing.Position:`, `case s.failing.Position.IsZero():`},
			{`case now.GTID != "" && now.GTID != s.failing.GTID:`, `case false:`},
		},
		guard: guard{"./integration", "TestSkipExactlyOne"},
	},
	{
		name: "the skip counter is for two transactions", file: "replication/skipcounter.go",
		edits: []edit{
			{`set := fmt.Sprintf("SET GLOBAL %s = 1", s.terms.skipCounter())`, `set := fmt.Sprintf("SET GLOBAL %s = 10", s.terms.skipCounter())`},
			{`if err == nil && counter != "1" {`, `if err == nil && counter != "10" {`},
		},
		guard: guard{"./integration", "TestSkipExactlyOne"},
	},
	{
		name: "the counter is taken with several domains, of which one is unknown yet", file: "replication/skipmethod.go",
		edits: []edit{{`case !status.receivesSeveralDomains():`, `case status.Workers > 0:`}},
		guard: guard{"./integration", "TestRecoverBySkip/.*/.*/1062_in_one_of_several_domains"},
	},
	{
		name: "what a skip has lost is not put back", file: "recovery/prove.go",
		edits: []edit{{`touchedRecord{Repairs: action != Retry}`, `touchedRecord{Repairs: action == Fix}`}},
		guard: guard{"./integration", "TestRecoverBySkip/.*/.*/1062_in_a_transaction"},
	},
	{
		name: "only the row that the error names is proven", file: "recovery/prove.go",
		edits: []edit{{`	for _, key := range rows.order {
		keys = append(keys, rows.by[key].key)
	}`, `	for _, key := range rows.order[:min(1, len(rows.order))] {
		keys = append(keys, rows.by[key].key)
	}`}},
		guard: guard{"./integration", "TestRecoverBySkip/.*/.*/1062_one_of_several_rows|TestRecoverBySkip/.*/.*/1032_one_of_several_rows"},
	},
	{
		name: "tables that only a statement names are not proven", file: "recovery/prove.go",
		edits: []edit{{`for _, name := range f.touched.whole {`, `for _, name := range f.touched.whole[:0] {`}},
		guard: guard{"./integration", "TestRecoverStatements|TestRecoverNamesTheTablesOfStatements"},
	},
	{
		name: "rows that the fix alone changes are not proven", file: "recovery/prove.go",
		edits: []edit{{`keys = append(keys, f.plan.besideOf(t)...)`, `_ = f.plan.besideOf(t)`}},
		guard: guard{"./integration", "TestRecoverProvesRowsBeside"},
	},
	{
		name: "a row in the way stays", file: "recovery/fix.go",
		edits: []edit{{`		return p.plan.add(t, found, nil, 1, reason{problem: name + " is there on the replica already", remedy: "it is removed, and the transaction writes it"})`, `		return nil`}},
		guard: guard{"./integration", "TestRecoverByFix/.*/.*/1062_primary_key"},
	},
	{
		name: "a row that is there is taken for the one that was there", file: "recovery/fix.go",
		edits: []edit{{`case !sameValues(t.layout, found, row.initial):`, `case false:`}},
		guard: guard{"./integration", "TestRecoverByFix"},
	},
	{
		name: "unique values in the way are not looked for", file: "recovery/fix.go",
		edits: []edit{{`	return p.planConflicts(ctx)`, `	return nil`}},
		guard: guard{"./integration", "TestRecoverByFix/.*/.*/1062_second_unique_key"},
	},
	{
		name: "a parent that is missing stays missing", file: "recovery/fix.go",
		edits: []edit{{`	if err := p.planLinks(ctx); err != nil {
		return err
	}`, ``}},
		guard: guard{"./integration", "TestRecoverByFix/.*/.*/1452_parent_missing"},
	},
	{
		name: "one error more than was agreed to is dealt with", file: "recovery/run.go",
		edits: []edit{{`if dealt >= r.request.MaxErrors ||`, `if dealt > r.request.MaxErrors ||`}},
		guard: guard{"./integration", "TestRecoverNextError"},
	},
	{
		name: "a step is written down once it is done", file: "recovery/journal.go",
		edits: []edit{
			{`	if err := r.write(ctx, KindStep, "", "", record); err != nil {
		return err
	}
	result, err := do()`, `	result, err := do()
	if err := r.write(ctx, KindStep, "", "", record); err != nil {
		return err
	}`},
		},
		guard: guard{"./integration", "TestRecoverCut"},
	},
	{
		name: "what is to be proven is not written down", file: "recovery/run.go",
		edits: []edit{{`return name, proof, r.write(ctx, KindTouched, "", "", proof)`, `return name, proof, nil`}},
		guard: guard{"./integration", "TestRecoverCut"},
	},
	{
		name: "a recovery is closed though nothing could be compared", file: "recovery/run.go",
		edits: []edit{{`if why := r.notCompared(a); why != "" {`, `if why := ""; why != "" {`}},
		guard: guard{"./integration", "TestRecoverOfADelayedReplica"},
	},
	{
		name: "an applier short of its position counts as stopped by others, whatever the replica ignores", file: "replication/filter.go",
		edits: []edit{{`return func(id string) bool { return slices.Contains(ids, id) }`, `return func(id string) bool { return id == "" && slices.Contains(ids, id) }`}},
		guard: guard{"./integration", "TestIgnoredOrigins"},
	},
}

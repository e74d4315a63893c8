//go:build mutation

package mutation

// strategyMutants break the strategies without a pause, what waits before one, and what looks again after a fault.
var strategyMutants = []mutant{
	{
		name: "a table that was replaced is believed", file: "check/confirm.go",
		edits: []edit{{`sourceSame := now.source[name] != "" && now.source[name] == before.source[name]`, `sourceSame := now.source[name] != ""`}, {`now.replicas[c.replica][name] == before.replicas[c.replica][name]`, `before.replicas[c.replica] != nil`}},
		guard: guard{"./integration", "TestDisturbedInTheMiddle|TestTableSwappedUnderSnapshot"},
	},
	{
		name: "rows of a table that was replaced are listed", file: "check/identity.go",
		edits: []edit{{`if now[name] == "" || now[name] != before[name] {`, `if now[name] == "-" && before[name] == "" {`}},
		guard: guard{"./integration", "TestTableSwappedUnderSnapshot"},
	},
	{
		name: "definitions are not read once more", file: "check/run.go",
		edits: []edit{{`return errors.Join(err, r.confirmDefinitionsInTime(ctx))`, `return err`}},
		guard: guard{"./integration", "TestDisturbedInTheMiddle"},
	},
	{
		name: "a lost session costs the table", file: "check/failure.go",
		edits: []edit{{`if !passes(err) || j.tries+1 >= mostTries {`, `if !passes(err) || j.tries+1 >= 1 {`}},
		guard: guard{"./integration", "TestDisturbedInTheMiddle"},
	},
	{
		name: "under the lock replicas are not waited for", file: "replication/syncpoint/following.go",
		edits: []edit{{`if ctx.Err() == nil && (err != nil || passed) {`, `if ctx.Err() == nil && (err != nil || passed || true) {`}},
		guard: guard{"./integration", "TestSyncpointUnderLock"},
	},
	{
		name: "the lock ends before replicas have opened their snapshots", file: "replication/syncpoint/source.go",
		edits: []edit{{"\t<-o.locking.followed\n", "\tlock.release()\n\t<-o.locking.followed\n"}},
		guard: guard{"./integration", "TestSyncpointUnderLock"},
	},
	{
		name: "a recheck does not wait for the replica", file: "check/recheck.go",
		edits: []edit{{`if err := w.run.awaitPassed(ctx, w.run.members[i], w.fresh.control, from); err != nil {`, `if err := ctx.Err(); err != nil {`}},
		guard: guard{"./integration", "TestRecheckWaitsForTheReplica"},
	},
	{
		name: "what differs once is different", file: "check/recheck.go",
		edits: []edit{{`return s.calm >= 2 && now.Sub(s.calmSince) > visible || s.rounds >= manyRounds && now.Sub(s.since) > visible`, `return s.rounds >= 1`}},
		guard: guard{"./integration", "TestFlippingRowsAreNoDifference"},
	},
	{
		name: "a change of the table is overlooked in the log", file: "replication/touched.go",
		edits: []edit{{`case kind == "Table_map", harmless[kind]:`, `case kind == "Table_map", harmless[kind], kind == "Query":`}},
		guard: guard{"./integration", "TestTouched"},
	},
	{
		name: "an applier is stopped in the middle of a long statement", file: "replication/syncpoint/busy.go",
		edits: []edit{{`if moved || status.Executed.Compare(status.Received) >= 0 {`, `if polls >= 0 || moved {`}},
		guard: guard{"./integration", "TestSyncpointWaitsForLongStatements"},
	},
	{
		name: "every round is calm", file: "check/recheck.go",
		edits: []edit{{`seen.calm = seen.counts && !touched && err == nil`, `seen.calm = seen.counts && (!touched || true) && err == nil`}},
		guard: guard{"./integration", "TestFlippingRowsAreNoDifference"},
	},
	{
		name: "a transaction that waits for a replica is not looked for", file: "check/recheck.go",
		edits: []edit{{`seen.counts = !waits`, `seen.counts = !waits || true`}},
		guard: guard{"./integration", "TestRecheckWhileSemiSyncWaits"},
	},
}

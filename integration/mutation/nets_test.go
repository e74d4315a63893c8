//go:build mutation

package mutation

// netMutants break what catches a run that dies while an applier stands. Tests that kill the built program see none of it,
// since that is built without the overlay.
var netMutants = []mutant{
	{
		name: "an applier whose START was under way is left by the guard", file: "replication/syncpoint/judge.go",
		edits: []edit{{`p.Stopping || reached() || !p.Ran && p.standsThere(now)`, `p.Stopping || reached()`}},
		guard: guard{"./replication/syncpoint", "TestJudge"},
	},
	{
		name: "an applier that was seen to run, and was stopped then, is started by the guard", file: "replication/syncpoint/judge.go",
		edits: []edit{{`!p.Ran && p.standsThere(now)`, `p.standsThere(now)`}},
		guard: guard{"./replication/syncpoint", "TestJudge"},
	},
	{
		name: "an applier that has run since is started by the guard", file: "replication/syncpoint/judge.go",
		edits: []edit{{`case !p.Stood.IsZero() && p.standsThere(now) && now.Until == p.ShownUntil:`, `case !p.Stood.IsZero() && now.Until == p.ShownUntil:`}},
		guard: guard{"./replication/syncpoint", "TestJudge"},
	},
	{
		name: "an applier that was given another UNTIL is started by the guard", file: "replication/syncpoint/judge.go",
		edits: []edit{{`now.Until.Condition != "" && now.Until.Position == p.Target`, `now.Until.Condition != ""`}},
		guard: guard{"./replication/syncpoint", "TestJudge"},
	},
	{
		name: "the guard does not wait for the thread of a START that was cut off", file: "replication/syncpoint/cutstart.go",
		edits: []edit{{`return p.Starting && !now.ApplierRunning`, `return p.Starting && now.ApplierRunning`}},
		guard: guard{"./replication/syncpoint", "TestMayComeYet"},
	},
	{
		name: "a START that was killed is given again at once", file: "replication/syncpoint/cutstart.go",
		edits: []edit{{`server.IsConnectionLost(err) || server.IsQueryInterrupted(err)`, `server.IsConnectionLost(err) && server.IsQueryInterrupted(err)`}},
		guard: guard{"./replication/syncpoint", "TestCutStartIsNotedAndWaitedFor"},
	},
	{
		name: "the dead man's switch is not renewed in time", file: "replication/syncpoint/switch.go",
		edits: []edit{{`time.NewTicker(d.delay / 3)`, `time.NewTicker(d.delay * 3)`}},
		guard: guard{"./integration", "TestSyncpointSwitchIsRenewed"},
	},
	{
		name: "the dead man's switch leaves UNTIL in force", file: "replication/syncpoint/switch.go",
		edits: []edit{{`replication.StopApplierStatement(identity, d.channel), mark,`, `"DO 0", mark,`}},
		guard: guard{"./integration", "TestSyncpointSwitchClearsUntil"},
	},
	{
		name: "an entry need not follow the one before it", file: "internal/audit/verify.go",
		edits: []edit{{`case entry.Previous != s.Head:`, `case entry.Previous != s.Head && false:`}},
		guard: guard{"./internal/audit", "TestForgedEntry"},
	},
	{
		name: "an entry's content is not covered by its hash", file: "internal/audit/entry.go",
		edits: []edit{{`if digest(append(`, `if false && digest(append(`}},
		guard: guard{"./internal/audit", "TestEveryChangeIsSeen"},
	},
}

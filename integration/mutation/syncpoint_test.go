//go:build mutation

package mutation

// underLoad makes points while the source is written to without pause; the other format and parallel appliers find no more.
const underLoad = "TestSyncpointIsExact/local/GTID_true_ROW_0_threads/under_load"

// syncpointMutants break the one position at which source and replicas are read.
var syncpointMutants = []mutant{
	{
		name: "the source is read without a snapshot", file: "replication/syncpoint/source.go",
		edits: []edit{{`err := r.session.Exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")`, `err := r.session.Exec(ctx, "START TRANSACTION READ ONLY")`}},
		guard: guard{"./integration", underLoad},
	},
	{
		name: "the source's position is read after the snapshot", file: "replication/syncpoint/source.go",
		edits: []edit{{`position, err := places.snapshotPosition(ctx, r.session)`, `position, err := places.end(ctx)`}},
		guard: guard{"./integration", underLoad},
	},
	{
		name: "a new log file's first position is trusted", file: "replication/syncpoint/heads.go",
		edits: []edit{{`return at, settledBefore, nil`, `return at, settledBefore || true, nil`}},
		guard: guard{"./integration", "TestSyncpointWhileSemiSyncWaits"},
	},
	{
		name: "offsets of the old log file are trusted in the new one", file: "replication/syncpoint/heads.go",
		edits: []edit{{`if err != nil || !begins {`, `if err != nil || !begins && false {`}},
		guard: guard{"./integration", "TestSyncpointDistrustsOldOffsets"},
	},
	{
		name: "a position behind a checkpoint event is trusted", file: "replication/syncpoint/heads.go",
		edits: []edit{{"sound, err := p.undoubted(ctx, at)\n", "sound, err := true, error(nil)\n"}},
		guard: guard{"./integration", "TestSyncpointDistrustsOldOffsets"},
	},
	{
		name: "the replica's snapshot is opened before the applier is there", file: "replication/syncpoint/stepping.go",
		edits: []edit{
			{"\t\tif i == 0 || epochOf[i-1] != epoch {\n", `		if err := s.readers[i].Exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
			return err
		}
		if i == 0 || epochOf[i-1] != epoch {
`},
			{`if err := s.readers[i].Exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
			return s.refuse`, `if err := error(nil); err != nil {
			return s.refuse`},
		},
		guard: guard{"./integration", underLoad},
	},
	{
		name: "the replica's snapshot is opened after the applier was started again", file: "replication/syncpoint/stepping.go",
		edits: []edit{{`"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"`, `"START TRANSACTION READ ONLY"`}},
		guard: guard{"./integration", underLoad},
	},
	{
		name: "the applier stops a transaction late", file: "replication/syncpoint/stepping.go",
		edits: []edit{{`s.replica.Channel, target)); err`, `s.replica.Channel, replication.Position{File: target.File, Offset: target.Offset + 1})); err`}},
		guard: guard{"./integration", underLoad},
	},
	{
		name: "the applier runs without UNTIL", file: "replication/syncpoint/stepping.go",
		edits: []edit{{`replication.StartApplierUntil(ctx, s.control, s.replica.Channel, target)`, `replication.StartApplier(ctx, s.control, s.replica.Channel)`}},
		guard: guard{"./integration", underLoad},
	},
	{
		name: "an applier at or beyond the position is taken for exact", file: "replication/syncpoint/stepping.go",
		edits: []edit{{`if exact, err = s.isAt(ctx, status, target); err != nil {`, `if exact = status.Executed.Compare(target) >= 0; err != nil {`}},
		guard: guard{"./integration", "TestApplierElsewhereIsRefused"},
	},
	{
		name: "an applier that runs is taken for one that stands", file: "replication/syncpoint/stepping.go",
		edits: []edit{{`exact := !status.ApplierRunning && status.ApplierError.IsZero()`, `exact := status.ApplierError.IsZero()`}},
		guard: guard{"./integration", "TestApplierElsewhereIsRefused"},
	},
	{
		name: "places with a transaction between them are the same", file: "replication/syncpoint/places.go",
		edits: []edit{{"\t\tif !betweenTransactions[event.Text(\"Event_type\")] {\n", "\t\tif event.Text(\"Event_type\") == \"\" {\n"}},
		guard: guard{"./integration", underLoad},
	},
	{
		name: "a worker reads snapshots of two epochs", file: "replication/syncpoint/opening.go",
		edits: []edit{{`lease.Replicas[j] = s.readers[i]`, `lease.Replicas[j] = s.readers[len(s.readers)-1-i]`}},
		guard: guard{"./integration", underLoad},
	},
}

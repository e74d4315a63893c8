package integration

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"trueup/check"
	"trueup/internal/audit"
	"trueup/repair"
	"trueup/replication/syncpoint"
)

// fullDisk is a journal that cannot be written from some entry of a kind on.
type fullDisk struct {
	syncpoint.Recorder
	kind  string
	after int32 // so many are written
	tried atomic.Int32
}

var errFull = errors.New("no space left on device")

func (d *fullDisk) Record(ctx context.Context, entry audit.Entry) error {
	if entry.Kind == d.kind && d.tried.Add(1) > d.after {
		return errFull
	}
	return d.Recorder.Record(ctx, entry)
}

// trapJournal: where the images cannot be written nothing changes; what was committed before can be undone.
func trapJournal(t *testing.T, b *bed) {
	b.plain(t, "t", 9000)
	b.Damage(t, 0, "UPDATE "+b.tables[0]+" SET v = -v")
	damaged := b.dump(t, b.Replica(0))
	for _, broken := range []*fullDisk{{kind: repair.KindReplica}, {kind: repair.KindGroup}, {kind: repair.KindGroup, after: 2}, {kind: repair.KindGroupEnded}} {
		run := NewRepairRun(t, b.request(), true)
		broken.Recorder, run.Request.Journal = run.Request.Journal, broken
		result, err := repair.Run(t.Context(), run.Request, nil)
		if err != nil {
			t.Fatal(err)
		}
		if result.Err == nil && len(refusedCodes(result)) == 0 {
			t.Errorf("%s after %d: nobody says that the journal could not be written: %s", broken.kind, broken.after, DescribeRepair(result))
		}
		changed := b.Replica(0).Value(t, "SELECT COUNT(*) FROM "+b.tables[0]+" WHERE v > 0") != "1" // the one that was added
		if want := broken.after > 0 || broken.kind == repair.KindGroupEnded; changed != want {
			t.Errorf("%s after %d: changed: %v: %s", broken.kind, broken.after, changed, DescribeRepair(result))
		}
		requireReplicating(t, b.Replicas...)
		if changed {
			run.Undo(t, b.Replica(0))
		}
		if now := b.dump(t, b.Replica(0)); now != damaged {
			t.Fatalf("%s after %d: after undo:\n%s", broken.kind, broken.after, diffLines(damaged, now))
		}
	}
}

// onGroup calls a function at each group that is done.
type onGroup func()

func (f onGroup) Event(event check.Event) {
	if _, done := event.(repair.GroupDone); done {
		f()
	}
}

// endingJournal ends the run at a group's entry: in the middle of its transaction.
type endingJournal struct {
	syncpoint.Recorder
	end   func()
	after atomic.Int32
}

func (j *endingJournal) Record(ctx context.Context, entry audit.Entry) error {
	err := j.Recorder.Record(ctx, entry)
	if entry.Kind == repair.KindGroup && j.after.Add(-1) < 0 {
		j.end()
	}
	return err
}

// trapCancelled: a repair that is ended between two groups, and in the middle of one, leaves whole groups, the applier running, and can be undone.
func trapCancelled(t *testing.T, b *bed) {
	b.plain(t, "t", 9000)
	b.Damage(t, 0, "UPDATE "+b.tables[0]+" SET v = -v")
	damaged := b.dump(t, b.Replica(0))
	for _, within := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		run := NewRepairRun(t, b.request(), true)
		var observer check.Observer
		if within {
			journal := &endingJournal{Recorder: run.Request.Journal, end: cancel}
			journal.after.Store(1)
			run.Request.Journal = journal
		} else {
			observer = onGroup(cancel)
		}
		result, err := repair.Run(ctx, run.Request, observer)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if !errors.Is(result.Err, context.Canceled) {
			t.Errorf("within a group %v: %v", within, result.Err)
		}
		requireReplicating(t, b.Replicas...)
		left := b.Replica(0).Value(t, "SELECT COUNT(*) FROM "+b.tables[0]+" WHERE v < 0")
		t.Logf("within a group %v: %s rows are left: %v", within, left, result.Err)
		if slices.Contains([]string{"0", "8999", "9000"}, left) {
			t.Errorf("within a group %v: %s rows are left: %s", within, left, DescribeRepair(result))
		}
		run.Undo(t, b.Replica(0))
		if now := b.dump(t, b.Replica(0)); now != damaged {
			t.Errorf("within a group %v: after undo:\n%s", within, diffLines(damaged, now))
		}
	}
}

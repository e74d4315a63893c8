package integration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// prober makes sync points on a topology with an account of its own, so that its sessions can be told from others.
type prober struct {
	owner    *testing.T // with which the connections end; a part of the test may open them anew
	tp       *Topology
	source   *server.Server
	replicas []syncpoint.Replica
	options  syncpoint.Options
}

const proberUser = "prober"

func newProber(t *testing.T, tp *Topology) *prober {
	t.Helper()
	account := tp.Source.CreateUser(t, proberUser, tp.Source.Row.proberGrants()+" ON *.*")
	tp.WaitCaughtUp(t)
	p := &prober{owner: t, tp: tp, source: openAs(t, t, tp.Source, account)}
	for i, replica := range tp.Replicas {
		opened := syncpoint.Replica{Server: openAs(t, t, replica, account)}
		if tp.options.Chain {
			opened.Upstream = i // counted from 1, so that the first has the source
		}
		p.replicas = append(p.replicas, opened)
	}
	p.options = syncpoint.Options{Workers: 3, Timeout: 30 * time.Second, SwitchDelay: 5 * time.Second, Pauses: &syncpoint.Pauses{},
		LockTimeout: patientLock, LockHoldMax: patientLock}
	return p
}

// openAs opens a server as an account; it is closed when the owner ends.
func openAs(t, owner *testing.T, n *Node, account server.Endpoint) *server.Server {
	t.Helper()
	endpoint := n.Endpoint()
	endpoint.User, endpoint.Password = account.User, account.Password
	opened, err := server.Open(t.Context(), endpoint)
	if err != nil {
		t.Fatal(err)
	}
	owner.Cleanup(func() { _ = opened.Close() })
	return opened
}

// with returns a prober with other options.
func (p *prober) with(change func(*syncpoint.Options)) *prober {
	changed := *p
	change(&changed.options)
	return &changed
}

func (p *prober) open(ctx context.Context) (*syncpoint.Point, error) {
	return syncpoint.Open(ctx, p.source, p.replicas, p.options)
}

// openUndisturbed makes a point, again where the machine stood still meanwhile: for longer than the switch's delay, or than a point waits for what the
// source has not shown yet.
func (p *prober) openUndisturbed(t *testing.T) (*syncpoint.Point, error) {
	t.Helper()
	for try := 1; ; try++ {
		point, err := p.open(t.Context())
		disturbed := err != nil && strings.Contains(err.Error(), "did not become visible")
		for i := range p.replicas {
			failed := (*syncpoint.Unverifiable)(nil)
			if err == nil {
				failed = point.Failed(i)
			}
			disturbed = disturbed || failed != nil && strings.Contains(failed.Reason, "dead man's switch went off")
		}
		if !disturbed || try == 3 {
			return point, err
		}
		if err == nil {
			_ = point.Close()
		}
		t.Logf("the point was disturbed: %v", err)
	}
}

// exact makes a point, demands that every replica is part of it and equal in every lease, and returns the pauses.
func (p *prober) exact(t *testing.T, tables ...string) (pauses []time.Duration) {
	t.Helper()
	p = p.with(func(o *syncpoint.Options) {
		for _, name := range tables {
			database, table, _ := strings.Cut(name, ".")
			o.Tables = append(slices.Clip(o.Tables), syncpoint.Table{Database: database, Name: table})
		}
	})
	point, err := p.openUndisturbed(t)
	if err != nil {
		t.Fatal(err)
	}
	defer point.Close()
	for i, replica := range p.tp.Replicas {
		if failed := point.Failed(i); failed != nil {
			t.Fatalf("%s is not part of the point: %v", replica.Name(), failed)
		}
		if status := replica.Status(t); status["Slave_SQL_Running"] != "Yes" || status["Until_Condition"] != "None" {
			t.Fatalf("%s: running %s, until %s after Open", replica.Name(), status["Slave_SQL_Running"], status["Until_Condition"])
		}
	}
	p.checkEpochs(t, point)
	for range p.options.Workers {
		lease, err := point.Lease()
		if err != nil {
			t.Fatal(err)
		}
		defer point.Return(lease)
		for i := range p.replicas {
			pauses = append(pauses, lease.Epoch.Replicas[i].Paused)
			for _, table := range tables {
				compareSnapshots(t, lease.Source, lease.Replicas[i], table)
			}
		}
	}
	if _, err := point.Lease(); err == nil {
		t.Fatal("a point has more leases than workers")
	}
	return pauses
}

func (p *prober) checkEpochs(t *testing.T, point *syncpoint.Point) {
	t.Helper()
	for i, epoch := range point.Epochs {
		if i > 0 && epoch.Position.Compare(point.Epochs[i-1].Position) <= 0 {
			t.Errorf("epoch %d at %s comes after %s", epoch.ID, epoch.Position, point.Epochs[i-1].Position)
		}
		for r := range p.replicas {
			if replica := epoch.Replicas[r]; !replica.Exact || replica.Executed.IsZero() || (replica.Paused > 0) != (p.replicas[r].Strategy != syncpoint.Lock) {
				t.Errorf("epoch %d at %s, replica %d: %+v", epoch.ID, epoch.Position, r, replica)
			}
		}
	}
}

// compareSnapshots compares every byte of a table in both snapshots. The servers make digests of it; the rows are read
// only to show the first that differs.
func compareSnapshots(t *testing.T, source, replica *server.Session, table string) {
	t.Helper()
	if snapshotDigest(t, source, table) == snapshotDigest(t, replica, table) {
		return
	}
	want, got := snapshotRows(t, source, table), snapshotRows(t, replica, table)
	wanted, have := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(wanted), len(have)) {
		if wanted[i] != have[i] {
			t.Fatalf("%s: %d rows and %d rows, the first difference:\n%s\n%s", table, len(wanted)-1, len(have)-1, wanted[i], have[i])
		}
	}
	t.Fatalf("%s: %d rows and %d rows", table, len(wanted)-1, len(have)-1)
}

func snapshotDigest(t *testing.T, session *server.Session, table string) string {
	t.Helper()
	columns := "id, IFNULL(k, 'NULL')"
	if strings.HasPrefix(table, "app.w") { // the writer's
		columns = "id, k, HEX(c), IFNULL(HEX(note), 'NULL'), IFNULL(price, 'NULL'), IFNULL(ratio, 'NULL'), IFNULL(share, 'NULL'), IFNULL(at, 'NULL'), IFNULL(HEX(raw), 'NULL')"
	}
	if err := session.Exec(t.Context(), "SET SESSION group_concat_max_len=16777216"); err != nil {
		t.Fatal(err)
	}
	record, err := session.One(t.Context(), "SELECT CONCAT(COUNT(*), ' ', IFNULL(SHA2(GROUP_CONCAT(SHA2(CONCAT_WS('#', "+columns+"), 256) ORDER BY id), 256), '')) AS digest FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	return record.Text("digest")
}

func snapshotRows(t *testing.T, session *server.Session, table string) string {
	t.Helper()
	records, err := session.Records(t.Context(), "SELECT * FROM "+table+" ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, record := range records {
		fmt.Fprintf(&b, "%v\n", record)
	}
	return b.String()
}

// eventually waits for something that has to come by itself; the limit only ends a broken test.
func eventually(t *testing.T, what string, limit time.Duration, holds func() (bool, string)) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		ok, seen := holds()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %s", what, limit, seen)
		}
	}
}

// later does something in a goroutine of its own once that time is over. The test does not end before it is done.
func later(t *testing.T, after time.Duration, do func()) {
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	time.AfterFunc(after, func() {
		defer close(done)
		do()
	})
}

// leftRunning demands what has to hold on every way out of Open: the applier runs as it was found and goes on running,
// no session of the prober's is left, and nobody waits for a pause.
func (p *prober) leftRunning(t *testing.T, replicas ...*Node) {
	t.Helper()
	if !p.options.Pauses.Wait(t.Context(), 10*time.Second) {
		t.Error("a pause is still counted")
	}
	for _, n := range replicas {
		n.awaitApplier(t)
		n.awaitNoProber(t)
		if status := n.Status(t); status["Slave_SQL_Running"] != "Yes" || status["Until_Condition"] != "None" {
			t.Fatalf("%s stopped again: running %s, until %s", n.Name(), status["Slave_SQL_Running"], status["Until_Condition"])
		}
	}
}

func (n *Node) awaitApplier(t *testing.T) {
	t.Helper()
	eventually(t, n.Name()+": its applier runs without UNTIL", 20*time.Second, func() (bool, string) {
		status := n.Status(t)
		return status["Slave_SQL_Running"] == "Yes" && status["Until_Condition"] == "None",
			fmt.Sprint(status["Slave_SQL_Running"], " ", status["Until_Condition"], " ", status["Last_SQL_Error"])
	})
}

func (n *Node) awaitNoProber(t *testing.T) {
	t.Helper()
	eventually(t, n.Name()+": no session of ours is left", 20*time.Second, func() (bool, string) {
		left, err := n.probers(t.Context())
		left = slices.DeleteFunc(left, n.lingers)
		return err == nil && len(left) == 0, fmt.Sprint(left, err)
	})
}

// whenLogged is a log handler that calls do on the first message that contains the text, in the goroutine that logs:
// the sync point stands still meanwhile. Each replica's logger has its address as an attribute.
type whenLogged struct {
	slog.Handler
	text    string
	address string // of the replica; "": any
	do      func()
	mine    bool
	once    chan struct{}
}

func onLog(text, address string, do func()) *slog.Logger {
	once := make(chan struct{}, 1)
	once <- struct{}{}
	return slog.New(&whenLogged{Handler: slog.DiscardHandler, text: text, address: address, do: do, mine: address == "", once: once})
}

func (h *whenLogged) Enabled(context.Context, slog.Level) bool { return true }

func (h *whenLogged) WithAttrs(attrs []slog.Attr) slog.Handler {
	own := *h
	for _, a := range attrs {
		own.mine = own.mine || a.Key == "replica" && a.Value.String() == h.address
	}
	return &own
}

func (h *whenLogged) Handle(_ context.Context, record slog.Record) error {
	if !h.mine || !strings.Contains(record.Message, h.text) {
		return nil
	}
	select {
	case <-h.once:
		h.do()
	default:
	}
	return nil
}

// both logs to two loggers.
func both(a, b *slog.Logger) *slog.Logger { return slog.New(teeHandler{a.Handler(), b.Handler()}) }

type teeHandler [2]slog.Handler

func (h teeHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h teeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return teeHandler{h[0].WithAttrs(attrs), h[1].WithAttrs(attrs)}
}

func (h teeHandler) WithGroup(name string) slog.Handler {
	return teeHandler{h[0].WithGroup(name), h[1].WithGroup(name)}
}

func (h teeHandler) Handle(ctx context.Context, record slog.Record) error {
	return errors.Join(h[0].Handle(ctx, record), h[1].Handle(ctx, record))
}

// Messages at which tests step in.
const (
	logLocks   = "are about to be locked"
	logArmed   = "switch is armed"
	logStands  = "the applier stands"
	logAtEpoch = "stands at the epoch"
)

// long tells whether the long variants of tests were asked for (make test-long).
func long() bool { return os.Getenv("TRUEUP_TEST_LONG") == "1" }

func times(short, longer int) int {
	if long() {
		return longer
	}
	return short
}

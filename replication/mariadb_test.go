package replication

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"trueup/internal/sandbox"
)

// TestMariaDB keeps what real servers said when this package was written. Its parts share three servers and so
// run one after the other.
func TestMariaDB(t *testing.T) {
	t.Parallel()
	source := startNode(t, sandbox.Options{Name: "source", ServerID: 11})
	other := startNode(t, sandbox.Options{Name: "other source", ServerID: 12, GTIDDomain: 2})
	replica := startNode(t, sandbox.Options{Name: "replica", ServerID: 13,
		Args: []string{"--innodb-flush-log-at-trx-commit=1"}}) // else each RESET MASTER takes a second
	tests := map[string]func(*testing.T, node, node, node){
		"no channel":              testNoChannel,
		"running":                 testRunning,
		"applier stopped":         testApplierStopped,
		"until":                   testUntil,
		"until, in a quiet log":   testUntilQuiet,
		"until, applier running":  testUntilIgnored,
		"applier error":           testApplierError,
		"applier error, parallel": testApplierErrorParallel,
		"delayed":                 testDelayed,
		"receiver refused":        testReceiverRefused,
		"receiver at no position": testReceiverNoPosition,
		"two sources":             testTwoSources,
		"filters":                 testFilters,
		"log rotated":             testLogRotated,
		"gtid at a position":      testGTIDAt,
		"snapshot position":       testSnapshotPosition,
		"hiding settings":         testHidingSettings,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			replica.forget(t)
			test(t, source, other, replica)
		})
	}
}

func testNoChannel(t *testing.T, source, _, replica node) {
	statuses, err := ReadStatuses(t.Context(), replica.Session)
	if err != nil || len(statuses) != 0 {
		t.Errorf("%+v, %v", statuses, err)
	}
	if _, err := ReadStatus(t.Context(), replica.Session, ""); !errors.Is(err, ErrNoSuchChannel) {
		t.Error(err)
	}
	if _, err := ChannelFrom(statuses, source.Server().Identity()); !errors.Is(err, ErrNotAReplica) {
		t.Error(err)
	}
	if err := StartApplier(t.Context(), replica.Session, "nobody"); err == nil || !strings.Contains(err.Error(), `"nobody"`) {
		t.Error(err)
	}
	if gtid, err := ExecutedGTID(t.Context(), replica.Session); gtid != "" || err != nil {
		t.Error(gtid, err)
	}
}

func testRunning(t *testing.T, source, _, replica node) {
	for _, workers := range []int{0, 4} {
		for _, gtid := range []bool{false, true} {
			for _, channel := range []string{"", "East 1"} {
				t.Run(fmt.Sprintf("workers %d, gtid %v, channel %q", workers, gtid, channel), func(t *testing.T) {
					replica.forget(t)
					runningStatus(t, source, replica, channel, workers, gtid)
				})
			}
		}
	}
}

func runningStatus(t *testing.T, source, replica node, channel string, workers int, gtid bool) {
	replica.run(t, fmt.Sprintf("SET GLOBAL slave_parallel_threads = %d", workers))
	replica.follow(t, source, channel, "d", gtid)
	before := replica.status(t, channel)
	// The default channel keeps the id of an earlier source, a named one is new each time.
	if channel != "" && before.SourceServerID != 0 || before.ReceiverState != Stopped || before.ApplierRunning || before.Lag != nil {
		t.Errorf("before the start: %+v", before)
	}
	replica.start(t, channel)
	for i := range 20 {
		source.run(t, fmt.Sprintf("INSERT INTO d.t VALUES (%d, %d)", i, i))
	}
	at := source.position(t)
	got := replica.awaitExecuted(t, channel, at)
	gtidAt, err := GTIDAt(t.Context(), source.Session, at)
	if err != nil {
		t.Fatal(err)
	}
	executed, err := ExecutedGTID(t.Context(), replica.Session)
	if err != nil || executed != gtidAt || gtidAt == "" {
		t.Errorf("executed %q, source at %q, %v", executed, gtidAt, err)
	}
	want := Status{
		Channel: channel, SourceHost: "127.0.0.1", SourcePort: source.Port(), SourceServerID: 11,
		ReceiverState: Running, ApplierRunning: true, Received: at, Executed: at,
		UsesGTID: gtid, ExecutedGTID: gtidAt, Workers: workers,
		// What varies by the moment:
		Lag: got.Lag, ApplierState: got.ApplierState, ReceivedGTID: got.ReceivedGTID,
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	if got.Lag == nil || *got.Lag > time.Minute {
		t.Errorf("lag %v", got.Lag)
	}
	if wanted := map[bool]string{true: gtidAt}[gtid]; got.ReceivedGTID != wanted {
		t.Errorf("received GTID %q, want %q", got.ReceivedGTID, wanted)
	}
	found, err := ChannelFrom([]Status{got}, source.Server().Identity())
	if err != nil || found.Channel != channel {
		t.Errorf("%+v, %v", found, err)
	}
}

func testApplierStopped(t *testing.T, source, _, replica node) {
	replica.follow(t, source, "East", "d", true)
	replica.start(t, "East")
	source.run(t, "INSERT INTO d.t VALUES (1, 1)")
	stoppedAt := source.position(t)
	replica.awaitExecuted(t, "East", stoppedAt)
	for range 2 { // the second finds it stopped and is no error
		if err := StopApplier(t.Context(), replica.Session, "East"); err != nil {
			t.Fatal(err)
		}
	}
	source.run(t, "INSERT INTO d.t VALUES (2, 2)")
	at := source.position(t)
	got := replica.await(t, "East", "received", func(s Status) bool { return s.Received == at })
	if got.ApplierRunning || got.ReceiverState != Running || got.Executed != stoppedAt || got.Lag != nil || !got.ApplierError.IsZero() {
		t.Errorf("%+v", got)
	}
	// MariaDB takes connection names whatever their letter case.
	for range 2 {
		if err := StartApplier(t.Context(), replica.Session, "eAST"); err != nil {
			t.Fatal(err)
		}
	}
	if got := replica.awaitExecuted(t, "east", at); got.Channel != "East" || !got.ApplierRunning {
		t.Errorf("%+v", got)
	}
}

// testUntil: with more log behind the position, the applier stops there by itself, exactly.
func testUntil(t *testing.T, source, _, replica node) {
	for _, workers := range []int{0, 4} {
		for _, gtid := range []bool{false, true} {
			t.Run(fmt.Sprintf("workers %d, gtid %v", workers, gtid), func(t *testing.T) {
				replica.forget(t)
				untilStops(t, source, replica, workers, gtid)
			})
		}
	}
}

func untilStops(t *testing.T, source, replica node, workers int, gtid bool) {
	replica.run(t, fmt.Sprintf("SET GLOBAL slave_parallel_threads = %d", workers))
	replica.follow(t, source, "", "d", gtid)
	replica.start(t, "")
	source.run(t, "INSERT INTO d.t VALUES (1, 1)")
	replica.awaitEnd(t, "", source)
	if err := StopApplier(t.Context(), replica.Session, ""); err != nil {
		t.Fatal(err)
	}
	source.run(t, "INSERT INTO d.t VALUES (2, 2)", "INSERT INTO d.t VALUES (3, 3)")
	until := source.position(t)
	source.run(t, "INSERT INTO d.t VALUES (4, 4)", "INSERT INTO d.t VALUES (5, 5)")
	end := source.position(t)
	replica.await(t, "", "received", func(s Status) bool { return s.Received == end })

	if err := StartApplierUntil(t.Context(), replica.Session, "", until); err != nil {
		t.Fatal(err)
	}
	got := replica.await(t, "", "stopped", func(s Status) bool { return !s.ApplierRunning })
	if got.Executed != until || !got.ApplierError.IsZero() || got.Until != (Until{"Master", until}) || got.ReceiverState != Running {
		t.Errorf("%+v, until %v", got, until)
	}
	if rows := replica.value(t, "SELECT COUNT(*) FROM d.t"); rows != "3" {
		t.Errorf("%s rows", rows)
	}
	if want, err := GTIDAt(t.Context(), source.Session, until); err != nil || got.ExecutedGTID != want {
		t.Errorf("GTID %q, want %q, %v", got.ExecutedGTID, want, err)
	}
	if err := StartApplier(t.Context(), replica.Session, ""); err != nil {
		t.Fatal(err)
	}
	if got := replica.awaitExecuted(t, "", end); got.Until != (Until{}) {
		t.Errorf("a plain start leaves %+v", got.Until)
	}
}

// testUntilQuiet: at the end of the log the applier reaches the position and waits there.
func testUntilQuiet(t *testing.T, source, _, replica node) {
	replica.follow(t, source, "", "d", false)
	replica.start(t, "")
	replica.awaitEnd(t, "", source)
	if err := StopApplier(t.Context(), replica.Session, ""); err != nil {
		t.Fatal(err)
	}
	source.run(t, "INSERT INTO d.t VALUES (1, 1)")
	until := source.position(t)
	if err := StartApplierUntil(t.Context(), replica.Session, "", until); err != nil {
		t.Fatal(err)
	}
	got := replica.awaitExecuted(t, "", until)
	time.Sleep(300 * time.Millisecond)
	got = replica.status(t, "")
	if !got.ApplierRunning || got.Until != (Until{"Master", until}) || !strings.Contains(got.ApplierState, "has read all relay log") {
		t.Errorf("%+v", got)
	}
	if err := StopApplier(t.Context(), replica.Session, ""); err != nil {
		t.Fatal(err)
	}
	if got := replica.status(t, ""); got.Executed != until {
		t.Errorf("%+v", got)
	}
}

func testUntilIgnored(t *testing.T, source, _, replica node) {
	replica.follow(t, source, "", "d", false)
	replica.start(t, "")
	at := source.position(t)
	replica.awaitExecuted(t, "", at)
	at.Offset += 1000
	if err := StartApplierUntil(t.Context(), replica.Session, "", at); !errors.Is(err, ErrApplierRunning) {
		t.Error(err)
	}
	if err := StartApplierUntil(t.Context(), replica.Session, "", Position{}); err == nil {
		t.Error("no error without a position")
	}
	if got := replica.status(t, ""); got.Until != (Until{}) {
		t.Errorf("%+v", got)
	}
}

func testApplierError(t *testing.T, source, _, replica node) {
	tests := []struct {
		onReplica, onSource string
		number              int
	}{
		{"INSERT INTO d.t VALUES (5, 0)", "INSERT INTO d.t VALUES (5, 5)", 1062},
		{"DELETE FROM d.t WHERE id = 1", "UPDATE d.t SET v = 9 WHERE id = 1", 1032},
		{"DROP TABLE d.t", "INSERT INTO d.t VALUES (6, 6)", 1146},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.number), func(t *testing.T) {
			replica.forget(t)
			applierStops(t, source, replica, test.onReplica, test.onSource, test.number)
		})
	}
}

func applierStops(t *testing.T, source, replica node, onReplica, onSource string, number int) {
	replica.follow(t, source, "", "d", true)
	replica.start(t, "")
	source.run(t, "INSERT INTO d.t VALUES (1, 1)")
	good := source.position(t)
	replica.awaitExecuted(t, "", good)
	replica.run(t, "SET SESSION sql_log_bin = 0", onReplica)
	source.run(t, onSource, "INSERT INTO d.t VALUES (100, 1)")
	got := replica.await(t, "", "stopped by an error", func(s Status) bool { return !s.ApplierRunning && !s.ApplierError.IsZero() })
	if got.ApplierError.Number != number || got.ApplierError.Message == "" || got.Executed != good || got.ReceiverState != Running || got.Lag != nil {
		t.Errorf("%+v, want %d", got, number)
	}
}

// testApplierErrorParallel: MariaDB's parallel workers leave their error in the status itself.
func testApplierErrorParallel(t *testing.T, source, _, replica node) {
	replica.run(t, "SET GLOBAL slave_parallel_threads = 4")
	applierStops(t, source, replica, "INSERT INTO d.t VALUES (5, 0)", "INSERT INTO d.t VALUES (5, 5)", 1062)
}

func testDelayed(t *testing.T, source, _, replica node) {
	replica.follow(t, source, "", "d", true, "MASTER_DELAY=3600")
	replica.start(t, "")
	from := replica.await(t, "", "receiving", func(s Status) bool { return s.ReceiverState == Running }).Executed
	source.run(t, "INSERT INTO d.t VALUES (1, 1)")
	at := source.position(t)
	got := replica.await(t, "", "waiting out the delay", func(s Status) bool {
		return s.Received == at && strings.Contains(s.ApplierState, "Waiting until MASTER_DELAY")
	})
	if got.Delay != time.Hour || !got.ApplierRunning || got.Executed == at || got.Executed.Compare(from) < 0 || got.Lag == nil {
		t.Errorf("%+v", got)
	}
	// A delayed applier stops at once, in the middle of its wait of an hour.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := StopApplier(ctx, replica.Session, ""); err != nil {
		t.Error(err)
	}
}

func testReceiverRefused(t *testing.T, source, _, replica node) {
	replica.follow(t, source, "", "d", true, "MASTER_PASSWORD='wrong'")
	replica.start(t, "")
	got := replica.await(t, "", "refused", func(s Status) bool { return !s.ReceiverError.IsZero() })
	if got.ReceiverState != Connecting || got.ReceiverError.Number != 1045 || !got.ApplierRunning || !got.Received.IsZero() {
		t.Errorf("%+v", got)
	}
	// The channel does not know its source's id, its address is all there is.
	endpoint := source.AdminEndpoint()
	if found, err := ChannelFrom([]Status{got}, source.Server().Identity(), endpoint); err != nil || found.SourcePort != source.Port() {
		t.Error(err)
	}
	replica.run(t, "STOP SLAVE", "CHANGE MASTER '' TO MASTER_PASSWORD='repl', MASTER_PORT=1")
	replica.start(t, "")
	got = replica.await(t, "", "not connected", func(s Status) bool { return !s.ReceiverError.IsZero() })
	if got.ReceiverState != Connecting || got.ReceiverError.Number != 2003 {
		t.Errorf("%+v", got)
	}
	var otherSource *OtherSourceError
	if _, err := ChannelFrom([]Status{got}, source.Server().Identity(), endpoint); !errors.As(err, &otherSource) {
		t.Error(err)
	}
}

func testReceiverNoPosition(t *testing.T, source, _, replica node) {
	replica.follow(t, source, "", "d", false, "MASTER_LOG_FILE='binlog.009999'", "MASTER_LOG_POS=4")
	replica.start(t, "")
	got := replica.await(t, "", "stopped", func(s Status) bool { return s.ReceiverState == Stopped && !s.ReceiverError.IsZero() })
	if got.ReceiverError.Number != 1236 || !got.ApplierRunning || got.SourceServerID != 11 || got.Received != (Position{"binlog.009999", 4}) {
		t.Errorf("%+v", got)
	}
}

package report

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"trueup/internal/overview"
	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

func seenServer(address string, id uint32, channels ...overview.Channel) overview.Server {
	return overview.Server{Address: address, Channels: channels,
		Identity: server.Identity{Flavor: server.MariaDB, VersionText: "10.11.19-MariaDB-log", ServerID: id}}
}

func seenChannel(state overview.State, change func(*replication.Status)) overview.Channel {
	lag := 2 * time.Second
	status := replication.Status{SourceHost: "127.0.0.1", SourcePort: 3306, ReceiverState: replication.Running, ApplierRunning: true,
		Executed: replication.Position{File: "bin.000007", Offset: 4711}, ExecutedGTID: "0-1-42", Lag: &lag}
	if change != nil {
		change(&status)
	}
	return overview.Channel{Status: status, State: state, StartStatement: "START SLAVE '" + status.Channel + "' SQL_THREAD", StartReceiver: "START SLAVE '" + status.Channel + "' IO_THREAD"}
}

func stopApplier(s *replication.Status) { s.ApplierRunning, s.Lag = false, nil }

func seenPause(replica string, state overview.PauseState) overview.Pause {
	return overview.Pause{State: state, OpenPause: syncpoint.OpenPause{ID: "PAUSE1", Run: "20260102-030405-7f3a", At: began,
		PauseRecord: syncpoint.PauseRecord{Replica: replica, StartStatement: "START SLAVE '' SQL_THREAD"}}}
}

func statuses() map[string]StatusRun {
	good := &overview.Overview{At: began, Source: seenServer(source, 1), Replicas: []overview.Server{seenServer(replica1, 2, seenChannel(overview.Replicating, nil))}}
	paused := seenServer(replica1, 2, seenChannel(overview.PausedByCheck, stopApplier))
	paused.Switches = []syncpoint.Switch{{Session: 77, Pause: "PAUSE1", Asleep: true}}
	unread := overview.Server{Address: "127.0.0.1:3309", Err: errors.New("cannot connect to 127.0.0.1:3309: connection refused")}
	failed := seenChannel(overview.ApplierError, func(s *replication.Status) {
		stopApplier(s)
		s.Channel = "from\x1bA"
		s.ApplierError = replication.ChannelError{Number: 1062, Message: "Duplicate entry '1' for key 'PRIMARY'"}
	})
	delayed := seenChannel(overview.UntilSet, func(s *replication.Status) {
		s.Channel, s.Delay = "b", time.Hour
		s.Until = replication.Until{Condition: "Master", Position: replication.Position{File: "bin.000009", Offset: 4}}
	})
	silent := seenChannel(overview.ReceiverStopped, func(s *replication.Status) { s.ReceiverState, s.Lag = replication.Stopped, nil })
	return map[string]StatusRun{
		"replicating": {Seen: good},
		"paused":      {Seen: &overview.Overview{At: began, Source: seenServer(source, 1), Replicas: []overview.Server{paused}, Pauses: []overview.Pause{seenPause(replica1, overview.PauseLives)}}},
		"broken": {Seen: &overview.Overview{At: began, Source: seenServer(source, 1, failed), Replicas: []overview.Server{
			seenServer(replica1, 2, seenChannel(overview.ApplierStopped, stopApplier)), seenServer("127.0.0.1:3311", 5, silent), seenServer(replica2, 3, delayed), seenServer("127.0.0.1:3310", 4), unread},
			Pauses: []overview.Pause{seenPause(replica1, overview.PauseStands), seenPause("127.0.0.1:9", overview.PauseUnknown)},
			Repairs: []overview.Repair{{Run: "20260102-030405-7f3a", Replica: replica1, Journal: "/state of mine/journal/20260102-030405-7f3a.jsonl", At: began, Groups: 1},
				{Run: "20260102-030405-aaaa", Replica: "/run/b.sock", Journal: "b.jsonl", At: began, Groups: 2}, {Run: "20260102-030405-bbbb", Replica: replica2, Held: true}},
			Recoveries: []overview.Recovery{{Run: "20260102T030405Z-CCCCCC", Replica: replica1, Channel: "we\x1bst", ErrorNumber: 1032, Error: "Can't find record\x1b[2J", Journal: "/state/a b.jsonl", At: began},
				{Run: "20260102T030405Z-DDDDDD", Replica: replica2, ErrorNumber: 1062, Held: true}}, Problems: []string{"journal x was changed"}}},
		"unread":      {Seen: &overview.Overview{At: began, Source: seenServer(source, 1), Replicas: []overview.Server{unread}}},
		"failed":      {Err: errors.New("cannot connect to u@tcp(127.0.0.1:3306)"), Source: source},
		"interrupted": {Signal: syscall.SIGTERM, Source: source},
	}
}

func TestStatusGolden(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		code       int
		conditions []string
	}{
		"replicating": {OK, []string{ConditionReplicating}}, "paused": {OK, []string{ConditionReplicating}},
		"broken": {Different, []string{ConditionStopped, ConditionUnverified}}, "unread": {Unverified, []string{ConditionUnverified}},
		"failed": {Failed, []string{ConditionFailed}}, "interrupted": {Terminated, []string{ConditionTerminated, ConditionUnverified}},
	} {
		run := statuses()[name]
		run.Version = "0.1.0"
		s := NewStatus(run)
		if s.ExitCode != want.code || !slices.Equal(s.Conditions, want.conditions) {
			t.Errorf("%s: exit code %d, %v", name, s.ExitCode, s.Conditions)
		}
		var asJSON, asText bytes.Buffer
		if err := errors.Join(WriteStatusJSON(&asJSON, s), WriteStatusText(&asText, s, TextOptions{Width: 80})); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(asJSON.String(), `s": null`) && !strings.Contains(asJSON.String(), `"lag_seconds": null`) {
			t.Errorf("a list is null: %s", asJSON.String())
		}
		inert(t, asText.String())
		golden(t, "status-"+name+".json", asJSON.Bytes())
		golden(t, "status-"+name+".text", asText.Bytes())
	}
}

// TestPauseWords: every state of an open pause is said in words.
func TestPauseWords(t *testing.T) {
	t.Parallel()
	for _, state := range []overview.PauseState{overview.PauseLives, overview.PauseOver, overview.PauseArmed, overview.PauseStands, overview.PauseUnknown} {
		if pauseWords[state] == "" {
			t.Errorf("%s has no words", state)
		}
	}
}

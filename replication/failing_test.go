package replication

import (
	"math/rand/v2"
	"slices"
	"testing"

	"trueup/server"
)

func TestEventEnd(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		message string
		want    Position
		sure    bool
	}{
		{"", Position{}, false},
		{"Error 'Table 'app.t' doesn't exist' on query. Default database: 'app'. Query: 'INSERT'", Position{}, false},
		{"Could not execute Update_rows_v1 event on table app.t; Can't find record in 't', Error_code: 1032; handler error HA_ERR_END_OF_FILE; the event's master log binlog.000001, end_log_pos 1354",
			Position{"binlog.000001", 1354}, true},
		{"Worker 3 failed executing transaction '' at master log binlog.000001, end_log_pos 1083; Could not execute Update_rows event on table app.t; the event's master log FIRST, end_log_pos 1083",
			Position{"binlog.000001", 1083}, false},
		{"Worker 3 failed executing transaction 'd49ba6c7-e607-11f1-8fa2-0242ac110002:6' at source log , end_log_pos 1967; Could not execute; the event's source log binlog.000002, end_log_pos 1967",
			Position{"binlog.000002", 1967}, true},
		{"Worker 3 failed executing transaction '' at master log , end_log_pos 1083; Could not execute; the event's master log FIRST, end_log_pos 1083", Position{"", 1083}, false},
		{"Could not execute Write_rows; Duplicate entry 'the event's source log other.000009, end_log_pos 7' for key 't.PRIMARY'; the event's source log binlog.000002, end_log_pos 19",
			Position{"binlog.000002", 19}, true},
		{"Could not execute Update_rows_v1 event; the event's master log binlog.000001, end_log_pos 0", Position{}, false},
	} {
		if got, sure := eventEnd(test.message); got != test.want || sure != test.sure {
			t.Errorf("%s: %v, %v, want %v, %v", test.message, got, sure, test.want, test.sure)
		}
	}
}

func TestMaybeSameFailure(t *testing.T) {
	t.Parallel()
	first := ChannelError{1032, "Worker 1 failed executing transaction 'ANONYMOUS' at source log binlog.000001, end_log_pos 1083; Could not"}
	for message, want := range map[string]bool{
		"Worker 4 failed executing transaction 'ANONYMOUS' at source log , end_log_pos 1083; Could not":              true,
		"Worker 1 failed executing transaction 'ANONYMOUS' at source log binlog.000001, end_log_pos 1084; Could not": false,
		"Error 'Duplicate entry' on query": true,
		"Could not execute Update_rows event on table app.t; the event's source log binlog.000001, end_log_pos 1083": true,
		"Could not execute Update_rows event on table app.t; the event's source log binlog.000001, end_log_pos 1084": false,
	} {
		if got := maybeSameFailure(first, ChannelError{1032, message}); got != want {
			t.Errorf("%s: %v", message, got)
		}
		if maybeSameFailure(first, ChannelError{1062, message}) {
			t.Errorf("%s, with another number", message)
		}
	}
}

// TestMaybeSameFailureOfMariaDB: MariaDB's workers may name the file before, the first time.
func TestMaybeSameFailureOfMariaDB(t *testing.T) {
	t.Parallel()
	const before = "Could not execute Write_rows_v1 event on table app.t; Duplicate entry '1' for key 'PRIMARY', Error_code: 1062; handler error HA_ERR_FOUND_DUPP_KEY; the event's master log "
	first := ChannelError{1062, before + "binlog.000004, end_log_pos 518"}
	for message, want := range map[string]bool{
		before + "binlog.000005, end_log_pos 518": true,
		before + "binlog.000005, end_log_pos 519": false,
		before + "binlog.000005, end_log_pos 0":   false, // 11.4 and newer: what nobody can tell
	} {
		if got := maybeSameFailure(first, ChannelError{1062, message}); got != want {
			t.Errorf("%s: %v", message, got)
		}
	}
}

// TestPassedWhereTheFileIsNotSure: a worker names the event's file or the one before, so that before that place it was not passed.
func TestPassedWhereTheFileIsNotSure(t *testing.T) {
	t.Parallel()
	failing := Failing{Position: Position{"b.000003", 900}, EventEnd: Position{"b.000004", 518}}
	for executed, want := range map[Position]bool{{"b.000003", 900}: false, {"b.000004", 350}: false, {"b.000004", 549}: true, {"b.000005", 300}: true} {
		for _, flavor := range []server.Flavor{server.MySQL, server.MariaDB} {
			if passed, err := hasPassed(flavor, Status{Executed: executed, ApplierRunning: true}, failing); passed != want || err != nil {
				t.Errorf("%s at %s: %v, %v", flavor, executed, passed, err)
			}
		}
	}
}

// TestWorkersInOrder: of several workers that failed, the one whose transaction comes first is what the applier stands at.
func TestWorkersInOrder(t *testing.T) {
	t.Parallel()
	worker := func(number int, file string, offset uint64, timestamp string) workerError {
		return workerError{err: ChannelError{Number: number}, end: Position{file, offset}, timestamp: timestamp}
	}
	want := []workerError{worker(1032, "b.1", 100, "3"), worker(1032, "b.1", 300, "1"), worker(1062, "b.2", 50, "0"), worker(1050, "", 20, "4"), worker(1050, "", 10, "5"), worker(3030, "b.1", 5, "0")}
	got := slices.Clone(want)
	for range 50 {
		rand.Shuffle(len(got), func(i, j int) { got[i], got[j] = got[j], got[i] })
		slices.SortStableFunc(got, compareFailures)
		if !slices.Equal(got, want) {
			t.Fatalf("%+v", got)
		}
	}
}

func TestPositionBehind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ position, gtid, want string }{
		{"0-1-5,7-1-9", "7-1-10", "0-1-5,7-1-10"},
		{"0-1-5,7-1-9", "7-2-12", "0-1-5,7-2-12"},
		{"0-1-5", "3-1-1", "0-1-5,3-1-1"},
		{"", "0-1-1", "0-1-1"},
		{"0-1-5", "0-1-5", ""},
		{"0-1-5", "0-2-4", ""},
	} {
		if got, err := positionBehind(test.position, test.gtid); got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s behind %s: %q, %v", test.position, test.gtid, got, err)
		}
	}
}

// TestUnnamed: what MySQL 5.6 says where its workers have stopped names no transaction, and a second such stop may be for the same one, wherever the position is.
func TestUnnamed(t *testing.T) {
	t.Parallel()
	text := "... The slave coordinator and worker threads are stopped, possibly leaving data in inconsistent state."
	before, behind := Position{"binlog.000001", 525}, Position{"binlog.000001", 757}
	failing := Failing{Error: ChannelError{1756, text}, Position: before}
	if named := (Failing{Error: failing.Error, GTID: "d49ba6c7-e607-11f1-8fa2-0242ac110002:6"}); !failing.Unnamed() || named.Unnamed() || (Failing{Error: ChannelError{1205, text}}).Unnamed() {
		t.Error("it is told from others wrongly")
	}
	for _, test := range []struct {
		status Status
		want   bool
	}{
		{Status{Executed: before, ApplierRunning: true}, false},
		{Status{Executed: behind, ApplierRunning: true}, true},
		{Status{Executed: behind, ApplierError: failing.Error}, false},
		{Status{Executed: behind, ApplierError: ChannelError{1062, "Worker 1 failed executing transaction '' at master log , end_log_pos 900; Could not"}}, true},
	} {
		if passed, err := hasPassed(server.MySQL, test.status, failing); err != nil || passed != test.want {
			t.Errorf("%+v: %v, %v", test.status, passed, err)
		}
	}
}

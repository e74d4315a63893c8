package integration

import (
	"context"
	"errors"
	"strings"
	"testing"

	"trueup/check"
)

// sinkFunc takes in differing rows.
type sinkFunc func(check.RowDifference) error

func (f sinkFunc) Write(d check.RowDifference) error { return f(d) }

// newHalfway makes a table that is read whole (its key is a prefix), with rows wide enough that a pass over it does not fit
// into the buffers of a connection, and one more table that comes after it.
func newHalfway(t *testing.T, options Options) (*Topology, check.Request) {
	t.Helper()
	tp := NewTopology(t, options)
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.b (k VARCHAR(20) NOT NULL, v INT, pad VARCHAR(3000), PRIMARY KEY (k(8)))",
		"INSERT INTO app.b SELECT LPAD(seq, 8, '0'), seq, REPEAT('x', 2900) FROM "+tp.Numbers(6000),
		"CREATE TABLE app.z (id INT PRIMARY KEY)", "INSERT INTO app.z VALUES (1), (2)")
	tp.WaitCaughtUp(t)
	request := requestFor(tp)
	request.Workers = 1
	return tp, request
}

// onFirst does something once, between two passes over the table.
func onFirst(do func()) sinkFunc {
	done := false
	return func(check.RowDifference) error {
		if !done {
			done = true
			do()
		}
		return nil
	}
}

// killReaders ends every session on the node that has a transaction open: on a quiet server, those that hold a snapshot.
func killReaders(t *testing.T, node *Node) {
	t.Helper()
	rows := node.Query(t, "SELECT trx_mysql_thread_id FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id > 0")
	if len(rows) == 0 {
		t.Errorf("%s has no session with a snapshot", node.Name())
	}
	for _, row := range rows {
		node.Exec(t, "KILL CONNECTION "+row[0])
	}
}

// TestErrorOnOneReplicaStaysThere: a session that is lost on one replica while rows are listed costs that replica that
// table and nothing else: not the source's session, not the other replica, not the next table.
func TestErrorOnOneReplicaStaysThere(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp, request := newHalfway(t, Options{GTID: true, Replicas: 2})
		tp.Damage(t, 0, "UPDATE app.b SET v = v + 1", "DELETE FROM app.b WHERE k = '00000077'")
		tp.Damage(t, 1, "UPDATE app.b SET v = 0 LIMIT 5")
		// The missing row comes first, and is read on the source alone.
		request.Differences = onFirst(func() { killReaders(t, tp.Replica(0)) })
		result := runCheck(t, request)
		requireHalf(t, result, check.TableReplicaResult{Missing: 1, Changed: 5999}, check.TableReplicaResult{Changed: 5})
		requireReplicating(t, tp.Replicas...)
	})
}

// requireHalf expects the first table to be different as far as it was compared, and the second to be equal.
func requireHalf(t *testing.T, result *check.Result, want ...check.TableReplicaResult) {
	t.Helper()
	b, z := result.Tables[0], result.Tables[1]
	for i, on := range b.Replicas {
		if on.Verdict != check.Different || on.Missing != want[i].Missing || on.Extra != want[i].Extra || on.Changed != want[i].Changed {
			t.Errorf("replica %d: %+v, want %+v", i, on, want[i])
		}
	}
	if b.Coverage.Proven || b.ChunksUnverified != 1 || b.ChunksVerified != 0 || !strings.Contains(strings.Join(result.Warnings, "\n"), "app.b was not compared to the end") {
		t.Errorf("what was not read to the end reads as if it were: %+v, warnings %q", b, result.Warnings)
	}
	if z.Verdict != check.Equal || !z.Coverage.Proven || result.Verdict != check.Different {
		t.Errorf("the table after it: %s", describe(result))
	}
}

// TestErrorOnTheSourceStaysThere: the same on the source.
func TestErrorOnTheSourceStaysThere(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp, request := newHalfway(t, Options{GTID: true})
		tp.Damage(t, 0, "UPDATE app.b SET v = v + 1", "INSERT INTO app.b VALUES ('more', 1, '')")
		// The extra row comes first, and is read on the replica alone.
		request.Differences = onFirst(func() { killReaders(t, tp.Source) })
		requireHalf(t, runCheck(t, request), check.TableReplicaResult{Extra: 1, Changed: 6000})
		requireReplicating(t, tp.Replicas...)
	})
}

// TestInterruptedListingKeepsWhatWasProven: rows that were found to differ are counted though the check ends while they are
// listed, and the rest of the table is not called compared.
func TestInterruptedListingKeepsWhatWasProven(t *testing.T) {
	t.Parallel()
	tp, request := newHalfway(t, Options{})
	tp.Damage(t, 0, "UPDATE app.b SET v = v + 1")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request.Differences = onFirst(cancel)
	result, err := check.Run(ctx, request, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, z := result.Tables[0], result.Tables[1]
	if !result.Interrupted || result.Verdict != check.Different || b.Replicas[0].Changed != 6000 || len(result.DifferentRanges) != 1 || b.Coverage.Proven || !result.DifferencesTruncated {
		t.Errorf("%s\n%+v", describe(result), b)
	}
	if z.Verdict != check.Unverified || z.ReasonCode != check.ReasonInterrupted {
		t.Errorf("the table that was not reached: %+v", z)
	}
	requireReplicating(t, tp.Replicas...)
}

// TestValuesThatReadAlike: values of ENUM and SET that are one text and two numbers, as values and in keys, and columns
// that are named like the expressions that tell them apart.
func TestValuesThatReadAlike(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { readAlike(t) })
}

func readAlike(t *testing.T) {
	tp := NewTopology(t, Options{})
	tp.Source.Exec(t, "SET sql_mode = ''", "CREATE DATABASE app",
		"CREATE TABLE app.enumkey (id INT, e ENUM('','a') NOT NULL, v INT, PRIMARY KEY (id, e))", "INSERT IGNORE INTO app.enumkey VALUES (1, 'none', 1), (1, '', 1), (2, 'a', 1)",
		"CREATE TABLE app.setkey (id INT, e SET('','a') NOT NULL, v INT, PRIMARY KEY (id, e))", "INSERT INTO app.setkey VALUES (1, 0, 1), (1, 1, 1), (2, 2, 1)",
		"CREATE TABLE app.named (e ENUM('','a') NOT NULL, `e+0` INT PRIMARY KEY)", "INSERT INTO app.named VALUES (1, 1), (1, 2)",
		"CREATE TABLE app.whole (e ENUM('','a') NOT NULL, `e+0` VARCHAR(30), v INT, UNIQUE KEY (`e+0`(3)))", "INSERT INTO app.whole VALUES (1, 'aaa', 1), (1, 'bbb', 2)",
		"CREATE TABLE app.twice (id INT PRIMARY KEY, e ENUM('a','a','b') NOT NULL)", "INSERT INTO app.twice VALUES (1, 1), (2, 1)")
	tp.WaitCaughtUp(t)
	tp.Damage(t, 0, "SET sql_mode = ''", "UPDATE app.enumkey SET v = 2 WHERE id = 2", "UPDATE app.setkey SET v = 2 WHERE id = 2", "UPDATE IGNORE app.named SET e = 0 WHERE `e+0` = 2",
		"UPDATE app.whole SET e = 0 WHERE v = 2", "UPDATE app.twice SET e = 2 WHERE id = 2")
	var got []string
	result := runCheck(t, requestFor(tp))
	for _, d := range result.Differences {
		got = append(got, strings.Join(strings.Fields(differenceText(d)), " "))
	}
	want := "changed app.enumkey id=2,e=a v:1>2\nchanged app.named e+0=2 e+0:1>0\nchanged app.setkey id=2,e=a v:1>2\nchanged app.twice id=2 e+0:1>2\nextra app.whole\nmissing app.whole"
	lines := strings.Split(want, "\n")
	for _, line := range lines {
		if !strings.Contains(strings.Join(got, "\n")+"\n", line+"\n") {
			t.Errorf("not listed: %s", line)
		}
	}
	if len(got) != len(lines) {
		t.Errorf("listed: %s", strings.Join(got, "\n"))
	}
}

// TestFailedSinkLeavesNothingEqual: a run that ends because its differences cannot be written down says nothing about the
// replica that it had not come to.
func TestFailedSinkLeavesNothingEqual(t *testing.T) {
	t.Parallel()
	tp, request := newHalfway(t, Options{Replicas: 2})
	tp.Damage(t, 0, "UPDATE app.b SET v = v + 1 LIMIT 3")
	tp.Damage(t, 1, "UPDATE app.b SET v = v + 1 LIMIT 3")
	full := errors.New("no space left")
	request.Differences = sinkFunc(func(check.RowDifference) error { return full })
	result, err := check.Run(t.Context(), request, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := result.Tables[0]
	if !errors.Is(result.Err, full) || b.Replicas[0].Verdict != check.Different || b.Coverage.Proven {
		t.Errorf("%v: %+v", result.Err, b)
	}
	if on := b.Replicas[1]; on.Verdict != check.Unverified || on.ReasonCode != check.ReasonNotReached {
		t.Errorf("the replica that was not compared: %+v", on)
	}
	requireReplicating(t, tp.Replicas...)
}

package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trueup/check"
	"trueup/recovery"
	"trueup/repair"
	"trueup/replication"
	"trueup/schema"
)

func namedRow(pairs ...string) (row []check.NamedValue) {
	for i := 0; i < len(pairs); i += 2 {
		row = append(row, check.NamedValue{Name: pairs[i], Value: textValue(pairs[i+1])})
	}
	return row
}

// missingRow is a replica on which one row of a transaction of three is not there.
func missingRow() *recovery.Diagnosis {
	orders := func(id, before, after string, there bool, problem string) recovery.RowState {
		r := recovery.RowState{Database: "shop", Table: "orders", Kind: "update", Key: key("id", id), Before: namedRow("id", id, "note", before, "state", "open"),
			After: namedRow("id", id, "note", after, "state", "open"), Source: namedRow("id", id, "note", after, "state", "open"), Problem: problem}
		if there {
			r.Replica = namedRow("id", id, "note", before, "state", "open")
		}
		return r
	}
	return &recovery.Diagnosis{
		At: began, Source: serverInfo(source, 1), Replica: serverInfo(replica1, 2), Part: recovery.Applier, Class: recovery.ClassMissing,
		Error: replication.ChannelError{Number: 1032, Message: "Could not execute Update_rows_v1 event on table shop.orders; Can't find record in 'orders', Error_code: 1032"},
		Status: replication.Status{SourceHost: "127.0.0.1", SourcePort: 3306, ReceiverState: replication.Running,
			Executed: replication.Position{File: "bin.000007", Offset: 4711}, ExecutedGTID: "0-1-42"},
		Why: []string{"row id=5 of shop.orders is missing on the replica"},
		Transaction: &recovery.Transaction{GTID: "0-1-43", From: "source", File: "bin.000007", Start: 4711, End: 5234, At: began.Add(-time.Minute), Bytes: 523, Rows: 3, Format: "row",
			Statements: []recovery.Statement{{Database: "shop", Text: "UPDATE orders SET note = CONCAT(note, '!') WHERE id BETWEEN 4 AND 6", Annotation: true}}, Tables: []schema.Name{{Database: "shop", Table: "orders"}}},
		Rows:   []recovery.RowState{orders("4", "four", "four!", true, ""), orders("5", "five", "five!", false, "there is no such row on the replica"), orders("6", "six", "six!", true, "")},
		Errant: "0-2-40", DirectWrites: []recovery.DirectWrite{{GTID: "0-2-40", File: "replica.000001", Offset: 900, At: began.Add(-time.Hour), ServerID: 2,
			Statements: []string{"DELETE FROM shop.orders WHERE id = 5"}, Rows: []string{"delete shop.orders id=5"}}},
		Hiding: []string{"slave_exec_mode=IDEMPOTENT: rows that are missing are passed over without an error"},
		Options: []recovery.Option{
			{Action: recovery.Fix, Recommended: true, Does: []string{"puts row id=5 of shop.orders back as it was before the transaction, then starts the applier, so that the whole transaction applies"},
				Statements: []string{"INSERT INTO `shop`.`orders` (`id`, `note`, `state`) VALUES (5, 'five', 'open')"}},
			{Action: recovery.Retry, FailsAgain: true, Does: []string{"starts the applier with nothing changed"}},
			{Action: recovery.Skip, Does: []string{"passes over the whole transaction (sql_slave_skip_counter = 1), starts the applier, and repairs what is lost"},
				Loses: []string{"3 row changes until they are repaired from the source, 2 of them of rows with which nothing is wrong"},
				Lost:  []string{"update shop.orders id=4", "update shop.orders id=5", "update shop.orders id=6"}, Whole: []schema.Name{{Database: "shop", Table: "items"}}},
			{Action: recovery.Rebuild, Does: []string{"takes a new copy of the source"}},
		},
	}
}

// takenValue is a replica on which another row has the unique value of a row that comes, and on which a parent is not there.
func takenValue() *recovery.Diagnosis {
	d := missingRow()
	d.Class, d.Error = recovery.ClassDuplicate, replication.ChannelError{Number: 1062, Message: "Duplicate entry 'x' for key 'code'"}
	d.Why = []string{"row id=8 of shop.items holds a value of the unique key code on the replica that the transaction writes", "row id=1 of shop.shops, the parent of a row of shop.items (foreign key shop), is missing on the replica"}
	d.Transaction.Rows, d.Transaction.Statements, d.DirectWrites, d.Errant, d.Hiding, d.Options = 1, nil, nil, "", nil, nil
	row := namedRow("id", "7", "code", "x", "shop", "1")
	d.Rows = []recovery.RowState{{Database: "shop", Table: "items", Kind: "insert", Key: key("id", "7"), After: row, Source: row}}
	d.InTheWay = []recovery.RowState{
		{Database: "shop", Table: "items", Key: key("id", "8"), Replica: namedRow("id", "8", "code", "x", "shop", "1"), Problem: d.Why[0]},
		{Database: "shop", Table: "shops", Key: key("id", "1"), Source: namedRow("id", "1", "name", "first"), Problem: d.Why[1]},
	}
	wide := recovery.RowState{Database: "shop", Table: "items", Key: key("id", "9"), Unknown: "the source was not reached", Replica: namedRow("id", "9")}
	for n := range 15 {
		wide.Replica = append(wide.Replica, namedRow(fmt.Sprintf("c%d", n), "1")...)
	}
	d.InTheWay = append(d.InTheWay, wide, recovery.RowState{Database: "shop", Table: "shops", Key: key("id", "2"), Problem: "row id=2 of shop.shops is missing on the replica"})
	return d
}

// purgedLog is a receiver that cannot go on.
func purgedLog() *recovery.Diagnosis {
	return &recovery.Diagnosis{
		At: began, Replica: serverInfo(replica1, 2), Part: recovery.Receiver, Class: recovery.ClassReceiver,
		Error:  replication.ChannelError{Number: 1236, Message: "Got fatal error 1236 from master when reading data from binary log: 'Could not find first log file name in binary log index file'"},
		Status: replication.Status{Channel: "west", ApplierRunning: true, Executed: replication.Position{File: "bin.000003", Offset: 4}},
		Why:    []string{"the source cannot send the log from where the replica is: it has purged it, or it was reset, or the replica is ahead of it"},
		Advice: []string{"Never skip here: what the purged log held would be lost without a trace.", "Else rebuild the replica from a backup of the source."},
		Options: []recovery.Option{{Action: recovery.Rebuild, Recommended: true, Does: []string{"a new copy of the source, made with mariadb-backup or a dump"},
			Loses: []string{"everything that is on the replica only"}}},
		NotRead: "the source has purged its log",
	}
}

func recoveredOnce(attempts ...recovery.Attempt) *recovery.Result {
	r := &recovery.Result{RunID: "20260102T030405Z-ABCDEF", StartedAt: began, FinishedAt: began.Add(1234 * time.Millisecond), Attempts: attempts, Outcome: attempts[len(attempts)-1].Outcome}
	return r
}

func fixedAttempt() recovery.Attempt {
	at := replication.Position{File: "bin.000007", Offset: 4711}
	return recovery.Attempt{Diagnosis: missingRow(), Action: recovery.Fix, Outcome: recovery.Proven, Before: at, BeforeGTID: "0-1-42",
		After: replication.Position{File: "bin.000007", Offset: 5234}, AfterGTID: "0-1-43", Undo: 1,
		Steps: []recovery.Step{
			{At: began.Add(time.Second), What: "put row id=5 of shop.orders back", SQL: "INSERT INTO `shop`.`orders` (`id`, `note`, `state`) VALUES (5, 'five', 'open')", Result: "1 row"},
			{At: began.Add(2 * time.Second), What: "start the applier", SQL: "START SLAVE SQL_THREAD", Result: "it passed bin.000007:5234"}},
		Proof: &repair.Result{Check: verifiedRun(), Via: repair.ViaReplica}}
}

func skippedAttempt() recovery.Attempt {
	a := fixedAttempt()
	a.Action, a.Undo = recovery.Skip, 0
	a.Steps = []recovery.Step{{At: began.Add(time.Second), What: "skip exactly one transaction", SQL: "SET GLOBAL sql_slave_skip_counter = 1", Result: "done"}}
	a.Proof = appliedRepair()
	return a
}

// hostileDiagnosis is one whose every text wants to drive the terminal.
func hostileDiagnosis() *recovery.Diagnosis {
	d := missingRow()
	evil := "\x1b[2J\u009b2J\u202e\nsecond\x07"
	d.Replica.Address, d.Status.Channel, d.Error.Message, d.Why[0], d.Errant, d.Hiding[0], d.NotRead = "h"+evil, evil, evil, evil, evil, evil, evil
	d.Transaction.GTID, d.Transaction.File, d.Transaction.Format, d.Transaction.XA, d.Transaction.From = evil, evil, evil, evil, evil
	d.Transaction.Statements[0] = recovery.Statement{Database: evil, Text: evil}
	d.Transaction.Tables[0] = schema.Name{Database: evil, Table: evil}
	d.DirectWrites[0] = recovery.DirectWrite{GTID: evil, File: evil, Statements: []string{evil}, Rows: []string{evil}}
	for i := range d.Options {
		o := &d.Options[i]
		o.Does, o.Loses, o.Statements, o.Lost, o.Whole = []string{evil}, []string{evil}, []string{evil}, []string{evil}, []schema.Name{{Database: evil, Table: evil}}
	}
	row := &d.Rows[1]
	row.Database, row.Table, row.Kind, row.Problem, row.Unknown = evil, evil, evil, evil, evil
	row.Key, row.Before, row.After, row.Source, row.Replica = namedRow(evil, evil), namedRow(evil, evil), namedRow(evil, "x"), namedRow(evil, evil), namedRow(evil, evil)
	d.InTheWay = []recovery.RowState{{Database: evil, Table: evil, Key: namedRow(evil, evil), Source: namedRow(evil, evil), Replica: namedRow(evil, "x"), Problem: evil, Unknown: evil}}
	return d
}

type recoveryScenario struct {
	result     *recovery.Result
	facts      RecoveryFacts
	code       int
	conditions []string
}

// recoveries are the scenarios of reports.
func recoveries() map[string]recoveryScenario {
	journal := RecoveryFacts{Journal: "/state/journal/20260102T030405Z-ABCDEF.jsonl", AuditFile: "recovery.jsonl"}
	explained := recovery.Attempt{Diagnosis: missingRow(), Action: recovery.Plan, Outcome: recovery.Explained}
	second := missingRow()
	second.Why, second.Rows, second.DirectWrites, second.Errant, second.Hiding = []string{"row id=9 of shop.orders is missing on the replica"}, nil, nil, "", nil
	passed := fixedAttempt()
	passed.Outcome, passed.Proof = recovery.Unproven, nil
	failed := fixedAttempt()
	failed.Outcome, failed.Proof, failed.Undo, failed.Err = recovery.Failed, nil, 0, errors.New("the replica stands at another error now")
	failed.Steps = failed.Steps[:1]
	canceled := failed
	canceled.Err = context.Canceled
	standing := missingRow()
	standing.Part, standing.Error, standing.Class, standing.Why, standing.Transaction, standing.Rows, standing.Options, standing.DirectWrites, standing.Errant =
		"", replication.ChannelError{}, recovery.ClassNone, nil, nil, nil, nil, nil, ""
	running := *standing
	running.Status.ApplierRunning, running.Hiding = true, nil
	deaf := running
	deaf.Status.ReceiverState = replication.Stopped
	unreached := fixedAttempt()
	unreached.Outcome, unreached.Proof = recovery.Failed, &repair.Result{Check: &check.Result{Verdict: check.Failed, Err: errors.New("cannot connect to u@tcp(127.0.0.1:3306): connection refused")}, Via: repair.ViaReplica}
	unequal := fixedAttempt()
	unequal.Action, unequal.Outcome, unequal.Undo, unequal.Proof = recovery.Retry, recovery.Differs, 0, &repair.Result{Check: differentRun(), Via: repair.ViaReplica}
	unoffered := journal
	unoffered.Unoffered = "fix"
	hostile := fixedAttempt()
	hostile.Diagnosis, hostile.Steps[0] = hostileDiagnosis(), recovery.Step{What: "\x1b[2J", SQL: "\x1b[2J\n", Result: "\u202e"}
	hostile.Err, hostile.Outcome = errors.New("\x1b[2J"), recovery.Failed
	return map[string]recoveryScenario{
		"explained": {recoveredOnce(explained), RecoveryFacts{}, Different, []string{ConditionStopped}},
		"intheway":  {recoveredOnce(recovery.Attempt{Diagnosis: takenValue(), Action: recovery.Plan, Outcome: recovery.Explained}), RecoveryFacts{}, Different, []string{ConditionStopped}},
		"receiver":  {recoveredOnce(recovery.Attempt{Diagnosis: purgedLog(), Outcome: recovery.Explained}), RecoveryFacts{}, Different, []string{ConditionStopped}},
		"fixed":     {recoveredOnce(fixedAttempt()), journal, OK, []string{ConditionEqual}},
		"skipped":   {recoveredOnce(skippedAttempt()), journal, OK, []string{ConditionEqual}},
		"next":      {recoveredOnce(fixedAttempt(), recovery.Attempt{Diagnosis: second, Outcome: recovery.Explained}), journal, Different, []string{ConditionStopped}},
		"second":    {recoveredOnce(passed, recovery.Attempt{Diagnosis: second, Outcome: recovery.Explained}), journal, Different, []string{ConditionStopped, ConditionUnverified}},
		"failed": {func() *recovery.Result {
			r := recoveredOnce(failed)
			r.Err, r.Continued, r.Warnings = failed.Err, "20260101T030405Z-ABCDEF", []string{"the replica is semi-synchronous: the source waits for it while its receiver stands"}
			return r
		}(), journal, Failed, []string{ConditionFailed}},
		"interrupted": {func() *recovery.Result {
			r := recoveredOnce(canceled)
			r.Err = context.Canceled
			return r
		}(), journal, Interrupted, []string{ConditionInterrupted, ConditionUnverified}},
		"running":   {recoveredOnce(recovery.Attempt{Diagnosis: &running, Outcome: recovery.NothingToDo}), RecoveryFacts{}, OK, []string{ConditionReplicating}},
		"deaf":      {recoveredOnce(recovery.Attempt{Diagnosis: &deaf, Outcome: recovery.Explained}), RecoveryFacts{}, Different, []string{ConditionStopped}},
		"unreached": {recoveredOnce(unreached), journal, Failed, []string{ConditionFailed}},
		"unequal":   {recoveredOnce(unequal), journal, Different, []string{ConditionDifferent}},
		"unoffered": {recoveredOnce(recovery.Attempt{Diagnosis: missingRow(), Outcome: recovery.Declined}), unoffered, Different, []string{ConditionStopped}},
		"standing":  {recoveredOnce(recovery.Attempt{Diagnosis: standing, Outcome: recovery.NothingToDo}), RecoveryFacts{}, Different, []string{ConditionStopped}},
		"hostile": {func() *recovery.Result {
			r := recoveredOnce(hostile)
			r.Err = hostile.Err
			return r
		}(), RecoveryFacts{Journal: "\x1b[2J", AuditFile: "\u202e", Warnings: []string{"\x1b[31m"}}, Failed, []string{ConditionFailed}},
	}
}

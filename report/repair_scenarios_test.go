package report

import (
	"context"
	"errors"
	"time"

	"trueup/check"
	"trueup/repair"
	"trueup/replication"
	"trueup/schema"
)

// plannedRepair is a plan for the second of two replicas, where a check has found every kind of difference.
func plannedRepair() *repair.Result {
	checked := differentRun()
	at := replication.Position{File: "bin.000007", Offset: 4711}
	orders := repair.TableResult{Database: "shop", Table: "orders", Planned: repair.Counts{Missing: 5, Extra: 1, Changed: 2},
		Done: repair.Counts{Missing: 5, Extra: 1, Changed: 2}, Groups: 2, Conflicts: 1, Notes: []string{"the foreign key fk_customer is looked at after each row"}}
	customers := repair.TableResult{Database: "shop", Table: "customers",
		Refused: []repair.Refusal{{Code: repair.RefusedSchema, Reason: "columns email, old differ; make the definitions equal, then repair again"}}}
	return &repair.Result{Check: checked, Via: repair.ViaReplica, FinishedAt: checked.FinishedAt.Add(time.Second),
		Replicas: []repair.ReplicaResult{{ServerInfo: serverInfo(replica2, 3), Tables: []repair.TableResult{customers, orders}, Statements: 9, Notes: []string{"10,001 rows differ, more than the 10000 that may be changed (--max-rows); --apply would refuse it"},
			Before: at, After: at, BeforeGTID: "0-1-42", AfterGTID: "0-1-42"}}}
}

// verifiedRun is the check after a repair.
func verifiedRun() *check.Result {
	verified := base(replica2)
	verified.Tables = []check.TableResult{equalTable("shop", "orders", 731_400, replica2)}
	return verified
}

// appliedRepair is a repair after which all is equal.
func appliedRepair() *repair.Result {
	r := plannedRepair()
	r.Check.SchemaDifferences = nil
	r.Applied, r.Verified = true, verifiedRun()
	replica := &r.Replicas[0]
	replica.Tables = replica.Tables[1:]
	replica.After, replica.AfterGTID = replication.Position{File: "bin.000007", Offset: 9000}, "0-1-50"
	replica.Pauses, replica.Paused, replica.Undo = 2, 34_567*time.Microsecond, 2
	return r
}

// refusedRepair has changed a part: of two replicas one is refused as a whole, of the other a table is created and rows are left.
func refusedRepair() *repair.Result {
	r := appliedRepair()
	r.Warnings = []string{"127.0.0.1:3308 has semi-synchronous replication, and its receiver stood for a moment"}
	r.Check.SchemaDifferences = []check.SchemaDifference{{Replica: replica2, Difference: schema.Difference{Database: "shop", Table: "new", Object: "table", What: "missing", SourceValue: "table"}}}
	orders := &r.Replicas[0].Tables[0]
	orders.Done = repair.Counts{Missing: 3}
	orders.Refused = []repair.Refusal{{Code: repair.RefusedTriggers, Reason: "trigger shop.audit_orders would fire on UPDATE", Rows: 3}, {Code: repair.RefusedForeignKey, Rows: 2}}
	r.Replicas[0].Tables = append(r.Replicas[0].Tables, repair.TableResult{Database: "shop", Table: "new", Planned: repair.Counts{Missing: 2}, Done: repair.Counts{Missing: 2},
		Groups: 1, DDL: "CREATE TABLE `shop`.`new` (\n  `id` int NOT NULL\n)"})
	r.Replicas = append([]repair.ReplicaResult{{ServerInfo: serverInfo(replica1, 2),
		Refused: []repair.Refusal{{Code: repair.RefusedReadOnly, Reason: "super_read_only is on; set it to 0 for the time of the repair"}}}}, r.Replicas...)
	r.Verified.Verdict, r.Verified.Tables[0].Verdict, r.Verified.Tables[0].ChunksDifferent = check.Different, check.Different, 1
	r.Verified.Tables[0].Replicas[0] = check.TableReplicaResult{Address: replica2, Verdict: check.Different, Rows: 731_400, Extra: 1, Changed: 2, Missing: 2}
	return r
}

func changeRepair(r *repair.Result, change func(*repair.Result)) *repair.Result {
	change(r)
	return r
}

// repairs are the scenarios, with what their reports say beside the result.
func repairs() map[string]struct {
	result     *repair.Result
	facts      RepairFacts
	code       int
	conditions []string
} {
	undo := RepairFacts{Journal: "/state/journal/20260102-030405-7f3a.jsonl"}
	undoFile := RepairFacts{Journal: undo.Journal, FromRunID: "20260101-000000-aaaa", UndoFiles: []string{"it's undone.sql"}}
	return map[string]struct {
		result     *repair.Result
		facts      RepairFacts
		code       int
		conditions []string
	}{
		"plan":    {plannedRepair(), RepairFacts{}, Different, []string{ConditionDifferent}},
		"applied": {appliedRepair(), undoFile, OK, []string{ConditionEqual}},
		"refused": {refusedRepair(), undo, Different, []string{ConditionDifferent}},
		"declined": {changeRepair(plannedRepair(), func(r *repair.Result) { r.Declined, r.Via = true, repair.ViaSource }), RepairFacts{},
			Different, []string{ConditionDifferent}},
		"all-refused": {changeRepair(plannedRepair(), func(r *repair.Result) {
			r.Replicas[0].Statements, r.Replicas[0].Refused = 0, []repair.Refusal{{Code: repair.RefusedDownstream, Reason: "127.0.0.1:3309 replicates from it", Rows: 8}}
			r.Replicas[0].Tables[1].Done, r.Replicas[0].Tables[1].Groups, r.Replicas[0].Tables[1].Conflicts = repair.Counts{}, 0, 0
		}), RepairFacts{}, Different, []string{ConditionDifferent}},
		"dropped": {changeRepair(appliedRepair(), func(r *repair.Result) {
			r.Replicas[0] = repair.ReplicaResult{ServerInfo: serverInfo(replica2, 3), Notes: []string{"shop.old: it was dropped: the source does not have it, and it held no row"},
				Tables: []repair.TableResult{{Database: "shop", Table: "older", Notes: []string{"it was dropped too"}}}}
			r.Verified = &check.Result{Verdict: check.Unverified, Replicas: []check.ReplicaResult{{ServerInfo: serverInfo(replica2, 3), Verdict: check.Unverified, ReasonCode: check.ReasonNothing}}}
		}), RepairFacts{}, OK, []string{ConditionEqual}},
		"equal": {&repair.Result{Check: equalRun(), Applied: true, Via: repair.ViaReplica}, RepairFacts{}, OK, []string{ConditionEqual}},
		"halfway": {changeRepair(appliedRepair(), func(r *repair.Result) {
			r.Verified, r.Err = nil, errors.New("127.0.0.1:3308: the connection was lost; run the repair again")
			r.Replicas[0].Tables[0].Done, r.Replicas[0].Undo = repair.Counts{Missing: 4}, 1
		}), undo, Different, []string{ConditionDifferent, ConditionFailed}},
		"interrupted": {changeRepair(appliedRepair(), func(r *repair.Result) { r.Verified, r.Err = nil, context.Canceled }), undo,
			Interrupted, []string{ConditionInterrupted, ConditionDifferent, ConditionUnverified}},
		"at-the-question": {changeRepair(plannedRepair(), func(r *repair.Result) {
			r.Err, r.Replicas[0].Statements, r.Replicas[0].Tables[1].Done = context.Canceled, 0, repair.Counts{}
		}), RepairFacts{}, Interrupted, []string{ConditionInterrupted, ConditionDifferent, ConditionUnverified}},
		"failed": {&repair.Result{Check: failedRun(), Via: repair.ViaReplica}, RepairFacts{}, Failed, []string{ConditionFailed}},
		"weird": {changeRepair(plannedRepair(), func(r *repair.Result) {
			r.Replicas[0].Tables[1].Table, r.Replicas[0].Tables[1].DDL = "evil\x1b[2J\n\u202e", "CREATE TABLE `evil\x1b[2J`"
			r.Replicas[0].Tables[1].Notes, r.Replicas[0].Tables[0].Refused[0].Reason = []string{"\x1b[31m"}, "first\nsecond\x07"
			r.Replicas[0].Address = "h\x1b:1"
		}), RepairFacts{}, Different, []string{ConditionDifferent}},
	}
}

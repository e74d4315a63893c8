package integration

import (
	"slices"
	"strings"
	"testing"

	"trueup/recovery"
	"trueup/server"
)

// TestRecoverNamesTriggers: of a transaction that a trigger on the replica refuses, the triggers of its tables that the source does not have, or has otherwise,
// are named, and those of other tables are not; a skip is not offered; once the trigger is gone, a retry ends equal.
func TestRecoverNamesTriggers(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{})
		tp.Source.Exec(t, "CREATE DATABASE sig")
		for _, table := range []string{"sig.t", "sig.u", "sig.other"} {
			tp.Source.Exec(t, "CREATE TABLE "+table+" (id INT PRIMARY KEY, v INT)", "INSERT INTO "+table+" VALUES (1,1)")
		}
		tp.Source.Exec(t, "CREATE TRIGGER sig.altered BEFORE INSERT ON sig.u FOR EACH ROW SET @a = 1")
		blind := tp.Source.CreateUser(t, "blind", strings.Join(recoverGrantsOf(on).source, ", ")+" ON *.*")
		tp.WaitCaughtUp(t)
		refuses := " FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not on this server'"
		tp.Damage(t, 0, "CREATE TRIGGER sig.guard BEFORE INSERT ON sig.t"+refuses, "DROP TRIGGER sig.altered", "CREATE TRIGGER sig.altered BEFORE INSERT ON sig.u"+refuses,
			"CREATE TRIGGER sig.elsewhere BEFORE INSERT ON sig.other"+refuses)
		format := []string{"SET SESSION binlog_format=STATEMENT", "SET SESSION binlog_format=DEFAULT"}
		for _, test := range []struct{ write, why, advice, mend string }{
			{"INSERT INTO sig.t VALUES (7,7)", "the trigger guard of sig.t (BEFORE INSERT) is on the replica and, as things are now, not on the source", "DROP TRIGGER `sig`.`guard`", "DROP TRIGGER sig.guard"},
			{"INSERT INTO sig.u VALUES (7,7)", "the trigger altered of sig.u (BEFORE INSERT) is another one on the replica than on the source", "SHOW CREATE TRIGGER `sig`.`altered`", "DROP TRIGGER sig.altered"},
		} {
			result := provokeRecovery(t, tp, recovery.Plan, 1644, format[0], test.write, format[1])
			requireSignal(t, result, test.why, test.advice)
			requireNotKnown(t, tp, blind)
			if err := tp.Replica(0).damage(t.Context(), test.mend); err != nil {
				t.Fatal(err)
			}
			requireRetried(t, tp)
		}
		// The same trigger on both servers, which reads what differs.
		tp.Source.Exec(t, "CREATE TABLE sig.allowed (id INT PRIMARY KEY)", "INSERT INTO sig.allowed VALUES (2)",
			"CREATE TRIGGER sig.both BEFORE DELETE ON sig.t FOR EACH ROW IF NOT EXISTS (SELECT 1 FROM sig.allowed WHERE id = 2) THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not allowed'; END IF")
		tp.Damage(t, 0, "DELETE FROM sig.allowed")
		result := provokeRecovery(t, tp, recovery.Plan, 1644, format[0], "DELETE FROM sig.t WHERE id = 7", format[1])
		requireSignal(t, result, "the trigger both of sig.t (BEFORE DELETE) may have raised it: it is the same on both servers", "--action retry")
		if err := tp.Replica(0).damage(t.Context(), "INSERT INTO sig.allowed VALUES (2)"); err != nil {
			t.Fatal(err)
		}
		requireRetried(t, tp)
		if on.Flavor != server.MariaDB {
			return // no trigger fires for row changes
		}
		replica := tp.Replica(0)
		replica.StopReplica(t, "SQL_THREAD")
		replica.Exec(t, "SET GLOBAL slave_run_triggers_for_rbr = YES")
		replica.StartReplica(t, "SQL_THREAD")
		result = provokeRecovery(t, tp, recovery.Plan, 1644, "INSERT INTO sig.other VALUES (7,7)")
		requireSignal(t, result, "the trigger elsewhere of sig.other (BEFORE INSERT) is on the replica and, as things are now, not on the source", "slave_run_triggers_for_rbr=YES")
		replica.Exec(t, "SET GLOBAL slave_run_triggers_for_rbr = NO")
		requireRetried(t, tp)
	})
}

func requireSignal(t *testing.T, result *recovery.Result, why, advice string) {
	t.Helper()
	d := result.Attempts[0].Diagnosis
	advised := slices.ContainsFunc(d.Advice, func(s string) bool { return strings.Contains(s, advice) })
	if d.Class != recovery.ClassSignal || d.Option(recovery.Skip) != nil || d.Option(recovery.Retry) == nil || len(d.Why) != 2 || !strings.HasPrefix(d.Why[1], why) || !advised {
		t.Errorf("class %s, why %q, advice %q: %s", d.Class, d.Why, d.Advice, describeRecovery(result))
	}
}

// requireNotKnown: who does not see the source's triggers does not take them for missing there.
func requireNotKnown(t *testing.T, tp *Topology, blind server.Endpoint) {
	t.Helper()
	run := NewRecoverRun(t, tp, recovery.Plan)
	run.Request.Check.Source = blind
	d := run.Run(t).Attempts[0].Diagnosis
	if len(d.Why) != 2 || !strings.Contains(d.Why[1], "whether the source has it is not known") {
		t.Errorf("an account without the privilege TRIGGER: %q", d.Why)
	}
}

func requireRetried(t *testing.T, tp *Topology) {
	t.Helper()
	run := NewRecoverRun(t, tp, recovery.Retry)
	requireProvenEqual(t, tp, run.Run(t), "sig.t", "sig.u", "sig.other")
}

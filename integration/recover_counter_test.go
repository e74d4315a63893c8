package integration

import (
	"errors"
	"testing"

	"trueup/recovery"
	repl "trueup/replication"
)

// TestRecoverKeepsOffSomebodysCounter: where a skip counter is set already, starting the applier would not execute the transaction that a fix
// has made way for, or that is to be tried again. Nothing is done then.
func TestRecoverKeepsOffSomebodysCounter(t *testing.T) {
	t.Parallel()
	for _, action := range []recovery.Action{recovery.Fix, recovery.Skip} {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			tp := NewTopology(t, Options{})
			tp.Source.Exec(t, "CREATE DATABASE hr", "CREATE TABLE hr.t (id INT PRIMARY KEY, v INT)", "INSERT INTO hr.t VALUES (1,1),(2,2)")
			tp.WaitCaughtUp(t)
			tp.Damage(t, 0, "INSERT INTO hr.t VALUES (7,70)")
			tp.Source.Exec(t, "BEGIN", "UPDATE hr.t SET v = 9 WHERE id = 1", "INSERT INTO hr.t VALUES (7,7)", "COMMIT")
			tp.AwaitStopped(t, 0, 1062)
			name := "sql_slave_skip_counter"
			if row := tp.Replica(0).Row; row.IsMySQL(8, 0, 26) {
				name = "sql_replica_skip_counter"
			}
			tp.Replica(0).Exec(t, "SET GLOBAL "+name+" = 1")
			result := NewRecoverRun(t, tp, action).Run(t)
			last := result.Attempts[len(result.Attempts)-1]
			if result.Outcome != recovery.Failed || !errors.Is(last.Err, repl.ErrCounterSet) && !errors.Is(last.Err, repl.ErrCannotSkip) {
				t.Error(describeRecovery(result))
			}
			if rows := tp.Replica(0).Value(t, "SELECT GROUP_CONCAT(id, '=', v ORDER BY id) FROM hr.t"); rows != "1=1,2=2,7=70" {
				t.Errorf("the replica's rows are %s", rows)
			}
			if status := tp.Replica(0).Status(t); status["Last_SQL_Errno"] != "1062" || tp.Replica(0).Value(t, "SELECT @@GLOBAL."+name) != "1" {
				t.Errorf("the applier does not stand as it was: %v", status)
			}
			tp.Replica(0).Exec(t, "SET GLOBAL "+name+" = 0")
			requireProvenEqual(t, tp, NewRecoverRun(t, tp, action).Run(t), "hr.t")
		})
	}
}

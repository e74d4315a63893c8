package integration

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/check"
	"trueup/repair"
	"trueup/server"
)

// TestRepairOfGeneratedInvisibleKeys: where a server hides the primary keys that it generates, rows are repaired with their key's value: else
// the replica would number them by itself, and stop at the source's next row.
func TestRepairOfGeneratedInvisibleKeys(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		args := []string{"--sql-generate-invisible-primary-key=ON", "--show-gipk-in-create-table-and-information-schema=OFF"}
		tp := NewTopology(t, Options{GTID: true, SourceArgs: args, ReplicaArgs: args})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.bare (a INT, b VARCHAR(9))", "INSERT INTO app.bare VALUES (1,'x'),(1,'x'),(3,'z'),(2,'y')")
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "DELETE FROM app.bare WHERE a = 3")
		result := NewRepairRun(t, requestFor(tp), true).Run(t)
		tp.Source.Exec(t, "INSERT INTO app.bare VALUES (10, 'q')")
		tp.WaitCaughtUp(t)
		const rows = "SELECT my_row_id, a, b FROM app.bare ORDER BY my_row_id"
		if a, b := tp.Source.Query(t, rows), tp.Replica(0).Query(t, rows); !slices.EqualFunc(a, b, slices.Equal[[]string]) {
			t.Errorf("the source has %v, the replica %v: %s", a, b, DescribeRepair(result))
		}
		requireReplicating(t, tp.Replicas...)
	}, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8, Minor: 0, Patch: 30}})
}

// TestRepairRefusesParentsOfHiddenTables: rows to which rows of tables refer that the account does not see are not taken away, whether it may
// ask the storage engine for those foreign keys or not; with a sight of the table, or of its database, the rest is repaired.
func TestRepairRefusesParentsOfHiddenTables(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE DATABASE `o-ä`", "CREATE TABLE app.`p 1` (id INT PRIMARY KEY)", "INSERT INTO app.`p 1` SELECT seq FROM "+tp.Numbers(30),
			"CREATE TABLE `o-ä`.`chi/ld` (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES app.`p 1` (id) ON DELETE CASCADE)")
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "INSERT INTO app.`p 1` VALUES (99)", "INSERT INTO `o-ä`.`chi/ld` VALUES (1, 99)")
		request := requestFor(tp)
		request.Filters.Databases = []string{"app"}
		global := []string{"REPLICATION CLIENT", "SUPER"}
		further := []string{"SELECT, INSERT, UPDATE, DELETE, TRIGGER ON app.*"}
		if on.Flavor == server.MySQL {
			further = append(further, "SELECT ON performance_schema.*")
		} else {
			global = []string{"SLAVE MONITOR", "REPLICATION SLAVE ADMIN", "BINLOG ADMIN", "READ ONLY ADMIN"}
		}
		for _, c := range []struct {
			name, code, grant string
			global, further   []string
		}{
			{"nobody tells", repair.RefusedPrivilege, "GRANT PROCESS ON *.*", global, further},
			{"the engine tells", repair.RefusedForeignKey, "GRANT SELECT ON `o-ä`.`chi/ld` TO", append(global, "PROCESS"), further},
			{"seen", repair.RefusedForeignKey, "", append(global, "PROCESS"), append(further, "SELECT ON `o-ä`.`chi/ld`")},
			{"everything is seen", repair.RefusedForeignKey, "", append(global, "SELECT"), further},
		} {
			request.Replicas = []server.Endpoint{accountOn(t, tp.Replica(0), "seer", c.global, c.further...)}
			result := NewRepairRun(t, request, true).Run(t)
			if codes := refusalCodes(result); !slices.Equal(codes, []string{c.code}) || !strings.Contains(DescribeRepair(result), c.grant) || c.grant == "" && strings.Contains(DescribeRepair(result), "GRANT") {
				t.Errorf("%s: refused %v, want %s, with %q: %s", c.name, codes, c.code, c.grant, DescribeRepair(result))
			}
			if rows := tp.Replica(0).Query(t, "SELECT id FROM app.`p 1` WHERE id = 99"); len(rows) != 1 {
				t.Fatalf("%s: the parent is gone: %s", c.name, DescribeRepair(result))
			}
		}
		tp.Damage(t, 0, "DELETE FROM `o-ä`.`chi/ld`")
		if result := NewRepairRun(t, request, true).Run(t); result.Verified == nil || result.Verified.Verdict != check.Equal {
			t.Errorf("without a child: %s", DescribeRepair(result))
		}
	})
}

// TestRepairRefusesDrops: a table that the source has by now, one that keeps the history of its rows, and every one on a replica with several
// sources stays.
func TestRepairRefusesDrops(t *testing.T) {
	t.Parallel()
	stays := func(t *testing.T, tp *Topology, result *repair.Result, table, because string) {
		t.Helper()
		if !strings.Contains(DescribeRepair(result), because) {
			t.Errorf("it does not say %q: %s", because, DescribeRepair(result))
		}
		tp.Replica(0).Query(t, "SELECT id FROM "+table)
	}
	dropping := func(t *testing.T, tp *Topology) *RepairRun {
		tp.Sources[0].Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t SELECT seq FROM "+tp.Numbers(30))
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "DELETE FROM app.t WHERE id = 5")
		run := NewRepairRun(t, requestFor(tp), true)
		run.Request.WithSchema = true
		return run
	}
	t.Run("the source has it by now", func(t *testing.T) {
		t.Parallel()
		EachServer(t, func(t *testing.T, _ ServerRow) {
			tp := NewTopology(t, Options{GTID: true})
			run := dropping(t, tp)
			tp.Damage(t, 0, "CREATE TABLE app.late (id INT PRIMARY KEY)")
			run.Request.Confirm = func(context.Context, *repair.Result) (bool, error) {
				tp.Source.Exec(t, "CREATE TABLE IF NOT EXISTS app.late (id INT PRIMARY KEY)")
				tp.WaitCaughtUp(t)
				return true, nil
			}
			stays(t, tp, run.Run(t), "app.late", "the source has it by now")
			tp.Source.Exec(t, "INSERT INTO app.late VALUES (1)")
			tp.WaitCaughtUp(t)
			requireReplicating(t, tp.Replicas...)
		})
	})
	t.Run("history", func(t *testing.T) {
		t.Parallel()
		EachServer(t, func(t *testing.T, _ ServerRow) {
			tp := NewTopology(t, Options{GTID: true})
			run := dropping(t, tp)
			tp.Damage(t, 0, "CREATE TABLE app.hist (id INT PRIMARY KEY) WITH SYSTEM VERSIONING", "INSERT INTO app.hist VALUES (1),(2)", "DELETE FROM app.hist")
			stays(t, tp, run.Run(t), "app.hist", "keeps a history")
		}, Needs{Flavor: server.MariaDB})
	})
	t.Run("several sources", func(t *testing.T) {
		t.Parallel()
		tp := NewTopology(t, Options{GTID: true, Channels: []string{"a", "b"}})
		tp.Sources[1].Exec(t, "CREATE DATABASE appb", "CREATE TABLE appb.hollow (id INT PRIMARY KEY)")
		stays(t, tp, dropping(t, tp).Run(t), "appb.hollow", "the replica has 2 channels")
		requireReplicating(t, tp.Replicas...)
	})
}

// TestRepairCreatesTablesOnOtherReplicas: a replica on which no table can be created any more is refused, and costs the others nothing.
func TestRepairCreatesTablesOnOtherReplicas(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Replicas: 2})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY)", "INSERT INTO app.t SELECT seq FROM "+tp.Numbers(30))
		tp.WaitCaughtUp(t)
		for i := range tp.Replicas {
			tp.Damage(t, i, "DROP TABLE app.t")
		}
		run := NewRepairRun(t, requestFor(tp), true)
		run.Request.WithSchema = true
		run.Request.Confirm = func(context.Context, *repair.Result) (bool, error) {
			return true, tp.Replica(0).exec(t.Context(), on.stopApplier())
		}
		result, err := repair.Run(t.Context(), run.Request, nil)
		if err != nil {
			t.Fatal(err)
		}
		var refused []repair.Refusal
		for _, replica := range result.Replicas {
			if replica.Address == tp.Replica(0).Address() {
				refused = replica.Refused
			}
		}
		if len(refused) == 0 || refused[0].Code != repair.RefusedUnverified || !strings.Contains(refused[0].Reason, "creating and dropping tables on it failed") {
			t.Errorf("the stopped one: %s", DescribeRepair(result))
		}
		if a, b := DumpTables(t, tp.Source, "app.t"), DumpTables(t, tp.Replica(1), "app.t"); a != b {
			t.Errorf("the other one: %s", DescribeRepair(result))
		}
	})
}

// TestRepairRefusesRowsOfAnotherSource: on a replica with several sources, rows that one of them does not have are not deleted where they may be
// another's; unless the table was named, or the other channel's filters leave it out.
func TestRepairRefusesRowsOfAnotherSource(t *testing.T) {
	t.Parallel()
	tp := NewTopology(t, Options{GTID: true, Channels: []string{"a", "b"}})
	const ignore = "SET GLOBAL b.replicate_ignore_table"
	tp.Sources[0].Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, u INT)", "INSERT INTO app.t SELECT seq, seq FROM "+tp.Numbers(30), "CREATE TABLE app.own (id INT PRIMARY KEY)")
	tp.WaitCaughtUp(t)
	tp.Sources[1].Exec(t, "SET sql_log_bin=0", "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, u INT)", "SET sql_log_bin=1", "INSERT INTO app.t VALUES (1001, 1)")
	tp.WaitCaughtUp(t)
	tp.Damage(t, 0, "DELETE FROM app.t WHERE id = 5", "INSERT INTO app.own VALUES (1)")
	tp.Replica(0).Exec(t, "STOP SLAVE 'b'", ignore+" = 'app.own'", "START SLAVE 'b'")
	result := NewRepairRun(t, requestFor(tp), true).Run(t)
	if codes := refusalCodes(result); !slices.Equal(codes, []string{repair.RefusedOtherSource}) || !strings.Contains(DescribeRepair(result), "--tables app.t") {
		t.Errorf("refused %v: %s", codes, DescribeRepair(result))
	}
	if rows := tp.Replica(0).Query(t, "SELECT id FROM app.own"); len(rows) > 0 {
		t.Errorf("what the other channel's filters leave out is not repaired: %s", DescribeRepair(result))
	}
	tp.Sources[1].Exec(t, "UPDATE app.t SET u = 2 WHERE id = 1001")
	tp.WaitCaughtUp(t)
	requireReplicating(t, tp.Replicas...)
	request := requestFor(tp)
	request.Filters.Tables = []string{"app.t"}
	if result := NewRepairRun(t, request, true).Run(t); result.Verified == nil || result.Verified.Verdict != check.Equal {
		t.Errorf("named: %s", DescribeRepair(result))
	}
}

// TestRepairIsNotBoundedInTime: a repair whose check would end before all of it was compared is refused.
func TestRepairIsNotBoundedInTime(t *testing.T) {
	t.Parallel()
	request := repair.DefaultRequest()
	request.Check.MaxDuration = time.Second
	var refused *check.RequestError
	if _, err := repair.Run(t.Context(), request, nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "--max-duration does not bound a repair") {
		t.Errorf("%v", err)
	}
}

// TestUndoRefuses: nothing is undone where triggers would fire, where nobody can write, and on a server that is no replica any more; the rows
// stay as they are.
func TestUndoRefuses(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.`t``1` (id INT PRIMARY KEY, u INT)", "CREATE TABLE app.log (t INT PRIMARY KEY)", "INSERT INTO app.`t``1` SELECT seq, seq FROM "+tp.Numbers(30))
		tp.WaitCaughtUp(t)
		tp.Damage(t, 0, "DELETE FROM app.`t``1` WHERE id = 5", "INSERT INTO app.`t``1` VALUES (99, 99)")
		run := NewRepairRun(t, requestFor(tp), true)
		run.Run(t)
		repaired := DumpTables(t, tp.Replica(0), "app.t`1", "app.log")
		refuses := func(because string) {
			t.Helper()
			err := run.tryUndo(t, tp.Replica(0))
			var refused *check.RequestError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), because) {
				t.Errorf("want %q, got %v", because, err)
			}
			if now := DumpTables(t, tp.Replica(0), "app.t`1", "app.log"); now != repaired {
				t.Fatalf("%s: it was changed:\n%s", because, now)
			}
		}
		tp.Damage(t, 0, "CREATE TRIGGER app.tr AFTER INSERT ON app.`t``1` FOR EACH ROW INSERT INTO app.log VALUES (NEW.id)")
		refuses("has the trigger tr")
		tp.Damage(t, 0, "DROP TRIGGER app.tr")
		if on.IsMySQL(8, 0, 0) {
			tp.Replica(0).Exec(t, "SET GLOBAL super_read_only = ON")
			refuses("super_read_only is on")
			tp.Replica(0).Exec(t, "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF")
		}
		if on.IsMySQL(8, 0, 22) {
			tp.Replica(0).Exec(t, "STOP REPLICA", "RESET REPLICA ALL")
		} else {
			tp.Replica(0).Exec(t, "STOP SLAVE", "RESET SLAVE ALL")
		}
		refuses("it is no replica any more")
	})
}

// tryUndo undoes what the repair did on one replica, if that is allowed.
func (r *RepairRun) tryUndo(t *testing.T, on *Node) error {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "undo.sql"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := repair.WriteUndo(file, r.Journal, on.Address()); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	_, err = repair.Undo(t.Context(), repair.UndoRequest{RunID: "undo", Replica: on.Endpoint(), File: file, Now: time.Now})
	return err
}

package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/check"
	"trueup/repair"
	"trueup/server"
)

// bed is a topology on which one trap after the other is set, each in a database of its own.
type bed struct {
	*Topology
	row      ServerRow
	database string
	tables   []string // to be compared; the first is damaged
}

// TestRepairTraps: what stands against a repair is refused by name and left as it is, byte for byte, or taken care of.
func TestRepairTraps(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		b := &bed{Topology: NewTopology(t, Options{}), row: on}
		for _, trap := range []struct {
			name string
			run  func(t *testing.T, b *bed)
		}{
			{"triggers", trapTriggers}, {"most rows differ", trapMostDiffer}, {"max rows", trapMaxRows}, {"read only", trapReadOnly}, {"super read only", trapSuperReadOnly},
			{"ignored columns", trapIgnoredColumns}, {"generated columns", trapGenerated}, {"a child outside", trapChildOutside}, {"a circle of foreign keys", trapCircle},
			{"a locked row", trapLockedRow}, {"journal", trapJournal}, {"cancelled", trapCancelled}, {"definition", trapDefinition}, {"a table without key", trapKeyless},
			{"stopped by an error", trapStopped},
		} {
			t.Run(trap.name, func(t *testing.T) {
				b.database, b.tables = "t_"+strings.ReplaceAll(trap.name, " ", "_"), nil
				b.Source.Exec(t, "CREATE DATABASE "+b.database)
				trap.run(t, b)
				requireReplicating(t, b.Replicas...)
			})
		}
	})
}

// plain makes a table of so many rows, and damages three of them.
func (b *bed) plain(t *testing.T, name string, rows int) {
	t.Helper()
	name = b.database + "." + name
	b.Source.Exec(t, "CREATE TABLE "+name+" (id INT PRIMARY KEY, v INT NOT NULL)", "INSERT INTO "+name+" SELECT seq, seq FROM "+b.Numbers(rows))
	b.Damage(t, 0, "UPDATE "+name+" SET v = -1 WHERE id = 2", "DELETE FROM "+name+" WHERE id = 3", "INSERT INTO "+name+" VALUES (0, 0)")
	b.tables = append(b.tables, name)
}

func (b *bed) request() check.Request {
	request := requestFor(b.Topology)
	request.Filters.Databases = []string{b.database}
	return request
}

// repair repairs the database; change may be nil.
func (b *bed) repair(t *testing.T, change func(*repair.Request)) (*RepairRun, *repair.Result) {
	t.Helper()
	run := NewRepairRun(t, b.request(), true)
	if change != nil {
		change(&run.Request)
	}
	return run, run.Run(t)
}

func (b *bed) dump(t *testing.T, on *Node) string { t.Helper(); return DumpTables(t, on, b.tables...) }

// requireEqual demands that the replica has the source's rows and that nothing was refused, and that undoing brings the given state back.
func (b *bed) requireEqual(t *testing.T, run *RepairRun, result *repair.Result, damaged string) {
	t.Helper()
	requireAllRepaired(t, result)
	if source, replica := b.dump(t, b.Source), b.dump(t, b.Replica(0)); source != replica {
		t.Errorf("the rows differ:\n%s\n%s", diffLines(source, replica), DescribeRepair(result))
	}
	run.Undo(t, b.Replica(0))
	if now := b.dump(t, b.Replica(0)); now != damaged {
		t.Errorf("after undo:\n%s", diffLines(damaged, now))
	}
}

// requireRefused demands that nothing has changed and that the refusals, of the replica or of its tables, have these codes.
func (b *bed) requireRefused(t *testing.T, result *repair.Result, damaged string, codes ...string) {
	t.Helper()
	if now := b.dump(t, b.Replica(0)); now != damaged {
		t.Errorf("changed, though refused:\n%s\n%s", diffLines(damaged, now), DescribeRepair(result))
	}
	if got := refusedCodes(result); !slices.Equal(got, codes) {
		t.Errorf("refused %q, want %q: %s", got, codes, DescribeRepair(result))
	}
}

func refusedCodes(result *repair.Result) (codes []string) {
	for _, replica := range result.Replicas {
		for _, refused := range replica.Refused {
			codes = append(codes, refused.Code)
		}
		for _, table := range replica.Tables {
			for _, refused := range table.Refused {
				codes = append(codes, refused.Code)
			}
		}
	}
	return codes
}

func trapTriggers(t *testing.T, b *bed) {
	b.plain(t, "bare", 50)
	bare := b.tables
	b.tables = nil
	b.plain(t, "fires", 50)
	b.Damage(t, 0, "CREATE TABLE "+b.database+".log (id INT)", "CREATE TRIGGER "+b.database+".fire BEFORE UPDATE ON "+b.database+".fires FOR EACH ROW INSERT INTO "+b.database+".log VALUES (1)",
		"DROP TABLE "+b.database+".log")
	damaged := b.dump(t, b.Replica(0))
	_, result := b.repair(t, nil)
	b.requireRefused(t, result, damaged, repair.RefusedTriggers)
	if b.tables = bare; b.dump(t, b.Source) != b.dump(t, b.Replica(0)) {
		t.Errorf("the other table was not repaired: %s", DescribeRepair(result))
	}
}

func trapMostDiffer(t *testing.T, b *bed) {
	b.plain(t, "t", 6000)
	b.Damage(t, 0, "UPDATE "+b.tables[0]+" SET v = v + 7 WHERE id % 10 > 0")
	damaged := b.dump(t, b.Replica(0))
	run, result := b.repair(t, nil)
	if notes := strings.Join(result.Replicas[0].Tables[0].Notes, " "); !strings.Contains(notes, "loading the table anew") {
		t.Errorf("no word of how many rows differ: %s", DescribeRepair(result))
	}
	b.requireEqual(t, run, result, damaged)
}

func trapMaxRows(t *testing.T, b *bed) {
	b.plain(t, "t", 50)
	damaged := b.dump(t, b.Replica(0))
	_, result := b.repair(t, func(r *repair.Request) { r.MaxRows = 2 })
	b.requireRefused(t, result, damaged, repair.RefusedMaxRows)
	if refused := result.Replicas[0].Refused; len(refused) != 1 || refused[0].Rows != 3 {
		t.Errorf("refused %+v", refused)
	}
	run, result := b.repair(t, func(r *repair.Request) { r.MaxRows = 3 })
	b.requireEqual(t, run, result, damaged)
}

func trapReadOnly(t *testing.T, b *bed) {
	b.plain(t, "t", 50)
	damaged := b.dump(t, b.Replica(0))
	unlogged := "SUPER"
	if b.row.IsMariaDB(10, 5, 2) {
		unlogged = "BINLOG ADMIN, SUPER"
	} else if b.row.IsMySQL(8, 0, 0) {
		unlogged = "SYSTEM_VARIABLES_ADMIN, REPLICATION_SLAVE_ADMIN"
	}
	if b.row.IsMariaDB(10, 11, 0) || b.row.IsMySQL(8, 0, 0) { // where another privilege than SUPER goes past read_only
		grants := []string{strings.ReplaceAll(unlogged, ", SUPER", "") + ", " + b.row.checkGrants() + ", INSERT, UPDATE, DELETE, TRIGGER ON *.*"}
		account := b.Source.CreateUser(t, "writer", grants...)
		b.WaitCaughtUp(t)
		b.Replica(0).Exec(t, "SET GLOBAL read_only = ON")
		_, result := b.repair(t, func(r *repair.Request) {
			r.Check.Replicas[0].User, r.Check.Replicas[0].Password = account.User, account.Password
		})
		b.requireRefused(t, result, damaged, repair.RefusedPrivilege)
	}
	b.Replica(0).Exec(t, "SET GLOBAL read_only = ON")
	run, result := b.repair(t, nil)
	b.requireEqual(t, run, result, damaged)
	b.Replica(0).Exec(t, "SET GLOBAL read_only = OFF")
}

func trapSuperReadOnly(t *testing.T, b *bed) {
	Require(t, b.row, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 5, Minor: 7, Patch: 8}})
	b.plain(t, "t", 50)
	damaged := b.dump(t, b.Replica(0))
	b.Replica(0).Exec(t, "SET GLOBAL super_read_only = ON")
	_, result := b.repair(t, nil)
	b.requireRefused(t, result, damaged, repair.RefusedReadOnly)
	if on := b.Replica(0).Value(t, "SELECT @@GLOBAL.super_read_only"); on != "1" {
		t.Errorf("super_read_only is now %s", on)
	}
	b.Replica(0).Exec(t, "SET GLOBAL super_read_only = OFF", "SET GLOBAL read_only = OFF")
}

// trapIgnoredColumns: rows that change keep the replica's own values of columns that are not compared, and a removed row comes back with them.
func trapIgnoredColumns(t *testing.T, b *bed) {
	name := b.database + ".t"
	b.tables = []string{name}
	b.Source.Exec(t, "CREATE TABLE "+name+" (id INT PRIMARY KEY, seen VARCHAR(20), v INT NOT NULL, u INT UNIQUE)", "INSERT INTO "+name+" SELECT seq, 'source', seq, seq FROM "+b.Numbers(5000))
	b.Damage(t, 0, "UPDATE "+name+" SET seen = 'replica'", "UPDATE "+name+" SET v = -1 WHERE id IN (2, 7)", "DELETE FROM "+name+" WHERE id = 3", "INSERT INTO "+name+" VALUES (0, 'extra', 0, 3)",
		"UPDATE "+name+" SET u = NULL WHERE id = 9", "UPDATE "+name+" SET u = 9 WHERE id = 4900")
	damaged := b.dump(t, b.Replica(0))
	run, result := b.repair(t, func(r *repair.Request) { r.Check.Filters.IgnoreColumns = []string{name + ".seen"} })
	requireAllRepaired(t, result)
	for query, want := range map[string]string{
		"SELECT COUNT(*) FROM " + name + " WHERE v = id AND u = id": "5000",
		"SELECT seen FROM " + name + " WHERE id = 2":                "replica",
		"SELECT seen FROM " + name + " WHERE id = 4900":             "replica",
		"SELECT seen FROM " + name + " WHERE id = 3":                "source",
		"SELECT COUNT(*) FROM " + name:                              "5000",
	} {
		if got := b.Replica(0).Value(t, query); got != want {
			t.Errorf("%s: %s, want %s: %s", query, got, want, DescribeRepair(result))
		}
	}
	run.Undo(t, b.Replica(0))
	if now := b.dump(t, b.Replica(0)); now != damaged {
		t.Errorf("after undo:\n%s", diffLines(damaged, now))
	}
}

func trapGenerated(t *testing.T, b *bed) {
	Require(t, b.row, Needs{MinMySQL: server.Version{Major: 5, Minor: 7, Patch: 6}, MinMariaDB: server.Version{Major: 10, Minor: 2, Patch: 1}})
	name := b.database + ".t"
	b.tables = []string{name}
	b.Source.Exec(t, "CREATE TABLE "+name+" (id INT PRIMARY KEY, v INT NOT NULL, twice INT GENERATED ALWAYS AS (v * 2) STORED, thrice INT GENERATED ALWAYS AS (v * 3) VIRTUAL, UNIQUE KEY (twice), KEY (thrice))",
		"INSERT INTO "+name+" (id, v) SELECT seq, seq FROM "+b.Numbers(3000))
	b.Damage(t, 0, "UPDATE "+name+" SET v = -1 WHERE id = 2", "UPDATE "+name+" SET v = 2 WHERE id = 2900", "DELETE FROM "+name+" WHERE id = 3", "INSERT INTO "+name+" (id, v) VALUES (0, 3)")
	damaged := b.dump(t, b.Replica(0))
	run, result := b.repair(t, nil)
	b.requireEqual(t, run, result, damaged)
}

// trapChildOutside: a parent's row is not removed while a table that is not repaired refers to it; other rows are.
func trapChildOutside(t *testing.T, b *bed) {
	parent, child := b.database+".parent", b.database+".child"
	b.Source.Exec(t, "CREATE TABLE "+parent+" (id INT PRIMARY KEY, v INT)", "CREATE TABLE "+child+" (id INT PRIMARY KEY, parent INT, FOREIGN KEY (parent) REFERENCES "+parent+" (id) ON DELETE CASCADE)",
		"INSERT INTO "+parent+" SELECT seq, seq FROM "+b.Numbers(50))
	b.Damage(t, 0, "INSERT INTO "+parent+" VALUES (100, 1), (101, 1)", "UPDATE "+parent+" SET v = -1 WHERE id = 7", "DELETE FROM "+parent+" WHERE id = 9", "INSERT INTO "+child+" VALUES (1, 100)")
	b.tables = []string{child}
	damaged := b.dump(t, b.Replica(0))
	_, result := b.repair(t, func(r *repair.Request) { r.Check.Filters.Tables = []string{parent} })
	b.requireRefused(t, result, damaged, repair.RefusedForeignKey)
	if rows := b.Replica(0).Query(t, "SELECT id FROM "+parent+" WHERE id > 50 OR v <> id ORDER BY id"); len(rows) != 1 || rows[0][0] != "100" {
		t.Errorf("rows %v are left: %s", rows, DescribeRepair(result))
	}
	if left := b.Replica(0).Value(t, "SELECT COUNT(*) FROM "+parent); left != "51" {
		t.Errorf("%s rows: %s", left, DescribeRepair(result))
	}
	b.tables = []string{parent, child}
	_, result = b.repair(t, nil) // with the child too nothing stands against it
	requireAllRepaired(t, result)
	if b.dump(t, b.Source) != b.dump(t, b.Replica(0)) {
		t.Error(DescribeRepair(result))
	}
}

// trapCircle: rows of two tables that need each other are repaired, or refused by name.
func trapCircle(t *testing.T, b *bed) {
	one, two := b.database+".one", b.database+".two"
	b.tables = []string{one, two}
	b.Source.Exec(t, "CREATE TABLE "+one+" (id INT PRIMARY KEY, two INT NULL)", "CREATE TABLE "+two+" (id INT PRIMARY KEY, one INT NULL, FOREIGN KEY (one) REFERENCES "+one+" (id))",
		"ALTER TABLE "+one+" ADD FOREIGN KEY (two) REFERENCES "+two+" (id)", "INSERT INTO "+one+" SELECT seq, NULL FROM "+b.Numbers(20), "INSERT INTO "+two+" SELECT seq, 21 - seq FROM "+b.Numbers(20),
		"UPDATE "+one+" SET two = id")
	b.Damage(t, 0, "DELETE FROM "+one+" WHERE id = 5", "DELETE FROM "+two+" WHERE id IN (5, 16)", "UPDATE "+one+" SET two = 1 WHERE id = 9")
	_, result := b.repair(t, nil)
	left := diffLines(b.dump(t, b.Source), b.dump(t, b.Replica(0)))
	switch codes := slices.Compact(refusedCodes(result)); {
	case left == "":
		requireAllRepaired(t, result)
	case !slices.Equal(codes, []string{repair.RefusedForeignKey}):
		t.Errorf("left:\n%s\n%s", left, DescribeRepair(result))
	}
	if b.Replica(0).Value(t, "SELECT two FROM "+one+" WHERE id = 9") != "9" {
		t.Errorf("a row outside of the circle was not repaired: %s", DescribeRepair(result))
	}
}

// trapLockedRow: a transaction of somebody else's on the replica holds a row for good: it is refused in time, the applier is not held for it.
func trapLockedRow(t *testing.T, b *bed) {
	b.plain(t, "t", 50)
	damaged := b.dump(t, b.Replica(0))
	conn := missConn(t, b.Replica(0), "SET SESSION sql_log_bin = 0")
	for _, statement := range []string{"START TRANSACTION", "UPDATE " + b.tables[0] + " SET v = 99 WHERE id = 2"} {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	pause := 2 * time.Second
	if b.row.Flavor == server.MySQL { // whose old ones look at locks once a second
		pause = 4 * time.Second
	}
	stop := watchRepair(t, b.Replica(0))
	began := time.Now()
	_, result := b.repair(t, func(r *repair.Request) { r.MaxPause = pause })
	if watched := stop(); watched.stood > 10*time.Second || time.Since(began) > 40*time.Second {
		t.Errorf("it took %v, the applier stood for %v", time.Since(began), watched.stood)
	}
	if codes := refusedCodes(result); !slices.Equal(codes, []string{repair.RefusedMoved}) {
		t.Errorf("refused %q: %s", codes, DescribeRepair(result))
	}
	t.Logf("took %v: %s", time.Since(began), DescribeRepair(result))
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if now := b.dump(t, b.Replica(0)); now != damaged {
		t.Errorf("changed:\n%s", diffLines(damaged, now))
	}
	run, result := b.repair(t, nil)
	b.requireEqual(t, run, result, damaged)
}

func trapDefinition(t *testing.T, b *bed) {
	b.plain(t, "t", 50)
	b.Damage(t, 0, "ALTER TABLE "+b.tables[0]+" ADD more INT NOT NULL DEFAULT 5")
	damaged := b.dump(t, b.Replica(0))
	_, result := b.repair(t, nil)
	b.requireRefused(t, result, damaged, repair.RefusedSchema)
}

func trapKeyless(t *testing.T, b *bed) {
	name := b.database + ".t"
	b.tables = []string{name}
	b.Source.Exec(t, "CREATE TABLE "+name+" (a INT, f FLOAT, s VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci)", "INSERT INTO "+name+" SELECT seq % 10, 33.333332, 'Some' FROM "+b.Numbers(500))
	b.Damage(t, 0, "DELETE FROM "+name+" WHERE a = 1 LIMIT 13", "UPDATE "+name+" SET s = 'some' WHERE a = 2 LIMIT 5", "UPDATE "+name+" SET f = 33.333336 WHERE a = 3 LIMIT 2", "UPDATE "+name+" SET a = NULL WHERE a = 4",
		"INSERT INTO "+name+" VALUES (5, 33.333332, 'Some'), (5, 33.333332, 'Some '), (NULL, NULL, NULL), (NULL, NULL, NULL)")
	damaged := b.dump(t, b.Replica(0))
	run, result := b.repair(t, nil)
	b.requireEqual(t, run, result, damaged)
}

func trapStopped(t *testing.T, b *bed) {
	b.plain(t, "t", 50)
	damaged := b.dump(t, b.Replica(0))
	b.Source.Exec(t, "UPDATE "+b.tables[0]+" SET v = 5 WHERE id = 3") // which is missing on the replica
	eventually(t, "the applier stops", 20*time.Second, func() (bool, string) {
		status := b.Replica(0).Status(t)
		return status["Slave_SQL_Running"] == "No" && status["Last_SQL_Errno"] != "0", fmt.Sprint(status["Last_SQL_Errno"])
	})
	_, result := b.repair(t, nil)
	if now := b.dump(t, b.Replica(0)); now != damaged {
		t.Errorf("changed:\n%s", diffLines(damaged, now))
	}
	if on := result.Check.Replicas[0]; on.Verdict != check.Unverified || on.Reason == "" {
		t.Errorf("not said: %s %s", describe(result.Check), DescribeRepair(result))
	}
	if running := b.Replica(0).Status(t)["Slave_SQL_Running"]; running != "No" {
		t.Errorf("the applier that an error stopped runs again: %s", running)
	}
	t.Logf("%s", describe(result.Check))
	if err := b.Replica(0).damage(context.Background(), "INSERT INTO "+b.tables[0]+" VALUES (3, 3)"); err != nil {
		t.Fatal(err)
	}
	b.Replica(0).StartReplica(t, "SQL_THREAD")
	b.WaitCaughtUp(t)
}

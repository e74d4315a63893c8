package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/repair"
	"trueup/server"
)

// oddTable is a table whose replica's copy cannot be written like others.
type oddTable struct {
	name       string
	needs      Needs
	create     string // with $ for the table
	damage     []string
	codes      []string // of what is refused; none: all is repaired
	unverified bool     // the check says that it cannot be compared
	left       string   // WHERE that holds for the replica's rows which may differ then; "": all of them stay as they are
}

var withGenerated = Needs{MinMySQL: server.Version{Major: 5, Minor: 7, Patch: 6}, MinMariaDB: server.Version{Major: 10, Minor: 2, Patch: 1}}

// oddTables all have a key id, a number v and a text s, and rows 1 to 100.
func oddTables() []oddTable {
	const plain = "CREATE TABLE $ (id INT PRIMARY KEY, v INT, s VARCHAR(20) CHARACTER SET utf8mb4)"
	damage := []string{"UPDATE $ SET v = -1 WHERE id = 7", "DELETE FROM $ WHERE id = 9", "INSERT INTO $ (id, v, s) VALUES (200, 1, 'extra')"}
	return []oddTable{
		{name: "no transactions on the replica", create: plain, damage: append([]string{"ALTER TABLE $ ENGINE = MyISAM"}, damage...), unverified: true},
		{name: "no key, and a row that cannot be written", create: "CREATE TABLE $ (id INT, v INT, s VARCHAR(20) CHARACTER SET utf8mb4)",
			damage: append([]string{"ALTER TABLE $ MODIFY s VARCHAR(20) CHARACTER SET latin1"}, damage...), codes: []string{repair.RefusedValue, repair.RefusedNotVerified, repair.RefusedWrite}},
		{name: "partitions", create: plain + " PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)", damage: damage},
		{name: "a unique key of the replica alone", create: plain, damage: []string{"DELETE FROM $ WHERE v = 3 AND id > 20", "UPDATE $ SET v = 100 + id WHERE v <> 3", "UPDATE $ SET v = NULL WHERE id > 50", "ALTER TABLE $ ADD UNIQUE KEY (v)"},
			codes: []string{repair.RefusedUniqueKey}, left: "1 = 1"},
		{name: "a narrower column of the replica", create: plain, damage: append([]string{"ALTER TABLE $ MODIFY s VARCHAR(20) CHARACTER SET latin1"}, append(damage, "UPDATE $ SET s = 'x' WHERE id IN (30, 31)")...),
			codes: []string{repair.RefusedValue, repair.RefusedWrite, repair.RefusedNotVerified}, left: "id = 30"},
		{name: "a constraint that is not met", needs: Needs{MinMySQL: server.Version{Major: 8, Minor: 0, Patch: 16}, MinMariaDB: server.Version{Major: 10, Minor: 2, Patch: 1}}, create: plain,
			damage: []string{"UPDATE $ SET v = 5 WHERE id = 11", "UPDATE $ SET v = 6 WHERE v = 1 AND id <= 50", "DELETE FROM $ WHERE id = 9", "ALTER TABLE $ ADD CONSTRAINT c CHECK (v > 1 OR id > 50)"},
			codes:  []string{repair.RefusedWrite}, left: "id IN (1, 2, 21, 41)"},
		{name: "a functional unique key", needs: Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8, Patch: 13}}, create: "CREATE TABLE $ (id INT PRIMARY KEY, v INT, s VARCHAR(20) CHARACTER SET utf8mb4, u INT AS (id) STORED, UNIQUE KEY ((CONCAT(s, ':', id DIV 1000))))",
			damage: []string{"UPDATE $ SET s = NULL WHERE id = 20", "UPDATE $ SET s = 's20' WHERE id = 90", "UPDATE $ SET v = 0 WHERE id = 40"}},
		{name: "history", needs: Needs{Flavor: server.MariaDB, MinMariaDB: server.Version{Major: 10, Minor: 3, Patch: 4}}, create: plain + " WITH SYSTEM VERSIONING", damage: damage, codes: []string{repair.RefusedKind}},
		{name: "invisible columns", needs: Needs{Flavor: server.MariaDB, MinMariaDB: server.Version{Major: 10, Minor: 3, Patch: 3}}, create: "CREATE TABLE $ (id INT PRIMARY KEY, v INT INVISIBLE, s VARCHAR(20) CHARACTER SET utf8mb4)", damage: damage},
		{name: "a generated unique key", needs: withGenerated, create: "CREATE TABLE $ (id INT PRIMARY KEY, v INT, s VARCHAR(20) CHARACTER SET utf8mb4, u VARCHAR(30) GENERATED ALWAYS AS (CONCAT(s, '!')) VIRTUAL, UNIQUE KEY (u))",
			damage: append(slices.Clone(damage), "UPDATE $ SET s = NULL WHERE id = 20", "UPDATE $ SET s = 's20' WHERE id = 90")},
		{name: "moments that set themselves", create: "CREATE TABLE $ (id INT PRIMARY KEY, v INT, s VARCHAR(20) CHARACTER SET utf8mb4, t TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, d DATETIME NULL DEFAULT '0000-00-00' ON UPDATE CURRENT_TIMESTAMP)",
			damage: append(slices.Clone(damage), "UPDATE $ SET t = '2001-01-01' WHERE id = 50", "UPDATE $ SET t = '0000-00-00', d = NULL WHERE id = 51")},
		{name: "a counter that begins with zero", create: "CREATE TABLE $ (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v INT, s VARCHAR(20) CHARACTER SET utf8mb4)", damage: append(slices.Clone(damage), "DELETE FROM $ WHERE id = 0", "UPDATE $ SET id = 0 WHERE id = 33")},
	}
}

// TestRepairOddTables: what the replica's table does not take is refused by name, and the rest repaired; nothing else changes, and undoing
// brings everything back.
func TestRepairOddTables(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		b := &bed{Topology: NewTopology(t, Options{}), row: on}
		for i, odd := range oddTables() {
			t.Run(odd.name, func(t *testing.T) {
				Require(t, on, odd.needs)
				b.database = fmt.Sprint("odd", i)
				b.repairOdd(t, odd)
				requireReplicating(t, b.Replicas...)
			})
		}
	})
}

func (b *bed) repairOdd(t *testing.T, odd oddTable) {
	t.Helper()
	name := b.database + ".t"
	b.tables = []string{name}
	in := func(statement string) string { return strings.ReplaceAll(statement, "$", name) }
	b.Source.Exec(t, "CREATE DATABASE "+b.database, "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'", in(odd.create),
		in("INSERT INTO $ (id, v, s) SELECT seq, IF(seq % 2, seq % 20, NULL), CONCAT('s', seq) FROM "+b.Numbers(100)), in("UPDATE $ SET s = '😀' WHERE id = 30"), in("UPDATE $ SET v = 1 WHERE id = 2"))
	statements := []string{"SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'"}
	for _, statement := range odd.damage {
		statements = append(statements, in(statement))
	}
	b.Damage(t, 0, statements...)
	damaged := b.dump(t, b.Replica(0))
	run := NewRepairRun(t, b.request(), true)
	result := run.Run(t)
	after, source := b.dump(t, b.Replica(0)), b.dump(t, b.Source)
	codes := refusedCodes(result)
	switch {
	case odd.unverified:
		b.requireRefused(t, result, damaged)
		if found := tableResult(t, result.Check, name); found.ChunksVerified > 0 || found.Reason == "" {
			t.Errorf("%+v", found)
		}
	case len(odd.codes) == 0:
		if len(codes) > 0 || after != source {
			t.Errorf("not equal: %s\n%s", DescribeRepair(result), diffLines(source, after))
		}
	case odd.left == "":
		b.requireRefused(t, result, damaged, codes...)
		b.requireCodes(t, result, odd.codes)
	default:
		b.requireCodes(t, result, odd.codes)
		b.requireLeft(t, odd.left, result)
	}
	if len(result.Replicas) > 0 && result.Replicas[0].Undo > 0 {
		run.Undo(t, b.Replica(0))
	}
	if now := b.dump(t, b.Replica(0)); now != damaged {
		t.Errorf("after undo:\n%s\n%s", diffLines(damaged, now), DescribeRepair(result))
	}
}

// requireLeft demands that only rows under a condition differ from the source's, and that as many were refused.
func (b *bed) requireLeft(t *testing.T, left string, result *repair.Result) {
	t.Helper()
	name := b.tables[0]
	ids := func(on *Node) map[string]string {
		rows := map[string]string{}
		for _, row := range on.Query(t, "SELECT id, v, s FROM "+name) {
			rows[row[0]] = fmt.Sprint(row)
		}
		return rows
	}
	may := map[string]bool{}
	for _, node := range []*Node{b.Source, b.Replica(0)} {
		for _, row := range node.Query(t, "SELECT id FROM "+name+" WHERE "+left) {
			may[row[0]] = true
		}
	}
	source, replica, differ := ids(b.Source), ids(b.Replica(0)), int64(0)
	for id := range source {
		if source[id] == replica[id] {
			continue
		}
		if differ++; !may[id] {
			t.Errorf("row %s differs: %s, %s: %s", id, source[id], replica[id], DescribeRepair(result))
		}
	}
	refused := int64(0)
	for _, refusal := range result.Replicas[0].Tables[0].Refused {
		refused += refusal.Rows
	}
	if refused != differ || differ == 0 {
		t.Errorf("%d rows differ, %d are refused: %s", differ, refused, DescribeRepair(result))
	}
}

// requireCodes demands that something was refused, and for nothing else than these reasons.
func (b *bed) requireCodes(t *testing.T, result *repair.Result, may []string) {
	t.Helper()
	codes := refusedCodes(result)
	if len(codes) == 0 || slices.ContainsFunc(codes, func(code string) bool { return !slices.Contains(may, code) }) {
		t.Errorf("refused %q: %s", codes, DescribeRepair(result))
	}
}

package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"trueup/check"
	"trueup/repair"
	"trueup/report"
)

// TestRepairFamilies: tables that hang on each other by foreign keys of every kind, with two and more unique keys, in several groups of rows,
// damaged at random again and again: every repair ends equal with nothing refused, by --apply and by the client alike, and is undone exactly.
func TestRepairFamilies(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		rounds, seed := times(3, 80), envNumber(t, EnvNoMissSeed)
		if seed == 0 {
			seed = uint64(time.Now().UnixMilli())
		} else {
			rounds = max(1, int(envNumber(t, EnvNoMissCases)))
		}
		tp := NewTopology(t, Options{GTID: true, Replicas: 2})
		tp.Source.Exec(t, familyTables(tp)...)
		tp.WaitCaughtUp(t)
		whole := DumpTables(t, tp.Source, familyNames...)
		for round := range uint64(rounds) {
			random := rand.New(rand.NewPCG(seed+round, 0))
			statements := familyDamage(random)
			hostile := pick(random, hostileSettings(on))
			t.Logf("%s=%d: %s", EnvNoMissSeed, seed+round, hostile)
			repairFamilies(t, tp, whole, statements, hostile)
			if t.Failed() {
				t.Logf("under %s:\n%s", hostile, strings.Join(statements, ";\n"))
				return
			}
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// repairFamilies damages both replicas and, under a global setting that is hostile to statements, repairs the first by --apply, undoes it and repairs it again, and the second by its plan.
func repairFamilies(t *testing.T, tp *Topology, whole string, damage []string, hostile string) {
	t.Helper()
	for i := range tp.Replicas {
		tp.Damage(t, i, damage...)
	}
	for _, node := range tp.Nodes() {
		defer node.setHostile(t, hostile)()
	}
	first, second := tp.Replica(0), tp.Replica(1)
	damaged, other := DumpTables(t, first, familyNames...), DumpTables(t, second, familyNames...)
	file, position := tp.Source.BinlogPosition(t)
	plan := NewRepairRun(t, requestFor(tp), false)
	plan.Request.Check.Replicas = plan.Request.Check.Replicas[1:]
	planned := plan.Run(t)
	if DumpTables(t, second, familyNames...) != other {
		t.Fatalf("the plan has changed the replica: %s", DescribeRepair(planned))
	}
	apply := repairFirst(t, tp, whole)
	apply.Undo(t, first)
	if now := DumpTables(t, first, familyNames...); now != damaged {
		t.Errorf("undo did not bring the damage back:\n%s", diffLines(damaged, now))
	}
	repairFirst(t, tp, whole)
	second.StopReplica(t, "SQL_THREAD")
	if err := second.RunClient(t, t.Context(), plan.Script.String()); err != nil {
		t.Errorf("the plan's script: %v\n%s", err, plan.Script.String())
	}
	second.StartReplica(t, "SQL_THREAD")
	if now := DumpTables(t, second, familyNames...); now != whole {
		t.Errorf("after the script:\n%s\n%s", diffLines(whole, now), DescribeRepair(planned))
	}
	if nowFile, now := tp.Source.BinlogPosition(t); nowFile != file || now != position {
		t.Errorf("the source's log went from %s:%s to %s:%s", file, position, nowFile, now)
	}
}

// repairFirst repairs the first replica, which must be equal then, with nothing refused.
func repairFirst(t *testing.T, tp *Topology, whole string) *RepairRun {
	t.Helper()
	apply := NewRepairRun(t, requestFor(tp), true)
	apply.Request.Check.Replicas = apply.Request.Check.Replicas[:1]
	result := apply.Run(t)
	if now := DumpTables(t, tp.Replica(0), familyNames...); now != whole {
		t.Errorf("after the repair:\n%s\n%s", diffLines(whole, now), DescribeRepair(result))
	}
	requireAllRepaired(t, result)
	return apply
}

// requireAllRepaired demands that nothing was refused and that the check made afterwards found everything equal.
func requireAllRepaired(t *testing.T, result *repair.Result) {
	t.Helper()
	for _, replica := range result.Replicas {
		refused := len(replica.Refused)
		for _, table := range replica.Tables {
			refused += len(table.Refused)
		}
		if refused > 0 {
			t.Errorf("refused: %s", DescribeRepair(result))
		}
	}
	if result.Verified == nil || result.Verified.Verdict != check.Equal {
		t.Errorf("not verified: %s", DescribeRepair(result))
	}
	if result.Verified == nil {
		return
	}
	if code := report.FromCheck(result.Verified, "").ExitCode; code != 0 {
		t.Errorf("the check made afterwards reads as %d: %s", code, DescribeRepair(result))
	}
}

// diffLines are the lines that only one of two dumps has.
func diffLines(want, got string) string {
	count := map[string]int{}
	for line := range strings.Lines(want) {
		count[line]--
	}
	for line := range strings.Lines(got) {
		count[line]++
	}
	var out strings.Builder
	for line, n := range count {
		if n != 0 && out.Len() < 4000 {
			fmt.Fprintf(&out, "%+d %s", n, line)
		}
	}
	return out.String()
}

// familyNames are the tables of familyTables.
var familyNames = []string{"app.customer", "app.orders", "app.line", "app.note", "app.visit", "app.chain", "app.word", "app.day"}

func familyTables(tp *Topology) []string {
	return []string{
		"CREATE DATABASE app CHARACTER SET utf8mb4", "SET time_zone = '+00:00', sql_mode = ''",
		`CREATE TABLE app.customer (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL UNIQUE, code BINARY(4) NULL UNIQUE,
			boss INT NULL, name VARCHAR(40), touched TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
			CONSTRAINT boss FOREIGN KEY (boss) REFERENCES app.customer (id) ON DELETE CASCADE)`,
		"CREATE TABLE app.orders (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, customer INT NOT NULL, place INT NOT NULL, total DECIMAL(9,2), UNIQUE KEY (customer, place)," +
			" CONSTRAINT buyer FOREIGN KEY (customer) REFERENCES app.customer (id) ON DELETE CASCADE ON UPDATE CASCADE)",
		"CREATE TABLE app.line (order_id INT NOT NULL, n INT NOT NULL, item VARCHAR(20), PRIMARY KEY (order_id, n), CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES app.orders (id))",
		"CREATE TABLE app.note (id INT PRIMARY KEY, email VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL, text TEXT," +
			" CONSTRAINT about FOREIGN KEY (email) REFERENCES app.customer (email) ON DELETE SET NULL ON UPDATE CASCADE)",
		"CREATE TABLE app.visit (customer INT NULL, page VARCHAR(9), KEY (customer), CONSTRAINT visitor FOREIGN KEY (customer) REFERENCES app.customer (id) ON DELETE CASCADE)",
		"CREATE TABLE app.chain (id INT NOT NULL PRIMARY KEY, u INT NOT NULL, v INT NULL, w VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, UNIQUE KEY (u), UNIQUE KEY (v, w))",
		"CREATE TABLE app.word (w VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, n INT NULL, PRIMARY KEY (w), UNIQUE KEY (n))",
		"CREATE TABLE app.day (d DATE NOT NULL, k VARCHAR(20) CHARACTER SET latin1 NOT NULL, v VARCHAR(20), UNIQUE KEY (k(3)), PRIMARY KEY (d, k))",
		"INSERT INTO app.customer (id, email, code, boss, name, touched) SELECT seq, CONCAT('User', seq, '@Example'), IF(seq % 3, UNHEX(LPAD(HEX(seq), 8, '0')), NULL), NULL, 'n', '2026-01-01' FROM " + tp.Numbers(600),
		"UPDATE app.customer SET boss = 601 - id, touched = touched WHERE id % 2 = 0",
		"INSERT INTO app.orders SELECT seq, 1 + seq % 600, seq DIV 600, seq / 4 FROM " + tp.Numbers(1500),
		"INSERT INTO app.line SELECT 1 + seq % 1500, seq DIV 1500, CONCAT('item ', seq) FROM " + tp.Numbers(4500),
		"INSERT INTO app.note SELECT seq, CONCAT('User', 1 + seq % 600, '@Example'), 'about' FROM " + tp.Numbers(300),
		"INSERT INTO app.visit SELECT 1 + seq % 100, CONCAT('p', seq % 3) FROM " + tp.Numbers(900),
		"INSERT INTO app.chain SELECT seq, seq, IF(seq % 5, seq, NULL), CONCAT('W', seq % 7) FROM " + tp.Numbers(5000),
		"INSERT INTO app.word SELECT CONCAT('Word', seq), seq FROM " + tp.Numbers(300),
		"INSERT INTO app.day SELECT IF(seq % 9, '2026-02-01' + INTERVAL seq DAY, '0000-00-00'), CONCAT(LPAD(seq, 3, '0'), 'tail'), 'v' FROM " + tp.Numbers(300),
	}
}

// familyDamage is random damage; what the server does not let through it leaves out.
func familyDamage(random *rand.Rand) (statements []string) {
	id := func(most int) int { return 1 + random.IntN(most) }
	add := func(format string, args ...any) { statements = append(statements, fmt.Sprintf(format, args...)) }
	kinds := []func(){
		func() { add("DELETE FROM app.customer WHERE id IN (%d, %d)", id(600), id(600)) },
		func() { // with everything that hangs on it
			add("SET foreign_key_checks = 1")
			add("UPDATE app.orders o LEFT JOIN app.line l ON l.order_id = o.id SET o.total = 0 WHERE o.customer = %d", id(600))
			customer := id(600)
			add("DELETE app.line FROM app.line JOIN app.orders o ON o.id = app.line.order_id JOIN app.customer c ON c.id = o.customer WHERE %d IN (c.id, c.boss)", customer)
			add("DELETE IGNORE FROM app.customer WHERE id = %d", customer)
			add("SET foreign_key_checks = 0")
		},
		func() { swapUnique(add, "app.customer", "email", "'swap'", id(600), id(600)) },
		func() { swapUnique(add, "app.customer", "code", "NULL", id(600), id(600)) },
		func() { swapUnique(add, "app.chain", "u", "-1", id(5000), id(5000)) },
		func() { add("UPDATE app.customer SET email = LOWER(email) WHERE id BETWEEN %d AND %[1]d + 3", id(600)) },
		func() {
			add("UPDATE IGNORE app.customer SET id = %d, boss = %d WHERE id = %d", 600+id(300), id(600), id(600))
		},
		func() { add("UPDATE app.customer SET boss = id, name = NULL WHERE id %% 97 = %d", random.IntN(97)) },
		func() {
			add("INSERT IGNORE INTO app.customer (id, email, boss) VALUES (%d, 'extra%d', %[2]d)", 600+id(900), id(900))
		},
		func() { add("INSERT IGNORE INTO app.orders VALUES (%d, %d, %d, 1)", 1500+id(900), id(900), id(9)) },
		func() {
			add("UPDATE IGNORE app.orders SET customer = %d, place = %d WHERE id = %d", id(900), id(5), id(1500))
		},
		func() { add("DELETE FROM app.orders WHERE id = %d", id(1500)) },
		func() { add("UPDATE IGNORE app.line SET order_id = %d WHERE order_id = %d", id(2000), id(1500)) },
		func() { add("INSERT IGNORE INTO app.line VALUES (%d, %d, 'extra')", id(2500), id(9)) },
		func() { add("UPDATE app.note SET email = NULL, text = '*/ \\\\ '' ; -- ' WHERE id = %d", id(300)) },
		func() { add("DELETE FROM app.visit WHERE customer = %d LIMIT %d", id(100), id(9)) },
		func() {
			add("INSERT INTO app.visit VALUES (%d, 'p1'), (NULL, 'p1'), (NULL, 'p1'), (NULL, NULL)", id(700))
		},
		func() { // a chain of far rows, each with the value of the next
			from, step := id(500), 300+id(600)
			add("UPDATE app.chain SET u = -u WHERE id >= %d AND (id - %[1]d) %% %d = 0", from, step)
			add("UPDATE app.chain SET u = -u + %d WHERE u < 0 AND NOT EXISTS (SELECT 1 FROM (SELECT u FROM app.chain) c WHERE c.u = -app.chain.u + %[1]d)", step)
			add("UPDATE app.chain SET u = %d + id WHERE u < 0", 100000)
		},
		func() { add("UPDATE IGNORE app.chain SET v = %d, w = 'w%d' WHERE id = %d", id(5000), id(7), id(5000)) },
		func() { add("UPDATE IGNORE app.chain SET id = %d WHERE id = %d", 5000+id(900), id(5000)) },
		func() { add("DELETE FROM app.chain WHERE id BETWEEN %d AND %[1]d + %d", id(5000), id(40)) },
		func() { add("UPDATE app.word SET w = UPPER(w), n = n + 1000 WHERE n = %d", id(300)) },
		func() { swapUnique(add, "app.word", "n", "NULL", id(300), id(300)) },
		func() {
			add("UPDATE IGNORE app.day SET k = CONCAT(LEFT(k, 3), 'other'), v = NULL WHERE k LIKE '%03d%%'", id(300))
		},
		func() { add("UPDATE IGNORE app.day SET d = '0000-00-00' WHERE k LIKE '%03d%%'", id(300)) },
		func() { add("DELETE FROM app.day WHERE k LIKE '%%%d%%' LIMIT 3", id(9)) },
	}
	add("SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
	for range 10 + random.IntN(40) {
		pick(random, kinds)()
	}
	return statements
}

// swapUnique exchanges the unique values of two rows, of which the key's own column is id, or the column itself in a table of words.
func swapUnique(add func(string, ...any), table, column, free string, a, b int) {
	key := "id"
	if table == "app.word" {
		key = "CONCAT(SUBSTRING(w, 5))"
	}
	if a == b {
		return
	}
	add("SET @a = (SELECT MAX(%s) FROM %s WHERE %s = %d), @b = (SELECT MAX(%[1]s) FROM %[2]s WHERE %[3]s = %[5]d)", column, table, key, a, b)
	add("UPDATE IGNORE %s SET %s = %s WHERE %s = %d", table, column, free, key, a)
	add("UPDATE IGNORE %s SET %s = @a WHERE %s = %d AND @a IS NOT NULL", table, column, key, b)
	add("UPDATE IGNORE %s SET %s = @b WHERE %s = %d AND @b IS NOT NULL", table, column, key, a)
}

// TestRepairFamiliesViaSource: the same damage repaired by statements on the source, which changes nothing there.
func TestRepairFamiliesViaSource(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		rounds, seed := times(1, 40), envNumber(t, EnvNoMissSeed)
		if seed == 0 {
			seed = uint64(time.Now().UnixMilli())
		} else {
			rounds = max(1, int(envNumber(t, EnvNoMissCases)))
		}
		tp := NewTopology(t, Options{Format: "MIXED"}) // which the rows of the tables themselves need
		tp.Source.Exec(t, append([]string{"SET SESSION binlog_format = 'ROW'"}, append(familyTables(tp), "SET SESSION binlog_format = 'MIXED'")...)...)
		tp.WaitCaughtUp(t)
		named := slices.DeleteFunc(slices.Clone(familyNames), func(name string) bool { return name == "app.visit" }) // no key names its rows
		whole := DumpTables(t, tp.Source, familyNames...)
		for round := range uint64(rounds) {
			statements := familyDamage(rand.New(rand.NewPCG(seed+round, 0)))
			tp.Damage(t, 0, statements...)
			run := NewRepairRun(t, requestFor(tp), true)
			run.Request.Via = repair.ViaSource
			result := run.Run(t)
			if now := DumpTables(t, tp.Source, familyNames...); now != whole {
				t.Fatalf("the source has changed:\n%s", diffLines(whole, now))
			}
			for _, code := range refusedCodes(result) {
				if code != repair.RefusedNotStatement {
					t.Errorf("refused: %s", DescribeRepair(result))
				}
			}
			requireReplicating(t, tp.Replicas...)
			if want, now := DumpTables(t, tp.Source, named...), DumpTables(t, tp.Replica(0), named...); now != want || t.Failed() {
				t.Fatalf("%s=%d: %s\n%s\n%s", EnvNoMissSeed, seed+round, diffLines(want, now), DescribeRepair(result), strings.Join(statements, ";\n"))
			}
			if left := NewRepairRun(t, requestFor(tp), true).Run(t); left.Applied { // of the table without a key
				requireAllRepaired(t, left)
			}
		}
	})
}

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/check"
	"trueup/server"
)

// manyTypes is a table with a column of each family of types.
const manyTypes = `CREATE TABLE app.types (
	id INT UNSIGNED NOT NULL PRIMARY KEY,
	tiny TINYINT, big BIGINT UNSIGNED, exact DECIMAL(20,5), f FLOAT, d DOUBLE, flags BIT(9),
	name VARCHAR(50) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, old VARCHAR(50) CHARACTER SET latin1, body TEXT, raw VARBINARY(20),
	kind ENUM('a','b'), opts SET('x','y'), day DATE, at DATETIME(6), seen TIMESTAMP(3) NULL, span TIME(2), model YEAR, doc JSON, place POINT)`

// manyTypesRows fills it from numbers; %s is a table of them.
const manyTypesRows = `INSERT INTO app.types SELECT seq, seq %% 100, 18446744073709551615 - seq, seq / 7, seq / 3e0, seq / 3e0, seq %% 512,
	CONCAT('Name ', seq), CONCAT('caf', CHAR(233 USING latin1), seq), REPEAT('body ', seq %% 50), UNHEX(LPAD(HEX(seq), 8, '0')), 1 + seq %% 2, seq %% 4,
	'2020-02-29' + INTERVAL seq DAY, '2026-01-01 00:00:00.000001' + INTERVAL seq SECOND, '2026-01-01 00:00:00' + INTERVAL seq SECOND,
	SEC_TO_TIME(-seq), 1970 + seq %% 50, CONCAT('{"n": ', seq, '}'), POINT(seq, seq) FROM %s`

// TestCheckFindsExactlyTheDamage: each damaged row is listed with its kind and its columns, and no other.
func TestCheckFindsExactlyTheDamage(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) { checkDamage(t, on) })
}

func checkDamage(t *testing.T, on ServerRow) {
	table := manyTypes
	if on.Flavor == server.MySQL && !on.IsMySQL(5, 7, 8) {
		table = strings.Replace(table, "doc JSON", "doc TEXT", 1) // JSON came with 5.7.8
	}
	tp := NewTopology(t, Options{GTID: true, Replicas: 2, ParallelThreads: 4})
	tp.Source.Exec(t, "CREATE DATABASE app", "SET sql_mode = '', time_zone = '+00:00'", table, fmt.Sprintf(manyTypesRows, tp.Numbers(1000)),
		"CREATE TABLE app.pairs (a VARCHAR(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL, b BINARY(4) NOT NULL, v INT, PRIMARY KEY (a, b))",
		"INSERT INTO app.pairs SELECT CONCAT('Key', seq % 20), UNHEX(LPAD(HEX(seq), 8, '0')), seq FROM "+tp.Numbers(500),
		"CREATE TABLE app.same (id INT PRIMARY KEY)", "INSERT INTO app.same SELECT seq FROM "+tp.Numbers(200))
	tp.WaitCaughtUp(t)
	tp.Damage(t, 1,
		"SET time_zone = '+00:00', sql_mode = ''",
		"UPDATE app.types SET f = 33.666668 WHERE id = 100",                                       // the last digit
		"UPDATE app.types SET d = 66.66666666666669 WHERE id = 200",                               // the last bit
		"UPDATE app.types SET name = 'name 300', old = 'caf300' WHERE id = 300",                   // case, lost accent
		"UPDATE app.types SET body = NULL, raw = 0x00 WHERE id = 400",                             //
		"UPDATE app.types SET flags = flags ^ 1, at = at + INTERVAL 1 MICROSECOND WHERE id = 500", //
		"UPDATE app.types SET doc = '{\"n\": 601}' WHERE id = 600",                                //
		"UPDATE app.types SET kind = '' WHERE id = 700",
		"DELETE FROM app.types WHERE id IN (1, 50, 51, 1000)",
		"INSERT INTO app.types (id) VALUES (0), (4294967295)",
		"UPDATE app.pairs SET a = LOWER(a) WHERE v = 77",
		"UPDATE app.pairs SET v = IF(v = 10, 11, 10) WHERE v IN (10, 11)")
	result := runCheck(t, requestFor(tp))
	want := []string{
		"missing app.types id=1", "missing app.types id=50", "missing app.types id=51", "missing app.types id=1000",
		"extra app.types id=0", "extra app.types id=4294967295",
		"changed app.types id=100 f:33.333332>33.666668",
		"changed app.types id=200 d:66.66666666666667>66.66666666666669",
		"changed app.types id=300 name:Name 300>name 300 old:0x636166e9333030>caf300",
		"changed app.types id=400 body:>NULL raw:0x00000190>0x00",
		"changed app.types id=500 flags:0x01f4>0x01f5 at:2026-01-01 00:08:20.000001>2026-01-01 00:08:20.000002",
		"changed app.types id=600 doc:{\"n\": 600}>{\"n\": 601}",
		"changed app.types id=700 kind:a>",
		"changed app.pairs a=Key17,b=0x0000004d a:Key17>key17",
		"changed app.pairs a=Key10,b=0x0000000a v:10>11", "changed app.pairs a=Key11,b=0x0000000b v:11>10",
	}
	slices.Sort(want)
	if got := differenceTexts(result); !slices.Equal(got, want) {
		t.Errorf("differences:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	requireOnlyReplica(t, result, tp.Replica(1).Address())
	requireCounts(t, result, tp.Replica(1).Address(), "types", 4, 2, 7)
	requireCounts(t, result, tp.Replica(1).Address(), "pairs", 0, 0, 3)
	requireCounts(t, result, tp.Replica(0).Address(), "types", 0, 0, 0)
	requireReplicating(t, tp.Replicas...)
}

// requireOnlyReplica: everything different is on that replica, and the others are equal.
func requireOnlyReplica(t testing.TB, result *check.Result, damaged string) {
	t.Helper()
	if result.Verdict != check.Different || result.DifferencesTruncated {
		t.Error(describe(result))
	}
	for _, replica := range result.Replicas {
		want := check.Equal
		if replica.Address == damaged {
			want = check.Different
		}
		if replica.Verdict != want {
			t.Errorf("%s is %s, want %s", replica.Address, replica.Verdict, want)
		}
	}
	for _, d := range result.Differences {
		if d.Replica != damaged {
			t.Errorf("on the undamaged replica: %s", differenceText(d))
		}
	}
}

func requireCounts(t testing.TB, result *check.Result, replica, table string, missing, extra, changed int64) {
	t.Helper()
	ranges := [3]int64{}
	for _, r := range result.DifferentRanges {
		if r.Replica == replica && r.Table == table {
			ranges[0] += r.Missing
			ranges[1] += r.Extra
			ranges[2] += r.Changed
		}
	}
	want := [3]int64{missing, extra, changed}
	if ranges != want {
		t.Errorf("%s on %s: ranges count %v, want %v", table, replica, ranges, want)
	}
	for _, found := range result.Tables {
		for _, on := range found.Replicas {
			if got := [3]int64{on.Missing, on.Extra, on.Changed}; found.Table == table && on.Address == replica && got != want {
				t.Errorf("%s on %s: %v missing, extra, changed, want %v", table, replica, got, want)
			}
		}
	}
}

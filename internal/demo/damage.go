package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"trueup/check"
)

// damage is one thing done to the replica, and what a check must find of it.
type damage struct {
	database, table string
	story           string
	statement       string
	missing         int64
	extra           int64
	changed         int64
}

var damages = []damage{
	{"shop", "customers", "three balances are wrong (lost UPDATEs)", "UPDATE shop.customers SET balance = balance + 1 WHERE id IN (11, 222, 3333)", 0, 0, 3},
	{"shop", "customers", "one e-mail differs only in case, one name only in a trailing space", "UPDATE shop.customers SET email = IF(id = 44, LOWER(email), email), name = IF(id = 55, CONCAT(name, ' '), name) WHERE id IN (44, 55)", 0, 0, 2},
	{"shop", "orders", "five orders are missing (a skipped transaction)", "DELETE FROM shop.orders WHERE id BETWEEN 1000 AND 1004", 5, 0, 0},
	{"shop", "orders", "a note is '' where it is NULL on the source", "UPDATE shop.orders SET note = '' WHERE id = 2005", 0, 0, 1},
	{"shop", "order_lines", "an order line that the source never had (somebody wrote to the replica)", "INSERT INTO shop.order_lines VALUES (4242, 99, 'SKU-00001', 1, 0)", 0, 1, 0},
	{"shop", "products", "the prices of two products are swapped (BIT_XOR checksums cancel out)", "UPDATE shop.products SET price = IF(sku = 'SKU-00008', 11.25, 10) WHERE sku IN ('SKU-00008', 'SKU-00009')", 0, 0, 2},
	{"plant", "readings", "a FLOAT differs in its eighth digit (the text protocol prints six)", "UPDATE plant.readings SET temperature = temperature + 2 WHERE sensor = 'sensor-1' AND taken_at = '2026-03-29 00:00:25'", 0, 0, 1},
	{"plant", "devices", "ten up-times are shifted by an hour (a time zone mistake)", "UPDATE plant.devices SET up_time = ADDTIME(up_time, '01:00:00') ORDER BY id LIMIT 10", 0, 0, 10},
}

// Stories are what Damage does, in words, one line each.
func Stories() []string {
	var stories []string
	for _, d := range damages {
		stories = append(stories, fmt.Sprintf("%s.%s: %s", d.database, d.table, d.story))
	}
	return stories
}

// Damage damages the last replica, behind replication's back.
func (t *Topology) Damage(ctx context.Context) error {
	statements := []string{"SET SESSION sql_log_bin = 0, time_zone = '+00:00', sql_mode = ''"}
	for _, d := range damages {
		statements = append(statements, d.statement)
	}
	return Execute(ctx, t.Last(), statements...)
}

// Judge compares the result of a check with what was damaged; it returns what the check got wrong, nothing when it found
// exactly the damage.
func (t *Topology) Judge(result *check.Result) []string {
	want := t.expected()
	var wrong []string
	for _, table := range result.Tables {
		for _, on := range table.Replicas {
			name := where{on.Address, table.Database, table.Table}
			got := counts{on.Missing, on.Extra, on.Changed}
			if got != want[name] {
				wrong = append(wrong, fmt.Sprintf("%s.%s on %s: found %+v, damaged were %+v", table.Database, table.Table, on.Address, got, want[name]))
			}
			delete(want, name)
			if on.Verdict != check.Equal && on.Verdict != check.Different {
				wrong = append(wrong, fmt.Sprintf("%s.%s on %s is %s: %s", table.Database, table.Table, on.Address, on.Verdict, on.Reason))
			}
		}
	}
	for name, damaged := range want {
		wrong = append(wrong, fmt.Sprintf("%s.%s on %s was not compared; damaged were %+v", name.database, name.table, name.replica, damaged))
	}
	slices.SortFunc(wrong, strings.Compare)
	return wrong
}

type where struct{ replica, database, table string }

type counts struct{ Missing, Extra, Changed int64 }

func (t *Topology) expected() map[where]counts {
	want := map[where]counts{}
	for _, d := range damages {
		name := where{t.Damaged(), d.database, d.table}
		sum := want[name]
		sum.Missing += d.missing
		sum.Extra += d.extra
		sum.Changed += d.changed
		want[name] = sum
	}
	return want
}

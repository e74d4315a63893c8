package integration

import (
	"context"
	"slices"
	"testing"

	"trueup/check"
	"trueup/server"
)

// TestRewrittenDatabases: a database that a channel rewrites is compared under the name it has there, also further down a chain.
func TestRewrittenDatabases(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { checkRewritten(t) }, seesAppliers,
		Needs{MinMySQL: server.Version{Major: 8}, MinMariaDB: server.Version{Major: 10, Minor: 11}})
}

func checkRewritten(t *testing.T) {
	tp := NewTopology(t, Options{GTID: true, Chain: true, Replicas: 2, ReplicaArgs: []string{"--replicate-rewrite-db=shop->shop_copy", "--replicate-wild-ignore-table=shop\\_copy.local%"}})
	for i, n := range tp.Nodes() {
		database := []string{"shop", "shop_copy", "shop_copy"}[i]
		n.unlogged(t, "CREATE DATABASE "+database, "CREATE TABLE "+database+".orders (id INT AUTO_INCREMENT PRIMARY KEY, k INT, note VARCHAR(20))",
			"CREATE TABLE "+database+".keyless (k INT, note VARCHAR(20))")
	}
	tp.Source.unlogged(t, "CREATE TABLE shop.local1 (id INT PRIMARY KEY)")                // no replica has it, none should
	tp.Replica(0).unlogged(t, "CREATE DATABASE shop", "CREATE TABLE shop.orders (x INT)") // another table of that name
	tp.Source.Exec(t, "INSERT INTO shop.orders (k, note) SELECT seq, 'x' FROM "+tp.Numbers(400), "INSERT INTO shop.keyless VALUES (1, 'a'), (1, 'a')")
	tp.Source.Exec(t, "INSERT INTO shop.local1 VALUES (1)") // the filter leaves it out by the name it would have there
	stop := repeatUntilStopped(t, func(ctx context.Context) error {
		return tp.Source.exec(ctx, "INSERT INTO shop.orders (k) VALUES (1)", "UPDATE shop.orders SET k = k + 1 ORDER BY id DESC LIMIT 5", "UPDATE shop.keyless SET k = k + 1")
	})
	request := requestFor(tp)
	request.Filters.Databases = []string{"shop"}
	for range times(3, 20) {
		requireRenamed(t, runCheck(t, request), check.Equal)
	}
	request.Filters.Databases = nil
	requireRenamed(t, runCheck(t, request), check.Equal)
	stop()
	tp.Damage(t, 0, "UPDATE shop_copy.orders SET note = 'damaged' WHERE id = 7")
	tp.Damage(t, 1, "INSERT INTO shop_copy.keyless VALUES (0, 'more')", "ALTER TABLE shop_copy.orders MODIFY note VARCHAR(30)")
	result := runCheck(t, request)
	requireRenamed(t, result, check.Different)
	want := []string{"changed shop.orders id=7 note:x>damaged", "extra shop.keyless "}
	if got := differenceTexts(result); !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
	if d := result.SchemaDifferences; len(d) != 1 || d[0].Replica != tp.Replica(1).Address() || d[0].Database != "shop" || d[0].Table != "orders" {
		t.Errorf("differences in definition: %+v", d)
	}
	tp.Source.unlogged(t, "CREATE DATABASE shop_copy")
	if mixed := runCheck(t, request); tableResult(t, mixed, "shop.orders").ReasonCode != "not_replicated" {
		t.Errorf("with a second database of that name: %s", describe(mixed))
	}
	requireReplicating(t, tp.Replicas...)
}

// unlogged runs statements that stay out of the binary log.
func (n *Node) unlogged(t *testing.T, statements ...string) {
	t.Helper()
	n.Exec(t, append(append([]string{"SET SESSION sql_log_bin=0"}, statements...), "SET SESSION sql_log_bin=1")...)
}

func requireRenamed(t *testing.T, result *check.Result, verdict check.Verdict) {
	t.Helper()
	if result.Verdict != verdict {
		t.Error(describe(result))
	}
	for _, r := range result.Replicas {
		if !slices.Equal(r.Renamed, []check.DatabaseName{{Source: "shop", Replica: "shop_copy"}}) {
			t.Errorf("%s: renamed %+v", r.Address, r.Renamed)
		}
	}
	if local := tableResult(t, result, "shop.local1"); local.Verdict != check.NotCompared || local.ReasonCode != "not_replicated" {
		t.Errorf("shop.local1: %+v", local)
	}
}

// tableResult is the result of one table.
func tableResult(t *testing.T, result *check.Result, name string) check.TableResult {
	t.Helper()
	for _, table := range result.Tables {
		if table.Database+"."+table.Table == name {
			return table
		}
	}
	t.Fatalf("%s is not in the result: %s", name, describe(result))
	return check.TableResult{}
}

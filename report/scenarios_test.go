package report

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"trueup/check"
	"trueup/schema"
	"trueup/server"
)

const (
	source   = "127.0.0.1:3306"
	replica1 = "127.0.0.1:3307"
	replica2 = "127.0.0.1:3308"
)

var began = time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)

func serverInfo(address string, id uint32) check.ServerInfo {
	return check.ServerInfo{Address: address, Identity: server.Identity{
		Flavor: server.MariaDB, VersionText: "10.11.19-MariaDB-log", ServerID: id, UUID: fmt.Sprintf("uid-%d", id),
	}}
}

func base(replicas ...string) *check.Result {
	r := &check.Result{
		RunID: "20260102-030405-7f3a", StartedAt: began, FinishedAt: began.Add(2345678 * time.Microsecond),
		Filters: check.Filters{Databases: []string{"shop"}, Tables: []string{"shop.*"}},
		Source:  serverInfo(source, 1),
	}
	epoch := check.Epoch{ID: 1, File: "bin.000007", Position: 4711, GTID: "0-1-42", OpenedAt: began.Add(20 * time.Millisecond)}
	for i, address := range replicas {
		r.Replicas = append(r.Replicas, check.ReplicaResult{ServerInfo: serverInfo(address, uint32(i+2))})
		epoch.Replicas = append(epoch.Replicas, check.EpochReplica{
			Address: address, File: "bin.000007", Position: 4711, GTID: "0-1-42", Exact: true,
			ApplierPaused: time.Duration(i+1) * 4321 * time.Microsecond,
		})
	}
	r.Sync = check.SyncInfo{Strategy: "until", Epochs: []check.Epoch{epoch}}
	return r
}

func equalTable(database, name string, rows int64, replicas ...string) check.TableResult {
	t := check.TableResult{
		Database: database, Table: name, KeyUsed: "PRIMARY", Digest: "xxh64-rows", Rows: rows, Bytes: rows * 195,
		ChunksVerified: int(rows/50_000) + 1, Epochs: []int{1}, Duration: time.Duration(rows) * 2 * time.Microsecond,
	}
	for _, address := range replicas {
		t.Replicas = append(t.Replicas, check.TableReplicaResult{Address: address, Rows: rows})
	}
	return t
}

func equalRun() *check.Result {
	r := base(replica1, replica2)
	for name, rows := range orderedRows() {
		r.Tables = append(r.Tables, equalTable("shop", name, rows, replica1, replica2))
	}
	view := check.TableResult{Database: "shop", Table: "sales_per_day", Verdict: check.NotCompared, ReasonCode: "view", Reason: "a view"}
	view.Replicas = []check.TableReplicaResult{{Address: replica1, Verdict: check.NotCompared}, {Address: replica2, Verdict: check.NotCompared}}
	r.Tables = append(r.Tables, view)
	return r
}

func orderedRows() func(func(string, int64) bool) {
	return func(yield func(string, int64) bool) {
		_ = yield("customers", 120_000) && yield("order_items", 2_450_122) && yield("orders", 731_400)
	}
}

func textValue(s string) check.Value { return check.Value{Text: s} }

func pointer(v check.Value) *check.Value { return &v }

func key(name, value string) []check.NamedValue {
	return []check.NamedValue{{Name: name, Value: textValue(value)}}
}

// differentRun has every kind of difference on the second of two replicas.
func differentRun() *check.Result {
	r := equalRun()
	r.Verdict = check.Different
	r.Replicas[1].Verdict = check.Different
	orders := &r.Tables[2]
	orders.Verdict, orders.ChunksDifferent, orders.IgnoredColumns = check.Different, 2, []string{"note"}
	orders.Replicas[1] = check.TableReplicaResult{Address: replica2, Verdict: check.Different, Rows: 731_396, Missing: 5, Extra: 1, Changed: 2}
	row := func(kind check.DifferenceKind, id string, columns ...check.ColumnDifference) check.RowDifference {
		return check.RowDifference{Replica: replica2, Database: "shop", Table: "orders", Kind: kind, Count: 1, Key: key("id", id), Columns: columns}
	}
	r.Differences = []check.RowDifference{
		row(check.Missing, "17", check.ColumnDifference{Name: "id", Source: pointer(textValue("17"))}, check.ColumnDifference{Name: "state", Source: pointer(textValue("paid"))}),
		row(check.Extra, "18", check.ColumnDifference{Name: "id", Replica: pointer(textValue("18"))}, check.ColumnDifference{Name: "state", Replica: pointer(check.Value{Null: true})}),
		row(check.Changed, "19", check.ColumnDifference{Name: "state", Source: pointer(textValue("paid")), Replica: pointer(textValue("new"))}),
		row(check.Changed, "20", check.ColumnDifference{Name: "total", Source: pointer(textValue("10.50")), Replica: pointer(check.Value{Null: true})},
			check.ColumnDifference{Name: "photo", Source: pointer(check.Value{Text: "ffd8ffe0", Hex: true}), Replica: pointer(textValue(""))}),
	}
	r.DifferencesTruncated = true
	r.DifferentRanges = []check.DifferentRange{
		{Replica: replica2, Database: "shop", Table: "orders", Key: "PRIMARY", Upper: key("id", "50000"), Missing: 5, Extra: 1, Changed: 1},
		{Replica: replica2, Database: "shop", Table: "orders", Key: "PRIMARY", Lower: key("id", "700000"), Changed: 1},
	}
	difference := func(object, what, s, r string) check.SchemaDifference {
		return check.SchemaDifference{Replica: replica2, Difference: schema.Difference{Database: "shop", Table: "customers", Object: object, What: what, SourceValue: s, ReplicaValue: r}}
	}
	r.SchemaDifferences = []check.SchemaDifference{
		difference("column email", "type", "varchar(100)", "varchar(80)"), difference("key uq_email", "missing", "UNIQUE (email)", ""),
		difference("column old", "extra", "", "int(11)"),
	}
	r.Warnings = []string{"column shop.orders.note was left out: --ignore-columns"}
	return r
}

// unverifiedRun has one replica that could not be compared at all, and a table without a key.
func unverifiedRun() *check.Result {
	r := equalRun()
	r.Verdict = check.Unverified
	r.Replicas[1] = check.ReplicaResult{ServerInfo: check.ServerInfo{Address: replica2}, Verdict: check.Unverified,
		ReasonCode: "applier_stopped", Reason: "the applier was stopped before the check began"}
	r.Sync.Epochs[0].Replicas = r.Sync.Epochs[0].Replicas[:1]
	for i := range r.Tables[:3] {
		t := &r.Tables[i]
		t.Verdict, t.ReasonCode, t.Reason = check.Unverified, "replica_unverified", "127.0.0.1:3308 could not be compared"
		t.Replicas[1] = check.TableReplicaResult{Address: replica2, Verdict: check.Unverified, ReasonCode: "replica_unverified", Reason: t.Reason}
	}
	noKey := check.TableResult{Database: "shop", Table: "log", Verdict: check.Unverified, ReasonCode: "not_transactional",
		Reason: "engine MyISAM obeys no snapshot"}
	for _, address := range []string{replica1, replica2} {
		noKey.Replicas = append(noKey.Replicas, check.TableReplicaResult{Address: address, Verdict: check.Unverified, ReasonCode: noKey.ReasonCode, Reason: noKey.Reason})
	}
	r.Replicas[0].Verdict = check.Unverified
	r.Tables = append(r.Tables, noKey)
	return r
}

func failedRun() *check.Result {
	r := base()
	r.Source = check.ServerInfo{Address: source}
	r.Sync = check.SyncInfo{}
	r.Verdict, r.Err = check.Failed, errors.New("127.0.0.1:3306: access denied for user 'trueup'@'localhost' (using password: YES); check user and password")
	return r
}

func interruptedRun() *check.Result {
	r := equalRun()
	r.Verdict, r.Interrupted = check.Unverified, true
	for i := range r.Tables[1:3] {
		t := &r.Tables[i+1]
		t.Verdict, t.ReasonCode, t.Reason = check.Unverified, "interrupted", "the check was interrupted before it was compared"
		t.ChunksVerified, t.Rows, t.Bytes, t.Duration, t.Epochs = 0, 0, 0, 0, nil
		for j := range t.Replicas {
			t.Replicas[j] = check.TableReplicaResult{Address: t.Replicas[j].Address, Verdict: check.Unverified, ReasonCode: t.ReasonCode, Reason: t.Reason}
			r.Replicas[j].Verdict = check.Unverified
		}
	}
	return r
}

// weirdRun has names and values that try to drive the terminal, to be taken for others, or to be endless.
func weirdRun() *check.Result {
	r := base(replica1)
	r.Verdict, r.Replicas[0].Verdict = check.Different, check.Different
	r.Warnings = []string{"first line\nsecond line \x1b[31mred"}
	name := "evil\x1b[2J\n\u202e\u009b名前`\"\\"
	t := equalTable("da\tta", name, 3, replica1)
	t.Verdict, t.ChunksDifferent = check.Different, 1
	t.Replicas[0].Verdict, t.Replicas[0].Changed = check.Different, 4
	r.Tables = []check.TableResult{t, equalTable("shop", strings.Repeat("very_long_name_", 4)+"tail", 10, replica1), equalTable("shop", "漢字の表", 10, replica1)}
	long := strings.Repeat("lorem ipsum ", 500)
	changed := func(count int64, key []check.NamedValue, columns ...check.ColumnDifference) check.RowDifference {
		return check.RowDifference{Replica: replica1, Database: "da\tta", Table: name, Kind: check.Changed, Count: count, Key: key, Columns: columns}
	}
	r.Differences = []check.RowDifference{
		changed(1, key("k\x07", "\x1b]0;title\x07"), check.ColumnDifference{Name: "a", Source: pointer(textValue("NULL")), Replica: pointer(check.Value{Null: true})}),
		changed(1, key("k", "trailing "), check.ColumnDifference{Name: "wide", Source: pointer(textValue("漢字かな交じり文")), Replica: pointer(textValue("漢字\r\n"))},
			check.ColumnDifference{Name: "bidi", Source: pointer(textValue("abc\u202edef")), Replica: pointer(textValue("abc\u009b31mdef"))}),
		changed(1, []check.NamedValue{{Name: "b", Value: check.Value{Text: "00ff", Hex: true}}},
			check.ColumnDifference{Name: "late", Source: pointer(textValue(long + "A" + long)), Replica: pointer(textValue(long + "B" + long))},
			check.ColumnDifference{Name: "blob", Source: pointer(check.Value{Text: strings.Repeat("00", 600) + "01", Hex: true}), Replica: pointer(check.Value{Text: strings.Repeat("00", 600) + "02", Hex: true})},
			check.ColumnDifference{Name: "short", Source: pointer(textValue(long)), Replica: pointer(textValue(""))}),
		{Replica: replica1, Database: "da\tta", Table: name, Kind: check.Missing, Count: 3, Columns: []check.ColumnDifference{
			{Name: "x", Source: pointer(textValue("1"))}, {Name: "y", Source: pointer(textValue("it's \"quoted\" \\ back"))}}},
	}
	return r
}

// manyRun has 500 tables in three databases, of which 3 differ and 20 could not be compared.
func manyRun() *check.Result {
	r := base(replica1, replica2)
	r.Replicas[1].Verdict = check.Unverified
	for i := range 500 {
		t := equalTable(fmt.Sprintf("db%d", i/200), fmt.Sprintf("table_%03d", i), int64(i)*1000, replica1, replica2)
		switch {
		case i%200 == 150:
			r.Verdict, r.Replicas[0].Verdict = check.Different, check.Different
			t.Verdict, t.ChunksDifferent = check.Different, 1
			t.Replicas[0].Verdict, t.Replicas[0].Missing = check.Different, int64(i)
			for id := range 15 {
				r.Differences = append(r.Differences, check.RowDifference{Replica: replica1, Database: t.Database, Table: t.Table, Kind: check.Missing, Count: 1, Key: key("id", fmt.Sprint(id))})
			}
		case i%25 == 3:
			t.Verdict, t.ReasonCode, t.Reason = check.Unverified, "not_transactional", fmt.Sprintf("%s is a MyISAM table", t.Table)
			t.ChunksVerified, t.Rows, t.Duration = 0, 0, 0
			for j := range t.Replicas {
				t.Replicas[j].Verdict, t.Replicas[j].ReasonCode, t.Replicas[j].Reason, t.Replicas[j].Rows = check.Unverified, t.ReasonCode, t.Reason, 0
			}
		}
		r.Tables = append(r.Tables, t)
	}
	return r
}

func scenarios() map[string]func() *check.Result {
	return map[string]func() *check.Result{
		"equal": equalRun, "different": differentRun, "unverified": unverifiedRun, "failed": failedRun,
		"interrupted": interruptedRun, "weird": weirdRun, "many": manyRun,
	}
}

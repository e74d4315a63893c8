package replication

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"trueup/internal/sandbox"
	"trueup/internal/sandbox/sandboxtest"
	"trueup/server"
)

func testTwoSources(t *testing.T, source, other, replica node) {
	replica.follow(t, source, "", "d", true)
	replica.follow(t, other, "West", "w", true)
	replica.start(t, "")
	replica.start(t, "West")
	source.run(t, "INSERT INTO d.t VALUES (1, 1)")
	other.run(t, "INSERT INTO w.t VALUES (1, 1)")
	replica.awaitEnd(t, "", source)
	replica.awaitEnd(t, "West", other)

	statuses, err := ReadStatuses(t.Context(), replica.Session)
	if err != nil || len(statuses) != 2 {
		t.Fatal(statuses, err)
	}
	for _, test := range []struct {
		node
		channel string
	}{{source, ""}, {other, "West"}} {
		status, err := ChannelFrom(statuses, test.Server().Identity(), test.AdminEndpoint())
		if err != nil || status.Channel != test.channel || status.Executed != test.position(t) {
			t.Errorf("%+v, %v", status, err)
		}
		// Each channel shows the whole replica's GTIDs; the source agrees on its own domain only.
		executed := parsed(t, server.MariaDB, status.ExecutedGTID)
		gtid, err := GTIDAt(t.Context(), test.Session, test.position(t))
		if err != nil || !executed.AgreesOn(parsed(t, server.MariaDB, gtid)) || len(executed.domains) != 2 {
			t.Errorf("%v, %v, %v", executed, gtid, err)
		}
	}
	if _, err := ChannelFrom(statuses, replica.Server().Identity()); !errors.Is(err, ErrOtherSource) {
		t.Error(err)
	}
	// Stopping one channel's applier leaves the other's alone, also that of the default channel.
	if err := StopApplier(t.Context(), replica.Session, ""); err != nil {
		t.Fatal(err)
	}
	if replica.status(t, "").ApplierRunning || !replica.status(t, "West").ApplierRunning {
		t.Error("stopped the wrong applier")
	}
}

func testFilters(t *testing.T, source, _, replica node) {
	replica.follow(t, source, "East", "d", true) // IGNORE_DOMAIN_IDS is for GTID only
	set := func(name, value string) { replica.run(t, "SET GLOBAL "+name+" = "+quote(value)) }
	replica.run(t, "SET SESSION default_master_connection = 'East'")
	defer replica.run(t, "SET SESSION default_master_connection = ''")
	set("replicate_do_db", "d,e")
	set("replicate_ignore_table", "d.ignored")
	set("replicate_wild_ignore_table", `e.tmp\_%`)
	set("replicate_rewrite_db", "f->g,h->i")
	replica.run(t, "CHANGE MASTER 'East' TO IGNORE_DOMAIN_IDS=(7,8), IGNORE_SERVER_IDS=(99)")
	got := replica.status(t, "East").Filters
	want := []Filter{{doDB, "d"}, {doDB, "e"}, {ignoreTable, "d.ignored"}, {wildIgnoreTable, `e.tmp\_%`},
		{ignoreDomain, "7"}, {ignoreDomain, "8"}, {ignoreServer, "99"}, {rewriteDB, "f->g"}, {rewriteDB, "h->i"}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("\n got %v\nwant %v", got, want)
	}
}

// testFilterSemantics compares Replicates with what a real applier lets through. Letter case is the surprise:
// it counts in filters by database and does not in filters by table, with lower_case_table_names=0.
func TestMariaDBFilterSemantics(t *testing.T) {
	t.Parallel()
	tables := []string{"w.t1", "w.x", "z.ab", "z.Ab", "Z.Ab", "w_b.t", "wxb.t"}
	source := startNode(t, sandbox.Options{Name: "source", ServerID: 21})
	replica := startNode(t, sandbox.Options{Name: "replica", ServerID: 22})
	if source.value(t, "SELECT @@lower_case_table_names") != "0" {
		t.Skip("SKIPPED: file names on this machine have no letter case")
	}
	replica.follow(t, source, "", "d", false)
	for _, n := range []node{source, replica} {
		n.run(t, "SET SESSION sql_log_bin = 0")
		for _, table := range tables {
			database, _, _ := strings.Cut(table, ".")
			n.run(t, "CREATE DATABASE IF NOT EXISTS "+database, "CREATE TABLE "+table+" (id INT PRIMARY KEY)")
		}
	}
	replica.run(t, "CREATE TABLE z.t1 (id INT PRIMARY KEY)", "CREATE TABLE z.x (id INT PRIMARY KEY)") // for what is rewritten
	source.run(t, "SET SESSION sql_log_bin = 1")
	rules := []string{"do_db=w", "do_db=W,z", "ignore_db=W", "ignore_db=w", "do_table=z.AB", "ignore_table=Z.AB",
		"wild_do_table=W.T%", `wild_ignore_table=w\_b.%`, "wild_ignore_table=w_b.%", "wild_do_table=%.%b", "wild_do_table=_.a_",
		"rewrite_db=w->z", "rewrite_db=w->z;do_db=z", "rewrite_db=w->z;do_db=w", "rewrite_db=w->z;ignore_table=z.x", "rewrite_db=w->z;ignore_table=w.x",
		"rewrite_db=w->z;wild_do_table=w.%", "rewrite_db=w->z,z->w;ignore_db=z"}
	for i, rule := range rules {
		filterLetsThrough(t, source, replica, tables, rule, i+1)
	}
}

// filterLetsThrough sets filters, by their options separated by semicolons, and writes a row of its own into every table.
func filterLetsThrough(t *testing.T, source, replica node, tables []string, rule string, row int) {
	replica.run(t, "STOP SLAVE")
	for filter := range strings.SplitSeq(rule, ";") {
		name, value, _ := strings.Cut(filter, "=")
		replica.run(t, "SET GLOBAL replicate_"+name+" = "+quote(value))
	}
	replica.start(t, "")
	swaps := strings.Contains(rule, "z->w") // whatever is in z would have nowhere to land
	for _, table := range tables {
		if !swaps || !strings.HasPrefix(table, "z.") {
			source.run(t, fmt.Sprintf("INSERT INTO %s VALUES (%d)", table, row))
		}
	}
	status := replica.awaitEnd(t, "", source)
	for _, table := range tables {
		database, short, _ := strings.Cut(table, ".")
		if swaps && database == "z" {
			continue
		}
		want := replica.value(t, fmt.Sprintf("SELECT COUNT(*) FROM %s.%s WHERE id = %d", status.NameOf(database), short, row)) == "1"
		if got, reason := status.Replicates(database, short); got != want {
			t.Errorf("%s: %s is replicated: %v, Replicates says %v (%s)", rule, table, want, got, reason)
		}
	}
	replica.run(t, "STOP SLAVE")
	for filter := range strings.SplitSeq(rule, ";") {
		name, _, _ := strings.Cut(filter, "=")
		replica.run(t, "SET GLOBAL replicate_"+name+" = ''")
	}
}

func testLogRotated(t *testing.T, source, _, replica node) {
	replica.follow(t, source, "", "d", true)
	replica.start(t, "")
	source.run(t, "INSERT INTO d.t VALUES (1, 1)", "FLUSH BINARY LOGS")
	empty := source.position(t)
	// A fresh file has no transaction yet, but the applier's position enters it all the same.
	// The server may write a checkpoint event there at any time, and so move its end.
	replica.await(t, "", "at the new file's beginning", func(s Status) bool {
		end := source.position(t)
		return s.Executed == end && s.Received == end && end.File == empty.File
	})
	source.run(t, "INSERT INTO d.t VALUES (2, 2)")
	if next := source.position(t); next.Compare(empty) <= 0 {
		t.Errorf("%v, %v", empty, next)
	}
	replica.awaitEnd(t, "", source)
}

func testGTIDAt(t *testing.T, source, _, _ node) {
	source.prepareSource(t, "d")
	source.run(t, "FLUSH BINARY LOGS")
	start := source.position(t)
	source.run(t, "INSERT INTO d.t VALUES (1, 1)", "INSERT INTO d.t VALUES (2, 2)")
	at := func(file string, offset uint64) string {
		gtid, err := GTIDAt(t.Context(), source.Session, Position{file, offset})
		if err != nil {
			t.Fatal(err)
		}
		return gtid
	}
	now := source.value(t, "SELECT @@GLOBAL.gtid_binlog_pos")
	if got := at(start.File, source.position(t).Offset); got != now {
		t.Errorf("end: %q, want %q", got, now)
	}
	if got := at(start.File, start.Offset); got == now || got == "" {
		t.Errorf("start of the file: %q", got)
	}
	if got := at("binlog.000001", 4); got != "" {
		t.Errorf("the very start: %q", got)
	}
	for _, unknown := range []Position{{start.File, start.Offset + 1}, {start.File, 1 << 40}, {"binlog.009999", 4}} {
		if got := at(unknown.File, unknown.Offset); got != "" {
			t.Errorf("%v: %q", unknown, got)
		}
	}
}

func testSnapshotPosition(t *testing.T, source, _, _ node) {
	source.prepareSource(t, "d")
	reader := node{source.Instance, sandboxtest.Session(t, source.Instance.AdminEndpoint())}
	source.run(t, "INSERT INTO d.t VALUES (1, 1)")
	before := source.position(t)
	reader.run(t, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
	source.run(t, "INSERT INTO d.t VALUES (2, 2)")
	got, err := SnapshotPosition(t.Context(), reader.Session)
	if err != nil || got != before {
		t.Errorf("%v, %v; want %v", got, err, before)
	}
	if rows := reader.value(t, "SELECT COUNT(*) FROM d.t"); rows != "1" {
		t.Errorf("%s rows", rows)
	}
	reader.run(t, "COMMIT")
	// Without a snapshot it is the end of the log, and nothing tells that apart.
	if got, err := SnapshotPosition(t.Context(), reader.Session); err != nil || got != source.position(t) {
		t.Errorf("%v, %v", got, err)
	}
}

func testHidingSettings(t *testing.T, _, _, replica node) {
	got, err := HidingSettings(t.Context(), replica.Session)
	if err != nil || got != nil {
		t.Errorf("%q, %v", got, err)
	}
	replica.run(t, "SET GLOBAL slave_exec_mode = 'IDEMPOTENT'", "SET GLOBAL slave_type_conversions = 'ALL_LOSSY'")
	defer replica.run(t, "SET GLOBAL slave_exec_mode = 'STRICT'", "SET GLOBAL slave_type_conversions = ''")
	got, err = HidingSettings(t.Context(), replica.Session)
	if err != nil || len(got) != 2 {
		t.Errorf("%q, %v", got, err)
	}
}

func TestMariaDBBinlogOff(t *testing.T) {
	t.Parallel()
	n := startNode(t, sandbox.Options{Name: "no binlog", NoBinlog: true, Args: []string{"--slave-skip-errors=1062"}})
	if _, err := SourcePosition(t.Context(), n.Session); !errors.Is(err, ErrBinlogOff) {
		t.Error(err)
	}
	if _, err := SnapshotPosition(t.Context(), n.Session); !errors.Is(err, ErrBinlogOff) {
		t.Error(err)
	}
	if _, err := ReadBinlogFilter(t.Context(), n.Session); !errors.Is(err, ErrBinlogOff) {
		t.Error(err)
	}
	if got, err := HidingSettings(t.Context(), n.Session); err != nil || len(got) != 1 || !strings.HasPrefix(got[0], "slave_skip_errors=1062") {
		t.Errorf("%q, %v", got, err)
	}
	candidates, warnings, err := Discover(t.Context(), n.Session)
	if err != nil || len(candidates) != 0 || len(warnings) != 0 {
		t.Error(candidates, warnings, err)
	}
}

func TestMariaDBDiscover(t *testing.T) {
	t.Parallel()
	source := startNode(t, sandbox.Options{Name: "source", ServerID: 31, Args: []string{"--binlog-do-db=d", "--binlog-ignore-db=e"}})
	named := startNode(t, sandbox.Options{Name: "replica with report_host", ServerID: 32})
	silent := startNode(t, sandbox.Options{Name: "replica without report_host", ServerID: 33, Args: []string{"--report-host="}})
	if filter, err := ReadBinlogFilter(t.Context(), source.Session); err != nil || fmt.Sprint(filter) != "{[d] [e]}" {
		t.Error(filter, err)
	}
	for _, replica := range []node{named, silent} {
		replica.follow(t, source, "", "d", true)
		replica.start(t, "")
		replica.awaitEnd(t, "", source)
	}
	candidates, warnings, err := Discover(t.Context(), source.Session)
	if err != nil || len(warnings) != 0 {
		t.Error(warnings, err)
	}
	want := map[uint32]Candidate{
		32: {ServerID: 32, Host: "127.0.0.1", Port: named.Port(), How: Registered, Hosts: []string{"127.0.0.1"}},
		33: {ServerID: 33, Host: "127.0.0.1", Port: silent.Port(), How: Registered, Hosts: []string{"127.0.0.1"}},
	}
	if len(candidates) != len(want) {
		t.Errorf("%+v", candidates)
	}
	for _, candidate := range candidates {
		if fmt.Sprint(candidate) != fmt.Sprint(want[candidate.ServerID]) {
			t.Errorf("\n got %+v\nwant %+v", candidate, want[candidate.ServerID])
		}
	}
	discoverOtherReader(t, source)
	// A replica whose receiver stands is not to be found.
	named.run(t, "STOP SLAVE")
	silent.run(t, "STOP SLAVE")
	// The source notices when it next has something to send.
	source.run(t, "INSERT INTO d.t VALUES (1, 1)", "INSERT INTO d.t VALUES (2, 2)")
	waitFor(t, "both gone", func() bool {
		candidates, _, err := Discover(t.Context(), source.Session)
		return err == nil && len(candidates) == 0
	})
}

// discoverOtherReader: a program that reads the binary log without being a replica is warned about.
func discoverOtherReader(t *testing.T, source node) {
	program, err := exec.LookPath("mariadb-binlog")
	if err != nil {
		t.Log("SKIPPED, NOT PROVEN: another reader of the binary log: ", err)
		return
	}
	reader := exec.CommandContext(t.Context(), program, "--no-defaults", "--read-from-remote-server", "--raw", "--stop-never",
		"--host=127.0.0.1", fmt.Sprint("--port=", source.Port()), "--user=repl", "--password=repl", "--result-file="+t.TempDir()+"/", "binlog.000001")
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Wait() }()
	defer func() { _ = reader.Process.Kill() }()
	waitFor(t, "a warning about mariadb-binlog", func() bool {
		candidates, warnings, err := Discover(t.Context(), source.Session)
		return err == nil && len(candidates) == 2 && len(warnings) == 1 && strings.HasPrefix(warnings[0], "1 more client(s)")
	})
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for ", what)
		}
	}
}

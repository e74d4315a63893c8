package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trueup/repair"
)

// TestUndoNoticesChanges: an undo leaves a group whole of which a row was changed since, restores the others, does nothing the second time, and is refused on
// another server, when its file was changed, and when its end is missing.
func TestUndoNoticesChanges(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: 2})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT NOT NULL, s VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci)",
			"INSERT INTO app.t SELECT seq, seq, 'Some' FROM "+tp.Numbers(9000))
		tp.Damage(t, 0, "UPDATE app.t SET v = -v")
		run := NewRepairRun(t, requestFor(tp), true)
		result := run.Run(t)
		requireAllRepaired(t, result)
		groups := int(result.Replicas[0].Undo)
		// Only letter case: a guard by equality would not see it.
		tp.Source.Exec(t, "UPDATE app.t SET s = 'some' WHERE id = 4500")
		tp.WaitCaughtUp(t)
		requireUndoRefused(t, run, tp)
		undone := run.Undo(t, tp.Replica(0))
		if undone.Groups != groups || undone.Undone != groups-1 || len(undone.Refused) != 1 {
			t.Errorf("of %d groups: %+v", groups, undone)
		}
		left := tp.Replica(0).Query(t, "SELECT COUNT(*), MIN(id) <= 4500 AND MAX(id) >= 4500 FROM app.t WHERE v > 0")[0]
		if left[0] == "0" || left[1] != "1" || left[0] == "9000" {
			t.Errorf("%v rows are as the repair left them, with %d groups", left, groups)
		}
		tp.Source.Exec(t, "UPDATE app.t SET s = 'Some' WHERE id = 4500")
		tp.WaitCaughtUp(t)
		again := run.Undo(t, tp.Replica(0))
		if again.Undone != 1 || again.Already != groups-1 || len(again.Refused) != 0 {
			t.Errorf("the second time: %+v", again)
		}
		if wrong := tp.Replica(0).Value(t, "SELECT COUNT(*) FROM app.t WHERE v <> -id"); wrong != "0" {
			t.Errorf("%s rows are not as they were", wrong)
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// TestUndoOfRowsChangedSince: rows that were all changed since the repair are not called undone, whichever way the repair had changed them; a
// group that was undone before is, where a journal says so, and else not.
func TestUndoOfRowsChangedSince(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{})
		names := []string{"app.missing", "app.changed", "app.extra", "app.left"}
		tp.Source.Exec(t, "CREATE DATABASE app")
		for _, name := range names {
			tp.Source.Exec(t, "CREATE TABLE "+name+" (id INT PRIMARY KEY, v INT NOT NULL)", "INSERT INTO "+name+" VALUES (1, 1), (2, 2)")
		}
		tp.Damage(t, 0, "DELETE FROM app.missing WHERE id = 1", "UPDATE app.changed SET v = -1 WHERE id = 1", "INSERT INTO app.extra VALUES (3, -3)", "UPDATE app.left SET v = -2 WHERE id = 2")
		run := NewRepairRun(t, requestFor(tp), true)
		requireAllRepaired(t, run.Run(t))
		tp.Source.Exec(t, "UPDATE app.missing SET v = 7 WHERE id = 1", "UPDATE app.changed SET v = 7 WHERE id = 1", "INSERT INTO app.extra VALUES (3, 7)")
		tp.WaitCaughtUp(t)
		before := DumpTables(t, tp.Replica(0), names[:3]...)
		for _, first := range []bool{true, false} {
			undone := run.Undo(t, tp.Replica(0))
			if undone.Groups != 4 || len(undone.Refused) != 3 || undone.Undone+undone.Already != 1 || (undone.Undone == 1) != first {
				t.Errorf("the first time %t: %+v", first, undone)
			}
		}
		if now := DumpTables(t, tp.Replica(0), names[:3]...); now != before {
			t.Errorf("rows that have moved on were changed:\n%s", now)
		}
		if v := tp.Replica(0).Value(t, "SELECT v FROM app.left WHERE id = 2"); v != "-2" {
			t.Errorf("the row that stayed as the repair left it is %s", v)
		}
		var file strings.Builder
		if err := repair.WriteUndo(&file, run.Journal, tp.Replica(0).Address()); err != nil {
			t.Fatal(err)
		}
		alone, err := repair.Undo(t.Context(), repair.UndoRequest{RunID: "undo", Replica: tp.Replica(0).Endpoint(), File: strings.NewReader(file.String()), Now: time.Now})
		if err != nil || len(alone.Refused) != 4 || alone.Already != 0 {
			t.Errorf("with no journal: %+v, %v", alone, err)
		}
	})
}

// TestUndoOfUnknownGroup: a group of which the journal does not say whether it was committed is named and left where its rows were all changed since,
// has nothing to undo where they are as before the repair, and is undone where they are as the repair left them.
func TestUndoOfUnknownGroup(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{})
		tp.Source.Exec(t, "CREATE DATABASE app",
			"CREATE TABLE app.t (id INT PRIMARY KEY, v INT NOT NULL, s VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci)", "INSERT INTO app.t VALUES (1, 1, 'Some'), (2, 2, 'Some'), (3, 3, 'Some')",
			"CREATE TABLE app.keyless (v INT)", "INSERT INTO app.keyless VALUES (1), (1), (2)")
		tp.WaitCaughtUp(t)
		tables := []struct {
			name               string
			damage, move, mend []string
			rows               int64
			named              string
		}{
			{
				name:   "app.t",
				damage: []string{"UPDATE app.t SET s = 'some', v = -1 WHERE id = 1", "DELETE FROM app.t WHERE id = 2", "INSERT INTO app.t VALUES (4, 4, 'Some')"},
				// Of the changed row only the letter case is not what it was.
				move:  []string{"UPDATE app.t SET s = 'SOME', v = -1 WHERE id = 1", "DELETE FROM app.t WHERE id = 2", "INSERT INTO app.t VALUES (4, 4, 'Some')"},
				mend:  []string{"UPDATE app.t SET s = 'some' WHERE id = 1"},
				rows:  3,
				named: "3 of app.t: (`id` = 2), (`id` = 4), (`id` = 1)",
			},
			{
				name:   "app.keyless",
				damage: []string{"INSERT INTO app.keyless VALUES (5)"},
				move:   []string{"INSERT INTO app.keyless VALUES (5), (5)"},
				mend:   []string{"DELETE FROM app.keyless WHERE v = 5 LIMIT 1"},
				rows:   1,
				named:  "1 of app.keyless: `v` = 5",
			},
		}
		for _, test := range tables {
			name := test.name
			tp.Damage(t, 0, test.damage...)
			damaged := DumpTables(t, tp.Replica(0), name)
			run := NewRepairRun(t, requestFor(tp), true)
			requireAllRepaired(t, run.Run(t))
			run.Journal = withoutGroupEnd(t, run.Journal)
			repaired := DumpTables(t, tp.Replica(0), name)
			tp.Damage(t, 0, test.move...)
			moved := DumpTables(t, tp.Replica(0), name)
			undone := run.Undo(t, tp.Replica(0))
			if len(undone.Refused) != 1 || undone.Refused[0].Rows != test.rows || !strings.Contains(undone.Refused[0].Reason, "whether group "+tp.Replica(0).Address()+" group 1 ("+name+" on ") || !strings.Contains(undone.Refused[0].Reason, test.named) {
				t.Errorf("%s, moved on: %+v", name, undone)
			}
			if now := DumpTables(t, tp.Replica(0), name); now != moved {
				t.Errorf("%s has moved on and was changed:\n%s", name, diffLines(moved, now))
			}
			tp.Damage(t, 0, test.mend...)
			if now := DumpTables(t, tp.Replica(0), name); now != damaged {
				t.Fatalf("%s is not as before the repair: nothing is proven:\n%s", name, diffLines(damaged, now))
			}
			if undone = run.Undo(t, tp.Replica(0)); undone.Already != 1 || len(undone.Refused) != 0 {
				t.Errorf("%s, as before the repair: %+v", name, undone)
			}
			again := NewRepairRun(t, requestFor(tp), true)
			requireAllRepaired(t, again.Run(t))
			if now := DumpTables(t, tp.Replica(0), name); now != repaired {
				t.Fatalf("%s is not as the repair left it: nothing is proven:\n%s", name, diffLines(repaired, now))
			}
			if undone = run.Undo(t, tp.Replica(0)); undone.Undone != 1 || len(undone.Refused) != 0 {
				t.Errorf("%s, as the repair left it: %+v", name, undone)
			}
			if now := DumpTables(t, tp.Replica(0), name); now != damaged {
				t.Errorf("%s is not as it was:\n%s", name, diffLines(damaged, now))
			}
			requireAllRepaired(t, NewRepairRun(t, requestFor(tp), true).Run(t))
		}
	})
}

// withoutGroupEnd copies a journal up to where a process that was killed between a commit and its entry would have left it.
func withoutGroupEnd(t *testing.T, journal string) string {
	t.Helper()
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	ended := strings.Index(string(text), `"kind":"`+repair.KindGroupEnded+`"`)
	if ended < 0 {
		t.Fatalf("no group has ended in\n%s", text)
	}
	cut := text[:strings.LastIndex(string(text[:ended]), "\n")+1]
	path := filepath.Join(t.TempDir(), filepath.Base(journal))
	if err := os.WriteFile(path, cut, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// requireUndoRefused tries undo files that must not be run.
func requireUndoRefused(t *testing.T, run *RepairRun, tp *Topology) {
	t.Helper()
	var file strings.Builder
	if err := repair.WriteUndo(&file, run.Journal, tp.Replica(0).Address()); err != nil {
		t.Fatal(err)
	}
	whole := file.String()
	for what, test := range map[string]struct {
		text string
		on   *Node
	}{
		"another server":   {whole, tp.Replica(1)},
		"a value changed":  {strings.Replace(whole, "`id` = 4501 ", "`id` = 4502 ", 1), tp.Replica(0)},
		"its end missing":  {whole[:len(whole)/2], tp.Replica(0)},
		"its foot missing": {whole[:strings.LastIndex(strings.TrimSpace(whole), "\n")+1], tp.Replica(0)},
	} {
		path := filepath.Join(t.TempDir(), "undo.sql")
		if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
			t.Fatal(err)
		}
		opened, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		before := DumpTables(t, test.on, "app.t")
		if test.on == tp.Replica(0) && test.text == whole {
			t.Fatalf("%s: the file is as it was: nothing is proven", what)
		}
		result, err := repair.Undo(t.Context(), repair.UndoRequest{RunID: "undo", Replica: test.on.Endpoint(), File: opened, Now: time.Now})
		_ = opened.Close()
		if err == nil {
			t.Errorf("%s: not refused: %+v", what, result)
		}
		if DumpTables(t, test.on, "app.t") != before {
			t.Errorf("%s: rows have changed", what)
		}
	}
}

// TestPlanRefusesToRun: a plan's script changes nothing on another server, while the applier runs, after the replica has moved on, and where a row has changed.
func TestPlanRefusesToRun(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: 2, GTID: true})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT NOT NULL, s VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci)",
			"INSERT INTO app.t SELECT seq, seq, 'Some' FROM "+tp.Numbers(100))
		for i := range tp.Replicas {
			tp.Damage(t, i, "UPDATE app.t SET v = -v WHERE id > 90", "DELETE FROM app.t WHERE id = 5")
		}
		replica := tp.Replica(0)
		plan := func() string {
			run := NewRepairRun(t, requestFor(tp), false)
			run.Request.Check.Replicas = run.Request.Check.Replicas[:1]
			run.Run(t)
			return run.Script.String()
		}
		refuse := func(why string, on *Node, script, says string) {
			t.Helper()
			before := DumpTables(t, on, "app.t")
			if err := on.RunClient(t, t.Context(), script); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v", why, err)
			}
			if now := DumpTables(t, on, "app.t"); now != before {
				t.Errorf("%s: rows have changed:\n%s", why, diffLines(before, now))
			}
		}
		script := plan()
		refuse("the applier runs", replica, script, "applier runs")
		tp.Replica(1).StopReplica(t, "SQL_THREAD")
		refuse("another server", tp.Replica(1), script, "not the server")
		tp.Replica(1).StartReplica(t, "SQL_THREAD")
		tp.Source.Exec(t, "UPDATE app.t SET s = 'moved' WHERE id = 1")
		tp.WaitCaughtUp(t)
		replica.StopReplica(t, "SQL_THREAD")
		refuse("moved on", replica, script, "position of the plan")
		replica.StartReplica(t, "SQL_THREAD")
		script = plan()
		tp.Damage(t, 0, "UPDATE app.t SET s = 'SOME' WHERE id = 95")
		replica.StopReplica(t, "SQL_THREAD")
		refuse("a row has changed", replica, script, "nothing of this group is committed")
		if err := replica.damage(t.Context(), "UPDATE app.t SET s = 'Some' WHERE id = 95"); err != nil {
			t.Fatal(err)
		}
		if err := replica.RunClient(t, t.Context(), script); err != nil {
			t.Error(err)
		}
		replica.StartReplica(t, "SQL_THREAD")
		tp.WaitCaughtUp(t)
		if want, now := DumpTables(t, tp.Source, "app.t"), DumpTables(t, replica, "app.t"); now != want {
			t.Errorf("after the script:\n%s", diffLines(want, now))
		}
		requireReplicating(t, tp.Replicas...)
	}, Needs{GTID: true})
}

package integration

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	tcexec "github.com/testcontainers/testcontainers-go/exec"

	"trueup/checksum"
	"trueup/repair/rowsql"
	repl "trueup/replication"
	"trueup/server"
)

// hardTexts are values in which a client or a comment could find something else than text.
var hardTexts = []string{"it's", `back\slash`, `\'`, `"`, "`", "a\x00b", "*/ drop table app.t; /*", "line\nfeed", "\ndelimiter //\n", "\r\n", "delimiter $$", "-- x", "# x", `\! true`, "😀", "\x1a", "a;b"}

// scripted is a replica with damage, and the script that repairs it.
type scripted struct {
	tp      *Topology
	replica *Node
	header  rowsql.Header
	groups  [][]rowsql.Statement
	changes [][]rowsql.Change
	table   *rowsql.Table
}

// TestScriptsRunInTheClient: the script of a plan runs in the real client of the server, makes the rows equal, and refuses to run where it must.
func TestScriptsRunInTheClient(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, gtid := range []bool{true, false} {
			t.Run(fmt.Sprintf("gtid %v", gtid), func(t *testing.T) {
				s := newScripted(t, gtid)
				s.refusesWhatItMust(t)
				damaged := rowsOf(t, s.replica)
				if damaged == rowsOf(t, s.tp.Source) {
					t.Fatal("there is no damage to repair")
				}
				s.mustRun(t, s.header)
				if got, want := rowsOf(t, s.replica), rowsOf(t, s.tp.Source); got != want {
					t.Errorf("after the plan: %s, the source has %s", got, want)
				}
				if out, err := s.run(t, s.replica, s.header, s.said()); err == nil || !strings.Contains(out, "its row changed: statement 1") && !strings.Contains(out, "Duplicate entry") {
					t.Errorf("the plan ran twice: %v, %s", err, out)
				}
				s.replica.StartReplica(t)
				s.undoes(t, damaged)
			})
		}
	})
}

// newScripted makes a damaged replica, stops its applier and plans the repair in two groups.
func newScripted(t *testing.T, gtid bool) *scripted {
	t.Helper()
	tp := NewTopology(t, Options{GTID: gtid})
	s := &scripted{tp: tp, replica: tp.Replica(0)}
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v VARCHAR(60) CHARACTER SET utf8mb4, e ENUM('a','b')) ENGINE=InnoDB")
	for i, text := range hardTexts {
		tp.Source.Exec(t, fmt.Sprintf("INSERT INTO app.t VALUES (%d, X'%x', 'b')", i+1, text))
	}
	tp.Damage(t, 0, "SET sql_mode = ''", "UPDATE app.t SET v = REVERSE(v) WHERE id <= 8", "UPDATE app.t SET e = 0 WHERE id = 5", "DELETE FROM app.t WHERE id > 10",
		"INSERT INTO app.t SELECT id + 100, v, 0 FROM app.t")
	s.replica.StopReplica(t, "SQL_THREAD")
	ours, theirs := openServer(t, tp.Source), openServer(t, s.replica)
	layout := layoutOf(t, loadSchema(t, theirs), "app", "t")
	s.table = &rowsql.Table{On: theirs.Identity(), Stored: layout, Incoming: layout}
	source := (&rowWriter{table: *s.table, reading: readSession(t, ours, false)}).read(t)
	stored := (&rowWriter{table: *s.table, reading: readSession(t, theirs, false)}).read(t)
	s.plan(t, source, stored)
	s.header = s.headerOf(t, theirs)
	return s
}

func (s *scripted) headerOf(t *testing.T, on *server.Server) rowsql.Header {
	t.Helper()
	session := readSession(t, on, false)
	status, err := repl.ReadStatus(t.Context(), session, "")
	if err != nil {
		t.Fatal(err)
	}
	gtid, err := repl.ExecutedGTID(t.Context(), session)
	if err != nil {
		t.Fatal(err)
	}
	return rowsql.Header{Kind: rowsql.Plan, Run: "run", Version: "test", At: time.Now(), Source: s.tp.Source.Address(), Replica: s.replica.Address(),
		On: on.Identity(), Position: status.Executed, GTID: gtid}
}

// plan makes changes of the rows that differ: what only the replica has in the first group, the others in the second.
func (s *scripted) plan(t *testing.T, source, stored []checksum.Row) {
	t.Helper()
	byID := func(rows []checksum.Row, id any) checksum.Row {
		if i := slices.IndexFunc(rows, func(row checksum.Row) bool { return row[0] == id }); i >= 0 {
			return rows[i]
		}
		return nil
	}
	s.changes = make([][]rowsql.Change, 2)
	for _, row := range stored {
		if byID(source, row[0]) == nil {
			s.changes[0] = append(s.changes[0], rowsql.Change{Before: row, Count: 1})
		}
	}
	for _, row := range source {
		before := byID(stored, row[0])
		if before == nil || !(&rowWriter{table: *s.table}).same(t, before, row) {
			s.changes[1] = append(s.changes[1], rowsql.Change{Before: before, After: row, Count: 1})
		}
	}
	s.groups = nil
	for _, group := range s.changes {
		s.groups = append(s.groups, statementsOf(t, s.table, group))
	}
}

func statementsOf(t *testing.T, table *rowsql.Table, changes []rowsql.Change) []rowsql.Statement {
	t.Helper()
	var all []rowsql.Statement
	for _, change := range changes {
		statements, err := table.Statements(change, false)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, statements...)
	}
	return all
}

// text is the script under a header.
func (s *scripted) text(t *testing.T, header rowsql.Header, groups [][]rowsql.Statement) []byte {
	t.Helper()
	var file bytes.Buffer
	script := rowsql.NewScript(&file, header)
	for i, group := range groups {
		if err := script.Group(fmt.Sprintf("app.t %d\n'; DROP", i), group); err != nil {
			t.Fatal(err)
		}
	}
	if err := script.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func (s *scripted) run(t *testing.T, on *Node, header rowsql.Header, options ...string) (string, error) {
	t.Helper()
	return runClient(t, on, s.text(t, header, s.groups), options...)
}

// said is the option by which a person says where the replica stands.
func (s *scripted) said() string {
	return "--init-command=SET @trueup_position = '" + s.header.Position.String() + "'"
}

// mustRun runs the plan; where the server cannot tell its position, only once the person has said it.
func (s *scripted) mustRun(t *testing.T, header rowsql.Header) {
	t.Helper()
	text := s.text(t, header, s.groups)
	if bytes.Contains(text, []byte("--init-command")) {
		out, err := runClient(t, s.replica, text)
		if s.replica.Row.Flavor == server.MariaDB && (err == nil || !strings.Contains(out, "not at the position")) {
			t.Errorf("nobody said where the replica is, yet: %v, %s", err, out)
		}
		out, err = runClient(t, s.replica, text, s.said())
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	if out, err := runClient(t, s.replica, text); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// refusesWhatItMust: nothing changes on another server, at another position, while the applier runs, and where a row has changed, not even in a
// client that goes on after errors.
func (s *scripted) refusesWhatItMust(t *testing.T) {
	t.Helper()
	refused := func(what string, on *Node, header rowsql.Header, want string) {
		t.Helper()
		for _, force := range []string{"--skip-force", "--force"} {
			was := rowsOf(t, on)
			out, err := s.run(t, on, header, s.said(), force)
			if err == nil && force != "--force" || !strings.Contains(out, want) {
				t.Errorf("%s, %s: %v, %s, want %q", what, force, err, out, want)
			}
			if rowsOf(t, on) != was {
				t.Fatalf("%s, %s: the script changed rows", what, force)
			}
		}
	}
	refused("on the source", s.tp.Source, s.header, "not the server")
	elsewhere := s.header
	elsewhere.Position.Offset++
	elsewhere.GTID = strings.Replace(strings.Replace(elsewhere.GTID, "-", "-9", 2), ":", ":7", 1)
	if s.header.GTID != "" {
		refused("at another position", s.replica, elsewhere, "")
	} else {
		refused("at another position", s.replica, elsewhere, "not at the position")
	}
	s.replica.StartReplica(t)
	s.replica.WaitCaughtUp(t, s.tp.Source)
	refused("while the applier runs", s.replica, s.header, "the applier runs")
	s.replica.StopReplica(t, "SQL_THREAD")
	s.tp.damageStopped(t, "UPDATE app.t SET e = 'a' WHERE id = 8")
	groups := s.groups
	s.groups = [][]rowsql.Statement{slices.Concat(groups...)} // one transaction, of which a late statement is wrong
	refused("after a row has changed", s.replica, s.header, "its row changed")
	s.groups = groups
	s.tp.damageStopped(t, "UPDATE app.t SET e = 'b' WHERE id = 8")
}

func (s *scripted) undoHeader() rowsql.Header {
	header := s.header
	header.Kind = rowsql.Undo
	return header
}

// undoes takes the repair back, with the applier running, and reads the file as a program does.
func (s *scripted) undoes(t *testing.T, damaged string) {
	t.Helper()
	var groups [][]rowsql.Statement
	for _, changes := range slices.Backward(s.changes) {
		groups = append(groups, statementsOf(t, s.table.Reversed(), reversed(changes)))
	}
	text := s.text(t, s.undoHeader(), groups)
	var read [][]rowsql.Statement
	file, err := rowsql.ReadUndo(bytes.NewReader(text), func(group rowsql.UndoGroup) error {
		read = append(read, group.Statements)
		return group.Err
	})
	if err != nil || !file.Complete || !slices.EqualFunc(read, groups, slices.Equal) {
		t.Errorf("read %+v, %v: %v, want %v", file, err, read, groups)
	}
	if out, err := runClient(t, s.replica, text); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := rowsOf(t, s.replica); got != damaged {
		t.Errorf("after the undo: %s, before the plan: %s", got, damaged)
	}
}

// damageStopped changes the first replica behind replication's back while its applier stands.
func (tp *Topology) damageStopped(t *testing.T, statements ...string) {
	t.Helper()
	if err := tp.Replica(0).damage(t.Context(), statements...); err != nil {
		t.Fatal(err)
	}
}

// runClient feeds a file to the server's own client where its container has one, else to that of this machine.
func runClient(t *testing.T, on *Node, text []byte, options ...string) (string, error) {
	t.Helper()
	admin := on.AdminEndpoint()
	_, port, _ := strings.Cut(admin.Address, ":")
	options = append([]string{"--no-defaults", "--host=127.0.0.1", "--port=" + port, "--user=" + admin.User, "--default-character-set=latin1"}, options...)
	if c, contained := on.Server.(*containerServer); contained {
		if err := c.box.CopyToContainer(t.Context(), text, "/tmp/script.sql", 0o644); err != nil {
			t.Fatal(err)
		}
		const program = `client=$(command -v mariadb || command -v mysql) || exit 99; exec "$client" "$@" </tmp/script.sql`
		code, output, err := c.box.Exec(t.Context(), append([]string{"/bin/sh", "-c", program, "sh"}, options...), tcexec.WithEnv([]string{"MYSQL_PWD=" + string(admin.Password)}), tcexec.Multiplexed())
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(output)
		switch code {
		case 0:
			return string(said), nil
		case 99:
		default:
			return string(said), fmt.Errorf("exit status %d", code)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "mariadb", options...)
	command.Env = append(os.Environ(), "MYSQL_PWD="+string(admin.Password))
	command.Stdin = bytes.NewReader(text)
	said, err := command.CombinedOutput()
	return string(said), err
}

// rowsOf is all rows of the table as text.
func rowsOf(t *testing.T, n *Node) string {
	t.Helper()
	return fmt.Sprint(n.Query(t, "SELECT id, HEX(v), e + 0 FROM app.t ORDER BY id"))
}

// TestScriptsKnowTheirChannel: on a replica of two sources the applier of the script's channel must stand, and the other one may run.
func TestScriptsKnowTheirChannel(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Channels: []string{"north", "south"}})
		for i, source := range tp.Sources {
			source.Exec(t, fmt.Sprintf("CREATE DATABASE app%d", i), fmt.Sprintf("CREATE TABLE app%d.t (id INT PRIMARY KEY)", i), fmt.Sprintf("INSERT INTO app%d.t VALUES (1), (2)", i))
		}
		tp.WaitCaughtUp(t)
		replica := tp.Replica(0)
		opened := openServer(t, replica)
		status, err := repl.ReadStatus(t.Context(), readSession(t, opened, false), "north")
		if err != nil {
			t.Fatal(err)
		}
		header := rowsql.Header{Kind: rowsql.Plan, On: opened.Identity(), Channel: "north", Position: status.Executed, GTID: status.ExecutedGTID, Appliers: 1}
		run := func(header rowsql.Header, options ...string) (string, error) {
			statements := [][]rowsql.Statement{{{SQL: "DELETE FROM app0.t WHERE id = 1", Rows: 1}}}
			return runClient(t, replica, (&scripted{}).text(t, header, statements), options...)
		}
		said := (&scripted{header: header}).said()
		if out, err := run(header, said); err == nil || !strings.Contains(out, "the applier runs") {
			t.Errorf("both appliers run: %v, %s", err, out)
		}
		replica.Exec(t, on.replicaStatement("STOP", "south", "SQL_THREAD"))
		if out, err := run(header, said); err == nil || !strings.Contains(out, "the applier runs") {
			t.Errorf("the other applier stands: %v, %s", err, out)
		}
		replica.Exec(t, on.replicaStatement("STOP", "north", "SQL_THREAD"))
		elsewhere := header
		elsewhere.Position.Offset++
		if out, err := run(elsewhere, said); err == nil || !strings.Contains(out, "not at the position") {
			t.Errorf("at another position: %v, %s", err, out)
		}
		if on.Flavor == server.MySQL {
			replica.Exec(t, on.replicaStatement("START", "south", "SQL_THREAD"))
		}
		if out, err := run(header, said); err != nil {
			t.Errorf("%v, %s", err, out)
		}
		if got := replica.Value(t, "SELECT GROUP_CONCAT(id) FROM app0.t"); got != "2" {
			t.Errorf("ids %s are left", got)
		}
	}, Needs{Channels: true})
}

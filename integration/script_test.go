package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// buildTrueup builds the program as it is shipped and returns the folder it is in.
func buildTrueup(t testing.TB) string {
	t.Helper()
	folder := t.TempDir()
	command := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(folder, "trueup"), "trueup/cmd/trueup")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("building trueup: %v\n%s", err, out)
	}
	return folder
}

// scripts are the servers that all scripts share, one script after the other.
type scripts struct {
	t     *testing.T
	path  string // where trueup is
	nodes map[string]*Node
}

// checkerPassword is what no output may ever hold; CreateUser gives it to every account.
const checkerPassword = "s3cret pass,word"

// TestScripts runs testdata/script on real servers: a source and its replica, another pair, and a server without a
// binary log. After every command replication must run or stand as before, no session may be left on any server, and
// no output may hold a password or an escape sequence.
func TestScripts(t *testing.T) {
	t.Parallel()
	tps := NewTopologies(t, Options{GTID: true}, Options{}, Options{Replicas: -1, SourceWithoutBinlog: true})
	s := &scripts{t: t, path: buildTrueup(t), nodes: map[string]*Node{"source": tps[0].Source, "replica": tps[0].Replica(0),
		"other-source": tps[1].Source, "other-replica": tps[1].Replica(0), "nobinlog": tps[2].Source}}
	for _, tp := range tps {
		tp.Source.CreateUser(t, "checker", "ALL ON *.*")
	}
	tps[0].Source.Exec(t, "CREATE DATABASE shop", "USE shop", "CREATE TABLE shop.orders (id INT PRIMARY KEY, note VARCHAR(40))",
		"INSERT INTO shop.orders SELECT seq, seq FROM seq_1_to_1000", "CREATE TABLE shop.people (id INT PRIMARY KEY)", "INSERT INTO shop.people VALUES (1), (2)",
		"CREATE DATABASE vacant", "CREATE DATABASE broken", "CREATE TABLE broken.t (id INT PRIMARY KEY, v INT)", "INSERT INTO broken.t VALUES (1, 1), (2, 2), (3, 3)")
	tps[0].WaitCaughtUp(t)
	tps[0].Damage(t, 0, "UPDATE broken.t SET v = 20 WHERE id = 2", "DELETE FROM broken.t WHERE id = 3")
	tps[1].WaitCaughtUp(t)
	testscript.RunT(serial{t}, testscript.Params{
		Dir:   "testdata/script",
		Setup: s.setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": s.code, "refused": s.refused, "failed": s.failed, "sql": s.sql, "local": s.local, "grant": s.grant, "json": s.json, "jsonl": s.jsonl,
		},
	})
}

// serial makes testscript run one script after the other: they share servers.
type serial struct{ *testing.T }

func (serial) Parallel()     {}
func (serial) Verbose() bool { return testing.Verbose() }
func (s serial) Run(name string, run func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { run(serial{t}) })
}

// setup tells scripts of the servers: SOURCE and the like are DSNs, SOURCE_AT and the like addresses.
func (s *scripts) setup(env *testscript.Env) error {
	s.t = env.T().(serial).T // servers' errors fail the script they come in
	env.Setenv("PATH", s.path+string(os.PathListSeparator)+os.Getenv("PATH"))
	env.Setenv("PASSWORD", checkerPassword)
	for name, node := range s.nodes {
		variable := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		env.Setenv(variable, fmt.Sprintf("checker:%s@tcp(%s)/", checkerPassword, node.Address()))
		env.Setenv(variable+"_AT", node.Address())
		env.Setenv(variable+"_PORT", strconv.Itoa(node.Port()))
		env.Setenv(variable+"_SOCKET", node.Socket())
	}
	return nil
}

// code is "code N args...": trueup ends with that exit code.
func (s *scripts) code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N args...")
	}
	before := s.replication()
	err := ts.Exec("trueup", args[1:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
	ts.Setenv("CODE", args[0])
	output := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	if strings.Contains(output, "s3cret") {
		ts.Fatalf("a password was printed")
	}
	if strings.ContainsAny(output, "\x1b\x07\u009b") {
		ts.Fatalf("there are escape sequences where there is no terminal")
	}
	if after := s.replication(); after != before {
		ts.Fatalf("replication was\n%s\nand is\n%s", before, after)
	}
	for _, node := range s.nodes {
		requireNoSessions(s.t, node, "checker", "least")
	}
}

// replication is how both replicas stand.
func (s *scripts) replication() string {
	var all []string
	for _, name := range []string{"replica", "other-replica"} {
		status := s.nodes[name].Status(s.t)
		for _, field := range []string{"Slave_SQL_Running", "Slave_IO_Running", "Until_Condition", "Using_Gtid", "Last_SQL_Error"} {
			value := status[field]
			if value == "Connecting" { // again, after a machine that stood still
				value = "Yes"
			}
			all = append(all, fmt.Sprintf("%s %s=%s", name, field, value))
		}
	}
	return strings.Join(all, ", ")
}

// requireNoSessions: nothing of ours is connected any more. A server needs a moment to notice.
func requireNoSessions(t testing.TB, node *Node, users ...string) {
	t.Helper()
	query := "SELECT id, user, command, time, info FROM information_schema.processlist WHERE user IN ('" + strings.Join(users, "', '") + "')"
	var left [][]string
	for range 1000 {
		left = slices.DeleteFunc(node.Query(t, query), func(session []string) bool {
			return node.lingers(process{command: session[2], idle: session[4] == "NULL" || session[4] == ""})
		})
		if len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%s: sessions were left: %v", node.Name(), left)
}

// refused is "refused args...": exit code 64, one message on standard error, nothing on standard output.
func (s *scripts) refused(ts *testscript.TestScript, neg bool, args []string) {
	s.silent(ts, neg, "64", args)
}

// failed is the same with exit code 2.
func (s *scripts) failed(ts *testscript.TestScript, neg bool, args []string) {
	s.silent(ts, neg, "2", args)
}

func (s *scripts) silent(ts *testscript.TestScript, neg bool, code string, args []string) {
	s.code(ts, neg, append([]string{code}, args...))
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("on standard output: %q", out)
	}
	if message := ts.ReadFile("stderr"); !strings.HasPrefix(message, "trueup: ") {
		ts.Fatalf("on standard error: %q", message)
	}
}

func (s *scripts) node(ts *testscript.TestScript, args []string) *Node {
	if len(args) == 0 || s.nodes[args[0]] == nil {
		ts.Fatalf("which server? %q", args)
	}
	return s.nodes[args[0]]
}

// sql is "sql SERVER statement...", and waits until the replicas have it.
func (s *scripts) sql(ts *testscript.TestScript, _ bool, args []string) {
	s.node(ts, args).Exec(s.t, args[1:]...)
	if args[0] == "source" {
		s.nodes["replica"].WaitCaughtUp(s.t, s.nodes["source"])
	}
}

// local is sql that stays on the server.
func (s *scripts) local(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s.node(ts, args).damage(s.t.Context(), args[1:]...))
}

var grantStatement = regexp.MustCompile("GRANT [A-Z, ]+ ON \\S+ TO `[^`]*`@`[^`]*`")

// grant is "grant SERVER": it runs the GRANT statements that the last command printed, on that server only.
func (s *scripts) grant(ts *testscript.TestScript, _ bool, args []string) {
	statements := grantStatement.FindAllString(ts.ReadFile("stdout")+ts.ReadFile("stderr"), -1)
	if len(statements) == 0 {
		ts.Fatalf("no GRANT was named")
	}
	ts.Logf("%s", strings.Join(statements, "\n"))
	ts.Check(s.node(ts, args).damage(s.t.Context(), statements...))
}

// json is "json FILE condition...": the document is whole, carries the last command's exit code and those conditions.
func (s *scripts) json(ts *testscript.TestScript, _ bool, args []string) {
	var document checkDocument
	decoder := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	if err := decoder.Decode(&document); err != nil || decoder.More() {
		ts.Fatalf("not one JSON document: %v", err)
	}
	document.require(ts, args[1:])
}

// jsonl is the same for lines: each is an object with event and time, the last one is the end of the run.
func (s *scripts) jsonl(ts *testscript.TestScript, _ bool, args []string) {
	var document checkDocument
	for line := range bytes.Lines([]byte(ts.ReadFile(args[0]))) {
		document = checkDocument{}
		if err := json.Unmarshal(line, &document); err != nil || document.Event == "" || document.Time.IsZero() {
			ts.Fatalf("%v: %s", err, line)
		}
	}
	if document.Event != "run_finished" && document.Event != "repair_finished" {
		ts.Fatalf("the last event is %q", document.Event)
	}
	document.require(ts, args[1:])
}

// checkDocument is what scripts look at in a check's JSON.
type checkDocument struct {
	Event         string    `json:"event"`
	Time          time.Time `json:"time"`
	SchemaVersion int       `json:"schema_version"`
	Command       string    `json:"command"`
	ExitCode      *int      `json:"exit_code"`
	Conditions    []string  `json:"conditions"`
	Interrupted   bool      `json:"interrupted"`
}

func (d checkDocument) require(ts *testscript.TestScript, conditions []string) {
	if d.SchemaVersion != 1 || d.Command != "check" && d.Command != "repair" || d.ExitCode == nil || strconv.Itoa(*d.ExitCode) != ts.Getenv("CODE") || d.Interrupted {
		ts.Fatalf("after exit code %s: %+v", ts.Getenv("CODE"), d)
	}
	if strings.Join(d.Conditions, " ") != strings.Join(conditions, " ") {
		ts.Fatalf("conditions %v, want %v", d.Conditions, conditions)
	}
}

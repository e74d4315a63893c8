package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trueup/internal/audit"
	"trueup/recovery"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// recoverCut is how recoveries of one kind are cut short.
type recoverCut struct {
	name    string
	action  recovery.Action
	options Options
	domains bool // the source writes in two of them
}

// recoverCuts are the ways of acting on a failed transaction that the servers have.
func recoverCuts(on ServerRow) []recoverCut {
	positions, gtids := modes(on)[1], Options{GTID: true, ParallelThreads: 4}
	cuts := []recoverCut{{"fix", recovery.Fix, gtids, false}, {"skip by counter", recovery.Skip, positions, false}}
	if on.Flavor == server.MariaDB {
		return append(cuts, recoverCut{"skip by gtid_slave_pos", recovery.Skip, gtids, true})
	}
	return append(cuts, recoverCut{"skip by empty transaction", recovery.Skip, gtids, false})
}

// TestRecoverCut: a recovery dies before and behind every entry of its journal; the next one goes on with what is left. It ends equal, with nothing
// passed over but the one transaction, nothing of a skip left behind, and the first journal whole.
func TestRecoverCut(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, cut := range recoverCuts(on) {
			t.Run(cut.name, func(t *testing.T) {
				t.Parallel()
				c := newCutRounds(t, cut)
				c.paused = c.whole()
				waited, paused := false, c.paused
				for n := range paused {
					if paused[n] && waited && !long() {
						continue // the switch takes its seconds each time
					}
					waited = waited || paused[n]
					half := !on.Local() && !long() && !paused[n] // of the rounds, on servers that are slow
					if !half || n%2 == 0 {
						c.round(fmt.Sprintf("behind entry %d of %d", n, len(paused)), n, true)
					}
					if !paused[n] && !t.Failed() && (!half || n%2 == 1) {
						c.round(fmt.Sprintf("before entry %d of %d", n+1, len(paused)), n, false)
					}
					if t.Failed() {
						return
					}
				}
				requireReplicating(t, c.tp.Replicas...)
				if c.continued == 0 {
					t.Error("no recovery was ever gone on with: nothing was proven")
				}
			})
		}
	})
}

// cutRounds stops the replica of one topology over and over.
type cutRounds struct {
	*testing.T
	recoverCut
	tp        *Topology
	account   server.Endpoint
	rounds    int
	continued int
	paused    []bool // for each number of entries of a journal
}

func newCutRounds(t *testing.T, cut recoverCut) *cutRounds {
	t.Helper()
	c := &cutRounds{T: t, recoverCut: cut, tp: NewTopology(t, cut.options)}
	c.account = c.tp.Source.CreateUser(t, "cutoff", "ALL ON *.*")
	c.tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v INT)", "CREATE TABLE app.ahead (id INT PRIMARY KEY)", "CREATE TABLE app.behind (id INT PRIMARY KEY)",
		"CREATE TABLE app.aside (id INT PRIMARY KEY)")
	c.catchUp() // the other domain's writes would overtake it
	return c
}

// provoke makes the replica stand at a transaction of which one row of three is missing, with others behind it.
func (c *cutRounds) provoke() {
	c.Helper()
	c.rounds++
	first := 10 * c.rounds
	c.aside(first)
	c.tp.Source.Exec(c, fmt.Sprintf("INSERT INTO app.t VALUES (%d,1),(%d,2),(%d,3)", first, first+1, first+2))
	c.catchUp()
	if err := c.tp.Replica(0).damage(c.Context(), fmt.Sprintf("DELETE FROM app.t WHERE id=%d", first+1)); err != nil {
		c.Fatal(err)
	}
	c.tp.Source.Exec(c, "BEGIN", fmt.Sprintf("INSERT INTO app.ahead VALUES (%d)", first), fmt.Sprintf("UPDATE app.t SET v=v+10 WHERE id BETWEEN %d AND %d", first, first+2), "COMMIT",
		fmt.Sprintf("INSERT INTO app.behind VALUES (%d)", first))
	c.aside(first + 1)
	c.tp.Source.Exec(c, fmt.Sprintf("INSERT INTO app.behind VALUES (%d)", first+1))
	c.tp.AwaitStopped(c, 0, 1032)
}

// aside writes in the other domain, where there is one.
func (c *cutRounds) aside(id int) {
	c.Helper()
	if c.domains {
		c.tp.Source.Exec(c, "SET SESSION gtid_domain_id=7", fmt.Sprintf("INSERT INTO app.aside VALUES (%d)", id), "SET SESSION gtid_domain_id=DEFAULT")
	}
}

// catchUp has the source write something, since an applier of several domains does not move its position on a quiet one.
func (c *cutRounds) catchUp() {
	c.Helper()
	c.tp.Source.Exec(c, "CREATE DATABASE IF NOT EXISTS bump", "DROP DATABASE bump")
	c.tp.WaitCaughtUp(c)
}

// run is a recovery by the account whose sessions can be told from those of others.
func (c *cutRounds) run(folder audit.Folder) *RecoverRun {
	c.Helper()
	run := NewRecoverRun(c, c.tp, c.action)
	var err error
	if run.journal, err = folder.Create(run.Request.Check.RunID); err != nil {
		c.Fatal(err)
	}
	run.Journal = run.journal.Path()
	run.Request.Journal, run.Request.Check.Recorder, run.Request.Check.Journals = run.journal, run.journal, &folder
	check := &run.Request.Check
	check.Source.User, check.Source.Password = c.account.User, c.account.Password
	check.Replicas[0].User, check.Replicas[0].Password = c.account.User, c.account.Password
	run.Request.Choose = func(_ context.Context, d *recovery.Diagnosis) (recovery.Choice, error) {
		if d.Option(c.action) == nil { // the rows are mended already
			return recovery.Choice{Action: recovery.Retry, By: "test"}, nil
		}
		return recovery.Choice{Action: c.action, By: "test"}, nil
	}
	return run
}

// whole recovers without being cut, and tells for each number of entries of its journal whether the applier is paused behind it.
func (c *cutRounds) whole() (paused []bool) {
	c.Helper()
	c.provoke()
	run := c.run(audit.Folder{Path: c.TempDir(), Now: time.Now})
	result := run.Run(c)
	if err := run.journal.Close(); err != nil {
		c.Fatal(err)
	}
	open, paused := false, []bool{false}
	found, _, err := audit.Read(run.Journal, func(entry audit.Entry) {
		open = entry.Kind == syncpoint.KindPause || open && entry.Kind != syncpoint.KindPauseEnded
		paused = append(paused, open)
	})
	if err != nil || found.State != audit.Whole || result.Outcome != recovery.Proven {
		c.Fatalf("journal %+v, %v, %s", found, err, describeRecovery(result))
	}
	c.requireEqual(describeRecovery(result))
	return paused[:len(paused)-1] // the last entry is the journal's own
}

// dyingRecorder stands for a process that dies: from some entry on nothing is written any more, and nothing returns.
type dyingRecorder struct {
	journal syncpoint.Recorder
	mutex   sync.Mutex
	left    int
	behind  bool // an entry, and not before the next one
	dead    chan struct{}
	once    sync.Once
	over    <-chan struct{} // the test
}

func (d *dyingRecorder) Record(ctx context.Context, entry audit.Entry) error {
	d.mutex.Lock()
	dies := d.left == 0
	if !dies {
		if err := d.journal.Record(ctx, entry); err != nil {
			d.mutex.Unlock()
			return err
		}
		d.left--
		dies = d.behind && d.left == 0
	}
	d.mutex.Unlock()
	if !dies {
		return nil
	}
	d.once.Do(func() { close(d.dead) })
	<-d.over
	return errors.New("the process is dead")
}

// round has a recovery die once its journal has some entries, at times the one that goes on with it as well, and others go on until nothing is left open.
func (c *cutRounds) round(what string, entries int, behind bool) {
	c.Helper()
	if behind && entries == 0 {
		return
	}
	c.provoke()
	folder := audit.Folder{Path: c.TempDir(), Now: time.Now}
	c.die(c.run(folder), entries, behind)
	twice := !behind && (long() || c.rounds%4 == 0)
	if twice {
		second := rand.IntN(len(c.paused))
		if what += fmt.Sprintf(", the second behind entry %d", second); !c.paused[second] && second > 0 {
			left, next := c.newestLeft(folder), c.run(folder)
			next.Request.Continue = left
			c.die(next, second, true)
		}
	}
	for again := 0; again == 0 || c.newestLeft(folder) != nil; again++ {
		if again == 3 {
			c.Fatalf("%s: a recovery is still left open", what)
		}
		c.goOn(what, folder, twice || again > 0)
	}
	for _, path := range c.journals(folder) {
		if found, _, err := audit.Read(path, nil); err != nil || found.State == audit.Changed || len(found.Left) > 0 {
			c.Errorf("%s: the journal: %s %s, %v\n%s", what, found.State, found.Problem, err, entriesOf(c, path))
		}
	}
	c.requireEqual(what)
}

// goOn runs a recovery to its end, which goes on with the newest journal that leaves one open. Where others have gone on with it before, it may have nothing to
// do: one that died before it had done anything.
func (c *cutRounds) goOn(what string, folder audit.Folder, overtaken bool) {
	c.Helper()
	left, next := c.newestLeft(folder), c.run(folder)
	next.Request.Continue = left
	result := next.Run(c)
	if result.Outcome != recovery.Proven && (left != nil && !overtaken || result.Outcome != recovery.NothingToDo) || result.Err != nil {
		c.Errorf("%s: going on (something left: %v): %s", what, left != nil, describeRecovery(result))
	}
	if left != nil {
		c.continued++
		if err := left.Settle(c.Context(), folder, "test", result.Outcome); err != nil {
			c.Errorf("%s: settling: %v", what, err)
		}
		if found, _, err := audit.Read(left.Journal, nil); err != nil || found.State != audit.Whole {
			c.Errorf("%s: the journal that was gone on with: %s %s, %v\n%s", what, found.State, found.Problem, err, entriesOf(c, left.Journal))
		}
	}
	if err := next.journal.Close(); err != nil {
		c.Fatal(err)
	}
}

// newestLeft is what the newest journal of those that leave a recovery open has left; nil: there is none.
func (c *cutRounds) newestLeft(folder audit.Folder) (newest *recovery.Left) {
	c.Helper()
	for _, path := range c.journals(folder) {
		left, err := recovery.ReadLeft(path)
		if err != nil && !errors.Is(err, recovery.ErrNothingLeft) {
			c.Fatal(err)
		}
		// A run's name tells its second only.
		if err == nil && (newest == nil || modified(c, path).After(modified(c, newest.Journal))) {
			newest = left
		}
	}
	return newest
}

func modified(t testing.TB, path string) time.Time {
	t.Helper()
	found, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return found.ModTime()
}

func (c *cutRounds) journals(folder audit.Folder) []string {
	c.Helper()
	paths, err := folder.Journals()
	if err != nil {
		c.Fatal(err)
	}
	return paths
}

// die runs a recovery up to an entry of its journal, or to its end where it has none so late. There it is left hanging, and its sessions end.
func (c *cutRounds) die(run *RecoverRun, entries int, behind bool) {
	c.Helper()
	defer func() {
		if err := run.journal.File().Close(); err != nil { // which gives back the lock, as the end of a process does
			c.Fatal(err)
		}
	}()
	recorder := &dyingRecorder{journal: run.journal, left: entries, behind: behind, dead: make(chan struct{}), over: c.Context().Done()}
	run.Request.Journal, run.Request.Check.Recorder = recorder, recorder
	ended := make(chan error, 1)
	go func() {
		_, err := recovery.Run(context.WithoutCancel(c.Context()), run.Request, nil)
		ended <- err
	}()
	select {
	case <-recorder.dead:
		c.endSessions()
	case err := <-ended:
		if err != nil {
			c.Fatal(err)
		}
	case <-time.After(stopLimit):
		c.Fatalf("the recovery has neither ended nor come to its journal's entry %d", entries)
	}
}

// endSessions ends the idle sessions of the account, as the end of their process does; what is being executed is executed to its end: the switch that starts an
// applier is.
func (c *cutRounds) endSessions() {
	c.Helper()
	for _, node := range c.tp.Nodes() {
		eventually(c.T, "the sessions end", stopLimit, func() (bool, string) {
			idle := node.Query(c, "SELECT id FROM information_schema.processlist WHERE user = ? AND command = 'Sleep'", c.account.User)
			for _, row := range idle {
				_ = node.exec(c.Context(), "KILL "+row[0]) // it may be gone
			}
			return len(idle) == 0, fmt.Sprint(idle)
		})
	}
}

// requireEqual: nothing was lost but what was repaired, and nothing of a skip is left.
func (c *cutRounds) requireEqual(story string) {
	c.Helper()
	c.catchUp()
	tables := []string{"app.t", "app.ahead", "app.behind", "app.aside"}
	if want, got := DumpTables(c, c.tp.Source, tables...), DumpTables(c, c.tp.Replica(0), tables...); want != got {
		c.Fatalf("the replica is not equal:\n%s\n%s", diffLines(want, got), story)
	}
	for _, status := range c.tp.Replica(0).Channels(c) {
		if status["Skip_Counter"] != "0" || status["Slave_IO_Running"] == "No" || status["Slave_SQL_Running"] != "Yes" || status["Until_Condition"] != "None" {
			c.Fatalf("channel %q: %v\n%s", status["Channel_Name"], status, story)
		}
	}
}

// entriesOf are the entries of a journal, for a failing test.
func entriesOf(t testing.TB, path string) string {
	t.Helper()
	var kinds []string
	if _, _, err := audit.Read(path, func(entry audit.Entry) {
		var data map[string]any
		_ = json.Unmarshal(entry.Data, &data)
		kinds = append(kinds, fmt.Sprintf("%s opens %q closes %q %v", entry.Kind, entry.Opens, entry.Closes, data["sql"]))
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(slices.Clip(kinds), "\n")
}

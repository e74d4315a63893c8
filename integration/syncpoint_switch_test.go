package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// childEnv makes the test binary a child process that makes sync points, so that it can be killed.
const childEnv = "TRUEUP_SYNCPOINT_CHILD"

// childTask is what the child is told.
type childTask struct {
	Source, Replica string // host:port
	User, Password  string
	SwitchDelay     time.Duration
	Points          int  // 0: until it is killed
	Hold            bool // says when its applier stands for the first time, and waits for a line then
}

// logger is nil for none.
func (task childTask) logger() *slog.Logger {
	if !task.Hold {
		return nil
	}
	return onLog(logStands, "", func() {
		fmt.Println(childStands)
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	})
}

// childStands is what a child says that is to hold.
const childStands = "the child's applier stands"

// TestSyncpointChild is no test of its own: it is what the tests of the dead man's switch start and kill.
func TestSyncpointChild(t *testing.T) {
	text := os.Getenv(childEnv)
	if text == "" {
		t.Skip("it runs as a child process of other tests only")
	}
	var task childTask
	if err := json.Unmarshal([]byte(text), &task); err != nil {
		t.Fatal(err)
	}
	task.work(t)
	if err := goleak.Find(goleak.IgnoreTopFunction("testing.(*T).Run")); err != nil {
		t.Error(err)
	}
}

func (task childTask) work(t *testing.T) {
	open := func(address string) *server.Server {
		opened, err := server.Open(t.Context(), server.Endpoint{Network: "tcp", Address: address, User: task.User,
			Password: server.Secret(task.Password), PasswordSet: true, TLS: server.TLS{Mode: server.TLSOff}})
		if err != nil {
			t.Fatal(err)
		}
		return opened
	}
	source, replica := open(task.Source), open(task.Replica)
	defer source.Close()
	defer replica.Close()
	logger := task.logger()
	for i := 0; task.Points == 0 || i < task.Points; i++ {
		ctx := t.Context()
		if task.Points > 0 && i%3 == 1 { // some that are broken off
			short, cancel := context.WithTimeout(ctx, 15*time.Millisecond)
			defer cancel()
			ctx = short
		}
		point, err := syncpoint.Open(ctx, source, []syncpoint.Replica{{Server: replica}}, syncpoint.Options{Workers: 3, SwitchDelay: task.SwitchDelay, Logger: logger})
		if err == nil {
			err = point.Close()
		}
		if err != nil && !timeIsUp(ctx) {
			t.Fatal(err)
		}
	}
}

// timeIsUp is true from the deadline on; ctx.Err follows a little later, after the connections' own deadlines.
func timeIsUp(ctx context.Context) bool {
	deadline, limited := ctx.Deadline()
	return limited && !time.Now().Before(deadline)
}

func (task childTask) command(t *testing.T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(os.Args[0], "-test.run=^TestSyncpointChild$", "-test.v")
	command.Env = append(os.Environ(), childEnv+"="+string(text))
	return command
}

func (p *prober) childTask(replica int, delay time.Duration) childTask {
	endpoint := p.source.Endpoint()
	return childTask{Source: p.tp.Source.Address(), Replica: p.tp.Replica(replica).Address(), User: endpoint.User,
		Password: string(endpoint.Password), SwitchDelay: delay}
}

func TestSyncpointLeaksNothing(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { pointsLeakNothing(t) }, seesAppliers)
}

func pointsLeakNothing(t *testing.T) {
	tp := NewTopology(t, Options{})
	task := newProber(t, tp).childTask(0, time.Second)
	task.Points = 12
	if out, err := task.command(t).CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestSyncpointChild") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSyncpointDeadMansSwitch kills processes that make sync points, most of them while the applier stands.
func TestSyncpointDeadMansSwitch(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { childrenKilled(t) }, seesAppliers)
}

func childrenKilled(t *testing.T) {
	tp := NewTopology(t, Options{Replicas: 3, GTID: true})
	p := newProber(t, tp)
	stop := tp.StartWriter(t, WriterOptions{Pause: 10 * time.Millisecond})
	var group sync.WaitGroup
	for i := range tp.Replicas {
		group.Go(func() { p.killChildren(t, i) })
	}
	group.Wait()
	stop()
	tp.WaitCaughtUp(t)
	p.leftRunning(t, tp.Replicas...)
	p.exact(t, "app.w1", "app.w2")
}

func (p *prober) killChildren(t *testing.T, i int) {
	replica := p.tp.Replica(i)
	for round := range times(5, 20) {
		if t.Failed() {
			return
		}
		delay := 2 * time.Second
		if i == 0 && round == 0 {
			delay = 14 * time.Second // longer than the server takes to see that its client is gone
		}
		child := p.childTask(i, delay).command(t)
		if err := child.Start(); err != nil {
			t.Error(err)
			return
		}
		seen := "at some instant"
		switch round % 3 {
		case 0:
			seen = replica.seeApplier(func(running, _ string) bool { return running != "Yes" })
		case 1:
			seen = replica.seeApplier(func(_, until string) bool { return until != "None" })
		default:
			time.Sleep(time.Duration(300+rand.IntN(500)) * time.Millisecond)
		}
		_ = child.Process.Kill()
		_ = child.Wait()
		killed := time.Now()
		var after [2]string
		for time.Since(killed) < 20*time.Second {
			if after = replica.applierState(); after == [2]string{"Yes", "None"} && replica.proberSessions() == 0 {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if after = replica.applierState(); after != [2]string{"Yes", "None"} {
			t.Errorf("%s: killed %s: running %s, until %s after %v", replica.Name(), seen, after[0], after[1], time.Since(killed))
		}
		t.Logf("%s: killed %s: runs again, with no session of ours, after %v", replica.Name(), seen, time.Since(killed).Round(time.Millisecond))
	}
}

// seeApplier polls until the applier is seen in a state.
func (n *Node) seeApplier(in func(running, until string) bool) string {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if state := n.applierState(); in(state[0], state[1]) {
			return fmt.Sprintf("with running %s, until %s", state[0], state[1])
		}
	}
	return "without having been seen so"
}

// seeStopping polls until somebody's STOP, which is no prober's, waits for the applier.
func (n *Node) seeStopping() {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		all, _ := n.processes(context.Background())
		if slices.ContainsFunc(all, func(p process) bool { return p.user != proberUser && strings.HasPrefix(p.state, "Killing") }) {
			return
		}
	}
}

// applierState is for goroutines, which must not end the test.
func (n *Node) applierState() [2]string {
	status, err := n.status(context.Background())
	if err != nil {
		return [2]string{err.Error()}
	}
	return [2]string{status["Slave_SQL_Running"], status["Until_Condition"]}
}

func (n *Node) proberSessions() int {
	sessions, err := n.probers(context.Background())
	if err != nil {
		return -1
	}
	return len(sessions)
}

// TestSyncpointSwitchIsRenewed has a step that takes twice the switch's delay: had the switch fired, the applier would
// have run past the position.
func TestSyncpointSwitchIsRenewed(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) { switchRenewed(t) }, seesAppliers)
}

func switchRenewed(t *testing.T) {
	tp := NewTopology(t, Options{})
	p := newProber(t, tp)
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, k INT)")
	tp.WaitCaughtUp(t)
	locked := &lockedTable{}
	started := time.Now()
	pauses := p.with(func(o *syncpoint.Options) {
		o.SwitchDelay = 3 * time.Second
		o.Logger = onLog(logStands, "", func() {
			locked.lock(t, tp.Replica(0))
			tp.Source.Exec(t, "INSERT INTO app.t VALUES (1, 1)")
			later(t, 6500*time.Millisecond, func() { locked.unlock(t) })
			// Written after the point: a switch that fires lets it through.
			later(t, 4*time.Second, func() { tp.Source.Exec(t, "INSERT INTO app.t VALUES (2, 2)") })
		})
	}).exact(t, "app.t")
	if time.Since(started) < 6*time.Second {
		t.Error("the step was to take longer than twice the switch's delay")
	}
	logPauses(t, pauses)
	p.leftRunning(t, tp.Replica(0))
}

// TestSyncpointWithoutSwitchStopsNothing takes from the account what the switch needs.
func TestSyncpointWithoutSwitchStopsNothing(t *testing.T) {
	t.Parallel()
	EachServer(t, nothingStoppedWithoutSwitch, seesAppliers)
}

func nothingStoppedWithoutSwitch(t *testing.T, on ServerRow) {
	tp := NewTopology(t, Options{})
	p := newProber(t, tp).with(func(o *syncpoint.Options) { o.Workers = 1 })
	replica := tp.Replica(0)
	account := replica.Account(proberUser)
	for _, test := range []struct{ name, enter, leave string }{
		// Two control sessions and a reader fit; then the switch, then what looks whether it is armed.
		{"no connection for the switch", replica.limitConnections(account, 3), replica.limitConnections(account, 0)},
		{"no connection to see it armed", replica.limitConnections(account, 4), replica.limitConnections(account, 0)},
		{"no privilege", "REVOKE " + on.pausePrivilege() + " ON *.* FROM " + account, "GRANT " + on.pausePrivilege() + " ON *.* TO " + account},
	} {
		replica.Exec(t, "SET SESSION sql_log_bin=0", test.enter, "SET SESSION sql_log_bin=1")
		before := replica.runningID(t)
		failed := p.openAndClose(t)
		if failed == nil || failed.Code != syncpoint.CannotPause {
			t.Errorf("%s: %v", test.name, failed)
		}
		t.Logf("%s: %v", test.name, failed)
		p.leftRunning(t, replica)
		if after := replica.applierID(t); after != before {
			t.Errorf("%s: the applier was stopped and started: connection %s, then %s", test.name, before, after)
		}
		replica.Exec(t, "SET SESSION sql_log_bin=0", test.leave, "SET SESSION sql_log_bin=1")
	}
	p.exact(t)
}

package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// refusal is a state in which a replica cannot be part of a point.
type refusal struct {
	name     string
	code     syncpoint.Code
	enter    func(t *testing.T, source, replica *Node)
	during   string // the message at which mid happens; "" for never
	mid      func(t *testing.T, source, replica *Node)
	leave    func(t *testing.T, source, replica *Node)
	stays    bool   // the applier is not running before, and not afterwards
	until    string // the UNTIL it has before and afterwards
	notFirst bool   // the applier was restarted by us: it had been stopped
}

// refusalTimeout is how long a replica has to get to the position; the other one has to make it in that time.
const refusalTimeout = 5 * time.Second

func statements(on string, list ...string) func(t *testing.T, source, replica *Node) {
	return func(t *testing.T, source, replica *Node) {
		t.Helper()
		if on == "source" {
			source.Exec(t, list...)
		} else {
			replica.Exec(t, list...)
		}
	}
}

func refusals(on ServerRow) []refusal {
	locked := &lockedTable{}
	stopApplier, startApplier := on.replicaStatement("STOP", "", "SQL_THREAD"), on.replicaStatement("START", "", "SQL_THREAD")
	stop, start := on.replicaStatement("STOP", "", ""), on.replicaStatement("START", "", "")
	return []refusal{
		{name: "applier stopped", code: syncpoint.ApplierStopped, stays: true,
			enter: statements("replica", stopApplier), leave: statements("replica", startApplier)},
		{name: "applier error", code: syncpoint.ApplierError, stays: true,
			enter: func(t *testing.T, source, replica *Node) {
				replica.Exec(t, "SET SESSION sql_log_bin=0", "INSERT INTO app.t VALUES (1000, 0)", "SET SESSION sql_log_bin=1")
				source.Exec(t, "INSERT INTO app.t VALUES (1000, 1)")
				eventually(t, "error 1062", 20*time.Second, func() (bool, string) {
					number := replica.Status(t)["Last_SQL_Errno"]
					return number == "1062", number
				})
			},
			leave: statements("replica", "SET SESSION sql_log_bin=0", "DELETE FROM app.t WHERE id=1000", "SET SESSION sql_log_bin=1", startApplier)},
		{name: "applier error on the way", code: syncpoint.ApplierError, stays: true, during: logStands, notFirst: true,
			mid: func(t *testing.T, source, replica *Node) {
				replica.Exec(t, "SET SESSION sql_log_bin=0", "INSERT INTO app.t VALUES (1001, 0)", "SET SESSION sql_log_bin=1")
				source.Exec(t, "INSERT INTO app.t VALUES (1001, 1)")
			},
			leave: statements("replica", "SET SESSION sql_log_bin=0", "DELETE FROM app.t WHERE id=1001", "SET SESSION sql_log_bin=1", startApplier)},
		{name: "stopped by somebody else before our STOP", code: syncpoint.ApplierStopped, stays: true, during: logArmed,
			mid: statements("replica", stopApplier), leave: statements("replica", startApplier)},
		{name: "stopped by somebody else on the way", code: syncpoint.ApplierStopped, stays: true, during: logStands,
			mid: func(t *testing.T, source, replica *Node) {
				locked.lock(t, replica)
				// More transactions than MySQL's parallel appliers finish when they are told to stop.
				for id := range 100 {
					source.Exec(t, fmt.Sprintf("INSERT INTO app.t VALUES (%d, 1)", 1500+id))
				}
				later(t, 0, func() {
					replica.seeApplier(func(running, until string) bool { return running == "Yes" && until != "None" })
					stopped := make(chan error, 1)
					go func() { stopped <- replica.exec(context.Background(), stopApplier) }() // which waits for the lock
					replica.seeStopping()
					locked.unlock(t)
					if err := <-stopped; err != nil {
						t.Error(err)
					}
				})
			},
			leave: statements("replica", startApplier)},
		{name: "receiver stopped", code: syncpoint.ReceiverStopped,
			enter: statements("replica", on.replicaStatement("STOP", "", "IO_THREAD")), leave: statements("replica", on.replicaStatement("START", "", "IO_THREAD"))},
		{name: "receiver error", code: syncpoint.ReceiverError,
			enter: func(t *testing.T, _, replica *Node) {
				replica.Exec(t, stop, on.changeOption("PASSWORD='wrong'"), start)
				eventually(t, "error 1045", 20*time.Second, func() (bool, string) {
					number := replica.Status(t)["Last_IO_Errno"]
					return number == "1045", number
				})
			},
			leave: statements("replica", stop, on.changeOption("PASSWORD='"+replication+"'"), start)},
		{name: "delayed", code: syncpoint.Delayed,
			enter: statements("replica", stop, on.changeOption("DELAY=3600"), start),
			leave: statements("replica", stop, on.changeOption("DELAY=0"), start)},
		{name: "UNTIL of somebody else", code: syncpoint.ForeignUntil, until: on.untilCondition(),
			enter: statements("replica", stopApplier, on.runUntil()),
			leave: statements("replica", stopApplier, startApplier)},
		{name: "lagging", code: syncpoint.Lagging,
			enter: func(t *testing.T, source, replica *Node) {
				locked.lock(t, replica)
				source.Exec(t, "INSERT INTO app.t VALUES (2000, 1)")
			},
			leave: func(t *testing.T, _, _ *Node) { locked.unlock(t) }},
		{name: "does not get to the position", code: syncpoint.Lagging, during: logStands, notFirst: true,
			mid: func(t *testing.T, source, replica *Node) {
				locked.lock(t, replica)
				source.Exec(t, "INSERT INTO app.t VALUES (2001, 1)")
				later(t, 2*refusalTimeout, func() { locked.unlock(t) }) // STOP waits for the statement
			},
			leave: func(*testing.T, *Node, *Node) {}},
		{name: "lost", code: syncpoint.ReplicaLost, during: logStands, notFirst: true,
			mid: func(t *testing.T, _, replica *Node) {
				if err := replica.Kill(); err != nil {
					t.Error(err)
				}
			},
			leave: func(t *testing.T, _, replica *Node) {
				if err := replica.Restart(t.Context()); err != nil {
					t.Fatal(err)
				}
			}},
	}
}

// lockedTable keeps the applier waiting.
type lockedTable struct{ release func() }

func (l *lockedTable) lock(t *testing.T, n *Node) {
	conn, err := n.DB.Conn(t.Context())
	if err == nil {
		_, err = conn.ExecContext(t.Context(), "LOCK TABLES app.t READ")
	}
	if err != nil {
		t.Error(err)
		return
	}
	l.release = func() {
		if _, err := conn.ExecContext(context.WithoutCancel(t.Context()), "UNLOCK TABLES"); err != nil {
			t.Error(err)
		}
		_ = conn.Close()
	}
}

func (l *lockedTable) unlock(*testing.T) {
	if l.release != nil { // else locking has failed
		l.release()
	}
}

func TestSyncpointRefusesByName(t *testing.T) {
	t.Parallel()
	EachServer(t, refusesByName, seesAppliers)
}

func refusesByName(t *testing.T, on ServerRow) {
	tp := NewTopology(t, Options{Replicas: 2, GTID: true})
	p := newProber(t, tp)
	tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, k INT)", "INSERT INTO app.t VALUES (1, 1)")
	tp.WaitCaughtUp(t)
	for _, r := range refusals(on) {
		t.Run(r.name, func(t *testing.T) { p.refused(t, r) })
	}
}

// refused makes a point while replica 0 is in the state: it is refused, replica 1 is exact.
func (p *prober) refused(t *testing.T, r refusal) {
	source, replica := p.tp.Source, p.tp.Replica(0)
	if r.enter != nil {
		r.enter(t, source, replica)
	}
	before := replica.runningID(t)
	point, err := p.with(func(o *syncpoint.Options) {
		o.Timeout = refusalTimeout // the switch must not go off on a busy machine: it would be what the replica is refused for
		o.Tables = []syncpoint.Table{{Database: "app", Name: "t"}}
		if r.during != "" {
			o.Logger = onLog(r.during, replica.Address(), func() { r.mid(t, source, replica) })
		}
	}).open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if failed := point.Failed(0); failed == nil || failed.Code != r.code {
		t.Errorf("%v, expected %s", failed, r.code)
	} else {
		t.Logf("%s: %v", failed.Code, failed)
	}
	if failed := point.Failed(1); failed != nil {
		t.Errorf("the other replica: %v", failed)
	}
	lease, err := point.Lease()
	if err != nil {
		t.Fatal(err)
	}
	if lease.Replicas[0] != nil {
		t.Error("the refused replica has a read session")
	}
	compareSnapshots(t, lease.Source, lease.Replicas[1], "app.t")
	point.Return(lease)
	if err := point.Close(); err != nil {
		t.Error(err)
	}
	if r.code != syncpoint.ReplicaLost {
		p.unchanged(t, r, before)
	}
	r.leave(t, source, replica)
	if r.code == syncpoint.ReplicaLost {
		if err := replica.waitReplicating(t.Context()); err != nil { // a server answers before its applier runs
			t.Fatal(err)
		}
		p.openReplica(t, 0)
	}
	p.tp.WaitCaughtUp(t)
	p.leftRunning(t, p.tp.Replicas...)
	p.exact(t, "app.t")
}

// unchanged demands that the applier is as it was before the point; once no session of ours is left, none can change it.
func (p *prober) unchanged(t *testing.T, r refusal, before string) {
	t.Helper()
	replica := p.tp.Replica(0)
	replica.awaitNoProber(t)
	status := replica.Status(t)
	wanted, until := "Yes", "None"
	if r.stays {
		wanted = "No"
	}
	if r.until != "" {
		until = r.until
	}
	if r.stays && r.during != "" {
		until = status["Until_Condition"] // what we set on the way, of an applier that an error or somebody else stopped
	}
	if status["Slave_SQL_Running"] != wanted || status["Until_Condition"] != until {
		t.Errorf("its applier runs: %s, until %s", status["Slave_SQL_Running"], status["Until_Condition"])
	}
	if after := replica.applierID(t); !r.notFirst && !r.stays && after != before {
		t.Errorf("its applier was restarted: connection %s, then %s", before, after)
	}
}

// TestSyncpointOfAnotherSource has a replica whose source has the server id of another one, so that file, offset and
// server id can all fit.
func TestSyncpointOfAnotherSource(t *testing.T) {
	t.Parallel()
	// MySQL servers have a UUID, which tells them apart before a point is made.
	EachServer(t, func(t *testing.T, _ ServerRow) { pointOfAnotherSource(t) }, Needs{Flavor: server.MariaDB})
}

func pointOfAnotherSource(t *testing.T) {
	id := []string{"--server-id=4711"}
	both := NewTopologies(t, Options{Replicas: -1, SourceArgs: id}, Options{GTID: true, SourceArgs: id})
	account := both[0].Source.CreateUser(t, proberUser, both[0].Source.Row.proberGrants()+" ON *.*")
	p := newProber(t, both[1])
	p.source = openAs(t, t, both[0].Source, server.Endpoint{User: account.User, Password: account.Password})
	p.options.Timeout = refusalTimeout
	refuse := func(what string) {
		t.Helper()
		if failed := p.openAndClose(t); failed == nil || failed.Code != syncpoint.OtherHistory {
			t.Errorf("%s: %v", what, failed)
		} else {
			t.Log(failed)
		}
		p.leftRunning(t, both[1].Replica(0))
	}
	// The same events and sizes, so the same offsets; only the GTIDs differ.
	both[0].Source.Exec(t, "CREATE DATABASE app")
	both[1].Source.Exec(t, "SET SESSION gtid_seq_no=500", "CREATE DATABASE app")
	both[1].WaitCaughtUp(t)
	refuse("other GTIDs at the same position")
	both[1].Source.Exec(t, "CREATE DATABASE more")
	both[1].WaitCaughtUp(t)
	refuse("beyond the end of the source's log")
}

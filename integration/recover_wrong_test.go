package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"trueup/check"
	"trueup/recovery"
	"trueup/repair"
	"trueup/server"
)

// TestRecoverChannels: of two named channels the stopped one is recovered and the other goes on; a name that is none, and another channel's
// source, are refused before anything is done.
func TestRecoverChannels(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, threads := range []int{0, 4} {
			t.Run(fmt.Sprintf("threads %d", threads), func(t *testing.T) {
				t.Parallel()
				tp := NewTopology(t, Options{GTID: true, Channels: []string{"north", "south side"}, ParallelThreads: threads})
				other, replica := tp.Sources[1], tp.Replica(0)
				other.Exec(t, "CREATE DATABASE aside", "CREATE TABLE aside.t (id INT PRIMARY KEY)")
				for n, action := range []recovery.Action{recovery.Fix, recovery.Skip} {
					stop := FindStop(t, []string{"1032 one of several rows", "1062 in a transaction"}[n])
					stop.Provoke(t, tp)
					other.Exec(t, fmt.Sprintf("INSERT INTO aside.t VALUES (%d)", n))
					replica.waitChannel(t, other, "south side")
					requireRefusedChannels(t, tp, action)
					run := NewRecoverRun(t, tp, action)
					run.Request.Channel, run.Request.ChannelNamed = "NORTH", n == 1
					if result := run.Run(t); result.Outcome != recovery.Proven {
						t.Fatal(describeRecovery(result))
					}
					other.Exec(t, fmt.Sprintf("INSERT INTO aside.t VALUES (%d)", 10+n))
					tp.Source.Exec(t, "CREATE DATABASE IF NOT EXISTS bump", "DROP DATABASE bump")
					tp.WaitCaughtUp(t)
					tables := stop.Tables(t, tp)
					if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, replica, tables...); want != got {
						t.Errorf("the replica is not equal:\n%s", diffLines(want, got))
					}
					if want, got := DumpTables(t, other, "aside.t"), DumpTables(t, replica, "aside.t"); want != got {
						t.Errorf("the other channel's rows:\n%s", diffLines(want, got))
					}
					requireChannelsRunning(t, replica, 2)
				}
			})
		}
	}, Needs{Channels: true})
}

// requireRefusedChannels asks for channels that are not to be recovered like that.
func requireRefusedChannels(t *testing.T, tp *Topology, action recovery.Action) {
	t.Helper()
	for name, wrong := range map[string]struct {
		channel string
		source  *Node
		says    string
	}{
		"no such channel":             {"nowhere", tp.Source, `has no channel "nowhere"; it has "north", "south side"`},
		"the other channel's source":  {"north", tp.Sources[1], "comes from"},
		"a channel of another source": {"south side", tp.Source, "comes from"},
	} {
		run := NewRecoverRun(t, tp, action)
		run.Request.Channel, run.Request.ChannelNamed, run.Request.Check.Source = wrong.channel, true, wrong.source.Endpoint()
		requireUnchanged(t, tp, name, func() {
			_, err := recovery.Run(t.Context(), run.Request, nil)
			var refused *check.RequestError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), wrong.says) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// requireUnchanged: the replica's rows in databases of stops, and where its appliers stand, are the same before and behind.
func requireUnchanged(t *testing.T, tp *Topology, what string, do func()) {
	t.Helper()
	before := stateOf(t, tp.Replica(0))
	do()
	if after := stateOf(t, tp.Replica(0)); after != before {
		t.Errorf("%s: the replica was changed:\n%s", what, diffLines(before, after))
	}
}

func stateOf(t *testing.T, on *Node) string {
	t.Helper()
	var tables []string
	for _, row := range on.Query(t, `SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema LIKE 'stop\_%' ORDER BY 1`) {
		tables = append(tables, row[0])
	}
	state := DumpTables(t, on, tables...)
	for _, status := range on.Channels(t) {
		state += fmt.Sprintf("\n%s %s %s %s %s:%s %s", status["Channel_Name"], status["Slave_SQL_Running"], status["Slave_IO_Running"], status["Last_SQL_Errno"], status["Relay_Master_Log_File"],
			status["Exec_Master_Log_Pos"], status["Skip_Counter"])
	}
	return state
}

// TestRecoverChainMiddle: a replica with a replica of its own is fixed, and both are equal; after a skip on it what its own replica lost is said.
func TestRecoverChainMiddle(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, Options{GTID: true, Replicas: 2, Chain: true})
		stop := FindStop(t, "1032 in a transaction")
		stop.Provoke(t, tp)
		if result := NewRecoverRun(t, tp, recovery.Fix).Run(t); result.Outcome != recovery.Proven {
			t.Fatal(describeRecovery(result))
		}
		tp.WaitCaughtUp(t)
		tables := stop.Tables(t, tp)
		for _, replica := range tp.Replicas {
			if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, replica, tables...); want != got {
				t.Errorf("%s is not equal:\n%s", replica.Name(), diffLines(want, got))
			}
		}
		stop = FindStop(t, "1032 one of several rows")
		stop.Provoke(t, tp)
		result := NewRecoverRun(t, tp, recovery.Skip).Run(t)
		if result.Outcome != recovery.Proven || !strings.Contains(strings.Join(result.Warnings, "\n"), "replicas of its own") {
			t.Error(describeRecovery(result))
		}
		if n := skips(result.Attempts[0].Steps); n != 1 {
			t.Errorf("%d skips", n)
		}
	}, Needs{GTID: true})
}

// refuses tells whether the repair of a proof was refused by that reason.
func refuses(result *recovery.Result, code string) bool {
	proof := result.Attempts[len(result.Attempts)-1].Proof
	return proof != nil && slices.Contains(refusalCodes(proof), code)
}

// TestRecoverWithoutPrivilege: each privilege that a fix needs is named where it is missing, and nothing is changed.
func TestRecoverWithoutPrivilege(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, modes(on)[0])
		FindStop(t, "1032 one of several rows").Provoke(t, tp)
		source := accountOn(t, tp.Source, "source_fix", slices.Concat(documentedGrants(t, on, "source"), []string{"REPLICATION SLAVE"}))
		all := slices.Concat(documentedGrants(t, on, "replica"), repairGrants(on))
		tries := append(repairGrants(on), "") // "": none is missing
		for _, missing := range tries {
			run := NewRecoverRun(t, tp, recovery.Fix)
			run.Request.Check.Source = source
			run.Request.Check.Replicas = []server.Endpoint{accountOn(t, tp.Replica(0), "replica_fix", without(all, missing))}
			if missing == "" {
				if result := run.Run(t); result.Outcome != recovery.Proven {
					t.Errorf("with all of %q: %s", all, describeRecovery(result))
				}
				continue
			}
			requireUnchanged(t, tp, "without "+missing, func() {
				d, err := refusedAction(t, run)
				if err == nil || d == nil {
					t.Errorf("without %s it is not refused", missing)
					return
				}
				if said := strings.Join(d.Advice, "\n"); !strings.Contains(said, "GRANT") || !strings.Contains(said, missing) {
					t.Errorf("without %s: %q", missing, said)
				}
			})
		}
	})
}

// refusedAction runs a recovery that is to be refused because what is chosen is not offered, and returns the diagnosis.
func refusedAction(t *testing.T, run *RecoverRun) (d *recovery.Diagnosis, err error) {
	t.Helper()
	choose := run.Request.Choose
	run.Request.Choose = func(ctx context.Context, diagnosis *recovery.Diagnosis) (recovery.Choice, error) {
		d = diagnosis
		return choose(ctx, diagnosis)
	}
	result, err := recovery.Run(t.Context(), run.Request, nil)
	if err == nil {
		err = result.Err
	}
	var refused *check.RequestError
	if err != nil && !errors.As(err, &refused) {
		t.Errorf("refused by another error: %v", err)
	}
	return d, err
}

// TestRecoverUnwritable: where the replica cannot be written, or a trigger would fire, a fix is not offered and the reason is said; a skip's rows stay lost, and are
// listed.
func TestRecoverUnwritable(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		tp := NewTopology(t, modes(on)[0])
		stop := FindStop(t, "1032 one of several rows")
		stop.Provoke(t, tp)
		replica := tp.Replica(0)
		if on.IsMySQL(5, 7, 8) {
			replica.Exec(t, "SET GLOBAL super_read_only=ON")
			requireNoFix(t, tp, "super_read_only")
			replica.Exec(t, "SET GLOBAL super_read_only=OFF", "SET GLOBAL read_only=OFF")
		}
		if err := replica.damage(t.Context(), stop.statements([]string{"CREATE TRIGGER db.fires BEFORE INSERT ON db.t FOR EACH ROW SET NEW.v = NEW.v + 1000"})...); err != nil {
			t.Fatal(err)
		}
		requireNoFix(t, tp, "trigger fires")
		result := NewRecoverRun(t, tp, recovery.Skip).Run(t)
		if result.Outcome != recovery.Differs || !refuses(result, repair.RefusedTriggers) {
			t.Error(describeRecovery(result))
		}
		requireReplicating(t, replica)
	})
}

// requireNoFix: a fix is refused, for a reason that is said, and nothing was changed.
func requireNoFix(t *testing.T, tp *Topology, why string) {
	t.Helper()
	requireUnchanged(t, tp, why, func() {
		d, err := refusedAction(t, NewRecoverRun(t, tp, recovery.Fix))
		if err == nil || d == nil || !strings.Contains(strings.Join(d.Advice, "\n"), why) {
			t.Errorf("%s: %v, %+v", why, err, d)
		}
	})
}

// TestRecoverChangedMeanwhile: somebody changes the replica between the diagnosis and what is done about it: that is seen, and nothing of ours is written over it. Whoever
// declines, or gives up at the question, leaves it as it is.
func TestRecoverChangedMeanwhile(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, _ ServerRow, tp *Topology) {
		stop := FindStop(t, "1062 and 1032 behind it")
		stop.Provoke(t, tp)
		testDeclined(t, tp)
		meanwhile(t, tp, "the row is another one", recovery.Fix, func() { damageReplica(t, tp, stop, "UPDATE db.t SET v=71 WHERE id=7") })
		meanwhile(t, tp, "the row is gone", recovery.Fix, func() { damageReplica(t, tp, stop, "DELETE FROM db.t WHERE id=7") })
		damageReplica(t, tp, stop, "INSERT INTO db.t VALUES (7,70)")
		meanwhile(t, tp, "another error", recovery.Fix, func() {
			stop.MendBy(t, tp, stop.Mend)
			tp.AwaitStopped(t, 0, 1032)
		})
		for _, action := range []recovery.Action{recovery.Skip, recovery.Retry} {
			meanwhile(t, tp, "it runs", action, func() {
				stop.MendBy(t, tp, stop.MendThen)
				tp.WaitCaughtUp(t)
			})
			if action == recovery.Skip {
				tp.Damage(t, 0, stop.statements([]string{"DELETE FROM db.t WHERE id=5"})...)
				tp.Source.Exec(t, stop.statements([]string{"UPDATE db.t SET v=v+10 WHERE id IN (4,5,6)"})...)
				tp.AwaitStopped(t, 0, 1032)
				stop.MendThen = stop.statements([]string{"INSERT INTO db.t VALUES (5,15)"})
			}
		}
		tables := stop.Tables(t, tp)
		if want, got := DumpTables(t, tp.Source, tables...), DumpTables(t, tp.Replica(0), tables...); want != got {
			t.Errorf("the replica is not equal:\n%s", diffLines(want, got))
		}
		requireReplicating(t, tp.Replicas...)
	})
}

// TestRecoverSkippedMeanwhile: somebody skips the transaction while a fix of it is being chosen. The row that the fix would remove still stands
// as it was seen, but the transaction that would write it is never coming: nothing is changed.
func TestRecoverSkippedMeanwhile(t *testing.T) {
	t.Parallel()
	eachMode(t, func(t *testing.T, _ ServerRow, tp *Topology) {
		stop := FindStop(t, "1062 and 1032 behind it")
		stop.Provoke(t, tp)
		meanwhile(t, tp, "somebody has skipped it", recovery.Fix, func() {
			NewRecoverRun(t, tp, recovery.Skip).Run(t) // which leaves what it has lost to be proven, since the next error is not its own
			tp.AwaitStopped(t, 0, 1032)
		})
		if got := tp.Replica(0).Value(t, "SELECT v FROM "+stop.Database()+".t WHERE id=7"); got != "70" {
			t.Errorf("the row that was in the way is %q now", got)
		}
	})
}

func damageReplica(t *testing.T, tp *Topology, stop Stop, statements ...string) {
	t.Helper()
	if err := tp.Replica(0).damage(t.Context(), stop.statements(statements)...); err != nil {
		t.Fatal(err)
	}
}

// meanwhile chooses an action after somebody has done something: it must fail, and change nothing more.
func meanwhile(t *testing.T, tp *Topology, what string, action recovery.Action, somebody func()) {
	t.Helper()
	run := NewRecoverRun(t, tp, action)
	state := ""
	run.Request.Choose = func(context.Context, *recovery.Diagnosis) (recovery.Choice, error) {
		somebody()
		state = stateOf(t, tp.Replica(0))
		return recovery.Choice{Action: action, By: "test"}, nil
	}
	result := run.Run(t)
	if result.Outcome != recovery.Failed || result.Err == nil {
		t.Errorf("%s, %s: %s", what, action, describeRecovery(result))
	}
	if now := stateOf(t, tp.Replica(0)); now != state {
		t.Errorf("%s, %s: the replica was changed:\n%s\n%s", what, action, diffLines(state, now), describeRecovery(result))
	}
}

// testDeclined: nothing is done where nobody chooses, and the error of whoever was asked is the run's.
func testDeclined(t *testing.T, tp *Topology) {
	t.Helper()
	aborted := fmt.Errorf("ended at the prompt: %w", context.Canceled)
	for _, answer := range []error{nil, aborted} {
		requireUnchanged(t, tp, fmt.Sprintf("answered %v", answer), func() {
			run := NewRecoverRun(t, tp, recovery.Fix)
			run.Request.Choose = func(context.Context, *recovery.Diagnosis) (recovery.Choice, error) {
				return recovery.Choice{Action: recovery.Plan, By: "test"}, answer
			}
			result := run.Run(t)
			wanted := recovery.Declined
			if answer != nil {
				wanted = recovery.Failed
			}
			if result.Outcome != wanted || !errors.Is(result.Err, answer) || len(result.Attempts) != 1 || len(result.Attempts[0].Steps) > 0 {
				t.Errorf("answered %v: %s", answer, describeRecovery(result))
			}
		})
	}
}

package integration

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"trueup/check"
)

// TestCheckOfTwoSources: each source is checked against its own channel of a replica that has two, and the other
// channel is left alone.
func TestCheckOfTwoSources(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) {
		for _, options := range []Options{{GTID: true}, {}, {GTID: true, ParallelThreads: 4}} {
			t.Run(fmt.Sprintf("gtid=%v threads=%d", options.GTID, options.ParallelThreads), func(t *testing.T) {
				t.Parallel()
				checkTwoSources(t, options)
			})
		}
	}, Needs{Channels: true})
}

func checkTwoSources(t *testing.T, options Options) {
	channels := []string{"north", "south side"}
	databases := []string{"north", "south"}
	options.Channels = channels
	tp := NewTopology(t, options)
	for i, source := range tp.Sources {
		source.Exec(t, "CREATE DATABASE "+databases[i], fmt.Sprintf("CREATE TABLE %s.t (id INT PRIMARY KEY, v INT)", databases[i]),
			fmt.Sprintf("INSERT INTO %s.t SELECT seq, seq FROM %s", databases[i], source.Numbers(500)))
	}
	tp.WaitCaughtUp(t)
	for i, channel := range channels {
		stopWriting := writeSteadily(t, tp.Sources[1-i], databases[1-i])
		stopWatching := watchChannel(t, tp.Replica(0), channels[1-i])
		requireEqual := func(when string) {
			t.Helper()
			result := runCheck(t, requestForSource(tp, i, databases[i]))
			if result.Verdict != check.Equal || result.Replicas[0].Channel != channel {
				t.Errorf("channel %q, %s: on channel %q %s", channel, when, result.Replicas[0].Channel, describe(result))
			}
		}
		requireEqual("quiet")
		requireEqual("quiet again")
		stopBoth := writeSteadily(t, tp.Sources[i], databases[i])
		requireEqual("under load")
		stopBoth()
		requireEqual("after the load")
		stopWatching()
		stopWriting()
		requireChannelsRunning(t, tp.Replica(0), len(channels))
	}
	for i, source := range tp.Sources { // MASTER_POS_WAIT waits for ever where an applier was started anew and nothing came since
		source.Exec(t, fmt.Sprintf("INSERT INTO %s.t SELECT MAX(id) + 1, 0 FROM %s.t", databases[i], databases[i]))
	}
	tp.Damage(t, 0, "UPDATE north.t SET v = 0 WHERE id = 77")
	north, south := runCheck(t, requestForSource(tp, 0, "north")), runCheck(t, requestForSource(tp, 1, "south"))
	if got := differenceTexts(north); !slices.Equal(got, []string{"changed north.t id=77 v:77>0"}) {
		t.Errorf("north: %q", got)
	}
	if south.Verdict != check.Equal {
		t.Errorf("south: %s", describe(south))
	}
	// Without a filter the replica's tables from the other source are more than this source has.
	all := runCheck(t, requestForSource(tp, 1, "*"))
	if extra := all.SchemaDifferences; all.Verdict != check.Different || len(extra) != 1 || extra[0].Database != "north" || len(all.Differences) > 0 {
		t.Errorf("south without a filter: %s", describe(all))
	}
	requireChannelsRunning(t, tp.Replica(0), len(channels))
}

// requestForSource is a check of one of the topology's sources, of the databases that the pattern chooses.
func requestForSource(tp *Topology, i int, databases string) check.Request {
	request := requestFor(tp)
	request.Source = tp.Sources[i].Endpoint()
	request.Filters.Databases = []string{databases}
	return request
}

// writeSteadily adds rows to a table of a source until the returned function is called.
func writeSteadily(t *testing.T, source *Node, database string) (stop func()) {
	return repeatUntilStopped(t, func(ctx context.Context) error {
		return source.exec(ctx, fmt.Sprintf("INSERT INTO %s.t SELECT MAX(id) + 1, 0 FROM %s.t", database, database))
	})
}

// watchChannel fails the test when the applier of a channel is ever found stopped, until the returned function is called.
func watchChannel(t *testing.T, replica *Node, channel string) (stop func()) {
	return repeatUntilStopped(t, func(ctx context.Context) error {
		status, err := replica.channel(ctx, channel)
		if err != nil {
			return err
		}
		if status["Slave_SQL_Running"] != "Yes" || status["Slave_IO_Running"] == "No" { // it may connect again
			return fmt.Errorf("channel %q, which is not checked: applier %s, receiver %s", channel, status["Slave_SQL_Running"], status["Slave_IO_Running"])
		}
		return nil
	})
}

// repeatUntilStopped does something every few milliseconds until the returned function is called. An error fails the test, once.
func repeatUntilStopped(t *testing.T, do func(ctx context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for times := 0; ; times++ {
			limited, done := context.WithTimeout(context.WithoutCancel(ctx), statementLimit)
			err := do(limited)
			done()
			if err != nil {
				t.Errorf("the time %d: %v", times, err)
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return stop
}

func requireChannelsRunning(t *testing.T, replica *Node, count int) {
	t.Helper()
	channels := replica.Channels(t)
	connecting := func(status map[string]string) bool { return status["Slave_IO_Running"] == "Connecting" }
	for deadline := time.Now().Add(reconnectLimit); slices.ContainsFunc(channels, connecting) && time.Now().Before(deadline); channels = replica.Channels(t) {
		time.Sleep(20 * time.Millisecond)
	}
	if len(channels) != count {
		t.Errorf("%d channels, want %d", len(channels), count)
	}
	for _, status := range channels {
		if status["Slave_SQL_Running"] != "Yes" || status["Slave_IO_Running"] != "Yes" || status["Until_Condition"] != "None" {
			t.Errorf("channel %q: applier %s, receiver %s, until %s, error %q", status["Channel_Name"], status["Slave_SQL_Running"],
				status["Slave_IO_Running"], status["Until_Condition"], status["Last_SQL_Error"])
		}
	}
}

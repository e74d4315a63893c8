package integration

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

const (
	setupLimit  = 3 * time.Minute
	replicator  = "repl"
	replication = "replicate"
)

// Options describe a topology.
type Options struct {
	// Server is what the servers are. Zero: the row of the EachServer the test is in, otherwise the program of this machine.
	Server ServerRow
	// ReplicaServer is what the replicas are, where that differs from Server: for pairs across versions.
	ReplicaServer ServerRow
	// Replicas is how many replicas the source has. 0: one. Negative: none.
	Replicas int
	// GTID makes the replicas replicate by GTID (MariaDB: slave_pos; MySQL: gtid_mode=ON and auto position), otherwise by
	// file and position (MySQL: gtid_mode=OFF).
	GTID bool
	// Spare is how many servers more the test starts later, by topologies that are OnSpare.
	Spare   int
	OnSpare bool
	// Format is the source's binary log format. "": ROW.
	Format string
	// ParallelThreads is slave_parallel_threads or replica_parallel_workers of the replicas. 0: the family's default, which
	// is none on MariaDB and four on MySQL.
	ParallelThreads int
	// SlowThreads lets every new thread of the replicas begin some milliseconds late, as a busy machine does now and then.
	SlowThreads bool
	// SourceArgs and ReplicaArgs are further arguments of the server program.
	SourceArgs, ReplicaArgs []string
	// SourceWithoutBinlog starts a source that cannot be one; only without replicas.
	SourceWithoutBinlog bool
	// Chain makes each replica replicate from the one before it instead of from the source.
	Chain bool
	// Channels gives each replica a channel (MariaDB: a named connection) of each name, each from a source of its own.
	Channels []string
}

// sources is how many sources the topology has.
func (o Options) sources() int { return max(1, len(o.Channels)) }

func (o Options) replicas() int {
	if o.Replicas == 0 {
		return 1
	}
	return max(o.Replicas, 0)
}

// Topology is a source and its replicas, all running and replicating when the test gets them.
type Topology struct {
	Source   *Node
	Sources  []*Node // one for each of Options.Channels; otherwise Source alone
	Replicas []*Node
	options  Options
	network  *testcontainers.DockerNetwork // of containers
}

// Replica returns the replica with the given index, counted from 0.
func (tp *Topology) Replica(i int) *Node { return tp.Replicas[i] }

// Nodes returns all servers, sources first.
func (tp *Topology) Nodes() []*Node { return slices.Concat(tp.Sources, tp.Replicas) }

// Numbers is a FROM-able expression with one column, seq, from 1 to n, on every server of the topology's family.
func (tp *Topology) Numbers(n int) string { return tp.Source.Numbers(n) }

// NewTopology starts a source and its replicas and waits until they replicate. Everything stops when the test ends.
func NewTopology(t testing.TB, options Options) *Topology {
	t.Helper()
	return NewTopologies(t, options)[0]
}

// NewTopologies starts several topologies that know nothing of each other. A test that needs more than one asks
// for them in one call: two tests that hold one and wait for another would wait for each other for ever.
func NewTopologies(t testing.TB, options ...Options) []*Topology {
	t.Helper()
	count := 0
	for i := range options {
		options[i] = onRow(t, options[i])
		if !options[i].OnSpare {
			count += options[i].sources() + options[i].replicas() + options[i].Spare
		}
	}
	if count > 0 {
		acquire(t, int64(count))
	}
	topologies := make([]*Topology, len(options))
	ctx, cancel := context.WithTimeout(context.Background(), setupLimit)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for n, o := range options {
		topologies[n] = &Topology{options: o}
		group.Go(func() error {
			began := time.Now()
			defer func() { outcomes.started(o.Server.Name, time.Since(began)) }()
			return topologies[n].start(ctx)
		})
	}
	err := group.Wait()
	t.Cleanup(func() {
		for _, tp := range topologies {
			tp.stop(t)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return topologies
}

// serverSlots bounds how many servers run at once in this test program.
var serverSlots = sync.OnceValues(func() (*semaphore.Weighted, int64) {
	slots := int64(6)
	if n, err := strconv.ParseInt(os.Getenv("TRUEUP_TEST_SERVERS"), 10, 64); err == nil && n > 0 {
		slots = n
	}
	return semaphore.NewWeighted(slots), slots
})

// acquire waits until count servers may run. A test that wants more than there are slots runs alone.
func acquire(t testing.TB, count int64) {
	t.Helper()
	slots, all := serverSlots()
	count = min(count, all)
	if err := slots.Acquire(context.Background(), count); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slots.Release(count) }) // the first cleanup registered is the last to run
}

// start starts all servers at once and then connects them.
func (tp *Topology) start(ctx context.Context) error {
	o, network := tp.options, ""
	if !o.Server.Local() {
		d, err := connectDocker()
		if err != nil {
			return err
		}
		if tp.network, err = d.newNetwork(ctx); err != nil {
			return err
		}
		network = tp.network.Name
	}
	format := cmp.Or(strings.ToUpper(o.Format), "ROW")
	group, starting := errgroup.WithContext(ctx)
	for i := range o.sources() {
		node := &Node{name: "source", Row: o.Server}
		if i > 0 {
			node.name = fmt.Sprint("source ", i)
		}
		tp.Sources = append(tp.Sources, node)
		role := role{format: format, gtid: o.GTID, domain: i, args: o.SourceArgs}
		if o.SourceWithoutBinlog {
			role.format = ""
		}
		group.Go(func() error { return node.start(starting, role, network) })
	}
	tp.Source = tp.Sources[0]
	for i := range o.replicas() {
		node := &Node{name: fmt.Sprint("replica ", i), Row: o.ReplicaServer}
		tp.Replicas = append(tp.Replicas, node)
		role := role{format: format, gtid: o.GTID, domain: o.replicaDomain(i), parallelThreads: o.ParallelThreads, args: o.ReplicaArgs, slowThreads: o.SlowThreads}
		group.Go(func() error { return node.start(starting, role, network) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return tp.connect(ctx)
}

// replicaDomain keeps a replica of several sources, each with a domain of its own, out of theirs.
func (o Options) replicaDomain(i int) int {
	if len(o.Channels) == 0 {
		return 0
	}
	return len(o.Channels) + i
}

func (tp *Topology) connect(ctx context.Context) error {
	upstream := tp.Source
	for _, replica := range tp.Replicas {
		for i, channel := range tp.options.Channels {
			if err := replica.replicateOn(ctx, tp.Sources[i], channel, tp.options.GTID); err != nil {
				return err
			}
		}
		if len(tp.options.Channels) > 0 {
			continue
		}
		if err := replica.replicateFrom(ctx, upstream, tp.options.GTID); err != nil {
			return err
		}
		if tp.options.Chain {
			upstream = replica
		}
	}
	for _, replica := range tp.Replicas {
		if err := replica.waitReplicating(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (tp *Topology) stop(t testing.TB) {
	var group sync.WaitGroup
	for _, node := range tp.Nodes() {
		if node.Server == nil {
			continue
		}
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", node.name, node.LogTail(12))
		}
		group.Go(func() {
			if err := node.stop(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if tp.network != nil {
		if err := tp.network.Remove(context.Background()); err != nil {
			t.Errorf("remove the network of the topology: %v", err)
		}
	}
}

package integration

import (
	"fmt"
	"testing"
	"time"

	"trueup/server"
)

// TestSyncpointOfAChain: a source, its replica, and that one's replica are read at one position while the source is
// written to and every log is rotated.
func TestSyncpointOfAChain(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		for _, options := range []Options{{GTID: true}, {ParallelThreads: 4}} {
			t.Run(fmt.Sprintf("GTID %v %d threads", options.GTID, options.ParallelThreads), func(t *testing.T) {
				t.Parallel()
				options.Chain, options.Replicas = true, 2
				tp := NewTopology(t, options)
				p := newProber(t, tp)
				p.quiet(t)
				stop := tp.StartWriter(t, WriterOptions{})
				endFlushing := repeat(t, tp.Replica(0), "FLUSH BINARY LOGS", 200*time.Millisecond)
				var pauses []time.Duration
				for range times(10, 200) {
					pauses = append(pauses, p.exact(t, "app.w1", "app.w2")...)
				}
				endFlushing()
				stop()
				logPauses(t, pauses)
				p.leftRunning(t, tp.Replicas...)
			})
		}
	}, seesAppliers)
}

// TestSyncpointOfABusyUpstream: a replica whose parallel applier is busy with many tables is the source of the point. On MySQL
// locking them and applying can wait for each other; MariaDB locks nothing.
func TestSyncpointOfABusyUpstream(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{GTID: true, ParallelThreads: 4, Chain: true, Replicas: 2})
		p := newProber(t, tp)
		lower := *tp
		lower.Source, lower.Replicas = tp.Replica(0), tp.Replicas[1:]
		p.tp, p.source, p.replicas = &lower, p.replicas[0].Server, p.replicas[1:]
		p.replicas[0].Upstream = 0
		tables := []string{"app.w1", "app.w2", "app.w3", "app.w4"}
		stop := tp.StartWriter(t, WriterOptions{Tables: tables, Threads: 4})
		tp.WaitCaughtUp(t)
		var pauses []time.Duration
		for range times(20, 300) {
			pauses = append(pauses, p.exact(t, tables...)...)
		}
		stop()
		logPauses(t, pauses)
		p.leftRunning(t, lower.Replicas...)
	}, Needs{Flavor: server.MySQL, MinMySQL: server.Version{Major: 8}})
}

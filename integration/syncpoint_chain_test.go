package integration

import (
	"fmt"
	"testing"
	"time"
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

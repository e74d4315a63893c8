package integration

import (
	"context"
	"testing"
	"time"

	"trueup/check"
)

// TestInterruptedAtAnyTime: a check that is cancelled returns what it has, never equal for what it did not compare, and
// leaves every replica running.
func TestInterruptedAtAnyTime(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) { checkInterrupted(t) })
}

func checkInterrupted(t *testing.T) {
	tp := NewTopology(t, Options{GTID: true, Replicas: 2})
	stop := tp.StartWriter(t, WriterOptions{Rows: 1000})
	defer stop()
	for i := range 25 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*6)*time.Millisecond)
		request := requestFor(tp)
		request.SyncMaxAge = 50 * time.Millisecond
		result, err := check.Run(ctx, request, nil)
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		if result.Interrupted == (result.Verdict == check.Equal) || result.Verdict == check.Different {
			t.Errorf("after %d ms: interrupted %v, %s", i*6, result.Interrupted, describe(result))
		}
		requireReplicating(t, tp.Replicas...)
	}
}

// TestReplicaLostInTheMiddle: its tables are unverified, the other replica's are verified.
func TestReplicaLostInTheMiddle(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) { checkLosingReplica(t) })
}

func checkLosingReplica(t *testing.T) {
	tp := NewTopology(t, Options{GTID: true, Replicas: 2})
	tp.Source.CreateWriterTable(t, "app.w1", 20_000)
	tp.WaitCaughtUp(t)
	killer := &onChunk{after: 20, do: func() { _ = tp.Replica(0).Kill() }}
	request := requestFor(tp)
	request.SyncTimeout = 5 * time.Second // in which a lost server may come back, and the other one makes each point
	result, err := check.Run(t.Context(), request, killer)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Replicas) != 2 {
		t.Fatal(describe(result))
	}
	lost, other := result.Replicas[0], result.Replicas[1]
	if lost.Verdict != check.Unverified || lost.ReasonCode != check.ReasonConnectionLost {
		t.Errorf("the killed replica is %s %s: %s", lost.Verdict, lost.ReasonCode, lost.Reason)
	}
	if other.Verdict != check.Equal || result.Verdict != check.Unverified {
		t.Error(describe(result))
	}
}

// onChunk does something once, after a number of chunks.
type onChunk struct {
	after int
	do    func()
}

func (o *onChunk) Event(event check.Event) {
	if _, isChunk := event.(check.ChunkDone); !isChunk {
		return
	}
	if o.after--; o.after == 0 {
		o.do()
	}
}

// TestSourceLostInTheMiddle: the run fails, says so, and leaves the replica running.
func TestSourceLostInTheMiddle(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, on ServerRow) { checkLosingSource(t) })
}

func checkLosingSource(t *testing.T) {
	tp := NewTopology(t, Options{GTID: true})
	tp.Source.CreateWriterTable(t, "app.w1", 20_000)
	tp.WaitCaughtUp(t)
	killer := &onChunk{after: 20, do: func() { _ = tp.Source.Kill() }}
	request := requestFor(tp)
	request.SyncTimeout = 2 * time.Second // in which a lost server may come back
	result, err := check.Run(t.Context(), request, killer)
	if err != nil {
		t.Fatal(err)
	}
	if result.Verdict != check.Failed || result.Err == nil {
		t.Errorf("%s", describe(result))
	}
	if status := tp.Replica(0).Status(t); status["Slave_SQL_Running"] != "Yes" || status["Until_Condition"] != "None" {
		t.Errorf("the applier: running %s, until %s", status["Slave_SQL_Running"], status["Until_Condition"])
	}
}

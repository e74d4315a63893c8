package check

import (
	"context"
	"errors"
	"testing"
	"time"

	"trueup/chunker"
	"trueup/schema"
)

func equalTable(replica string) TableResult {
	return TableResult{Database: "d", Table: "t", Verdict: Equal, Replicas: []TableReplicaResult{{Address: replica, Verdict: Equal}}}
}

func TestConclude(t *testing.T) {
	t.Parallel()
	on := func(verdict Verdict) TableResult {
		table := equalTable("r")
		table.Verdict, table.Replicas[0].Verdict = verdict, verdict
		return table
	}
	replica := ReplicaResult{ServerInfo: ServerInfo{Address: "r"}}
	for name, test := range map[string]struct {
		result       Result
		run, replica Verdict
	}{
		"equal":                          {Result{Tables: []TableResult{equalTable("r")}}, Equal, Equal},
		"nothing at all":                 {Result{}, Unverified, Equal},
		"a view beside an equal table":   {Result{Tables: []TableResult{equalTable("r"), on(NotCompared)}}, Equal, Equal},
		"an unverified table":            {Result{Tables: []TableResult{equalTable("r"), on(Unverified)}}, Unverified, Unverified},
		"a failed one":                   {Result{Tables: []TableResult{equalTable("r"), on(Unverified), on(Failed)}}, Failed, Failed},
		"a different one":                {Result{Tables: []TableResult{on(Failed), on(Different), on(Unverified)}}, Different, Different},
		"equal rows, other definitions":  {Result{Tables: []TableResult{equalTable("r")}, SchemaDifferences: []SchemaDifference{{Replica: "r"}}}, Different, Different},
		"interrupted after an equal one": {Result{Tables: []TableResult{equalTable("r")}, Interrupted: true}, Unverified, Equal},
		"ranges of another replica":      {Result{Tables: []TableResult{equalTable("other")}, restricted: true}, Equal, NotCompared},
		"no range of any replica":        {Result{Tables: []TableResult{on(NotCompared)}, restricted: true}, Unverified, NotCompared},
		"an error after an equal one":    {Result{Tables: []TableResult{equalTable("r")}, Err: errors.New("lost")}, Failed, Equal},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.result.Replicas = []ReplicaResult{replica}
			test.result.conclude()
			if test.result.Verdict != test.run || test.result.Replicas[0].Verdict != test.replica && name != "nothing at all" {
				t.Errorf("the run is %s, the replica %s; want %s, %s", test.result.Verdict, test.result.Replicas[0].Verdict, test.run, test.replica)
			}
		})
	}
}

func TestFirstReasonStaysUnlessDifferent(t *testing.T) {
	t.Parallel()
	var on onReplica
	on.set(Unverified, "first", "")
	on.set(Unverified, "second", "")
	if on.ReasonCode != "first" {
		t.Errorf("reason %q", on.ReasonCode)
	}
	on.set(Different, "", "")
	on.set(Unverified, "third", "")
	if on.Verdict != Different || on.ReasonCode != "" {
		t.Errorf("%s %q", on.Verdict, on.ReasonCode)
	}
}

func TestUnreadPartsAreNotEqual(t *testing.T) {
	t.Parallel()
	state := newTableState("d", "t", []*member{newMember("r")})
	work := &task{state: state, replicas: []int{0}}
	state.tasks = []*task{work}
	first := chunker.Chunk{Range: chunker.Range{}, Index: 0}
	work.finish("", "")
	state.settle()
	if state.result.Verdict != Unverified || state.result.ReasonCode != ReasonCoverage {
		t.Errorf("nothing was read, and the table is %s %s", state.result.Verdict, state.result.ReasonCode)
	}
	state = newTableState("d", "t", []*member{newMember("r")})
	work = &task{state: state, replicas: []int{0}}
	state.tasks = []*task{work}
	if err := work.record(chunkResult{chunk: first, on: []chunkOnReplica{{replica: 0}}, started: time.Now()}); err != nil {
		t.Fatal(err)
	}
	work.finish("", "")
	state.settle()
	if state.result.Verdict != Equal || state.result.ChunksVerified != 1 {
		t.Errorf("everything was read, and the table is %s %s", state.result.Verdict, state.result.Reason)
	}
	if err := work.record(chunkResult{chunk: first, on: []chunkOnReplica{{replica: 0}}, started: time.Now()}); err == nil {
		t.Error("the same chunk was recorded twice without a word")
	}
}

func TestNeighboursAreMerged(t *testing.T) {
	t.Parallel()
	r := &run{members: []*member{newMember("a"), newMember("b")}}
	state := newTableState("d", "t", r.members)
	bound := func(number int) []chunker.Value {
		value, err := chunker.NewValue(schema.Column{}, int64(number))
		if err != nil {
			t.Fatal(err)
		}
		return []chunker.Value{value}
	}
	within := func(replica, index, lower, upper int) {
		chunk := chunker.Chunk{Index: index, Range: chunker.Range{Key: chunker.Key{Columns: []schema.Column{{Name: "id"}}}, Lower: bound(lower), Upper: bound(upper)}}
		state.ranges = append(state.ranges, rangeFound{replica: replica, chunk: chunk, delta: counts{changed: 1}})
	}
	add := func(replica, index int) { within(replica, index, index, index+1) }
	add(1, 3)
	add(0, 2)
	add(0, 0)
	add(0, 1)
	add(0, 5)
	within(0, 6, 60, 61) // the next range of a check of ranges: there may be anything between
	merged := r.mergedRanges(state)
	var got []int64
	for _, m := range merged {
		got = append(got, m.Changed)
	}
	if len(got) != 4 || got[0] != 3 || got[1] != 1 || got[2] != 1 || got[3] != 1 || merged[3].Replica != "b" {
		t.Errorf("merged into %+v", merged)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := DefaultRequest().Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	for name, change := range map[string]func(*Request){
		"no workers":        func(r *Request) { r.Workers = 0 },
		"many workers":      func(r *Request) { r.Workers = maxWorkers + 1 },
		"negative rows":     func(r *Request) { r.Size.Rows = -1 },
		"no time":           func(r *Request) { r.Size.Time = 0 },
		"no sync timeout":   func(r *Request) { r.SyncTimeout = 0 },
		"no age":            func(r *Request) { r.SyncMaxAge = -time.Second },
		"no hold":           func(r *Request) { r.LockHoldMax = 0 },
		"negative listings": func(r *Request) { r.MaxDifferences = -1 },
	} {
		request := DefaultRequest()
		change(&request)
		result, err := Run(context.Background(), request, nil)
		var refused *RequestError
		if !errors.As(err, &refused) || result != nil {
			t.Errorf("%s: %v, %v", name, result, err)
		}
	}
}

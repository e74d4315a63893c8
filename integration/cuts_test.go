package integration

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"trueup/check"
)

// cut is a link that is reset at one moment of a check.
type cut struct {
	name   string
	source bool
	way    Direction
	text   string // see Proxy.When
	after  int
	slow   int // bytes a second from there on, for slowTime, instead of the reset
}

const (
	slowTime   = 700 * time.Millisecond
	largeNotes = 120_000 // bytes of each of 40 rows
)

// cuts lists moments of a check. The bytes after which some come are those of about half of the large rows.
func cuts() []cut {
	return []cut{
		{name: "source, in the middle of a chunk", source: true, way: FromServer, after: 2_500_000},
		{name: "replica, in the middle of a chunk", way: FromServer, after: 2_500_000},
		{name: "source, while snapshots are opened", source: true, way: ToServer, text: snapshotText, after: 1},
		{name: "replica, while snapshots are opened", way: ToServer, text: snapshotText, after: 1},
		{name: "replica, while its applier is told where to stop", way: ToServer, text: "UNTIL "},
		{name: "source, while a bound is looked for", source: true, way: ToServer, text: "LIMIT 1 OFFSET", after: 1},
		{name: "source, slow in the middle of a chunk", source: true, way: FromServer, after: 2_500_000, slow: 100_000},
		{name: "replica, slow in the middle of a chunk", way: FromServer, after: 2_500_000, slow: 100_000},
		{name: "source, slow while snapshots are opened", source: true, way: ToServer, text: snapshotText, slow: 5000},
		{name: "replica, slow while snapshots are opened", way: ToServer, text: snapshotText, slow: 5000},
	}
}

// TestLinkCut: a link that is reset, or slow, at any moment costs another try in a new sync point, never the run.
func TestLinkCut(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		l := newLinks(t, 300)
		l.tp.Source.Exec(t, "CREATE TABLE app.large (id INT PRIMARY KEY, note LONGTEXT)",
			fmt.Sprintf("INSERT INTO app.large SELECT seq, REPEAT('x', %d) FROM %s", largeNotes, l.tp.Numbers(40)))
		l.tp.WaitCaughtUp(t)
		for _, c := range cuts() {
			for _, strategy := range []check.Strategy{check.Until, check.Lock, check.Recheck} {
				if strategy != check.Until && (!long() || c.text != "") {
					continue
				}
				t.Run(c.name+" "+string(strategy), func(t *testing.T) { l.cutAt(t, c, strategy) })
			}
		}
	}, Needs{GTID: true})
}

func (l *links) cutAt(t *testing.T, c cut, strategy check.Strategy) {
	stop := l.startHeartbeat(t)
	defer stop()
	link := l.replica
	if c.source {
		link = l.source
	}
	var hit atomic.Bool
	link.When(c.way, c.text, c.after, func(*Pipe) {
		hit.Store(true)
		if c.slow == 0 {
			link.Cut()
			return
		}
		link.Slow(c.slow)
		time.AfterFunc(slowTime, func() { link.Slow(0) })
	})
	request := l.request(strategy)
	request.Source.Silence, request.Replicas[0].Silence = 0, 0 // a slow link is no silent one
	request.SyncTimeout = 10 * time.Second
	began := time.Now()
	for try := 1; !hit.Load(); try++ { // an applier that stands where it has to be is told nothing
		if try > 50 {
			t.Fatal("the moment never came: nothing was proven")
		}
		result, err := check.Run(t.Context(), request, nil)
		if err != nil {
			t.Fatal(err)
		}
		requireVerdict(t, result, check.Equal, "", 0)
		for _, table := range result.Tables {
			if !table.Coverage.Proven || table.ChunksUnverified > 0 {
				t.Errorf("%s: %+v, %d chunks unverified", table.Table, table.Coverage, table.ChunksUnverified)
			}
		}
	}
	stop()
	t.Logf("%v", time.Since(began).Round(time.Millisecond))
	l.settle(t)
}

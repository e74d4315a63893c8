package check

import (
	"slices"
	"strings"
	"sync"
	"time"

	"trueup/checksum"
	"trueup/chunker"
)

// tableState gathers what workers find out about one table. Its methods that workers call are safe for concurrent use.
type tableState struct {
	mutex     sync.Mutex
	result    TableResult
	onReplica []onReplica // by number of the replica
	tasks     []*task
	estimate  int64
	started   time.Time
	ranges    []rangeFound
	announced bool
	reported  bool
	cascades  *bool // a foreign key's cascade can change its rows; nil: not known yet
}

// hasSynced tells whether rows of the table are read in sync points.
func (s *tableState) hasSynced() bool {
	return slices.ContainsFunc(s.tasks, func(t *task) bool { return t.strategy.isSynced() })
}

// onReplica is a table on one replica.
type onReplica struct {
	TableReplicaResult
	decided bool // a reason was given why nothing more can be said than the verdict says
	unasked bool // the ranges that were asked for are all of other replicas: it has no say, unless all are so
}

// set decides the verdict; the first one stays, except that Different outweighs what came before.
func (o *onReplica) set(verdict Verdict, code, reason string) {
	if o.decided && worse(o.Verdict, verdict) == o.Verdict {
		return
	}
	o.Verdict, o.ReasonCode, o.Reason, o.decided = verdict, code, reason, true
}

// task compares one table's rows in one layout on the replicas it names.
type task struct {
	state    *tableState
	strategy Strategy
	layout   *checksum.Layout
	replicas []int
	isPart   bool            // only ranges of the table are compared
	ranges   []chunker.Range // these; none: all of it
	sizer    *chunker.Sizer
	coverage chunker.Coverage // guarded by state.mutex, as all that follows
	chunks   map[int]int      // verified ones, by epoch
	rows     int64            // on the source
	broken   bool             // a chunk was not compared to the end on every replica
	counted  bool             // the servers were asked how many rows there are
	agreed   bool             // and have as many as the chunks, every one of them
	given    map[int]bool     // replicas given up during the task
	open     int              // chunks handed out and not yet recorded, plus one while the splitter runs
	done     bool             // open fell to 0
}

// rangeFound is one chunk in which one replica differs.
type rangeFound struct {
	replica int
	chunk   chunker.Chunk
	delta   counts
}

type counts struct{ missing, extra, changed int64 }

func (c *counts) add(more counts) {
	c.missing += more.missing
	c.extra += more.extra
	c.changed += more.changed
}

func countsOf(delta checksum.Delta) counts {
	return counts{missing: int64(len(delta.Missing)), extra: int64(len(delta.Extra)), changed: int64(len(delta.Changed))}
}

func newTableState(database, table string, members []*member) *tableState {
	state := &tableState{result: TableResult{Database: database, Table: table}, onReplica: make([]onReplica, len(members))}
	for i, m := range members {
		state.onReplica[i].Address = m.address
	}
	return state
}

// leaveOut gives the table the same verdict on every replica.
func (s *tableState) leaveOut(verdict Verdict, code, reason string) {
	for i := range s.onReplica {
		s.onReplica[i].set(verdict, code, reason)
	}
	s.settle()
}

// leave notes columns that are not compared.
func (s *tableState) leave(columns []string) {
	for _, column := range columns {
		if !slices.Contains(s.result.IgnoredColumns, column) {
			s.result.IgnoredColumns = append(s.result.IgnoredColumns, column)
		}
	}
}

// unleave takes a column back that leave noted.
func (s *tableState) unleave(name string) {
	s.result.IgnoredColumns = slices.DeleteFunc(s.result.IgnoredColumns, func(column string) bool { return strings.HasPrefix(column, name+": ") })
}

// convert notes columns that are not compared as they are stored.
func (s *tableState) convert(layout *checksum.Layout) {
	for _, column := range layout.Columns {
		if how := column.Conversion(); how != "" && !slices.Contains(s.result.Converted, column.Name+": "+how) {
			s.result.Converted = append(s.result.Converted, column.Name+": "+how)
		}
	}
}

// settle derives the table's verdict from those on the replicas; the reason is that of the gravest.
func (s *tableState) settle() {
	s.result.Replicas = s.result.Replicas[:0]
	s.result.Verdict, s.result.ReasonCode, s.result.Reason = Equal, "", ""
	all := !slices.ContainsFunc(s.onReplica, func(on onReplica) bool { return !on.unasked })
	for _, on := range s.onReplica {
		s.result.Replicas = append(s.result.Replicas, on.TableReplicaResult)
		if on.Verdict > s.result.Verdict && (all || !on.unasked) {
			s.result.Verdict, s.result.ReasonCode, s.result.Reason = on.Verdict, on.ReasonCode, on.Reason
		}
	}
}

// isReported tells whether the table's result is final.
func (s *tableState) isReported() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.reported
}

// giveUp ends the comparison with one replica within a task.
func (t *task) giveUp(replica int, verdict Verdict, code, reason string) {
	t.state.mutex.Lock()
	defer t.state.mutex.Unlock()
	if t.given == nil {
		t.given = map[int]bool{}
	}
	t.given[replica] = true
	t.state.onReplica[replica].set(verdict, code, reason)
}

// giveUpAll ends the task for every replica.
func (t *task) giveUpAll(verdict Verdict, code, reason string) {
	for _, replica := range t.replicas {
		t.giveUp(replica, verdict, code, reason)
	}
}

// live are the replicas that are still compared.
func (t *task) live() []int {
	t.state.mutex.Lock()
	defer t.state.mutex.Unlock()
	return t.liveLocked()
}

func (t *task) liveLocked() []int {
	return slices.DeleteFunc(slices.Clone(t.replicas), func(i int) bool { return t.given[i] })
}

// chunkResult is what a worker found out about one chunk.
type chunkResult struct {
	chunk   chunker.Chunk
	epoch   int
	source  checksum.Digest
	on      []chunkOnReplica
	failed  bool // the source's rows could not be read
	started time.Time
	took    time.Duration
}

// chunkOnReplica is one chunk on one replica that was compared to the end.
type chunkOnReplica struct {
	replica int
	rows    int64
	delta   counts
	partial bool // there may be more that differs
	// unsettled rows differed and could not be proven to differ; changing names some of them.
	unsettled int
	changing  []string
}

// isWhole tells whether the chunk was compared to the end on that many replicas.
func (c chunkResult) isWhole(replicas int) bool {
	return !c.failed && len(c.on) == replicas && !slices.ContainsFunc(c.on, func(on chunkOnReplica) bool { return on.partial || on.unsettled > 0 })
}

// record takes in a chunk. A chunk counts as verified when it was compared on every replica of the task; the
// coverage proof is about those.
func (t *task) record(c chunkResult) error {
	t.state.mutex.Lock()
	defer t.state.mutex.Unlock()
	s := t.state
	if s.started.IsZero() || c.started.Before(s.started) {
		s.started = c.started
	}
	s.result.Duration = max(s.result.Duration, c.started.Add(c.took).Sub(s.started))
	if c.isWhole(len(t.replicas)) {
		s.result.ChunksVerified++
	} else {
		s.result.ChunksUnverified++
		t.broken = true
	}
	if c.failed {
		s.recordReplicas(c) // what was proven before the source failed
		return nil
	}
	if t.chunks == nil {
		t.chunks = map[int]int{}
	}
	t.chunks[c.epoch]++
	t.rows += c.source.Rows
	if t == s.tasks[0] {
		s.result.Rows += c.source.Rows
		s.result.Bytes += c.source.Bytes
	}
	if c.epoch > 0 && !slices.Contains(s.result.Epochs, c.epoch) {
		s.result.Epochs = append(s.result.Epochs, c.epoch)
	}
	s.recordReplicas(c)
	return t.coverage.Add(c.chunk)
}

func (s *tableState) recordReplicas(c chunkResult) {
	different := false
	for _, on := range c.on {
		result := &s.onReplica[on.replica]
		result.Rows += on.rows
		if on.unsettled > 0 {
			result.set(Unverified, ReasonKeepsChanging, on.changingReason())
		}
		if on.delta == (counts{}) {
			continue
		}
		different = true
		result.Missing += on.delta.missing
		result.Extra += on.delta.extra
		result.Changed += on.delta.changed
		result.set(Different, "", "")
		s.ranges = append(s.ranges, rangeFound{replica: on.replica, chunk: c.chunk, delta: on.delta})
	}
	if different {
		s.result.ChunksDifferent++
	}
}

// finish proves the coverage once every chunk of the task was recorded. A replica whose rows were not all compared must
// not stay equal; code and reason say why, where the run knows it, else "" stands for a coverage that was not proven.
func (t *task) finish(code, reason string) {
	t.state.mutex.Lock()
	defer t.state.mutex.Unlock()
	incomplete := t.coverage.Complete()
	t.prove(incomplete)
	if incomplete == nil {
		return
	}
	if code == "" {
		code, reason = ReasonCoverage, "not all of it was compared: "+incomplete.Error()
	}
	for _, replica := range t.liveLocked() {
		t.state.onReplica[replica].set(Unverified, code, reason)
	}
}

// prove notes what the report says of coverage. A table of several tasks, since its replicas differ in what can be compared,
// is covered when each of them is.
func (t *task) prove(incomplete error) {
	proof := &t.state.result.Coverage
	proven := incomplete == nil && !t.broken
	if t == t.state.tasks[0] {
		*proof = Coverage{Proven: proven, RowsCounted: t.agreed}
	}
	proof.Proven = proof.Proven && proven
	proof.RowsCounted = proof.RowsCounted && t.agreed
	if t != t.state.tasks[0] {
		return
	}
	for epoch, chunks := range t.chunks {
		proof.Chunks = append(proof.Chunks, EpochChunks{Epoch: epoch, Chunks: chunks})
	}
	slices.SortFunc(proof.Chunks, func(a, b EpochChunks) int { return a.Epoch - b.Epoch })
}

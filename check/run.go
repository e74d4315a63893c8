package check

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/schema"
	"trueup/server"
)

// run is one check on its way.
type run struct {
	request Request
	result  *Result
	events  *events

	source  *server.Server
	control *server.Session // on the source; not used while replicas are worked on at once
	members []*member

	sourceCatalog   *schema.Catalog
	replicaCatalogs []*schema.Catalog
	confirmed       []SchemaDifference
	differs         map[definition]bool

	tables []*tableState
	keeper *keeper
	watch  watch // of the source

	cluster     replication.Cluster // of the source
	withoutLock string              // under Auto: why the account may not lock tables on the source
	feeds       replication.Feeds   // channels of the source itself: it executes what its own log need not have

	throttle *throttle // nil: there is none

	resultMutex sync.Mutex // guards what follows, result.Warnings and .Sync, and the members' results while workers run
	listed      []listed
	reserved    int // listed differences that have room in the result

	sinkMutex sync.Mutex // held while the sink writes

	leftOpen leftOpen
}

// Run carries out a check. The observer may be nil.
//
// The error is a *RequestError when the request cannot be carried out as it stands; nothing was touched then and there
// is no result. Everything else is in the result: also a source that cannot be reached (Verdict Failed, Err says why)
// and a run that was interrupted because ctx ended.
func Run(ctx context.Context, request Request, observer Observer) (*Result, error) {
	ctx, stop := withMaxDuration(ctx, request.MaxDuration)
	defer stop()
	prepared, err := Prepare(ctx, request, observer)
	if err != nil {
		return nil, err
	}
	defer prepared.Close()
	return prepared.Compare(ctx)
}

func newRun(request Request, observer Observer) *run {
	r := &run{request: request, events: &events{observer: observer, now: request.Now}}
	r.result = &Result{RunID: request.RunID, StartedAt: request.Now(), Filters: request.Filters, Sync: SyncInfo{Strategy: request.Sync}}
	r.keeper = &keeper{maxAge: request.SyncMaxAge, open: r.openPoint}
	return r
}

// protect turns a panic into an error, so that sessions are closed, appliers run, and the run can say what happened.
func protect(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}

// prepare connects to the servers and plans what is to be compared.
func (r *run) prepare(ctx context.Context) error {
	if err := r.connectSource(ctx); err != nil {
		return err
	}
	r.events.send(RunStarted{At: r.events.at(), RunID: r.request.RunID, Source: r.result.Source})
	if err := r.findReplicas(ctx); err != nil {
		return err
	}
	if err := r.loadCatalogs(ctx); err != nil {
		return err
	}
	for _, m := range r.members {
		r.events.send(ReplicaFound{At: r.events.at(), Replica: m.result})
	}
	binlog := replication.BinlogFilter{}
	if r.request.Sync != None {
		var err error
		if binlog, err = replication.ReadBinlogFilter(ctx, r.control); err != nil {
			return err
		}
	}
	r.compareSchemas()
	r.planTables(binlog)
	if err := r.chooseStrategies(ctx, func() { r.planTables(binlog) }); err != nil {
		return err
	}
	r.announcePlan()
	return nil
}

func (r *run) announcePlan() {
	tables, rows := 0, int64(0)
	for _, state := range r.tables {
		if len(state.tasks) > 0 {
			tables++
			rows += state.estimate * int64(len(state.tasks))
		}
	}
	r.events.send(SchemaCompared{At: r.events.at(), Tables: tables, RowsEstimate: rows, SchemaDifferences: r.result.SchemaDifferences})
}

// compareTables feeds every task's chunks to the workers.
func (r *run) compareTables(ctx context.Context) error {
	stop, err := r.startThrottle(ctx)
	if err != nil {
		return err
	}
	defer stop()
	group, groupCtx := errgroup.WithContext(ctx)
	jobs := make(chan job)
	group.Go(func() error {
		defer close(jobs)
		return protect(func() error { return r.produce(groupCtx, jobs) })
	})
	for range r.request.Workers {
		w := &worker{run: r}
		group.Go(func() error { return protect(func() error { return w.work(groupCtx, jobs) }) })
	}
	err = group.Wait()
	r.keeper.close()
	for _, state := range r.tables {
		for _, t := range state.tasks {
			switch {
			case ctx.Err() != nil:
				t.finish(cutShort(ctx))
			case err != nil:
				t.finish(ReasonNotReached, "the run ended before all of it was compared")
			}
		}
		r.tableDone(state)
	}
	if isInterrupted(ctx) || err != nil && !isTimeUp(ctx) {
		return err
	}
	return errors.Join(err, r.confirmDefinitionsInTime(ctx))
}

// confirmDefinitionsInTime also confirms what was compared before the end of MaxDuration: it takes the time for that, up to a limit.
func (r *run) confirmDefinitionsInTime(ctx context.Context) error {
	const most = 2 * time.Minute
	if r.request.MaxDuration <= 0 {
		return r.confirmDefinitions(ctx)
	}
	withTime, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if isInterrupted(ctx) {
			cancel()
		}
	})()
	return r.confirmDefinitions(withTime)
}

// comparedTables are the tables that are not yet compared to the end.
func (r *run) comparedTables() []syncpoint.Table {
	var tables []syncpoint.Table
	for _, state := range r.tables {
		if state.hasSynced() && !state.isReported() {
			tables = append(tables, syncpoint.Table{Database: state.result.Database, Name: state.result.Table})
		}
	}
	return tables
}

func epochOf(epoch *syncpoint.Epoch) Epoch {
	return Epoch{ID: epoch.ID, File: epoch.Position.File, Position: epoch.Position.Offset, GTID: epoch.GTID, OpenedAt: epoch.OpenedAt,
		SourceWritesBlocked: epoch.SourceWritesBlocked}
}

func (r *run) addEpoch(epoch *syncpoint.Epoch) {
	found := epochOf(epoch)
	for i, on := range epoch.Replicas {
		if !on.Exact {
			continue
		}
		found.Replicas = append(found.Replicas, EpochReplica{Address: r.members[i].address, File: on.Executed.File, Position: on.Executed.Offset,
			GTID: on.GTID, Exact: on.Exact, ApplierPaused: on.Paused})
	}
	r.resultMutex.Lock()
	r.result.Sync.Epochs = append(r.result.Sync.Epochs, found)
	r.resultMutex.Unlock()
	r.events.send(EpochOpened{At: r.events.at(), Epoch: found})
}

func (r *run) isUsable(m *member) bool {
	r.resultMutex.Lock()
	defer r.resultMutex.Unlock()
	return m.usable()
}

// giveUpReplica makes a replica Unverified for the rest of the run.
func (r *run) giveUpReplica(m *member, code string, err error) {
	r.resultMutex.Lock()
	first := m.usable()
	m.giveUp(code, err.Error())
	found := m.result
	r.resultMutex.Unlock()
	if first {
		r.events.send(ReplicaFound{At: r.events.at(), Replica: found})
	}
}

// reserve takes room for up to n listed differences.
func (r *run) reserve(n int) int {
	r.resultMutex.Lock()
	defer r.resultMutex.Unlock()
	room := min(n, r.request.MaxDifferences-r.reserved)
	r.reserved += room
	if room < n {
		r.result.DifferencesTruncated = true
	}
	return room
}

// sink hands a difference to the request's sink.
func (r *run) sink(difference RowDifference) error {
	if r.request.Differences == nil {
		return nil
	}
	r.sinkMutex.Lock()
	defer r.sinkMutex.Unlock()
	if err := r.request.Differences.Write(difference); err != nil {
		return &SinkError{Err: err}
	}
	return nil
}

// truncateList notes that differing rows are missing from the list though there was room.
func (r *run) truncateList() {
	r.resultMutex.Lock()
	defer r.resultMutex.Unlock()
	r.result.DifferencesTruncated = true
}

// listed is a listed difference with the place it has in the result: by table, replica and key.
type listed struct {
	RowDifference
	chunk int
}

func (r *run) addDifference(chunk int, difference RowDifference) {
	r.resultMutex.Lock()
	r.listed = append(r.listed, listed{RowDifference: difference, chunk: chunk})
	r.resultMutex.Unlock()
	r.events.send(DifferenceFound{At: r.events.at(), Difference: difference})
}

func (r *run) warn(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	r.resultMutex.Lock()
	r.result.Warnings = append(r.result.Warnings, message)
	r.resultMutex.Unlock()
	r.events.send(Warned{At: r.events.at(), Message: message})
}

// warnOnce warns unless the same was said before.
func (r *run) warnOnce(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	r.resultMutex.Lock()
	said := slices.Contains(r.result.Warnings, message)
	r.resultMutex.Unlock()
	if !said {
		r.warn("%s", message)
	}
}

// close ends every connection of the run.
func (r *run) close() {
	if r.control != nil {
		_ = r.control.Close()
	}
	r.watch.close()
	for _, m := range r.members {
		if m != nil && m.server != nil {
			m.watch.close()
			_ = m.server.Close()
		}
	}
	if r.source != nil {
		_ = r.source.Close()
	}
}

package repair

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"trueup/check"
	"trueup/server"
)

// run is one repair on its way.
type run struct {
	request  Request
	observer check.Observer
	prepared *check.Prepared
	result   *Result
	changed  int64          // rows, of all replicas
	wholes   []spread       // tables that the check afterwards reads whole
	late     sync.WaitGroup // journal entries whose groups did not wait for them
}

// work is what is to be done on one replica.
type work struct {
	run     *run
	replica int // its number in the check
	result  *ReplicaResult
	targets []*target
	tables  []tableWork
	looked  bool // what stands against a repair is known
	links   []link
}

// refuse keeps the whole replica as it is.
func (w *work) refuse(code, format string, args ...any) {
	w.result.Refused = append(w.result.Refused, Refusal{Code: code, Reason: fmt.Sprintf(format, args...), Rows: w.rows()})
}

// rows is how many are planned to change.
func (w *work) rows() (rows int64) {
	for _, t := range w.targets {
		rows += t.planned.Total()
	}
	return rows
}

// Run carries out a repair, or plans it. The observer may be nil.
//
// The error is a *check.RequestError when the request cannot be carried out as it stands; nothing was changed then and there is no
// result. Everything else is in the result.
func Run(ctx context.Context, request Request, observer check.Observer) (*Result, error) {
	if err := request.Validate(); err != nil {
		return nil, err
	}
	prepared, err := check.Prepare(ctx, request.Check, observer)
	if err != nil {
		return nil, err
	}
	r := &run{request: request, observer: observer, prepared: prepared, result: &Result{Via: request.Via}}
	defer func() { r.prepared.Close() }()
	if err := r.refuseOtherServers(); err != nil {
		return nil, err
	}
	if err := r.refuseOtherAddresses(); err != nil {
		return nil, err
	}
	r.warnOfMoved(ctx)
	if r.result.Check, err = prepared.Compare(ctx); err != nil {
		return nil, err
	}
	r.result.Err = r.repair(ctx)
	r.result.FinishedAt = request.Check.Now()
	r.send(Finished{At: r.now(), Result: r.result})
	return r.result, nil
}

func (r *run) now() check.At { return check.At{Time: r.request.Check.Now()} }

func (r *run) send(event check.Event) {
	if r.observer != nil {
		r.observer.Event(event)
	}
}

func (r *run) repair(ctx context.Context) error {
	if r.result.Check.Err != nil || ctx.Err() != nil {
		return ctx.Err()
	}
	works, err := r.plan(ctx)
	if err != nil {
		return err
	}
	r.send(Planned{At: r.now(), Result: r.result})
	if !r.request.Apply {
		return r.eachWork(ctx, works, r.writePlan)
	}
	if allowed, err := r.confirm(ctx, works); err != nil || !allowed {
		return err
	}
	r.result.Applied = true
	err = r.carryOut(ctx, works)
	return errors.Join(err, r.recordResults(err))
}

// carryOut changes the replicas, and checks afterwards what was touched.
func (r *run) carryOut(ctx context.Context, works []*work) error {
	if r.request.WithSchema {
		created, err := r.changeTables(ctx, works)
		if err == nil && len(created) > 0 {
			works, err = r.again(ctx, works, created)
		}
		if err != nil {
			return err
		}
	}
	apply := r.applyToReplica
	if r.request.Via == ViaSource {
		apply = r.applyViaSource
	}
	err := r.eachWork(ctx, works, apply)
	if ctx.Err() != nil {
		return err
	}
	return errors.Join(err, r.verify(ctx, works))
}

// eachWork does something for every replica, one after the other: what goes wrong with one keeps no other from being repaired.
func (r *run) eachWork(ctx context.Context, works []*work, do func(context.Context, *work) error) error {
	var failures []error
	for _, w := range works {
		if len(w.result.Refused) > 0 || len(w.targets) == 0 {
			continue
		}
		if err := do(ctx, w); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", w.result.Address, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failures...)
}

// plan finds out what is to be repaired on which replica, and what stands against it.
func (r *run) plan(ctx context.Context) ([]*work, error) {
	works := make([]*work, len(r.result.Check.Replicas))
	r.result.Replicas = make([]ReplicaResult, len(works))
	for i, replica := range r.result.Check.Replicas {
		r.result.Replicas[i] = ReplicaResult{ServerInfo: replica.ServerInfo}
		works[i] = &work{run: r, replica: i, result: &r.result.Replicas[i]}
	}
	differing := r.prepared.DifferingTables()
	for i, w := range works {
		w.result.Tables = make([]TableResult, 0, len(differing)+len(r.result.Check.SchemaDifferences)) // targets point into it
		for _, d := range differing {
			if d.Replica == i {
				w.addTarget(d)
			}
		}
		if err := w.addTables(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", w.result.Address, err)
		}
		if len(w.targets) == 0 {
			continue // where tables are created, it is looked at before that
		}
		if err := r.preflight(ctx, w); err != nil {
			return nil, fmt.Errorf("%s: looking at what stands against a repair: %w", w.result.Address, err)
		}
		w.targets = parentsFirst(w.targets)
	}
	r.limitRows(works)
	// Only replicas that differ are part of the result; the works go on pointing into it.
	var differ []*work
	kept := r.result.Replicas[:0]
	for _, w := range works {
		if len(w.result.Tables) == 0 && len(w.result.Refused) == 0 {
			continue
		}
		kept = append(kept, *w.result)
		w.result = &kept[len(kept)-1]
		differ = append(differ, w)
	}
	r.result.Replicas = kept
	return differ, nil
}

// addTarget adds a differing table.
func (w *work) addTarget(d check.DifferingTable) {
	w.result.Tables = append(w.result.Tables, TableResult{Database: d.Layout.Database, Table: d.Layout.Table, Planned: Counts{Missing: d.Missing, Extra: d.Extra, Changed: d.Changed}})
	result := &w.result.Tables[len(w.result.Tables)-1]
	t, refused := newTarget(d, w.result.Identity, result)
	if refused != nil {
		result.Refused = append(result.Refused, *refused)
		return
	}
	w.targets = append(w.targets, t)
}

// limitRows refuses everything where more rows differ than may be changed.
func (r *run) limitRows(works []*work) {
	var rows int64
	for _, w := range works {
		if len(w.result.Refused) == 0 {
			rows += w.rows()
		}
	}
	if rows <= r.request.MaxRows {
		return
	}
	reason := fmt.Sprintf("%d rows differ, more than the %d that may be changed (--max-rows)", rows, r.request.MaxRows)
	for _, w := range works {
		switch {
		case len(w.targets) == 0 || len(w.result.Refused) > 0:
		case r.request.Apply:
			w.refuse(RefusedMaxRows, "%s: look at why so many do, then allow more, or load the tables anew", reason)
		default:
			w.result.Notes = append(w.result.Notes, reason+"; --apply would refuse it")
		}
	}
}

// confirm asks whoever is to be asked; nothing is asked where there is nothing to do.
func (r *run) confirm(ctx context.Context, works []*work) (bool, error) {
	something := func(w *work) bool {
		return len(w.result.Refused) == 0 && (len(w.targets) > 0 || r.request.WithSchema && len(w.tables) > 0)
	}
	if !slices.ContainsFunc(works, something) {
		return false, nil
	}
	if r.request.Confirm == nil {
		return true, nil
	}
	allowed, err := r.request.Confirm(ctx, r.result)
	r.result.Declined = err == nil && !allowed
	return allowed, err
}

// refuseOtherServers refuses a stored check of other servers.
func (r *run) refuseOtherServers() error {
	if r.request.From == nil {
		return nil
	}
	source, replicas := r.prepared.Info()
	if err := sameServer("source", r.request.From.Source, source); err != nil {
		return err
	}
	for _, replica := range replicas {
		n := slices.IndexFunc(r.request.From.Replicas, func(s StoredServer) bool { return s.Address == replica.Address })
		if n < 0 {
			continue // nothing of it is compared
		}
		if err := sameServer("replica", r.request.From.Replicas[n], replica); err != nil {
			return err
		}
	}
	return nil
}

// refuseOtherAddresses refuses a stored check of which no range is of a replica of this run: ranges go by address. That some are of others is warned of.
func (r *run) refuseOtherAddresses() error {
	if r.request.From == nil {
		return nil
	}
	_, replicas := r.prepared.Info()
	if len(replicas) == 0 {
		return nil // nothing was reached, and the result says so
	}
	var stored, now, left []string
	for _, replica := range replicas {
		now = append(now, replica.Address)
	}
	for _, asked := range r.request.Check.Ranges {
		if !slices.Contains(stored, asked.Replica) {
			stored = append(stored, asked.Replica)
		}
	}
	for _, address := range stored {
		if !slices.Contains(now, address) {
			left = append(left, address)
		}
	}
	if len(stored) > 0 && len(left) == len(stored) {
		return &check.RequestError{Err: fmt.Errorf("the stored check found differences on %s, and this run's replicas are %s: name them by the same addresses, or check again",
			strings.Join(stored, ", "), strings.Join(now, ", "))}
	}
	for _, address := range left {
		r.result.Warnings = append(r.result.Warnings, address+" is not among the replicas of this run: what differs there, after the stored check, stays so")
	}
	return nil
}

func sameServer(role string, stored StoredServer, now check.ServerInfo) error {
	if now.Identity.VersionText == "" || stored.Flavor == "" {
		return nil // not reached, then or now: the result says so
	}
	sameUUID := stored.UUID == now.Identity.UUID || now.Identity.Flavor == server.MariaDB && stored.Address == now.Address // see server.Identity.Matches
	if stored.ServerID != now.Identity.ServerID || !sameUUID || stored.Flavor != now.Identity.Flavor.String() {
		return &check.RequestError{Err: fmt.Errorf("the stored check's %s %s was %s server_id %d %s, and %s is %s server_id %d %s: check again, and repair from that", role,
			stored.Address, stored.Flavor, stored.ServerID, stored.UUID, now.Address, now.Identity.Flavor, now.Identity.ServerID, now.Identity.UUID)}
	}
	return nil
}

// verify checks everything once more that was found to differ, and where its differences may have gone.
func (r *run) verify(ctx context.Context, works []*work) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.wholes = append(r.wholes, r.spreads(ctx, works, false)...)
	r.noteWholes()
	request := r.rangesFound()
	request.RunID = check.NewRunID(request.Now())
	verified, err := check.Run(ctx, request, nil)
	r.result.Verified = verified
	if err != nil {
		return fmt.Errorf("checking what was repaired: %w", err)
	}
	return nil
}

// rangesFound is a check of everything that the first one has found to differ, on the same replicas: one that has lost its receiver since is not
// discovered any more.
func (r *run) rangesFound() check.Request {
	request := r.request.Check
	request.Replicas, request.Known = r.prepared.Endpoints(), true
	request.Differences = nil
	request.Ranges = []check.Range{}
	for _, found := range r.result.Check.DifferentRanges {
		request.Ranges = append(request.Ranges, check.Range{Replica: found.Replica, Database: found.Database, Table: found.Table, Key: found.Key, Lower: found.Lower, Upper: found.Upper})
	}
	for _, d := range r.result.Check.SchemaDifferences {
		if !slices.ContainsFunc(request.Ranges, func(c check.Range) bool {
			return c.Replica == d.Replica && c.Database == d.Database && c.Table == d.Table
		}) {
			request.Ranges = append(request.Ranges, check.Range{Replica: d.Replica, Database: d.Database, Table: d.Table})
		}
	}
	request.Ranges = widen(request.Ranges, r.wholes)
	return request
}

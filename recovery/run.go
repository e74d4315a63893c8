package recovery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trueup/check"
	"trueup/replication"
	"trueup/server"
)

// open is an error whose transaction was passed, and whose rows are still to be proven.
type open struct {
	name    string // in the journal
	attempt int    // its number in the result
	proof   touchedRecord
}

// Run explains why a replica is stopped, and guides it back where Choose says how. The observer may be nil.
//
// The error is a *check.RequestError when the request cannot be carried out as it stands, or that of a server that cannot be reached; nothing
// was changed then and there is no result. Everything else is in the result.
func Run(ctx context.Context, request Request, observer check.Observer) (*Result, error) {
	if err := request.Validate(); err != nil {
		return nil, err
	}
	r := &run{request: request, observer: observer, result: &Result{RunID: request.Check.RunID, StartedAt: request.Check.Now(), Outcome: NothingToDo}}
	defer r.close()
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	if err := r.goOn(ctx); err != nil {
		return nil, err
	}
	if err := r.recover(ctx); err != nil {
		var refused *check.RequestError
		if errors.As(err, &refused) && len(r.result.Attempts) == 0 {
			return nil, err
		}
		r.result.Err = err
	}
	r.conclude()
	r.send(Finished{At: r.now(), Result: r.result})
	return r.result, nil
}

// recover deals with one error after the other, and proves what was touched once the replica runs.
func (r *run) recover(ctx context.Context) error {
	for dealt := 0; ; {
		f, err := r.diagnose(ctx)
		if err != nil {
			return err
		}
		if !f.diagnosis.Stopped() && (len(r.result.Attempts) > 0 || len(r.pending) > 0) && f.diagnosis.Status.ApplierRunning {
			break // it runs
		}
		r.send(Diagnosed{At: r.now(), Diagnosis: f.diagnosis})
		a := Attempt{Diagnosis: f.diagnosis, Action: Plan, Before: f.diagnosis.Status.Executed, BeforeGTID: f.diagnosis.Status.ExecutedGTID, Outcome: Explained}
		if status := f.diagnosis.Status; !f.diagnosis.Stopped() && status.ApplierRunning && status.ReceiverState != replication.Stopped {
			a.Outcome = NothingToDo
		}
		if dealt >= r.request.MaxErrors || r.request.Choose == nil || f.diagnosis.Part != Applier {
			r.add(a)
			return nil
		}
		passed, err := r.dealWith(ctx, f, &a)
		r.add(a)
		if err != nil || a.Outcome == Declined {
			return err
		}
		if dealt++; passed && !a.stoppedLater {
			break
		}
	}
	return r.proveAll(ctx)
}

func (r *run) add(a Attempt) { r.result.Attempts = append(r.result.Attempts, a) }

// dealWith lets somebody choose a way out of one error, and carries it out.
func (r *run) dealWith(ctx context.Context, f *failure, a *Attempt) (passed bool, err error) {
	choice, err := r.request.Choose(ctx, f.diagnosis)
	if err != nil {
		return false, err
	}
	if a.Action = choice.Action; choice.Action == Plan {
		a.Outcome = Declined
		return false, nil
	}
	if option := f.diagnosis.Option(choice.Action); option == nil || choice.Action == Rebuild {
		a.Action = Plan
		return false, &check.RequestError{Err: fmt.Errorf("%s is not offered for %s on %s: %s", choice.Action, f.diagnosis.Error, r.replica.Address(), offered(f.diagnosis))}
	}
	name, proof, err := r.announce(ctx, f, choice)
	if err != nil {
		a.Outcome = Failed
		return false, err
	}
	status, passed, err := r.act(ctx, f, a)
	a.After, a.AfterGTID = status.Executed, status.ExecutedGTID
	switch {
	case err != nil:
		a.Outcome, a.Err = Failed, err
		if !r.mayHavePassed(a) {
			return false, errors.Join(err, r.end(name, a, status))
		}
		return false, err
	case !passed:
		a.Outcome = StoppedAgain
		if a.Undo == 0 {
			return false, r.end(name, a, status)
		}
	default:
		a.Outcome = Unproven
	}
	if f.downstream != "" && a.Action != Retry {
		r.warn("%s", f.downstream)
	}
	a.stoppedLater = status.StoppedByError()
	r.pending = append(r.pending, open{name: name, attempt: len(r.result.Attempts), proof: proof})
	return passed, nil
}

// mayHavePassed tells whether anything was done that has to be proven.
func (r *run) mayHavePassed(a *Attempt) bool {
	for _, step := range a.Steps {
		if step.SQL != "" {
			return true
		}
	}
	return a.Undo > 0
}

// offered lists what can be chosen.
func offered(d *Diagnosis) string {
	text := ""
	for _, o := range d.Options {
		if o.Action == Rebuild {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += string(o.Action)
	}
	if text == "" {
		return "only a rebuild is sound, which trueup does not carry out"
	}
	return "what is offered: " + text
}

// announce writes the diagnosis, the choice and what will be proven into the journal, before anything is done.
func (r *run) announce(ctx context.Context, f *failure, choice Choice) (name string, proof touchedRecord, err error) {
	r.numbers++
	name = fmt.Sprintf("recovery %d of %s", r.numbers, r.replica.Address())
	if err := r.write(ctx, KindDiagnosed, name, "", r.diagnosed(f)); err != nil {
		return name, proof, err
	}
	if err := r.write(ctx, KindChosen, "", "", chosenRecord{Action: choice.Action, By: choice.By, User: r.request.User, Account: r.replica.Endpoint().User}); err != nil {
		return name, proof, err
	}
	if proof, err = r.toProve(ctx, f, choice.Action); err != nil {
		return name, proof, err
	}
	proof.encode()
	return name, proof, r.write(ctx, KindTouched, "", "", proof)
}

// proveAll compares everything that was touched, once the replica runs again.
func (r *run) proveAll(ctx context.Context) error {
	if err := r.letDomainsCatchUp(ctx); err != nil {
		return err
	}
	for _, p := range r.pending {
		a := &r.result.Attempts[p.attempt]
		if err := r.proveOne(ctx, p, a); err != nil {
			a.Outcome, a.Err = Failed, err
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
		status, err := replication.ReadStatus(ctx, r.control, r.channel)
		if err != nil {
			return err
		}
		if why := r.notCompared(a); why != "" {
			r.warn("what %s has touched is still to be compared, and what differs to be repaired, since it could not be: %s. Go on with \"trueup recover --continue last\" when it can", a.Action, why)
		} else if err := r.end(p.name, a, status); err != nil {
			return err
		}
		r.send(AttemptDone{At: r.now(), Attempt: *a})
	}
	r.pending = nil
	return nil
}

// letDomainsCatchUp waits until a MariaDB replica has executed, of every domain, what the source has now: with several of them in parallel its
// position is no proof of that, and a check would find another history at it. A replica that does not come so far in time is left to the check.
func (r *run) letDomainsCatchUp(ctx context.Context) error {
	status, err := replication.ReadStatus(ctx, r.control, r.channel)
	if err != nil || r.source == nil || !status.UsesGTID || r.replica.Identity().Flavor != server.MariaDB || len(r.pending) == 0 {
		return err
	}
	session, err := r.source.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return err
	}
	defer session.Close()
	record, err := session.One(ctx, "SELECT @@GLOBAL.gtid_binlog_pos AS position")
	if err != nil {
		return err
	}
	wanted, err := replication.ParseGTIDSet(server.MariaDB, replication.WithoutServer(record.Text("position"), r.replica.Identity().ServerID))
	if err != nil {
		return err
	}
	const pace = 50 * time.Millisecond
	for until := time.Now().Add(r.request.Check.SyncTimeout); time.Now().Before(until); {
		text, err := replication.ExecutedGTID(ctx, r.control)
		if err != nil {
			return err
		}
		executed, err := replication.ParseGTIDSet(server.MariaDB, text)
		if err != nil {
			return err
		}
		if status, err = replication.ReadStatus(ctx, r.control, r.channel); err != nil || !status.ApplierRunning || executed.Contains(wanted) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pace):
		}
	}
	return nil
}

func (r *run) proveOne(ctx context.Context, p open, a *Attempt) error {
	proof, left, err := r.comparable(ctx, p.proof)
	if err != nil {
		return fmt.Errorf("looking which of the touched tables can be compared: %w", err)
	}
	if proof.isEmpty() {
		a.Outcome = Unproven
		if left == 0 {
			r.warn("nothing is known that could be compared after %s: check the replica as a whole with trueup check", a.Action)
		}
		return nil
	}
	if a.Proof, err = r.prove(ctx, proof); err != nil {
		return fmt.Errorf("comparing what was touched: %w", err)
	}
	if a.Outcome = outcomeOf(verdictOf(a.Proof)); a.Outcome == Proven && left > 0 {
		a.Outcome = Unproven
	}
	if len(p.proof.Why) > 0 && a.Outcome == Proven && a.Action == Skip {
		for _, doubt := range p.proof.Why {
			r.warn("%s", doubt)
		}
	}
	return nil
}

// gravity orders outcomes.
var gravity = []Outcome{NothingToDo, Proven, Unproven, Failed, Differs, StoppedAgain, Declined, Explained}

// conclude makes the result's outcome the gravest of the attempts.
func (r *run) conclude() {
	worst := -1
	for _, a := range r.result.Attempts {
		for n, outcome := range gravity {
			if a.Outcome == outcome && n > worst {
				worst = n
			}
		}
	}
	if worst >= 0 {
		r.result.Outcome = gravity[worst]
	}
	if r.result.Err != nil {
		r.result.Outcome = Failed
	}
	r.result.FinishedAt = r.request.Check.Now()
}

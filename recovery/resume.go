package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"trueup/check"
	"trueup/internal/audit"
	"trueup/repair"
	"trueup/replication"
	"trueup/server"
)

// Left is what a recovery that was cut short has left in its journal.
type Left struct {
	Journal string // path
	Run     string
	errors  []leftError
}

// leftError is one error whose recovery has not come to its end.
type leftError struct {
	opens     string
	diagnosed diagnosedRecord
	chosen    chosenRecord
	touched   touchedRecord
	steps     []stepRecord // those that were begun, with their result where that is known
}

// ErrNothingLeft says that a journal leaves no recovery open.
var ErrNothingLeft = errors.New("the journal leaves no recovery open")

// ReadLeft reads what a recovery has left. The error wraps audit.ErrChanged where the journal is not as it was written, audit.ErrHeld where a
// living process writes it, and ErrNothingLeft.
func ReadLeft(journal string) (*Left, error) {
	left, byName := &Left{Journal: journal}, map[string]*leftError{}
	var current *leftError
	var failed error
	found, held, err := audit.Read(journal, func(entry audit.Entry) {
		if entry.Kind == KindDiagnosed {
			current = &leftError{opens: entry.Opens}
			byName[entry.Opens] = current
		}
		if current != nil && failed == nil {
			failed = current.take(entry)
		}
	})
	switch {
	case err != nil:
		return nil, err
	case found.State == audit.Changed:
		return nil, fmt.Errorf("%s: %w: %s", journal, audit.ErrChanged, found.Problem)
	case held:
		return nil, fmt.Errorf("%s: %w", journal, audit.ErrHeld)
	case failed != nil:
		return nil, fmt.Errorf("%s: %w", journal, failed)
	}
	left.Run = found.Run
	for _, entry := range found.Left {
		if one := byName[entry.Opens]; one != nil && entry.Kind == KindDiagnosed {
			left.errors = append(left.errors, *one)
		}
	}
	if len(left.errors) == 0 {
		return nil, fmt.Errorf("%s: %w", journal, ErrNothingLeft)
	}
	return left, nil
}

// take takes in one entry of the recovery.
func (l *leftError) take(entry audit.Entry) error {
	var err error
	switch entry.Kind {
	case KindDiagnosed:
		if err = json.Unmarshal(entry.Data, &l.diagnosed); err == nil && l.diagnosed.TakenUp != nil {
			l.chosen, l.touched, l.steps = l.diagnosed.TakenUp.Chosen, l.diagnosed.TakenUp.Touched, l.diagnosed.TakenUp.Steps
			l.touched.decode()
		}
	case KindChosen:
		err = json.Unmarshal(entry.Data, &l.chosen)
	case KindTouched:
		err = json.Unmarshal(entry.Data, &l.touched)
		l.touched.decode()
	case KindStep:
		var step stepRecord
		err = json.Unmarshal(entry.Data, &step)
		l.steps = append(l.steps, step)
	case KindStepDone:
		var step stepRecord
		if err = json.Unmarshal(entry.Data, &step); err == nil && len(l.steps) > 0 {
			l.steps[len(l.steps)-1].Result = step.Result
		}
	}
	if err != nil {
		return fmt.Errorf("entry %d: %w", entry.Sequence, err)
	}
	return nil
}

// Replica is the address of the replica that the recovery was about, and Channel its channel.
func (l *Left) Replica() string { return l.errors[0].diagnosed.Replica }

// Channel is the channel that the recovery was about.
func (l *Left) Channel() string { return l.errors[0].diagnosed.Channel }

// Settle writes into the journal that a later run has come to the end of what was left open. The error wraps audit.ErrHeld where its process
// lives after all.
func (l *Left) Settle(ctx context.Context, folder audit.Folder, by string, outcome Outcome) error {
	journal, found, err := folder.Open(l.Journal, by)
	if errors.Is(err, audit.ErrFinished) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, one := range l.errors {
		entry, newErr := audit.NewEntry(KindEnded, endedRecord{Outcome: outcome, Action: one.chosen.Action})
		if newErr == nil {
			entry.Closes = one.opens
			newErr = journal.Record(ctx, entry)
		}
		err = errors.Join(err, newErr)
	}
	if outcome == Proven {
		err = errors.Join(err, settleGroups(ctx, journal, found))
	}
	err = errors.Join(err, journal.Close())
	for _, earlier := range l.earlier() {
		if outcome == Proven {
			err = errors.Join(err, settleEarlier(ctx, folder, earlier, by))
		}
	}
	return err
}

// earlier are the journals that this one goes on with.
func (l *Left) earlier() (paths []string) {
	for _, one := range l.errors {
		if up := one.diagnosed.TakenUp; up != nil {
			paths = append(paths, up.Journals...)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// settleEarlier closes what an earlier journal still leaves open of rows that are proven by now. One that is gone leaves nothing open.
func settleEarlier(ctx context.Context, folder audit.Folder, path, by string) error {
	journal, found, err := folder.Open(path, by)
	if errors.Is(err, audit.ErrFinished) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(settleGroups(ctx, journal, found), journal.Close())
}

// settleGroups closes the groups of rows that a journal leaves open.
func settleGroups(ctx context.Context, journal *audit.Journal, found audit.Summary) (err error) {
	for _, group := range found.Left {
		if group.Kind != repair.KindGroup {
			continue
		}
		entry, newErr := audit.NewEntry(repair.KindGroupEnded, groupProven{Group: group.Opens, How: "proven"})
		if newErr == nil {
			entry.Closes = group.Opens
			newErr = journal.Record(ctx, entry)
		}
		err = errors.Join(err, newErr)
	}
	return err
}

// groupProven is the data of the entry that closes a group of rows of which nobody knows whether it was committed: its rows were proven equal
// since. It can be undone like one that was committed; undoing passes over rows that are not as it left them.
type groupProven struct {
	Group string `json:"group"`
	How   string `json:"how"`
}

// goOn takes up what an earlier recovery has left: what it had stopped is started, and what it has touched will be proven.
func (r *run) goOn(ctx context.Context) error {
	if err := r.awaitSwitches(ctx); err != nil {
		return err
	}
	left := r.request.Continue
	if left == nil {
		return nil
	}
	r.result.Continued = left.Run
	identity := r.replica.Identity()
	for _, one := range left.errors {
		d := one.diagnosed
		sameUUID := d.ServerUUID == "" || d.ServerUUID == identity.UUID || identity.Flavor == server.MariaDB && d.Replica == r.replica.Address() // see server.Identity.Matches
		if d.ServerID != identity.ServerID || d.Flavor != identity.Flavor.String() || !sameUUID {
			return &check.RequestError{Err: fmt.Errorf("%s is of a recovery of %s (server_id %d %s), and %s is another server (server_id %d %s)", left.Journal, d.Replica, d.ServerID, d.ServerUUID, r.replica.Address(), identity.ServerID, identity.UUID)}
		}
		if !r.request.ChannelNamed {
			r.channel = d.Channel
		}
		if len(one.steps) == 0 {
			continue // nothing was done about it yet: it is looked at anew
		}
		if err := r.takeUp(ctx, left.Journal, one); err != nil {
			return err
		}
	}
	return nil
}

// takeUp takes up one error that a journal leaves open. The replica may have passed the transaction since, or still stand at it.
func (r *run) takeUp(ctx context.Context, journal string, one leftError) error {
	d := one.diagnosed
	status, err := replication.ReadStatus(ctx, r.control, r.channel)
	if err != nil {
		return err
	}
	a := Attempt{Action: one.chosen.Action, Outcome: Unproven, Before: replication.Position{File: d.File, Offset: d.Position}, BeforeGTID: d.Executed, After: status.Executed, AfterGTID: status.ExecutedGTID,
		Diagnosis: &Diagnosis{At: r.request.Check.Now(), Replica: info(r.replica), Source: r.sourceInfo(), Status: status, Part: Applier, Class: d.Class, Why: d.Why,
			Error: replication.ChannelError{Number: d.ErrorNumber, Message: d.Error}}}
	if status.StoppedByError() && status.Executed == a.Before && status.ApplierError.Number == d.ErrorNumber {
		a.Outcome = StoppedAgain
	}
	var statements []string
	for _, step := range one.steps {
		statements = append(statements, step.SQL)
		a.Steps = append(a.Steps, Step{What: step.What, SQL: step.SQL, Result: step.Result})
	}
	r.numbers++
	name := fmt.Sprintf("recovery %d of %s", r.numbers, r.replica.Address())
	journals := []string{absolute(journal)}
	if d.TakenUp != nil {
		journals = append(slices.Clone(d.TakenUp.Journals), journals...)
	}
	d.TakenUp = &takenUpRecord{Chosen: one.chosen, Touched: one.touched, Steps: one.steps, Journals: journals}
	if err := r.write(ctx, KindDiagnosed, name, "", d); err != nil {
		return err
	}
	if one.chosen.Action == Skip {
		limited, cancel := context.WithTimeout(ctx, r.request.Check.SyncTimeout)
		defer cancel()
		if err := replication.TakeBackSkip(limited, r.control, d.failing(r.channel), statements, func(ctx context.Context, step replication.SkipStep) error {
			return r.write(ctx, KindStep, "", "", stepRecord{What: step.What, SQL: step.SQL})
		}); err != nil {
			return fmt.Errorf("taking up what the interrupted recovery has left on %s: %w", r.replica.Address(), err)
		}
	}
	r.pending = append(r.pending, open{name: name, attempt: len(r.result.Attempts), proof: one.touched})
	r.add(a)
	return nil
}

// absolute is a path that means the same file wherever trueup is started.
func absolute(path string) string {
	if long, err := filepath.Abs(path); err == nil {
		return long
	}
	return path
}

// failing is the transaction that a recovery was about.
func (d *diagnosedRecord) failing(channel string) replication.Failing {
	f := replication.Failing{Channel: channel, Position: replication.Position{File: d.File, Offset: d.Position}}
	if t := d.Transaction; t != nil {
		f.GTID, f.End = t.GTID, replication.Position{File: t.File, Offset: t.End}
	}
	return f
}

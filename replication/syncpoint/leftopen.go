package syncpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"trueup/internal/audit"
	"trueup/replication"
	"trueup/server"
)

// OpenPause is a pause of which a journal does not say that it ended.
type OpenPause struct {
	PauseRecord
	ID, Run string
	At      time.Time // when it was announced
	StoodAt replication.Position
	// Held: a living process writes the journal, so that the pause is its business.
	Held    bool
	journal string
}

// OpenPauses reads every journal of a folder, of long ones that came to their end only that. problems are journals that cannot be read or are not as they were written:
// whether they leave a pause open is not known.
func OpenPauses(folder audit.Folder) (open []OpenPause, problems []string, err error) {
	paths, err := folder.Journals()
	if err != nil {
		return nil, nil, err
	}
	for _, path := range paths {
		if audit.LeavesNothing(path) {
			continue
		}
		stood := map[string]replication.Position{}
		found, held, err := audit.Read(path, func(entry audit.Entry) {
			var paused pausedRecord
			if entry.Kind == KindPaused && json.Unmarshal(entry.Data, &paused) == nil {
				stood[paused.Pause] = replication.Position{File: paused.File, Offset: paused.Offset}
			}
		})
		if err != nil {
			problems = append(problems, err.Error())
			continue
		}
		if found.State == audit.Changed {
			problems = append(problems, fmt.Sprintf("%s was changed after it was written (%s): whether a pause was left open is not known from there on", path, found.Problem))
		}
		for _, left := range found.Left {
			if left.Kind != KindPause {
				continue
			}
			pause := OpenPause{ID: left.Opens, Run: left.Run, At: left.Time, StoodAt: stood[left.Opens], Held: held, journal: path}
			if err := json.Unmarshal(left.Data, &pause.PauseRecord); err != nil {
				problems = append(problems, fmt.Sprintf("%s: entry %d: %v", path, left.Sequence, err))
				continue
			}
			open = append(open, pause)
		}
	}
	return open, problems, nil
}

// Concerns tells whether the pause is of that server and channel.
func (o OpenPause) Concerns(identity server.Identity, channel string) bool {
	return o.Flavor == identity.Flavor.String() && o.ServerID == identity.ServerID &&
		(o.ServerUUID == identity.UUID || identity.Flavor == server.MariaDB) && // see server.Identity.Matches
		o.Hostname == identity.Hostname && o.Port == identity.Port && o.DataDir == identity.DataDir && o.Channel == channel
}

// Close writes into the pause's journal that it is over. The error wraps audit.ErrHeld where its process lives after all.
func (o OpenPause) Close(ctx context.Context, folder audit.Folder, how, why string) error {
	journal, _, err := folder.Open(o.journal, ByNextRun)
	if err != nil {
		return err
	}
	entry, err := audit.NewEntry(KindPauseEnded, PauseEnd{Pause: o.ID, How: how, By: ByNextRun, Why: why})
	if err == nil {
		entry.Closes = o.ID
		err = journal.Record(ctx, entry)
	}
	if closeErr := journal.Close(); err == nil {
		err = closeErr
	}
	return err
}

// switchGrace is what a switch may be late.
const switchGrace = 2 * time.Second

// Settle looks what became of a pause whose process is dead: while its switch may still fire it is waited for. It returns how
// the pause ended and why; or, as an *Unverifiable, that the applier stands and nothing will start it. It is never started
// here: since then somebody may have stopped it on purpose.
func (o OpenPause) Settle(ctx context.Context, session *server.Session, now func() time.Time) (how, why string, err error) {
	fires := o.At.Add(time.Duration(o.SwitchDelaySeconds*float64(time.Second)) + switchGrace)
	if o.Account == session.Server().Endpoint().User {
		fires = o.At // an account sees its own sessions: where there is none, none will fire
	}
	for {
		armed, err := o.armed(ctx, session) // before the status, or it could have fired in between
		if err != nil {
			return "", "", err
		}
		status, err := replication.ReadStatus(ctx, session, o.Channel)
		if err != nil {
			return "", "", err
		}
		if status.ApplierRunning && status.Until.Condition == "" {
			return EndResumed, foundRunning, nil
		}
		if !status.ApplierRunning && !status.ApplierError.IsZero() {
			return EndLeft, "it stands with " + status.ApplierError.String(), nil
		}
		if !armed && !now().Before(fires) {
			return "", "", o.leftStanding(session.Server(), status)
		}
		if err := sleep(ctx, lagInterval); err != nil {
			return "", "", err
		}
	}
}

// armed tells whether a session of the replica will still start the applier.
func (o OpenPause) armed(ctx context.Context, session *server.Session) (bool, error) {
	switches, err := ArmedSwitches(ctx, session)
	for _, armed := range switches {
		if armed.Pause == o.ID {
			return true, nil
		}
	}
	return false, err
}

func (o OpenPause) leftStanding(replica *server.Server, status replication.Status) error {
	stands, start := "stands at "+status.Executed.String(), o.StartStatement
	if status.ApplierRunning {
		stands = fmt.Sprintf("runs with UNTIL %s %s", status.Until.Condition, status.Until.Position)
		start = replication.StopApplierStatement(replica.Identity(), o.Channel) + "; " + start
	}
	stood := ""
	if !o.StoodAt.IsZero() {
		stood = " at " + o.StoodAt.String()
	}
	return &Unverifiable{Address: replica.Address(), Code: PauseLeftOpen, Reason: fmt.Sprintf(
		"run %s, which was killed, stopped its applier%s on %s; now it %s, and nothing of that run is left to start it. It is not started here, since somebody may have stopped it on purpose meanwhile; if nobody did: %s",
		o.Run, stood, o.At.Format("2006-01-02 15:04:05 UTC"), stands, start)}
}

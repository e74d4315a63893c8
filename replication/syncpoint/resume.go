package syncpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trueup/replication"
	"trueup/server"
)

// resume makes an applier that was stopped by this stepper run again, as it was found: without UNTIL. It does its work
// also when ctx has ended, within resumeTimeout, and disarms the dead man's switch only when the applier is seen to
// run; where it is not, the switch is left to the server. It may be called again; only the first call acts.
func (s *stepper) resume(ctx context.Context) {
	armed := s.deadMan
	if armed == nil {
		return // nothing is stopped without a switch
	}
	s.deadMan = nil
	defer s.conclude()
	s.noteFired(armed)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resumeTimeout)
	defer cancel()
	if !s.stopped {
		s.logFailure("disarming the dead man's switch", armed.Disarm(ctx))
		if s.noteFired(armed) { // and may be who stopped the applier, between its STOP and its START
			s.undoFired(ctx)
		}
		return
	}
	defer s.leave()
	err := protect(func() error { return s.makeRun(ctx) })
	for _, epoch := range s.epochs {
		epoch.Replicas[s.number].Paused = time.Since(s.pausedAt) - s.ran
	}
	if err == nil {
		s.logFailure("disarming the dead man's switch", armed.Disarm(ctx))
		s.noteFired(armed)
		// The switch may have been between its STOP and its START when it was ended.
		err = protect(func() error { return s.makeRun(ctx) })
	} else if stoppedByError(err) {
		s.logFailure("disarming the dead man's switch", armed.Disarm(ctx))
	} else {
		armed.Abandon()
	}
	if stoppedByError(err) {
		s.resumeErr = err // and not ours to start: it would run into the same error
		return
	}
	if err != nil {
		s.resumeErr = s.notRestarted(err)
		_ = protect(func() error { s.logger.Error("the applier could not be started again", "error", err); return nil })
	}
}

// undoFired makes the applier run that a switch which fired may have been ended over. Somebody else cannot be told from it:
// had they stopped the applier, the switch would have started it.
func (s *stepper) undoFired(ctx context.Context) {
	s.tell(func(p *Pause) { p.Left = false })
	if err := protect(func() error { return s.makeRun(ctx) }); stoppedByError(err) {
		s.resumeErr = err
	} else if err != nil {
		s.resumeErr = s.notRestarted(err)
	}
}

func stoppedByError(err error) bool {
	var final *Unverifiable
	return errors.As(err, &final) && final.Code == ApplierError
}

// notRestarted is the error of an applier that was left standing, or of which we cannot know whether it stands.
func (s *stepper) notRestarted(err error) error {
	start := replication.StartApplierStatement(s.replica.Server.Identity(), s.replica.Channel)
	if unreachable(err) {
		return s.refuse(ReplicaLost, err, "it cannot be reached to start its applier again; a session on the server does it within %v, else run: %s", s.options.SwitchDelay, start)
	}
	return s.refuse(NotRestarted, err, "ITS APPLIER IS STOPPED AND COULD NOT BE STARTED AGAIN; a session on the server will try within %v, else run: %s", s.options.SwitchDelay, start)
}

func unreachable(err error) bool {
	var failed *server.ConnectError
	return errors.As(err, &failed) && failed.Failure != server.ConnectTooMany
}

func (s *stepper) logFailure(doing string, err error) {
	if err != nil {
		_ = protect(func() error { s.logger.Warn(doing+" failed", "error", err); return nil })
	}
}

// makeRun starts the applier until it is seen running without UNTIL; a lost connection is opened anew. It gives up early
// on a server that cannot be reached: the dead man's switch is nearer to the applier than we are.
func (s *stepper) makeRun(ctx context.Context) error {
	for started := time.Now(); ; {
		err := s.settleStop(ctx)
		if err == nil {
			err = s.startOnce(ctx)
		}
		if err == nil {
			return nil
		}
		if server.IsConnectionLost(err) {
			if openErr := s.reconnect(ctx); openErr != nil {
				err = openErr
			}
		}
		if stoppedByError(err) || unreachable(err) && time.Since(started) > unreachableLimit {
			return err
		}
		if sleepErr := sleep(ctx, pollInterval*10); sleepErr != nil {
			return err
		}
	}
}

func (s *stepper) reconnect(ctx context.Context) error {
	session, err := s.replica.Server.Session(ctx, server.SessionOptions{})
	if err != nil {
		return err
	}
	_ = s.control.Close()
	s.control = session
	s.tell(func(p *Pause) { p.Sessions = append([]uint64{session.ID()}, p.Sessions...) }) // the lost one may live on
	return nil
}

var (
	errNotRunningYet = errors.New("the applier does not run yet")
	errStopPending   = errors.New("a STOP that was not answered in time is still waiting for the applier's statement to end")
)

// settleStop makes sure that no STOP of ours can take effect any more: one whose end was not seen is killed, which
// prevents it if it had not begun, and its session is waited for, which lasts as long as the applier's statement.
func (s *stepper) settleStop(ctx context.Context) error {
	if s.pending == 0 {
		return nil
	}
	if err := s.control.Exec(ctx, fmt.Sprintf("KILL CONNECTION %d", s.pending)); err != nil && !server.IsUnknownThread(err) {
		return err
	}
	_, there, err := s.control.ThreadState(ctx, s.pending)
	if err != nil {
		return err
	}
	if there {
		return fmt.Errorf("%s: %w", s.address(), errStopPending)
	}
	s.pending = 0
	return nil
}

// standStill stops an applier that runs up to a position, and returns how it stands, to be started; refuseCut's error where it may not be yet. Whoever comes
// after us knows of each step before it is taken.
func (s *stepper) standStill(ctx context.Context, status replication.Status) (replication.Status, error) {
	ran := status.ApplierRunning
	if ran {
		s.tell(func(p *Pause) { p.Stopping, p.Starting = true, false })
		if err := replication.StopApplier(ctx, s.control, s.replica.Channel); err != nil {
			return status, err
		}
		var err error
		if status, err = s.status(ctx); err != nil {
			return status, err
		}
	}
	s.tell(func(p *Pause) {
		p.Stood, p.StoodGTID, p.ShownUntil, p.Starting = status.Executed, status.ExecutedGTID, status.Until, true
	})
	if ran { // the thread of every START before has reported
		return status, nil
	}
	return status, s.refuseCut()
}

// startOnce starts the applier and looks whether it runs.
func (s *stepper) startOnce(ctx context.Context) error {
	status, err := s.status(ctx)
	if err != nil {
		return err
	}
	if status.ApplierRunning && status.Until.Condition == "" {
		return nil
	}
	if !status.ApplierRunning && !status.ApplierError.IsZero() {
		return s.refuse(ApplierError, nil, "replication is stopped by an error: %s", status.ApplierError)
	}
	if status, err = s.standStill(ctx, status); err != nil {
		return err
	}
	if err := s.noteCut(replication.StartApplier(ctx, s.control, s.replica.Channel)); err != nil {
		return err
	}
	if status, err = s.status(ctx); err != nil {
		return err
	}
	switch {
	case status.ApplierRunning && status.Until.Condition == "":
		return nil
	case !status.ApplierError.IsZero():
		return s.refuse(ApplierError, nil, "replication stopped by an error: %s", status.ApplierError)
	default:
		return fmt.Errorf("%s: %w", s.address(), errNotRunningYet)
	}
}

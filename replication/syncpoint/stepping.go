package syncpoint

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"trueup/replication"
	"trueup/server"
)

// arm arms the dead man's switch and makes the pause known to those who would have to end it.
func (s *stepper) arm(ctx context.Context) error {
	s.pause.ID = rand.Text()
	s.watchOver()
	armed, err := armDeadMan(ctx, s.replica, s.pause.ID, s.options.SwitchDelay, s.logger)
	if err != nil {
		s.unwatch()
		return s.refuse(CannotPause, err, "its applier was not stopped, since nothing would have started it had this process died")
	}
	s.deadMan = armed
	s.logger.Debug("the dead man's switch is armed")
	return s.announce(ctx)
}

// pauseApplier stops the applier; the dead man's switch is armed.
func (s *stepper) pauseApplier(ctx context.Context) error {
	status, err := s.status(ctx)
	if err == nil {
		err = s.refuseUnfit(status)
	}
	if err == nil && status.SkipCounter > 0 {
		err = s.refuse(CannotPause, nil, "its skip counter is %d: somebody is about to skip a transaction, of another channel perhaps; this applier is not stopped, since starting it would use the counter up and lose a transaction of this one. Where it was left behind, set it to 0", status.SkipCounter)
	}
	if err != nil {
		return err
	}
	s.options.Pauses.begin()
	s.stopped, s.pausedAt = true, time.Now()
	if err := s.stopApplier(ctx); err != nil {
		return err
	}
	if status, err = s.status(ctx); err != nil {
		return err
	}
	if status.ApplierRunning || !status.ApplierError.IsZero() {
		return s.refuse(CannotPause, nil, "its applier is not cleanly stopped (running: %v, error: %s)", status.ApplierRunning, status.ApplierError)
	}
	s.stands(status)
	s.recorded = s.recordPaused(ctx, status)
	s.logger.Debug("the applier stands", "at", status.Executed.String())
	return ctx.Err()
}

// wasNotRunning are ER_SLAVE_WAS_NOT_RUNNING and, where the channel is named on MySQL, ER_REPLICA_CHANNEL_WAS_NOT_RUNNING:
// notes.
var wasNotRunning = []string{"1255", "3084"}

// stopApplier stops the applier. It is not cut off by the end of ctx: a STOP whose end nobody saw can take effect any
// time later, and what is started again before that stops again (see settleStop).
func (s *stepper) stopApplier(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	s.tell(func(p *Pause) { p.Stopping, p.Starting = true, false })
	err := replication.StopApplier(ctx, s.stopping, s.replica.Channel)
	if _, answered := server.ErrorNumber(err); err != nil && (!answered || server.IsConnectionLost(err)) {
		s.pending = s.stopping.ID()
	}
	if err != nil && ctx.Err() != nil {
		return s.refuse(CannotPause, err, "its applier did not stop within %v (a long statement?)", stopTimeout)
	}
	if err != nil {
		return err
	}
	notes, err := s.stopping.Records(ctx, "SHOW WARNINGS")
	if err != nil {
		return err
	}
	for _, note := range notes {
		if slices.Contains(wasNotRunning, note.Text("Code")) {
			return s.stoodAlready(ctx)
		}
	}
	return nil
}

// stoodAlready says why the applier stood when it was to be stopped. Where it was not us, it is not ours to start.
func (s *stepper) stoodAlready(ctx context.Context) error {
	status, err := s.status(ctx)
	if err != nil {
		return err
	}
	switch {
	case !status.ApplierError.IsZero():
		return s.refuse(ApplierError, nil, "replication is stopped by an error: %s", status.ApplierError)
	case status.Until.Condition != "":
		return nil // it reached the position that we gave just before
	}
	if s.deadMan.mayHaveFired() {
		return s.firedMeanwhile()
	}
	s.leaveToOthers()
	return s.refuse(ApplierStopped, nil, "somebody else stopped its applier just now; it is left stopped")
}

// firedMeanwhile refuses a replica whose own switch may be what stopped its applier.
func (s *stepper) firedMeanwhile() error {
	return s.refuse(NotExact, nil, "its dead man's switch went off: this process or its machine stood still for longer than %v", s.options.SwitchDelay)
}

// leaveToOthers gives an applier back that somebody else has stopped.
func (s *stepper) leaveToOthers() {
	s.tell(func(p *Pause) { p.Left = true })
	s.leave()
}

// leave gives the applier back: it runs, or somebody else has stopped it.
func (s *stepper) leave() {
	if s.stopped {
		s.stopped = false
		s.options.Pauses.end()
	}
}

// stepThrough takes the stopped applier to each position in turn and opens a snapshot there for each reader.
func (s *stepper) stepThrough(ctx context.Context, epochOf []*Epoch, sources []*sourceReader) error {
	stepCtx, cancel := context.WithTimeout(ctx, s.timeLimit())
	defer cancel()
	var target replication.Position
	for i, epoch := range epochOf {
		if i == 0 || epochOf[i-1] != epoch {
			var err error
			if target, err = s.targetOf(stepCtx, epoch); err != nil {
				return err
			}
			if err := s.stepTo(stepCtx, target); err != nil {
				return err
			}
		}
		if err := s.readers[i].Exec(ctx, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"); err != nil {
			return s.refuseSnapshot(err)
		}
		if i+1 < len(epochOf) && epochOf[i+1] == epoch {
			continue
		}
		if err := s.concludeEpoch(ctx, epoch, target, s.readers[i]); err != nil {
			return err
		}
	}
	if last := len(epochOf) - 1; s.options.Held != nil && last >= 0 {
		s.hold(ctx, epochOf[last], target, sources[last].session, s.readers[last])
	}
	return nil
}

// concludeEpoch proves that the snapshots just opened are those of the epoch, and lets the replicas below follow.
func (s *stepper) concludeEpoch(ctx context.Context, epoch *Epoch, target replication.Position, reader *server.Session) error {
	end, err := s.logEnd(ctx)
	if err != nil {
		return err
	}
	if err := s.proveReturns(ctx, reader, end); err != nil {
		return err
	}
	if err := s.proveExact(ctx, epoch, target); err != nil {
		return err
	}
	s.bulletin.tell(epoch, end)
	return nil
}

// stepTo takes the stopped applier, which stands at stoppedAt, to the target and returns when it is stopped again.
func (s *stepper) stepTo(ctx context.Context, target replication.Position) error {
	if there, err := s.isAt(ctx, s.stood, target); err != nil || there {
		return err
	}
	if s.stoppedAt.Compare(target) > 0 {
		return s.refuse(NotExact, nil, "its applier stands at %s, beyond the source's snapshot at %s", s.stoppedAt, target)
	}
	began := time.Now()
	defer func() { s.ran += time.Since(began) }()
	if s.deadMan.mayHaveFired() { // and be in a START of its own
		return s.firedMeanwhile()
	}
	s.tell(func(p *Pause) { p.Target, p.Stopping, p.Starting = target, false, true })
	if err := s.noteCut(replication.StartApplierUntil(ctx, s.control, s.replica.Channel, target)); err != nil {
		return err
	}
	s.tell(func(p *Pause) { p.Starting = false })
	return s.runTo(ctx, target)
}

// runTo waits until the applier, told to stop at the target, is there, and sees to it that it stands. The server tests
// the target before the next event only: on a quiet source none comes, and the applier is to be stopped. It cannot
// have gone past the target with a transaction, so stopping it keeps it there.
func (s *stepper) runTo(ctx context.Context, target replication.Position) error {
	var last replication.Position
	for polls := 1; ; polls++ {
		status, err := s.status(ctx)
		if err != nil {
			return err
		}
		if !status.ApplierRunning {
			return s.stoodStill(ctx, status, target)
		}
		there := status.Executed.Compare(target) >= 0
		switch {
		case there && status.SeveralDomains():
			there, err = s.hasExecuted(ctx, status, target)
		case !there && status.Executed == last && polls%lookInterval == 0:
			there, err = s.isAt(ctx, status, target)
		}
		if err != nil {
			return err
		}
		if there {
			return s.stopApplier(ctx)
		}
		last = status.Executed
		if err := sleep(ctx, pollInterval); err != nil {
			return s.refuse(Lagging, nil, "its applier stood at %s and did not reach %s within %v (--sync-timeout)", status.Executed, target, s.options.Timeout)
		}
	}
}

// stoodStill judges an applier that stands. Short of the target and without an error, somebody else has stopped it.
func (s *stepper) stoodStill(ctx context.Context, status replication.Status, target replication.Position) error {
	if !status.ApplierError.IsZero() {
		return s.refuse(ApplierError, nil, "replication stopped by an error on the way to %s: %s", target, status.ApplierError)
	}
	if status.Executed.Compare(target) >= 0 {
		return nil // proveExact says whether it is the right place
	}
	if there, err := s.isAt(ctx, status, target); err != nil || there {
		return err
	}
	if status.SeveralDomains() { // it may have passed the target before this, and been stopped there by our UNTIL
		return s.refuse(NotExact, nil, "its applier stood at %s, which may be out of date, on the way to %s", status.Executed, target)
	}
	if status.IgnoresUntold() { // and its position need not count what it ignored
		return s.refuse(NotExact, nil, "its applier stood at %s on the way to %s; whether only transactions that it ignores lie between is not known", status.Executed, target)
	}
	if s.deadMan.mayHaveFired() {
		return s.firedMeanwhile()
	}
	s.leaveToOthers()
	return s.refuse(ApplierStopped, nil, "somebody else stopped its applier at %s, on the way to %s; it is left stopped", status.Executed, target)
}

// proveExact looks after the snapshots of an epoch were opened whether the applier stands, without error, exactly at
// the epoch's position: it stood there all the while then, since nobody else's START would leave it standing there.
func (s *stepper) proveExact(ctx context.Context, epoch *Epoch, target replication.Position) error {
	status, err := s.proveStands(ctx, target)
	if err == nil {
		err = s.proveAlone(ctx, status, target)
	}
	if err != nil {
		return err
	}
	s.stands(status)
	s.logger.Debug("the applier stands at the epoch's position", "epoch", epoch.ID, "at", status.Executed.String())
	epoch.Replicas[s.number] = EpochReplica{Executed: status.Executed, GTID: status.ExecutedGTID, Exact: true}
	s.epochs = append(s.epochs, epoch)
	return nil
}

// proveStands looks whether the applier stands, without error, exactly at the target.
func (s *stepper) proveStands(ctx context.Context, target replication.Position) (replication.Status, error) {
	status, err := s.status(ctx)
	if err != nil {
		return status, err
	}
	exact := !status.ApplierRunning && status.ApplierError.IsZero()
	if exact {
		if exact, err = s.isAt(ctx, status, target); err != nil {
			return status, err
		}
	}
	if !exact {
		return status, s.refuse(NotExact, nil, "its applier should stand at %s and is at %s (running: %v, error: %q)",
			target, status.Executed, status.ApplierRunning, status.ApplierError)
	}
	return status, nil
}

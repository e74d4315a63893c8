package syncpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"trueup/replication"
	"trueup/server"
)

// rescueTimeout bounds one Rescue: a STOP of the dead process may wait for the applier's transaction that long, or the applier
// be on its way to the last position that long.
const rescueTimeout = 15 * time.Minute

// Rescue undoes a pause whose process is dead: it ends that process's sessions on the replica, makes the applier run as
// it was found where it is ours to start (see judge), and disarms the dead man's switch, which could else start an applier that
// somebody stops a moment later. upstream, whose log the replica executes, is asked only where two positions may be one place.
//
// The error says that this could not be done within rescueTimeout; the switch is left armed then.
func Rescue(ctx context.Context, upstream, replica server.Endpoint, pause Pause, logger *slog.Logger) (PauseEnd, error) {
	ctx, cancel := context.WithTimeout(ctx, rescueTimeout)
	defer cancel()
	r := &rescue{upstream: upstream, pause: pause, logger: logger}
	for {
		end, err := r.attempt(ctx, replica)
		if err == nil {
			return end, nil
		}
		logger.Warn("starting the applier of a run that died: trying again", "replica", replica.Address, "error", err)
		if sleepErr := sleep(ctx, 10*lagInterval); sleepErr != nil {
			return PauseEnd{}, err
		}
	}
}

type rescue struct {
	upstream server.Endpoint
	replica  *server.Server
	control  *server.Session
	pause    Pause
	logger   *slog.Logger
	cut      time.Time // when a START was last cut off, or may have been
}

func (r *rescue) attempt(ctx context.Context, endpoint server.Endpoint) (end PauseEnd, err error) {
	if r.replica, err = server.Open(ctx, endpoint); err != nil {
		return end, err
	}
	defer r.replica.Close()
	if now := r.replica.Identity(); !r.pause.Identity.Matches(now) {
		return end, &server.IdentityChangedError{Address: endpoint.Address, Was: r.pause.Identity, Now: now}
	}
	if r.control, err = r.replica.Session(ctx, server.SessionOptions{}); err != nil {
		return end, err
	}
	defer func() { _ = r.control.Close() }()
	killed, err := r.endSessions(ctx, r.pause.Sessions)
	if r.pause.Starting {
		r.noteCut(killed)
	}
	if err != nil {
		return end, err
	}
	age := time.Since(r.pause.Told)
	if err := r.letThreadReport(ctx); err != nil {
		return end, err
	}
	return r.settle(ctx, age)
}

// noteCut notes a START of the dead process whose end nobody saw: it was cut off when its session was killed, by us or by somebody else before.
func (r *rescue) noteCut(killed bool) {
	switch {
	case killed:
		r.cut = time.Now()
	case r.cut.IsZero():
		r.cut = r.pause.Told
	}
}

// letThreadReport waits until the thread of a START that was cut off has reported, or will not any more.
func (r *rescue) letThreadReport(ctx context.Context) error {
	for cutOff(r.cut) {
		status, err := replication.ReadStatus(ctx, r.control, r.pause.Channel)
		if err != nil || !r.pause.mayComeYet(status) {
			return err
		}
		if err := sleep(ctx, 10*pollInterval); err != nil {
			return err
		}
	}
	return nil
}

// settle makes the applier run, or leaves it, and disarms the switch. One whose time had come when it was ended may have
// stopped the applier and not started it, so that is looked at again. age is how long ago the dead process told the pause.
func (r *rescue) settle(ctx context.Context, age time.Duration) (PauseEnd, error) {
	end := PauseEnd{Pause: r.pause.ID, How: EndResumed, By: ByGuard}
	armed, err := r.armed(ctx) // before the status, or it could have fired in between
	if err != nil {
		return end, err
	}
	status, err := replication.ReadStatus(ctx, r.control, r.pause.Channel)
	if err != nil {
		return end, err
	}
	act, why := r.pause.judge(status, age, func(a, b replication.Position) bool { return r.same(ctx, a, b, status) })
	if act == await && len(armed) > 0 {
		return end, errSwitchDue
	}
	switch act {
	case onItsWay:
		r.pause.Ran = true
		return end, errOnItsWay
	case leave, await:
		end.How, end.Why = EndLeft, why
	case nothing:
		end.Why = foundRunning
	case makeRun:
	}
	if act == makeRun {
		if err := r.run(ctx); stoppedByError(err) {
			end.How, end.Why = EndLeft, err.Error()
		} else if err != nil {
			return end, err
		}
	}
	found, err := r.disarm(ctx)
	if err != nil {
		return end, err
	}
	if end.How == EndResumed && found {
		err = r.run(ctx)
	}
	return end, err
}

// run makes the applier run without UNTIL.
func (r *rescue) run(ctx context.Context) error {
	s := &stepper{replica: Replica{Server: r.replica, Channel: r.pause.Channel}, logger: r.logger, control: r.control, startCut: r.cut}
	err := s.makeRun(ctx)
	r.control, r.cut = s.control, s.startCut
	return err
}

// disarm ends the sessions of the switch and tells whether there were any.
func (r *rescue) disarm(ctx context.Context) (found bool, err error) {
	armed, err := r.armed(ctx)
	if err != nil {
		return false, err
	}
	var sessions []uint64
	for _, armed := range armed {
		sessions = append(sessions, armed.Session)
	}
	killed, err := r.endSessions(ctx, sessions)
	if killed { // in its START perhaps
		r.cut = time.Now()
	}
	return len(sessions) > 0, err
}

// armed are the sessions of the pause's switch.
func (r *rescue) armed(ctx context.Context) ([]Switch, error) {
	all, err := ArmedSwitches(ctx, r.control)
	return slices.DeleteFunc(all, func(armed Switch) bool { return armed.Pause != r.pause.ID }), err
}

var errOnItsWay = errors.New("the applier runs to the position that the dead process gave it")

var errSwitchDue = errors.New("whose standstill it is cannot be told; its switch on the server is waited for")

var errSessionStays = errors.New("a session of the process that died is still there: the server waits for the end of its statement")

// endSessions kills sessions of the dead process, of the account that we are as well, and waits until they are gone: until
// then a STOP or START of theirs may take effect. One that is in a START is left to end it; see threadPatience. killed: one was killed.
func (r *rescue) endSessions(ctx context.Context, sessions []uint64) (killed bool, err error) {
	for {
		left, err := r.ours(ctx, sessions)
		if err != nil || len(left) == 0 {
			return killed, err
		}
		for _, session := range left {
			if startsApplier(session.statement) {
				continue
			}
			killed = true
			if err := r.control.Exec(ctx, fmt.Sprintf("KILL CONNECTION %d", session.id)); err != nil && !server.IsUnknownThread(err) {
				return killed, err
			}
		}
		if err := sleep(ctx, pollInterval*2); err != nil {
			return killed, fmt.Errorf("%s: %w", r.replica.Address(), errSessionStays)
		}
	}
}

// deadSession is a session of the dead process, and what it executes.
type deadSession struct {
	id        uint64
	statement string
}

// ours are those of the sessions that the server still has, and that are of our account: a number is used again only
// after a restart, and may then be anybody's.
func (r *rescue) ours(ctx context.Context, sessions []uint64) ([]deadSession, error) {
	if len(sessions) == 0 {
		return nil, nil
	}
	records, err := r.control.Records(ctx, "SHOW PROCESSLIST")
	if err != nil {
		return nil, err
	}
	var left []deadSession
	for _, record := range records {
		id, err := strconv.ParseUint(record.Text("Id"), 10, 64)
		if err == nil && record.Text("User") == r.replica.Endpoint().User && slices.Contains(sessions, id) && !r.control.Lost(record) {
			left = append(left, deadSession{id: id, statement: record.Text("Info")})
		}
	}
	return left, nil
}

// same asks the upstream; where it cannot say, positions in two files are taken for one place: a replica at the end of a
// file that was rotated is what makes the question.
func (r *rescue) same(ctx context.Context, a, b replication.Position, status replication.Status) bool {
	upstream, err := server.Open(ctx, r.upstream)
	if err != nil {
		return a.File != b.File
	}
	defer upstream.Close()
	session, err := upstream.Session(ctx, server.SessionOptions{})
	if err != nil {
		return a.File != b.File
	}
	defer session.Close()
	same, err := newPlaces(session).sameFor(ctx, a, b, status.Ignores(r.replica.Identity()))
	return same || err != nil && a.File != b.File
}

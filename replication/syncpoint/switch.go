package syncpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"trueup/replication"
	"trueup/server"
)

// deadMan is a dead man's switch on a replica: a session of its own that got one packet, "sleep, then make the applier
// run". If this process dies, the server goes on with the packet. While the process lives it renews the switch long
// before it fires, a new one before the old is killed, and disarms it once the applier runs.
type deadMan struct {
	replica *server.Server
	channel string
	name    string // of the pause
	firstID uint64 // session that was armed first
	delay   time.Duration
	logger  *slog.Logger
	control *server.Session // watches and kills; opened before anything is armed, so that it need not be opened to disarm
	current *armedSession
	stop    context.CancelFunc
	renewed chan struct{}
	fired   atomic.Bool               // a session reached its time before it was ended
	sent    atomic.Pointer[time.Time] // when the session was told to sleep that is the first to come due
}

// armedSession is one session that will start the applier.
type armedSession struct {
	session *server.Session
	sent    time.Time
	cut     context.CancelFunc // ends our end of the connection; the server goes on with the packet
	ended   chan struct{}      // closed when the packet ended: it was killed, it fired, or its connection was cut
}

// armDeadMan returns once the server is seen to sleep in the packet.
func armDeadMan(ctx context.Context, replica Replica, name string, delay time.Duration, logger *slog.Logger) (*deadMan, error) {
	d := &deadMan{replica: replica.Server, channel: replica.Channel, name: name, delay: delay, logger: logger, renewed: make(chan struct{})}
	var err error
	if d.current, err = d.arm(ctx); err != nil {
		d.closeControl()
		return nil, fmt.Errorf("arming the dead man's switch: %w", err)
	}
	d.firstID = d.current.session.ID()
	d.sent.Store(&d.current.sent)
	renewCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.stop = stop
	go func() {
		defer close(d.renewed)
		// A switch that is no more renewed fires, which is what it is for.
		_ = protect(func() error { d.renew(renewCtx); return nil })
	}()
	return d, nil
}

// packet stops the applier before it starts it: START alone would leave a running UNTIL in force, and the applier
// would stop again at its end with nobody there to start it. Each statement carries the pause's name, by which others find
// the session in the process list.
func (d *deadMan) packet() string {
	identity, mark := d.replica.Identity(), switchMark(d.name)
	return fmt.Sprintf("%s%.3f) %s; %s %s; %s %s", sleepBegins, d.delay.Seconds(), mark,
		replication.StopApplierStatement(identity, d.channel), mark, replication.StartApplierStatement(identity, d.channel), mark)
}

// withControl does something with the control session, in a new one where it was lost.
func (d *deadMan) withControl(ctx context.Context, do func(*server.Session) error) error {
	for first := true; ; first = false {
		if d.control == nil {
			session, err := d.replica.Session(ctx, server.SessionOptions{})
			if err != nil {
				return err
			}
			d.control = session
		}
		err := do(d.control)
		if !first || !server.IsConnectionLost(err) {
			return err
		}
		d.closeControl()
	}
}

func (d *deadMan) closeControl() {
	if d.control != nil {
		_ = d.control.Close()
		d.control = nil
	}
}

func (d *deadMan) arm(ctx context.Context) (*armedSession, error) {
	if err := d.withControl(ctx, func(*server.Session) error { return nil }); err != nil {
		return nil, err
	}
	session, err := d.replica.Session(ctx, server.SessionOptions{MultiStatements: true})
	if err != nil {
		return nil, err
	}
	packetCtx, cut := context.WithCancel(context.WithoutCancel(ctx))
	armed := &armedSession{session: session, sent: time.Now(), cut: cut, ended: make(chan struct{})}
	go func() {
		defer close(armed.ended)
		// The error is that of being killed, or of a server that went away; both end the switch.
		_ = session.Exec(packetCtx, d.packet())
		d.noteDue(armed)
	}()
	if err := d.awaitSleep(ctx, armed); err != nil {
		return nil, errors.Join(err, d.disarm(context.WithoutCancel(ctx), armed))
	}
	return armed, nil
}

// noteDue notes that the session has fired, or is about to, where its time has come.
func (d *deadMan) noteDue(armed *armedSession) {
	if elapsed(armed.sent) > d.delay-clockSlack {
		d.fired.Store(true)
	}
}

// mayHaveFired tells whether the switch's time has come at least once: this process, or its machine, stood still or was too
// slow to renew it. The switch may then have stopped the applier, and not yet or never started it.
func (d *deadMan) mayHaveFired() bool {
	return d.fired.Load() || elapsed(*d.sent.Load()) > d.delay-clockSlack
}

// elapsed also counts the time in which this machine slept, in which only the clock on the wall goes on.
func elapsed(since time.Time) time.Duration {
	return max(time.Since(since), time.Now().Round(0).Sub(since.Round(0)))
}

// clockSlack is by how much a server's sleep may seem shorter to us than it is.
const clockSlack = 50 * time.Millisecond

// awaitSleep waits until the server's process list shows the session asleep: only then is the switch armed.
func (d *deadMan) awaitSleep(ctx context.Context, armed *armedSession) error {
	for {
		var state string
		err := d.withControl(ctx, func(control *server.Session) (err error) {
			state, _, err = control.ThreadState(ctx, armed.session.ID())
			return err
		})
		if err != nil {
			return err
		}
		if state == "User sleep" {
			return nil
		}
		select {
		case <-armed.ended:
			return fmt.Errorf("%s: the session that should start the applier later ended at once", d.replica.Address())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// renew replaces the armed session until the context ends: in time, and at once when somebody killed it.
func (d *deadMan) renew(ctx context.Context) {
	ticker := time.NewTicker(d.delay / 3)
	defer ticker.Stop()
	ended := d.current.ended
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-ended:
		}
		next, err := d.arm(ctx)
		if err != nil {
			ended = nil // the ticker's pace from here on
			if ctx.Err() == nil {
				d.logger.Warn("renewing the dead man's switch failed; the old one stays", "replica", d.replica.Address(), "error", err)
			}
			continue
		}
		old := d.current
		d.current, ended = next, next.ended
		if err := d.disarm(context.WithoutCancel(ctx), old); err != nil {
			d.logger.Warn("ending the old dead man's switch failed", "replica", d.replica.Address(), "error", err)
		}
		d.sent.Store(&next.sent) // not before: the old one may have come due until it was ended
	}
}

// Disarm ends the switch and returns when its session is gone. The applier must run already; the caller looks again
// afterwards whether it does, since the switch may have been about to fire.
func (d *deadMan) Disarm(ctx context.Context) error {
	d.stop()
	<-d.renewed
	defer d.closeControl()
	return d.disarm(ctx, d.current)
}

// Abandon leaves the switch to the server, where it fires: at its time, or a few seconds after it has lost our end
// of the connection, as MariaDB's SLEEP looks for that now and then.
func (d *deadMan) Abandon() {
	d.stop()
	<-d.renewed
	d.current.leave()
	d.closeControl()
}

// leave frees everything the session holds on our side.
func (a *armedSession) leave() {
	a.cut()
	<-a.ended
	_ = a.session.Close()
}

func (d *deadMan) disarm(ctx context.Context, armed *armedSession) error {
	ctx, cancel := context.WithTimeout(ctx, disarmTimeout)
	defer cancel()
	defer armed.leave()
	d.noteDue(armed) // before it is killed, in its START perhaps
	err := d.withControl(ctx, func(control *server.Session) error {
		return control.Exec(ctx, fmt.Sprintf("KILL CONNECTION %d", armed.session.ID()))
	})
	if err != nil && !server.IsUnknownThread(err) {
		return fmt.Errorf("disarming the dead man's switch: %w", err)
	}
	select {
	case <-armed.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s: the killed dead man's switch does not end: %w", d.replica.Address(), ctx.Err())
	}
}

const disarmTimeout = 5 * time.Second

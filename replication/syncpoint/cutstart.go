package syncpoint

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"trueup/replication"
	"trueup/server"
)

// START returns once the applier's thread has reported, but not where the session is killed meanwhile: MySQL gives up waiting then, shows no
// applier, and the thread comes all the same, as soon as the machine gives it a turn. A second START in that moment begins a second applier
// beside the first, on the same channel: a STOP hangs for ever afterwards, or workers fail (seen on 5.6 and 9.7; MariaDB waits for the thread).
// Nothing on the server shows a thread that has not reported. So the guard does not kill a START that it sees, but waits for it, and where one was
// killed, or may have been, the applier is not started before its thread has had the time to report.

// threadPatience is how long a thread of a START that was cut off may take to report.
const threadPatience = 2 * time.Second

var errStartCut = errors.New("a START that was cut off may still bring its thread")

// noteCut notes the time of a START that was cut off: it, or its session, was killed. The end of our own context cuts nothing off, the server goes on. It
// returns the error that it was given.
func (s *stepper) noteCut(err error) error {
	if server.IsConnectionLost(err) || server.IsQueryInterrupted(err) {
		s.startCut = time.Now()
	}
	return err
}

// noteFired tells whether the switch has reached its time: it may have been killed in its START then.
func (s *stepper) noteFired(armed *deadMan) bool {
	fired := armed.fired.Load()
	if fired {
		s.startCut = time.Now()
	}
	return fired
}

// refuseCut tells that the applier, which stands, may not be started yet.
func (s *stepper) refuseCut() error {
	if cutOff(s.startCut) {
		return fmt.Errorf("%s: %w", s.address(), errStartCut)
	}
	return nil
}

// cutOff tells whether a START that was cut off at that time may still bring its thread.
func cutOff(at time.Time) bool {
	since := time.Since(at)
	return since > -threadPatience && since < threadPatience // a clock that was set back does not make it wait longer
}

// mayComeYet tells whether the thread of a START of the dead process may not have reported yet.
func (p Pause) mayComeYet(now replication.Status) bool {
	return p.Starting && !now.ApplierRunning && (p.Stood.IsZero() || p.standsThere(now))
}

// startsApplier tells whether a statement, as the process list shows it, is a START of an applier.
func startsApplier(statement string) bool {
	return strings.HasPrefix(statement, "START REPLICA") || strings.HasPrefix(statement, "START SLAVE")
}

package syncpoint

import (
	"context"
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
// Nothing on the server shows a thread that has not reported. So a START is not killed, but waited for, and where one was, or may have been,
// the applier is not started before its thread has had the time to report.

// threadPatience is how long a thread of a START that was cut off may take to report.
const threadPatience = 2 * time.Second

var errStartCut = errors.New("a START that was cut off may still bring its thread")

// noteCut notes the time of a START whose end was not seen. It returns the error that it was given.
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
	if time.Since(s.startCut) < threadPatience {
		return fmt.Errorf("%s: %w", s.address(), errStartCut)
	}
	return nil
}

// letThreadReport waits until the thread of a START that was killed at the given time has reported, or will not any more.
func letThreadReport(ctx context.Context, session *server.Session, channel string, cut time.Time) error {
	for time.Since(cut) < threadPatience {
		status, err := replication.ReadStatus(ctx, session, channel)
		if err != nil || status.ApplierRunning {
			return err
		}
		if err := sleep(ctx, 10*pollInterval); err != nil {
			return err
		}
	}
	return nil
}

// startsApplier tells whether a statement, as the process list shows it, is a START of an applier.
func startsApplier(statement string) bool {
	return strings.HasPrefix(statement, "START REPLICA") || strings.HasPrefix(statement, "START SLAVE")
}

package check

import (
	"context"
	"errors"
	"time"

	"trueup/replication/syncpoint"
	"trueup/server"
)

// errTimeUp is the cause of a run's end by Request.MaxDuration.
var errTimeUp = errors.New("the time of --max-duration was over")

// withMaxDuration bounds a run; 0 does not. The context ends by being cancelled, as an interrupted run's does, so that no
// deadline of a single step can be taken for it.
func withMaxDuration(caller context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(withoutDeadline{caller})
	if most <= 0 {
		return ctx, func() { cancel(nil) }
	}
	timer := time.AfterFunc(most, func() { cancel(errTimeUp) })
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

// withoutDeadline is a context that ends when the other does, and does not say before when that will be: a dial that knows the deadline
// ends at it a moment before the context does, and would look like a server that does not answer.
type withoutDeadline struct{ context.Context }

func (withoutDeadline) Deadline() (deadline time.Time, known bool) { return time.Time{}, false }

// isTimeUp tells whether MaxDuration has ended the context.
func isTimeUp(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errTimeUp) }

// isInterrupted tells whether the caller has ended the context.
func isInterrupted(ctx context.Context) bool { return ctx.Err() != nil && !isTimeUp(ctx) }

// cutShort says of something that the end of ctx kept from being compared why it was not.
func cutShort(ctx context.Context) (code, reason string) {
	if isTimeUp(ctx) {
		return ReasonMaxDuration, "the check ended after --max-duration, before all of it was compared"
	}
	return ReasonInterrupted, "the check was interrupted before all of it was compared"
}

// isOfCutShort tells whether the end of ctx is why the run ended with err. A statement that is given up in the middle breaks
// its connection. An applier that was left standing is an error however the run ended.
func isOfCutShort(ctx context.Context, err error) bool {
	var of *syncpoint.Unverifiable
	if ctx.Err() == nil || errors.As(err, &of) && of.Code == syncpoint.NotRestarted {
		return false
	}
	return errors.Is(err, ctx.Err()) || isTimeUp(ctx) && (errors.Is(err, errTimeUp) || server.IsConnectionLost(err))
}

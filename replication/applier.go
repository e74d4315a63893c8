package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"trueup/server"
)

// ErrApplierRunning says that an applier was to run up to a position but was running already: the server has
// then ignored the position, and the applier may be anywhere.
var ErrApplierRunning = errors.New("the applier was running already, the server ignored the position to stop at")

// alreadyRunning are ER_SLAVE_WAS_RUNNING and, where the channel is named on MySQL, ER_REPLICA_CHANNEL_WAS_RUNNING: notes.
var alreadyRunning = []string{"1254", "3083"}

// StopApplierStatement is the statement that stops the applier of one channel and nothing else.
func StopApplierStatement(identity server.Identity, channel string) string {
	return termsOf(identity).stopApplier(channel)
}

// StartApplierStatement is the statement that starts the applier of one channel and nothing else.
func StartApplierStatement(identity server.Identity, channel string) string {
	return termsOf(identity).startApplier(channel)
}

// StartReceiverStatement is the statement that starts the receiver of one channel and nothing else.
func StartReceiverStatement(identity server.Identity, channel string) string {
	return termsOf(identity).startReceiver(channel)
}

// StopApplier stops the applier of one channel; the receiver keeps running. It waits for the running statement
// (MariaDB, which rolls its transaction back and starts it again later) or transaction (MySQL). Stopping one
// that stands already is no error. When ctx ends first, the stop stays pending on the server: it may take
// effect any time later. It needs REPLICATION SLAVE ADMIN.
func StopApplier(ctx context.Context, session *server.Session, channel string) error {
	if err := session.Exec(ctx, StopApplierStatement(session.Server().Identity(), channel)); err != nil {
		return fmt.Errorf("stopping the applier of channel %q: %w", channel, err)
	}
	return nil
}

// StartApplier starts the applier of one channel, without a position to stop at. Starting one that runs already
// is no error, and changes nothing: an UNTIL it was started with stays. The statement succeeds before the
// applier works: an error that stops it shows in the status only.
func StartApplier(ctx context.Context, session *server.Session, channel string) error {
	if err := session.Exec(ctx, StartApplierStatement(session.Server().Identity(), channel)); err != nil {
		return fmt.Errorf("starting the applier of channel %q: %w", channel, err)
	}
	return nil
}

// StartApplierUntil starts the applier of one channel to run up to a position in the source's coordinates. The
// applier tests the position before each event: at the end of a quiet log it waits there and does not stop
// (MySQL manual, START REPLICA). The error wraps ErrApplierRunning when the applier was not stopped before.
func StartApplierUntil(ctx context.Context, session *server.Session, channel string, until Position) error {
	if until.File == "" {
		return fmt.Errorf("%s: starting the applier of channel %q: no position to stop at", session.Server().Address(), channel)
	}
	statement := termsOf(session.Server().Identity()).startApplierUntil(channel, until)
	if err := session.Exec(ctx, statement); err != nil {
		return fmt.Errorf("starting the applier of channel %q until %s: %w", channel, until, err)
	}
	warnings, err := session.Records(ctx, "SHOW WARNINGS")
	if err != nil {
		return fmt.Errorf("starting the applier of channel %q until %s: %w", channel, until, err)
	}
	for _, warning := range warnings {
		if slices.Contains(alreadyRunning, warning.Text("Code")) {
			return fmt.Errorf("%s: channel %q until %s: %w", session.Server().Address(), channel, until, ErrApplierRunning)
		}
	}
	return nil
}

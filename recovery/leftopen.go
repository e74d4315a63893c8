package recovery

import (
	"context"
	"errors"
	"slices"

	"trueup/replication/syncpoint"
)

// awaitSwitches waits for what starts an applier again which a run that died had paused for its proof: it stands without an error until
// then, and a diagnosis would take that for somebody's intention. The pause is closed in its journal by the proof, which looks for it too. An applier that nothing
// will start any more is left to the diagnosis.
func (r *run) awaitSwitches(ctx context.Context) error {
	if r.request.Check.Journals == nil {
		return nil
	}
	open, problems, err := syncpoint.OpenPauses(*r.request.Check.Journals)
	if err != nil {
		r.warn("whether a run that died has left a pause open is not known: %v", err)
	}
	for _, problem := range problems {
		r.warn("journal %s", problem)
	}
	channels := []string{r.channel}
	if left := r.request.Continue; left != nil && !r.request.ChannelNamed && !slices.Contains(channels, left.Channel()) {
		channels = append(channels, left.Channel())
	}
	for _, pause := range open {
		if pause.Held || !slices.ContainsFunc(channels, func(channel string) bool { return pause.Concerns(r.replica.Identity(), channel) }) {
			continue
		}
		var stands *syncpoint.Unverifiable
		switch _, _, err := pause.Settle(ctx, r.control, r.request.Check.Now); {
		case errors.As(err, &stands):
			r.warn("%v", err)
		case err != nil:
			return err
		}
	}
	return nil
}

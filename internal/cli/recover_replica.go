package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"trueup/internal/audit"
	"trueup/internal/config"
	"trueup/internal/overview"
	"trueup/recovery"
	"trueup/report"
	"trueup/server"
)

// pick finds the one replica to recover: the only one that is named, else the one that the journal names or that an error has stopped.
func (o recoverOptions) pick(ctx context.Context, loaded config.Config, resumed *recovery.Left) (server.Endpoint, error) {
	if len(loaded.Replicas) == 1 {
		return loaded.Replicas[0], nil
	}
	var seen []overview.Server
	endpoints := loaded.Replicas
	if len(endpoints) > 0 {
		seen = overview.Look(ctx, endpoints)
	} else {
		all, err := overview.Read(ctx, overview.Request{Source: *loaded.Source, Journals: audit.Folder{}, Now: time.Now})
		if err != nil {
			return server.Endpoint{}, fmt.Errorf("replicas are discovered from the source, and that could not be asked: %w; name the stopped one with --replica", err)
		}
		if seen = all.Replicas; len(seen) == 0 && len(all.Problems) > 0 {
			return server.Endpoint{}, usagef("%s", strings.Join(all.Problems, "; ")) // it says whose replica that source is itself
		}
	}
	if err := ctx.Err(); err != nil {
		return server.Endpoint{}, err
	}
	var chosen []overview.Server
	for _, replica := range seen {
		if resumed != nil && replica.Address == resumed.Replica() || resumed == nil && o.isStopped(replica) {
			chosen = append(chosen, replica)
		}
	}
	if len(chosen) == 0 && len(seen) == 1 && seen[0].Err == nil {
		chosen = seen
	}
	if len(chosen) == 1 && chosen[0].Endpoint.Address != "" {
		return chosen[0].Endpoint, nil
	}
	return server.Endpoint{}, o.ambiguous(seen, chosen)
}

// isStopped tells whether an error has stopped a channel of the server: the one that was asked for, or any.
func (o recoverOptions) isStopped(s overview.Server) bool {
	for _, channel := range s.Channels {
		if (channel.State == overview.ApplierError || channel.State == overview.ReceiverError) && (!o.channelSet || strings.EqualFold(channel.Channel, o.channel)) {
			return true
		}
	}
	return false
}

// ambiguous asks for the one replica, and says how each of them stands.
func (o recoverOptions) ambiguous(seen, chosen []overview.Server) error {
	if len(seen) == 0 {
		return usagef("the source knows of no replica: one whose receiver stands is not known to it; name it with --replica")
	}
	why := "none of these replicas is stopped by an error"
	if len(chosen) > 1 {
		why = fmt.Sprintf("%d of these replicas are stopped by an error", len(chosen))
	}
	lines := []string{why + ", and one is recovered at a time: name it with --replica"}
	for _, s := range seen {
		lines = append(lines, "  "+stateLine(s))
	}
	return usagef("%s", strings.Join(lines, "\n"))
}

// stateLine says how a replica stands.
func stateLine(s overview.Server) string {
	if s.Err != nil {
		return s.Address + ": could not be read: " + strings.Join(strings.Fields(s.Err.Error()), " ")
	}
	if len(s.Channels) == 0 {
		return s.Address + ": it replicates from nobody"
	}
	var states []string
	for _, c := range s.Channels {
		state := strings.ReplaceAll(string(c.State), "_", " ")
		if c.Channel != "" {
			state = "channel " + c.Channel + " " + state
		}
		for _, failed := range []int{c.ApplierError.Number, c.ReceiverError.Number} {
			if failed != 0 {
				state += fmt.Sprintf(" %d", failed)
			}
		}
		states = append(states, state)
	}
	return s.Address + ": " + strings.Join(states, "; ")
}

// findResumed reads what the journal that --continue names has left; nil where none was named.
func (o recoverOptions) findResumed(folder audit.Folder) (*recovery.Left, error) {
	path := o.resume
	switch path {
	case "":
		return nil, nil
	case resumeLast:
		open, _, err := overview.OpenRecoveries(folder)
		if err != nil {
			return nil, err
		}
		if len(open) == 0 {
			return nil, usagef("--continue last: no journal in %s leaves a recovery open", folder.Path)
		}
		path = open[len(open)-1].Journal
	}
	left, err := recovery.ReadLeft(path)
	switch {
	case errors.Is(err, audit.ErrHeld):
		return nil, usagef("--continue: %v: it goes on by itself", err)
	case errors.Is(err, audit.ErrChanged):
		return nil, usagef("--continue: %v; nobody goes on by it: look at the replica anew, without --continue", err)
	case errors.Is(err, recovery.ErrNothingLeft):
		return nil, usagef("--continue: %v; \"trueup status\" lists those that do", err)
	case err != nil:
		return nil, usagef("--continue: %v", err)
	}
	return left, nil
}

// settle says in the journal that was gone on with what has become of it.
func (r *recoverRun) settle(ctx context.Context, result *recovery.Result) {
	if r.request.Continue == nil || result.Err != nil {
		return
	}
	if err := r.request.Continue.Settle(context.WithoutCancel(ctx), r.nets.folder, "trueup recover --continue, run "+result.RunID, result.Outcome); err != nil {
		r.process.Notices.Say("warning: that it was gone on with could not be written into the journal: %s", report.Harmless(err.Error()))
	}
}

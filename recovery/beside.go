package recovery

import (
	"context"
	"fmt"
	"strings"

	"trueup/replication"
	"trueup/schema"
	"trueup/server"
)

// lookBeside notes who else has to do with the replica's rows, its own replicas and its other channels, and what keeps them from being proven.
func (r *run) lookBeside(ctx context.Context, f *failure) error {
	if delay := f.diagnosis.Status.Delay; delay > r.request.Check.SyncTimeout {
		f.delayed = fmt.Sprintf("The replica is delayed by %v: what is touched can be compared, and repaired, only with --continue when the delay is taken away.", delay)
	}
	unproven, err := r.mayProve(ctx, f)
	if err != nil {
		return err
	}
	if unproven != "" {
		f.unproven = "Nothing of it could be compared with the source afterwards, nor what is lost be repaired from it: " + unproven
	}
	if err := r.lookDownstream(ctx, f); err != nil {
		return err
	}
	return r.lookAcross(ctx, f)
}

// lookDownstream looks for replicas of the replica. What is changed here is not logged, and what a skip leaves out never reaches them.
func (r *run) lookDownstream(ctx context.Context, f *failure) error {
	candidates, _, err := replication.Discover(ctx, r.control)
	if err != nil {
		if ctx.Err() != nil || server.IsConnectionLost(err) {
			return err
		}
		r.warn("whether the replica has replicas of its own could not be asked: %v; if it has any, they do not get what is changed here", err)
		return nil
	}
	var below []string
	for _, candidate := range candidates {
		if r.source == nil || candidate.ServerID != r.source.Identity().ServerID { // dual masters: the source has the rows as they are to be
			below = append(below, fmt.Sprintf("server_id %d at %s", candidate.ServerID, strings.Join(candidate.Addresses(), " or ")))
		}
	}
	if len(below) > 0 {
		f.downstream = "The replica has replicas of its own, which get neither what is changed here nor what a skip leaves out: " + strings.Join(below, ", ") + ". Compare them with trueup check afterwards, and repair them."
	}
	return nil
}

// lookAcross looks for channels from other sources that write to the tables in question: a row that stands in the way may be theirs.
func (r *run) lookAcross(ctx context.Context, f *failure) error {
	statuses, err := replication.ReadStatuses(ctx, r.control)
	if err != nil {
		return err
	}
	for _, other := range statuses {
		if other.Channel == r.channel {
			continue
		}
		for _, t := range f.touched.tables.all {
			if mayWrite(other, t.there) {
				f.shared = append(f.shared, fmt.Sprintf("Channel %q from %s may write to %s.%s too: a row of that source which stands in the way here would be removed or changed, and is not compared with that source. Look at the rows first.",
					other.Channel, other.Address(), t.there.Database, t.there.Table))
			}
		}
	}
	return nil
}

// mayWrite tells whether the filters of a channel let changes of a table of the replica through.
func mayWrite(channel replication.Status, there schema.Name) bool {
	database, known := channel.SourceNameOf(there.Database)
	if !known {
		return channel.NameOf(there.Database) == there.Database || channel.Rewrites()
	}
	replicated, _ := channel.Replicates(database, there.Table)
	return replicated
}

// besides are sentences about those others, about a delay, and about a proof that is not possible, for options that change rows.
func (f *failure) besides() (said []string) {
	if f.delayed != "" {
		said = append(said, f.delayed)
	}
	if f.unproven != "" {
		said = append(said, f.unproven)
	}
	if f.downstream != "" {
		said = append(said, f.downstream)
	}
	return append(said, f.shared...)
}

package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// linkMembers finds for every replica the channel it is compared by: from the source or, in a chain, from another of the
// replicas. That one which was named belongs to none of them is an error of the request.
func (r *run) linkMembers(ctx context.Context, named bool) error {
	var problems []error
	if r.request.Sync == None {
		return nil
	}
	for _, m := range r.members {
		if m.server == nil || !m.usable() || m.clustered {
			continue
		}
		err := r.link(m)
		switch {
		case err == nil:
		case errors.Is(err, replication.ErrOtherSource) && r.unreached() != nil:
			m.giveUp(string(syncpoint.UpstreamOut), fmt.Sprintf("it does not replicate from the source itself, and whether it does from a replica that could not be reached (%s) cannot be told: %v",
				r.unreached().address, err))
		case named && isForeign(err):
			problems = append(problems, requestErrorf("replica %s does not belong to source %s: %w%s", m.address, r.source.Address(), err, replication.OwnSources(ctx, r.control)))
		default:
			m.giveUpFor(ctx, err)
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	for _, m := range r.members {
		if m.upstream != nil && !m.leadsToSource(len(r.members)) {
			return requestErrorf("replica %s does not belong to source %s: it and the replicas it replicates from replicate from each other only", m.address, r.source.Address())
		}
	}
	for _, m := range r.members {
		r.linkUpstream(ctx, m)
	}
	if err := r.linkBack(ctx); err != nil {
		return err
	}
	if r.request.Journals != nil {
		r.eachUsable(ctx, func(_ int, m *member) error { return r.settleLeftOpen(ctx, m) })
	}
	return errors.Join(r.readRenames(ctx), r.warnOfErrant(ctx))
}

// warnOfErrant names transactions that only a replica has. They need not make its data different, but they go to its own
// replicas, and to the source's other replicas once it is promoted.
func (r *run) warnOfErrant(ctx context.Context) error {
	for _, m := range r.members {
		if m.server == nil || !m.usable() || m.back != nil || m.backUnknown { // the source gets them, or may
			continue
		}
		errant, err := r.errantOn(ctx, m)
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			r.warn("%s: %v", m.address, err)
		case errant != "":
			r.warn("%s: it has transactions of its own that the source does not have (%s), written to it directly%s: where its data is equal all the same, a failover to it would still spread them", m.address, errant, r.feeds.Doubt())
		}
	}
	return nil
}

func (r *run) errantOn(ctx context.Context, m *member) (string, error) {
	session, err := m.server.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return "", err
	}
	defer session.Close()
	return replication.Errant(ctx, session, r.control)
}

// unreached is a replica that was not reached, if there is one: another may replicate from it.
func (r *run) unreached() *member {
	for _, m := range r.members {
		if m.server == nil {
			return m
		}
	}
	return nil
}

func isForeign(err error) bool {
	return errors.Is(err, replication.ErrNotAReplica) || errors.Is(err, replication.ErrOtherSource) || errors.Is(err, replication.ErrAmbiguousSource)
}

// link finds one replica's channel and upstream.
func (r *run) link(m *member) (err error) {
	m.status, err = replication.ChannelFrom(m.statuses, r.source.Identity(), r.source.Endpoint())
	if errors.Is(err, replication.ErrOtherSource) {
		err = r.linkToMember(m, err)
	}
	if err != nil {
		return err
	}
	m.result.Channel = m.status.Channel
	return nil
}

// linkToMember looks for the replica from which another replicates; notFound is the error where there is none.
func (r *run) linkToMember(m *member, notFound error) error {
	for i, other := range r.members {
		if other == m {
			continue
		}
		status, found := channelFromMember(m.statuses, other, r.request.Replicas, i)
		if !found {
			continue
		}
		if m.upstream != nil {
			return fmt.Errorf("channels %q and %q, from %s and %s: %w", m.status.Channel, status.Channel, m.upstream.address, other.address, replication.ErrAmbiguousSource)
		}
		m.upstream, m.number, m.status = other, i+1, status
	}
	if m.upstream == nil {
		return fmt.Errorf("%w (a replica of a replica can be compared when that one is named, or found, as well)", notFound)
	}
	m.result.Upstream = m.upstream.address
	return nil
}

// channelFromMember finds the channel from another replica: by who that is, or, where it was not reached, by the address the
// user gave for it.
func channelFromMember(statuses []replication.Status, other *member, named []server.Endpoint, i int) (replication.Status, bool) {
	if other.server != nil {
		status, err := replication.ChannelFrom(statuses, other.server.Identity(), other.server.Endpoint())
		return status, err == nil
	}
	for _, status := range statuses {
		if i < len(named) && net.JoinHostPort(status.SourceHost, strconv.Itoa(status.SourcePort)) == named[i].Address {
			return status, true
		}
	}
	return replication.Status{}, false
}

// leadsToSource tells whether the way up ends at the source within so many steps.
func (m *member) leadsToSource(most int) bool {
	for steps := 0; m.upstream != nil; steps++ {
		if steps > most {
			return false
		}
		m = m.upstream
	}
	return true
}

// linkUpstream makes sure that the source's changes come through the replica's upstream, and that its log may be read.
func (r *run) linkUpstream(ctx context.Context, m *member) {
	up := m.upstream
	if up == nil || !m.usable() {
		return
	}
	if up.server == nil || !up.usable() {
		m.giveUp(string(syncpoint.UpstreamOut), fmt.Sprintf("it replicates from %s, which could not be compared: %s", up.address, up.result.Reason))
		return
	}
	if err := r.readUpstream(ctx, m, up); err != nil {
		m.giveUpFor(ctx, fmt.Errorf("looking at %s, from which it replicates: %w", up.address, err))
	}
}

func (r *run) readUpstream(ctx context.Context, m, up *member) error {
	session, err := up.server.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return err
	}
	defer session.Close()
	logs, setting, err := replication.LogsUpdates(ctx, session)
	if err != nil {
		return err
	}
	if !logs {
		m.giveUp(ReasonNoUpdates, fmt.Sprintf("it replicates from %s, which has %s: it does not get what %s executes as a replica", up.address, setting, up.address))
		return nil
	}
	grants, err := server.ReadGrants(ctx, session)
	if err != nil {
		return err
	}
	var missing []string
	for _, privilege := range server.MissingPrivileges(grants, server.RoleSource, r.databasesAsked()) {
		if privilege.Duty == server.DutyPosition {
			missing = append(missing, privilege.String())
		}
	}
	if len(missing) > 0 {
		m.giveUp(ReasonMissingPrivilege, fmt.Sprintf("on %s, from which it replicates: %s", up.address, strings.Join(missing, "; ")))
		return nil
	}
	up.logged, err = replication.ReadBinlogFilter(ctx, session)
	return err
}

// replicates tells whether a table's changes come all the way from the source to the replica, where it may have another name;
// see replication.Status and member.renames.
func (m *member) replicates(database, table string) (replicated bool, reason string) {
	if why := m.renames.mixed[database]; why != "" {
		return false, why
	}
	var uncertain []string
	if up := m.upstream; up != nil {
		through, reason := up.replicates(database, table)
		if !through {
			return false, fmt.Sprintf("it does not reach %s: %s", up.address, reason)
		}
		database = up.nameOf(database)
		logged, filtered := up.logged.Logs(database)
		if !logged {
			return false, fmt.Sprintf("%s does not pass it on: %s", up.address, filtered)
		}
		uncertain = append(uncertain, reason, filtered)
	}
	replicated, reason = m.status.Replicates(database, table)
	if !replicated {
		return false, reason
	}
	return true, joinReasons(append(uncertain, reason))
}

func joinReasons(reasons []string) string {
	var kept []string
	for _, reason := range reasons {
		if reason != "" {
			kept = append(kept, reason)
		}
	}
	return strings.Join(kept, "; ")
}

// meetCluster leaves members of a cluster alone. What they execute does not all come through the channel: stopping its
// applier holds nothing still, and flow control would hold up the whole cluster. They can be compared by Recheck.
func (r *run) meetCluster(ctx context.Context, session *server.Session, m *member) error {
	cluster, err := replication.ClusterOf(ctx, session)
	if err != nil || !cluster.IsMember() {
		return err
	}
	m.clustered = cluster.SameAs(r.cluster)
	if m.strategy == Recheck {
		return nil
	}
	why := fmt.Sprintf("it is a member of the %s: its applier is not paused, since other members may write as well and would be held up", cluster)
	if m.clustered {
		why = fmt.Sprintf("it is a member of the source's own %s: members have no replication channel that could be paused", cluster)
	}
	if !r.fallBack(m, Recheck, why) {
		m.giveUp(ReasonCluster, why+"; --sync recheck compares it without")
	}
	return nil
}

// linkBack finds the replicas from which the source replicates: dual masters.
func (r *run) linkBack(ctx context.Context) (err error) {
	if r.feeds, err = replication.ReadFeeds(ctx, r.control); err != nil {
		return err
	}
	for _, m := range r.members {
		if m.server == nil || !m.usable() {
			continue
		}
		channel, found, err := r.feeds.From(m.server.Identity(), m.server.Endpoint())
		m.backUnknown = err != nil // what cannot be told, a sync point refuses by itself
		if err != nil && !(r.request.Sync == Until || r.request.Sync == Lock) {
			m.giveUp(string(syncpoint.ReplicaWrites), fmt.Sprintf("whether the source replicates from it cannot be told: %v", err))
		}
		if found {
			m.back = &channel
		}
	}
	return nil
}

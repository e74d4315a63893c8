package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"trueup/replication"
	"trueup/server"
)

// discoverReplicas asks the source who replicates from it, and those who replicates from them; it connects with the source's
// credentials.
func (r *run) discoverReplicas(ctx context.Context) error {
	candidates, warnings, err := replication.Discover(ctx, r.control)
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		r.warn("%s", warning)
	}
	if len(candidates) == 0 {
		return fmt.Errorf("%s has no replicas that it knows of (none registered, no connection of a receiver): name them with --replica%s", r.source.Address(), replication.OwnSources(ctx, r.control))
	}
	r.connectCandidates(ctx, candidates)
	for next := 0; next < len(r.members); next++ {
		r.discoverBelow(ctx, r.members[next])
	}
	return r.linkMembers(ctx, false)
}

// discoverBelow adds the replicas of a replica, where the account may list them. That they cannot be listed for another reason
// is a warning: nobody asked for them by name.
func (r *run) discoverBelow(ctx context.Context, m *member) {
	if m.server == nil || ctx.Err() != nil {
		return
	}
	candidates, warnings, err := r.candidatesOf(ctx, m)
	if server.IsAccessDenied(err) { // most replicas have none below them, and most accounts there need no more rights than to read
		r.request.Logger.Info("replicas of a replica were not looked for: the account may not", "replica", m.address, "error", err)
		return
	}
	if err != nil {
		r.warn("who replicates from %s was not found out, name such replicas with --replica: %v", m.address, err)
		return
	}
	for _, warning := range warnings {
		r.warn("%s: %s", m.address, warning)
	}
	// The source is among them where it replicates from its replica; another replica where that has two channels.
	r.connectCandidates(ctx, slices.DeleteFunc(candidates, func(c replication.Candidate) bool {
		return isServer(c, r.source) || slices.ContainsFunc(r.members, func(m *member) bool { return isServer(c, m.server) })
	}))
}

func (r *run) candidatesOf(ctx context.Context, m *member) ([]replication.Candidate, []string, error) {
	session, err := m.server.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return nil, nil, err
	}
	defer session.Close()
	return replication.Discover(ctx, session)
}

// connectCandidates adds candidates as members.
func (r *run) connectCandidates(ctx context.Context, candidates []replication.Candidate) {
	found := make([]*member, len(candidates))
	var wait sync.WaitGroup
	for i, candidate := range candidates {
		wait.Go(func() { found[i] = r.connectCandidate(ctx, candidate) })
	}
	wait.Wait()
	r.members = append(r.members, found...)
}

func isServer(candidate replication.Candidate, known *server.Server) bool {
	if known == nil {
		return false
	}
	identity := known.Identity()
	if identity.Flavor == server.MySQL && candidate.UUID != "" {
		return strings.EqualFold(candidate.UUID, identity.UUID)
	}
	return candidate.ServerID == identity.ServerID
}

// connectCandidate tries the addresses a discovered replica may have until the server with its id answers.
func (r *run) connectCandidate(ctx context.Context, candidate replication.Candidate) *member {
	var failures []error
	for _, host := range candidate.Hosts {
		address := net.JoinHostPort(host, strconv.Itoa(candidate.Port))
		endpoint := r.request.Source
		endpoint.Network, endpoint.Address = "tcp", address
		m := r.newMember(address)
		r.reach(ctx, m, endpoint)
		if m.server == nil {
			failures = append(failures, errors.New(m.result.Reason))
			continue
		}
		if id := m.server.Identity().ServerID; id != candidate.ServerID {
			failures = append(failures, fmt.Errorf("%s has server_id %d, not %d", address, id, candidate.ServerID))
			_ = m.server.Close()
			continue
		}
		same, err := server.SameServer(ctx, r.source, m.server)
		if err == nil && same { // it has the id that the replica has, so this is not the address of the replica
			failures = append(failures, fmt.Errorf("%s is the source itself", address))
			_ = m.server.Close()
			continue
		}
		if err == nil && m.usable() {
			err = r.inspect(ctx, m)
		}
		if err != nil {
			m.giveUpFor(ctx, err)
		}
		return m
	}
	m := r.newMember(fmt.Sprintf("server_id %d", candidate.ServerID))
	if len(candidate.Hosts) > 0 {
		m = r.newMember(net.JoinHostPort(candidate.Hosts[0], strconv.Itoa(candidate.Port)))
	}
	if ctx.Err() != nil {
		m.giveUpFor(ctx, ctx.Err())
		return m
	}
	m.giveUp(ReasonNotFound, fmt.Sprintf("the source knows a replica with server_id %d (%s), but it was not reached: %v; name it with --replica",
		candidate.ServerID, candidate.How, errors.Join(failures...)))
	return m
}

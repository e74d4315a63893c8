package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// member is one replica of a run: its server when it could be reached, and what is known of it so far.
type member struct {
	address string
	server  *server.Server     // nil: never reached
	status  replication.Status // of the channel from the source
	result  ReplicaResult
}

// usable tells whether the replica can still be compared.
func (m *member) usable() bool { return m.result.Verdict == Equal }

// giveUp makes the replica Unverified. The first reason stays.
func (m *member) giveUp(code, reason string) {
	if m.usable() {
		m.result.Verdict, m.result.ReasonCode, m.result.Reason = Unverified, code, reason
	}
}

// giveUpFor makes the replica Unverified for an error, which is no fault of the replica's once the check was interrupted.
func (m *member) giveUpFor(ctx context.Context, err error) {
	if ctx.Err() != nil {
		m.giveUp(cutShort(ctx))
		return
	}
	m.giveUp(reasonOf(err), err.Error())
}

func (m *member) replica() syncpoint.Replica {
	return syncpoint.Replica{Server: m.server, Channel: m.status.Channel}
}

func newMember(address string) *member {
	return &member{address: address, result: ReplicaResult{ServerInfo: ServerInfo{Address: address}}}
}

// connectSource opens the source and makes sure that it can be one.
func (r *run) connectSource(ctx context.Context) error {
	r.result.Source.Address = r.request.Source.Address
	source, err := server.Open(ctx, r.request.Source)
	if err != nil {
		return err
	}
	r.source = source
	r.result.Source.Identity = source.Identity()
	if r.control, err = source.Session(ctx, server.SessionOptions{}); err != nil {
		return err
	}
	if err := r.requirePrivileges(ctx, r.control, server.RoleSource, nil); err != nil {
		return err
	}
	_, err = replication.SourcePosition(ctx, r.control)
	if errors.Is(err, replication.ErrBinlogOff) {
		return fmt.Errorf("no position to compare at: %w", err)
	}
	return err
}

// findReplicas connects to the replicas that were named, or to those the source knows of.
func (r *run) findReplicas(ctx context.Context) error {
	if len(r.request.Replicas) == 0 {
		return r.discoverReplicas(ctx)
	}
	r.members = make([]*member, len(r.request.Replicas))
	errs := make([]error, len(r.members))
	var wait sync.WaitGroup
	for i, endpoint := range r.request.Replicas {
		r.members[i] = newMember(endpoint.Address)
		wait.Go(func() { errs[i] = r.connectNamed(ctx, r.members[i], endpoint) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return r.refuseSameServers(ctx)
}

// connectNamed connects to a replica that the user named. That it does not replicate from the source at all is an
// error of the request; that it cannot be reached now is a result.
func (r *run) connectNamed(ctx context.Context, m *member, endpoint server.Endpoint) error {
	r.reach(ctx, m, endpoint)
	if m.server == nil || !m.usable() {
		return nil
	}
	same, err := server.SameServer(ctx, r.source, m.server)
	if err != nil {
		m.giveUpFor(ctx, err)
		return nil
	}
	if same {
		return requestErrorf("source %s and replica %s are the same server: comparing it with itself proves nothing", r.source.Address(), m.address)
	}
	err = r.matchChannel(ctx, m)
	if errors.Is(err, replication.ErrNotAReplica) || errors.Is(err, replication.ErrOtherSource) || errors.Is(err, replication.ErrAmbiguousSource) {
		return requestErrorf("replica %s does not belong to source %s: %w", m.address, r.source.Address(), err)
	}
	if err != nil {
		m.giveUpFor(ctx, err)
	}
	return nil
}

// reach opens the replica's server; a failure is noted in the member.
func (r *run) reach(ctx context.Context, m *member, endpoint server.Endpoint) {
	opened, err := server.Open(ctx, endpoint)
	if err != nil {
		m.giveUpFor(ctx, err)
		return
	}
	m.server = opened
	m.result.Identity = opened.Identity()
	if r.source.Identity().Flavor == server.MariaDB && opened.Identity().Flavor == server.MySQL {
		m.giveUp(ReasonServerType, fmt.Sprintf("it is %s %s: MySQL does not replicate from MariaDB sources", opened.Identity().Flavor, opened.Identity().VersionText))
	}
}

// matchChannel finds the channel that comes from the source and checks the account's privileges.
func (r *run) matchChannel(ctx context.Context, m *member) error {
	session, err := m.server.Session(ctx, server.SessionOptions{})
	if err != nil {
		return err
	}
	defer session.Close()
	if err := r.requirePrivileges(ctx, session, server.RoleReplica, m); err != nil || !m.usable() {
		return err
	}
	statuses, err := replication.ReadStatuses(ctx, session)
	if err != nil {
		return err
	}
	if m.status, err = replication.ChannelFrom(statuses, r.source.Identity(), r.source.Endpoint()); err != nil {
		return err
	}
	m.result.Channel = m.status.Channel
	hiding, err := replication.HidingSettings(ctx, session)
	if err != nil {
		return err
	}
	for _, text := range hiding {
		r.warn("%s: %s", m.address, text)
	}
	return nil
}

// reasonOf gives an error of a replica a reason code.
func reasonOf(err error) string {
	var connect *server.ConnectError
	var changed *server.IdentityChangedError
	var unverifiable *syncpoint.Unverifiable
	switch {
	case errors.As(err, &unverifiable):
		return string(unverifiable.Code)
	case errors.As(err, &connect) && connect.Failure == server.ConnectDenied:
		return ReasonAccessDenied
	case errors.As(err, &connect):
		return ReasonUnreachable
	case errors.As(err, &changed):
		return ReasonIdentityChanged
	case errors.Is(err, replication.ErrNotAReplica):
		return ReasonNotAReplica
	case errors.Is(err, replication.ErrOtherSource), errors.Is(err, replication.ErrAmbiguousSource):
		return ReasonOtherSource
	case server.IsAccessDenied(err):
		return ReasonMissingPrivilege
	case server.IsConnectionLost(err):
		return ReasonConnectionLost
	default:
		return ReasonReadError
	}
}

// refuseSameServers makes two addresses of one replica an error: its rows would be counted twice.
func (r *run) refuseSameServers(ctx context.Context) error {
	for i, a := range r.members {
		for _, b := range r.members[:i] {
			if a.server == nil || b.server == nil || !a.usable() || !b.usable() {
				continue
			}
			same, err := server.SameServer(ctx, a.server, b.server)
			if err != nil {
				a.giveUpFor(ctx, err)
				continue
			}
			if same {
				return requestErrorf("replicas %s and %s are the same server", b.address, a.address)
			}
		}
	}
	return nil
}

// discoverReplicas asks the source who replicates from it and connects with the source's credentials.
func (r *run) discoverReplicas(ctx context.Context) error {
	candidates, warnings, err := replication.Discover(ctx, r.control)
	if err != nil {
		return err
	}
	for _, warning := range warnings {
		r.warn("%s", warning)
	}
	if len(candidates) == 0 {
		return fmt.Errorf("%s has no replicas that it knows of (none registered, no connection of a receiver): name them with --replica", r.source.Address())
	}
	r.members = make([]*member, len(candidates))
	var wait sync.WaitGroup
	for i, candidate := range candidates {
		wait.Go(func() { r.members[i] = r.connectCandidate(ctx, candidate) })
	}
	wait.Wait()
	return nil
}

// connectCandidate tries the addresses a discovered replica may have until the server with its id answers.
func (r *run) connectCandidate(ctx context.Context, candidate replication.Candidate) *member {
	var failures []error
	for _, host := range candidate.Hosts {
		address := net.JoinHostPort(host, strconv.Itoa(candidate.Port))
		endpoint := r.request.Source
		endpoint.Network, endpoint.Address = "tcp", address
		m := newMember(address)
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
		if m.usable() {
			if err := r.matchChannel(ctx, m); err != nil {
				m.giveUpFor(ctx, err)
			}
		}
		return m
	}
	m := newMember(fmt.Sprintf("server_id %d", candidate.ServerID))
	if len(candidate.Hosts) > 0 {
		m = newMember(net.JoinHostPort(candidate.Hosts[0], strconv.Itoa(candidate.Port)))
	}
	if ctx.Err() != nil {
		m.giveUpFor(ctx, ctx.Err())
		return m
	}
	m.giveUp(ReasonNotFound, fmt.Sprintf("the source knows a replica with server_id %d (%s), but it was not reached: %v; name it with --replica",
		candidate.ServerID, candidate.How, errors.Join(failures...)))
	return m
}

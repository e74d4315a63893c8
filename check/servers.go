package check

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// member is one replica of a run: its server when it could be reached, and what is known of it so far.
type member struct {
	address string
	server  *server.Server // nil: never reached
	watch   watch
	// strategy is how it is read; under Auto it changes while the check is being planned.
	strategy  Strategy
	clustered bool    // it is a member of the source's own cluster
	back      *string // the channel by which the source replicates from it
	// backUnknown: whether there is one could not be told.
	backUnknown bool
	renames     renames
	result      ReplicaResult

	statuses []replication.Status     // of all its channels
	status   replication.Status       // of the channel from the source, or from upstream
	upstream *member                  // the replica it replicates from; nil: the source
	number   int                      // of the upstream among the members, counted from 1; 0: the source
	logged   replication.BinlogFilter // of its own binary log, where it is an upstream
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
	return syncpoint.Replica{Server: m.server, Channel: m.status.Channel, Upstream: m.number, Strategy: syncpoint.Strategy(m.strategy)}
}

func (r *run) newMember(address string) *member {
	m := newMember(address)
	m.strategy = r.request.Sync.first()
	m.result.Strategy = m.strategy
	return m
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
	r.source, r.watch.server = source, source
	r.result.Source.Identity = source.Identity()
	if r.control, err = source.Session(ctx, server.SessionOptions{Reopens: true}); err != nil {
		return err
	}
	if err := r.requirePrivileges(ctx, r.control, server.RoleSource, nil); err != nil {
		return err
	}
	if r.cluster, err = replication.ClusterOf(ctx, r.control); err != nil {
		return err
	}
	_, err = replication.SourcePosition(ctx, r.control)
	if errors.Is(err, replication.ErrBinlogOff) {
		if r.request.Sync == None {
			return nil
		}
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
		r.members[i] = r.newMember(endpoint.Address)
		wait.Go(func() { errs[i] = r.connectNamed(ctx, r.members[i], endpoint) })
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if r.request.Known {
		return r.linkMembers(ctx, false)
	}
	if err := r.refuseSameServers(ctx); err != nil {
		return err
	}
	return r.linkMembers(ctx, true)
}

// connectNamed connects to a replica that the user named. That it is the source itself is an error of the request; that it
// cannot be reached now is a result.
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
	if err := r.inspect(ctx, m); err != nil {
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
	m.server, m.watch.server = opened, opened
	m.result.Identity = opened.Identity()
	if r.request.Sync != None && r.source.Identity().Flavor == server.MariaDB && opened.Identity().Flavor == server.MySQL {
		m.giveUp(ReasonServerType, fmt.Sprintf("it is %s %s: MySQL does not replicate from MariaDB sources", opened.Identity().Flavor, opened.Identity().VersionText))
	}
}

// inspect checks the account's privileges on a replica and reads its channels and settings.
func (r *run) inspect(ctx context.Context, m *member) error {
	session, err := m.server.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return err
	}
	defer session.Close()
	if err := r.requirePrivileges(ctx, session, server.RoleReplica, m); err != nil || !m.usable() {
		return err
	}
	if r.request.Sync == None {
		return nil // nothing is asked of replication
	}
	if m.statuses, err = replication.ReadStatuses(ctx, session); err != nil {
		return err
	}
	if err := r.meetCluster(ctx, session, m); err != nil || !m.usable() {
		return err
	}
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

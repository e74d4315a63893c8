package repair

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"trueup/check"
	"trueup/replication"
	"trueup/schema"
	"trueup/server"
)

// preflight looks at what stands against writing to a replica, and names it; a replica's refusals keep all of it as it is, a target's
// only that table.
func (r *run) preflight(ctx context.Context, w *work) error {
	if w.looked {
		return nil
	}
	w.looked = true
	on, found := r.prepared.Replica(w.replica)
	if err := r.prepared.Usable(w.replica); err != nil {
		w.refuse(RefusedUnverified, "%v", err)
		return nil
	}
	if found.Strategy != check.Until && r.request.Via == ViaReplica {
		w.refuse(RefusedStrategy, "it was compared by --sync %s: rows are changed only while the applier stands at a position, which takes --sync until", found.Strategy)
		return nil
	}
	session, err := on.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return err
	}
	defer session.Close()
	cluster, err := replication.ClusterOf(ctx, session)
	if err != nil {
		return err
	}
	if cluster.IsMember() {
		w.refuse(RefusedCluster, "it is a member of the %s: members are not changed one by one; rebuild it (SST, clone)", cluster)
		return nil
	}
	grants, err := server.ReadGrants(ctx, session)
	if err != nil {
		return err
	}
	if r.request.Via == ViaReplica {
		if err := refuseUnwritable(ctx, session, grants, w.refuse); err != nil {
			return err
		}
	}
	if err := r.lookDownstream(ctx, session, w); err != nil {
		return err
	}
	if w.links, err = readLinks(ctx, session); err != nil {
		return err
	}
	hidden, err := readHidden(ctx, session, grants, w.links)
	if err != nil {
		return err
	}
	others, err := otherChannels(ctx, session, found.Channel)
	if err != nil {
		return err
	}
	w.targets = slices.DeleteFunc(w.targets, func(t *target) bool {
		t.links = linksOf(w.links, t.there)
		return r.refuseTable(ctx, session, grants, t) || hidden.refuses(t, grants.Account) || r.refuseShared(t, others)
	})
	return nil
}

// otherChannels are those by which a replica gets rows of other sources.
func otherChannels(ctx context.Context, session *server.Session, channel string) ([]replication.Status, error) {
	statuses, err := replication.ReadStatuses(ctx, session)
	return slices.DeleteFunc(statuses, func(s replication.Status) bool { return strings.EqualFold(s.Channel, channel) }), err
}

// refuseShared tells whether a table may hold rows of another source, which this one does not have, and notes it. Whoever names the table
// itself says that it does not.
func (r *run) refuseShared(t *target, others []replication.Status) bool {
	if t.planned.Extra == 0 {
		return false
	}
	for _, other := range others {
		// A rewritten name says nothing about what comes under the name that the table has here.
		if replicated, _ := other.Replicates(t.there.Database, t.there.Table); !replicated && !other.Rewrites() {
			continue
		}
		if r.prepared.Named(t.name) {
			t.note("the replica has another channel, from %s, whose filters let this table through: its rows that this source does not have are taken for extra ones, since the table was named by --tables", other.Address())
			return false
		}
		t.refuse(RefusedOtherSource, t.planned.Total(), "the replica has another channel, from %s, whose filters let this table through: the %d rows that this source does not have may be of that one. Where they are not, name the table: --tables %s.%s",
			other.Address(), t.planned.Extra, t.name.Database, t.name.Table)
		return true
	}
	return false
}

// refuseUnwritable refuses a server on which the account cannot write unlogged.
func refuseUnwritable(ctx context.Context, session *server.Session, grants server.Grants, refuse func(code, format string, args ...any)) error {
	flavor := session.Server().Identity().Flavor
	unlogged, grant := []string{"SUPER", "SYSTEM_VARIABLES_ADMIN", "SESSION_VARIABLES_ADMIN"}, "SESSION_VARIABLES_ADMIN"
	readOnly, past := []string{"SUPER", "CONNECTION_ADMIN"}, "CONNECTION_ADMIN"
	if flavor == server.MariaDB {
		unlogged, grant = []string{"SUPER", "BINLOG ADMIN"}, "BINLOG ADMIN"
		readOnly, past = []string{"SUPER", "READ_ONLY ADMIN", "READ ONLY ADMIN"}, "READ_ONLY ADMIN"
	}
	if flavor == server.MySQL && !session.Server().Identity().Version.AtLeast(8, 0, 0) {
		grant, past = "SUPER", "SUPER"
	}
	if !grants.HasGlobal(unlogged...) {
		refuse(RefusedPrivilege, "the account may not switch off the binary log of its session, which a repair of a replica needs: GRANT %s ON *.* TO %s", grant, grants.Account)
	}
	variables, err := session.Records(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only')")
	if err != nil {
		return err
	}
	for _, variable := range variables {
		on := !strings.EqualFold(variable.Text("Value"), "OFF")
		switch {
		case !on:
		case strings.EqualFold(variable.Text("Variable_name"), "super_read_only"):
			refuse(RefusedReadOnly, "super_read_only is on: nobody can write. Run SET GLOBAL super_read_only = OFF on it, repair, and SET GLOBAL super_read_only = ON; trueup does not change it, since being killed it would leave it so")
		case !grants.HasGlobal(readOnly...):
			refuse(RefusedPrivilege, "read_only is on (%s), and the account may not write all the same: GRANT %s ON *.* TO %s", variable.Text("Value"), past, grants.Account)
		}
	}
	return nil
}

// lookDownstream looks for replicas of the replica: what is repaired unlogged does not reach them.
func (r *run) lookDownstream(ctx context.Context, session *server.Session, w *work) error {
	if r.request.Via == ViaSource {
		return nil
	}
	known := map[uint32]bool{}
	for _, below := range r.prepared.Downstream(w.replica) {
		_, found := r.prepared.Replica(below)
		known[found.Identity.ServerID] = true
	}
	source, _ := r.prepared.Info()
	known[source.Identity.ServerID] = true // dual masters: the source has what is repaired
	candidates, warnings, err := replication.Discover(ctx, session)
	if err != nil {
		if server.IsAccessDenied(err) {
			w.result.Notes = append(w.result.Notes, "whether it has replicas of its own could not be asked, since the account may not ("+err.Error()+"): if it has any, they do not get what is repaired here, and go on differing from the source")
			return nil
		}
		return err
	}
	for _, warning := range warnings {
		w.result.Notes = append(w.result.Notes, "seen as a source of replicas of its own: "+warning)
	}
	var unknown []string
	for _, candidate := range candidates {
		if !known[candidate.ServerID] {
			unknown = append(unknown, fmt.Sprintf("server_id %d at %s", candidate.ServerID, strings.Join(candidate.Addresses(), " or ")))
		}
	}
	slices.Sort(unknown)
	switch {
	case len(unknown) > 0 && !r.request.LeaveDownstream:
		w.refuse(RefusedDownstream, "it has replicas of its own, which do not get what is repaired on it: %s. Name them with --replica, so that they are checked and repaired too, or say --leave-downstream", strings.Join(unknown, ", "))
	case len(unknown) > 0:
		w.result.Notes = append(w.result.Notes, "its own replicas do not get what is repaired here: "+strings.Join(unknown, ", "))
	case len(known) > 1:
		w.result.Notes = append(w.result.Notes, "its own replicas do not get what is repaired here; those of this run are repaired themselves")
	}
	return nil
}

// refuseTable tells whether a table is left as it is, and notes why.
func (r *run) refuseTable(ctx context.Context, session *server.Session, grants server.Grants, t *target) bool {
	rows := t.planned.Total()
	for _, privilege := range []string{"INSERT", "UPDATE", "DELETE"} {
		if r.request.Via == ViaReplica && !grants.HasOnTable(privilege, t.there.Database, t.there.Table) {
			t.refuse(RefusedPrivilege, rows, "the account may not change it: GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", schema.QuoteTable(t.there.Database, t.there.Table), grants.Account)
			return true
		}
	}
	if refused := triggersOf(ctx, session, grants, t.there); refused != nil {
		t.refuse(refused.Code, rows, "%s", refused.Reason)
		return true
	}
	r.noteTable(t)
	return false
}

// triggersOf refuses a table of a replica that has triggers, or may have some; nil: it has none.
func triggersOf(ctx context.Context, session *server.Session, grants server.Grants, there schema.Name) *Refusal {
	refuse := func(code, format string, args ...any) *Refusal {
		return &Refusal{Code: code, Reason: fmt.Sprintf(format, args...)}
	}
	if !grants.HasOnTable("TRIGGER", there.Database, there.Table) {
		return refuse(RefusedPrivilege, "the account does not see whether the table has triggers, which would fire: GRANT TRIGGER ON %s TO %s", schema.QuoteTable(there.Database, there.Table), grants.Account)
	}
	triggers, err := session.Records(ctx, "SHOW TRIGGERS FROM "+schema.QuoteIdentifier(there.Database))
	if err != nil {
		return refuse(RefusedTriggers, "whether it has triggers could not be asked: %v", err)
	}
	for _, trigger := range triggers {
		if strings.EqualFold(trigger.Text("Table"), there.Table) {
			return refuse(RefusedTriggers, "the replica's table has the trigger %s, which would fire for a repair though it does not for replicated rows; drop it for the time of the repair", trigger.Text("Trigger"))
		}
	}
	return nil
}

// noteTable says what is taken care of.
func (r *run) noteTable(t *target) {
	acts := slices.ContainsFunc(t.links.down, func(l link) bool { return l.acts })
	switch {
	case acts:
		t.note("other tables refer to it with ON DELETE or ON UPDATE actions: foreign keys are not checked while it is repaired, so that nothing cascades; no row is left without its parent")
	case t.links.any():
		t.note("it has foreign keys: no row is left without its parent")
	}
	if slices.ContainsFunc(t.replica.Columns, func(c schema.Column) bool { return c.Generated }) {
		t.note("generated columns are not written")
	}
	const share = 3 // one row in so many
	if estimate := t.source.RowsEstimate; estimate > 1000 && t.planned.Total() > estimate/share {
		t.note("about %d%% of its rows differ: loading the table anew may be quicker, and says more about how it came to differ", min(100, 100*t.planned.Total()/estimate))
	}
}

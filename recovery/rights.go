package recovery

import (
	"context"
	"fmt"
	"slices"

	"trueup/repair"
	"trueup/replication"
	"trueup/schema"
	"trueup/server"
)

// maySkip tells why a skip by that method could not be carried out; nil: it could, as far as that is known before.
func (r *run) maySkip(ctx context.Context, method replication.SkipMethod) error {
	var source *server.Session
	if r.source != nil && method == replication.SkipByGTIDPosition {
		var err error
		if source, err = r.source.Session(ctx, server.SessionOptions{Reopens: true}); err != nil {
			return err
		}
		defer source.Close()
	}
	return replication.MaySkip(ctx, r.control, source, r.channel, method)
}

// mayRepair tells why the rows of the transaction could not be repaired after a skip; nil: they could, as far as that is known before.
func (r *run) mayRepair(ctx context.Context, f *failure) error {
	var there []schema.Name
	for _, t := range f.touched.tables.all {
		if t.replica != nil {
			there = append(there, t.there)
		}
	}
	if len(there) == 0 {
		return nil
	}
	return repair.MayRewrite(ctx, r.replica, there)
}

// mayProve tells which privilege the account lacks on the source, without which nothing that was touched could be compared with it afterwards, or repaired from it, and
// the GRANT that gives it; "": none is known. Where the source was not reached, that is said elsewhere.
func (r *run) mayProve(ctx context.Context, f *failure) (missing string, err error) {
	tables := slices.Clone(f.touched.whole)
	for _, t := range f.touched.tables.all {
		tables = append(tables, t.name)
	}
	if r.source == nil || len(tables) == 0 {
		return "", nil
	}
	session, err := r.source.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return "", err
	}
	defer session.Close()
	grants, err := server.ReadGrants(ctx, session)
	if err != nil {
		return "", err
	}
	var databases []string
	readable := true
	for _, name := range tables {
		databases = append(databases, name.Database)
		readable = readable && grants.HasOnTable("SELECT", name.Database, name.Table)
	}
	slices.Sort(databases)
	for _, m := range server.MissingPrivileges(grants, server.RoleSource, slices.Compact(databases)) {
		if !m.Optional && m.Duty != server.DutyFindReplicas && (m.Duty != server.DutyReadRows || !readable) {
			return fmt.Sprintf("%s: %s", r.source.Address(), m), nil
		}
	}
	return "", nil
}

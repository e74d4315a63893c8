package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"trueup/server"
)

// requirePrivileges compares what the account holds with what the check needs on a server. For the source (m is nil)
// a missing privilege is an error; for a replica it makes that replica Unverified.
func (r *run) requirePrivileges(ctx context.Context, session *server.Session, role server.Role, m *member) error {
	grants, err := server.ReadGrants(ctx, session)
	if err != nil {
		return err
	}
	var needed []string
	flavor := session.Server().Identity().Flavor
	for _, missing := range r.missingPrivileges(grants, role, flavor) {
		switch {
		case !r.hasDuty(missing.Duty, flavor, m):
		case missing.Duty == server.DutyFindReplicas && len(r.request.Replicas) > 0:
		case missing.Duty == server.DutyReadRows && r.tablesGranted(grants):
		case missing.Duty == server.DutyPause && r.fallBack(m, Lock, missing.String()):
		case missing.Duty == server.DutyLock && r.request.Sync == Auto:
			r.withoutLock = missing.String()
		case missing.Optional:
			r.warn("%s: %s", session.Server().Address(), missing)
		default:
			needed = append(needed, missing.String())
		}
	}
	switch {
	case len(needed) == 0:
		return nil
	case m != nil:
		m.giveUp(ReasonMissingPrivilege, strings.Join(needed, "; "))
		return nil
	default:
		return fmt.Errorf("%s: the account lacks privileges that a check needs on the source:\n  %s", session.Server().Address(), strings.Join(needed, ";\n  "))
	}
}

// missingPrivileges is what the account lacks for anything that a check may do on a server of that role.
func (r *run) missingPrivileges(grants server.Grants, role server.Role, flavor server.Flavor) []server.MissingPrivilege {
	missing := server.MissingPrivileges(grants, role, r.databasesAsked())
	if role == server.RoleSource && flavor == server.MariaDB && (r.request.Sync == Lock || r.request.Sync == Auto) {
		missing = append(missing, server.MissingLock(grants, r.databasesAsked())...)
	}
	return missing
}

// hasDuty tells whether the check will do on the server what a privilege is for. m is nil for the source.
func (r *run) hasDuty(duty server.Duty, flavor server.Flavor, m *member) bool {
	switch duty {
	case server.DutyPause:
		return m.strategy == Until
	case server.DutyLock:
		return r.request.Sync == Lock || r.request.Sync == Auto || r.request.Sync == Until && flavor == server.MySQL
	case server.DutyStatus, server.DutyPosition:
		return r.request.Sync != None
	case server.DutyBinlogOff:
		return r.request.Sync.first().isSynced()
	default:
		return true
	}
}

// databasesAsked are the databases that the filters name without a wildcard; nil when they can choose others too.
func (r *run) databasesAsked() []string {
	databases := slices.Clone(r.request.Filters.Databases)
	if len(databases) == 0 {
		for _, pattern := range r.request.Filters.Tables {
			database, _, _ := strings.Cut(pattern, ".")
			databases = append(databases, database)
		}
	}
	if slices.ContainsFunc(databases, func(d string) bool { return strings.ContainsAny(d, "*?`") }) {
		return nil
	}
	slices.Sort(databases)
	return slices.Compact(databases)
}

// tablesGranted tells whether every table the filters can choose is named, and may be read by a grant on itself.
func (r *run) tablesGranted(grants server.Grants) bool {
	for _, pattern := range r.request.Filters.Tables {
		database, table, _ := strings.Cut(pattern, ".")
		if strings.ContainsAny(pattern, "*?`") || !grants.HasOnTable("SELECT", database, table) {
			return false
		}
	}
	return len(r.request.Filters.Tables) > 0
}

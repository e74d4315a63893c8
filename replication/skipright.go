package replication

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"trueup/server"
)

// MaySkip tells, before anything is stopped or set, why a skip on that channel could not be carried out: privileges that the account lacks on the replica;
// for SkipByGTIDPosition also what keeps the source from being asked whether it still has what would be read again, or that it has purged that.
// nil: nothing is known that stands against it. Nothing is changed; the sessions are as for Skip.
//
// The error joins one for each reason; that of a missing privilege has the GRANT that gives it. It wraps ErrSourceLogPurged, and ErrCannotSkip without a source.
// Worth a retry is only that of a lost connection, or of ctx.
func MaySkip(ctx context.Context, replica, source *server.Session, channel string, method SkipMethod) error {
	grants, err := server.ReadGrants(ctx, replica)
	if err != nil {
		return fmt.Errorf("reading what the account may do on %s: %w", replica.Server().Address(), err)
	}
	var reasons []error
	refuse := func(may, grant string) {
		reasons = append(reasons, fmt.Errorf("%s: the account may not %s: %s", replica.Server().Address(), may, grant))
	}
	if what, anyOf := settingOf(replica.Server().Identity(), method); what != "" && !grants.HasGlobal(anyOf...) {
		refuse(what, fmt.Sprintf("GRANT %s ON *.* TO %s", anyOf[0], grants.Account))
	}
	if grant := grantFor(grants, server.RoleReplica, server.DutyPause); grant != "" {
		may := "start the applier"
		if method == SkipByGTIDPosition {
			may = "stop and start the channel and set gtid_slave_pos"
		}
		refuse(may, grant)
	}
	if method == SkipByGTIDPosition {
		reasons = append(reasons, maySeeLogs(ctx, replica, source, channel))
	}
	return errors.Join(reasons...)
}

// settingOf is what a method sets, "" for nothing beyond what starting and stopping takes, and the privileges each of which lets it, the least first.
//
// MariaDB manual, "sql_slave_skip_counter": it goes by SUPER on new releases too (seen on 10.11 and 11.8). MySQL manual, "gtid_next",
// "System Variable Privileges".
func settingOf(on server.Identity, method SkipMethod) (what string, anyOf []string) {
	dynamic := on.Flavor == server.MySQL && on.Version.AtLeast(8, 0, 0)
	switch {
	case method == SkipByCounter && dynamic:
		return "set the skip counter", []string{"SYSTEM_VARIABLES_ADMIN", "SUPER"}
	case method == SkipByCounter:
		return "set the skip counter", []string{"SUPER"}
	case method == SkipByEmptyTransaction && dynamic:
		return "take the transaction's GTID", []string{"SESSION_VARIABLES_ADMIN", "SYSTEM_VARIABLES_ADMIN", "REPLICATION_APPLIER", "SUPER"}
	case method == SkipByEmptyTransaction:
		return "take the transaction's GTID", []string{"SUPER"}
	}
	return "", nil
}

// grantFor is the statement that gives an account what it lacks for a duty; "": it lacks nothing.
func grantFor(grants server.Grants, role server.Role, duty server.Duty) string {
	missing := server.MissingPrivileges(grants, role, nil)
	if i := slices.IndexFunc(missing, func(m server.MissingPrivilege) bool { return m.Duty == duty }); i >= 0 {
		return missing[i].GrantStatement
	}
	return ""
}

// maySeeLogs looks whether the source has what would have to be read again.
func maySeeLogs(ctx context.Context, replica, source *server.Session, channel string) error {
	s := &skipper{replica: replica, source: source, terms: termsOf(replica.Server().Identity()), failing: Failing{Channel: channel}}
	err := s.sourceHasLogs(ctx)
	if !server.IsAccessDenied(err) {
		return err
	}
	grants, grantsErr := server.ReadGrants(ctx, source)
	if grantsErr != nil {
		return errors.Join(err, grantsErr)
	}
	grant := grantFor(grants, server.RoleSource, server.DutyPosition)
	return fmt.Errorf("whether the source still has what would be read again is not known: %w; %s", err, grant)
}

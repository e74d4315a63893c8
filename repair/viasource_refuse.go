package repair

import (
	"context"
	"fmt"
	"strings"

	"trueup/check"
	"trueup/replication"
	"trueup/schema"
	"trueup/server"
)

// refuseViaSource refuses where a server would execute the source's statements that is not looked at, or would not execute them as such.
func (r *run) refuseViaSource(ctx context.Context, w *work) (refused bool, err error) {
	session, err := r.prepared.Source().Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return false, err
	}
	defer session.Close()
	why, err := r.whyNotViaSource(ctx, session)
	if err != nil {
		return false, err
	}
	if why != "" {
		w.refuse(RefusedNotStatement, "%s; use --via replica", why)
		return true, nil
	}
	grants, err := server.ReadGrants(ctx, session)
	if err != nil {
		return false, err
	}
	for _, t := range w.targets {
		if err := r.refuseTableViaSource(ctx, grants, t); err != nil {
			return false, err
		}
	}
	return false, nil
}

// whyNotViaSource says why statements must not be written into the source's log; "" where they may. Every server that executes the log
// executes them, so each has to be known, and to have no replicas of its own, which might get rows instead.
func (r *run) whyNotViaSource(ctx context.Context, source *server.Session) (string, error) {
	format, err := source.Records(ctx, "SHOW GLOBAL VARIABLES LIKE 'binlog_format'")
	if err != nil {
		return "", err
	}
	if len(format) == 0 || strings.EqualFold(format[0].Text("Value"), "ROW") {
		return "the source logs rows (binlog_format=ROW): a statement that changes nothing there is not replicated, so that nothing can be repaired through it", nil
	}
	known := map[uint32]bool{}
	for i, found := range r.replicasNow() {
		if err := r.prepared.Usable(i); err != nil {
			return fmt.Sprintf("replica %s would execute the statements as well, and %v", found.Address, err), nil
		}
		if _, below := r.prepared.Upstream(i); below {
			return fmt.Sprintf("replica %s replicates from another replica, which may log rows", found.Address), nil
		}
		known[found.Identity.ServerID] = true
		if why, err := r.isLeaf(ctx, i); err != nil || why != "" {
			return why, err
		}
	}
	candidates, warnings, err := replication.Discover(ctx, source)
	if err != nil {
		return "", fmt.Errorf("asking the source who executes its log: %w", err)
	}
	for _, candidate := range candidates {
		if !known[candidate.ServerID] {
			return fmt.Sprintf("server_id %d at %s would execute the statements as well, and is not part of the run (name it with --replica)", candidate.ServerID, strings.Join(candidate.Addresses(), " or ")), nil
		}
	}
	if len(warnings) > 0 {
		return "somebody may execute the statements who is not part of the run: " + strings.Join(warnings, "; "), nil
	}
	rows, err := r.rowsOnly(ctx)
	if err == nil && rows != "" {
		return fmt.Sprintf("%s takes rows only (REQUIRE_ROW_FORMAT): a replicated statement would stop it", rows), nil
	}
	return "", err
}

// isLeaf says why a replica may have replicas of its own; "" where it has none.
func (r *run) isLeaf(ctx context.Context, i int) (string, error) {
	on, found := r.prepared.Replica(i)
	session, err := on.Session(ctx, server.SessionOptions{Reopens: true})
	if err != nil {
		return "", err
	}
	defer session.Close()
	below, warnings, err := replication.Discover(ctx, session)
	switch {
	case server.IsAccessDenied(err):
		return fmt.Sprintf("whether %s has replicas of its own, which may get rows, could not be asked (%v)", found.Address, err), nil
	case err != nil:
		return "", err
	case len(below) > 0 || len(warnings) > 0:
		return fmt.Sprintf("%s has replicas of its own, which may get rows", found.Address), nil
	}
	return "", nil
}

// refuseTableViaSource refuses a table that statements cannot repair on this replica alone.
func (r *run) refuseTableViaSource(ctx context.Context, grants server.Grants, t *target) error {
	rows := t.planned.Total()
	for _, key := range t.keys {
		if columns, _ := t.columnsOf(key); columns == nil {
			t.refuse(RefusedNotStatement, rows, "its unique key %s is one of expressions: whether a value is taken cannot be asked by a statement; use --via replica", key.Name)
			return nil
		}
	}
	differing := 0
	for _, d := range r.prepared.DifferingTables() {
		if d.Layout.Database == t.name.Database && d.Layout.Table == t.name.Table {
			differing++
		}
	}
	switch {
	case !t.hasKey() || t.compared.Scan:
		t.refuse(RefusedNotStatement, rows, "no key splits it: its rows cannot be locked one by one on the source; use --via replica")
	case differing > 1:
		t.refuse(RefusedNotStatement, rows, "it differs on %d replicas: a statement may change all of them, and only one's rows would be kept for an undo; use --via replica", differing)
	case !grants.HasOnTable("INSERT", t.name.Database, t.name.Table) || !grants.HasOnTable("UPDATE", t.name.Database, t.name.Table) || !grants.HasOnTable("DELETE", t.name.Database, t.name.Table):
		t.refuse(RefusedPrivilege, rows, "the account may not write on the source: GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %s", schema.QuoteTable(t.name.Database, t.name.Table), grants.Account)
	default:
		return r.refuseOnOthers(ctx, t)
	}
	return nil
}

// refuseOnOthers refuses a table that another replica does not have, has under another name, or with triggers.
func (r *run) refuseOnOthers(ctx context.Context, t *target) error {
	for i, found := range r.replicasNow() {
		if r.prepared.NameOn(i, t.name.Database) != t.name.Database {
			t.refuse(RefusedNotStatement, t.planned.Total(), "its database has another name on %s, and statements that name a database are not rewritten; use --via replica", found.Address)
			return nil
		}
		if _, there := r.prepared.Table(i, t.name.Database, t.name.Table); there == nil {
			t.refuse(RefusedNotStatement, t.planned.Total(), "%s does not have the table: a replicated statement would stop it; use --via replica", found.Address)
			return nil
		}
		on, _ := r.prepared.Replica(i)
		session, err := on.Session(ctx, server.SessionOptions{Reopens: true})
		if err != nil {
			return err
		}
		triggers, err := session.Records(ctx, "SHOW TRIGGERS FROM "+schema.QuoteIdentifier(t.name.Database))
		_ = session.Close()
		if err != nil {
			return err
		}
		for _, trigger := range triggers {
			if strings.EqualFold(trigger.Text("Table"), t.name.Table) {
				t.refuse(RefusedTriggers, t.planned.Total(), "on %s the table has the trigger %s, which a replicated statement fires", found.Address, trigger.Text("Trigger"))
				return nil
			}
		}
	}
	return nil
}

// replicasNow are the replicas of the check that is prepared, by their numbers there: the first one may have had others.
func (r *run) replicasNow() []check.ServerInfo {
	_, replicas := r.prepared.Info()
	return replicas
}

// rowsOnly names a replica of the run whose channel refuses statements (MySQL manual, "CHANGE REPLICATION SOURCE TO", REQUIRE_ROW_FORMAT).
func (r *run) rowsOnly(ctx context.Context) (string, error) {
	for i, found := range r.replicasNow() {
		on, _ := r.prepared.Replica(i)
		if on == nil || on.Identity().Flavor != server.MySQL || !on.Identity().Version.AtLeast(8, 0, 19) {
			continue
		}
		session, err := on.Session(ctx, server.SessionOptions{Reopens: true})
		if err != nil {
			return "", err
		}
		records, err := session.Records(ctx, "SELECT CHANNEL_NAME FROM performance_schema.replication_applier_configuration WHERE REQUIRE_ROW_FORMAT = 'YES'")
		_ = session.Close()
		if err != nil {
			return "", err
		}
		if len(records) > 0 {
			return found.Address, nil
		}
	}
	return "", nil
}

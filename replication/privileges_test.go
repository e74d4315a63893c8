package replication

import (
	"context"
	"strings"
	"testing"

	"trueup/internal/sandbox"
	"trueup/internal/sandbox/sandboxtest"
	"trueup/server"
)

// TestMariaDBPrivileges holds the docstrings to what they say is needed: each function works with that
// privilege and is refused with access denied without it.
func TestMariaDBPrivileges(t *testing.T) {
	t.Parallel()
	source := startNode(t, sandbox.Options{Name: "source", ServerID: 41})
	replica := startNode(t, sandbox.Options{Name: "replica", ServerID: 42})
	replica.follow(t, source, "", "d", true)
	tests := []struct {
		name, privilege string // "": none needed
		node
		call func(context.Context, *server.Session) error
	}{
		{"ReadStatuses", "REPLICA MONITOR", replica, func(ctx context.Context, s *server.Session) error { _, err := ReadStatuses(ctx, s); return err }},
		{"StartApplier", "REPLICATION SLAVE ADMIN", replica, func(ctx context.Context, s *server.Session) error { return StartApplier(ctx, s, "") }},
		{"StopApplier", "REPLICATION SLAVE ADMIN", replica, func(ctx context.Context, s *server.Session) error { return StopApplier(ctx, s, "") }},
		{"ExecutedGTID", "", replica, func(ctx context.Context, s *server.Session) error { _, err := ExecutedGTID(ctx, s); return err }},
		{"HidingSettings", "", replica, func(ctx context.Context, s *server.Session) error { _, err := HidingSettings(ctx, s); return err }},
		{"SourcePosition", "BINLOG MONITOR", source, func(ctx context.Context, s *server.Session) error { _, err := SourcePosition(ctx, s); return err }},
		{"SnapshotPosition", "", source, func(ctx context.Context, s *server.Session) error { _, err := SnapshotPosition(ctx, s); return err }},
		{"GTIDAt", "", source, func(ctx context.Context, s *server.Session) error {
			_, err := GTIDAt(ctx, s, Position{"binlog.000001", 4})
			return err
		}},
		{"Discover", "REPLICATION MASTER ADMIN", source, func(ctx context.Context, s *server.Session) error {
			_, _, err := Discover(ctx, s)
			return err
		}},
	}
	for _, test := range tests {
		test.run(t, "CREATE OR REPLACE USER low@'%' IDENTIFIED BY 'low'")
		err := test.call(t.Context(), openAs(t, test.node, "low"))
		if (err == nil) != (test.privilege == "") || err != nil && !server.IsAccessDenied(err) {
			t.Errorf("%s without a privilege: %v", test.name, err)
		}
		if grant := "GRANT SLAVE MONITOR ON *.* TO `low`@`%`"; test.name == "ReadStatuses" && (err == nil || !strings.Contains(err.Error(), grant)) {
			t.Errorf("%s without a privilege does not say what to grant: %v", test.name, err)
		}
		if test.privilege == "" {
			continue
		}
		test.run(t, "GRANT "+test.privilege+" ON *.* TO low@'%'")
		if err := test.call(t.Context(), openAs(t, test.node, "low")); err != nil {
			t.Errorf("%s with %s: %v", test.name, test.privilege, err)
		}
	}
}

// openAs opens a session as an account whose password is its name.
func openAs(t *testing.T, n node, account string) *server.Session {
	t.Helper()
	endpoint := n.AdminEndpoint()
	endpoint.User, endpoint.Password = account, server.Secret(account)
	return sandboxtest.Session(t, endpoint)
}

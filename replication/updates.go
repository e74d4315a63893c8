package replication

import (
	"context"
	"fmt"

	"trueup/server"
)

// LogsUpdates tells whether a server writes what it executes as a replica to its own binary log, so that replicas of its own
// get it. Where it does not, setting says which setting keeps it from that.
func LogsUpdates(ctx context.Context, session *server.Session) (logs bool, setting string, err error) {
	variables, err := globalVariables(ctx, session, "log_bin", "log_slave_updates", "log_replica_updates")
	if err != nil {
		return false, "", fmt.Errorf("reading what the server writes to its binary log: %w", err)
	}
	for _, name := range []string{"log_bin", "log_replica_updates", "log_slave_updates"} {
		if value, known := variables[name]; known && value != "ON" && value != "1" {
			return false, name + "=" + value, nil
		}
	}
	return true, "", nil
}

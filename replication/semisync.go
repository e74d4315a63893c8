package replication

import (
	"context"
	"fmt"
	"slices"

	"trueup/server"
)

// SomeoneWaits tells whether a transaction on the source is in its log and waits for a semi-synchronous replica before it becomes visible.
//
// MySQL manual, "Semisynchronous Replication Monitoring"; https://mariadb.com/kb/en/semisynchronous-replication-plugin-status-variables/
func SomeoneWaits(ctx context.Context, source *server.Session) (bool, error) {
	records, err := source.Records(ctx, "SHOW STATUS LIKE 'Rpl\\_semi\\_sync\\_%\\_wait\\_sessions'")
	if err != nil {
		return false, fmt.Errorf("looking whether a transaction waits for a replica: %w", err)
	}
	// The variables are ..._master_wait_sessions or, on MySQL since 8.0.26, ..._source_wait_sessions.
	return slices.ContainsFunc(records, func(r server.Record) bool { return r.Text("Value") != "0" }), nil
}

package replication

import (
	"context"
	"fmt"
	"strings"

	"trueup/server"
)

// SomeoneWaits tells whether a transaction on the source is in its log and waits for a semi-synchronous replica before it becomes visible.
//
// MySQL manual, "Semisynchronous Replication Monitoring"; https://mariadb.com/kb/en/semisynchronous-replication-plugin-status-variables/
func SomeoneWaits(ctx context.Context, source *server.Session) (bool, error) {
	records, err := source.Records(ctx, "SHOW GLOBAL STATUS LIKE 'Rpl\\_semi\\_sync\\_%\\_wait\\_sessions'")
	if err != nil {
		return false, fmt.Errorf("looking whether a transaction waits for a replica: %w", err)
	}
	for _, record := range records {
		name := strings.ToLower(record.Text("Variable_name"))
		if (strings.Contains(name, "_master_") || strings.Contains(name, "_source_")) && record.Text("Value") != "0" {
			return true, nil
		}
	}
	return false, nil
}

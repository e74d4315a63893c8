package replication

import (
	"context"
	"fmt"
	"strings"

	"trueup/server"
)

// OwnSources says from whom a server that was named as the source replicates itself, as the end of a message: whoever has taken a replica for
// the source sees it there. It is "" where the server replicates from nobody, or that may not be read.
func OwnSources(ctx context.Context, session *server.Session) string {
	statuses, err := ReadStatuses(ctx, session)
	if err != nil || len(statuses) == 0 {
		return ""
	}
	var from []string
	for _, status := range statuses {
		from = append(from, status.Address())
	}
	return fmt.Sprintf(" (%s is itself a replica, of %s: is that the source?)", session.Server().Address(), strings.Join(from, ", "))
}

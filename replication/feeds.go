package replication

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"trueup/server"
)

// Feeds are the channels on which a source itself replicates from others.
type Feeds struct {
	statuses []Status
	denied   error  // the account may not read them
	applied  string // what was applied of others, where they could not be read
}

// ReadFeeds reads on which channels a source replicates. An account of a MariaDB source need not be allowed to: see From.
func ReadFeeds(ctx context.Context, source *server.Session) (Feeds, error) {
	statuses, err := ReadStatuses(ctx, source)
	if !server.IsAccessDenied(err) || source.Server().Identity().Flavor != server.MariaDB {
		return Feeds{statuses: statuses}, err
	}
	applied, gtidErr := ExecutedGTID(ctx, source)
	return Feeds{denied: err, applied: applied}, gtidErr
}

// Any tells whether the source replicates from anybody, as far as it can be told.
func (f Feeds) Any() bool { return len(f.statuses) > 0 || f.denied != nil && f.applied != "" }

// From finds the channel that comes from a server. Where the channels could not be read, a source that has applied none of
// that server's transactions last has none; else it is an error that asks for the privilege.
func (f Feeds) From(origin server.Identity, endpoints ...server.Endpoint) (channel string, found bool, err error) {
	if f.denied != nil {
		for gtid := range strings.SplitSeq(f.applied, ",") {
			if strings.Contains(gtid, fmt.Sprintf("-%d-", origin.ServerID)) {
				return "", false, fmt.Errorf("the source has applied transactions of this server, and the account may not read its channels (GRANT SLAVE MONITOR on the source): %w", f.denied)
			}
		}
		return "", false, nil
	}
	status, err := ChannelFrom(f.statuses, origin, endpoints...)
	if errors.Is(err, ErrNotAReplica) || errors.Is(err, ErrOtherSource) {
		return "", false, nil
	}
	return status.Channel, err == nil, err
}

// Doubt is what to add where transactions of a replica are missing on the source: a source that replicates from anybody may
// be in a ring, and get them yet.
func (f Feeds) Doubt() string {
	if len(f.statuses) == 0 {
		return ""
	}
	return " or, in a ring, still on their way"
}

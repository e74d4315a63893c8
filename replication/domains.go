package replication

import (
	"fmt"
	"strings"

	"trueup/server"
)

// SeveralDomains tells whether the channel's position may be out of date: a MariaDB replica that uses GTID, executes in
// parallel and has several domains begins anew with the oldest relay log whenever its applier is started, and passes over
// what it has executed already without moving its position (seen on 10.11). On a quiet source it stays where the relay log begins.
func (s Status) SeveralDomains() bool {
	return s.UsesGTID && s.Workers > 0 && strings.Contains(s.ExecutedGTID, ",") && !strings.Contains(s.ExecutedGTID, ":")
}

// inferExecuted corrects such a position where all that was received has been executed, as the GTIDs say. The replica's own
// transactions, which come back in a ring, are received and not executed.
func (s *Status) inferExecuted(replica server.Identity) error {
	if !s.SeveralDomains() || s.ReceiverState != Running || s.ReceivedGTID == "" || s.Received.IsZero() || s.Executed.Compare(s.Received) >= 0 {
		return nil
	}
	received, err := ParseGTIDSet(server.MariaDB, WithoutServer(s.ReceivedGTID, replica.ServerID))
	if err != nil {
		return fmt.Errorf("received GTIDs: %w", err)
	}
	executed, err := ParseGTIDSet(server.MariaDB, s.ExecutedGTID)
	if err != nil {
		return fmt.Errorf("executed GTIDs: %w", err)
	}
	// Other channels' domains are among what was received as they were when the receiver connected, and may have moved on.
	if !received.IsEmpty() && executed.Contains(received) {
		s.Executed, s.Inferred = s.Received, true
	}
	return nil
}

// WithoutServer drops from a MariaDB position the GTIDs that a server has given: a replica ignores its own where they come
// back to it, and its position says nothing of them.
func WithoutServer(position string, serverID uint32) string {
	var kept []string
	for _, gtid := range splitList(position) {
		if parts := strings.Split(gtid, "-"); len(parts) != 3 || parts[1] != fmt.Sprint(serverID) {
			kept = append(kept, gtid)
		}
	}
	return strings.Join(kept, ",")
}

package replication

import (
	"fmt"
	"slices"
	"strings"

	"trueup/server"
)

// SeveralDomains tells whether the channel's position says little: a MariaDB replica that uses GTID, executes in
// parallel and has several domains begins anew with the oldest relay log whenever its applier is started, and passes over
// what it has executed already without moving its position (seen on 10.11). On a quiet source it stays where the relay log begins.
// And each domain goes at its own pace: the position is behind the farthest transaction, and others before it, of a domain
// that is slow, may not be executed (seen on 10.11). A domain of which nothing is executed yet counts as soon as it is received.
func (s Status) SeveralDomains() bool {
	return s.UsesGTID && s.Workers > 0 && !strings.Contains(s.ExecutedGTID+s.ReceivedGTID, ":") && s.receivesSeveralDomains()
}

// receivesSeveralDomains tells whether what was executed and what was received are of more than one domain.
func (s Status) receivesSeveralDomains() bool {
	domains := map[string]bool{}
	for _, position := range []string{s.ExecutedGTID, s.ReceivedGTID} {
		for _, gtid := range splitList(position) {
			domain, _, _ := strings.Cut(gtid, "-")
			domains[domain] = true
		}
	}
	return len(domains) > 1
}

// HasExecuted tells by the GTIDs whether a MariaDB replica has executed whatever a position, which is none of an unknown place, holds for it.
func (s Status) HasExecuted(replica server.Identity, position string) (bool, error) {
	wanted, err := ParseGTIDSet(server.MariaDB, s.WithoutIgnored(replica, position))
	if err != nil {
		return false, err
	}
	executed, err := ParseGTIDSet(server.MariaDB, s.ExecutedGTID)
	return err == nil && executed.Contains(wanted), err
}

// WithoutIgnored drops from a MariaDB position what the channel ignores: the GTIDs that the replica has given itself, those of
// IGNORE_SERVER_IDS, and the domains that DO_DOMAIN_IDS and IGNORE_DOMAIN_IDS leave out.
func (s Status) WithoutIgnored(replica server.Identity, position string) string {
	only, without := s.named(doDomain), s.named(ignoreDomain)
	isOf := func(domain string) func(Filter) bool { return func(f Filter) bool { return f.Value == domain } }
	var kept []string
	for _, gtid := range splitList(WithoutServers(position, s.Ignores(replica))) {
		domain, _, _ := strings.Cut(gtid, "-")
		if (len(only) == 0 || slices.ContainsFunc(only, isOf(domain))) && !slices.ContainsFunc(without, isOf(domain)) {
			kept = append(kept, gtid)
		}
	}
	return strings.Join(kept, ",")
}

// inferExecuted corrects such a position where all that was received has been executed, as the GTIDs say. The replica's own
// transactions, which come back in a ring, are received and not executed.
func (s *Status) inferExecuted(replica server.Identity) error {
	if !s.SeveralDomains() || s.ReceiverState != Running || s.ReceivedGTID == "" || s.Received.IsZero() || s.Executed.Compare(s.Received) >= 0 {
		return nil
	}
	received, err := ParseGTIDSet(server.MariaDB, s.WithoutIgnored(replica, s.ReceivedGTID))
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

// WithoutServer is WithoutServers for one server.
func WithoutServer(position string, serverID uint32) string {
	own := fmt.Sprint(serverID)
	return WithoutServers(position, func(id string) bool { return id == own })
}

// WithoutServers drops from a MariaDB position the GTIDs that certain servers have given: a replica ignores its own where they come
// back to it, and those it was told to, and its position says nothing of them.
func WithoutServers(position string, ignored func(serverID string) bool) string {
	var kept []string
	for _, gtid := range splitList(position) {
		if parts := strings.Split(gtid, "-"); len(parts) != 3 || !ignored(parts[1]) {
			kept = append(kept, gtid)
		}
	}
	return strings.Join(kept, ",")
}

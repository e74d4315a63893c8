package replication

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"trueup/server"
)

var (
	// ErrNotAReplica says that a server has no replication channel at all.
	ErrNotAReplica = errors.New("the server is not a replica: it has no replication channel")
	// ErrOtherSource is the class of *OtherSourceError.
	ErrOtherSource = errors.New("the server replicates from another source")
	// ErrAmbiguousSource says that several channels seem to come from the source: on MariaDB, servers with
	// the same server id. Give the servers different ids, or name the source as the channel does.
	ErrAmbiguousSource = errors.New("several channels seem to come from that source")
)

// OtherSourceError says that a replica has channels, but none from the source in question. errors.Is finds
// ErrOtherSource in it.
type OtherSourceError struct {
	Source   server.Identity
	Channels []Status // those that the replica has
}

func (e *OtherSourceError) Error() string {
	var others []string
	for _, c := range e.Channels {
		other := fmt.Sprintf("from %s (%s)", c.Address(), sourceName(c.SourceServerID, c.SourceUUID))
		if c.Channel != "" {
			other += fmt.Sprintf(" on channel %q", c.Channel)
		}
		others = append(others, other)
	}
	return fmt.Sprintf("%v: %s, not from the server with %s", ErrOtherSource, strings.Join(others, ", "),
		sourceName(e.Source.ServerID, mysqlUUID(e.Source)))
}

// Is makes errors.Is(err, ErrOtherSource) true.
func (e *OtherSourceError) Is(target error) bool { return target == ErrOtherSource }

func sourceName(serverID uint32, uuid string) string {
	if serverID == 0 {
		return "its receiver has not reached it yet"
	}
	if uuid != "" {
		return fmt.Sprintf("server_id %d, UUID %s", serverID, uuid)
	}
	return fmt.Sprintf("server_id %d", serverID)
}

// mysqlUUID is the UUID that replication knows the server by; MariaDB's @@server_uid is not that.
func mysqlUUID(identity server.Identity) string {
	if identity.Flavor == server.MySQL {
		return identity.UUID
	}
	return ""
}

// ChannelFrom finds the channel whose source is the given server: by UUID on MySQL, by server id on MariaDB.
// The address counts (that of an endpoint, or the source's own host name and port) where several channels have
// the same source id, and for a channel whose receiver does not run: it may not know its source's id yet, or
// still have the one of a source it followed before. Server ids are a weak proof: servers that nobody gave an id
// all have 1. Whoever needs certainty compares GTIDs as well.
//
// Errors: ErrNotAReplica, *OtherSourceError, ErrAmbiguousSource. None goes away by a retry.
func ChannelFrom(statuses []Status, source server.Identity, endpoints ...server.Endpoint) (Status, error) {
	if len(statuses) == 0 {
		return Status{}, ErrNotAReplica
	}
	var found []Status
	for _, status := range statuses {
		if comesFrom(status, source, endpoints) {
			found = append(found, status)
		}
	}
	if len(found) > 1 {
		found = preferEndpoint(found, endpoints)
	}
	switch len(found) {
	case 0:
		return Status{}, &OtherSourceError{Source: source, Channels: statuses}
	case 1:
		return found[0], nil
	}
	return Status{}, fmt.Errorf("channels %q and %q: %w (server_id %d)", found[0].Channel, found[1].Channel,
		ErrAmbiguousSource, source.ServerID)
}

func comesFrom(status Status, source server.Identity, endpoints []server.Endpoint) bool {
	running := status.ReceiverState == Running
	// CHANGE MASTER to another host forgets the received position but not the old source's id.
	if (running || !status.Received.IsZero()) && sameServer(status, source) {
		return true
	}
	return !running && (isAt(status, endpoints) ||
		strings.EqualFold(status.SourceHost, source.Hostname) && status.SourcePort == source.Port)
}

func sameServer(status Status, source server.Identity) bool {
	if uuid := mysqlUUID(source); uuid != "" && status.SourceUUID != "" {
		return strings.EqualFold(uuid, status.SourceUUID)
	}
	return status.SourceServerID == source.ServerID
}

// preferEndpoint keeps the channels that lead to one of the endpoints, or all of them when none does.
func preferEndpoint(statuses []Status, endpoints []server.Endpoint) []Status {
	var at []Status
	for _, status := range statuses {
		if isAt(status, endpoints) {
			at = append(at, status)
		}
	}
	if len(at) == 0 {
		return statuses
	}
	return at
}

func isAt(status Status, endpoints []server.Endpoint) bool {
	address := net.JoinHostPort(status.SourceHost, strconv.Itoa(status.SourcePort))
	for _, endpoint := range endpoints {
		if endpoint.Network == "tcp" && strings.EqualFold(endpoint.Address, address) {
			return true
		}
	}
	return false
}

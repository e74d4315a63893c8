package replication

import (
	"errors"
	"strings"
	"testing"

	"trueup/server"
)

func TestChannelFrom(t *testing.T) {
	t.Parallel()
	mariadb := server.Identity{Flavor: server.MariaDB, ServerID: 1, UUID: "not-for-replication", Hostname: "db1", Port: 3306}
	mysql := server.Identity{Flavor: server.MySQL, ServerID: 1, UUID: uuidA}
	at := server.Endpoint{Network: "tcp", Address: "10.0.0.1:3306"}
	channel := func(name string, id uint32, uuid, host string) Status {
		state := Running
		if id == 0 {
			state = Connecting
		}
		return Status{Channel: name, ReceiverState: state, SourceServerID: id, SourceUUID: uuid, SourceHost: host, SourcePort: 3306}
	}
	stopped := channel("a", 1, "", "x")
	stopped.ReceiverState, stopped.Received = Stopped, Position{"binlog.000001", 4}
	repointed := channel("a", 1, "", "x") // by CHANGE MASTER, and not started since
	repointed.ReceiverState = Stopped
	returning := channel("a", 7, "", "10.0.0.1")
	returning.ReceiverState = Stopped
	tests := []struct {
		name     string
		source   server.Identity
		statuses []Status
		want     string
		err      error
	}{
		{"no channel", mariadb, nil, "", ErrNotAReplica},
		{"by server id", mariadb, []Status{channel("a", 2, "", "h"), channel("b", 1, "", "h")}, "b", nil},
		{"other server id at the same address", mariadb, []Status{channel("a", 2, "", "10.0.0.1")}, "", ErrOtherSource},
		{"equal server ids, told apart by address", mariadb, []Status{channel("a", 1, "", "10.0.0.2"), channel("b", 1, "", "10.0.0.1")}, "b", nil},
		{"equal server ids, addresses no help", mariadb, []Status{channel("a", 1, "", "x"), channel("b", 1, "", "y")}, "", ErrAmbiguousSource},
		{"never connected, by endpoint", mariadb, []Status{channel("a", 0, "", "10.0.0.1")}, "a", nil},
		{"never connected, by host name", mariadb, []Status{channel("a", 0, "", "DB1")}, "a", nil},
		{"never connected, other address", mariadb, []Status{channel("a", 0, "", "10.0.0.9")}, "", ErrOtherSource},
		{"receiver stopped", mariadb, []Status{stopped}, "a", nil},
		{"repointed to another server", mariadb, []Status{repointed}, "", ErrOtherSource},
		{"repointed to this server", mariadb, []Status{returning}, "a", nil},
		{"by UUID", mysql, []Status{channel("a", 1, uuidB, "h"), channel("b", 9, strings.ToUpper(uuidA), "h")}, "b", nil},
		{"other UUID, same server id", mysql, []Status{channel("a", 1, uuidB, "10.0.0.1")}, "", ErrOtherSource},
		{"no UUID told, by server id", mysql, []Status{channel("a", 1, "", "h")}, "a", nil},
	}
	for _, test := range tests {
		got, err := ChannelFrom(test.statuses, test.source, at)
		if got.Channel != test.want || !errors.Is(err, test.err) {
			t.Errorf("%s: %q, %v", test.name, got.Channel, err)
		}
	}
}

func TestOtherSourceErrorNamesTheOthers(t *testing.T) {
	t.Parallel()
	_, err := ChannelFrom([]Status{
		{Channel: "east", SourceHost: "h1", SourcePort: 1, SourceServerID: 5},
		{SourceHost: "h2", SourcePort: 2},
	}, server.Identity{Flavor: server.MariaDB, ServerID: 1, Hostname: "db1", Port: 3306})
	var other *OtherSourceError
	if !errors.As(err, &other) || len(other.Channels) != 2 {
		t.Fatalf("%v", err)
	}
	for _, part := range []string{"not from the server with server_id 1", `from h1:1 (server_id 5) on channel "east"`, "from h2:2 (its receiver has not reached it yet)"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %q", err, part)
		}
	}
}

package replication

import (
	"reflect"
	"testing"

	"trueup/server"
)

func TestClientHost(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"10.0.0.2:41124": "10.0.0.2", "db2.example:41124": "db2.example", "localhost": "localhost",
		"::1:41124": "::1", "fd00::2:41124": "fd00::2", "[fd00::2]:41124": "fd00::2", "": "",
	} {
		if got := clientHost(address); got != want {
			t.Errorf("%q: %q", address, got)
		}
	}
}

func TestReachableHosts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		source server.Endpoint
		want   []string
	}{
		{server.Endpoint{Network: "tcp", Address: "db1:3306"}, []string{"10.0.0.2", "db1", "replica"}},
		{server.Endpoint{Network: "unix", Address: "/run/s"}, []string{"10.0.0.2", "127.0.0.1", "replica"}},
	}
	for _, test := range tests {
		got := reachableHosts([]string{"10.0.0.2", "localhost", "127.0.0.1", "::1", "replica", "10.0.0.2"}, test.source)
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v: %v", test.source.Address, got)
		}
	}
}

func TestCandidateFrom(t *testing.T) {
	t.Parallel()
	source := server.Endpoint{Network: "tcp", Address: "db1:3306"}
	tests := []struct {
		row  fakeRow
		want Candidate
	}{
		{fakeRow{"Server_id": "3", "Host": "db3", "Port": "3310", "Master_id": "1"},
			Candidate{ServerID: 3, Host: "db3", Port: 3310, How: Registered, Hosts: []string{"db3"}}},
		{fakeRow{"Server_Id": "3", "Host": "", "Port": "3310", "Source_Id": "1", "Replica_UUID": uuidA},
			Candidate{ServerID: 3, UUID: uuidA, Host: "h1", Port: 3310, How: DumpThread, Hosts: []string{"h1", "h2"}}},
		{fakeRow{"Server_id": "3", "Host": "127.0.0.1", "Port": "3310"},
			Candidate{ServerID: 3, Host: "db1", Port: 3310, How: Registered, Hosts: []string{"db1", "h1", "h2"}}},
	}
	for _, test := range tests {
		got, err := candidateFrom(test.row, []string{"h1", "h2"}, source)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v: %+v, %v", test.row, got, err)
		}
	}
	if _, err := candidateFrom(fakeRow{"Port": "x"}, nil, source); err == nil {
		t.Error("no error for a bad port")
	}
}

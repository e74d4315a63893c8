package replication

import (
	"testing"

	"trueup/server"
)

func TestInferExecuted(t *testing.T) {
	t.Parallel()
	old, end := Position{File: "f.000001", Offset: 325}, Position{File: "f.000001", Offset: 9000}
	stale := Status{UsesGTID: true, Workers: 4, ReceiverState: Running, Received: end, Executed: old,
		ReceivedGTID: "0-1-10,1-1-20", ExecutedGTID: "0-1-10,1-1-20"}
	changed := func(change func(*Status)) Status {
		status := stale
		change(&status)
		return status
	}
	for name, test := range map[string]struct {
		status Status
		want   Position
	}{
		"all that was received is executed":   {stale, end},
		"another channel's domain went on":    {changed(func(s *Status) { s.ExecutedGTID = "0-1-10,1-1-27" }), end},
		"the replica's own comes back":        {changed(func(s *Status) { s.ReceivedGTID += ",2-9-3" }), end},
		"one domain is behind":                {changed(func(s *Status) { s.ExecutedGTID = "0-1-10,1-1-19" }), old},
		"one domain is missing":               {changed(func(s *Status) { s.ReceivedGTID += ",2-1-1" }), old},
		"one domain only":                     {changed(func(s *Status) { s.ReceivedGTID, s.ExecutedGTID = "0-1-10", "0-1-10" }), old},
		"one applier only":                    {changed(func(s *Status) { s.Workers = 0 }), old},
		"by file and position":                {changed(func(s *Status) { s.UsesGTID = false }), old},
		"the receiver is not connected":       {changed(func(s *Status) { s.ReceiverState = Connecting }), old},
		"nothing received but its own":        {changed(func(s *Status) { s.ReceivedGTID = "2-9-3" }), old},
		"the position is beyond what is said": {changed(func(s *Status) { s.Received = old; s.Executed = end }), end},
	} {
		status := test.status
		err := status.inferExecuted(server.Identity{Flavor: server.MariaDB, ServerID: 9})
		if err != nil || status.Executed != test.want || status.Inferred != (test.want == end && test.status.Executed == old) {
			t.Errorf("%s: %s, inferred %v, %v", name, status.Executed, status.Inferred, err)
		}
	}
}

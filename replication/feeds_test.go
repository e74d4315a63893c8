package replication

import (
	"errors"
	"testing"

	"trueup/server"
)

func TestFeedsFrom(t *testing.T) {
	t.Parallel()
	replica := server.Identity{Flavor: server.MariaDB, ServerID: 2}
	own := Status{Channel: "back", ReceiverState: Running, SourceServerID: 2, Received: Position{File: "f.000001", Offset: 4}}
	other := Status{Channel: "other", ReceiverState: Running, SourceServerID: 22, Received: Position{File: "f.000001", Offset: 4}}
	denied := errors.New("access denied")
	for name, test := range map[string]struct {
		feeds   Feeds
		channel string
		found   bool
		err     bool
	}{
		"no replica":                   {Feeds{}, "", false, false},
		"from others":                  {Feeds{statuses: []Status{other}}, "", false, false},
		"from it":                      {Feeds{statuses: []Status{other, own}}, "back", true, false},
		"from it, twice":               {Feeds{statuses: []Status{own, own}}, "", false, true},
		"unknown, applied none of its": {Feeds{denied: denied, applied: "0-22-2,2-12-2"}, "", false, false},
		"unknown, applied nothing":     {Feeds{denied: denied}, "", false, false},
		"unknown, applied its":         {Feeds{denied: denied, applied: "0-22-2,1-2-7"}, "", false, true},
	} {
		channel, found, err := test.feeds.From(replica)
		if channel != test.channel || found != test.found || (err != nil) != test.err {
			t.Errorf("%s: %q, %v, %v", name, channel, found, err)
		}
	}
}

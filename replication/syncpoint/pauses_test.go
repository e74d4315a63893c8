package syncpoint

import (
	"context"
	"sync"
	"testing"
	"time"

	"trueup/server"
)

func TestPauses(t *testing.T) {
	t.Parallel()
	var p Pauses
	if !p.Wait(t.Context(), 0) {
		t.Error("nobody is paused")
	}
	p.begin()
	p.begin()
	p.end()
	if p.Wait(t.Context(), time.Millisecond) {
		t.Error("one is still paused")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if p.Wait(ended, time.Hour) {
		t.Error("waited beyond the end of its context")
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if !p.Wait(t.Context(), time.Minute) {
				t.Error("the last pause ended")
			}
		})
	}
	p.end()
	group.Wait()
	p.begin() // it can be used again
	if p.Wait(t.Context(), time.Millisecond) {
		t.Error("paused again")
	}
	p.end()
	if !p.Wait(t.Context(), 0) {
		t.Error("nobody is paused any more")
	}
}

func TestHistories(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		source, replica string
		agree           bool
	}{
		{"0-1-5", "0-1-5", true},
		{"0-1-5", "0-1-6", false},
		{"0-1-5", "0-2-5", false},
		{"0-1-5,1-1-7", "1-1-7", true}, // domain 0 ended before the replica was filled from a copy
		{"0-1-5,1-1-7", "1-1-8", false},
		{"0-1-5", "0-1-5,2-9-9", true}, // another channel's
		{"0-1-5", "", true},
		{"", "0-1-5", true},
		{"", "", true},
	} {
		if agree, err := histories(server.MariaDB, test.source, test.replica); err != nil || agree != test.agree {
			t.Errorf("source %q, replica %q: %v, %v", test.source, test.replica, agree, err)
		}
	}
	if _, err := histories(server.MariaDB, "0-1-x", "0-1-5"); err == nil {
		t.Error("a GTID that is none")
	}
}

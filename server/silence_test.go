package server

import (
	"testing"
	"time"
)

// TestSilenceIsJudgedByWhatIsSeenNow: how long a statement has been executing before says nothing of how long a server cannot be reached.
func TestSilenceIsJudgedByWhatIsSeenNow(t *testing.T) {
	const patience = time.Second
	now := time.Now()
	s := silence{since: now.Add(-time.Hour)}
	type look struct {
		at    time.Duration
		found doing
		lost  bool
	}
	for i, l := range []look{
		{0, executing, false}, {1 * patience, executing, false},
		{2 * patience, unreachable, false}, {7 * patience, unreachable, false}, {8 * patience, unreachable, true},
		{9 * patience, executing, false}, {10 * patience, waiting, false}, {11 * patience, waiting, false}, {12 * patience, executing, false},
		{13 * patience, waiting, false}, {14 * patience, stuck, false}, {15 * patience, waiting, false}, {16 * patience, waiting, false},
		{17 * patience, waiting, true}, {18 * patience, gone, false}, {19 * patience, gone, false}, {20 * patience, gone, true},
		{21 * patience, unknown, false}, {90 * patience, unknown, false},
	} {
		at := now.Add(l.at)
		if got := s.see(l.found, at, at, patience); got != l.lost {
			t.Errorf("look %d at %v: lost %v, want %v", i, l.at, got, l.lost)
		}
	}
}

func TestDoingOfProcessList(t *testing.T) {
	for _, c := range []struct {
		command, state string
		want           doing
	}{
		{"Sleep", "", waiting}, {"Query", "executing", executing}, {"Execute", "Sending data", executing}, {"Execute", "Writing to net", stuck},
		{"Execute", "Sending to client", stuck}, {"Query", "User sleep", executing}, {"Query", "Waiting for table metadata lock", executing},
		{"Killed", "", executing},
	} {
		if got := doingOf(c.command, c.state); got != c.want {
			t.Errorf("%s %q: %v, want %v", c.command, c.state, got, c.want)
		}
	}
}

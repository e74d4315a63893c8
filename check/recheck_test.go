package check

import (
	"testing"
	"time"

	"trueup/checksum"
)

// TestSuspects: a row is proven to differ after two calm rounds or after many, never by one that changed meanwhile, and only once a
// transaction that is in the log must be visible.
func TestSuspects(t *testing.T) {
	t.Parallel()
	differs := func(source, replica uint64) checksum.Sums {
		return checksum.Sums{Source: source, Replica: replica, OnSource: true, OnReplica: true}
	}
	type reading struct {
		found map[string]checksum.Sums
		calm  bool
	}
	same := map[string]checksum.Sums{"k": differs(1, 2)}
	repeat := func(r reading, n int) (rounds []reading) {
		for range n {
			rounds = append(rounds, r)
		}
		return rounds
	}
	for name, c := range map[string]struct {
		rounds []reading
		step   time.Duration
		proven bool
		gone   bool
	}{
		"two calm rounds":                      {rounds: repeat(reading{same, true}, 2), step: time.Second, proven: true},
		"one calm round":                       {rounds: repeat(reading{same, true}, 1), step: time.Second},
		"two calm rounds, too soon":            {rounds: repeat(reading{same, true}, 2), step: time.Millisecond},
		"a calm round, a change, a calm round": {rounds: []reading{{same, true}, {same, false}, {same, true}}, step: time.Second},
		"busy rounds":                          {rounds: repeat(reading{same, false}, manyRounds-2), step: time.Second},
		"many busy rounds":                     {rounds: repeat(reading{same, false}, manyRounds), step: time.Second, proven: true},
		"other values in between":              {rounds: append(repeat(reading{same, false}, manyRounds-2), reading{map[string]checksum.Sums{"k": differs(1, 3)}, false}), step: time.Second},
		"equal in between":                     {rounds: []reading{{same, true}, {nil, true}, {same, true}, {same, true}}, step: time.Second, gone: true},
		"two calm rounds with other values":    {rounds: []reading{{same, true}, {map[string]checksum.Sums{"k": differs(2, 1)}, true}}, step: time.Second},
	} {
		now := time.Now().Add(-time.Duration(len(c.rounds)) * c.step)
		still := suspects{"k": {sums: differs(1, 2), since: now, rounds: 1}}
		for _, r := range c.rounds {
			now = now.Add(c.step)
			still.see(r.found, round{counts: true, calm: r.calm}, now)
		}
		suspect, found := still["k"]
		if found == c.gone || found && suspect.isProven(now) != c.proven {
			t.Errorf("%s: still suspected %v, proven %v", name, found, found && suspect.isProven(now))
		}
	}
}

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
	const visible = 100 * time.Millisecond
	differs := func(source, replica uint64) checksum.Sums {
		return checksum.Sums{Source: source, Replica: replica, OnSource: true, OnReplica: true}
	}
	type round struct {
		found map[string]checksum.Sums
		calm  bool
	}
	same := map[string]checksum.Sums{"k": differs(1, 2)}
	repeat := func(r round, n int) (rounds []round) {
		for range n {
			rounds = append(rounds, r)
		}
		return rounds
	}
	for name, c := range map[string]struct {
		rounds []round
		step   time.Duration
		proven bool
		gone   bool
	}{
		"two calm rounds":                      {rounds: repeat(round{same, true}, 2), step: time.Second, proven: true},
		"one calm round":                       {rounds: repeat(round{same, true}, 1), step: time.Second},
		"two calm rounds, too soon":            {rounds: repeat(round{same, true}, 2), step: time.Millisecond},
		"a calm round, a change, a calm round": {rounds: []round{{same, true}, {same, false}, {same, true}}, step: time.Second},
		"busy rounds":                          {rounds: repeat(round{same, false}, manyRounds-2), step: time.Second},
		"many busy rounds":                     {rounds: repeat(round{same, false}, manyRounds), step: time.Second, proven: true},
		"other values in between":              {rounds: append(repeat(round{same, false}, manyRounds-2), round{map[string]checksum.Sums{"k": differs(1, 3)}, false}), step: time.Second},
		"equal in between":                     {rounds: []round{{same, true}, {nil, true}, {same, true}, {same, true}}, step: time.Second, gone: true},
		"two calm rounds with other values":    {rounds: []round{{same, true}, {map[string]checksum.Sums{"k": differs(2, 1)}, true}}, step: time.Second},
	} {
		now := time.Now().Add(-time.Duration(len(c.rounds)) * c.step)
		still := suspects{"k": {sums: differs(1, 2), since: now, rounds: 1}}
		for _, r := range c.rounds {
			now = now.Add(c.step)
			still.see(r.found, r.calm, now)
		}
		suspect, found := still["k"]
		if found == c.gone || found && suspect.isProven(now, visible) != c.proven {
			t.Errorf("%s: still suspected %v, proven %v", name, found, found && suspect.isProven(now, visible))
		}
	}
}

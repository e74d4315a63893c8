package replication

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPositionCompare(t *testing.T) {
	t.Parallel()
	ordered := []Position{
		{},
		{"binlog.000001", 4},
		{"binlog.000001", 1000},
		{"binlog.000002", 4},
		{"binlog.000010", 4},
		{"binlog.999999", 99},
		{"binlog.1000000", 4},
		{"binlog.99999999999999999999999", 4},
		{"binlog.100000000000000000000000", 4},
		{"log-2-bin.000001", 4},
	}
	for i, a := range ordered {
		for j, b := range ordered {
			if got, want := sign(a.Compare(b)), sign(i-j); got != want {
				t.Errorf("%v.Compare(%v) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

func TestPositionString(t *testing.T) {
	t.Parallel()
	if got := (Position{"binlog.000007", 42}).String(); got != "binlog.000007:42" {
		t.Error(got)
	}
	if got := (Position{}).String(); got != "" {
		t.Errorf("%q", got)
	}
	if (Position{"binlog.000007", 0}).IsZero() || !(Position{}).IsZero() {
		t.Error("IsZero")
	}
}

func positions() *rapid.Generator[Position] {
	return rapid.Custom(func(t *rapid.T) Position {
		base := rapid.SampledFrom([]string{"a.", "b.", "a", ""}).Draw(t, "base")
		width := rapid.IntRange(1, 7).Draw(t, "width")
		number := rapid.Uint64Range(0, 1000).Draw(t, "number")
		return Position{File: fmt.Sprintf("%s%0*d", base, width, number), Offset: rapid.Uint64Range(0, 3).Draw(t, "offset")}
	})
}

// Compare is a total order that agrees with ==, or sorting by it would lose or repeat positions.
func TestPositionOrderIsTotal(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := positions().Draw(t, "a"), positions().Draw(t, "b"), positions().Draw(t, "c")
		if (a.Compare(b) == 0) != (a == b) {
			t.Fatalf("%v and %v: Compare %d", a, b, a.Compare(b))
		}
		if sign(a.Compare(b)) != -sign(b.Compare(a)) {
			t.Fatalf("%v and %v: not antisymmetric", a, b)
		}
		sorted := []Position{a, b, c}
		slices.SortFunc(sorted, Position.Compare)
		if sorted[0].Compare(sorted[2]) > 0 {
			t.Fatalf("not transitive: %v", sorted)
		}
	})
}

// Within one log, files order by their numbers and then offsets, however many digits the server prints.
func TestPositionOrderByNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) (uint64, uint64, Position) {
			n, o := rapid.Uint64Range(1, 20_000_000).Draw(t, name), rapid.Uint64().Draw(t, name+" offset")
			return n, o, Position{File: fmt.Sprintf("binlog.%06d", n), Offset: o}
		}
		n1, o1, p1 := draw("a")
		n2, o2, p2 := draw("b")
		before := n1 < n2 || n1 == n2 && o1 < o2
		if (p1.Compare(p2) < 0) != before {
			t.Fatalf("%v, %v", p1, p2)
		}
	})
}

package chunker

import (
	"testing"

	"pgregory.net/rapid"
)

func intRange(lower, upper *int64) Range {
	var r Range
	if lower != nil {
		r.Lower = []Value{{*lower}}
	}
	if upper != nil {
		r.Upper = []Value{{*upper}}
	}
	return r
}

// chunksOver makes the chunks that a splitter would make with these bounds.
func chunksOver(bounds []int64) []Chunk {
	var chunks []Chunk
	var lower *int64
	for i := range bounds {
		chunks = append(chunks, Chunk{Range: intRange(lower, &bounds[i]), Index: i})
		lower = &bounds[i]
	}
	return append(chunks, Chunk{Range: intRange(lower, nil), Index: len(bounds)})
}

func TestCoverageOfAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		chunks := chunksOver(rapid.SliceOfN(rapid.Int64(), 0, 30).Draw(t, "bounds"))
		order := rapid.Permutation(chunks).Draw(t, "order")
		var coverage Coverage
		for i, chunk := range order {
			if coverage.Complete() == nil {
				t.Fatalf("complete after %d of %d chunks", i, len(order))
			}
			if err := coverage.Add(chunk); err != nil {
				t.Fatal(err)
			}
		}
		if err := coverage.Complete(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCoverageFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		chunks := chunksOver(rapid.SliceOfN(rapid.Int64(), 0, 30).Draw(t, "bounds"))
		left := rapid.IntRange(0, len(chunks)-1).Draw(t, "left out")
		var coverage Coverage
		for i, chunk := range chunks {
			if i == left {
				continue
			}
			if err := coverage.Add(chunk); err != nil {
				t.Fatal(err)
			}
		}
		if coverage.Complete() == nil {
			t.Fatalf("complete without chunk %d of %d", left, len(chunks))
		}
	})
}

func TestCoverageRefusesWhatDoesNotJoin(t *testing.T) {
	t.Parallel()
	one, two, three := int64(1), int64(2), int64(3)
	for name, chunks := range map[string][]Chunk{
		"gap":                         {{Range: intRange(nil, &one)}, {Range: intRange(&two, nil), Index: 1}},
		"overlap":                     {{Range: intRange(nil, &two)}, {Range: intRange(&one, nil), Index: 1}},
		"first does not begin at −∞":  {{Range: intRange(&one, nil)}},
		"one after the last":          {{Range: intRange(nil, nil)}, {Range: intRange(&three, nil), Index: 1}},
		"same chunk twice":            {{Range: intRange(nil, &one)}, {Range: intRange(nil, &one)}},
		"second begins at −∞ as well": {{Range: intRange(nil, &one)}, {Range: intRange(nil, nil), Index: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var coverage Coverage
			var err error
			for _, chunk := range chunks {
				if e := coverage.Add(chunk); e != nil {
					err = e
				}
			}
			if err == nil {
				t.Errorf("no error for %s", name)
			}
		})
	}
}

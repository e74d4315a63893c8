package checksum

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func listOf(rows map[string]uint64) *rowList {
	var keys []string
	for key := range rows {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	list := &rowList{}
	for _, key := range keys {
		list.keys = append(list.keys, key...)
		list.ends = append(list.ends, len(list.keys))
		list.sums = append(list.sums, rows[key])
	}
	return list
}

// TestMatchByBytes compares with what maps say.
func TestMatchByBytes(t *testing.T) {
	t.Parallel()
	rows := rapid.MapOfN(rapid.StringMatching(`[ab]{1,3}`), rapid.Uint64Range(0, 2), 0, 12)
	rapid.Check(t, func(t *rapid.T) {
		source, replica := rows.Draw(t, "source"), rows.Draw(t, "replica")
		sourceList, replicaList := listOf(source), listOf(replica)
		delta := matchByBytes(sourceList, replicaList)
		var got, want []string
		for _, i := range delta.Missing {
			got = append(got, "missing "+string(sourceList.key(i)))
		}
		for _, j := range delta.Extra {
			got = append(got, "extra "+string(replicaList.key(j)))
		}
		for _, p := range delta.Changed {
			got = append(got, fmt.Sprintf("changed %s %s", sourceList.key(p.Source), replicaList.key(p.Replica)))
		}
		for key, sum := range source {
			other, found := replica[key]
			switch {
			case !found:
				want = append(want, "missing "+key)
			case other != sum:
				want = append(want, fmt.Sprintf("changed %s %s", key, key))
			}
		}
		for key := range replica {
			if _, found := source[key]; !found {
				want = append(want, "extra "+key)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestPairUp(t *testing.T) {
	t.Parallel()
	delta := Delta{Missing: []int{1, 4, 7}, Extra: []int{2, 5}, Changed: []Pair{{Source: 3, Replica: 3}}}
	want := Delta{Missing: []int{4}, Extra: nil, Changed: []Pair{{1, 5}, {3, 3}, {7, 2}}}
	if got := delta.pairUp(map[int]int{1: 5, 7: 2}, false); !reflect.DeepEqual(got, want) {
		t.Errorf("pairUp = %+v, want %+v", got, want)
	}
	if got := delta.pairUp(map[int]int{5: 1, 2: 7}, true); !reflect.DeepEqual(got, want) {
		t.Errorf("pairUp swapped = %+v, want %+v", got, want)
	}
}

func TestDigestsOfUnlikeAlgorithms(t *testing.T) {
	t.Parallel()
	a := Digest{Algorithm: RowsXXH64, Rows: 1}
	if _, err := a.Equal(Digest{Algorithm: "other", Rows: 1}); err == nil {
		t.Error("digests of unlike algorithms were compared")
	}
	if equal, err := a.Equal(Digest{Algorithm: RowsXXH64, Rows: 2}); err != nil || equal {
		t.Errorf("Equal = %v, %v for unlike numbers of rows", equal, err)
	}
}

// TestDigestIsOrderedAndNotLinear: what BIT_XOR(CRC32(row)) cannot see.
func TestDigestIsOrderedAndNotLinear(t *testing.T) {
	t.Parallel()
	digest := func(rows ...string) Digest {
		var h chunkHasher
		h.reset()
		for _, row := range rows {
			h.add([]byte(row))
		}
		return h.digest()
	}
	base := digest("1a", "2b", "3b")
	for _, other := range []Digest{digest("1b", "2a", "3b"), digest("2b", "1a", "3b"), digest("1a", "2b", "3b", "4c", "4c"), digest("1b", "2b", "3a")} {
		if base.Sum == other.Sum {
			t.Errorf("digests collide: %+v", other)
		}
	}
}

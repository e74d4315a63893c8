package checksum

import "testing"

// TestMultisetSeesPairs: rows that are there twice cancel in an XOR, {1,1} against {2,2}.
func TestMultisetSeesPairs(t *testing.T) {
	t.Parallel()
	one, two := rowHash{key: 7, row: [2]uint64{1, 10}}, rowHash{key: 7, row: [2]uint64{2, 20}}
	var a, b multiset
	for range 2 {
		a.partitions[0].add(one)
		b.partitions[0].add(two)
	}
	if a.partitions == b.partitions || a.digest() == b.digest() {
		t.Errorf("the pairs cancelled: %+v, %+v", a.digest(), b.digest())
	}
	var apart, other multiset // the same in two partitions
	for i := range 2 {
		apart.partitions[i].add(one)
		other.partitions[i].add(two)
	}
	if apart.digest() == other.digest() {
		t.Errorf("the partitions cancelled: %+v", apart.digest())
	}
}

// TestMultisetComparesAllOfAPartition: partitions that differ in one sum alone, or in their number of rows, are looked at
// again. Real hashes do that as good as never, which is why no test on rows would notice.
func TestMultisetComparesAllOfAPartition(t *testing.T) {
	t.Parallel()
	const place = 4711
	for name, change := range map[string]func(*partition){
		"rows":   func(p *partition) { p.rows++ },
		"first":  func(p *partition) { p.sum[0]++ },
		"second": func(p *partition) { p.sum[1]++ },
	} {
		var a, b multiset
		change(&b.partitions[place])
		var set partitionSet
		if portion(&a, &b, 0, 1, &set); !set.has(place) {
			t.Errorf("a partition that differs in %s is passed over", name)
		}
		if a.digest() == b.digest() {
			t.Errorf("tables that differ in %s have one digest", name)
		}
	}
}

//go:build mutation

package mutation

// digestMutants break what is digested of a row, how rows are digested, and how they are compared.
var digestMutants = []mutant{
	{
		name: "values without their length", file: "checksum/encode.go",
		edits: []edit{{`return binary.AppendUvarint(append(dst, tag), uint64(size))`, `return append(dst, tag)`}},
		guard: guard{"./checksum", "FuzzRowsEncodeInjectively|FuzzNoValueBeginsAnother"},
	},
	{
		name: "length in one byte", file: "checksum/encode.go",
		edits: []edit{{`return binary.AppendUvarint(append(dst, tag), uint64(size))`, `return append(dst, tag, byte(size))`}},
		guard: guard{"./checksum", "FuzzRowsEncodeInjectively"},
	},
	{
		name: "NULL encoded like the empty text", file: "checksum/encode.go",
		edits: []edit{{`return append(dst, tagNull), nil`, `return appendSize(dst, tagText, 0), nil`}},
		guard: guard{"./checksum", "TestWhatOtherCheckersConfuse"},
	},
	{
		name: "sign of integers lost", file: "checksum/encode.go",
		edits: []edit{{`append(dst, tagNegative), uint64(v))`, `append(dst, tagUint), uint64(v))`}},
		guard: guard{"./checksum", "TestUnsignedIntegersAreOneFamily"},
	},
	{
		name: "-0.0 is 0", file: "checksum/encode.go",
		edits: []edit{{`math.Float64bits(field.Double())), nil`, `math.Float64bits(field.Double()+0)), nil`}},
		guard: guard{"./checksum", "TestWhatOtherCheckersConfuse"},
	},
	{
		name: "large values lose their header", file: "checksum/encode.go",
		edits: []edit{{`to.add(appendSize(buffer, tag, len(row[i].Bytes())))`, `to.add(buffer)
				_ = tag`}},
		guard: guard{"./checksum", "TestDigestRowIsTheEncoding"},
	},
	{
		name: "digest is an XOR of rows", file: "checksum/digest.go",
		edits: []edit{
			{"\txxh   xxhash.Digest\n", "\txxh   xxhash.Digest\n\txor   uint64\n"},
			{`_, _ = h.xxh.Write(piece) // never fails`, `h.xor ^= xxhash.Sum64(piece)`},
			{`Sum: [2]uint64{h.xxh.Sum64(), 0}`, `Sum: [2]uint64{h.xor, 0}`},
		},
		guard: guard{"./checksum", "TestDigestIsOrderedAndNotLinear"},
	},
	{
		name: "multiset adds up by XOR", file: "checksum/multiset.go",
		edits: []edit{
			{"p.sum[0] += h.row[0]", "p.sum[0] ^= h.row[0]"}, {"p.sum[1] += h.row[1]", "p.sum[1] ^= h.row[1]"},
			{"digest.Sum[0] += p.sum[0]", "digest.Sum[0] ^= p.sum[0]"}, {"digest.Sum[1] += p.sum[1]", "digest.Sum[1] ^= p.sum[1]"},
		},
		guard: guard{"./checksum", "TestMultiset"},
	},
	{
		name: "multiset compared by one sum", file: "checksum/scan.go",
		edits: []edit{{`if a.partitions[i] == b.partitions[i] {`, `if a.partitions[i].sum[0] == b.partitions[i].sum[0] {`}},
		guard: guard{"./checksum", "TestMultiset"},
	},
	{
		name: "how often a row is there is not compared", file: "checksum/scan.go",
		edits: []edit{{`more := source[i].count - replica[j].count`, `more := int64(0)`}},
		guard: guard{"./integration", "TestScansFindWhatAModelFinds"},
	},
	{
		name: "rows on the replica only are ignored", file: "checksum/compare.go",
		edits: []edit{{`delta.Extra = append(delta.Extra, j)`, `continue`}},
		guard: guard{"./checksum", "TestMatchByBytes"},
	},
	{
		name: "changed rows matched by position", file: "checksum/compare.go",
		edits: []edit{{`j, found := onReplica[string(source.key(i))]`, `j, found := i, i < len(replica.sums)`}},
		guard: guard{"./checksum", "TestMatchByBytes"},
	},
	{
		name: "the server is not asked which keys are equal", file: "checksum/compare.go",
		edits: []edit{{`if source.layout.Key.ByteEquality() || `, `if true || `}},
		guard: guard{"./integration", "TestKeysEqualUnderTheirCollation"},
	},
	{
		name: "chunks compared by their number of rows", file: "check/compare.go",
		edits: []edit{{`equal, err := source.Equal(replica)`, `equal, err := source.Rows == replica.Rows, error(nil)`}},
		guard: guard{"./integration", "TestCheckFindsExactlyTheDamage"},
	},
}

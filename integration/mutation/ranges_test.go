//go:build mutation

package mutation

const everyRow = "TestChunksHoldEveryRowOnce"

// rangeMutants break the ranges, the splitter, and the proof that the ranges cover the table.
var rangeMutants = []mutant{
	{
		name: "ranges hold their lower bound", file: "chunker/range.go",
		edits: []edit{{`parts = append(parts, k.beyond(after, after, 0))`, `parts = append(parts, k.beyond(after, side{">=", "<="}, 0))`}},
		guard: guard{"./chunker", "FuzzRangesCutEveryKeyOnce"},
	},
	{
		name: "ranges do not hold their upper bound", file: "chunker/range.go",
		edits: []edit{{`k.beyond(before, upTo, 0)`, `k.beyond(before, before, 0)`}},
		guard: guard{"./chunker", "FuzzRangesCutEveryKeyOnce"},
	},
	{
		name: "composite keys compared column by column", file: "chunker/range.go",
		edits: []edit{{`" OR (" + name + " = " + value + " AND "`, `" AND (" + name + " = " + value + " OR "`}},
		guard: guard{"./chunker", "FuzzRangesCutEveryKeyOnce"},
	},
	{
		name: "arguments of a composite key in the wrong number", file: "chunker/range.go",
		edits: []edit{{`if i < len(values)-1 {`, `if i < len(values)-2 {`}},
		guard: guard{"./chunker", "FuzzRangesCutEveryKeyOnce"},
	},
	{
		name: "descending columns ascend", file: "chunker/range.go",
		edits: []edit{{`return s[1]`, `return s[0]`}},
		guard: guard{"./chunker", "FuzzRangesCutEveryKeyOnce"},
	},
	{
		name: "bounds of text without collation", file: "chunker/key.go",
		edits: []edit{{`USING %s) COLLATE %s", column.Charset, column.Collation)`, `USING %s)", column.Charset)`}},
		guard: guard{"./integration", everyRow},
	},
	{
		name: "bounds that do not reach the server are used", file: "chunker/splitter.go",
		edits: []edit{{`if !isBytes || surelySurvives(column, text) {`, `if !isBytes || true || surelySurvives(column, text) {`}},
		guard: guard{"./integration", "TestInvalidTextIsNeverLost"},
	},
	{
		name: "the first chunk begins at the first key", file: "chunker/splitter.go",
		edits: []edit{{"\ts.index++\n", "\tif s.index == 0 {\n\t\tchunk.Lower, _ = s.keyAt(ctx, 0)\n\t}\n\ts.index++\n"}},
		guard: guard{"./integration", everyRow},
	},
	{
		name: "the last chunk ends at the last key", file: "chunker/splitter.go",
		edits: []edit{{"\t\tchunk.Upper = s.end\n", `		for skip := 0; ; skip++ {
			last, err := s.keyAt(ctx, skip)
			if err != nil || last == nil {
				break
			}
			chunk.Upper = last
		}
`}},
		guard: guard{"./integration", everyRow},
	},
	{
		name: "the splitter skips a row", file: "chunker/splitter.go",
		edits: []edit{{"\ts.lower = upper\n", `	s.lower = upper
	if next, _ := s.keyAt(ctx, 0); upper != nil && next != nil {
		s.lower = next
	}
`}},
		guard: guard{"./integration", everyRow},
	},
	{
		name: "coverage accepts gaps", file: "chunker/coverage.go",
		edits: []edit{{`!equalValues(next.Lower, c.end):`, `len(next.Lower) != len(c.end):`}},
		guard: guard{"./chunker", "TestCoverageRefusesWhatDoesNotJoin"},
	},
	{
		name: "coverage does not ask for the end", file: "chunker/coverage.go",
		edits: []edit{{`case !c.closed:`, `case c.covered == 0:`}},
		guard: guard{"./chunker", "TestCoverageFindsWhatIsMissing"},
	},
	{
		name: "coverage forgets the chunks that wait", file: "chunker/coverage.go",
		edits: []edit{{`case len(c.waiting) > 0:`, `case len(c.waiting) > 1000:`}},
		guard: guard{"./chunker", "FuzzCoverageAcceptsOnlyACompleteChain"},
	},
}

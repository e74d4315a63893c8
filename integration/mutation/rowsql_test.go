//go:build mutation

package mutation

// rowsqlMutants break rows as SQL: their literals, their guards, and the scripts.
var rowsqlMutants = []mutant{
	{
		name: "a guard compares text, not bytes", file: "repair/rowsql/guard.go",
		edits: []edit{{`return appendHex(cast(expression, "BINARY"), v), nil`, `return appendText(append(append(dst, expression...), " = "...), column, v, true)`}},
		guard: guard{"./repair/rowsql", "FuzzLiteral"},
	},
	{
		name: "a guard of 0 does not see its sign", file: "repair/rowsql/guard.go",
		edits: []edit{{`", -1) < 0)"...), nil`, `", -1) <> 0 OR 1)"...), nil`}},
		guard: guard{"./repair/rowsql", "FuzzLiteral"},
	},
	{
		name: "FLOAT and DOUBLE with as many digits as servers print", file: "repair/rowsql/literal.go",
		edits: []edit{{`strconv.AppendFloat(dst, v, 'e', 16, 64)`, `strconv.AppendFloat(dst, v, 'e', 5, 64)`}},
		guard: guard{"./repair/rowsql", "FuzzLiteral"},
	},
	{
		name: "a backslash between quotes", file: "repair/rowsql/literal.go",
		edits: []edit{{` || b == '\\'`, ``}},
		guard: guard{"./repair/rowsql", "FuzzLiteral"},
	},
	{
		name: "text without its character set", file: "repair/rowsql/charset.go",
		edits: []edit{{`	return charset
}`, `	return "utf8mb4"
}`}},
		guard: guard{"./repair/rowsql", "FuzzLiteral"},
	},
	{
		name: "a column that sets itself is left to do so", file: "repair/rowsql/statements.go",
		edits: []edit{{`if !differs && !strings.Contains(strings.ToLower(t.definition(i).Extra), "on update") {`, `if !differs {`}},
		guard: guard{"./integration", "TestRowsAreRepaired"},
	},
	{
		name: "equal rows are not counted before some are deleted", file: "repair/rowsql/statements.go",
		edits: []edit{{`if c.There >= c.Count {`, `if false {`}},
		guard: guard{"./integration", "TestRowsAreRepaired"},
	},
	{
		name: "members that a collation takes for equal by their text", file: "repair/rowsql/members.go",
		edits: []edit{{`if areDistinct(members) {`, `if true {`}},
		guard: guard{"./integration", "TestRowsAreWrittenAsTheyWere"},
	},
	{
		name: "undo finds rows as the source read them without saying so", file: "repair/rowsql/table.go",
		edits: []edit{{`back.Stored, back.Incoming = t.Incoming.In(t.Stored.Database), t.Stored`, `back.Stored, back.Incoming = t.Stored, t.Incoming`}},
		guard: guard{"./integration", "TestRowsOfUnlikeTables"},
	},
	{
		name: "a script commits what was not as expected", file: "repair/rowsql/scriptlines.go",
		edits: []edit{{`IF(@trueup_bad = 0, '%s', CASE`, `IF(@trueup_bad IS NOT NULL, '%s', CASE`}},
		guard: guard{"./integration", "TestScriptsRunInTheClient"},
	},
	{
		name: "a script does not look for the position", file: "repair/rowsql/scriptlines.go",
		edits: []edit{{`IF(@trueup_there, 0, %d)`, `IF(@trueup_there, 0, %d * 0)`}},
		guard: guard{"./integration", "TestScriptsRunInTheClient"},
	},
	{
		name: "a script runs on every server", file: "repair/rowsql/conditions.go",
		edits: []edit{{`return strings.Join(parts, " AND ")`, `return strings.Join(append(parts, "1"), " OR ")`}},
		guard: guard{"./integration", "TestScriptsRunInTheClient"},
	},
	{
		name: "an undo file is not compared with its sums", file: "repair/rowsql/undofile.go",
		edits: []edit{{`if string(u.line) != end || `, `if end == "" || `}},
		guard: guard{"./repair/rowsql", "TestUndo"},
	},
}

package integration

import (
	"slices"
)

// keyShape builds the columns and keys of a generated table.
type keyShape struct {
	name  string
	build func(*missGenerator)
}

// splittableShapes have a key that splits the table. The first usable key of a table is the one whose columns
// tell rows apart while damage is planned.
var splittableShapes = []keyShape{
	{"primary key of one column", func(g *missGenerator) { g.primary(1) }},
	{"primary key of two columns", func(g *missGenerator) { g.primary(2) }},
	{"primary key of three columns", func(g *missGenerator) { g.primary(3) }},
	{"primary key beside other keys", func(g *missGenerator) {
		g.primary(1 + g.random.IntN(2))
		g.unique(1)
		g.nullableKey()
	}},
	{"unique key without primary key", func(g *missGenerator) { g.unique(1 + g.random.IntN(3)) }},
	{"several unique keys", func(g *missGenerator) {
		g.nullableKey()
		g.unique(2)
		g.unique(1)
	}},
	{"unique key beside one of a FLOAT", func(g *missGenerator) {
		g.keyOf(true, g.keyColumn(floats))
		g.unique(1)
	}},
	{"FLOAT key", func(g *missGenerator) { g.keyOf(true, g.keyColumn(floats)) }},
	{"DOUBLE key", func(g *missGenerator) { g.keyOf(true, g.keyColumn(doubles)) }},
	{"BIT key", func(g *missGenerator) { g.keyOf(true, g.keyColumn(bits)) }},
	{"UUID or INET key", func(g *missGenerator) {
		if len(g.pool.byClass[networks]) > 0 {
			g.keyOf(true, g.keyColumn(networks))
		} else {
			g.primary(1)
		}
	}},
	{"descending keys", func(g *missGenerator) {
		g.primary(3)
		if g.on.IsMariaDB(10, 8, 0) || g.on.IsMySQL(8, 0, 0) {
			g.lastKey().suffixes = []string{pick(g.random, ascents), pick(g.random, ascents), pick(g.random, ascents)}
		}
	}},
	{"ENUM behind another column", func(g *missGenerator) {
		first := g.keyColumns(1)
		g.keyOf(true, append(first, g.column(kindOfEnum, false))...)
	}},
}

var ascents = []string{" DESC", " ASC"}

// kindOfEnum has no empty member.
var kindOfEnum = columnKind{keyPart: keyPart{"ENUM('z','y','x')", []string{"1", "2", "3"}, nil}, class: enums}

// unsplittableShapes have no key that splits the table: rows are told apart by a key all the same where there is one that
// is unique and NOT NULL, and are not where there is none.
var unsplittableShapes = []keyShape{
	{"no key", func(g *missGenerator) { g.column(g.pool.any(g.random), true) }},
	{"nullable unique key", func(g *missGenerator) { g.nullableKey() }},
	{"prefix key", func(g *missGenerator) {
		c := g.column(pick(g.random, g.pool.suiting(isVarText)), false)
		g.keyOf(false, c)
		g.lastKey().suffixes = []string{"(2)"}
	}},
	{"ENUM and SET key", func(g *missGenerator) { g.keyOf(false, g.keyColumn(enums), g.keyColumn(sets)) }},
	{"CHAR key in a NO PAD collation", func(g *missGenerator) {
		if g.on.IsMariaDB(10, 2, 2) {
			g.keyOf(false, g.column(kindOfText(textPart("CHAR(9)", "utf8mb4", "utf8mb4_nopad_bin")), false))
		} else {
			g.column(g.pool.any(g.random), true) // no table is without columns
		}
	}},
}

// primary adds a primary key over so many columns, of which the trap's column is the first where it is to be in the key.
func (g *missGenerator) primary(parts int) {
	g.keyOf(true, g.keyColumns(parts)...)
	g.lastKey().name = primaryName
}

// unique adds a unique key that can split the table.
func (g *missGenerator) unique(parts int) { g.keyOf(true, g.keyColumns(parts)...) }

// nullableKey adds a unique key of which a column may be NULL: it tells no rows apart.
func (g *missGenerator) nullableKey() {
	g.keyOf(false, g.column(pick(g.random, g.pool.keyable), true))
}

// keyColumns adds NOT NULL columns that can split a table; a column that is there for a trap becomes one of the first key.
func (g *missGenerator) keyColumns(parts int) []*missColumn {
	var columns []*missColumn
	for _, c := range g.table.trapColumns {
		if !c.unique {
			columns = append(columns, c)
		}
	}
	for len(columns) < parts {
		kind := pick(g.random, g.pool.keyable)
		columns = append(columns, g.column(kind, false))
	}
	g.random.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
	return columns
}

func (g *missGenerator) keyColumn(of class) *missColumn {
	return g.column(pick(g.random, g.pool.byClass[of]), false)
}

func (g *missGenerator) keyOf(usable bool, columns ...*missColumn) {
	key := missKey{unique: true, columns: slices.Clone(columns), usable: usable, name: g.name() + "k"}
	for _, c := range columns {
		c.unique = true
	}
	g.table.keys = append(g.table.keys, key)
}

func (g *missGenerator) lastKey() *missKey { return &g.table.keys[len(g.table.keys)-1] }

package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"trueup/schema"
)

// missTable is a generated table and what is done to it: one case of TestNoMiss.
type missTable struct {
	seed           uint64
	database, name string
	shape          string
	columns        []*missColumn
	keys           []missKey
	rows           []string // VALUES of the INSERT
	trap           *trap    // nil: the table stays undamaged
	trapColumns    []*missColumn
	damage         []damageStatement
}

type missColumn struct {
	columnKind
	name      string
	nullable  bool
	unique    bool // a part of a unique key
	generated string
	plants    []string // SQL of values that rows get to have, for traps
}

func (c *missColumn) quoted() string    { return schema.QuoteIdentifier(c.name) }
func (c *missColumn) exactForm() string { return c.exact(c.quoted()) }

type missKey struct {
	name     string // PRIMARY for the primary key, as the server has it
	unique   bool
	columns  []*missColumn
	suffixes []string // behind the name of each column: "(5)", " DESC"
	usable   bool     // it can split the table
}

// identifies tells whether no two rows can have the same values in the key's columns; a prefix that is unique makes the
// whole values unique too.
func (k missKey) identifies() bool {
	return k.unique && !slices.ContainsFunc(k.columns, func(c *missColumn) bool { return c.nullable })
}

func (k missKey) definition() string {
	parts := make([]string, len(k.columns))
	for i, c := range k.columns {
		parts[i] = c.quoted()
		if i < len(k.suffixes) {
			parts[i] += k.suffixes[i]
		}
	}
	switch list := "(" + strings.Join(parts, ", ") + ")"; {
	case k.name == primaryName:
		return "PRIMARY KEY " + list
	case k.unique:
		return "UNIQUE KEY " + schema.QuoteIdentifier(k.name) + " " + list
	default:
		return "KEY " + schema.QuoteIdentifier(k.name) + " " + list
	}
}

const primaryName = "PRIMARY"

func (t *missTable) quoted() string { return schema.QuoteTable(t.database, t.name) }

func (t *missTable) create() string {
	var parts []string
	for _, c := range t.columns {
		part := c.quoted() + " " + c.columnType
		switch {
		case c.generated != "":
			part += " GENERATED ALWAYS AS (" + c.generated + ")"
			if len(c.name)%2 == 0 {
				part += " STORED"
			}
		case c.nullable:
			part += " NULL"
		default:
			part += " NOT NULL"
		}
		parts = append(parts, part)
	}
	for _, key := range t.keys {
		parts = append(parts, key.definition())
	}
	return fmt.Sprintf("CREATE TABLE %s (%s)", t.quoted(), strings.Join(parts, ", "))
}

// insert adds rows; those whose keys are taken are left out by the server.
func (t *missTable) insert(rows ...string) string {
	var names []string
	for _, c := range t.columns {
		if c.generated == "" {
			names = append(names, c.quoted())
		}
	}
	return fmt.Sprintf("INSERT IGNORE INTO %s (%s) VALUES %s", t.quoted(), strings.Join(names, ", "), strings.Join(rows, ", "))
}

// identity is the first key that tells rows apart; all columns where there is none.
func (t *missTable) identity() []*missColumn {
	for _, key := range t.keys {
		if key.usable {
			return key.columns
		}
	}
	return t.columns
}

// missGenerator makes tables. All its choices come from random.
type missGenerator struct {
	on     ServerRow
	pool   *kindPool
	random *rand.Rand
	table  *missTable
	// oneLine leaves out names with control characters, of which no script can be made.
	oneLine bool
}

// newTable makes the table of a seed. The seed chooses the trap, so that a run of many seeds tries each trap as often.
func (g *missGenerator) newTable(database string, number int, seed uint64) *missTable {
	g.random = rand.New(rand.NewPCG(seed, 0))
	g.table = &missTable{seed: seed, database: database, name: fmt.Sprintf("%d%s", number, g.inOneLine(pick(g.random, tableNames)))}
	traps := trapsOf(g.on)
	choice := seed % uint64(len(traps)+undamagedCases)
	trap := &traps[choice%uint64(len(traps))]
	undamaged := choice >= uint64(len(traps))
	shapes := splittableShapes
	if trap.where != inKey {
		shapes = append(shapes[:len(shapes):len(shapes)], unsplittableShapes...)
	}
	shape := pick(g.random, shapes)
	g.table.shape = shape.name
	if trap.where == inKey {
		g.trapColumn(trap)
	}
	shape.build(g)
	for range trap.dataColumns() {
		g.trapColumn(trap)
	}
	for range g.random.IntN(6) {
		g.column(g.pool.any(g.random), g.random.IntN(3) > 0)
	}
	g.generatedColumn()
	g.random.Shuffle(len(g.table.columns), func(i, j int) {
		g.table.columns[i], g.table.columns[j] = g.table.columns[j], g.table.columns[i]
	})
	rows := g.random.IntN(61)
	if !undamaged {
		g.table.trap = trap
		rows = max(rows, 6)
	}
	for i := range rows {
		g.table.rows = append(g.table.rows, g.row(i))
	}
	return g.table
}

// undamagedCases is how many seeds in a row leave their table as it is, after one for each trap.
const undamagedCases = 6

var tableNames = []string{"", "plain", "a.b", " with  space", "back`tick", "quo'te\"", "new\nline", "SELECT", "ünïcode ☃", "semi;colon--", "100%", "_", "#hash", "per/cent", "*star?"}

var columnNames = append([]string{"id", "*", "\\", "ORDER", "字", "☃", "$", "@at", "a,b", "(x)", "NULL", "count(*)", "/*c*/"}, awkwardNames...)

func (g *missGenerator) name() string {
	return fmt.Sprintf("%s%d", g.inOneLine(pick(g.random, columnNames)), len(g.table.columns)+10*len(g.table.keys))
}

func (g *missGenerator) inOneLine(name string) string {
	if g.oneLine {
		return strings.Map(func(r rune) rune {
			if r < ' ' {
				return '-'
			}
			return r
		}, name)
	}
	return name
}

func (g *missGenerator) column(kind columnKind, nullable bool) *missColumn {
	c := &missColumn{columnKind: kind, name: g.name(), nullable: nullable}
	g.table.columns = append(g.table.columns, c)
	return c
}

// trapColumn adds a column that the trap needs, with the values it needs.
func (g *missGenerator) trapColumn(trap *trap) {
	kind := pick(g.random, g.pool.suiting(func(k columnKind) bool { return trap.suits(k) && (k.keyable || trap.where != inKey) }))
	nullable := trap.where != inKey && (g.random.IntN(2) == 0 || trap.nullable)
	c := g.column(kind, nullable)
	g.table.trapColumns = append(g.table.trapColumns, c)
	if trap.pair != nil {
		from, _ := trap.pair(kind)
		c.plants = []string{from}
	}
}

// generatedColumn sometimes adds a column computed from another.
func (g *missGenerator) generatedColumn() {
	if !g.on.IsMariaDB(10, 2, 1) && !g.on.IsMySQL(5, 7, 6) || g.random.IntN(3) > 0 {
		return
	}
	base := pick(g.random, g.table.columns)
	switch {
	case isVarText(base.columnKind), isVarBinary(base.columnKind): // the value of a CHAR depends on the session that reads it
		c := g.column(columnKind{keyPart: keyPart{columnType: "VARCHAR(64) CHARACTER SET latin1"}, class: texts, charset: "latin1"}, true)
		c.generated = "HEX(LEFT(" + base.quoted() + ", 4))"
	case base.class == integers, base.class == bits:
		c := g.column(columnKind{keyPart: keyPart{columnType: "BIGINT"}, class: integers}, true)
		c.generated = base.quoted() + " DIV 3"
	}
}

// row is the VALUES of a row. The first two rows have all planted values, others some of them.
func (g *missGenerator) row(number int) string {
	var values []string
	for _, c := range g.table.columns {
		if c.generated == "" {
			values = append(values, g.value(c, number))
		}
	}
	return "(" + strings.Join(values, ", ") + ")"
}

func (g *missGenerator) value(c *missColumn, number int) string {
	planted := number < 2 || g.random.IntN(3) == 0
	if c.unique {
		planted = number == 0
	}
	switch {
	case planted && len(c.plants) > 0:
		return pick(g.random, c.plants)
	case c.nullable && g.random.IntN(5) == 0:
		return "NULL"
	default:
		return c.value(g.random)
	}
}

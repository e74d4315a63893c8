package integration

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
)

// damageStatement is one change behind replication's back. Extra rows at a chosen place are made by deleting them
// on the source, whose order is then the server's and not the test's.
type damageStatement struct {
	trap     string
	sql      string
	onSource bool
}

// damager plans the damage to one table from the rows that it has on both servers.
type damager struct {
	random    *rand.Rand
	generator *missGenerator
	table     *missTable
	rows      [][]sql.NullString // exact forms, one for each column
	trap      *trap
	columns   []*missColumn // the trap's
}

// planDamage plans the table's trap and sometimes damage of other kinds.
func (g *missGenerator) planDamage(table *missTable, rows [][]sql.NullString) {
	if table.trap == nil {
		return
	}
	g.table, g.random = table, rand.New(rand.NewPCG(table.seed, 1))
	d := &damager{random: g.random, generator: g, table: table, rows: rows, trap: table.trap, columns: table.trapColumns}
	d.apply()
	for range g.random.IntN(4) {
		further := pick(g.random, rowTraps)
		if strings.Contains(further.name, "all rows") || strings.Contains(further.name, "empty") {
			continue // would leave nothing of the first
		}
		d.trap, d.columns = &further, nil
		d.apply()
	}
}

func (d *damager) apply() {
	if d.trap.plan != nil {
		d.trap.plan(d)
		return
	}
	a, b := d.trap.pair(d.columns[0].columnKind)
	d.onReplica(d.update(d.columns[0], b) + " WHERE " + d.holds(d.columns[0], a) + " LIMIT 1")
}

func (d *damager) onReplica(statement string) {
	d.table.damage = append(d.table.damage, damageStatement{trap: d.trap.name, sql: statement})
}

func (d *damager) onSource(statement string) {
	d.table.damage = append(d.table.damage, damageStatement{trap: d.trap.name, sql: statement, onSource: true})
}

func (d *damager) update(column *missColumn, value string) string {
	return fmt.Sprintf("UPDATE IGNORE %s SET %s = %s", d.table.quoted(), column.quoted(), value)
}

// holds is the condition that the column has the value, exactly.
func (d *damager) holds(column *missColumn, value string) string {
	switch column.class {
	case enums, sets:
		return column.quoted() + " + 0 <=> " + value
	default:
		return column.exactForm() + " <=> " + column.exact(value)
	}
}

// isRow is the condition that selects one row of those planned with. Of rows that nothing tells apart it selects all.
func (d *damager) isRow(number int) string {
	var parts []string
	for _, c := range d.table.identity() {
		value := "NULL"
		if exact := d.rows[number][d.number(c)]; exact.Valid {
			value = "'" + exact.String + "'"
		}
		parts = append(parts, c.exactForm()+" <=> "+value)
	}
	return strings.Join(parts, " AND ")
}

func (d *damager) number(column *missColumn) int {
	for i, c := range d.table.columns {
		if c == column {
			return i
		}
	}
	panic("a column of another table")
}

// valueColumn is the trap's column, or any that holds a value of its own and is in no unique key; nil when there is none.
func (d *damager) valueColumn() *missColumn {
	var found []*missColumn
	for _, c := range d.table.columns {
		if c.generated == "" && !c.unique {
			found = append(found, c)
		}
	}
	switch {
	case len(d.columns) > 0:
		return d.columns[0]
	case len(found) == 0:
		return nil
	default:
		return pick(d.random, found)
	}
}

// swap exchanges the values of two rows in which they differ.
func (d *damager) swap() {
	column := d.valueColumn()
	if column == nil {
		return
	}
	n, order := d.number(column), d.random.Perm(len(d.rows))
	for i, row := range order {
		a, b := d.rows[row][n], d.rows[order[0]][n]
		if i > 0 && a.Valid && b.Valid && a.String != b.String {
			d.onReplica(d.update(column, column.literal(a.String)) + " WHERE " + d.isRow(order[0]))
			d.onReplica(d.update(column, column.literal(b.String)) + " WHERE " + d.isRow(row))
			return
		}
	}
}

// changeEvenly makes the same change to an even number of rows: an XOR of linear sums would not see it.
func (d *damager) changeEvenly() {
	a, b := d.trap.pair(d.columns[0].columnKind)
	from, where := d.columns[0].exact(a), []string{}
	for i := range d.rows {
		where = append(where, "("+d.isRow(i)+" AND "+d.columns[0].exactForm()+" = "+from+")")
	}
	if limit := 2 * (1 + d.random.IntN(max(1, len(where)/2))); len(where) > 0 {
		d.onReplica(fmt.Sprintf("%s WHERE %s LIMIT %d", d.update(d.columns[0], b), strings.Join(where, " OR "), limit))
	}
}

// shiftSeparator makes ('x#y', 'z') of ('x', 'y#z').
func (d *damager) shiftSeparator() {
	first, second := d.columns[0], d.columns[1]
	text := func(c *missColumn, text string) string {
		value, _ := written(text, "")(c.columnKind)
		return value
	}
	row := d.isRow(d.random.IntN(len(d.rows)))
	for _, values := range [][2]string{{"x#y", "z"}, {"x", "y#z"}} {
		statement := fmt.Sprintf("UPDATE IGNORE %s SET %s = %s, %s = %s WHERE %s", d.table.quoted(),
			first.quoted(), text(first, values[0]), second.quoted(), text(second, values[1]), row)
		if values[0] == "x#y" { // on both sides
			d.onSource(statement)
		}
		d.onReplica(statement)
	}
}

func (d *damager) shiftMoments() {
	name := d.columns[0].quoted()
	d.onReplica(d.update(d.columns[0], name+" + INTERVAL 7 HOUR") + " WHERE " + name + " + INTERVAL 7 HOUR IS NOT NULL")
}

func (d *damager) changeValue() {
	column := d.valueColumn()
	if column == nil || len(d.rows) == 0 {
		return
	}
	value := column.value(d.random)
	if column.nullable && d.random.IntN(4) == 0 {
		value = "NULL"
	}
	d.onReplica(d.update(column, value) + " WHERE " + d.isRow(d.random.IntN(len(d.rows))))
}

// moveKey gives a row another key, which the server may refuse because it is taken.
func (d *damager) moveKey() {
	if len(d.rows) == 0 {
		return
	}
	column := pick(d.random, d.table.identity())
	if len(d.columns) > 0 {
		column = d.columns[0]
	}
	if column.generated == "" {
		d.onReplica(d.update(column, column.value(d.random)) + " WHERE " + d.isRow(d.random.IntN(len(d.rows))))
	}
}

func (d *damager) deleteRows(count int) {
	for range min(count, len(d.rows)) {
		d.onReplica(fmt.Sprintf("DELETE FROM %s WHERE %s LIMIT 1", d.table.quoted(), d.isRow(d.random.IntN(len(d.rows)))))
	}
}

func (d *damager) insert() {
	var rows []string
	for i := range 1 + d.random.IntN(3) {
		rows = append(rows, d.generator.row(len(d.rows)+2+i))
	}
	d.onReplica(d.table.insert(rows...))
}

// missAtEnd deletes some rows from an end of the source's table.
func (d *damager) missAtEnd(order string) {
	var by []string
	for _, c := range d.table.identity() {
		by = append(by, c.quoted()+order)
	}
	d.onSource(fmt.Sprintf("DELETE FROM %s ORDER BY %s LIMIT %d", d.table.quoted(), strings.Join(by, ", "), 1+d.random.IntN(2)))
}

func (d *damager) missBetween() {
	if len(d.rows) > 0 {
		d.onSource(fmt.Sprintf("DELETE FROM %s WHERE %s", d.table.quoted(), d.isRow(d.random.IntN(len(d.rows)))))
	}
}

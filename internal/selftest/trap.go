package selftest

import (
	"slices"
	"strings"

	"trueup/report"
)

// Schema is the database of every trap's table, on servers that the self-test started.
const Schema = "trueup_selftest"

// trap is one table, what is done to it on the replica, and what a check must then find.
type trap struct {
	name    string // of the trap and of its table
	planted string // what is done, in words
	create  string // columns and keys
	fill    string // a SELECT that gives the rows; "" for none
	damage  []string
	want    []report.TrapRow // none: the data stay as they were, and nothing may be reported
}

// traps are all traps of tables that this version compares.
func traps() []trap {
	return slices.Concat(numberTraps, textTraps, timeTraps, rowTraps, keyTraps, keylessTraps, harmlessTraps)
}

// Names are the names of all traps.
func Names() []string {
	var names []string
	for _, t := range traps() {
		names = append(names, t.name)
	}
	return names
}

// filling are the statements that make and fill the table on the source.
func (t trap) filling() []string {
	statements := []string{t.inTable("CREATE TABLE {table} " + t.create)}
	if t.fill != "" {
		statements = append(statements, t.inTable("INSERT INTO {table} "+t.fill))
	}
	return statements
}

// planting are the statements that do the damage on the replica.
func (t trap) planting() []string {
	var statements []string
	for _, statement := range t.damage {
		statements = append(statements, t.inTable(statement))
	}
	return statements
}

func (t trap) inTable(statement string) string {
	return strings.ReplaceAll(statement, "{table}", Schema+"."+t.name)
}

// update is damage that changes columns of some rows.
func update(set, where string) string { return "UPDATE {table} SET " + set + " WHERE " + where }

// changed are rows with these keys, each of which differs in these columns ("a" or "a,b").
func changed(columns string, keys ...string) []report.TrapRow {
	return rowsOf("changed", strings.Split(columns, ","), keys)
}

// missing are rows of the source that the replica does not have.
func missing(keys ...string) []report.TrapRow { return rowsOf("missing", []string{}, keys) }

// extra are rows that only the replica has.
func extra(keys ...string) []report.TrapRow { return rowsOf("extra", []string{}, keys) }

// times makes each row one that stands for several: rows without a key that are the same.
func times(count int64, rows []report.TrapRow) []report.TrapRow {
	for i := range rows {
		rows[i].Count = count
	}
	return rows
}

func rowsOf(kind string, columns, keys []string) []report.TrapRow {
	var rows []report.TrapRow
	for _, key := range keys {
		rows = append(rows, report.TrapRow{Kind: kind, Count: 1, Key: key, Columns: columns})
	}
	return rows
}

package schema

import (
	"slices"
	"strconv"
	"strings"
)

// comparison gathers the differences of one table.
type comparison struct {
	source, replica *Table
	found           []Difference
}

// Compare returns what differs between two definitions of a table, in a stable order: the table, its columns in the
// source's order, its keys. The tables may have different names (rewritten on the way). The next AUTO_INCREMENT
// value, estimates, comments and single partitions are no part of it, and neither is what only versions print
// differently. A table with a LoadError has no differences: nothing certain is known of it.
func Compare(source, replica *Table) []Difference {
	if source.LoadError != "" || replica.LoadError != "" {
		return nil
	}
	c := &comparison{source: source, replica: replica}
	c.table()
	c.columns()
	c.keys()
	return c.found
}

func (c *comparison) add(object, what, sourceValue, replicaValue string) {
	c.found = append(c.found, Difference{
		Database: c.source.Database, Table: c.source.Name,
		Object: object, What: what, SourceValue: sourceValue, ReplicaValue: replicaValue,
	})
}

// text adds a difference when the normal forms differ, with the forms the servers print.
func (c *comparison) text(object, what, source, replica string, normal func(string) string) {
	if normal(source) != normal(replica) {
		c.add(object, what, source, replica)
	}
}

func (c *comparison) flag(object, what string, source, replica bool) {
	if source != replica {
		c.add(object, what, strconv.FormatBool(source), strconv.FormatBool(replica))
	}
}

func (c *comparison) table() {
	s, r := c.source, c.replica
	if s.Kind != r.Kind {
		c.add("table", "kind", s.Kind.String(), r.Kind.String())
	}
	c.text("table", "engine", s.Engine, r.Engine, strings.ToLower)
	c.text("table", "collation", s.Collation, r.Collation, normalCharset)
	if s.Partitioned != r.Partitioned || normalExpression(s.PartitionExpr) != normalExpression(r.PartitionExpr) {
		c.add("table", "partitioning", orNone(s.PartitionExpr), orNone(r.PartitionExpr))
	}
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

func (c *comparison) columns() {
	for _, s := range c.source.Columns {
		if r, ok := c.replica.Column(s.Name); ok {
			c.column(s, r)
		} else {
			c.add("column "+s.Name, "missing", s.ColumnType, "")
		}
	}
	for _, r := range c.replica.Columns {
		if _, ok := c.source.Column(r.Name); !ok {
			c.add("column "+r.Name, "extra", "", r.ColumnType)
		}
	}
	// One difference for the table, not one for every column behind the first that moved.
	s, r := commonNames(c.source, c.replica), commonNames(c.replica, c.source)
	if !slices.EqualFunc(s, r, strings.EqualFold) {
		c.add("table", "column order", strings.Join(s, ", "), strings.Join(r, ", "))
	}
}

// commonNames are the names of the columns of t that other has too, in t's order.
func commonNames(t, other *Table) []string {
	var names []string
	for _, column := range t.Columns {
		if _, ok := other.Column(column.Name); ok {
			names = append(names, column.Name)
		}
	}
	return names
}

func (c *comparison) column(s, r Column) {
	object := "column " + s.Name
	c.flag(object, "nullable", s.Nullable, r.Nullable)
	if !c.sameJSON(s, r) {
		if normalType(s) != normalType(r) {
			c.add(object, "type", s.ColumnType, r.ColumnType)
		}
		c.text(object, "charset", s.Charset, r.Charset, normalCharset)
		c.text(object, "collation", s.Collation, r.Collation, normalCharset)
	}
	if !sameDefault(s, r) {
		c.add(object, "default", defaultText(s), defaultText(r))
	}
	c.text(object, "extra", s.Extra, r.Extra, normalExtra)
	c.flag(object, "invisible", s.Invisible, r.Invisible)
	if !sameGeneration(s, r) {
		c.add(object, "generated", orNone(s.GenerationExpr), orNone(r.GenerationExpr))
	}
}

// sameJSON tells whether both columns were declared JSON, each as its family has it: MariaDB's is another name for LONGTEXT.
//
// https://mariadb.com/kb/en/json-data-type/
func (c *comparison) sameJSON(s, r Column) bool {
	return c.source.Flavor != c.replica.Flavor && jsonAndText(s, r) && (s.DataType == "longtext" || r.DataType == "longtext")
}

func sameDefault(s, r Column) bool {
	switch {
	case s.Default == nil || r.Default == nil:
		return s.Default == nil && r.Default == nil
	case s.DefaultIsExpr != r.DefaultIsExpr:
		return false
	case s.DefaultIsExpr:
		return normalExpression(*s.Default) == normalExpression(*r.Default)
	default:
		return *s.Default == *r.Default
	}
}

func defaultText(c Column) string {
	switch {
	case c.Default == nil && c.Nullable:
		return "NULL"
	case c.Default == nil:
		return "none"
	case c.DefaultIsExpr:
		return *c.Default
	default:
		return "'" + strings.ReplaceAll(*c.Default, "'", "''") + "'"
	}
}

func sameGeneration(s, r Column) bool {
	return s.Generated == r.Generated && normalExpression(s.GenerationExpr) == normalExpression(r.GenerationExpr)
}

package schema

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
)

const tablesQuery = `SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION, TABLE_ROWS, DATA_LENGTH,
	CREATE_OPTIONS, TABLE_COMMENT FROM information_schema.TABLES WHERE %s`

func (l *loader) loadTables(ctx context.Context) error {
	return l.stream(ctx, tablesQuery, func(r *row) {
		t := &Table{
			Flavor:   l.session.Server().Identity().Flavor,
			Database: r.text(0), Name: r.text(1), Kind: tableKind(r.text(2)), Engine: r.text(3), Collation: r.text(4),
			RowsEstimate: r.number(5), BytesEstimate: r.number(6),
			Partitioned: strings.Contains(strings.ToLower(r.text(7)), "partitioned"),
		}
		if name := l.nameOf(t.Database); name == "" || !l.selector.passesDatabase(name) {
			return
		}
		// A table that cannot be opened has no engine, and the error stands in its comment (I_S TABLES).
		if comment := r.text(8); t.Engine == "" && (t.Kind != View || comment != "VIEW") {
			t.LoadError = cmp.Or(comment, "the server names no storage engine")
		}
		l.tables[tableName{t.Database, t.Name}] = t
	})
}

// tableKind maps TABLE_TYPE. MySQL and MariaDB print BASE TABLE and VIEW, MariaDB also SEQUENCE and SYSTEM VERSIONED.
func tableKind(tableType string) TableKind {
	switch strings.ToUpper(tableType) {
	case "VIEW", "SYSTEM VIEW":
		return View
	case "SEQUENCE":
		return Sequence
	case "SYSTEM VERSIONED":
		return SystemVersioned
	default:
		return BaseTable
	}
}

const partitionsQuery = `SELECT TABLE_SCHEMA, TABLE_NAME, PARTITION_METHOD, PARTITION_EXPRESSION, SUBPARTITION_METHOD,
	SUBPARTITION_EXPRESSION FROM information_schema.PARTITIONS
	WHERE PARTITION_ORDINAL_POSITION = 1 AND COALESCE(SUBPARTITION_ORDINAL_POSITION, 1) = 1 AND %s`

// loadPartitions asks only where a table is partitioned: the query opens every table once more.
func (l *loader) loadPartitions(ctx context.Context) error {
	partitioned := false
	for _, t := range l.tables {
		partitioned = partitioned || t.Partitioned
	}
	if !partitioned {
		return nil
	}
	return l.stream(ctx, partitionsQuery, func(r *row) {
		t := r.table()
		if t == nil || r.text(2) == "" {
			return
		}
		t.Partitioned = true
		t.PartitionExpr = fmt.Sprintf("%s (%s)", r.text(2), r.text(3))
		if r.text(4) != "" {
			t.PartitionExpr += fmt.Sprintf(" SUBPARTITION %s (%s)", r.text(4), r.text(5))
		}
	})
}

// finish puts columns and keys in order and marks what came incomplete.
func (l *loader) finish() []*Table {
	tables := make([]*Table, 0, len(l.tables))
	for _, t := range l.tables {
		slices.SortFunc(t.Columns, func(a, b Column) int { return cmp.Compare(a.Position, b.Position) })
		slices.SortFunc(t.Keys, func(a, b Key) int {
			if a.Primary != b.Primary {
				if a.Primary {
					return -1
				}
				return 1
			}
			return strings.Compare(a.Name, b.Name)
		})
		if t.LoadError == "" && len(t.Columns) == 0 && (t.Kind == BaseTable || t.Kind == SystemVersioned) {
			t.LoadError = "the server lists no column of it: it was dropped while the definitions were read, or the account may see none"
		}
		t.Database = l.nameOf(t.Database)
		tables = append(tables, t)
	}
	return tables
}

// nameOf is the name to use for a database of the server; "" leaves it out.
func (l *loader) nameOf(database string) string {
	if name, renamed := l.renamed[database]; renamed {
		return name
	}
	return database
}

// parseCount reads an unsigned number; one beyond the range of int64 becomes its end.
func parseCount(text string) (int64, error) {
	number, ok := new(big.Int).SetString(text, 10)
	switch {
	case !ok:
		return 0, fmt.Errorf("the server printed %q where a number was expected", text)
	case !number.IsInt64():
		return math.MaxInt64, nil
	}
	return number.Int64(), nil
}

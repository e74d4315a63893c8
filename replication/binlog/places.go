package binlog

import (
	"fmt"

	"trueup/schema"
)

// MismatchError is a definition that cannot be that of a table in the log: it was changed since, or is another server's.
type MismatchError struct {
	Database, Table string
	Why             string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s.%s is not defined as it was when the log was written: %s", e.Database, e.Table, e.Why)
}

// Places finds for each column of a definition its place in the table's images: by name where the log has names, else by order. Images may have
// more columns at their end that no definition shows, such as those of MariaDB's system versioning. The error is a *MismatchError;
// a definition that only has other types is found out by Field.As.
func (t *Table) Places(columns []schema.Column) ([]int, error) {
	byName := make(map[string]int, len(t.Columns))
	for i, column := range t.Columns {
		if column.Name != "" {
			byName[column.Name] = i
		}
	}
	places := make([]int, len(columns))
	for i, column := range columns {
		place, named := byName[column.Name]
		switch {
		case named:
			places[i] = place
		case len(byName) > 0:
			return nil, &MismatchError{t.Database, t.Name, fmt.Sprintf("the log has no column %s", column.Name)}
		case column.Position < 1 || column.Position > len(t.Columns):
			return nil, &MismatchError{t.Database, t.Name, fmt.Sprintf("the log has %d columns, and %s is number %d", len(t.Columns), column.Name, column.Position)}
		default:
			places[i] = column.Position - 1
		}
	}
	return places, nil
}

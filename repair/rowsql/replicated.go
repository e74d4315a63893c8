package rowsql

import "fmt"

// Replicated are the statements of one change for a source whose row is as it is to be: there they change nothing, and on the replica,
// which executes the same text, they change the row. taken is a condition, "" for none, for rows that have a unique value of the row which
// is to be: where there is one, nothing is inserted. It is an error for a table without a key.
func (t *Table) Replicated(c Change, moves bool, taken string) ([]Statement, error) {
	if !t.keyed() {
		return nil, fmt.Errorf("%s: it has no key by which a row could be named to the source and the replica alike", t.name())
	}
	statements, err := t.Statements(c, moves)
	if err != nil || c.After == nil || c.Before != nil && !moves {
		return statements, err
	}
	values, lax, err := t.appendValues(nil, c.After, t.Incoming)
	if err != nil {
		return nil, err
	}
	key, err := t.Reversed().appendKey(nil, c.After[:len(t.Incoming.Key.Columns)])
	if err != nil {
		return nil, err
	}
	where := string(key)
	if taken != "" {
		where += " OR " + taken
	}
	statements[len(statements)-1] = Statement{SQL: "INSERT INTO " + t.name() + " (" + t.columnList() + ") SELECT " + string(values) +
		" FROM (SELECT COUNT(*) AS n FROM " + t.name() + " WHERE " + where + ") AS there WHERE there.n = 0", Rows: 1, Lax: lax}
	return statements, nil
}

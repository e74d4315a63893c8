package repair

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"trueup/checksum"
	"trueup/chunker"
	"trueup/repair/rowsql"
	"trueup/schema"
)

// conflicts finds the rows of other ranges that have a unique value which one of the changed rows is to get. They have to change in the
// same transaction: on the source they have another value, or do not exist. Only rows within the range are looked for: whoever reads in snapshots
// leaves out those that earlier groups have changed since.
func (v *views) conflicts(ctx context.Context, whole *checksum.Reader, within chunker.Range, changes []rowsql.Change) ([]rowsql.Change, error) {
	t := v.target
	if len(t.keys) == 0 || !t.hasKey() {
		return nil, nil
	}
	given := map[string]bool{} // keys of rows that are deleted, and so give up their values
	for _, c := range changes {
		if err := t.addKey(given, c.Before); err != nil {
			return nil, err
		}
	}
	var along []rowsql.Change
	for look := changes; len(look) > 0; {
		rows, err := v.holders(ctx, whole, within, look)
		if err != nil {
			return nil, err
		}
		look = nil
		for _, row := range rows {
			key, err := t.sql.Stored.KeyOf(row)
			if err != nil {
				return nil, err
			}
			if given[key] {
				continue
			}
			given[key] = true
			want, err := v.incoming.Find(ctx, row)
			if err != nil {
				return nil, err
			}
			change := rowsql.Change{Before: row, After: v.carry(checksum.Found{Source: want, Replica: row}), Count: 1, There: -1}
			if equal, err := t.isEqual(change); err != nil || equal {
				return nil, errors.Join(err, &rowError{Refusal{Code: RefusedUniqueKey, Reason: "a row that is equal on both sides has a unique value of it: the replica has a unique key that the source has not, or checks it otherwise"}})
			}
			look = append(look, change)
		}
		along = append(along, look...)
		const most = 10 * groupRows
		if len(along) > most {
			return nil, &refusedError{Refusal{Code: RefusedUniqueKey, Reason: fmt.Sprintf("more than %d rows of other ranges have unique values of its rows: load the table anew", most)}}
		}
	}
	return along, nil
}

// isEqual tells whether nothing of a row is to change.
func (t *target) isEqual(c rowsql.Change) (bool, error) {
	for i := range c.Before {
		if c.After == nil {
			return false, nil
		}
		if same, err := t.sameValue(i, c); err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

func (t *target) addKey(to map[string]bool, row checksum.Row) error {
	if row == nil {
		return nil
	}
	key, err := t.sql.Stored.KeyOf(row)
	to[key] = true
	return err
}

// holders are the replica's rows that have a unique value which one of the changes' rows is to get.
func (v *views) holders(ctx context.Context, whole *checksum.Reader, within chunker.Range, changes []rowsql.Change) (found []checksum.Row, err error) {
	const atOnce = 200
	t := v.target
	for _, key := range t.keys {
		columns, prefixes := t.columnsOf(key)
		if columns == nil {
			continue // the server says so where it comes to a conflict
		}
		for batch := range slices.Chunk(changes, atOnce) {
			condition, err := t.hasValues(columns, prefixes, batch)
			if err != nil {
				return nil, asUnwritable(err)
			}
			if condition == "" {
				continue
			}
			err = whole.Where(ctx, condition, within, func(row checksum.Row) error {
				found = append(found, row)
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// columnsOf are the numbers of a key's columns, and how much of each is in the key (0: all); nil where it has other parts than columns.
func (t *target) columnsOf(key schema.Key) (numbers, prefixes []int) {
	for _, part := range key.Columns {
		n := slices.IndexFunc(t.sql.Stored.Columns, func(c checksum.Column) bool { return c.Name == part.Name && !c.IsCompanion() })
		if part.Expression != "" || n < 0 {
			return nil, nil
		}
		numbers, prefixes = append(numbers, n), append(prefixes, part.Prefix)
	}
	return numbers, prefixes
}

// hasValues is the condition that a row has the values, in those columns, of one of the rows that are to be.
func (t *target) hasValues(columns, prefixes []int, changes []rowsql.Change) (string, error) {
	var rows []string
	for _, c := range changes {
		if c.After == nil || slices.ContainsFunc(columns, func(n int) bool { return c.After[n] == nil }) {
			continue // NULL is like no other value
		}
		var parts []string
		for i, n := range columns {
			part, err := t.hasValue(n, prefixes[i], c.After[n])
			if err != nil {
				return "", err
			}
			parts = append(parts, part)
		}
		rows = append(rows, "("+strings.Join(parts, " AND ")+")")
	}
	return strings.Join(rows, " OR "), nil
}

// hasValue is the condition that a row has in column number n what a unique key takes for the given value, or for the beginning of it.
func (t *target) hasValue(n, prefix int, value driver.Value) (string, error) {
	incoming, stored := t.sql.Incoming.Columns[n], t.sql.Stored.Columns[n]
	if prefix == 0 && incoming.Kind == stored.Kind && incoming.Conversion() == "" {
		condition, err := rowsql.AppendSame(nil, incoming, value)
		return string(condition), err
	}
	literal, err := rowsql.AppendLiteral(nil, incoming, value)
	if err != nil {
		return "", err
	}
	name := schema.QuoteIdentifier(stored.Name)
	if prefix > 0 {
		return fmt.Sprintf("LEFT(%s, %d) = LEFT(%s, %[2]d)", name, prefix, literal), nil
	}
	return name + " = " + string(literal), nil
}

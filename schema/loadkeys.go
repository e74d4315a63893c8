package schema

import (
	"context"
	"fmt"
	"strings"
)

// keysQuery names what differs: whether a key is hidden is MySQL's IS_VISIBLE (8.0) and MariaDB's IGNORED (10.6);
// functional key parts are MySQL's EXPRESSION (8.0.13).
func (l *loader) keysQuery() string {
	hidden, expression := "'NO'", "NULL"
	switch {
	case l.mariadb && l.version.AtLeast(10, 6, 0):
		hidden = "IGNORED"
	case !l.mariadb && l.version.AtLeast(8, 0, 0):
		hidden = "IF(IS_VISIBLE = 'YES', 'NO', 'YES')"
	}
	if !l.mariadb && l.version.AtLeast(8, 0, 13) {
		expression = "EXPRESSION"
	}
	return fmt.Sprintf(`SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, COLLATION, SUB_PART,
	NON_UNIQUE, INDEX_TYPE, %s, %s FROM information_schema.STATISTICS WHERE %%s`, hidden, expression)
}

func (l *loader) loadKeys(ctx context.Context) error {
	keys := map[*Table]map[string]int{} // position in Table.Keys by the key's name
	return l.stream(ctx, l.keysQuery(), func(r *row) {
		t := r.table()
		if t == nil {
			return
		}
		if keys[t] == nil {
			keys[t] = map[string]int{}
		}
		name := r.text(2)
		at, known := keys[t][name]
		if !known {
			at = len(t.Keys)
			keys[t][name] = at
			t.Keys = append(t.Keys, Key{
				Name: name, Primary: name == "PRIMARY", Unique: r.number(7) == 0,
				Type: strings.ToUpper(r.text(8)), Hidden: r.text(9) == "YES",
			})
		}
		part := KeyColumn{Name: r.text(4), Prefix: int(r.number(6)), Descending: r.text(5) == "D", Expression: r.text(10)}
		key := &t.Keys[at]
		if key.Type == "SPATIAL" {
			part.Prefix = 0 // the size of a bounding box (32), not a prefix
		}
		r.place(t, key, part)
	})
}

// place puts a part where SEQ_IN_INDEX says: the server promises no order of rows.
func (r *row) place(t *Table, key *Key, part KeyColumn) {
	sequence := int(r.number(3))
	if sequence < 1 || sequence > 64 {
		r.err = fmt.Errorf("key %s of %s.%s: the server printed %d as the position of a part", key.Name, t.Database, t.Name, sequence)
		return
	}
	for len(key.Columns) < sequence {
		key.Columns = append(key.Columns, KeyColumn{})
	}
	key.Columns[sequence-1] = part
}

package repair

import (
	"errors"
	"slices"

	"trueup/repair/rowsql"
)

// done are the rows, by key, that were changed along with those of an earlier group, while later ones are still read in the same
// snapshots, which do not know it.
type done map[*target]map[string]bool

// drop leaves out rows that an earlier group has changed.
func (d done) drop(g *group, deletes bool) error {
	var failed error
	g.changes = slices.DeleteFunc(g.changes, func(c rowsql.Change) bool {
		if g.target.deletedFirst && !deletes && c.After == nil {
			return true
		}
		row := c.Before
		if row == nil || !g.target.hasKey() {
			return false
		}
		key, err := g.target.sql.Stored.KeyOf(row)
		failed = errors.Join(failed, err)
		return d[g.target][key]
	})
	return failed
}

// take notes the rows that change with others, without those that were deleted by an earlier pass.
func (d done) take(t *target, along []rowsql.Change) (left []rowsql.Change, err error) {
	for _, c := range along {
		key, err := t.sql.Stored.KeyOf(c.Before)
		if err != nil {
			return nil, err
		}
		if d[t][key] || t.deletedFirst && c.After == nil {
			continue
		}
		if d[t] == nil {
			d[t] = map[string]bool{}
		}
		d[t][key] = true
		left = append(left, c)
	}
	return left, nil
}

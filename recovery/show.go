package recovery

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"trueup/check"
	"trueup/checksum"
)

// showRows shows the transaction's row changes, and the rows as both sides have them now: those with a problem first.
func (p *planner) showRows(ctx context.Context, most int) ([]RowState, error) {
	order := make([]int, len(p.touched.changes))
	problems := make([]string, len(p.touched.changes))
	for i := range p.touched.changes {
		order[i], problems[i] = i, p.problemOf(&p.touched.changes[i])
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(btoi(problems[a] == ""), btoi(problems[b] == "")) })
	var shown []RowState
	for _, i := range order[:min(most, len(order))] {
		state, err := p.showRow(ctx, &p.touched.changes[i])
		if err != nil {
			return nil, err
		}
		state.Problem = problems[i]
		shown = append(shown, state)
	}
	return shown, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// problemOf is what is wrong with the row of a change; "" for innocent ones.
func (p *planner) problemOf(c *touchedChange) string {
	if c.problem != "" || !c.table.keyed {
		return c.problem
	}
	for _, row := range []checksum.Row{c.before, c.after} {
		if row == nil {
			continue
		}
		key, err := c.table.layout.KeyOf(row)
		if err != nil {
			continue
		}
		if why, found := p.plan.has(c.table, key); found {
			return why.problem
		}
	}
	return ""
}

func (p *planner) showRow(ctx context.Context, c *touchedChange) (RowState, error) {
	state := RowState{Database: c.change.Table.Database, Table: c.change.Table.Name, Kind: c.change.Kind.String()}
	if c.problem != "" {
		state.Unknown = c.problem
		if c.table == nil || c.table.layout == nil || c.before == nil && c.after == nil {
			return state, nil
		}
	}
	t := c.table
	state.Before, state.After = t.show(c.before, c.wholeBefore, nil), t.show(c.after, c.wholeAfter, c.hasAfter)
	if !t.keyed {
		state.Unknown = "the table has no key by which the row could be found on the servers"
		return state, nil
	}
	key := c.before
	if key == nil {
		key = c.after
	}
	return state, p.showNow(ctx, &state, t, key)
}

// showNow shows the row of a key as both sides have it now.
func (p *planner) showNow(ctx context.Context, state *RowState, t *table, key checksum.Row) error {
	state.Key = check.NewRow(&checksum.Layout{Columns: t.layout.Columns[:len(t.layout.Key.Columns)]}, key)
	found, err := p.replica.find(ctx, t, key)
	if err != nil {
		return err
	}
	state.Replica = t.show(found, true, nil)
	found, known, err := p.sourceRow(ctx, t, key)
	switch {
	case err != nil:
		return err
	case !known && p.source == nil:
		state.Unknown = "the source was not reached"
	case !known:
		state.Unknown = "how the source has it now is not known: " + cmp.Or(t.doubt, "it does not have the table")
	default:
		state.Source = t.show(found, true, nil)
	}
	return nil
}

// showInTheWay shows the rows that the transaction does not change, and for which it fails.
func (p *planner) showInTheWay(ctx context.Context, most int) (shown []RowState, err error) {
	seen := map[*table]map[string]bool{} // a row may be in the way twice
	for _, row := range p.plan.beside {
		if len(shown) == most {
			break
		}
		t := row.table
		state := RowState{Database: t.name.Database, Table: t.name.Table}
		key, err := t.layout.KeyOf(row.key)
		if err != nil {
			return shown, err
		}
		if seen[t][key] {
			continue
		}
		if seen[t] == nil {
			seen[t] = map[string]bool{}
		}
		seen[t][key] = true
		if why, found := p.plan.has(t, key); found {
			state.Problem = why.problem
		}
		if err := p.showNow(ctx, &state, t, row.key); err != nil {
			return shown, err
		}
		shown = append(shown, state)
	}
	return shown, nil
}

// show shows a row; of one that the log has not all of, the values that are not NULL or that are known to be there.
func (t *table) show(row checksum.Row, whole bool, has []bool) (shown []check.NamedValue) {
	if row == nil {
		return nil
	}
	all := check.NewRow(t.layout, row)
	if whole {
		return all
	}
	n := 0
	for i, column := range t.layout.Columns {
		if column.IsCompanion() {
			continue
		}
		if row[i] != nil || i < len(has) && has[i] {
			shown = append(shown, all[n])
		}
		n++
	}
	return shown
}

// lost names a row change in a line: "update shop.orders id=4".
func (c *touchedChange) lost() string {
	name := c.change.Kind.String() + " " + c.change.Table.Database + "." + c.change.Table.Name
	row := c.before
	if row == nil {
		row = c.after
	}
	if row == nil || c.problem != "" {
		return fmt.Sprintf("%s (a row that cannot be shown: %s)", name, c.problem)
	}
	return name + " " + c.table.describe(row)
}

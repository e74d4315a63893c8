package repair

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"trueup/repair/rowsql"
	"trueup/schema"
)

const (
	// mostWere is of how many rows a group's entry in the journal says what they were before. A group is committed as a whole, so that some of
	// its rows, spread over it, tell whether it was; all of them would make the journal half as large again.
	mostWere = 64
	// mostWereBytes bounds their size.
	mostWereBytes = 256 << 10
)

// wasRecord tells by SQL whether a row is as it was before a repair: so many rows fulfil the condition then.
type wasRecord struct {
	Row   string `json:"row"` // names it: a condition on its key, where it has one
	Where string `json:"where"`
	Rows  int64  `json:"rows"`
}

// were says what rows of a group are before they change. One that no condition describes is left out: its repair does not fail for that.
func (t *target) were(changes []rowsql.Change) (all []wasRecord) {
	most, bytes := min(mostWere, len(changes)), 0
	for i := 0; i < most && bytes < mostWereBytes; i++ {
		was, err := t.was(changes[i*len(changes)/most])
		if err != nil {
			continue
		}
		bytes += len(was.Where)
		all = append(all, was)
	}
	return all
}

func (t *target) was(c rowsql.Change) (was wasRecord, err error) {
	read, row := &t.sql, c.Before
	if row == nil {
		read, row = t.sql.Reversed(), c.After
	}
	switch {
	case !t.hasKey():
		was.Where, err = read.Condition(row)
		was.Row, was.Rows = was.Where, c.There
		return was, err
	case c.Before != nil:
		if was.Where, err = read.Condition(row); err != nil {
			return was, err
		}
		was.Row, err = read.KeyCondition(row)
		was.Rows = 1
		return was, err
	}
	was.Where, err = read.KeyCondition(row)
	was.Row = was.Where
	return was, err
}

// openGroup is a group of which its journal does not say what became of it: the process died.
type openGroup struct {
	Database string      `json:"database"`
	Table    string      `json:"table"`
	Rows     int64       `json:"rows"`
	Were     []wasRecord `json:"were"`
}

// isAsBefore tells whether the rows are what they were before the repair. It is false where the journal does not say what that was.
func (u *undoing) isAsBefore(ctx context.Context, g *openGroup) (bool, error) {
	for _, was := range g.Were {
		record, err := u.writer.One(ctx, "SELECT COUNT(*) AS n FROM "+schema.QuoteTable(g.Database, g.Table)+" WHERE "+was.Where)
		if err != nil {
			return false, err
		}
		if record.Text("n") != strconv.FormatInt(was.Rows, 10) {
			return false, nil
		}
	}
	return len(g.Were) > 0, nil
}

const (
	rowsNamed = 5
	nameBytes = 100
)

// names names some of the group's rows.
func (g *openGroup) names() string {
	var names []string
	for _, was := range g.Were[:min(rowsNamed, len(g.Were))] {
		name := was.Row
		if len(name) > nameBytes {
			name = strings.ToValidUTF8(name[:nameBytes], "") + "…"
		}
		names = append(names, name)
	}
	if int64(len(names)) < g.Rows {
		names = append(names, "…")
	}
	return fmt.Sprintf("%d of %s.%s: %s", g.Rows, g.Database, g.Table, strings.Join(names, ", "))
}

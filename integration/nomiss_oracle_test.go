package integration

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"trueup/check"
)

// missState is what a damaged table holds on both sides, in exact forms: read by plain statements through the driver's
// text protocol, and compared here, so that nothing of the product decides what is expected of it.
type missState struct {
	table           *missTable
	source, replica [][]sql.NullString
}

// readExact reads the exact forms of all rows.
func (t *missTable) readExact(ctx context.Context, conn *sql.Conn) ([][]sql.NullString, error) {
	forms := make([]string, len(t.columns))
	for i, c := range t.columns {
		forms[i] = c.exactForm()
	}
	query := fmt.Sprintf("SELECT %s FROM %s", strings.Join(forms, ", "), t.quoted())
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close()
	var all [][]sql.NullString
	for rows.Next() {
		row, targets := make([]sql.NullString, len(forms)), make([]any, len(forms))
		for i := range row {
			targets[i] = &row[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// expected lists the differing rows, each in one line as foundLine has it, when rows are told apart by the given key;
// nil: by all columns.
func (s *missState) expected(ctx context.Context, conn *sql.Conn, key *missKey) ([]string, error) {
	if key == nil {
		return s.expectedWithoutKey(), nil
	}
	places := s.table.places(key.columns)
	onReplica := map[string]int{}
	for i, row := range s.replica {
		onReplica[exactKey(row, places)] = i
	}
	var lines []string
	var missing, extra []int
	for i, row := range s.source {
		exact := exactKey(row, places)
		j, found := onReplica[exact]
		if !found {
			missing = append(missing, i)
			continue
		}
		delete(onReplica, exact)
		if !slices.Equal(row, s.replica[j]) {
			lines = append(lines, s.table.line(check.Changed, 1, places, row, s.replica[j]))
		}
	}
	for _, j := range onReplica {
		extra = append(extra, j)
	}
	slices.Sort(extra)
	var partners map[int]int
	if key.usable { // the rows of others are paired by their bytes
		var err error
		if partners, err = s.partners(ctx, conn, places, missing, extra); err != nil {
			return nil, err
		}
	}
	return append(lines, s.unpaired(places, missing, extra, partners)...), nil
}

// unpaired are the lines of rows of which the other side has none with the very same key: partners leads from the
// source's to the replica's where the server takes the keys for equal.
func (s *missState) unpaired(places []int, missing, extra []int, partners map[int]int) []string {
	var lines []string
	paired := map[int]bool{}
	for _, i := range missing {
		j, found := partners[i]
		if !found {
			lines = append(lines, s.table.line(check.Missing, 1, places, s.source[i], nil))
			continue
		}
		paired[j] = true
		lines = append(lines, s.table.line(check.Changed, 1, places, s.source[i], s.replica[j]))
	}
	for _, j := range extra {
		if !paired[j] {
			lines = append(lines, s.table.line(check.Extra, 1, places, nil, s.replica[j]))
		}
	}
	return lines
}

// comparisonsAtOnce bounds the columns of a SELECT, of which a server takes 4096.
const comparisonsAtOnce = 500

// partners asks the server which keys are equal though their bytes are not.
func (s *missState) partners(ctx context.Context, conn *sql.Conn, places, missing, extra []int) (map[int]int, error) {
	var comparisons []string
	var pairs [][2]int
	for _, i := range missing {
		for _, j := range extra {
			if comparison := s.table.comparison(places, s.source[i], s.replica[j]); comparison != "" {
				comparisons = append(comparisons, comparison)
				pairs = append(pairs, [2]int{i, j})
			}
		}
	}
	partners := map[int]int{}
	for len(comparisons) > 0 {
		n := min(comparisonsAtOnce, len(comparisons))
		equal, targets := make([]sql.NullString, n), make([]any, n)
		for i := range equal {
			targets[i] = &equal[i]
		}
		if err := conn.QueryRowContext(ctx, "SELECT "+strings.Join(comparisons[:n], ", ")).Scan(targets...); err != nil {
			return nil, err
		}
		for k := range equal {
			if equal[k].String == "1" {
				partners[pairs[k][0]] = pairs[k][1]
			}
		}
		comparisons, pairs = comparisons[n:], pairs[n:]
	}
	return partners, nil
}

// comparison is SQL that tells whether two keys are equal; "" where they cannot be, since they differ in what has no
// collation.
func (t *missTable) comparison(places []int, a, b []sql.NullString) string {
	var parts []string
	for _, p := range places {
		column := t.columns[p]
		switch {
		case a[p] == b[p]:
		case column.class != texts || !a[p].Valid || !b[p].Valid:
			return ""
		default:
			collation := " COLLATE " + column.columnType[strings.LastIndexByte(column.columnType, ' ')+1:]
			parts = append(parts, column.literal(a[p].String)+collation+" = "+column.literal(b[p].String)+collation)
		}
	}
	return strings.Join(parts, " AND ")
}

// expectedWithoutKey groups equal rows: a changed one is one missing and one extra.
func (s *missState) expectedWithoutKey() []string {
	surplus, example := map[string]int{}, map[string][]sql.NullString{}
	count := func(rows [][]sql.NullString, sign int) {
		for _, row := range rows {
			surplus[exactKey(row, nil)] += sign
			example[exactKey(row, nil)] = row
		}
	}
	count(s.source, 1)
	count(s.replica, -1)
	var lines []string
	for key, n := range surplus {
		switch row := example[key]; {
		case n > 0:
			lines = append(lines, s.table.line(check.Missing, n, nil, row, nil))
		case n < 0:
			lines = append(lines, s.table.line(check.Extra, -n, nil, nil, row))
		}
	}
	return lines
}

// exactKey joins exact forms so that unequal ones stay unequal; places nil: of all columns.
func exactKey(row []sql.NullString, places []int) string {
	var b strings.Builder
	add := func(v sql.NullString) { fmt.Fprintf(&b, "%v %q,", v.Valid, v.String) }
	for i := range places {
		add(row[places[i]])
	}
	if places == nil {
		for _, v := range row {
			add(v)
		}
	}
	return b.String()
}

func (t *missTable) places(columns []*missColumn) []int {
	var places []int
	for _, c := range columns {
		places = append(places, slices.Index(t.columns, c))
	}
	return places
}

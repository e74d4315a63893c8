package report

import "slices"

// foldFrom is the number of lines from which tables that need no look of their own are folded.
const foldFrom = 50

// tableRow is one line of the table: a table on one or several replicas, or several tables folded.
type tableRow struct {
	database string
	title    string
	replica  string // an address, or "all 2", "2 of 3"
	verdict  string
	reason   string // its code, which folded tables share
	counts   bool   // false where nothing was read: numbers would look measured
	table    Table
	missing  int64
	extra    int64
	changed  int64
	folded   int // how many tables the line stands for, 0 for one by name
}

// tableRows makes the lines of the table: of every table that was to be compared one line for the replicas
// that agree on it, and one for each that does not.
func (t *textPrinter) tableRows() []tableRow {
	var rows []tableRow
	for _, table := range t.check.Tables {
		if table.Verdict != "not_compared" {
			rows = append(rows, t.rowsOf(table)...)
		}
	}
	if len(rows) >= foldFrom && !t.options.Verbose {
		rows = fold(rows)
	}
	return rows
}

func (t *textPrinter) rowsOf(table Table) []tableRow {
	base := tableRow{
		database: table.Database, title: tableTitle(table.Database, table.Table), table: table,
		verdict: table.Verdict, reason: table.ReasonCode,
		counts: table.ChunksVerified+table.ChunksUnverified > 0 || table.Verdict == ConditionEqual,
	}
	var rows []tableRow
	for _, group := range agreeing(table.Replicas) {
		row, r := base, group[0]
		row.replica, row.verdict, row.reason = t.replicaShare(group), r.Verdict, r.ReasonCode
		row.missing, row.extra, row.changed = r.Missing, r.Extra, r.Changed
		if r.Verdict != ConditionDifferent {
			row.table.ChunksDifferent = 0
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return []tableRow{base}
	}
	if len(rows) == 1 && rows[0].verdict == ConditionEqual && table.ReasonCode != "replica_unverified" {
		rows[0].verdict, rows[0].reason = table.Verdict, table.ReasonCode
	}
	return rows
}

// agreeing groups the replicas on which the same is known of a table. One that is different stands alone, and
// one that could not be compared at all is left out: it is named above the table and below it.
func agreeing(replicas []TableReplica) [][]TableReplica {
	var groups [][]TableReplica
	for _, r := range replicas {
		if r.ReasonCode == "replica_unverified" {
			continue
		}
		i := slices.IndexFunc(groups, func(group []TableReplica) bool {
			g := group[0]
			return r.Verdict != ConditionDifferent && g.Verdict == r.Verdict && g.ReasonCode == r.ReasonCode &&
				g.Missing == r.Missing && g.Extra == r.Extra && g.Changed == r.Changed
		})
		if i < 0 {
			groups = append(groups, []TableReplica{r})
			continue
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

// replicaShare names one replica by address and several by their number.
func (t *textPrinter) replicaShare(replicas []TableReplica) string {
	all := len(t.check.Replicas)
	switch {
	case len(replicas) == 0:
		return ""
	case len(replicas) == 1 && all > 1:
		return replicas[0].Address
	case len(replicas) == all:
		return "all " + grouped(int64(all))
	default:
		return grouped(int64(len(replicas))) + " of " + grouped(int64(all))
	}
}

// fold joins the lines of one database that say the same and are not different; lines that are different
// stay as they are. Within a database the joined lines come first.
func fold(rows []tableRow) []tableRow {
	var out []tableRow
	for len(rows) > 0 {
		end := 1
		for end < len(rows) && rows[end].database == rows[0].database {
			end++
		}
		out = append(out, foldDatabase(rows[:end])...)
		rows = rows[end:]
	}
	return out
}

func foldDatabase(rows []tableRow) []tableRow {
	type sameness struct{ replica, verdict, reason string }
	groups := map[sameness]int{} // to the index in folded
	var folded, rest []tableRow
	for _, row := range rows {
		if row.verdict == ConditionDifferent {
			rest = append(rest, row)
			continue
		}
		key := sameness{row.replica, row.verdict, row.reason}
		if i, ok := groups[key]; ok {
			folded[i] = joined(folded[i], row)
			continue
		}
		groups[key] = len(folded)
		folded = append(folded, row)
	}
	return append(folded, rest...)
}

func joined(a, b tableRow) tableRow {
	a.folded = max(a.folded, 1) + 1
	a.title = showName(a.database) + ".* (" + count(a.folded, "table", "tables") + ")"
	a.counts = a.counts || b.counts
	a.table.Rows += b.table.Rows
	a.table.ChunksVerified += b.table.ChunksVerified
	a.table.ChunksUnverified += b.table.ChunksUnverified
	a.table.DurationSeconds += b.table.DurationSeconds
	a.missing, a.extra, a.changed = a.missing+b.missing, a.extra+b.extra, a.changed+b.changed
	return a
}

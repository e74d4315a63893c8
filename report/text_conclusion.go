package report

import (
	"fmt"
	"slices"
	"strings"
)

// replicasNamed is how many replicas of a kind the conclusion names.
const replicasNamed = 5

// replicaSum is what a replica's tables add up to.
type replicaSum struct {
	different, unverified   int // tables
	schema                  int // tables whose definition differs
	missing, extra, changed int64
}

// conclusion says in plain words what the run found out, and what its exit code means.
func (t *textPrinter) conclusion() {
	t.out.WriteByte('\n')
	for _, sentence := range t.sentences() {
		t.paragraph(sentence)
	}
	code := t.check.ExitCode
	meaning := fmt.Sprintf("Exit code %d: %s", code, CodeMeaning(code))
	for _, condition := range t.check.Conditions {
		if CodeFor([]string{condition}) != code && alsoHolds[condition] != "" {
			meaning += "; " + alsoHolds[condition]
		}
	}
	t.prose(2, "%s.", meaning)
}

// alsoHolds says in words which graver or lesser conditions hold beside the one that made the exit code.
var alsoHolds = map[string]string{
	ConditionDifferent:  "there are differences too",
	ConditionFailed:     "an error prevented a complete verdict",
	ConditionUnverified: "not everything could be compared",
}

func (t *textPrinter) paragraph(sentence string) {
	for line := range strings.Lines(wrap(sentence, t.options.Width, 2)) {
		t.printf("%s\n", paint(t.options.Color, bold, strings.TrimSuffix(line, "\n")))
	}
}

func (t *textPrinter) sentences() []string {
	c := t.check
	var sentences []string
	if c.Error != "" {
		sentences = append(sentences, "The check failed: "+strings.TrimRight(showMessage(c.Error), ".")+".")
	}
	done, all := t.tablesDone()
	switch {
	case c.Interrupted && all == 0:
		return append(sentences, "Interrupted before anything was compared.")
	case c.Interrupted:
		sentences = append(sentences, fmt.Sprintf("Interrupted after %d of %s.", done, count(all, "table", "tables")))
	case len(c.Replicas) == 0 && c.Error != "":
		return append(sentences, "Nothing was compared.")
	}
	if len(c.Replicas) == 0 {
		return append(sentences, fmt.Sprintf("Nothing was compared: there is no replica of %s to look at.", showName(c.Source.Address)))
	}
	if done == 0 && c.Verdict == ConditionUnverified && c.Error == "" && !c.Interrupted {
		sentences = append(sentences, "Nothing was compared, so nothing is known to be equal.")
	}
	var parts []string
	if c.Error == "" || c.Verdict == ConditionDifferent {
		parts = t.replicaParts(all)
	}
	if len(parts) > 0 {
		sentences = append(sentences, strings.Join(parts, "; ")+".")
	}
	return sentences
}

// tablesDone counts the tables that were compared with at least one replica, and those that were to be.
func (t *textPrinter) tablesDone() (done, all int) {
	compared := func(verdict string) bool { return verdict == ConditionEqual || verdict == ConditionDifferent }
	for _, table := range t.check.Tables {
		if table.Verdict == "not_compared" {
			continue
		}
		all++
		if compared(table.Verdict) || slices.ContainsFunc(table.Replicas, func(r TableReplica) bool { return compared(r.Verdict) }) {
			done++
		}
	}
	return done, all
}

// replicaParts says first how many replicas are equal, then of the others what is wrong; those of which the
// same is to be said are named together.
func (t *textPrinter) replicaParts(tables int) []string {
	sums := t.sums()
	var equal, others []string
	names := map[string][]string{} // by what is to be said of them
	for _, r := range t.check.Replicas {
		if r.Verdict == ConditionEqual {
			equal = append(equal, showName(r.Address))
			continue
		}
		said := replicaFacts(r, sums[r.Address], tables)
		if names[said] == nil {
			others = append(others, said)
		}
		names[said] = append(names[said], showName(r.Address))
	}
	var parts []string
	if len(equal) > 0 && t.comparedAnything() && t.check.Error == "" {
		parts = append(parts, t.equalPart(equal, tables))
	}
	for i, said := range others {
		if i == replicasNamed {
			parts = append(parts, "more replicas are not equal (see the list above)")
			break
		}
		parts = append(parts, enumerate(names[said])+" "+said)
	}
	return parts
}

func (t *textPrinter) equalPart(equal []string, tables int) string {
	source := showName(t.check.Source.Address)
	switch all := len(t.check.Replicas); {
	case all == 1:
		return fmt.Sprintf("%s is equal to %s in %s", equal[0], source, t.extent(tables))
	case len(equal) == all && all == 2:
		return fmt.Sprintf("Both replicas are equal to %s in %s", source, t.extent(tables))
	case len(equal) == all:
		return fmt.Sprintf("All %d replicas are equal to %s in %s", all, source, t.extent(tables))
	case len(equal) == 1:
		return fmt.Sprintf("1 of %d replicas is equal to %s", all, source)
	default:
		return fmt.Sprintf("%d of %d replicas are equal to %s", len(equal), all, source)
	}
}

// enumerate joins a few names; many are counted.
func enumerate(names []string) string {
	switch {
	case len(names) > replicasNamed:
		return count(len(names), "replica", "replicas")
	case len(names) == 1:
		return names[0]
	default:
		return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
	}
}

func (t *textPrinter) comparedAnything() bool {
	done, _ := t.tablesDone()
	return done > 0
}

func (t *textPrinter) extent(tables int) string {
	var rows int64
	for _, table := range t.check.Tables {
		rows += table.Rows
	}
	if tables == 1 {
		return fmt.Sprintf("1 table (%s)", count(int(rows), "row", "rows"))
	}
	return fmt.Sprintf("all %s tables (%s)", grouped(int64(tables)), count(int(rows), "row", "rows"))
}

// replicaFacts says of a replica that is not equal what is known, in words that fit one and several.
func replicaFacts(r Replica, sum replicaSum, tables int) string {
	of := count(tables, "table", "tables")
	whole := "could not be verified: " + reasonOf(r.ReasonCode, r.Reason)
	if r.ReasonCode != "" { // the reason itself stands in the section before
		whole = "could not be verified [" + showName(r.ReasonCode) + "]"
	}
	switch {
	case sum.different > 0 || sum.schema > 0:
		return sum.differs(of)
	case r.Verdict == ConditionFailed, sum.unverified == 0, sum.unverified >= tables && r.ReasonCode+r.Reason != "":
		return whole
	case sum.unverified >= tables:
		return "could not be verified in any of " + of
	default:
		return fmt.Sprintf("showed no difference in %d of %s and could not be verified in %s", tables-sum.unverified, of, grouped(int64(sum.unverified)))
	}
}

func (s replicaSum) differs(of string) string {
	said := "in the definition of " + count(s.schema, "table", "tables")
	if s.different > 0 {
		in := fmt.Sprintf("in %d of %s%s", s.different, of, rowsText(s))
		if s.schema > 0 {
			in += " and " + said
		}
		said = in
	}
	if s.unverified > 0 {
		said += fmt.Sprintf(", and %s could not be verified", grouped(int64(s.unverified)))
	}
	return "differs " + said
}

// rowsText is "(5 rows missing, 1 extra, 2 changed)" with what is zero left out.
func rowsText(sum replicaSum) string {
	var parts []string
	for _, p := range []struct {
		n    int64
		kind string
	}{{sum.missing, "missing"}, {sum.extra, "extra"}, {sum.changed, "changed"}} {
		switch {
		case p.n == 0:
		case len(parts) == 0:
			parts = append(parts, count(int(p.n), "row", "rows")+" "+p.kind)
		default:
			parts = append(parts, grouped(p.n)+" "+p.kind)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// sums adds up what each replica's tables say. What could not be verified of a table as a whole counts for
// every replica that does not say otherwise.
func (t *textPrinter) sums() map[string]replicaSum {
	sums := map[string]replicaSum{}
	for _, table := range t.check.Tables {
		if table.Verdict == "not_compared" {
			continue
		}
		for _, replica := range t.check.Replicas {
			sum := sums[replica.Address]
			sum.add(table, replica.Address)
			sums[replica.Address] = sum
		}
	}
	counted := map[[3]string]bool{}
	for _, d := range t.check.SchemaDifferences {
		key := [3]string{d.Replica, d.Database, d.Table}
		if !counted[key] {
			counted[key] = true
			sum := sums[d.Replica]
			sum.schema++
			sums[d.Replica] = sum
		}
	}
	return sums
}

func (s *replicaSum) add(table Table, address string) {
	verdict := table.Verdict
	i := slices.IndexFunc(table.Replicas, func(r TableReplica) bool { return r.Address == address })
	if i >= 0 {
		r := table.Replicas[i]
		s.missing, s.extra, s.changed = s.missing+r.Missing, s.extra+r.Extra, s.changed+r.Changed
		verdict = r.Verdict
	}
	switch verdict {
	case ConditionDifferent:
		s.different++
	case ConditionUnverified, ConditionFailed:
		s.unverified++
	}
}

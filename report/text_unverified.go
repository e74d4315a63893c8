package report

import (
	"fmt"
	"slices"
	"strings"
)

// tablesNamedPerReason is how many tables are named for one reason without --verbose.
const tablesNamedPerReason = 5

// reasonGroup is every table that could not be compared for one reason.
type reasonGroup struct {
	verdict, code, reason string
	replica               string // empty: it holds for the table whatever the replica
	tables                []string
}

// unverifiedSection lists what could not be compared, why, and what to do.
func (t *textPrinter) unverifiedSection() {
	replicas := slices.DeleteFunc(slices.Clone(t.check.Replicas), func(r Replica) bool {
		return r.Verdict != ConditionUnverified && r.Verdict != ConditionFailed || r.ReasonCode == "" && r.Reason == ""
	})
	groups := t.reasonGroups(ConditionUnverified, ConditionFailed)
	if len(replicas)+len(groups) == 0 {
		return
	}
	t.heading("Not verified")
	for _, r := range replicas {
		t.prose(6, "  replica %s: %s", showName(r.Address), reasonOf(r.ReasonCode, r.Reason))
		t.advice(r.ReasonCode)
	}
	for _, g := range groups {
		where := ""
		if g.replica != "" {
			where = " on " + showName(g.replica)
		}
		t.prose(6, "  %s%s: %s", t.namedTables(g.tables), where, reasonOf(g.code, g.reason))
		t.advice(g.code)
	}
}

func (t *textPrinter) advice(code string) {
	if advice := adviceFor(code); advice != "" {
		t.prose(6, "    → %s", advice)
	}
}

// namedTables names a few tables and counts the others.
func (t *textPrinter) namedTables(tables []string) string {
	if len(tables) == 1 {
		return "table " + tables[0]
	}
	named := tables
	if !t.options.Verbose && len(named) > tablesNamedPerReason {
		named = named[:tablesNamedPerReason]
	}
	list := strings.Join(named, ", ")
	if more := len(tables) - len(named); more > 0 {
		list += fmt.Sprintf(" and %s more", grouped(int64(more)))
	}
	return fmt.Sprintf("%s (%s)", count(len(tables), "table", "tables"), list)
}

// reasonOf is the reason with its code, which docs/reasons.md explains.
func reasonOf(code, reason string) string {
	reason = strings.TrimRight(showMessage(reason), ".")
	switch {
	case reason == "" && code == "":
		return "no reason known"
	case reason == "" && reasonTexts[code].meaning != "":
		return fmt.Sprintf("%s [%s]", reasonTexts[code].meaning, showName(code))
	case code == "":
		return reason
	default:
		return strings.TrimLeft(fmt.Sprintf("%s [%s]", reason, showName(code)), " ")
	}
}

// reasonGroups gathers tables by reason, in the order of the first table of each. A table's own reason stands
// for its replicas' ones when they are the same; a replica that is unverified as a whole is listed as such.
// Tables have sentences of their own, so a reason shared by many is grouped by its code.
func (t *textPrinter) reasonGroups(verdicts ...string) []*reasonGroup {
	var groups []*reasonGroup
	index := map[string]*reasonGroup{}
	add := func(verdict, code, reason, replica, table string) {
		key := verdict + "\x00" + code + "\x00" + replica
		if code == "" {
			key += "\x00" + reason
		}
		group := index[key]
		if group == nil {
			group = &reasonGroup{verdict: verdict, code: code, reason: reason, replica: replica}
			index[key] = group
			groups = append(groups, group)
		}
		if group.reason != reason {
			group.reason = "" // the code's meaning stands for sentences that differ
		}
		group.tables = append(group.tables, table)
	}
	for _, table := range t.check.Tables {
		title := tableTitle(table.Database, table.Table)
		own := slices.Contains(verdicts, table.Verdict) && table.ReasonCode != "replica_unverified" && table.ReasonCode+table.Reason != ""
		if own {
			add(table.Verdict, table.ReasonCode, table.Reason, "", title)
		}
		for _, r := range table.Replicas {
			explained := r.ReasonCode == "replica_unverified" || own && (r.ReasonCode == table.ReasonCode || r.ReasonCode == "")
			if slices.Contains(verdicts, r.Verdict) && !explained {
				add(r.Verdict, r.ReasonCode, r.Reason, r.Address, title)
			}
		}
	}
	return groups
}

// notComparedSection counts what was left out on purpose, or lists it under --verbose.
func (t *textPrinter) notComparedSection() {
	names := map[string][]string{} // by reason
	var reasons []string
	total := 0
	for _, table := range t.check.Tables {
		if table.Verdict != "not_compared" {
			continue
		}
		reason := strings.ReplaceAll(table.ReasonCode, "_", " ")
		if reason == "" {
			reason = showMessage(table.Reason)
		}
		if names[reason] == nil {
			reasons = append(reasons, reason)
		}
		names[reason] = append(names[reason], tableTitle(table.Database, table.Table))
		total++
	}
	if total == 0 {
		return
	}
	t.out.WriteByte('\n')
	if t.options.Verbose {
		t.printf("Not compared: %d\n", total)
		for _, reason := range reasons {
			t.prose(4, "  %s: %s", showMessage(reason), strings.Join(names[reason], ", "))
		}
		return
	}
	parts := make([]string, len(reasons))
	for i, reason := range reasons {
		parts[i] = fmt.Sprintf("%s %d", showMessage(reason), len(names[reason]))
	}
	t.prose(4, "Not compared: %d (%s); --verbose lists them", total, strings.Join(parts, ", "))
}

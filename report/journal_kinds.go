package report

import (
	"fmt"
	"slices"
	"strings"
)

func pauseWordsOf(d journalData) (string, []journalField) {
	title := fmt.Sprintf("The applier of %s%s is about to be stopped for a moment", d.text("replica"), onChannel(d.text("channel")))
	return title, known(journalField{label: "it stands at", text: d.place("executed_file", "executed_position")}, journalField{label: "executed GTIDs", text: d.text("executed_gtid")},
		journalField{label: "starts it", code: lineOf(d.text("start_statement"))})
}

func pausedWordsOf(d journalData) (string, []journalField) {
	return "The applier stands at " + d.place("file", "position"), known(journalField{label: "executed GTIDs", text: d.text("gtid")}, journalField{label: "pause", text: d.text("pause")})
}

func pauseEndedWordsOf(d journalData) (string, []journalField) {
	how := d.text("how")
	said := map[string]string{"resumed": "The applier runs again", "not_paused": "The applier was not stopped after all", "left": "The applier was left as it is"}[how]
	if said == "" {
		said = "The pause ended: " + how
	}
	return said, known(journalField{label: "by", text: d.text("by")}, journalField{label: "why", text: d.text("why")}, journalField{label: "pause", text: d.text("pause")})
}

func repairReplicaWordsOf(d journalData) (string, []journalField) {
	title := fmt.Sprintf("Rows of %s%s are about to be changed, so that they are those of %s", d.text("replica"), onChannel(d.text("channel")), d.text("source"))
	return title, known(journalField{label: "server", text: serverWordsOf(d)})
}

// serverWordsOf takes a server's identity.
func serverWordsOf(d journalData) string {
	flavor, version, id, uuid := d.text("flavor"), d.text("version"), d.text("server_id"), d.text("server_uuid")
	return strings.TrimSpace(fmt.Sprintf("%s %s, server_id %s, %s", flavor, version, id, uuid))
}

func repairGroupWordsOf(d journalData) (string, []journalField) {
	replica := d.text("replica")
	title := fmt.Sprintf("Rows of %s on %s are about to change: %s", d.table(), replica, d.text("rows"))
	var undo []string
	for _, statement := range d.objects("undo") {
		undo = append(undo, statement.text("sql"))
	}
	return title, known(journalField{label: "group", text: d.text("group")}, journalField{label: "takes it back", code: undo})
}

func repairGroupEndedWordsOf(d journalData) (string, []journalField) {
	group, how := d.text("group"), d.text("how")
	said := map[string]string{"committed": "was committed", "rolled_back": "was rolled back", "undone": "was undone by a later run"}[how]
	if said == "" {
		said = "ended: " + how
	}
	return fmt.Sprintf("Group %s %s", group, said), nil
}

func tableWordsOf(d journalData, what string) (string, []journalField) {
	replica := d.text("replica")
	return fmt.Sprintf("Table %s is about to be %s on %s", d.table(), what, replica), known(journalField{label: "definition", code: lineOf(d.text("ddl"))})
}

func repairResultWordsOf(d journalData) (string, []journalField) {
	title := fmt.Sprintf("The repair of %s ended; the check of what was touched says: %s", d.text("replica"), d.or("verdict", "nothing, there was none"))
	return title, known(journalField{label: "error", text: d.text("error")}, journalField{label: "from", text: d.place("file_before", "position_before")},
		journalField{label: "to", text: d.place("file_after", "position_after")}, journalField{label: "statements", text: d.text("statements")})
}

func repairUndoneWordsOf(d journalData) (string, []journalField) {
	return fmt.Sprintf("Group %s of run %s is undone on %s", d.text("group"), d.text("repaired_by"), d.text("replica")), known(journalField{label: "statements", text: d.text("statements")})
}

func diagnosedWordsOf(d journalData) (string, []journalField) {
	replica, channel := d.text("replica"), d.text("channel")
	title := fmt.Sprintf("%s%s was stopped by error %s", replica, onChannel(channel), d.text("error_number"))
	fields := known(journalField{label: "error", text: d.text("error")}, journalField{label: "why", list: d.list("why")}, journalField{label: "source", text: d.text("source")},
		journalField{label: "server", text: serverWordsOf(d)}, journalField{label: "it stands at", text: d.place("file", "position")}, journalField{label: "executed GTIDs", text: d.text("executed_gtid")})
	fields = append(fields, transactionWordsOf(d.sub("transaction"))...)
	for _, row := range slices.Concat(d.objects("rows"), d.objects("rows_in_the_way")) {
		fields = append(fields, rowWordsOf(row))
	}
	for i, option := range d.objects("options") {
		label := fmt.Sprintf("way out %d", i+1)
		lines := append([]string{option.text("action")}, option.list("does")...)
		loses := option.list("loses")
		if len(loses) == 0 {
			loses = []string{"nothing"}
		}
		for _, line := range loses {
			lines = append(lines, "loses: "+line)
		}
		for _, line := range option.list("lost") {
			lines = append(lines, "lost row: "+line)
		}
		fields = append(fields, journalField{label: label, list: append(lines, leftOver(option)...)})
	}
	return title, fields
}

func transactionWordsOf(d journalData) []journalField {
	if d == nil {
		return nil
	}
	where := fmt.Sprintf("%s from %s to %s", d.text("file"), d.text("start"), d.text("end"))
	if gtid := d.text("gtid"); gtid != "" {
		where = gtid + ", " + where
	}
	statements := d.list("statements")
	return known(journalField{label: "transaction", text: where}, journalField{label: "of it", list: leftOver(d)}, journalField{label: "statements", code: statements})
}

// rowWordsOf shows a row of the transaction with its images, as it was on both sides.
func rowWordsOf(d journalData) journalField {
	lines := []string{}
	if problem := d.text("problem"); problem != "" {
		lines = append(lines, "problem: "+problem)
	}
	kind := d.text("kind")
	switch {
	case kind != "":
	case d["replica_now"] != nil:
		kind = "in the way:"
	default:
		kind = "missing:"
	}
	label := strings.TrimSpace(kind + " " + d.text("table"))
	return journalField{label: label, list: append(lines, leftOver(d)...)}
}

// leftOver are the fields of a nested object in a line each.
func leftOver(d journalData) (lines []string) {
	for _, name := range sortedNames(d) {
		if text := plainText(d[name]); text != "" && text != "null" {
			lines = append(lines, strings.ReplaceAll(name, "_", " ")+": "+text)
		}
	}
	return lines
}

func chosenWordsOf(d journalData) (string, []journalField) {
	return fmt.Sprintf("Chosen: %s", d.text("action")), known(journalField{label: "on the", text: d.text("by")}, journalField{label: "by", text: d.text("user")},
		journalField{label: "account", text: d.text("account")})
}

func touchedWordsOf(d journalData) (string, []journalField) {
	return "What will be compared at the end", nil
}

func stepWordsOf(d journalData) (string, []journalField) {
	return "About to: " + d.text("what"), known(journalField{label: "runs", code: lineOf(d.text("sql"))})
}

func stepDoneWordsOf(d journalData) (string, []journalField) {
	what, result := d.text("what"), d.text("result")
	return "Step ended: " + what, known(journalField{label: "result", text: result}, journalField{label: "ran", code: lineOf(d.text("sql"))})
}

func endedWordsOf(d journalData) (string, []journalField) {
	outcome := d.text("outcome")
	said := outcomeWords[outcome]
	if said == "" {
		said = strings.ReplaceAll(outcome, "_", " ")
	}
	return "The recovery ended: " + said, known(journalField{label: "action", text: d.text("action")}, journalField{label: "verdict", text: d.text("verdict")},
		journalField{label: "error", text: d.text("error")}, journalField{label: "it stands at", text: d.place("file_after", "position_after")},
		journalField{label: "executed GTIDs", text: d.text("executed_gtid_after")})
}

// lineOf is a list of one, or none where there is nothing.
func lineOf(code string) []string {
	if code == "" {
		return nil
	}
	return []string{code}
}

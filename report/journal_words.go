package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"trueup/internal/audit"
	"trueup/recovery"
	"trueup/repair"
	"trueup/replication/syncpoint"
)

// kindRunStarted is the first entry of the journal of every command.
const kindRunStarted = "run_started"

// journalData is an entry's data. What a title or a field has used is taken out of it; what is left is shown as it is.
type journalData map[string]any

// text takes a value as words; "" where there is none.
func (d journalData) text(name string) string {
	value, there := d[name]
	delete(d, name)
	if !there || value == nil {
		return ""
	}
	return plainText(value)
}

func plainText(value any) string {
	if text, isText := value.(string); isText {
		return text
	}
	encoded, err := marshalPlain(value, "")
	if err != nil {
		return fmt.Sprint(value)
	}
	return encoded
}

// marshalPlain encodes without HTML escapes: whoever writes it out escapes what has to be.
func marshalPlain(value any, indent string) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	err := encoder.Encode(value)
	return strings.TrimSuffix(out.String(), "\n"), err
}

// or is the value, or something else where there is none.
func (d journalData) or(name, otherwise string) string {
	if text := d.text(name); text != "" {
		return text
	}
	return otherwise
}

// place takes a file and an offset as a position.
func (d journalData) place(file, offset string) string {
	name, at := d.text(file), d.text(offset)
	if name == "" {
		return ""
	}
	return name + ":" + at
}

// table takes a database and a table.
func (d journalData) table() string {
	database, table := d.text("database"), d.text("table")
	return database + "." + table
}

// list takes a list of texts.
func (d journalData) list(name string) (lines []string) {
	values, _ := d[name].([]any)
	if _, isList := d[name].([]any); isList || d[name] == nil {
		delete(d, name)
	}
	for _, value := range values {
		lines = append(lines, plainText(value))
	}
	return lines
}

// objects takes a list of objects.
func (d journalData) objects(name string) (all []journalData) {
	values, isList := d[name].([]any)
	if !isList {
		return nil
	}
	for _, value := range values {
		object, isObject := value.(map[string]any)
		if !isObject {
			return nil
		}
		all = append(all, object)
	}
	delete(d, name)
	return all
}

// sub takes an object; nil where there is none.
func (d journalData) sub(name string) journalData {
	object, isObject := d[name].(map[string]any)
	if isObject {
		delete(d, name)
	}
	return object
}

func sortedNames(d journalData) []string { return slices.Sorted(maps.Keys(d)) }

// rest are the fields that nothing has used, by name.
func (d journalData) rest() (fields []journalField) {
	for _, name := range sortedNames(d) {
		label := strings.ReplaceAll(name, "_", " ")
		switch value := d[name].(type) {
		case nil:
		case map[string]any, []any:
			if encoded, err := marshalPlain(value, "  "); err == nil {
				fields = append(fields, journalField{label: label, code: []string{encoded}})
			}
		default:
			if text := plainText(value); text != "" {
				fields = append(fields, journalField{label: label, text: text})
			}
		}
	}
	return fields
}

// journalWords puts the known kinds of entries into words: a title, and what does not stand for itself.
var journalWords = map[string]func(journalData) (string, []journalField){
	kindRunStarted: func(d journalData) (string, []journalField) {
		return fmt.Sprintf("trueup %s %s began, for the source %s", d.text("command"), d.text("version"), d.text("source")), nil
	},
	audit.KindFinished: func(journalData) (string, []journalField) {
		return "The journal came to its end, with nothing left open", nil
	},
	audit.KindResumed: func(d journalData) (string, []journalField) {
		return "Another process goes on with this journal: " + d.text("by"), nil
	},
	syncpoint.KindPause:      pauseWordsOf,
	syncpoint.KindPaused:     pausedWordsOf,
	syncpoint.KindPauseEnded: pauseEndedWordsOf,
	repair.KindReplica:       repairReplicaWordsOf,
	repair.KindGroup:         repairGroupWordsOf,
	repair.KindGroupEnded:    repairGroupEndedWordsOf,
	repair.KindTableCreated:  func(d journalData) (string, []journalField) { return tableWordsOf(d, "created") },
	repair.KindTableDropped:  func(d journalData) (string, []journalField) { return tableWordsOf(d, "dropped") },
	repair.KindResult:        repairResultWordsOf,
	repair.KindUndone:        repairUndoneWordsOf,
	recovery.KindDiagnosed:   diagnosedWordsOf,
	recovery.KindChosen:      chosenWordsOf,
	recovery.KindTouched:     touchedWordsOf,
	recovery.KindStep:        stepWordsOf,
	recovery.KindStepDone:    stepDoneWordsOf,
	recovery.KindEnded:       endedWordsOf,
}

// describeEntry puts an entry into words. One of an unknown kind is shown as the JSON that it is.
func describeEntry(entry audit.Entry) journalEntry {
	e := journalEntry{number: entry.Sequence, at: entry.Time, kind: entry.Kind, hash: entry.Hash}
	var data journalData
	decoder := json.NewDecoder(bytes.NewReader(entry.Data))
	decoder.UseNumber() // offsets and ids are whole numbers of 64 bits
	words := journalWords[entry.Kind]
	if err := decoder.Decode(&data); words == nil || err != nil && len(entry.Data) > 0 {
		e.title = strings.ReplaceAll(entry.Kind, "_", " ")
		if len(entry.Data) > 0 {
			e.fields = []journalField{{label: "data", code: []string{indented(entry.Data)}}}
		}
		return e
	}
	e.title, e.fields = words(data)
	e.fields = append(e.fields, data.rest()...)
	return e
}

func indented(data json.RawMessage) string {
	var out bytes.Buffer
	if json.Indent(&out, data, "", "  ") != nil {
		return string(data)
	}
	return out.String()
}

// known leaves out fields that say nothing.
func known(fields ...journalField) []journalField {
	return slices.DeleteFunc(fields, func(f journalField) bool { return f.text == "" && len(f.code) == 0 && len(f.list) == 0 })
}

func onChannel(channel string) string {
	if channel == "" {
		return ""
	}
	return ", channel " + channel
}

package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"trueup/internal/audit"
)

// JournalFormat is a form in which a journal can be read by a person.
type JournalFormat string

// The forms. Each holds every entry with all of its data.
const (
	JournalText     JournalFormat = "text"
	JournalMarkdown JournalFormat = "markdown"
	JournalHTML     JournalFormat = "html" // one file, without scripts and without anything from elsewhere
)

// JournalFormats are all of them, the default first.
func JournalFormats() []string {
	return []string{string(JournalText), string(JournalMarkdown), string(JournalHTML)}
}

// WriteJournal writes a journal for a person to read: first whether it is as it was written, then its entries in their order. read verifies the
// journal and calls visit for every entry that is as it was written; it is called twice, and the journal is never in memory as a whole. The summary
// is what the journal was at the first reading; the error is that of read or of w.
func WriteJournal(w io.Writer, file string, format JournalFormat, options TextOptions, read func(visit func(audit.Entry)) (found audit.Summary, held bool, err error)) (audit.Summary, error) {
	head := journalHead{file: file, facts: map[string][]string{}}
	found, held, err := read(head.take)
	if err != nil {
		return found, err
	}
	head.summary, head.held = found, held
	var sheet journalSheet
	switch format {
	case JournalMarkdown:
		sheet = &markdownSheet{w: w}
	case JournalHTML:
		sheet = &htmlSheet{w: w}
	case JournalText:
		fallthrough
	default:
		sheet = &textSheet{w: w, options: options}
	}
	sheet.begin(head)
	shown := int64(0)
	if _, _, err = read(func(entry audit.Entry) {
		if shown++; shown <= found.Entries { // what was written since the first reading is not proven
			sheet.entry(describeEntry(entry))
		}
	}); err != nil {
		return found, err
	}
	if err := sheet.end(); err != nil {
		return found, fmt.Errorf("writing the journal: %w", err)
	}
	return found, nil
}

// journalSheet is what a journal is written on. After an error of its writer it writes nothing more; end returns that error.
type journalSheet interface {
	begin(journalHead)
	entry(journalEntry)
	end() error
}

// journalHead is what stands above the entries.
type journalHead struct {
	file        string
	summary     audit.Summary
	held        bool
	first, last time.Time
	facts       map[string][]string // by label, each once
}

// headFacts are the data of entries that say whose journal it is, by the label under which they stand.
var headFacts = []struct{ label, field string }{
	{"command", "command"}, {"trueup", "version"}, {"source", "source"}, {"replica", "replica"}, {"user", "user"}, {"account", "account"},
}

func (h *journalHead) take(entry audit.Entry) {
	if h.first.IsZero() {
		h.first = entry.Time
	}
	h.last = entry.Time
	if len(entry.Data) > mostHeadData {
		return // rows
	}
	var data map[string]any
	if json.Unmarshal(entry.Data, &data) != nil {
		return
	}
	for _, fact := range headFacts {
		if value, isText := data[fact.field].(string); isText && value != "" && (fact.field != "version" || entry.Kind == kindRunStarted) {
			h.add(fact.label, value)
		}
	}
}

// mostHeadData is how large an entry may be to be looked into for the head.
const mostHeadData = 1 << 20

func (h *journalHead) add(label, value string) {
	for _, known := range h.facts[label] {
		if known == value {
			return
		}
	}
	h.facts[label] = append(h.facts[label], value)
}

// verdict says in a sentence whether the journal can be trusted.
func (h journalHead) verdict() string {
	switch h.summary.State {
	case audit.Whole:
		return "This journal is whole: it is as it was written, up to its end."
	case audit.Changed:
		return "THIS JOURNAL WAS CHANGED after it was written (" + h.summary.Problem + "). What follows stood before the change, and is as it was written."
	case audit.Cut:
		return "This journal has lost its end (" + h.summary.Problem + "). What follows is as it was written."
	case audit.Open:
		if h.held {
			return "This journal is being written: its process is alive. What follows is as it was written."
		}
		return "This journal is open (" + h.summary.Problem + "). What follows is as it was written."
	}
	return "Whether this journal is as it was written is not known."
}

// lines are the facts of the head with their labels.
func (h journalHead) lines() [][2]string {
	lines := [][2]string{{"file", h.file}, {"run", h.summary.Run}}
	for _, fact := range headFacts {
		if values := h.facts[fact.label]; len(values) > 0 {
			lines = append(lines, [2]string{fact.label, strings.Join(values, ", ")})
		}
	}
	when := "no entry"
	if !h.first.IsZero() {
		when = h.first.UTC().Format(timeLayout) + " to " + h.last.UTC().Format(timeLayout)
	}
	lines = append(lines, [2]string{"time", when}, [2]string{"entries", grouped(h.summary.Entries)}, [2]string{"head hash", h.summary.Head})
	for _, left := range h.summary.Left {
		lines = append(lines, [2]string{"left open", fmt.Sprintf("entry %d: %s", left.Sequence, describeEntry(left).title)})
	}
	return lines
}

// EntryTitle says in a line what a journal's entry is about. It may hold what a server or a file says: show it with Harmless.
func EntryTitle(entry audit.Entry) string { return describeEntry(entry).title }

// journalEntry is an entry in words.
type journalEntry struct {
	number int64
	at     time.Time
	kind   string
	title  string
	fields []journalField
	hash   string
}

// journalField is one thing that an entry says.
type journalField struct {
	label string
	text  string   // one line of prose
	code  []string // SQL and the like, each of which may have several lines; to be copied
	list  []string // lines of prose
}

func (e journalEntry) time() string { return e.at.UTC().Format("2006-01-02 15:04:05.000 UTC") }

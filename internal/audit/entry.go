package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Kinds of entries that are this package's own; others belong to whoever records them.
const (
	// KindFinished is the last entry of a journal that came to its end.
	KindFinished = "finished"
	// KindResumed is the first entry of a process that goes on with the journal of one that died.
	KindResumed = "journal_resumed"
)

// Entry is one line of a journal. Whoever records one fills in Kind, Data and, for a step that must be undone, Opens or
// Closes; the journal fills in the rest.
type Entry struct {
	Sequence int64     `json:"sequence"` // from 1
	Time     time.Time `json:"time"`
	Run      string    `json:"run_id"`
	Kind     string    `json:"kind"`
	// Opens names something that is to be undone; Closes says that it has been.
	Opens  string          `json:"opens,omitempty"`
	Closes string          `json:"closes,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"` // an object
	// Previous is the hash of the entry before; "" in the first one.
	Previous string `json:"previous_hash"`
	// Hash is the SHA-256, in hexadecimal digits, of the line as it would be without it.
	Hash string `json:"hash,omitempty"`

	// Length is how many bytes the entry's line has, with its end, in the journal that it was read from.
	Length int `json:"-"`
}

// NewEntry makes an entry with its data. The error is that of data which JSON cannot hold.
func NewEntry(kind string, data any) (Entry, error) {
	encoded, err := json.Marshal(data)
	if err != nil {
		return Entry{}, fmt.Errorf("journal entry %s: %w", kind, err)
	}
	return Entry{Kind: kind, Data: encoded}, nil
}

const (
	hashField  = `,"hash":"`
	hashLength = 2 * sha256.Size
	tailLength = len(hashField) + hashLength + len(`"}`)
)

// line is the entry with its hash, and a line break.
func (e *Entry) line() ([]byte, error) {
	e.Hash = ""
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("journal entry %s: %w", e.Kind, err)
	}
	e.Hash = digest(body)
	return append(body[:len(body)-1], hashField+e.Hash+"\"}\n"...), nil
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// parseLine reads a line without its line break and proves its hash.
func parseLine(line []byte) (Entry, error) {
	cut := len(line) - tailLength
	if cut < 1 || !bytes.HasPrefix(line[cut:], []byte(hashField)) || !bytes.HasSuffix(line, []byte(`"}`)) {
		return Entry{}, errors.New("it is not an entry of a journal")
	}
	entry, err := decode(line)
	if err != nil {
		return Entry{}, fmt.Errorf("it is not an entry of a journal: %w", err)
	}
	if digest(append(bytes.Clone(line[:cut]), '}')) != string(line[cut+len(hashField):len(line)-2]) {
		return Entry{}, errors.New("its hash is not that of its content")
	}
	return entry, nil
}

// largeData is from what length on an entry's data is not looked into: before-images of rows can be megabytes, and reading JSON takes ten
// times as long as proving its hash.
const largeData = 1 << 14

// decode reads a line. Large data is cut out of it as it stands; whoever uses it finds out whether it is valid.
func decode(line []byte) (entry Entry, err error) {
	const dataField, previousField = `,"data":`, `,"previous_hash":"`
	begin := bytes.Index(line[:min(len(line), largeData)], []byte(dataField)) // quotes within a text have a backslash before them
	end := len(line) - tailLength - hashLength - len(previousField) - 1
	if begin < 0 || end-begin < largeData || !bytes.HasPrefix(line[end:], []byte(previousField)) {
		return entry, json.Unmarshal(line, &entry)
	}
	if err := json.Unmarshal(append(bytes.Clone(line[:begin]), line[end:]...), &entry); err != nil {
		return entry, err
	}
	entry.Data = bytes.Clone(line[begin+len(dataField) : end])
	return entry, nil
}

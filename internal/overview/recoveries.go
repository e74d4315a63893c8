package overview

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"trueup/internal/audit"
	"trueup/recovery"
)

// Recovery is a recovery whose journal does not say what became of it.
type Recovery struct {
	Run     string
	Replica string // address
	Channel string
	// ErrorNumber and Error are those that it is about.
	ErrorNumber int
	Error       string
	Journal     string // path
	At          time.Time
	// Held: a living process writes the journal, so that the recovery goes on.
	Held bool
}

// OpenRecoveries are the recoveries that journals leave open, in the order in which they were begun, and what could not be read, in words. The error is that of the
// folder.
func OpenRecoveries(journals audit.Folder) (open []Recovery, problems []string, err error) {
	paths, err := journals.Journals()
	if err != nil {
		return nil, nil, err
	}
	for _, path := range paths {
		if audit.LeavesNothing(path) {
			continue
		}
		in, err := RecoveriesIn(path)
		if err != nil {
			problems = append(problems, err.Error())
		}
		open = append(open, in...)
	}
	// The names of journals say the second, and chance which of that second's is first.
	slices.SortStableFunc(open, func(a, b Recovery) int { return a.At.Compare(b.At) })
	return open, problems, nil
}

// RecoveriesIn are the recoveries that one journal leaves open. The error is that of a file that cannot be read, or of an entry that says less
// than it should; that a journal was changed is no error here: what stands before the change is read.
func RecoveriesIn(path string) (open []Recovery, err error) {
	found, held, err := audit.Read(path, nil)
	if err != nil {
		return nil, err
	}
	for _, left := range found.Left {
		if left.Kind != recovery.KindDiagnosed {
			continue
		}
		var said struct {
			Replica string `json:"replica"`
			Channel string `json:"channel"`
			Number  int    `json:"error_number"`
			Error   string `json:"error"`
		}
		if err := json.Unmarshal(left.Data, &said); err != nil {
			return open, fmt.Errorf("journal %s: entry %d: %w", path, left.Sequence, err)
		}
		open = append(open, Recovery{Run: left.Run, Replica: said.Replica, Channel: said.Channel, ErrorNumber: said.Number, Error: said.Error, Journal: path, At: left.Time, Held: held})
	}
	return open, nil
}

// readRecoveries reads which recoveries were cut short. One that is older than journals of repairs are kept for is nobody's business any more.
func (o *Overview) readRecoveries(journals audit.Folder) {
	open, problems, err := OpenRecoveries(journals)
	if err != nil {
		return // readPauses says so
	}
	o.Problems = append(o.Problems, problems...)
	for _, one := range open {
		if o.At.Sub(one.At) < audit.LastingTime {
			o.Recoveries = append(o.Recoveries, one)
		}
	}
}

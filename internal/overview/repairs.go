package overview

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"trueup/internal/audit"
	"trueup/repair"
)

// Repair is a repair whose journal does not say of some transactions on a replica whether they were committed.
type Repair struct {
	Run     string
	Replica string // address
	Journal string // path
	At      time.Time
	Groups  int
	// Held: a living process writes the journal, so that the repair goes on.
	Held bool
}

// readRepairs reads which repairs were cut short. One that is older than its journal is kept for is nobody's business any more.
func (o *Overview) readRepairs(journals audit.Folder) {
	paths, err := journals.Journals()
	if err != nil {
		return // readPauses says so
	}
	for _, path := range paths {
		if audit.LeavesNothing(path) {
			continue
		}
		found, held, err := audit.Read(path, nil)
		if err != nil {
			continue
		}
		for _, left := range found.Left {
			if left.Kind == repair.KindGroup && o.At.Sub(left.Time) < audit.LastingTime {
				o.addRepair(path, held, left)
			}
		}
	}
}

func (o *Overview) addRepair(path string, held bool, left audit.Entry) {
	var group struct {
		Replica string `json:"replica"`
	}
	if err := json.Unmarshal(left.Data, &group); err != nil {
		o.Problems = append(o.Problems, fmt.Sprintf("journal %s: entry %d: %v", path, left.Sequence, err))
		return
	}
	i := slices.IndexFunc(o.Repairs, func(r Repair) bool { return r.Journal == path && r.Replica == group.Replica })
	if i < 0 {
		i = len(o.Repairs)
		o.Repairs = append(o.Repairs, Repair{Run: left.Run, Replica: group.Replica, Journal: path, At: left.Time, Held: held})
	}
	o.Repairs[i].Groups++
}

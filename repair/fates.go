package repair

import (
	"encoding/json"
	"slices"

	"trueup/internal/audit"
)

// fates are what journals say became of the groups of one run. A group of which no row is as the repair left it may have been undone before,
// never have been committed, or have been changed since: only in the first two cases nothing is left to undo, and that no statement finds its
// row does not tell which it is.
type fates struct {
	known     bool            // the run's own journal was found, as it was written
	committed map[string]bool // by group
	undone    map[string]bool
	open      map[string]*openGroup // the run's own journal ends before it says what became of them
	twice     map[string]bool       // names that the run's own journal has for two groups: what it says of them is not known to be of the one in question
}

// readFates looks through journals. One that cannot be read, or was changed, tells nothing.
func readFates(journals []string, run string) fates {
	all := fates{committed: map[string]bool{}, undone: map[string]bool{}}
	for _, path := range journals {
		var committed, settled, undone []string
		open, twice, begun := map[string]*openGroup{}, map[string]bool{}, map[string]bool{}
		found, _, err := audit.Read(path, func(entry audit.Entry) {
			switch entry.Kind {
			case KindGroup:
				if entry.Run != run {
					return // those are large, and many
				}
				one := &openGroup{}
				_ = json.Unmarshal(entry.Data, one) // of one that cannot be read it is not known what its rows were
				open[entry.Opens], twice[entry.Opens], begun[entry.Opens] = one, begun[entry.Opens], true
			case KindGroupEnded:
				var record groupEndRecord
				if json.Unmarshal(entry.Data, &record) != nil {
					return
				}
				delete(open, record.Group)
				switch record.How {
				case endRolledBack:
				case endUndone:
					settled = append(settled, record.Group)
				default:
					committed = append(committed, record.Group)
				}
			case KindUndone:
				var record undoneRecord
				if json.Unmarshal(entry.Data, &record) == nil && record.Run == run {
					undone = append(undone, record.Group)
				}
			}
		})
		if err != nil || found.State == audit.Changed {
			continue
		}
		if found.Run == run {
			all.known, all.open, all.twice = true, open, twice
			for _, group := range committed {
				all.committed[group] = true
			}
			undone = append(undone, settled...)
		}
		for _, group := range undone {
			all.undone[group] = true
		}
	}
	return all
}

// nothingLeft tells whether a group is known to need no undoing.
func (f fates) nothingLeft(group string) bool {
	return !f.twice[group] && (f.undone[group] || f.known && !f.committed[group] && f.open[group] == nil)
}

// unknown is a group of which it is not known whether it was committed; nil: it is known, or cannot be found out.
func (f fates) unknown(group string) *openGroup {
	if f.twice[group] {
		return nil
	}
	return f.open[group]
}

// journals are the paths of those that may tell what became of the groups.
func (r UndoRequest) journals() []string {
	var paths []string
	if r.Folder != nil {
		paths, _ = r.Folder.Journals() // without them less is known, and that is said
	}
	if r.Repaired != "" && !slices.Contains(paths, r.Repaired) {
		paths = append(paths, r.Repaired)
	}
	return paths
}

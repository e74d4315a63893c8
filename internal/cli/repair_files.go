package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"trueup/check"
	"trueup/repair"
	"trueup/report"
	"trueup/schema"
)

// runID is what a run's name looks like.
var runID = regexp.MustCompile(`^\d{8}T\d{6}Z-[A-Z2-7]{6}$`)

// readFrom takes the ranges of a stored check into the request, as far as the filters leave them; nil where none was named.
func (o repairOptions) readFrom(request *repair.Request) (*report.StoredCheck, error) {
	if o.from == "" {
		return nil, nil
	}
	file, err := os.Open(o.from)
	if errors.Is(err, fs.ErrNotExist) && runID.MatchString(o.from) {
		return nil, usagef("--from %s: this version does not keep runs; give the file that \"trueup check --format json --output FILE\" has written", o.from)
	}
	if err != nil {
		return nil, usagef("--from: %v", err)
	}
	defer file.Close()
	stored, err := report.ReadStored(file)
	if err != nil {
		return nil, usagef("--from %s: %v", o.from, err)
	}
	if stored.Document.Verdict == report.ConditionFailed && len(stored.Ranges) == 0 {
		return nil, usagef("--from %s: that check failed before it found anything: %s", o.from, stored.Document.Error)
	}
	request.From = &stored.Servers
	// Columns that were not compared then are not to be changed now.
	for _, pattern := range stored.Document.Filters.IgnoreColumns {
		if !slices.Contains(request.Check.Filters.IgnoreColumns, pattern) {
			request.Check.Filters.IgnoreColumns = append(slices.Clone(request.Check.Filters.IgnoreColumns), pattern)
		}
	}
	return &stored, o.narrow(request, stored)
}

// fromWarning says what a stored check does not know, and the repair therefore neither.
func fromWarning(stored *report.StoredCheck) []string {
	if stored == nil || !stored.Document.Interrupted && stored.Document.Verdict != report.ConditionUnverified && !slices.Contains(stored.Document.Conditions, report.ConditionUnverified) &&
		!slices.Contains(stored.Document.Conditions, report.ConditionFailed) {
		return nil
	}
	how := "could not compare everything"
	if stored.Document.Interrupted {
		how = "was interrupted"
	}
	return []string{fmt.Sprintf("check %s %s: what it did not come to may differ and is no part of this repair", stored.Document.RunID, how)}
}

// narrow leaves out what the filters do.
func (o repairOptions) narrow(request *repair.Request, stored report.StoredCheck) error {
	filters := request.Check.Filters
	selector, err := schema.ParseFilter(schema.Filter{Databases: filters.Databases, Tables: filters.Tables, IgnoreDatabases: filters.IgnoreDatabases,
		IgnoreTables: filters.IgnoreTables, IgnoreColumns: filters.IgnoreColumns})
	if err != nil {
		return usagef("--from %s: its filters cannot be used: %v", o.from, err)
	}
	request.Check.Ranges = slices.DeleteFunc(slices.Clone(stored.Ranges), func(r check.Range) bool { return !selector.MatchesTable(r.Database, r.Table) })
	if len(request.Check.Ranges) == 0 && len(stored.Ranges) > 0 {
		return usagef("--from %s: the filters leave nothing of what differed there", o.from)
	}
	return nil
}

// undoOutput is where --undo-file is written; nil where there is none.
type undoOutput struct {
	path    string
	output  *report.Output
	process Process
	close   func()
}

// undoable are the addresses of the replicas on which the run has changed something, or may have.
func undoable(result *repair.Result, journal string) (addresses []string, err error) {
	if result.Err != nil && result.Applied { // of a transaction whose COMMIT was not answered only the journal knows
		found, err := repair.Undoable(journal)
		for _, on := range found {
			addresses = append(addresses, on.Replica)
		}
		return addresses, err
	}
	for _, on := range result.Replicas {
		if on.Undo > 0 {
			addresses = append(addresses, on.Address)
		}
	}
	return addresses, nil
}

// openUndo proves that the file can be written before anything is touched.
func (o repairOptions) openUndo(process Process) (*undoOutput, error) {
	if o.undoFile == "" {
		return nil, nil
	}
	output, discard, err := process.openOutput(o.undoFile, "undo-file")
	if err != nil {
		return nil, err
	}
	return &undoOutput{path: o.undoFile, output: output, process: process, close: discard}, nil
}

func (u *undoOutput) discard() {
	if u != nil {
		u.close()
	}
}

// write makes the undo files of what a journal can undo on these replicas, and returns their names.
func (u *undoOutput) write(journal string, replicas []string) ([]string, error) {
	if u == nil || len(replicas) == 0 {
		return nil, nil
	}
	if len(replicas) == 1 {
		return []string{u.path}, writeUndo(u.output, journal, replicas[0])
	}
	var files []string
	for _, replica := range replicas {
		path := besideName(u.path, replica)
		output, discard, err := u.process.openOutput(path, "undo-file")
		if err != nil {
			return files, err
		}
		err = writeUndo(output, journal, replica)
		discard()
		if err != nil {
			return files, err
		}
		files = append(files, path)
	}
	return files, nil
}

func writeUndo(output *report.Output, journal, replica string) error {
	if err := repair.WriteUndo(output, journal, replica); err != nil {
		return err
	}
	return output.Commit()
}

// besideName puts a server's address into a file's name, before its extension: undo.sql becomes undo-10.0.0.2-3306.sql.
func besideName(path, address string) string {
	extension := filepath.Ext(path)
	if extension == filepath.Base(path) { // .undo has none
		extension = ""
	}
	return fmt.Sprintf("%s-%s%s", strings.TrimSuffix(path, extension), report.AddressInName(address), extension)
}

package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"trueup/check"
	"trueup/report"
)

// openOutput opens the file that a flag names, or standard output. discard throws it away unless it was committed; so does a
// second signal.
func (p Process) openOutput(path, flag string) (output *report.Output, discard func(), err error) {
	output, err = report.OpenOutput(path, p.Out)
	if err != nil {
		return nil, nil, usagef("%v; choose another --%s", err, flag)
	}
	forget := func() {}
	if unfinished := output.Unfinished(); unfinished != "" {
		forget = p.Leftovers.Add(func() { _ = os.Remove(unfinished) })
	}
	return output, func() {
		forget()
		_ = output.Close()
	}, nil
}

// differencesFile is the file of --differences-file and what it is written through.
type differencesFile struct {
	*report.DifferencesFile
	discard func()
	path    string
}

// openDifferences returns nil where no such file is asked for.
func (o checkOptions) openDifferences(request check.Request, process Process) (*differencesFile, error) {
	switch {
	case o.differences == "":
		return nil, nil
	case o.differences == "-":
		return nil, usagef("--differences-file -: standard output is the report's; name a file")
	case samePath(o.differences, o.output.file):
		return nil, usagef("--differences-file and --output are the same file")
	}
	output, discard, err := process.openOutput(o.differences, "differences-file")
	if err != nil {
		return nil, err
	}
	file, err := report.NewDifferencesFile(output, request.RunID, request.Now)
	if err != nil {
		discard()
		return nil, fmt.Errorf("writing %s: %w", o.differences, err)
	}
	return &differencesFile{file, discard, o.differences}, nil
}

func samePath(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	absoluteA, errA := filepath.Abs(a)
	absoluteB, errB := filepath.Abs(b)
	infoA, noA := os.Stat(a)
	infoB, noB := os.Stat(b)
	return errA == nil && errB == nil && absoluteA == absoluteB || noA == nil && noB == nil && infoA.Mode().IsRegular() && os.SameFile(infoA, infoB)
}

// Event finishes the file at the end of the run. That it could not be written is a failure of the run.
func (f *differencesFile) Event(event check.Event) {
	finished, isLast := event.(check.RunFinished)
	if !isLast {
		return
	}
	if err := f.Finish(finished.Result); err != nil {
		finished.Result.Err = errors.Join(finished.Result.Err, fmt.Errorf("the file of differences %s could not be written: %w", f.path, err))
	}
}

package audit

import (
	"bytes"
	"os"
)

const (
	// longBytes is the size from which on a journal is not read to its end by those who only look for what is left open: one of a repair
	// holds what its rows were, and every check looks.
	longBytes = 1 << 20
	// endBytes is more than the last entry of a journal that came to its end has.
	endBytes = 4 << 10
)

// LeavesNothing tells whether a long journal came to its end, which it only does with nothing left open; its last entry alone is read. It is
// false for every other journal: those are to be read, which also shows whether somebody changed them.
func LeavesNothing(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() < longBytes {
		return false
	}
	end := make([]byte, endBytes)
	if _, err := file.ReadAt(end, info.Size()-endBytes); err != nil {
		return false
	}
	end, whole := bytes.CutSuffix(end, []byte("\n"))
	entry, problem := parseLine(end[bytes.LastIndexByte(end, '\n')+1:])
	return whole && problem == nil && entry.Kind == KindFinished
}

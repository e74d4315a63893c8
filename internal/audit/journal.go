package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Journal is a journal that is being written. It is safe for concurrent use by one process; two processes that share its
// file must not write at the same time.
type Journal struct {
	mutex    sync.Mutex
	file     *os.File
	run      string
	now      func() time.Time
	sequence int64
	head     string
	size     int64
	open     map[string]bool
	finished bool
	broken   error // why nothing can be written any more
}

// Record appends an entry and returns once it is on the disk. After an error nothing of it is in the journal; where even
// that cannot be made sure of, every later call fails too.
func (j *Journal) Record(ctx context.Context, entry Entry) error {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return j.append(entry)
}

// append writes the entry; the mutex is held.
func (j *Journal) append(entry Entry) error {
	if j.broken != nil {
		return j.broken
	}
	entry.Sequence, entry.Time, entry.Run, entry.Previous = j.sequence+1, j.now().UTC(), j.run, j.head
	line, err := entry.line()
	if err != nil {
		return err
	}
	_, err = j.file.Write(line)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		err = fmt.Errorf("writing the journal %s: %w", j.file.Name(), err)
		if undo := j.file.Truncate(j.size); undo != nil {
			j.broken = errors.Join(err, undo)
		}
		return err
	}
	j.sequence, j.head, j.size = entry.Sequence, entry.Hash, j.size+int64(len(line))
	delete(j.open, entry.Closes)
	if entry.Opens != "" {
		j.open[entry.Opens] = true
	}
	return nil
}

// Path is where the journal is.
func (j *Journal) Path() string { return j.file.Name() }

// File is the open file, with its lock, for a process that is to go on with the journal should this one die.
func (j *Journal) File() *os.File { return j.file }

// Close ends the journal and gives its lock back. Where nothing is left open it says so in a last entry.
func (j *Journal) Close() error {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.finished {
		return nil
	}
	j.finished = true
	var err error
	if len(j.open) == 0 {
		err = j.append(Entry{Kind: KindFinished})
	}
	j.broken = errors.New("the journal is closed")
	return errors.Join(err, j.file.Close())
}

var (
	// ErrChanged says that a journal is not as it was written, so that nobody goes on with it.
	ErrChanged = errors.New("the journal was changed after it was written")
	// ErrFinished says that a journal came to its end.
	ErrFinished = errors.New("the journal came to its end")
)

// Resume goes on with the journal in an open file, whose lock the caller holds and whose other writers are dead. by names who
// does. A last line without its end is dropped: the step it describes was not taken.
func Resume(file *os.File, by string, now func() time.Time) (*Journal, Summary, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, Summary{}, fmt.Errorf("reading the journal %s: %w", file.Name(), err)
	}
	found, err := Verify(file)
	if err != nil {
		return nil, found, fmt.Errorf("%s: %w", file.Name(), err)
	}
	if found.State == Changed {
		return nil, found, fmt.Errorf("%s: %w: %s", file.Name(), ErrChanged, found.Problem)
	}
	if found.Finished {
		return nil, found, fmt.Errorf("%s: %w", file.Name(), ErrFinished)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, found, fmt.Errorf("reading the journal: %w", err)
	}
	dropped := info.Size() - found.goodBytes
	if dropped > 0 {
		if err := file.Truncate(found.goodBytes); err != nil {
			return nil, found, fmt.Errorf("dropping the unfinished last line of the journal: %w", err)
		}
	}
	j := &Journal{file: file, run: found.Run, now: now, sequence: found.Entries, head: found.Head, size: found.goodBytes, open: map[string]bool{}}
	for _, left := range found.Left {
		j.open[left.Opens] = true
	}
	data, err := json.Marshal(resumedBy{By: by, DroppedBytes: dropped})
	if err == nil {
		err = j.append(Entry{Kind: KindResumed, Data: data})
	}
	return j, found, err
}

type resumedBy struct {
	By           string `json:"by"`
	DroppedBytes int64  `json:"dropped_bytes"`
}

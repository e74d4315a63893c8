package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Folder is where the journals of runs are: one file a run, named by it, so that they sort by time. The folder is made with
// the first journal.
type Folder struct {
	Path string
	Now  func() time.Time
	// Lasting is a kind of entries that somebody may need later: a journal with one stays for LastingTime after it was last written, however
	// many others there are; but no longer for leaving such an entry open. Empty: there is none.
	Lasting string
}

// LastingTime is how long a journal with a lasting entry stays at least.
const LastingTime = 30 * 24 * time.Hour

const (
	suffix = ".jsonl"
	// kept is how many journals stay; of the oldest ones beyond, those that leave nothing open go when a new one is made.
	kept = 100
	// lockPatience is how long a lock is tried for that somebody may hold only to look whether it is held.
	lockPatience = 200 * time.Millisecond
)

// ErrHeld says that a living process writes the journal.
var ErrHeld = errors.New("a living process holds the journal")

// Create makes the journal of a run, locked, and removes old ones that leave nothing open.
func (f Folder) Create(run string) (*Journal, error) {
	if err := os.MkdirAll(f.Path, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for journals: %w", err)
	}
	journal, err := CreateFile(filepath.Join(f.Path, run+suffix), run, f.Now)
	if err != nil {
		return nil, err
	}
	f.prune()
	return journal, nil
}

// CreateFile makes a journal at a path where nothing is yet, locked, for its owner's eyes only.
func CreateFile(path, run string, now func() time.Time) (*Journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the journal: %w", err)
	}
	if err := lock(file, syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the journal %s: %w", file.Name(), err), file.Close(), os.Remove(file.Name()))
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &Journal{file: file, run: run, now: now, open: map[string]bool{}}, nil
}

// syncFolder makes a new name durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("making the journal's name durable: %w", err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("making the journal's name durable: %w", err)
	}
	return nil
}

// Journals are the paths of all journals, the oldest first. A folder that does not exist has none.
func (f Folder) Journals() ([]string, error) {
	entries, err := os.ReadDir(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for journals: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		if entry.Type().IsRegular() && strings.HasSuffix(entry.Name(), suffix) {
			paths = append(paths, filepath.Join(f.Path, entry.Name()))
		}
	}
	return paths, nil
}

// Read verifies a journal and tells whether a living process writes it; visit may be nil.
func Read(path string, visit func(Entry)) (found Summary, held bool, err error) {
	file, err := os.Open(path)
	if err != nil {
		return Summary{}, false, fmt.Errorf("reading a journal: %w", err)
	}
	defer file.Close()
	// Before reading: what a process that has ended meanwhile wrote last is read then.
	held = errors.Is(lock(file, syscall.LOCK_SH|syscall.LOCK_NB), ErrHeld)
	if visit == nil {
		visit = func(Entry) {}
	}
	found, err = Walk(file, visit)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return found, held, err
}

// Open opens a journal that its process has left behind, to go on with it. The error wraps ErrHeld where a living process
// writes it, ErrChanged where it is not as it was written.
func (f Folder) Open(path, by string) (*Journal, Summary, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, Summary{}, fmt.Errorf("opening a journal: %w", err)
	}
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		if err = lock(file, syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, ErrHeld) || time.Since(began) > lockPatience {
			break
		}
	}
	if err != nil {
		return nil, Summary{}, errors.Join(fmt.Errorf("%s: %w", path, err), file.Close())
	}
	journal, found, err := Resume(file, by, f.Now)
	if err != nil {
		return nil, found, errors.Join(err, file.Close())
	}
	return journal, found, nil
}

func lock(file *os.File, how int) error {
	for {
		err := syscall.Flock(int(file.Fd()), how)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrHeld
		case !errors.Is(err, syscall.EINTR):
			return err
		}
	}
}

// prune removes the oldest journals that leave nothing open, beyond those that are kept. One that was changed stays: somebody
// will want to know. What cannot be removed is tried again by the next run.
func (f Folder) prune() {
	paths, err := f.Journals()
	if err != nil || len(paths) <= kept {
		return
	}
	slices.Sort(paths)
	for _, path := range paths[:len(paths)-kept] {
		if f.lasts(path) {
			continue
		}
		if found, held, err := Read(path, nil); err == nil && !held && found.State != Changed && !f.leavesOpen(found) {
			_ = os.Remove(path)
		}
	}
}

// leavesOpen tells whether something has to be undone; what lasts only may be, and its time is over.
func (f Folder) leavesOpen(found Summary) bool {
	return slices.ContainsFunc(found.Left, func(left Entry) bool { return f.Lasting == "" || left.Kind != f.Lasting })
}

// lasts tells whether a journal is too young to be removed for what it holds. It reads no further than to the first such entry: there
// may be much in it.
func (f Folder) lasts(path string) bool {
	info, err := os.Stat(path)
	if err != nil || f.Lasting == "" || f.Now().Sub(info.ModTime()) >= LastingTime {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return true // nobody knows
	}
	defer file.Close()
	lines := bufio.NewReader(file)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return !errors.Is(err, io.EOF)
		}
		if entry, problem := parseLine(bytes.TrimSuffix(line, []byte("\n"))); problem == nil && entry.Kind == f.Lasting {
			return true
		}
	}
}

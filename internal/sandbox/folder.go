package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	folderPrefix = "trueup-sandbox-"
	// Unix socket paths end at 104 bytes on macOS and 108 on Linux.
	longestSocketPath = 103
	// youngest is the age below which a folder is left alone: its owner may not have locked it yet.
	youngest = time.Minute
)

// folder is a server's folder, locked for as long as the process that made it lives.
type folder struct {
	path string
	lock *os.File
}

var sweepOnce sync.Once

// newFolder makes a folder of a server below parent ("" for the system's temporary folder).
func newFolder(parent string) (*folder, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	sweepOnce.Do(func() { sweep(parent) })
	path, err := os.MkdirTemp(parent, folderPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a folder for a server: %w", err)
	}
	f := &folder{path: path}
	if length := len(f.socket()); length > longestSocketPath {
		_ = os.RemoveAll(path)
		return nil, fmt.Errorf("the path of the server's socket, %s, is %d bytes long and the system takes %d: set TMPDIR to a shorter folder", f.socket(), length, longestSocketPath)
	}
	if err := os.Mkdir(filepath.Join(path, "tmp"), 0o700); err != nil {
		return nil, errors.Join(err, f.remove())
	}
	if f.lock, err = os.Create(filepath.Join(path, "owner.lock")); err != nil {
		return nil, errors.Join(err, f.remove())
	}
	if err := syscall.Flock(int(f.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.lock.Name(), err), f.remove())
	}
	return f, nil
}

func (f *folder) socket() string { return filepath.Join(f.path, "sock") }
func (f *folder) data() string   { return filepath.Join(f.path, "data") }
func (f *folder) log() string    { return filepath.Join(f.path, "error.log") }

func (f *folder) remove() error {
	err := os.RemoveAll(f.path)
	if f.lock != nil {
		err = errors.Join(err, f.lock.Close())
		f.lock = nil
	}
	return err
}

// sweep removes the folders of processes that were killed before they could. Only folders of this package that have
// a lock nobody holds are touched; what cannot be removed is left.
func sweep(parent string) {
	locks, _ := filepath.Glob(filepath.Join(parent, folderPrefix+"*", "owner.lock"))
	for _, path := range locks {
		info, err := os.Stat(path)
		if err != nil || time.Since(info.ModTime()) < youngest {
			continue
		}
		lock, err := os.Open(path)
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Dir(path))
		}
		_ = lock.Close()
	}
}

package report

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Output is where a report goes: standard output, or a file that appears only when it is complete.
type Output struct {
	writer io.Writer
	file   *os.File // nil for standard output
	target string   // where file is renamed to; empty when file is the target itself
}

// OpenOutput opens the output of a run, before the run touches any server; an error is a usage error (exit
// code Usage). An empty path or "-" is stdout. For a path it makes a temporary file beside it, which proves
// that the report can be written; Commit puts it in place. Reports hold data, so the file's mode is 0600
// whatever stood there before. A path that is a device, a pipe or a socket is written to directly.
func OpenOutput(path string, stdout io.Writer) (*Output, error) {
	if path == "" || path == "-" {
		return &Output{writer: stdout}, nil
	}
	target, direct, err := inspectTarget(path)
	if err != nil {
		return nil, fmt.Errorf("output file %s cannot be written: %w", path, err)
	}
	if direct {
		file, err := os.OpenFile(target, os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("output %s cannot be opened: %w", path, err)
		}
		return &Output{writer: file, file: file}, nil
	}
	file, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".unfinished-*")
	if err != nil {
		return nil, fmt.Errorf("output file %s cannot be written: no file can be made in its folder: %w", path, err)
	}
	return &Output{writer: file, file: file, target: target}, nil
}

// inspectTarget follows symbolic links, so that the file a link leads to is replaced and not the link, and
// refuses what renaming would either fail on or replace against its owner's will.
func inspectTarget(path string) (target string, direct bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, false, nil
	}
	if err != nil {
		return "", false, err
	}
	if info.IsDir() {
		return "", false, errors.New("it is a folder")
	}
	if !info.Mode().IsRegular() {
		return path, true, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return "", false, err
	}
	if err := file.Close(); err != nil {
		return "", false, err
	}
	target, err = filepath.EvalSymlinks(path)
	return target, false, err
}

// Unfinished is the temporary file that a process which cannot Close the output has to remove; "" for none.
func (o *Output) Unfinished() string {
	if o.file == nil || o.target == "" {
		return ""
	}
	return o.file.Name()
}

// Write writes to the output.
func (o *Output) Write(p []byte) (int, error) { return o.writer.Write(p) }

// Commit makes the file complete and durable and puts it in place: contents, then name, then folder reach
// the disk. After an error nothing stands at the path that did not before.
func (o *Output) Commit() error {
	if o.file == nil {
		return nil
	}
	file := o.file
	o.file = nil
	if o.target == "" {
		return file.Close()
	}
	if err := o.place(file); err != nil {
		_ = file.Close()
		_ = os.Remove(file.Name())
		return fmt.Errorf("writing the output file %s: %w", o.target, err)
	}
	return syncFolder(filepath.Dir(o.target))
}

func (o *Output) place(file *os.File) error {
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), o.target)
}

// syncFolder makes a rename durable.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("making the new name in %s durable: %w", path, err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("making the new name in %s durable: %w", path, err)
	}
	return nil
}

// Close throws an output away that was not committed; after Commit it does nothing, so that it can be deferred.
func (o *Output) Close() error {
	if o.file == nil {
		return nil
	}
	file := o.file
	o.file = nil
	err := file.Close()
	if o.target != "" {
		err = errors.Join(err, os.Remove(file.Name()))
	}
	return err
}

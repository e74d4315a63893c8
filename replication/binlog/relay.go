package binlog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	library "github.com/go-mysql-org/go-mysql/replication"

	"trueup/replication"
	"trueup/server"
)

// RelayLog is a place in a replica's relay log, between two transactions.
type RelayLog struct {
	// Dir is the folder of the files on this machine. "": the replica is asked for them with LOAD_FILE(), which is slow, reads whole
	// files, and works only where the account has FILE, secure_file_priv lets it, and max_allowed_packet is larger than a file. MariaDB and
	// MySQL 5.6 moreover read only files that everybody may read, as logs are not by default; MySQL 9.7 does not mind.
	Dir    string
	File   string // as the channel's status has it: Relay_Log_File
	Offset uint64 // Relay_Log_Pos
	// At is what the source calls that place: Relay_Master_Log_File (Relay_Source_Log_File) and Exec_Master_Log_Pos.
	At replication.Position
}

// FileError is a file of a relay log that could not be read. Retrying does not help.
type FileError struct {
	File string
	Why  string
	Err  error // nil where the server only said that it did not
}

func (e *FileError) Error() string { return fmt.Sprintf("relay log %s: %s", e.File, e.Why) }

// Unwrap returns the reason as the system gave it.
func (e *FileError) Unwrap() error { return e.Err }

// ReadRelay reads the transactions that a replica has received, from a place in its relay log, and hands each to visit, like
// ReadFrom. The places in them are those in the source's log. At the end of the last file, also in the middle of a transaction that was
// not received whole, the error is ErrEnd. Other errors: *FileError, *PositionError (it is not the log of that source, or not the place),
// *DamagedError, and those of the session.
func ReadRelay(ctx context.Context, on *server.Session, log RelayLog, limits Limits, visit func(*Transaction) (more bool, err error)) error {
	open := func(name string) (io.ReadCloser, error) { return os.Open(filepath.Join(log.Dir, name)) }
	if log.Dir == "" {
		dir, err := RelayDir(ctx, on)
		if err != nil {
			return err
		}
		open = func(name string) (io.ReadCloser, error) { return loadFile(ctx, on, path.Join(dir, name)) }
	}
	s := newStream(log.File, on.Server().Identity().Flavor.String(), log.At, limits, visit)
	s.relay = true
	return s.files(ctx, log, open)
}

// files reads a file from a place, and those that follow it.
func (s *stream) files(ctx context.Context, log RelayLog, open func(name string) (io.ReadCloser, error)) error {
	name, offset := log.File, log.Offset
	file, err := open(name)
	if err != nil {
		return fileError(name, err)
	}
	for {
		s.where, s.named = name, false
		more, cut, err := s.file(ctx, file, offset, log.At)
		_ = file.Close()
		if err != nil || !more {
			return err
		}
		next := nextFile(name)
		file, err = open(next)
		switch {
		case errors.Is(err, os.ErrNotExist) && !s.named:
			return ErrEnd
		case err != nil:
			return fileError(next, err)
		case cut > 0:
			if more, err = s.rest(ctx, name, cut, open); err != nil || !more {
				_ = file.Close()
				return err
			}
		}
		name, offset = next, 0
	}
}

// rest reads on from an event that was cut short, where another file follows: it may have been just about to be written.
func (s *stream) rest(ctx context.Context, name string, from uint64, open func(name string) (io.ReadCloser, error)) (more bool, err error) {
	file, err := open(name)
	if err != nil {
		return false, fileError(name, err)
	}
	defer file.Close()
	more, cut, err := s.file(ctx, file, from, s.at)
	if err == nil && more && cut > 0 {
		return false, s.damaged(errCutShort)
	}
	return more, err
}

func fileError(name string, err error) error {
	var known *FileError
	if errors.As(err, &known) || server.IsConnectionLost(err) {
		return err
	}
	return &FileError{File: name, Why: err.Error(), Err: err}
}

// RelayDir is the folder of a replica's relay logs, as the replica itself would open it.
func RelayDir(ctx context.Context, on *server.Session) (string, error) {
	record, err := on.One(ctx, "SELECT @@GLOBAL.relay_log_basename AS base, @@GLOBAL.datadir AS data")
	if err != nil {
		return "", fmt.Errorf("looking for the relay log: %w", err)
	}
	dir := path.Dir(record.Text("base"))
	if !path.IsAbs(dir) {
		dir = path.Join(record.Text("data"), dir)
	}
	return dir, nil
}

// nextFile counts the number at the end of a log file's name up.
func nextFile(name string) string {
	dot := strings.LastIndexByte(name, '.')
	number, err := strconv.ParseUint(name[dot+1:], 10, 63)
	if err != nil {
		return name + ".next" // there is none
	}
	return fmt.Sprintf("%s%0*d", name[:dot+1], len(name)-dot-1, number+1)
}

// loadFile has the server read one of its files; os.ErrNotExist where it does not say why it did not.
func loadFile(ctx context.Context, on *server.Session, name string) (io.ReadCloser, error) {
	record, err := on.One(ctx, "SELECT LOAD_FILE(?) AS content, @@GLOBAL.max_allowed_packet AS largest, @@GLOBAL.secure_file_priv AS allowed", name)
	if err != nil {
		return nil, err
	}
	content, loaded := record.Lookup("content")
	if loaded {
		return io.NopCloser(strings.NewReader(content)), nil
	}
	allowed, limited := record.Lookup("allowed")
	why := "the server did not read it with LOAD_FILE(): it is not there, the account has no FILE privilege, not everybody may read the file, or it is not smaller than max_allowed_packet (" + record.Text("largest") + ")"
	switch {
	case !limited && on.Server().Identity().Flavor == server.MySQL:
		why = "the server reads no files with LOAD_FILE(): its secure_file_priv is NULL"
	case allowed != "" && !strings.HasPrefix(name, strings.TrimSuffix(allowed, "/")+"/"):
		why = "the server does not read it with LOAD_FILE(): its secure_file_priv only allows " + allowed
	}
	return nil, &FileError{File: name, Why: why, Err: os.ErrNotExist}
}

// file reads the events of a file from an offset. It returns false where no more are wanted, and the offset of an event that is cut short, if
// there is one.
func (s *stream) file(ctx context.Context, file io.Reader, offset uint64, at replication.Position) (more bool, cut uint64, err error) {
	events := bufio.NewReaderSize(file, 1<<18)
	here, err := s.magic(events)
	if errors.Is(err, io.EOF) {
		return true, 0, nil // just made
	}
	for err == nil && ctx.Err() == nil {
		if here == offset {
			s.at, s.asked, s.passed = at, at, 0
		}
		raw, readErr := readEvent(events)
		switch {
		case errors.Is(readErr, io.EOF) && here < offset, errors.Is(readErr, io.ErrUnexpectedEOF) && here < offset:
			return false, 0, s.noSuchPlace(at)
		case errors.Is(readErr, io.EOF):
			return true, 0, nil
		case errors.Is(readErr, io.ErrUnexpectedEOF):
			return true, here, nil
		case readErr != nil:
			return false, 0, s.damaged(readErr)
		}
		skip := here < offset
		if here += uint64(len(raw)); skip && here > offset {
			return false, 0, s.noSuchPlace(at)
		}
		if more, err = s.takeOrSkip(raw, skip); err == nil && !more {
			return false, 0, nil
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	return false, 0, err
}

// magic reads what a log file begins with.
func (s *stream) magic(file io.Reader) (size uint64, err error) {
	magic := make([]byte, len(library.BinLogFileHeader))
	switch _, err := io.ReadFull(file, magic); {
	case errors.Is(err, io.EOF):
		return 0, err
	case err != nil:
		return 0, fileError(s.where, err)
	case bytes.Equal(magic, library.BinLogFileHeader):
		return uint64(len(magic)), nil
	case bytes.Equal(magic[1:], []byte("bin")):
		return 0, &FileError{File: s.where, Why: "it is encrypted (binlog_encryption): only the server can read it"}
	default:
		return 0, &FileError{File: s.where, Why: "it is no log file"}
	}
}

func (s *stream) noSuchPlace(at replication.Position) error {
	return &PositionError{Address: s.where, Position: at, Why: "no event of the relay log begins there"}
}

// takeOrSkip reads an event, or, before the place that is asked for, only what says how the others are to be read.
func (s *stream) takeOrSkip(raw []byte, skip bool) (more bool, err error) {
	var header library.EventHeader
	if err := header.Decode(raw); err != nil {
		return false, s.damaged(err)
	}
	switch header.EventType {
	case library.MARIADB_START_ENCRYPTION_EVENT:
		return false, &FileError{File: s.where, Why: "it is encrypted (encrypt_binlog): only the server can read it"}
	case library.FORMAT_DESCRIPTION_EVENT, library.ROTATE_EVENT:
		return s.take(raw)
	}
	if skip {
		return true, nil
	}
	return s.take(raw)
}

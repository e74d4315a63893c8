package rowsql

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// UndoFile is what an undo script says of itself.
type UndoFile struct {
	Header Header
	Groups int // that were found, damaged ones included
	// Complete is false for a file without its last line: the run that wrote it did not come to its end, or the file was cut.
	Complete bool
}

// UndoGroup is a group of statements that take one transaction of a repair back.
type UndoGroup struct {
	Number     int // from 1, in the order of the file
	Name       string
	Statements []Statement // nil where Err is not
	// Err says that the group is not as it was written: it must not be run.
	Err error
}

// mostHead is the longest head of a script, in bytes: longer ones are another program's files.
const mostHead = 1 << 20

// ReadUndo reads an undo script and hands its groups to onGroup, one at a time. A group that was changed, or cut off by the file's end, is
// handed over with its Err. The error is one of reading, of a file that is no undo script, of groups that are missing between others
// (all groups that are there have been handed over then), or onGroup's, which ends the reading.
func ReadUndo(r io.Reader, onGroup func(UndoGroup) error) (UndoFile, error) {
	u := &undoReader{lines: bufio.NewReader(r), onGroup: onGroup}
	err := u.readHead()
	if err == nil {
		err = u.readGroups()
	}
	return u.file, err
}

type undoReader struct {
	lines   *bufio.Reader
	onGroup func(UndoGroup) error
	file    UndoFile
	sum     [sha256.Size]byte
	line    []byte // the next one, with its end; empty at the end of the file
}

// next reads a line.
func (u *undoReader) next() (err error) {
	u.line, err = u.lines.ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading an undo script: %w", err)
	}
	return nil
}

func (u *undoReader) at(mark string) bool { return bytes.HasPrefix(u.line, []byte(mark)) }

// readHead reads up to the first group.
func (u *undoReader) readHead() error {
	var head []byte
	found := false
	for {
		if err := u.next(); err != nil {
			return err
		}
		if len(u.line) == 0 || u.at(groupMark) || u.at(footMark) {
			break
		}
		if head = append(head, u.line...); len(head) > mostHead {
			break
		}
		if u.at(headMark) && !found {
			found = json.Unmarshal(u.line[len(headMark):], &u.file.Header) == nil
		}
	}
	u.sum = sha256.Sum256(head)
	switch {
	case !found:
		return errors.New("this is not an undo script of trueup, or its head was changed")
	case u.file.Header.Kind != Undo:
		return fmt.Errorf("this is a script of kind %q, not an undo script", u.file.Header.Kind)
	}
	return nil
}

func (u *undoReader) readGroups() error {
	var missing []string
	for expected := 1; len(u.line) > 0; {
		if u.at(footMark) {
			u.file.Complete = string(u.line) == fmt.Sprintf("%s%d\n", footMark, expected-1)
			break
		}
		group, err := u.readGroup()
		if err != nil {
			return err
		}
		if group.Number > expected {
			missing = append(missing, fmt.Sprintf("%d to %d", expected, group.Number-1))
		}
		if group.Number < expected && group.Err == nil {
			group.Statements, group.Err = nil, fmt.Errorf("group %d stands where group %d is expected", group.Number, expected)
		}
		expected = max(expected, group.Number+1)
		u.file.Groups++
		if err := u.onGroup(group); err != nil {
			return err
		}
	}
	if missing != nil {
		return fmt.Errorf("the undo script was changed: groups %s are missing", strings.Join(missing, ", "))
	}
	return nil
}

// readGroup reads a group up to its last line, or up to where another one begins.
func (u *undoReader) readGroup() (UndoGroup, error) {
	group := UndoGroup{Number: u.file.Groups + 1}
	var text []byte
	for begun := false; ; begun = true {
		if len(u.line) == 0 || begun && (u.at(groupMark) || u.at(footMark)) {
			group.Err = fmt.Errorf("group %d is cut off", group.Number)
			return group, nil
		}
		if u.at(endMark) {
			break
		}
		if !begun {
			_, _ = fmt.Sscanf(string(u.line), groupMark+"%d", &group.Number) // what cannot be read does not match the sum either
		}
		text = append(text, u.line...)
		if err := u.next(); err != nil {
			return group, err
		}
	}
	group.Name, group.Statements = parseGroup(text)
	end := fmt.Sprintf("%s%d statements=%d sha256=%x\n", endMark, group.Number, len(group.Statements), sumOf(u.sum, text))
	// What will be run must be what the text says to whoever reads it, or runs it.
	again := u.file.Header.group(group.Number, group.Name, group.Statements)
	if string(u.line) != end || !bytes.Equal(again, text) {
		group.Statements, group.Err = nil, fmt.Errorf("group %d is not as it was written: it was changed, or what stands before the first group was", group.Number)
	}
	if err := u.next(); err != nil || string(u.line) != "\n" {
		return group, err
	}
	return group, u.next() // an empty line stands between groups
}

// parseGroup takes the text of a group apart.
func parseGroup(text []byte) (name string, statements []Statement) {
	lax := false
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		sql := strings.TrimSuffix(line, ";")
		switch {
		case i == 0:
			_, name, _ = strings.Cut(strings.TrimPrefix(line, groupMark), " ")
		case sql == Strict:
			lax = false
		case sql == Lax:
			lax = true
		case strings.HasPrefix(line, "SET @trueup_sql"):
			return name, statements
		case strings.HasPrefix(line, "SET @trueup_bad"):
			if len(statements) > 0 {
				_, _ = fmt.Sscanf(line, rowsLine[:strings.Index(rowsLine, ",")], &statements[len(statements)-1].Rows)
			}
		default:
			statements = append(statements, Statement{SQL: sql, Lax: lax})
		}
	}
	return name, statements
}

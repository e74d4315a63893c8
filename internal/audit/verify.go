package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// State is what a journal turns out to be.
type State string

// The states of a journal, the gravest last.
const (
	// Whole: it is as it was written and came to its end.
	Whole State = "whole"
	// Open: it is as it was written, but did not come to its end, or leaves something open: the process that writes it
	// lives, or was killed.
	Open State = "open"
	// Cut: it is as it was written up to its last line, of which the end is missing.
	Cut State = "cut"
	// Changed: it is not as it was written.
	Changed State = "changed"
)

// Summary is what Verify found.
type Summary struct {
	State   State
	Entries int64  // that are as they were written, in a row from the first
	Head    string // hash of the last of them; "" for none
	Run     string // of the first entry
	// Left are the entries that opened something which no later one closed, in their order.
	Left     []Entry
	Finished bool
	// Problem says for Open, Cut and Changed what is wrong, and where.
	Problem string

	goodBytes int64 // length of the lines counted by Entries
}

// Verify reads a journal to its end. The error is that of the reader; what is wrong with the journal is in the summary.
func Verify(journal io.Reader) (Summary, error) {
	return Walk(journal, func(Entry) {})
}

// Walk verifies a journal and calls visit for each entry that is as it was written, in order.
func Walk(journal io.Reader, visit func(Entry)) (Summary, error) {
	var s Summary
	lines := bufio.NewReader(journal)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return s, fmt.Errorf("reading the journal: %w", err)
		}
		if err != nil && len(line) > 0 {
			s.State, s.Problem = Cut, fmt.Sprintf("line %d has no end: the process was killed while it wrote it, or somebody cut the file", s.Entries+1)
			return s, nil
		}
		if err != nil {
			s.conclude()
			return s, nil
		}
		entry, problem := parseLine(line[:len(line)-1])
		if problem == nil {
			problem = s.follows(entry)
		}
		if problem != nil {
			s.State, s.Problem = Changed, fmt.Sprintf("line %d: %v", s.Entries+1, problem)
			return s, nil
		}
		entry.Length = len(line)
		s.take(entry)
		visit(entry)
	}
}

// ReadEntry reads the one entry that stands at a place of a journal, as Walk has told it, and proves its own hash.
func ReadEntry(journal io.ReaderAt, offset int64, length int) (Entry, error) {
	line := make([]byte, length)
	if _, err := journal.ReadAt(line, offset); err != nil {
		return Entry{}, fmt.Errorf("reading the journal: %w", err)
	}
	return parseLine(bytes.TrimSuffix(line, []byte("\n")))
}

// follows tells what is wrong with an entry at its place.
func (s *Summary) follows(entry Entry) error {
	switch {
	case entry.Sequence != s.Entries+1:
		return fmt.Errorf("it is entry number %d, and number %d should be here", entry.Sequence, s.Entries+1)
	case entry.Previous != s.Head:
		return errors.New("it does not follow the entry before it")
	case s.Finished:
		return errors.New("it comes after the journal's end")
	}
	return nil
}

func (s *Summary) take(entry Entry) {
	if s.Entries == 0 {
		s.Run = entry.Run
	}
	s.Entries++
	s.Head = entry.Hash
	s.goodBytes += int64(entry.Length)
	s.Finished = entry.Kind == KindFinished
	if entry.Closes != "" {
		s.Left = slices.DeleteFunc(s.Left, func(left Entry) bool { return left.Opens == entry.Closes })
	}
	if entry.Opens != "" {
		s.Left = append(s.Left, entry)
	}
}

func (s *Summary) conclude() {
	switch {
	case len(s.Left) > 0:
		s.State, s.Problem = Open, "1 step was begun and not brought to its end"
		if len(s.Left) > 1 {
			s.Problem = fmt.Sprintf("%d steps were begun and not brought to their end", len(s.Left))
		}
	case !s.Finished:
		s.State, s.Problem = Open, "it has no end: its process lives or was killed, or somebody cut the file between two lines"
	default:
		s.State = Whole
	}
}

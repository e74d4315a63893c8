package rowsql

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"trueup/replication"
	"trueup/server"
)

// Kind is what a script is for.
type Kind string

// The kinds of script.
const (
	Plan Kind = "plan" // makes a replica equal to its source
	Undo Kind = "undo" // takes a repair back
)

// Header says what a script is for and where it may run.
type Header struct {
	Kind    Kind
	Run     string // the run that wrote it
	Version string // of trueup
	At      time.Time
	Source  string          // the address of the server that the rows came from
	Replica string          // the address of the server that the script is for
	On      server.Identity // of that server: the script runs on no other
	Channel string          // of a plan: the replication channel whose applier must stand
	// Position is where in the source's log the replica stood when the plan was made, and GTID what it had executed then, as
	// replication.ExecutedGTID gives it. A plan runs only while the replica stands there.
	Position replication.Position
	GTID     string
	// Appliers is how many appliers of other channels ran then. On MariaDB they must stand too while the script runs.
	Appliers int
}

// Script writes statements as a file for the mysql or mariadb client. It is for one goroutine.
//
// A script changes rows only in whole groups. It keeps the number of the first statement that changed another number of rows than it must
// in a user variable, and what the group's end executes is either COMMIT or an error: so a group in which anything was not as expected is
// not committed, not even by a client that goes on after errors.
type Script struct {
	to     io.Writer
	header Header
	sum    [sha256.Size]byte // of the file's head, which every group's sum covers too
	groups int
	err    error
}

// NewScript writes the head of a script: what it is, the session's settings, and the conditions under which it runs. Errors are kept for
// Group and Close.
func NewScript(w io.Writer, h Header) *Script {
	s := &Script{to: w, header: h}
	if s.err = h.check(); s.err != nil {
		return s
	}
	var head bytes.Buffer
	h.describe(&head)
	encoded, err := json.Marshal(h)
	if err != nil {
		s.err = fmt.Errorf("a script's head: %w", err)
		return s
	}
	fmt.Fprintf(&head, "%s%s\n\n", headMark, onOneLine(encoded))
	for _, line := range h.opening() {
		head.WriteString(line + ";\n")
	}
	head.WriteByte('\n')
	s.sum = sha256.Sum256(head.Bytes())
	s.write(head.Bytes())
	return s
}

func (h Header) check() error {
	switch {
	case h.Kind != Plan && h.Kind != Undo:
		return fmt.Errorf("internal error: a script of kind %q", h.Kind)
	case h.Kind == Plan && h.Position.IsZero() && h.GTID == "":
		return errors.New("a plan needs the position for which it was made")
	case h.On.Flavor == server.UnknownFlavor:
		return errors.New("a script needs the server for which it is made")
	}
	return nil
}

// Group writes a group of statements, which is one transaction. It is one Write, after which the caller can make sure that it is on the disk.
func (s *Script) Group(name string, statements []Statement) error {
	if s.err != nil {
		return s.err
	}
	for _, statement := range statements {
		if s.err = checkStatement(statement); s.err != nil {
			return s.err
		}
	}
	s.groups++
	group := s.header.group(s.groups, name, statements)
	s.write(fmt.Appendf(group, "%s%d statements=%d sha256=%x\n\n", endMark, s.groups, len(statements), sumOf(s.sum, group)))
	return s.err
}

// group is the text of a group, but for its last line.
func (h Header) group(number int, name string, statements []Statement) []byte {
	var group bytes.Buffer
	fmt.Fprintf(&group, "%s%d %s\n", groupMark, number, forComment(name))
	if h.Kind == Plan {
		h.recheck(&group)
	}
	lax := false
	for i, statement := range statements {
		if statement.Lax != lax {
			lax = statement.Lax
			group.WriteString(modeLine(lax))
		}
		fmt.Fprintf(&group, "%s;\n"+rowsLine, statement.SQL, statement.Rows, i+1)
	}
	if lax {
		group.WriteString(modeLine(false))
	}
	if h.Kind == Plan {
		h.recheck(&group)
	}
	group.WriteString(decide("COMMIT"))
	return group.Bytes()
}

// sumOf is the SHA-256 of the file's head and of a group up to its last line.
func sumOf(head [sha256.Size]byte, group []byte) []byte {
	sum := sha256.New()
	sum.Write(head[:])
	sum.Write(group)
	return sum.Sum(nil)
}

// Close writes the foot, without which a file has been cut. It does not close the writer.
func (s *Script) Close() error {
	if s.err == nil {
		s.write(fmt.Appendf(nil, "%s%d\n", footMark, s.groups))
	}
	return s.err
}

func (s *Script) write(text []byte) {
	if _, err := s.to.Write(text); err != nil {
		s.err = fmt.Errorf("writing a script: %w", err)
	}
}

// quotedName is a name in backticks: a semicolon or backslash in it ends no statement, for the clients as for this package. Literals hold no backtick.
var quotedName = regexp.MustCompile("`[^`]*`")

func checkStatement(statement Statement) error {
	if strings.ContainsAny(statement.SQL, "\n\r\x00") || strings.HasPrefix(statement.SQL, "-") || strings.ContainsAny(quotedName.ReplaceAllString(statement.SQL, ""), ";\\`") {
		return errors.New("internal error: a statement that is not one plain line of SQL")
	}
	return nil
}

func modeLine(lax bool) string {
	if lax {
		return Lax + ";\n"
	}
	return Strict + ";\n"
}

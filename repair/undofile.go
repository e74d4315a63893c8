package repair

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"trueup/internal/audit"
	"trueup/repair/rowsql"
	"trueup/server"
)

// UndoFile is one replica's part of what a journal can undo.
type UndoFile struct {
	Replica string // address
	Groups  int
}

// undoIndex says where a journal has what undoes a repair.
type undoIndex struct {
	run      string
	replicas []replicaRecord
	at       []time.Time // of the replicas' entries
	groups   []indexed
}

// indexed is one group's entry in the journal.
type indexed struct {
	replica string
	name    string
	offset  int64
	length  int
	gone    bool // it was taken back
}

// Undoable lists the replicas whose rows a repair's journal says were changed, or may have been. The error wraps audit.ErrChanged where the
// journal is not as it was written.
func Undoable(journal string) ([]UndoFile, error) {
	index, err := readIndex(journal)
	if err != nil {
		return nil, err
	}
	var files []UndoFile
	for _, replica := range index.replicas {
		file := UndoFile{Replica: replica.Replica}
		for _, g := range index.groups {
			if g.replica == replica.Replica && !g.gone {
				file.Groups++
			}
		}
		if file.Groups > 0 {
			files = append(files, file)
		}
	}
	return files, nil
}

// WriteUndo writes the SQL that undoes what a repair has changed on one replica, from its journal: the last group first. Groups of
// which the journal does not say that they were committed are among them (a killed process may have committed them); undoing passes
// over those that were not.
func WriteUndo(w io.Writer, journal, replica string) error {
	index, err := readIndex(journal)
	if err != nil {
		return err
	}
	n := slices.IndexFunc(index.replicas, func(r replicaRecord) bool { return r.Replica == replica })
	if n < 0 {
		return fmt.Errorf("%s: nothing was changed on %s in that run", journal, replica)
	}
	header, err := index.replicas[n].header(index.run, index.at[n])
	if err != nil {
		return fmt.Errorf("%s: %w", journal, err)
	}
	file, err := os.Open(journal)
	if err != nil {
		return err
	}
	defer file.Close()
	script := rowsql.NewScript(w, header)
	for _, g := range slices.Backward(index.groups) {
		if g.replica != replica || g.gone {
			continue
		}
		statements, err := g.read(file)
		if err == nil {
			err = script.Group(g.name, statements)
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", journal, g.name, err)
		}
	}
	return script.Close()
}

// header is that of the replica's undo file.
func (r replicaRecord) header(run string, at time.Time) (rowsql.Header, error) {
	flavor, version, err := server.ParseVersion(r.Version)
	if err != nil {
		return rowsql.Header{}, err
	}
	return rowsql.Header{Kind: rowsql.Undo, Run: run, Version: r.TrueUp, At: at, Source: r.Source, Replica: r.Replica, Channel: r.Channel,
		On: server.Identity{Flavor: flavor, Version: version, VersionText: r.Version, ServerID: r.ServerID, UUID: r.ServerUUID, Hostname: r.Hostname, Port: r.Port, DataDir: r.DataDir}}, nil
}

// read reads the statements of a group from its journal.
func (g indexed) read(file io.ReaderAt) ([]rowsql.Statement, error) {
	entry, err := audit.ReadEntry(file, g.offset, g.length)
	if err != nil {
		return nil, err
	}
	var record groupRecord
	if err := json.Unmarshal(entry.Data, &record); err != nil {
		return nil, err
	}
	statements := make([]rowsql.Statement, len(record.Undo))
	for i, s := range record.Undo {
		statements[i] = rowsql.Statement{SQL: s.SQL, Rows: s.Rows, Lax: s.Lax}
	}
	return statements, nil
}

// readIndex verifies a journal and finds the groups in it, of which only one is in memory at a time.
func readIndex(journal string) (*undoIndex, error) {
	index := &undoIndex{}
	offset, number, failed := int64(0), 0, error(nil)
	summary, _, err := audit.Read(journal, func(entry audit.Entry) {
		number++
		if err := index.add(entry, offset); err != nil && failed == nil {
			failed = fmt.Errorf("%s: entry %d: %w", journal, number, err)
		}
		offset += int64(entry.Length)
	})
	switch {
	case err != nil:
		return nil, err
	case summary.State == audit.Changed:
		return nil, fmt.Errorf("%s: %w: %s", journal, audit.ErrChanged, summary.Problem)
	}
	index.run = summary.Run
	return index, failed
}

// add takes in one entry of the journal.
func (x *undoIndex) add(entry audit.Entry, offset int64) error {
	switch entry.Kind {
	case KindReplica:
		var record replicaRecord
		if err := json.Unmarshal(entry.Data, &record); err != nil {
			return err
		}
		if !slices.ContainsFunc(x.replicas, func(r replicaRecord) bool { return r.Replica == record.Replica }) { // a recovery repairs several times in one run
			x.replicas, x.at = append(x.replicas, record), append(x.at, entry.Time)
		}
	case KindGroup:
		replica := entry.Opens
		if at := strings.LastIndex(replica, groupWord); at >= 0 { // the address may be a socket's path, with blanks in it
			replica = replica[:at]
		}
		x.groups = append(x.groups, indexed{replica: replica, name: entry.Opens, offset: offset, length: entry.Length})
	case KindGroupEnded:
		var record groupEndRecord
		if err := json.Unmarshal(entry.Data, &record); err != nil {
			return err
		}
		for n, g := range slices.Backward(x.groups) { // it is the last one, or nearly
			if g.name == record.Group {
				x.groups[n].gone = record.How == endRolledBack
				break
			}
		}
	}
	return nil
}

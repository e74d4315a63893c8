package repair

import (
	"context"
	"fmt"
	"time"

	"trueup/check"
	"trueup/internal/audit"
	"trueup/repair/rowsql"
)

// The kinds of journal entries of a repair.
const (
	// KindReplica names the replica that is about to be repaired.
	KindReplica = "repair_replica"
	// KindGroup is written before a group of rows is changed; it holds what takes the change back, and opens the group.
	KindGroup = "repair_group"
	// KindGroupEnded closes the group: it was committed or taken back.
	KindGroupEnded = "repair_group_ended"
	// KindTableCreated and KindTableDropped are written before that is done, with the table's definition.
	KindTableCreated = "repair_table_created"
	KindTableDropped = "repair_table_dropped"
	// KindResult is written at the end of a repair, one for each replica that differed.
	KindResult = "repair_result"
	// KindUndone is written before the undoing of a group is committed.
	KindUndone = "repair_undone"
)

// groupWord stands between a replica's address and the number of a group in the group's name.
const groupWord = " group "

const (
	endCommitted  = "committed"
	endRolledBack = "rolled_back"
)

// replicaRecord is the data of a KindReplica entry.
type replicaRecord struct {
	Replica    string `json:"replica"` // address
	Source     string `json:"source"`
	Flavor     string `json:"flavor"`
	Version    string `json:"version"`
	ServerID   uint32 `json:"server_id"`
	ServerUUID string `json:"server_uuid"`
	Hostname   string `json:"hostname"`
	Port       int    `json:"port"`
	DataDir    string `json:"datadir"`
	Channel    string `json:"channel"`
	TrueUp     string `json:"trueup_version"`
}

// groupRecord is the data of a KindGroup entry.
type groupRecord struct {
	Group    string       `json:"group"`
	Replica  string       `json:"replica"`
	Database string       `json:"database"` // on the replica
	Table    string       `json:"table"`
	Rows     int64        `json:"rows"`
	Undo     []undoRecord `json:"undo"`
	Were     []wasRecord  `json:"were,omitempty"`
}

// undoRecord is one statement that takes a change back; the images are in it.
type undoRecord struct {
	SQL  string `json:"sql"`
	Rows int64  `json:"rows"`
	Lax  bool   `json:"lax,omitempty"`
}

// groupEndRecord is the data of a KindGroupEnded entry.
type groupEndRecord struct {
	Group string `json:"group"`
	How   string `json:"how"`
}

// tableRecord is the data of a KindTableCreated or KindTableDropped entry.
type tableRecord struct {
	Replica  string `json:"replica"`
	Database string `json:"database"`
	Table    string `json:"table"`
	DDL      string `json:"ddl"`
}

// resultRecord is the data of a KindResult entry.
type resultRecord struct {
	Replica        string        `json:"replica"`
	Via            Via           `json:"via"`
	FileBefore     string        `json:"file_before"`
	PositionBefore uint64        `json:"position_before"`
	FileAfter      string        `json:"file_after"`
	PositionAfter  uint64        `json:"position_after"`
	Pauses         int           `json:"pauses"`
	PausedSeconds  float64       `json:"paused_seconds"`
	Statements     int64         `json:"statements"`
	Refused        []refusalLine `json:"refused,omitempty"`
	Tables         []tableLine   `json:"tables"`
	// Verdict is that of the check of everything that was touched, made afterwards; "" where there was none.
	Verdict string `json:"verdict"`
	Error   string `json:"error,omitempty"`
}

// tableLine is what became of one table.
type tableLine struct {
	Database string        `json:"database"`
	Table    string        `json:"table"`
	Missing  int64         `json:"missing"`
	Extra    int64         `json:"extra"`
	Changed  int64         `json:"changed"`
	Groups   int           `json:"groups"`
	Refused  []refusalLine `json:"refused,omitempty"`
}

// refusalLine is what was left as it was, and why.
type refusalLine struct {
	Code   string `json:"reason_code"`
	Reason string `json:"reason"`
	Rows   int64  `json:"rows"`
}

func refusalLines(refused []Refusal) (lines []refusalLine) {
	for _, r := range refused {
		lines = append(lines, refusalLine(r))
	}
	return lines
}

// recordResults closes the story of an applied repair in the journal. failed is what ended it before its end.
func (r *run) recordResults(failed error) error {
	r.awaitLate()
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	for i := range r.result.Replicas {
		replica := &r.result.Replicas[i]
		record := resultRecord{Replica: replica.Address, Via: r.result.Via, FileBefore: replica.Before.File, PositionBefore: replica.Before.Offset, FileAfter: replica.After.File,
			PositionAfter: replica.After.Offset, Pauses: replica.Pauses, PausedSeconds: replica.Paused.Seconds(), Statements: replica.Statements, Refused: refusalLines(replica.Refused)}
		for _, t := range replica.Tables {
			record.Tables = append(record.Tables, tableLine{Database: t.Database, Table: t.Table, Missing: t.Done.Missing, Extra: t.Done.Extra, Changed: t.Done.Changed, Groups: t.Groups, Refused: refusalLines(t.Refused)})
		}
		if r.result.Verified != nil {
			for _, verified := range r.result.Verified.Replicas {
				if verified.Address == replica.Address {
					record.Verdict = verified.Verdict.String()
				}
			}
		}
		if failed != nil {
			record.Error = failed.Error()
		}
		if err := (&applier{run: r}).writeEntry(ctx, KindResult, "", "", record); err != nil {
			return err
		}
	}
	return nil
}

// undoneRecord is the data of a KindUndone entry.
type undoneRecord struct {
	Replica string `json:"replica"`
	Run     string `json:"repaired_by"`
	Group   string `json:"group"`
	// Statements is how many took it back.
	Statements int `json:"statements"`
}

// Numbers give the groups of one journal their numbers, where several repairs of one replica write into it: no two of its groups may have one name.
// The zero value begins with 1. Not for repairs at the same time.
type Numbers struct{ last int }

func (n *Numbers) next() int {
	n.last++
	return n.last
}

// naming numbers one replica's groups.
func (r *run) naming() *Numbers {
	if r.request.Numbers != nil {
		return r.request.Numbers
	}
	return &Numbers{}
}

// groupEntry is a group as the journal has it.
type groupEntry struct {
	name       string
	statements int64
	along      int64 // rows of other ranges
}

// journalError is a journal that could not be written: nothing is changed without it.
type journalError struct{ err error }

func (e *journalError) Error() string {
	return "nothing is changed without a journal of what was there before, and it could not be written: " + e.err.Error()
}

func (e *journalError) Unwrap() error { return e.err }

// recordInTime does not wait for a disk that hangs for longer than ctx: an applier stands meanwhile. The entry may be written all the same;
// its group is taken back then, and closed as soon as the disk lets it.
func (a *applier) recordInTime(ctx context.Context, entry audit.Entry) error {
	written := make(chan error, 1)
	go func() { written <- a.request.Journal.Record(context.WithoutCancel(ctx), entry) }()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		if entry.Kind == KindGroup {
			a.late.Go(func() {
				if <-written == nil {
					_ = a.recordEnd(&groupEntry{name: entry.Opens}, endRolledBack) // else it stays open, and undoing passes over it
				}
			})
		}
		return context.Cause(ctx)
	}
}

// awaitLate waits, while no applier stands, for entries that came to the disk too late.
func (r *run) awaitLate() {
	closed := make(chan struct{})
	go func() {
		r.late.Wait()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(recordTimeout):
	}
}

// recordReplica says which replica is about to be repaired.
func (a *applier) recordReplica(ctx context.Context) error {
	on, found := a.prepared.Replica(a.work.replica)
	source, _ := a.prepared.Info()
	return a.recordServer(ctx, check.ServerInfo{Address: found.Address, Identity: on.Identity()}, source.Address, found.Channel)
}

// recordServer says on which server rows are about to change.
func (a *applier) recordServer(ctx context.Context, on check.ServerInfo, source, channel string) error {
	identity := on.Identity
	return a.writeEntry(ctx, KindReplica, "", "", replicaRecord{Replica: on.Address, Source: source, Flavor: identity.Flavor.String(), Version: identity.VersionText,
		ServerID: identity.ServerID, ServerUUID: identity.UUID, Hostname: identity.Hostname, Port: identity.Port, DataDir: identity.DataDir, Channel: channel, TrueUp: a.request.Version})
}

// record writes what takes a group's changes back, and returns when it is on the disk.
func (h *holding) record(ctx context.Context, t *target, changes []rowsql.Change) (*groupEntry, error) {
	undo, err := t.undoOf(changes)
	if err != nil {
		return nil, asUnwritable(err)
	}
	entry := &groupEntry{name: fmt.Sprintf("%s%s%d", h.work.result.Address, groupWord, h.naming.next()), statements: int64(len(undo))}
	record := groupRecord{Group: entry.name, Replica: h.work.result.Address, Database: t.there.Database, Table: t.there.Table, Rows: countsOf(changes).Total(), Were: t.were(changes)}
	for _, statement := range undo {
		record.Undo = append(record.Undo, undoRecord{SQL: statement.SQL, Rows: statement.Rows, Lax: statement.Lax})
	}
	return entry, h.writeEntry(ctx, KindGroup, entry.name, "", record)
}

// recordEnd closes a group.
func (a *applier) recordEnd(entry *groupEntry, how string) error {
	if entry == nil {
		return nil // nothing was written yet
	}
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	return a.writeEntry(ctx, KindGroupEnded, "", entry.name, groupEndRecord{Group: entry.name, How: how})
}

const recordTimeout = 10 * time.Second

func (a *applier) writeEntry(ctx context.Context, kind, opens, closes string, data any) error {
	entry, err := audit.NewEntry(kind, data)
	if err == nil {
		entry.Opens, entry.Closes = opens, closes
		err = a.recordInTime(ctx, entry)
	}
	if err != nil {
		return &journalError{err: err}
	}
	return nil
}

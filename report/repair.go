package report

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"trueup/check"
	"trueup/repair"
	"trueup/replication"
)

// Repair is the report of one repair: its JSON form is the marshalled struct, the fields of a check's report and those of
// RepairParts. What the check's fields say of tables is what the check at its beginning found; exit code, conditions and verdict
// are the repair's. Build it with FromRepair; no list in it is nil.
type Repair struct {
	Check
	RepairParts
}

// RepairParts is what a repair's report has beyond a check's.
type RepairParts struct {
	Via       string `json:"via"`         // the server that is written to: "replica" or "source"
	FromRunID string `json:"from_run_id"` // of the stored check whose ranges were taken; "" for none
	Applied   bool   `json:"applied"`
	Declined  bool   `json:"declined"` // the person who was asked said no
	// Statements of the plan, or that were run.
	Statements int64           `json:"statements"`
	Refused    []Refused       `json:"refused"` // everything that was refused, also where a replica or a table names it
	Repairs    []RepairReplica `json:"repairs"`
	// Verification is the check of what was touched, made afterwards; nil where nothing was applied.
	Verification *Check   `json:"verification"`
	Journal      string   `json:"journal"` // the run's journal, that can undo what was applied; "" where nothing was
	UndoFiles    []string `json:"undo_files"`
}

// Refused is something that was left as it is, and why. Table is empty where it is said of the replica as a whole.
type Refused struct {
	Replica  string `json:"replica"`
	Database string `json:"database"`
	Table    string `json:"table"`
	Refusal
}

// Refusal is why something was left as it is.
type Refusal struct {
	ReasonCode string `json:"reason_code"`
	Reason     string `json:"reason"`
	Rows       int64  `json:"rows"` // 0 where nobody knows
}

// RepairReplica is one replica's part of a repair.
type RepairReplica struct {
	Server
	Statements     int64         `json:"statements"`
	Pauses         int           `json:"pauses"`
	PausedSeconds  float64       `json:"paused_seconds"`
	Before         Place         `json:"before"`
	After          Place         `json:"after"`
	UndoableGroups int           `json:"undoable_groups"`
	Refused        []Refusal     `json:"refused"`
	Notes          []string      `json:"notes"`
	Tables         []RepairTable `json:"tables"`
}

// Place is where an applier stood, in its source's coordinates.
type Place struct {
	File     string `json:"file"`
	Position uint64 `json:"position"`
	GTID     string `json:"gtid"`
}

// RepairTable is one table of one replica.
type RepairTable struct {
	Database  string    `json:"database"`
	Table     string    `json:"table"`
	Planned   RowCounts `json:"planned"`
	Done      RowCounts `json:"done"`
	Groups    int       `json:"groups"`
	Conflicts int64     `json:"conflicts"`
	Refused   []Refusal `json:"refused"`
	Notes     []string  `json:"notes"`
	DDL       string    `json:"ddl"`
}

// RowCounts are rows by kind.
type RowCounts struct {
	Missing int64 `json:"missing"`
	Extra   int64 `json:"extra"`
	Changed int64 `json:"changed"`
}

func (c RowCounts) total() int64 { return c.Missing + c.Extra + c.Changed }

// RepairFacts are what a repair's result does not know.
type RepairFacts struct {
	Version   string // trueup's own
	FromRunID string // of the stored check
	Journal   string // path, where it holds something to undo
	UndoFiles []string
	Signal    os.Signal // what ended the run, nil for none
	Err       error     // what went wrong after it
}

// FromRepair makes the report of a result, which is not kept.
func FromRepair(result *repair.Result, facts RepairFacts) Repair {
	r := Repair{Check: FromCheck(result.Check, facts.Version), RepairParts: repairPartsOf(result)}
	r.Command = "repair"
	if r.Conditions = RepairConditions(result); facts.Err != nil {
		r.Conditions = withCondition(r.Conditions, ConditionFailed)
	}
	r.ExitCode, r.Verdict = CodeFor(r.Conditions), verdictOf(r.Conditions)
	r.Interrupted = slices.Contains(r.Conditions, ConditionInterrupted)
	r.Warnings = append(r.Warnings, result.Warnings...)
	if err := errors.Join(result.Check.Err, ownError(result), verificationError(result), facts.Err); err != nil {
		r.Error = err.Error()
	}
	if !result.FinishedAt.IsZero() {
		r.FinishedAt, r.DurationSeconds = timeOf(result.FinishedAt), seconds(result.FinishedAt.Sub(result.Check.StartedAt))
	}
	if result.Verified != nil {
		verification := FromCheck(result.Verified, facts.Version)
		r.Verification = &verification
	}
	r.FromRunID, r.Journal, r.UndoFiles = facts.FromRunID, facts.Journal, each(facts.UndoFiles, same[string])
	r.Summary = r.withSignal(facts.Signal)
	return r
}

// ownError is why the repair as a whole failed; that it was interrupted is no error.
func ownError(result *repair.Result) error {
	if errors.Is(result.Err, context.Canceled) {
		return nil
	}
	return result.Err
}

func wasInterrupted(result *repair.Result) bool {
	return result.Check.Interrupted || errors.Is(result.Err, context.Canceled) || result.Verified != nil && result.Verified.Interrupted
}

func verificationError(result *repair.Result) error {
	if result.Verified == nil {
		return nil
	}
	return result.Verified.Err
}

func repairPartsOf(result *repair.Result) RepairParts {
	parts := RepairParts{Via: string(result.Via), Applied: result.Applied, Declined: result.Declined,
		Refused: []Refused{}, UndoFiles: []string{}, Repairs: each(result.Replicas, repairReplicaOf)}
	for _, replica := range parts.Repairs {
		parts.Statements += replica.Statements
		for _, refusal := range replica.Refused {
			parts.Refused = append(parts.Refused, Refused{Replica: replica.Address, Refusal: refusal})
		}
		for _, table := range replica.Tables {
			for _, refusal := range table.Refused {
				parts.Refused = append(parts.Refused, Refused{replica.Address, table.Database, table.Table, refusal})
			}
		}
	}
	return parts
}

func repairReplicaOf(r repair.ReplicaResult) RepairReplica {
	return RepairReplica{
		Server: serverOf(r.ServerInfo), Statements: r.Statements, Pauses: r.Pauses, PausedSeconds: seconds(r.Paused),
		Before: placeOf(r.Before, r.BeforeGTID), After: placeOf(r.After, r.AfterGTID), UndoableGroups: r.Undo,
		Refused: each(r.Refused, refusalOf), Notes: each(r.Notes, same[string]), Tables: each(r.Tables, repairTableOf),
	}
}

func placeOf(position replication.Position, gtid string) Place {
	return Place{File: position.File, Position: position.Offset, GTID: gtid}
}

func repairTableOf(t repair.TableResult) RepairTable {
	return RepairTable{
		Database: t.Database, Table: t.Table, Planned: RowCounts(t.Planned), Done: RowCounts(t.Done), Groups: t.Groups, Conflicts: t.Conflicts,
		Refused: each(t.Refused, refusalOf), Notes: each(t.Notes, same[string]), DDL: t.DDL,
	}
}

func refusalOf(r repair.Refusal) Refusal {
	return Refusal{ReasonCode: r.Code, Reason: r.Reason, Rows: r.Rows}
}

// NothingToRepair is the report of a repair from a stored check in which no row differs: no server was asked. Its exit code is that of the
// stored check: what could not be compared then is not known to be equal now.
func NothingToRepair(stored StoredCheck, runID string, via repair.Via, at time.Time, facts RepairFacts) Repair {
	r := Repair{Check: stored.Document, RepairParts: repairPartsOf(&repair.Result{Via: via})}
	r.Command, r.RunID, r.Version, r.FromRunID = "repair", runID, facts.Version, stored.Document.RunID
	r.StartedAt, r.FinishedAt, r.DurationSeconds, r.ThrottledSeconds = timeOf(at), timeOf(at), 0, 0
	r.Interrupted = false
	r.Conditions = []string{stored.Document.Verdict}
	r.ExitCode, r.Verdict = CodeFor(r.Conditions), verdictOf(r.Conditions)
	r.Tables, r.SchemaDifferences, r.Differences, r.DifferentRanges = []Table{}, []SchemaDifference{}, []Difference{}, []Range{}
	r.Warnings = []string{}
	return r
}

// RepairConditions lists everything that holds after a repair, gravest first; it is never empty. "equal" stands alone: nothing differed, or
// everything that did was changed and a check afterwards found it equal.
func RepairConditions(result *repair.Result) []string {
	before := Conditions(result.Check)
	if wasInterrupted(result) {
		before = withCondition(withCondition(before, ConditionInterrupted), ConditionUnverified)
	}
	if ownError(result) != nil {
		before = withCondition(before, ConditionFailed)
	}
	if !result.Applied || result.Verified == nil {
		if anythingRefused(result) || anyRows(result) {
			before = withCondition(before, ConditionDifferent)
		}
		return before
	}
	holds := slices.DeleteFunc(slices.Clone(before), func(c string) bool { return c == ConditionDifferent || c == ConditionEqual })
	for _, condition := range verifiedConditions(result) {
		if condition != ConditionEqual {
			holds = withCondition(holds, condition)
		}
	}
	if anythingRefused(result) || schemaIsLeft(result) {
		holds = withCondition(holds, ConditionDifferent)
	}
	if len(holds) == 0 {
		return []string{ConditionEqual}
	}
	return holds
}

// withCondition adds a condition at its place; "equal" goes, since it stands alone.
func withCondition(conditions []string, added string) []string {
	holds := map[string]bool{added: true}
	for _, condition := range conditions {
		holds[condition] = true
	}
	delete(holds, ConditionEqual)
	var ordered []string
	for _, p := range precedence {
		if holds[p.condition] {
			ordered = append(ordered, p.condition)
		}
	}
	return ordered
}

func anythingRefused(result *repair.Result) bool {
	return slices.ContainsFunc(result.Replicas, func(r repair.ReplicaResult) bool {
		return len(r.Refused) > 0 || slices.ContainsFunc(r.Tables, func(t repair.TableResult) bool { return len(t.Refused) > 0 })
	})
}

func anyRows(result *repair.Result) bool {
	return slices.ContainsFunc(result.Replicas, func(r repair.ReplicaResult) bool {
		return slices.ContainsFunc(r.Tables, func(t repair.TableResult) bool { return t.Planned.Total() > 0 })
	})
}

// schemaIsLeft tells whether definitions still differ: a repair creates and drops tables where it may, and alters none. Where it did, the check
// afterwards does not list the table any more.
func schemaIsLeft(result *repair.Result) bool {
	return slices.ContainsFunc(result.Check.SchemaDifferences, func(d check.SchemaDifference) bool {
		return d.Object != "table" || d.What != "missing" && d.What != "extra" || slices.ContainsFunc(result.Verified.SchemaDifferences, func(now check.SchemaDifference) bool {
			return now.Replica == d.Replica && now.Database == d.Database && now.Table == d.Table
		})
	})
}

// verifiedConditions are those of the check afterwards. Where all that was repaired is that tables were dropped, it has no table to compare.
func verifiedConditions(result *repair.Result) []string {
	v := result.Verified
	if len(v.Tables) == 0 && v.Err == nil && !v.Interrupted && len(v.SchemaDifferences) == 0 && !anyRows(result) {
		return []string{ConditionEqual}
	}
	return Conditions(v)
}

// WriteRepairJSON writes the repair as one indented JSON object. It fails only where w does.
func WriteRepairJSON(w io.Writer, r Repair) error { return writeJSON(w, r) }

// codeMeaning says in words what the exit code means after a repair.
func (r Repair) codeMeaning() string {
	switch {
	case r.ExitCode == OK && r.Applied && r.Verification != nil:
		return "all that differed was changed, and is verified equal"
	case r.ExitCode == OK:
		return "nothing to repair: everything that was asked for is verified equal"
	case r.ExitCode == Different && !r.Applied:
		return "there are differences, and nothing was changed"
	case r.ExitCode == Different:
		return "there are differences left"
	}
	return CodeMeaning(r.ExitCode)
}

// undoName is how a person names the file that undoes what was done on a replica.
func (r Repair) undoName(replica string) string {
	for _, file := range r.UndoFiles {
		if len(r.UndoFiles) == 1 || strings.Contains(file, AddressInName(replica)) {
			return file
		}
	}
	return r.Journal
}

// AddressInName is a server's address as a part of a file's name.
func AddressInName(address string) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_':
			return c
		}
		return '-'
	}, address), "-")
}

package recovery

import (
	"context"
	"fmt"
	"time"

	"trueup/check"
	"trueup/internal/audit"
	"trueup/replication"
	"trueup/schema"
)

// The kinds of journal entries of a recovery.
const (
	// KindDiagnosed is written before anything is done about an error; it opens the recovery of that error.
	KindDiagnosed = "recovery_diagnosed"
	// KindChosen says which way out was chosen, by whom.
	KindChosen = "recovery_chosen"
	// KindTouched names what has to be equal to the source's at the end, before anything is done.
	KindTouched = "recovery_touched"
	// KindStep is written before each step, KindStepDone after it.
	KindStep     = "recovery_step"
	KindStepDone = "recovery_step_done"
	// KindEnded closes the recovery of an error: the touched rows were compared, or it was given up.
	KindEnded = "recovery_ended"
)

// recordTimeout bounds writing an entry about something that has happened already.
const recordTimeout = 10 * time.Second

// diagnosedRecord is the data of a KindDiagnosed entry.
type diagnosedRecord struct {
	Replica     string             `json:"replica"` // addresses
	Source      string             `json:"source"`
	Flavor      string             `json:"flavor"`
	Version     string             `json:"version"`
	ServerID    uint32             `json:"server_id"`
	ServerUUID  string             `json:"server_uuid"`
	Channel     string             `json:"channel"`
	ErrorNumber int                `json:"error_number"`
	Error       string             `json:"error"`
	Class       Class              `json:"class"`
	Why         []string           `json:"why"`
	Transaction *transactionRecord `json:"transaction,omitempty"`
	Rows        []rowRecord        `json:"rows,omitempty"`
	InTheWay    []rowRecord        `json:"rows_in_the_way,omitempty"`
	Errant      string             `json:"errant,omitempty"`
	Options     []optionRecord     `json:"options"`
	File        string             `json:"file"` // where the applier stands
	Position    uint64             `json:"position"`
	Executed    string             `json:"executed_gtid"`
	User        string             `json:"user"`    // of the operating system
	Account     string             `json:"account"` // of the database
	TrueUp      string             `json:"trueup_version"`
	// TakenUp is what an earlier run had come to, whose journal this one goes on with. It is in the same entry, so that a run which dies in taking it up
	// leaves all of it or nothing.
	TakenUp *takenUpRecord `json:"taken_up,omitempty"`
}

// takenUpRecord is the choice of an earlier run, what it had to prove, and the steps that it had begun.
type takenUpRecord struct {
	Chosen  chosenRecord  `json:"chosen"`
	Touched touchedRecord `json:"touched"`
	Steps   []stepRecord  `json:"steps"`
	// Journals are the paths of those that were gone on with, the oldest first: what they leave open is closed when it is proven.
	Journals []string `json:"journals"`
}

type transactionRecord struct {
	GTID       string   `json:"gtid"`
	From       string   `json:"read_from"`
	File       string   `json:"file"`
	Start      uint64   `json:"start"`
	End        uint64   `json:"end"`
	Bytes      int64    `json:"bytes"`
	RowChanges int64    `json:"row_changes"`
	Format     string   `json:"format"`
	Statements []string `json:"statements,omitempty"`
}

// rowRecord is one row of the transaction with its images, or a row in its way: hexadecimal where they are no text.
type rowRecord struct {
	Table   string         `json:"table"`
	Kind    string         `json:"kind,omitempty"`
	Before  map[string]any `json:"before,omitempty"`
	After   map[string]any `json:"after,omitempty"`
	Source  map[string]any `json:"source_now,omitempty"`
	Replica map[string]any `json:"replica_now,omitempty"`
	Problem string         `json:"problem,omitempty"`
}

type optionRecord struct {
	Action Action   `json:"action"`
	Does   []string `json:"does"`
	Loses  []string `json:"loses"`
	Lost   []string `json:"lost,omitempty"`
}

// chosenRecord is the data of a KindChosen entry.
type chosenRecord struct {
	Action  Action `json:"action"`
	By      string `json:"by"`
	User    string `json:"user"`
	Account string `json:"account"`
}

// touchedRecord is the data of a KindTouched entry: what is compared at the end.
type touchedRecord struct {
	Whole  []schema.Name `json:"-"`
	Ranges []check.Range `json:"-"`
	// WholeTables and KeyRanges are the two as the journal has them.
	WholeTables []tableRecord `json:"whole_tables,omitempty"`
	KeyRanges   []rangeRecord `json:"ranges,omitempty"`
	Rows        int64         `json:"rows"`
	// Repairs tells whether what differs is to be repaired.
	Repairs bool     `json:"repairs"`
	Why     []string `json:"doubts,omitempty"`
}

type tableRecord struct {
	Database string `json:"database"`
	Table    string `json:"table"`
}

// rangeRecord is the keys above Lower up to and including Upper.
type rangeRecord struct {
	Replica  string        `json:"replica"`
	Database string        `json:"database"`
	Table    string        `json:"table"`
	Key      string        `json:"key"`
	Lower    []boundRecord `json:"lower"` // null: no end
	Upper    []boundRecord `json:"upper"`
}

type boundRecord struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Hex   bool   `json:"hex,omitempty"`
}

// encode fills in what the journal has.
func (p *touchedRecord) encode() {
	p.WholeTables, p.KeyRanges = nil, nil
	for _, name := range p.Whole {
		p.WholeTables = append(p.WholeTables, tableRecord(name))
	}
	for _, r := range p.Ranges {
		p.KeyRanges = append(p.KeyRanges, rangeRecord{Replica: r.Replica, Database: r.Database, Table: r.Table, Key: r.Key, Lower: encodeBound(r.Lower), Upper: encodeBound(r.Upper)})
	}
}

// decode is the reverse of encode.
func (p *touchedRecord) decode() {
	p.Whole, p.Ranges = nil, nil
	for _, name := range p.WholeTables {
		p.Whole = append(p.Whole, schema.Name(name))
	}
	for _, r := range p.KeyRanges {
		p.Ranges = append(p.Ranges, check.Range{Replica: r.Replica, Database: r.Database, Table: r.Table, Key: r.Key, Lower: decodeBound(r.Lower), Upper: decodeBound(r.Upper)})
	}
}

func encodeBound(bound []check.NamedValue) (encoded []boundRecord) {
	for _, b := range bound {
		encoded = append(encoded, boundRecord{Name: b.Name, Value: b.Value.Text, Hex: b.Value.Hex})
	}
	return encoded
}

func decodeBound(encoded []boundRecord) (bound []check.NamedValue) {
	for _, b := range encoded {
		bound = append(bound, check.NamedValue{Name: b.Name, Value: check.Value{Text: b.Value, Hex: b.Hex}})
	}
	return bound
}

type stepRecord struct {
	What string `json:"what"`
	SQL  string `json:"sql,omitempty"`
	// Statements are those of a step that is more than one.
	Statements []string `json:"statements,omitempty"`
	Result     string   `json:"result,omitempty"`
}

// endedRecord is the data of a KindEnded entry.
type endedRecord struct {
	Outcome  Outcome `json:"outcome"`
	Action   Action  `json:"action"`
	File     string  `json:"file_after"`
	Position uint64  `json:"position_after"`
	GTID     string  `json:"executed_gtid_after"`
	Verdict  string  `json:"verdict,omitempty"`
	Error    string  `json:"error,omitempty"`
}

// mostRecorded is how many of a transaction's rows an entry lists; what a fix changes is in the journal whole, as its undo.
const mostRecorded = 200

// write writes one entry and returns when it is on the disk.
func (r *run) write(ctx context.Context, kind, opens, closes string, data any) error {
	if r.request.Journal == nil {
		return nil
	}
	entry, err := audit.NewEntry(kind, data)
	if err == nil {
		entry.Opens, entry.Closes = opens, closes
		err = r.request.Journal.Record(ctx, entry)
	}
	if err != nil {
		return fmt.Errorf("nothing is done without a journal, and it could not be written: %w", err)
	}
	return nil
}

// writeAfter writes an entry about what has happened, also where the run is being interrupted.
func (r *run) writeAfter(kind, closes string, data any) error {
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	return r.write(ctx, kind, "", closes, data)
}

func (r *run) diagnosed(f *failure) diagnosedRecord {
	d := f.diagnosis
	identity := d.Replica.Identity
	record := diagnosedRecord{Replica: d.Replica.Address, Source: d.Source.Address, Flavor: identity.Flavor.String(), Version: identity.VersionText, ServerID: identity.ServerID,
		ServerUUID: identity.UUID, Channel: r.channel, ErrorNumber: d.Error.Number, Error: d.Error.Message, Class: d.Class, Why: d.Why, Errant: d.Errant,
		File: d.Status.Executed.File, Position: d.Status.Executed.Offset, Executed: d.Status.ExecutedGTID, User: r.request.User, Account: r.replica.Endpoint().User, TrueUp: r.request.Version}
	if t := d.Transaction; t != nil {
		record.Transaction = &transactionRecord{GTID: t.GTID, From: t.From, File: t.File, Start: t.Start, End: t.End, Bytes: t.Bytes, RowChanges: t.Rows, Format: t.Format}
		for _, s := range t.Statements[:min(len(t.Statements), mostRecorded)] {
			record.Transaction.Statements = append(record.Transaction.Statements, s.Text)
		}
	}
	record.Rows, record.InTheWay = recordRows(d.Rows), recordRows(d.InTheWay)
	for _, o := range d.Options {
		record.Options = append(record.Options, optionRecord{Action: o.Action, Does: o.Does, Loses: o.Loses, Lost: o.Lost[:min(len(o.Lost), mostRecorded)]})
	}
	return record
}

func recordRows(rows []RowState) (records []rowRecord) {
	for _, row := range rows[:min(len(rows), mostRecorded)] {
		records = append(records, rowRecord{Table: row.Database + "." + row.Table, Kind: row.Kind, Before: recordValues(row.Before), After: recordValues(row.After),
			Source: recordValues(row.Source), Replica: recordValues(row.Replica), Problem: row.Problem})
	}
	return records
}

func recordValues(row []check.NamedValue) map[string]any {
	if row == nil {
		return nil
	}
	values := make(map[string]any, len(row))
	for _, named := range row {
		switch {
		case named.Value.Null:
			values[named.Name] = nil
		case named.Value.Hex:
			values[named.Name] = map[string]string{"hex": named.Value.Text}
		default:
			values[named.Name] = named.Value.Text
		}
	}
	return values
}

// step does something on the replica, with an entry before and one after it.
func (r *run) step(ctx context.Context, a *Attempt, record stepRecord, do func() (result string, err error)) error {
	what, sql := record.What, record.SQL
	if err := r.write(ctx, KindStep, "", "", record); err != nil {
		return err
	}
	result, err := do()
	if err != nil {
		result = err.Error()
	}
	taken := Step{At: r.request.Check.Now(), What: what, SQL: sql, Result: result}
	a.Steps = append(a.Steps, taken)
	r.send(StepTaken{At: r.now(), Step: taken})
	if writeErr := r.writeAfter(KindStepDone, "", stepRecord{What: what, SQL: sql, Result: result}); err == nil {
		err = writeErr
	}
	return err
}

// end closes the recovery of an error.
func (r *run) end(name string, a *Attempt, status replication.Status) error {
	record := endedRecord{Outcome: a.Outcome, Action: a.Action, File: status.Executed.File, Position: status.Executed.Offset, GTID: status.ExecutedGTID}
	if a.Proof != nil {
		record.Verdict = verdictOf(a.Proof).String()
	}
	if a.Err != nil {
		record.Error = a.Err.Error()
	}
	return r.writeAfter(KindEnded, name, record)
}

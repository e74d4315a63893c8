package report

import (
	"io"
	"os"
	"time"

	"trueup/recovery"
)

// Recovery is the report of one recovery: its JSON form is the marshalled struct. Error, Transaction, Options, Chosen and those beside them
// are of the last error that was met; Attempts has all of them. Build it with FromRecovery; no list in it is nil.
type Recovery struct {
	Heading
	Failure   string   `json:"failure"` // why it failed, "" where it did not
	Continued string   `json:"continued_run_id"`
	Outcome   string   `json:"outcome"`
	Warnings  []string `json:"warnings"`
	Journal   string   `json:"journal"`    // of the run; "" where nothing was to be changed
	AuditFile string   `json:"audit_file"` // of --audit-file
	Source    Server   `json:"source"`
	Replica   Server   `json:"replica"`
	RecoveryChannel
	Error       *RecoveryError       `json:"error"`       // nil: no error stopped the channel
	Transaction *RecoveryTransaction `json:"transaction"` // nil: not known
	Options     []RecoveryOption     `json:"options"`
	Chosen      string               `json:"chosen"` // "plan": nothing
	Attempts    []RecoveryAttempt    `json:"attempts"`

	unoffered string
}

// RecoveryChannel is how the channel stood.
type RecoveryChannel struct {
	Channel        string `json:"channel"`
	ApplierRunning bool   `json:"applier_running"`
	ReceiverState  string `json:"receiver"` // "running", "connecting" or "stopped"
	Executed       Place  `json:"executed"`
}

// RecoveryError is what stopped a channel.
type RecoveryError struct {
	Part    string `json:"part"` // "applier" or "receiver"
	Number  int    `json:"number"`
	Message string `json:"message"`
	Class   string `json:"class"`
}

// RecoveryTransaction is the transaction that failed.
type RecoveryTransaction struct {
	GTID       string              `json:"gtid"`
	From       string              `json:"read_from"` // "source" or "relay log"
	File       string              `json:"file"`
	Start      uint64              `json:"start"`
	End        uint64              `json:"end"`
	At         *time.Time          `json:"written_at"`
	Bytes      int64               `json:"bytes"`
	Format     string              `json:"format"`
	Rows       int64               `json:"rows"` // row changes, all of them
	Tables     []NamedTable        `json:"tables"`
	Statements []RecoveryStatement `json:"statements"`
	Truncated  bool                `json:"truncated"`
	Partial    bool                `json:"partial_images"`
	Compressed bool                `json:"compressed"`
	XA         string              `json:"xa"`
}

// NamedTable is a table by its name.
type NamedTable struct {
	Database string `json:"database"`
	Table    string `json:"table"`
}

// RecoveryStatement is SQL of the failing transaction.
type RecoveryStatement struct {
	Database   string `json:"database"`
	Text       string `json:"text"`
	Annotation bool   `json:"annotation"` // the text behind row changes
}

// RecoveryRow is a row change of the failing transaction, or a row in its way, which has no kind, and the row as it is now. Before, After, Source and Replica are nil where there is none.
type RecoveryRow struct {
	Database string       `json:"database"`
	Table    string       `json:"table"`
	Kind     string       `json:"kind"`
	Key      []NamedValue `json:"key"`
	Before   []NamedValue `json:"before"`
	After    []NamedValue `json:"after"`
	Source   []NamedValue `json:"source"`
	Replica  []NamedValue `json:"replica"`
	Unknown  string       `json:"unknown"`
	Problem  string       `json:"problem"`
}

// DirectWrite is a transaction that somebody wrote on the replica itself.
type DirectWrite struct {
	GTID       string     `json:"gtid"`
	File       string     `json:"file"`
	Position   uint64     `json:"position"`
	At         *time.Time `json:"written_at"`
	ServerID   uint32     `json:"server_id"`
	Statements []string   `json:"statements"`
	Rows       []string   `json:"rows"`
}

// RecoveryOption is a way out.
type RecoveryOption struct {
	Action      string   `json:"action"`
	Recommended bool     `json:"recommended"`
	Doubtful    bool     `json:"doubtful"`
	FailsAgain  bool     `json:"fails_again"` // as things are
	Does        []string `json:"does"`
	Loses       []string `json:"loses"` // none: nothing
	Statements  []string `json:"statements"`
	Lost        []string `json:"lost_rows"`
	// Whole are tables of which it is not known which rows are touched.
	Whole []NamedTable `json:"whole_tables"`
}

// RecoveryAttempt is one error and what was done about it.
type RecoveryAttempt struct {
	At *time.Time `json:"at"`
	RecoveryChannel
	Error        *RecoveryError       `json:"error"`
	Why          []string             `json:"why"`
	Advice       []string             `json:"advice"`
	Transaction  *RecoveryTransaction `json:"transaction"`
	NotRead      string               `json:"transaction_not_read"`
	Rows         []RecoveryRow        `json:"rows"`
	InTheWay     []RecoveryRow        `json:"rows_in_the_way"`
	Errant       string               `json:"errant_gtids"`
	DirectWrites []DirectWrite        `json:"direct_writes"`
	Hiding       []string             `json:"hiding_settings"`
	Options      []RecoveryOption     `json:"options"`
	RecoveryDone
}

// RecoveryDone is what was done about an error.
type RecoveryDone struct {
	Chosen         string         `json:"chosen"`
	Steps          []RecoveryStep `json:"steps"`
	Before         Place          `json:"before"`
	After          Place          `json:"after"`
	UndoableGroups int            `json:"undoable_groups"`
	Proof          *Repair        `json:"proof"` // nil: the transaction was not passed
	Outcome        string         `json:"outcome"`
	Failure        string         `json:"failure"`
}

// RecoveryStep is one thing that was done to the replica.
type RecoveryStep struct {
	At     *time.Time `json:"at"`
	What   string     `json:"what"`
	SQL    string     `json:"sql"` // "" where it is no statement
	Result string     `json:"result"`
}

// RecoveryFacts are what a recovery's result does not know.
type RecoveryFacts struct {
	Version   string // trueup's own
	Journal   string // path
	AuditFile string
	Warnings  []string
	Signal    os.Signal // what ended the run, nil for none
	Aborted   bool      // somebody pressed ctrl-C when asked
	Unoffered string    // the --action that is no way out of the error at hand, "" for none
	Err       error     // what went wrong after it
}

// WriteRecoveryJSON writes the recovery as one indented JSON object. It fails only where w does.
func WriteRecoveryJSON(w io.Writer, r Recovery) error { return writeJSON(w, r) }

// outcomeWords say of an outcome in a few words what it means.
var outcomeWords = map[string]string{
	string(recovery.NothingToDo):  "there is no error to recover from",
	string(recovery.Explained):    "nothing was done: the replica is still stopped",
	string(recovery.Declined):     "declined: nothing was done, and the replica is still stopped",
	string(recovery.Proven):       "the replica is past the transaction, and every row that was touched is equal",
	string(recovery.Differs):      "the replica is past the transaction, and something is still unequal",
	string(recovery.Unproven):     "the replica is past the transaction, and not everything could be compared",
	string(recovery.StoppedAgain): "the replica stopped again at the same transaction",
	string(recovery.Failed):       "the recovery failed",
}

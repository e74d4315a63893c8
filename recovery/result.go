package recovery

import (
	"time"

	"trueup/check"
	"trueup/repair"
	"trueup/replication"
)

// Outcome is what became of one error, or of a whole recovery.
type Outcome string

// The outcomes.
const (
	NothingToDo  Outcome = "nothing_to_do" // the channel is not stopped by an error
	Explained    Outcome = "explained"     // a diagnosis was all that was asked for: the replica is still stopped
	Declined     Outcome = "declined"      // the person who was asked chose nothing
	Proven       Outcome = "proven_equal"  // the replica is past the transaction, and every touched row is equal
	Differs      Outcome = "differs"       // it is past it, and something is still unequal
	Unproven     Outcome = "unverified"    // it is past it, and something could not be compared
	StoppedAgain Outcome = "stopped_again" // the same transaction failed again
	Failed       Outcome = "failed"        // a step failed, or the servers were not any more as they were diagnosed
)

// Result is what a recovery came to.
type Result struct {
	RunID     string
	StartedAt time.Time
	// Attempts are the errors in the order in which they came; the last one of a replica that is still stopped has no action.
	Attempts   []Attempt
	Outcome    Outcome // the gravest of the attempts
	Continued  string  // the run whose recovery this one went on with; "" for none
	Err        error   // why the outcome is Failed
	FinishedAt time.Time
	Warnings   []string
}

// Attempt is one error and what was done about it.
type Attempt struct {
	Diagnosis *Diagnosis
	Action    Action // Plan: nothing was done
	Steps     []Step
	Before    replication.Position // of the applier, in the source's coordinates
	After     replication.Position
	// AfterGTID and BeforeGTID are what the replica had executed.
	BeforeGTID, AfterGTID string
	// Undo is how many groups of rows the journal can undo (trueup repair --undo), of a fix.
	Undo int
	// Proof is the check of all that was touched, with the repair of what differed; nil where the transaction was not passed.
	Proof   *repair.Result
	Outcome Outcome
	Err     error

	stoppedLater bool // at a later transaction
}

// Step is one thing that was done to the replica.
type Step struct {
	At     time.Time
	What   string // in words
	SQL    string // "" where it is no statement
	Result string // "done", "3 rows", or an error
}

// Diagnosed comes with every error that is met.
type Diagnosed struct {
	check.At
	Diagnosis *Diagnosis
}

// StepTaken comes after every step.
type StepTaken struct {
	check.At
	Step Step
}

// AttemptDone comes when an error was dealt with, or not.
type AttemptDone struct {
	check.At
	Attempt Attempt
}

// Finished closes a recovery.
type Finished struct {
	check.At
	Result *Result
}

package repair

import "trueup/check"

// The events of a repair go to the check's observers, after those of its check.

// Planned comes once it is known what is to be repaired, before anybody is asked.
type Planned struct {
	check.At
	Result *Result
}

// GroupDone comes after a group of rows was changed and committed, or written into the plan's script.
type GroupDone struct {
	check.At
	Replica         string
	Database, Table string
	Rows            Counts
	Statements      int64
}

// GroupRefused comes where rows were left as they are.
type GroupRefused struct {
	check.At
	Replica         string
	Database, Table string
	Refusal         Refusal
}

// Finished closes a repair.
type Finished struct {
	check.At
	Result *Result
}

package report

import (
	"fmt"
	"time"

	"trueup/check"
	"trueup/repair"
)

// command is the command whose events these are.
func (j *JSONL) command() string {
	if j.options.Repair {
		return "repair"
	}
	return "check"
}

// repairEvent writes the line of a repair's own event. It tells whether the event is done with: once the repair is planned, the events of the
// check that verifies it are none of the stream's, but for warnings; what it found stands in the last line.
func (j *JSONL) repairEvent(event check.Event) bool {
	switch e := event.(type) {
	case repair.Planned:
		j.planned = true
		parts := repairPartsOf(e.Result)
		j.write(repairPlannedLine{lineAt("repair_planned", e.Time), parts.Via, parts.Refused, parts.Repairs})
	case repair.GroupDone:
		j.write(groupDoneLine{lineAt("group_done", e.Time), e.Replica, e.Database, e.Table, RowCounts(e.Rows), e.Statements})
	case repair.GroupRefused:
		j.write(groupRefusedLine{lineAt("group_refused", e.Time), Refused{e.Replica, e.Database, e.Table, refusalOf(e.Refusal)}})
	case repair.Finished: // FinishRepair knows more
	case check.Warned:
		return false
	default:
		return j.planned
	}
	return true
}

// FinishRepair ends the stream of a repair with its last line, repair_finished, after warnings that were never announced.
func (j *JSONL) FinishRepair(r Repair, now time.Time) {
	for _, message := range r.Warnings {
		if !j.warnings[message] {
			j.warning(now, message)
		}
	}
	j.write(repairFinishedLine{lineAt("repair_finished", now), r.Summary, r.RepairParts})
}

type repairPlannedLine struct {
	line
	Via     string          `json:"via"`
	Refused []Refused       `json:"refused"`
	Repairs []RepairReplica `json:"repairs"`
}

type groupDoneLine struct {
	line
	Replica    string    `json:"replica"`
	Database   string    `json:"database"`
	Table      string    `json:"table"`
	Rows       RowCounts `json:"rows"`
	Statements int64     `json:"statements"`
}

type groupRefusedLine struct {
	line
	Refused
}

type repairFinishedLine struct {
	line
	Summary
	RepairParts
}

// repairState is what the progress knows of a repair.
type repairState struct {
	planOnly  bool
	repairing bool
	verifying bool
	planned   int64 // rows that differ
	repaired  int64
	refused   int64
	group     string // replica and table of the last group
}

// takeRepair takes in an event of a repair; it tells whether the check's own state has nothing to do with it.
func (s *repairState) takeRepair(event check.Event) bool {
	switch e := event.(type) {
	case repair.Planned:
		s.repairing = true
		for _, replica := range e.Result.Replicas {
			for _, table := range replica.Tables {
				s.planned += table.Planned.Total()
			}
		}
	case repair.GroupDone:
		s.repairing = true
		s.repaired += e.Rows.Total()
		s.group = tableTitle(e.Database, e.Table) + " on " + showName(e.Replica)
	case repair.GroupRefused:
		s.refused++
	case check.RunStarted:
		s.verifying = s.repairing
		return s.repairing
	default:
		return s.repairing // of the check that verifies
	}
	return true
}

func (s *repairState) repairPhase() string {
	if s.verifying {
		return "verifying"
	}
	if s.planOnly {
		return "planning"
	}
	return "repairing"
}

// repairParts is the progress of a repair in words.
func (s *progressState) repairParts(now time.Time) []linePart {
	rows := amount(s.repaired) + "/" + amount(max(s.planned, s.repaired)) + " rows"
	if s.verifying {
		return []linePart{{"verifying what was repaired", 2}, {rows, 1}, {shortDuration(now.Sub(s.started)), 0}}
	}
	parts := []linePart{{s.repairPhase(), 4}, {rows, 3}, {shortDuration(now.Sub(s.started)), 0}, {s.group, 1}}
	if s.refused > 0 {
		parts = append(parts, linePart{fmt.Sprintf("%d refused", s.refused), 2})
	}
	return parts
}

package report

import (
	"fmt"
	"time"

	"trueup/check"
)

// progressState is what the progress knows; it does no input or output.
type progressState struct {
	started    time.Time
	phase      string    // what is being done before the first table
	waiting    string    // why the run waits on purpose; empty when it does not
	since      time.Time // of that wait
	synced     bool      // the servers stand at one position: there are numbers to show
	tables     int
	tablesDone int
	rows       int64 // compared so far, on the source
	bytes      int64
	different  int64 // rows known to differ
	unopened   int64 // estimated rows of tables that have not begun
	running    map[tableName]*runningTable
	current    tableName
	samples    []rateSample
	repairState
}

// runningTable counts a table; listed are its differing rows that were listed, which may not be all.
type runningTable struct{ estimate, rows, listed int64 }

type rateSample struct {
	at          time.Time
	rows, bytes int64
}

func newProgressState(now time.Time) progressState {
	return progressState{started: now, phase: "connecting to the source", running: map[tableName]*runningTable{}}
}

func (s *progressState) take(event check.Event, now time.Time) {
	if s.takeRepair(event) {
		return
	}
	switch e := event.(type) {
	case check.RunStarted:
		s.phase = "connecting to the replicas"
	case check.ReplicaFound:
		s.phase = "reading definitions"
	case check.SchemaCompared:
		s.tables, s.unopened, s.phase = e.Tables, e.RowsEstimate, "waiting until the replicas stand at one position"
		s.samples = []rateSample{{at: now}}
	case check.EpochOpened:
		if !s.synced {
			s.samples = []rateSample{{at: now}} // the wait was no part of the rate
		}
		s.synced = true
	case check.Throttled:
		if s.waiting == "" {
			s.since = now
		}
		s.waiting = e.Reason
	case check.Resumed:
		s.waiting = ""
		s.samples = []rateSample{{now, s.rows, s.bytes}} // the wait was no part of the rate
	case check.TableStarted:
		s.current = tableName{e.Database, e.Table}
		s.running[s.current] = &runningTable{estimate: e.RowsEstimate}
		s.unopened -= e.RowsEstimate
	case check.ChunkDone:
		s.synced = true
		s.current = tableName{e.Database, e.Table}
		s.rows += e.Rows
		s.bytes += e.Bytes
		if table := s.running[s.current]; table != nil {
			table.rows += e.Rows
		}
	case check.DifferenceFound:
		s.different += max(e.Difference.Count, 1)
		if table := s.running[tableName{e.Difference.Database, e.Difference.Table}]; table != nil {
			table.listed += max(e.Difference.Count, 1)
		}
	case check.TableDone:
		s.tableDone(e.Table)
	}
}

// phaseName is what the run is doing, without what changes meanwhile.
func (s *progressState) phaseName() string {
	switch {
	case s.waiting != "":
		return "waiting"
	case s.repairing:
		return s.repairPhase()
	case s.synced:
		return "comparing"
	default:
		return s.phase
	}
}

func (s *progressState) tableDone(table check.TableResult) {
	name := tableName{table.Database, table.Table}
	if running := s.running[name]; running != nil {
		s.different -= running.listed
		for _, r := range table.Replicas {
			s.different += r.Missing + r.Extra + r.Changed
		}
		delete(s.running, name)
	}
	if table.Verdict != check.NotCompared {
		s.tablesDone = min(s.tablesDone+1, s.tables)
	}
	if s.tablesDone == s.tables {
		s.unopened = 0
	}
}

// remaining is the estimate of rows still to be compared. Estimates of the server are off by half at times;
// what was really read of a table that is done replaces its estimate.
func (s *progressState) remaining() int64 {
	remaining := max(s.unopened, 0)
	for _, table := range s.running {
		remaining += max(table.estimate-table.rows, 0)
	}
	return remaining
}

// percentText is never 100% before every table is done, however wrong the estimates were.
func (s *progressState) percentText() string {
	if s.tables > 0 && s.tablesDone == s.tables {
		return "100%"
	}
	all := s.rows + s.remaining()
	if all == 0 {
		return "  –%"
	}
	return fmt.Sprintf("%3d%%", min(s.rows*100/all, 99))
}

// leftText is the time left at the current rate, "–" while nothing can be said.
func (s *progressState) leftText() string {
	rate, _ := s.rates()
	remaining := s.remaining()
	if rate <= 0 || remaining == 0 && s.tablesDone < s.tables {
		return "–"
	}
	left := float64(remaining) / rate
	if left > 365*24*3600 {
		return "–"
	}
	if left < 10 {
		return fmt.Sprintf("%.0fs", left) // tenths would only flicker
	}
	return shortDuration(time.Duration(left * float64(time.Second)))
}

// sample notes where things stand and forgets what is older than the window.
func (s *progressState) sample(now time.Time) {
	s.samples = append(s.samples, rateSample{now, s.rows, s.bytes})
	for len(s.samples) > 2 && now.Sub(s.samples[1].at) >= rateWindow {
		s.samples = s.samples[1:]
	}
}

// rates are rows and bytes per second over the window; 0 in the first second, which says nothing.
func (s *progressState) rates() (rows, bytes float64) {
	if len(s.samples) < 2 {
		return 0, 0
	}
	first, last := s.samples[0], s.samples[len(s.samples)-1]
	elapsed := last.at.Sub(first.at).Seconds()
	if elapsed < 1 {
		return 0, 0
	}
	return float64(last.rows-first.rows) / elapsed, float64(last.bytes-first.bytes) / elapsed
}

func (s *progressState) currentText() string {
	if s.current == (tableName{}) {
		return ""
	}
	return tableTitle(s.current.database, s.current.table)
}

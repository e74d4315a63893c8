package replication

import (
	"fmt"
	"time"
)

// RunState is the state of a channel's receiver.
type RunState uint8

// The states of a receiver.
const (
	Stopped    RunState = iota
	Connecting          // not connected, trying; or connected and not yet reading
	Running
)

// String is the state in lower case.
func (r RunState) String() string {
	switch r {
	case Running:
		return "running"
	case Connecting:
		return "connecting"
	case Stopped:
		return "stopped"
	}
	return fmt.Sprintf("RunState(%d)", uint8(r))
}

// ChannelError is the last error of a receiver or an applier; the zero value is none.
type ChannelError struct {
	Number  int
	Message string
}

// IsZero tells whether there is no error.
func (e ChannelError) IsZero() bool { return e == ChannelError{} }

// String is "error 1062: Duplicate entry …", and "" for none.
func (e ChannelError) String() string {
	if e.IsZero() {
		return ""
	}
	return fmt.Sprintf("error %d: %s", e.Number, e.Message)
}

// Until is where the applier was told to stop. MariaDB keeps it after the applier has stopped, and clears it
// with the next START.
type Until struct {
	Condition string   // as the server names it: "Master", "Source", "Relay", "Gtid", "SQL_AFTER_GTIDS" …; "" for none
	Position  Position // zero for conditions without a file
}

// Status is one channel of one replica at one moment, in one shape for every family and version.
type Status struct {
	Channel    string // "" is the default channel; MariaDB ignores letter case in it
	SourceHost string
	SourcePort int
	// SourceServerID is 0 until the receiver has reached its source. After CHANGE MASTER, and on MariaDB's default
	// channel even after RESET SLAVE ALL, it stays that of the source before, until the new one is reached.
	SourceServerID uint32
	SourceUUID     string // MySQL only

	ReceiverState  RunState
	ApplierRunning bool

	Received Position // the last event in the relay log, in the source's coordinates
	// Executed is the end of the last executed event group, in the source's coordinates. With parallel workers
	// it is a low-water mark while they run: groups after it may have been executed too.
	Executed Position
	// Inferred says that Executed is where the GTIDs say that the replica is; the server's own answer lay before it. Whoever
	// needs it exactly compares the source's GTIDs at the position as well. See SeveralDomains.
	Inferred     bool
	UsesGTID     bool
	ExecutedGTID string // of the whole replica: MariaDB @@gtid_slave_pos, MySQL @@gtid_executed
	ReceivedGTID string // MariaDB only while the channel uses GTID

	ReceiverError ChannelError
	ApplierError  ChannelError
	Until         Until

	Delay time.Duration // the delay that was asked for; 0 for none
	// Lag is the server's Seconds_Behind_Source; nil: unknown, which it also is whenever the applier stands.
	Lag          *time.Duration
	ApplierState string // what the applier says it is doing
	Filters      []Filter
	// IgnoresMarked: what was logged under skip_replication=1 is not executed (MariaDB).
	IgnoresMarked bool
	Workers       int // parallel applier threads; 0: one applier thread
	// FoldsNames: the replica takes the source's names in lower case (lower_case_table_names=1), before its filters see them.
	FoldsNames bool
	// SkipCounter is how many event groups the applier that is started next will pass over, of whatever channel (MySQL, where it can be set
	// while appliers run). MariaDB has one for each channel, which takes no value unless that stands, and does not tell it here.
	SkipCounter int
}

// Address is the source's host and port as the channel has them.
func (s Status) Address() string { return fmt.Sprintf("%s:%d", s.SourceHost, s.SourcePort) }

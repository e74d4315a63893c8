package syncpoint

import (
	"context"
	"time"

	"trueup/internal/audit"
	"trueup/replication"
	"trueup/server"
)

// Recorder is the journal of pauses. Record returns once the entry is on the disk; an applier is not stopped before. It is called from
// several goroutines: an entry of which nobody waits any longer may still be on its way.
type Recorder interface {
	Record(context.Context, audit.Entry) error
}

// Guard outlives this process, and undoes (see Rescue) the pauses it was told of when this process is gone.
type Guard interface {
	// Watch is called before anything is done to the applier and whenever more is known of its pause. It must not block for long.
	// After an error the pause goes on without a guard. upstream is the server whose log the replica executes.
	Watch(upstream, replica server.Endpoint, pause Pause) error
	// Unwatch says that there is nothing left to undo.
	Unwatch(Pause) error
}

// Pause is what whoever comes after us has to know of an applier that we stop.
type Pause struct {
	ID       string
	Identity server.Identity
	Channel  string
	// Sessions are ours on the replica that may still have a STOP or START of ours under way.
	Sessions []uint64
	// Stopping: a STOP of ours was or is being sent, after the last START of ours.
	Stopping bool
	// Starting: a START of ours was or is being sent, and its end was not seen.
	Starting bool
	// Stood is where the applier stood when last looked at, and ShownUntil what its status said of UNTIL there.
	Stood      replication.Position
	StoodGTID  string
	ShownUntil replication.Until
	// Target is the last position to which we have started it; none yet: no position.
	Target replication.Position
	// Ran: it was seen to run to the target after our process had died, so that it does not stand because of the START that was under way.
	Ran bool
	// Told is when this was so, by the clock of this machine.
	Told time.Time
	// Left: somebody else stopped it, so it is not to be started.
	Left bool
}

// Kinds of journal entries about pauses.
const (
	// KindPause is written before an applier is stopped, and opens the pause.
	KindPause = "pause"
	// KindPaused says where the applier stood.
	KindPaused = "paused"
	// KindPauseEnded closes the pause.
	KindPauseEnded = "pause_ended"
)

// PauseRecord is the data of a KindPause entry.
type PauseRecord struct {
	Replica        string   `json:"replica"` // address
	Flavor         string   `json:"flavor"`
	Version        string   `json:"version"`
	ServerID       uint32   `json:"server_id"`
	ServerUUID     string   `json:"server_uuid"`
	Hostname       string   `json:"hostname"`
	Port           int      `json:"port"`
	DataDir        string   `json:"datadir"`
	Channel        string   `json:"channel"`
	ExecutedFile   string   `json:"executed_file"`
	ExecutedOffset uint64   `json:"executed_position"`
	ExecutedGTID   string   `json:"executed_gtid"`
	Account        string   `json:"account"` // user name
	Sessions       []uint64 `json:"sessions"`
	// SwitchSession is the armed switch's connection at the time of the entry; those that replace it carry the pause's
	// name in their statement as well.
	SwitchSession      uint64  `json:"switch_session"`
	SwitchDelaySeconds float64 `json:"switch_delay_seconds"`
	StartStatement     string  `json:"start_statement"`
}

type pausedRecord struct {
	Pause  string `json:"pause"`
	File   string `json:"file"`
	Offset uint64 `json:"position"`
	GTID   string `json:"gtid"`
}

// PauseEnd is the data of a KindPauseEnded entry.
type PauseEnd struct {
	Pause string `json:"pause"`
	How   string `json:"how"` // one of the End… constants
	By    string `json:"by"`  // one of the By… constants
	Why   string `json:"why,omitempty"`
}

// How a pause ended, and by whom.
const (
	EndResumed   = "resumed"     // the applier runs, without UNTIL
	EndNotPaused = "not_paused"  // it was not stopped after all
	EndLeft      = "left"        // it stands, and not because of us: an error, or somebody else stopped it
	ByRun        = "run"         // that stopped it
	ByGuard      = "guard"       // of that run
	ByNextRun    = "another_run" // that found it so
)

const foundRunning = "it was found running"

package report

import (
	"io"
	"os"
	"syscall"
	"time"

	"trueup/internal/overview"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// Status is the report of trueup status: its JSON form is the marshalled struct. Build it with NewStatus; no list in it is nil.
type Status struct {
	SchemaVersion int              `json:"schema_version"`
	Command       string           `json:"command"`
	Version       string           `json:"version"` // of trueup
	ExitCode      int              `json:"exit_code"`
	Conditions    []string         `json:"conditions"`
	Interrupted   bool             `json:"interrupted"`
	At            *time.Time       `json:"at"`
	Error         string           `json:"error"` // why nothing could be read
	Source        StatusServer     `json:"source"`
	Replicas      []StatusServer   `json:"replicas"`
	Pauses        []StatusPause    `json:"pauses"`
	Repairs       []StatusRepair   `json:"repairs"`
	Recoveries    []StatusRecovery `json:"recoveries"`
	Warnings      []string         `json:"warnings"`
}

// StatusServer is one server and its channels.
type StatusServer struct {
	Server
	Error    string          `json:"error"`
	Channels []StatusChannel `json:"channels"`
	Switches []StatusSwitch  `json:"armed_switches"`
}

// StatusChannel is one channel of a server.
type StatusChannel struct {
	Channel          string   `json:"channel"`
	From             string   `json:"from"` // host:port of its source, as the server has it
	State            string   `json:"state"`
	Receiver         string   `json:"receiver"` // "running", "connecting" or "stopped"
	Applier          string   `json:"applier"`  // "running" or "stopped"
	LagSeconds       *float64 `json:"lag_seconds"`
	DelaySeconds     float64  `json:"delay_seconds"`
	ReceiverError    string   `json:"receiver_error"`
	ApplierError     string   `json:"applier_error"`
	Until            string   `json:"until"`
	ExecutedFile     string   `json:"executed_file"`
	ExecutedPosition uint64   `json:"executed_position"`
	ExecutedGTID     string   `json:"executed_gtid"`
	StartStatement   string   `json:"start_statement"`
	StartReceiver    string   `json:"start_receiver_statement"`
}

// StatusRepair is a repair whose journal does not say of some transactions on a replica whether they were committed.
type StatusRepair struct {
	RunID    string     `json:"run_id"`
	Replica  string     `json:"replica"`
	Journal  string     `json:"journal"`
	OpenedAt *time.Time `json:"opened_at"`
	Groups   int        `json:"groups"`
	Running  bool       `json:"running"`
}

// StatusRecovery is a recovery whose journal does not say what became of it.
type StatusRecovery struct {
	RunID       string     `json:"run_id"`
	Replica     string     `json:"replica"`
	Channel     string     `json:"channel"`
	ErrorNumber int        `json:"error_number"`
	Error       string     `json:"error"`
	Journal     string     `json:"journal"`
	OpenedAt    *time.Time `json:"opened_at"`
	Running     bool       `json:"running"`
}

// StatusSwitch is a session of the server that waits to start an applier.
type StatusSwitch struct {
	Session uint64 `json:"session"`
	Pause   string `json:"pause"`
}

// StatusPause is a pause that a journal leaves open.
type StatusPause struct {
	Pause          string     `json:"pause"`
	RunID          string     `json:"run_id"`
	Replica        string     `json:"replica"`
	Channel        string     `json:"channel"`
	OpenedAt       *time.Time `json:"opened_at"`
	State          string     `json:"state"`
	StartStatement string     `json:"start_statement"`
}

// StatusRun is what a look at the servers came to, for NewStatus.
type StatusRun struct {
	Version string
	Seen    *overview.Overview // nil where Err is not
	Source  string             // address
	Err     error
	Signal  os.Signal // what ended it, if it was that
}

// NewStatus makes the report and decides its exit code.
func NewStatus(run StatusRun) Status {
	s := Status{SchemaVersion: SchemaVersion, Command: "status", Version: run.Version, Interrupted: run.Signal != nil,
		Source:   StatusServer{Server: Server{Address: run.Source}, Channels: []StatusChannel{}, Switches: []StatusSwitch{}},
		Replicas: []StatusServer{}, Pauses: []StatusPause{}, Repairs: []StatusRepair{}, Recoveries: []StatusRecovery{}, Warnings: []string{}}
	if run.Seen != nil {
		s.At = timeOf(run.Seen.At)
		s.Source = statusServerOf(run.Seen.Source)
		s.Replicas, s.Pauses = each(run.Seen.Replicas, statusServerOf), each(run.Seen.Pauses, statusPauseOf)
		s.Repairs, s.Recoveries = each(run.Seen.Repairs, statusRepairOf), each(run.Seen.Recoveries, statusRecoveryOf)
		s.Warnings = each(run.Seen.Problems, same[string])
	}
	switch {
	case run.Signal == syscall.SIGTERM:
		s.Conditions = []string{ConditionTerminated, ConditionUnverified}
	case run.Signal != nil:
		s.Conditions = []string{ConditionInterrupted, ConditionUnverified}
	case run.Err != nil:
		s.Error, s.Conditions = run.Err.Error(), []string{ConditionFailed}
	default:
		s.Conditions = statusConditions(run.Seen)
	}
	s.ExitCode = CodeFor(s.Conditions)
	return s
}

// statusConditions lists what holds, gravest first. A replica without a channel does not replicate; a source need not.
func statusConditions(seen *overview.Overview) (conditions []string) {
	stopped, unread := false, len(seen.Replicas) == 0 || len(seen.Problems) > 0 || seen.Source.Err != nil
	for _, channel := range seen.Source.Channels {
		stopped = stopped || !channel.State.Replicates()
	}
	for _, replica := range seen.Replicas {
		unread = unread || replica.Err != nil
		stopped = stopped || replica.Err == nil && len(replica.Channels) == 0
		for _, channel := range replica.Channels {
			stopped = stopped || !channel.State.Replicates()
		}
	}
	for _, pause := range seen.Pauses {
		unread = unread || pause.State == overview.PauseUnknown
	}
	if stopped {
		conditions = append(conditions, ConditionStopped)
	}
	if unread {
		conditions = append(conditions, ConditionUnverified)
	}
	if len(conditions) == 0 {
		conditions = append(conditions, ConditionReplicating)
	}
	return conditions
}

func statusServerOf(s overview.Server) StatusServer {
	out := StatusServer{Server: Server{Address: s.Address}, Channels: each(s.Channels, statusChannelOf),
		Switches: each(s.Switches, func(armed syncpoint.Switch) StatusSwitch {
			return StatusSwitch{Session: armed.Session, Pause: armed.Pause}
		})}
	if s.Identity.Flavor != server.UnknownFlavor {
		out.Flavor, out.Version, out.ServerID, out.ServerUUID = s.Identity.Flavor.String(), s.Identity.VersionText, s.Identity.ServerID, s.Identity.UUID
	}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return out
}

func statusChannelOf(c overview.Channel) StatusChannel {
	out := StatusChannel{Channel: c.Channel, From: c.Address(), State: string(c.State), Receiver: c.ReceiverState.String(), Applier: "stopped",
		DelaySeconds: seconds(c.Delay), ReceiverError: c.ReceiverError.String(), ApplierError: c.ApplierError.String(),
		ExecutedFile: c.Executed.File, ExecutedPosition: c.Executed.Offset, ExecutedGTID: c.ExecutedGTID, StartStatement: c.StartStatement, StartReceiver: c.StartReceiver}
	if c.ApplierRunning {
		out.Applier = "running"
		if c.Until.Condition != "" {
			out.Until = c.Until.Condition + " " + c.Until.Position.String()
		}
	}
	if c.Lag != nil {
		lag := seconds(*c.Lag)
		out.LagSeconds = &lag
	}
	return out
}

func statusPauseOf(p overview.Pause) StatusPause {
	return StatusPause{Pause: p.ID, RunID: p.Run, Replica: p.Replica, Channel: p.Channel, OpenedAt: timeOf(p.At), State: string(p.State), StartStatement: p.StartStatement}
}

func statusRepairOf(r overview.Repair) StatusRepair {
	return StatusRepair{RunID: r.Run, Replica: r.Replica, Journal: r.Journal, OpenedAt: timeOf(r.At), Groups: r.Groups, Running: r.Held}
}

func statusRecoveryOf(r overview.Recovery) StatusRecovery {
	return StatusRecovery{RunID: r.Run, Replica: r.Replica, Channel: r.Channel, ErrorNumber: r.ErrorNumber, Error: r.Error, Journal: r.Journal, OpenedAt: timeOf(r.At), Running: r.Held}
}

// WriteStatusJSON writes the status as one indented JSON object. It fails only where w does.
func WriteStatusJSON(w io.Writer, s Status) error { return writeJSON(w, s) }

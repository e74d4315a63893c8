package overview

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"trueup/internal/audit"
	"trueup/replication"
	"trueup/replication/syncpoint"
	"trueup/server"
)

// Request says what to look at.
type Request struct {
	Source   server.Endpoint
	Replicas []server.Endpoint // empty: discovered from the source
	Journals audit.Folder
	Now      func() time.Time
}

// Overview is what was seen.
type Overview struct {
	At       time.Time
	Source   Server
	Replicas []Server
	Pauses   []Pause
	Repairs  []Repair
	// Recoveries are those that journals leave open.
	Recoveries []Recovery
	Problems   []string // what could not be read, beside the servers' own errors
}

// Server is one server.
type Server struct {
	Address  string
	Endpoint server.Endpoint // how it was reached, with its secrets; zero where it was not
	Identity server.Identity // zero where it was not reached
	Channels []Channel       // none where it replicates from nobody
	Switches []syncpoint.Switch
	Err      error // why some of it could not be read
}

// Channel is one channel of a server.
type Channel struct {
	replication.Status
	State          State
	StartStatement string // starts its applier
	StartReceiver  string // the statement that starts its receiver
}

// State says of a channel in a word whether it replicates.
type State string

// The states of a channel, the gravest first.
const (
	ApplierError    State = "applier_error"
	ApplierStopped  State = "applier_stopped"
	ReceiverError   State = "receiver_error"
	ReceiverStopped State = "receiver_stopped"
	Connecting      State = "receiver_connecting"
	UntilSet        State = "until_set" // it runs, and will stop at a position
	PausedByCheck   State = "paused_by_check"
	Replicating     State = "replicating"
)

// Replicates tells whether nothing is wrong with the channel.
func (s State) Replicates() bool { return s == Replicating || s == PausedByCheck }

// PauseState says what is known now of a pause that a journal leaves open.
type PauseState string

// The states of an open pause.
const (
	PauseLives   PauseState = "check_running"   // its process lives
	PauseOver    PauseState = "applier_runs"    // the applier runs; the next check closes it
	PauseArmed   PauseState = "switch_armed"    // a session on the server is going to start it
	PauseStands  PauseState = "applier_stopped" // nothing will start it
	PauseUnknown PauseState = "unknown"         // its replica is not among those that were read
)

// Pause is a pause that a journal leaves open.
type Pause struct {
	syncpoint.OpenPause
	State PauseState
}

// Read looks at everything once. The error is that of a source that cannot be reached, or of ctx.
func Read(ctx context.Context, request Request) (*Overview, error) {
	o := &Overview{At: request.Now()}
	source, err := server.Open(ctx, request.Source)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	endpoints, known := request.Replicas, []server.Endpoint(nil)
	if len(endpoints) == 0 {
		if endpoints, known, err = o.discover(ctx, source); err != nil {
			return nil, err
		}
	}
	var all sync.WaitGroup
	all.Go(func() { o.Source = look(ctx, source) })
	o.Replicas = Look(ctx, endpoints)
	for _, endpoint := range known {
		o.Replicas = append(o.Replicas, Server{Address: endpoint.Address, Err: errors.New("the source knows it, but it was not reached at any address: name it with --replica")})
	}
	all.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o.readPauses(request.Journals)
	o.readRepairs(request.Journals)
	o.readRecoveries(request.Journals)
	return o, nil
}

// Look reads servers once, at the same time, in their order.
func Look(ctx context.Context, endpoints []server.Endpoint) []Server {
	servers := make([]Server, len(endpoints))
	var all sync.WaitGroup
	for i, endpoint := range endpoints {
		all.Go(func() { servers[i] = lookAt(ctx, endpoint) })
	}
	all.Wait()
	return servers
}

// discover asks the source for its replicas and finds the address at which each answers; unknown are those where none does.
func (o *Overview) discover(ctx context.Context, source *server.Server) (found, unknown []server.Endpoint, err error) {
	session, err := source.Session(ctx, server.SessionOptions{})
	if err != nil {
		return nil, nil, err
	}
	defer session.Close()
	candidates, warnings, err := replication.Discover(ctx, session)
	if err != nil {
		return nil, nil, err
	}
	o.Problems = append(o.Problems, warnings...)
	if len(candidates) == 0 {
		o.Problems = append(o.Problems, fmt.Sprintf("%s has no replicas that it knows of; one whose receiver stands is not known to it: name it with --replica%s", source.Address(), replication.OwnSources(ctx, session)))
	}
	for _, candidate := range candidates {
		endpoint, reached := reach(ctx, source.Endpoint(), candidate)
		if reached {
			found = append(found, endpoint)
		} else {
			unknown = append(unknown, endpoint)
		}
	}
	return found, unknown, nil
}

// reach tries the addresses of a replica with the source's account until the server with its id answers.
func reach(ctx context.Context, endpoint server.Endpoint, candidate replication.Candidate) (server.Endpoint, bool) {
	endpoint.Network, endpoint.Address = "tcp", fmt.Sprintf("server_id %d", candidate.ServerID)
	for _, address := range candidate.Addresses() {
		endpoint.Address = address
		opened, err := server.Open(ctx, endpoint)
		if err != nil {
			continue
		}
		id := opened.Identity().ServerID
		_ = opened.Close()
		if id == candidate.ServerID {
			return endpoint, true
		}
	}
	return endpoint, false
}

func lookAt(ctx context.Context, endpoint server.Endpoint) Server {
	opened, err := server.Open(ctx, endpoint)
	if err != nil {
		return Server{Address: endpoint.Address, Err: err}
	}
	defer opened.Close()
	return look(ctx, opened)
}

// look reads one server.
func look(ctx context.Context, opened *server.Server) Server {
	s := Server{Address: opened.Address(), Endpoint: opened.Endpoint(), Identity: opened.Identity()}
	session, err := opened.Session(ctx, server.SessionOptions{})
	if err != nil {
		s.Err = err
		return s
	}
	defer session.Close()
	// The switches first: one that is seen beside an applier that stands must have been there when it stood.
	s.Switches, err = syncpoint.ArmedSwitches(ctx, session)
	statuses, statusErr := replication.ReadStatuses(ctx, session)
	s.Err = errors.Join(err, statusErr)
	for _, status := range statuses {
		s.Channels = append(s.Channels, Channel{Status: status, State: stateOf(status),
			StartStatement: replication.StartApplierStatement(s.Identity, status.Channel), StartReceiver: replication.StartReceiverStatement(s.Identity, status.Channel)})
	}
	return s
}

func stateOf(status replication.Status) State {
	switch {
	case !status.ApplierRunning && !status.ApplierError.IsZero():
		return ApplierError
	case !status.ApplierRunning:
		return ApplierStopped
	case status.ReceiverState != replication.Running && !status.ReceiverError.IsZero():
		return ReceiverError
	case status.ReceiverState == replication.Stopped:
		return ReceiverStopped
	case status.ReceiverState == replication.Connecting:
		return Connecting
	case status.Until.Condition != "":
		return UntilSet
	}
	return Replicating
}

// readPauses reads what journals leave open and holds it against the channels.
func (o *Overview) readPauses(journals audit.Folder) {
	open, problems, err := syncpoint.OpenPauses(journals)
	if err != nil {
		problems = append(problems, err.Error())
	}
	for _, problem := range problems {
		o.Problems = append(o.Problems, "journal "+strings.TrimPrefix(problem, "journal "))
	}
	for _, pause := range open {
		o.Pauses = append(o.Pauses, Pause{OpenPause: pause, State: o.judge(pause)})
	}
}

func (o *Overview) judge(pause syncpoint.OpenPause) PauseState {
	state := PauseUnknown
	for s := range o.Replicas {
		for c := range o.Replicas[s].Channels {
			if pause.Concerns(o.Replicas[s].Identity, o.Replicas[s].Channels[c].Channel) {
				state = o.Replicas[s].judge(pause, &o.Replicas[s].Channels[c])
			}
		}
	}
	if pause.Held && state != PauseOver {
		state = PauseLives
	}
	return state
}

// judge looks at the channel that a pause is of. An applier that a running check is about to start replicates.
func (s Server) judge(pause syncpoint.OpenPause, channel *Channel) PauseState {
	armed := false
	for _, found := range s.Switches {
		armed = armed || found.Pause == pause.ID
	}
	switch {
	case channel.State != ApplierStopped && channel.State != UntilSet:
		return PauseOver
	case pause.Held && armed:
		channel.State = PausedByCheck
		return PauseLives
	case armed:
		return PauseArmed
	}
	return PauseStands
}

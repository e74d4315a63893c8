package recovery

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"trueup/check"
	"trueup/repair"
	"trueup/replication"
	"trueup/server"
)

// run is one recovery on its way. It is for one goroutine.
type run struct {
	request  Request
	observer check.Observer
	result   *Result

	replica *server.Server
	source  *server.Server // nil: it was not reached
	noReach error          // why
	// control asks the replica about its channel, and stops and starts it.
	control *server.Session
	channel string
	groups  repair.Numbers // of rows in the journal
	numbers int            // of errors in the journal
	pending []open         // errors that were passed and are to be proven
}

func (r *run) now() check.At { return check.At{Time: r.request.Check.Now()} }

func (r *run) send(event check.Event) {
	if r.observer != nil {
		r.observer.Event(event)
	}
}

// connect opens both servers. A source that cannot be reached is no error: its receiver's error may be what is to be diagnosed.
func (r *run) connect(ctx context.Context) (err error) {
	if r.replica, err = server.Open(ctx, r.request.Check.Replicas[0]); err != nil {
		return err
	}
	if r.control, err = r.replica.Session(ctx, server.SessionOptions{}); err != nil {
		return err
	}
	if r.source, r.noReach = server.Open(ctx, r.request.Check.Source); r.noReach != nil {
		r.source = nil
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return r.chooseChannel(ctx)
}

func (r *run) close() {
	if r.control != nil {
		_ = r.control.Close()
	}
	for _, s := range []*server.Server{r.replica, r.source} {
		if s != nil {
			_ = s.Close()
		}
	}
}

// chooseChannel finds the channel in question: the one that is named, else the one that is stopped by an error, else the one that comes from
// the source.
func (r *run) chooseChannel(ctx context.Context) error {
	statuses, err := replication.ReadStatuses(ctx, r.control)
	if err != nil {
		return err
	}
	if len(statuses) == 0 {
		return &check.RequestError{Err: fmt.Errorf("%s: %w%s", r.replica.Address(), replication.ErrNotAReplica, r.sourcesOfSource(ctx))}
	}
	var names, stopped []string
	for _, status := range statuses {
		names = append(names, fmt.Sprintf("%q", status.Channel))
		if !status.ApplierError.IsZero() && !status.ApplierRunning || !status.ReceiverError.IsZero() {
			stopped = append(stopped, status.Channel)
		}
		if r.request.ChannelNamed && strings.EqualFold(status.Channel, r.request.Channel) {
			r.channel = status.Channel
			return nil
		}
	}
	switch {
	case r.request.ChannelNamed:
		return &check.RequestError{Err: fmt.Errorf("%s has no channel %q; it has %s", r.replica.Address(), r.request.Channel, strings.Join(names, ", "))}
	case len(stopped) == 1:
		r.channel = stopped[0]
		return nil
	case len(stopped) > 1:
		return &check.RequestError{Err: fmt.Errorf("%s: %d channels have errors (%s): name one with --channel", r.replica.Address(), len(stopped), strings.Join(stopped, ", "))}
	case len(statuses) == 1:
		r.channel = statuses[0].Channel
		return nil
	}
	if r.source != nil {
		if status, err := replication.ChannelFrom(statuses, r.source.Identity(), r.source.Endpoint()); err == nil {
			r.channel = status.Channel
			return nil
		}
	}
	return &check.RequestError{Err: fmt.Errorf("%s has the channels %s, none of which is stopped by an error: name one with --channel", r.replica.Address(), strings.Join(names, ", "))}
}

// sourcesOfSource says whose replica the server is that was named as the source.
func (r *run) sourcesOfSource(ctx context.Context) string {
	if r.source == nil {
		return ""
	}
	session, err := r.source.Session(ctx, server.SessionOptions{})
	if err != nil {
		return ""
	}
	defer session.Close()
	return replication.OwnSources(ctx, session)
}

// refuseOtherSource makes sure that the channel comes from the source that was named: rows of another one would be compared with it.
func (r *run) refuseOtherSource(status replication.Status) error {
	if r.source == nil {
		return nil
	}
	_, err := replication.ChannelFrom([]replication.Status{status}, r.source.Identity(), r.source.Endpoint())
	if errors.Is(err, replication.ErrOtherSource) {
		return &check.RequestError{Err: fmt.Errorf("channel %q of %s comes from %s, and the source that was named is %s: name that one with --source", status.Channel, r.replica.Address(), status.Address(), r.source.Address())}
	}
	return nil
}

// sourceInfo has the address only where the source was not reached.
func (r *run) sourceInfo() check.ServerInfo {
	if r.source == nil {
		return check.ServerInfo{Address: r.request.Check.Source.Address}
	}
	return info(r.source)
}

// info is what a result says of a server.
func info(s *server.Server) check.ServerInfo {
	return check.ServerInfo{Address: s.Address(), Identity: s.Identity()}
}

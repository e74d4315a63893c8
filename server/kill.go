package server

import (
	"context"
	"strconv"
)

// ThreadState is what a connection of the server is doing, as its process list names it ("User sleep"); false when there
// is no such connection, or the server has Lost it. An account sees its own connections; those of others take PROCESS.
func (s *Session) ThreadState(ctx context.Context, id uint64) (state string, found bool, err error) {
	if s.server.identity.Flavor == MySQL {
		return s.threadShown(ctx, id)
	}
	records, err := s.Records(ctx, "SELECT STATE AS state FROM information_schema.PROCESSLIST WHERE ID = ?", id)
	if err != nil || len(records) == 0 {
		return "", false, err
	}
	return records[0].Text("state"), true, nil
}

// threadShown looks the connection up in SHOW PROCESSLIST. MySQL's information_schema.PROCESSLIST converts the statements of
// all connections to utf8mb3 and fails (3854) while one of them holds other text.
func (s *Session) threadShown(ctx context.Context, id uint64) (state string, found bool, err error) {
	records, err := s.Records(ctx, "SHOW PROCESSLIST")
	if err != nil {
		return "", false, err
	}
	wanted := strconv.FormatUint(id, 10)
	for _, record := range records {
		if record.Text("Id") == wanted && !s.Lost(record) {
			return record.Text("State"), true, nil
		}
	}
	return "", false, nil
}

// Lost tells whether MySQL 5.6 has lost a connection, as SHOW PROCESSLIST shows it: one that is killed between two looks at its socket waits on a
// closed one until wait_timeout, "Killed", and does nothing any more (seen in one of fifty such kills): no statement, for two seconds at least.
func (s *Session) Lost(shown Record) bool {
	const patience = 2
	seconds, err := strconv.Atoi(shown.Text("Time"))
	return s.server.identity.Flavor == MySQL && !s.server.identity.Version.AtLeast(5, 7, 0) &&
		err == nil && seconds >= patience && shown.Text("Command") == "Killed" && shown.Text("Info") == ""
}

// Kill ends a connection of the server (KILL CONNECTION) through a control session of its own. A connection
// that does not exist any more is a success. The server ends it soon after, not before Kill returns. An account
// may kill its own connections; for those of others it needs CONNECTION ADMIN or SUPER.
func (s *Server) Kill(ctx context.Context, id uint64) error {
	session, err := s.Session(ctx, SessionOptions{})
	if err != nil {
		return err
	}
	defer session.Close()
	err = session.Exec(ctx, "KILL CONNECTION "+strconv.FormatUint(id, 10))
	if IsUnknownThread(err) {
		return nil
	}
	return err
}

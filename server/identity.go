package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
)

// identityQuery reads everything in one row, because a server's sql_select_limit may still be in force. Either
// family takes the line of the other for a comment: MariaDB skips the versions 50700 to 99999 in executable
// comments, MySQL skips /*M! (https://mariadb.com/kb/en/comment-syntax/). Not every MariaDB has server_uid; asking
// information_schema for it is no error where it is missing, but is where the server's max_join_size is tiny. MySQL 5.6 has a
// server_uuid too, but no comment that MariaDB would not execute: it is asked for that when its version is known.
const identityQuery = `/*M!100102 SET STATEMENT sql_big_selects = 1 FOR */ SELECT VERSION() AS version, @@version_comment AS version_comment, @@server_id AS server_id,
@@hostname AS hostname, @@port AS port, @@datadir AS datadir, CONNECTION_ID() AS connection_id
/*M!100000 , (SELECT GLOBAL_VALUE FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_NAME = 'SERVER_UID') AS uuid */
/*!50700 , @@server_uuid AS uuid */`

// readIdentity asks the server who it is and learns the session's connection id.
func (s *Session) readIdentity(ctx context.Context) (Identity, error) {
	record, err := s.One(ctx, identityQuery)
	if err != nil {
		return Identity{}, err
	}
	identity := Identity{
		VersionText: record.Text("version"),
		UUID:        record.Text("uuid"),
		Hostname:    record.Text("hostname"),
		DataDir:     record.Text("datadir"),
	}
	identity.Flavor, identity.Version, err = ParseVersion(identity.VersionText + " " + record.Text("version_comment"))
	if err != nil {
		return Identity{}, s.wrap(err, identityQuery)
	}
	serverID, err := strconv.ParseUint(record.Text("server_id"), 10, 32)
	if err != nil {
		return Identity{}, s.wrap(err, identityQuery)
	}
	identity.ServerID = uint32(serverID)
	if identity.Port, err = strconv.Atoi(record.Text("port")); err != nil {
		return Identity{}, s.wrap(err, identityQuery)
	}
	if s.id, err = strconv.ParseUint(record.Text("connection_id"), 10, 64); err != nil {
		return Identity{}, s.wrap(err, identityQuery)
	}
	if identity.Flavor == MySQL && identity.Version.AtLeast(5, 6, 0) && !identity.Version.AtLeast(5, 7, 0) {
		if record, err = s.One(ctx, "SELECT @@server_uuid AS uuid"); err != nil {
			return Identity{}, err
		}
		identity.UUID = record.Text("uuid")
	}
	return identity, nil
}

// SameServer tells whether a and b are one running server reached by two addresses. A copied data directory
// copies server_uuid too, so that equal identities prove nothing; a named lock taken through a and seen through
// b does. Nothing is written. Both servers must answer; the lock ends with the session.
func SameServer(ctx context.Context, a, b *Server) (same bool, err error) {
	for try := 0; ; try++ { // a lock that ended with its session proves nothing
		if same, err = shareLock(ctx, a, b); err == nil || try == mostReopened || !IsConnectionLost(err) {
			return same, err
		}
	}
}

func shareLock(ctx context.Context, a, b *Server) (bool, error) {
	first, err := a.Session(ctx, SessionOptions{})
	if err != nil {
		return false, err
	}
	defer first.Close()
	second, err := b.Session(ctx, SessionOptions{})
	if err != nil {
		return false, err
	}
	defer second.Close()
	name := "trueup_" + rand.Text()
	const take = "SELECT GET_LOCK(?, 0) AS taken"
	record, err := first.One(ctx, take, name)
	if err != nil {
		return false, err
	}
	if record.Text("taken") != "1" {
		return false, first.wrap(fmt.Errorf("the named lock was not given (result %q)", record.Text("taken")), take)
	}
	if record, err = second.One(ctx, "SELECT IS_USED_LOCK(?) AS holder", name); err != nil {
		return false, err
	}
	holder := record.Text("holder")
	if _, err := first.One(ctx, "SELECT CONNECTION_ID() AS id"); err != nil { // it held the lock until now
		return false, err
	}
	return holder == strconv.FormatUint(first.ID(), 10), nil
}

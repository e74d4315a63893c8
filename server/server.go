package server

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Identity is what tells one server from every other; each Session compares it on opening.
type Identity struct {
	Flavor      Flavor
	Version     Version
	VersionText string // as the server prints it
	ServerID    uint32
	UUID        string // MySQL @@server_uuid, MariaDB @@server_uid; empty where the server has none
	Hostname    string
	Port        int
	DataDir     string
}

// Matches tells whether other is what this server says of itself later. MariaDB makes its server_uid at every start from the
// port and the first network card (https://mariadb.com/kb/en/server-system-variables/#server_uid): a container that is
// restarted and gets another address has another one, and is the same server still.
func (i Identity) Matches(other Identity) bool {
	if i.Flavor == MariaDB {
		i.UUID = other.UUID
	}
	return i == other
}

// Remains tells whether other is this server at any later time, upgraded since perhaps.
func (i Identity) Remains(other Identity) bool {
	if i.Flavor != other.Flavor || i.ServerID != other.ServerID {
		return false
	}
	place := i.Hostname == other.Hostname && i.Port == other.Port && i.DataDir == other.DataDir
	return i.UUID != "" && i.UUID == other.UUID || place && (i.Flavor == MariaDB || i.UUID == other.UUID)
}

// IdentityChangedError is returned by Session when the address now leads to another server than the one that
// was opened: a proxy, a reader endpoint, a failover. Retrying does not help; the run has to start over.
type IdentityChangedError struct {
	Address  string
	Was, Now Identity
}

func (e *IdentityChangedError) Error() string {
	return fmt.Sprintf("%s now leads to another server (server_id %d on %s) than before (server_id %d on %s): a proxy, a reader endpoint or a failover stands between; give the address of one server",
		e.Address, e.Now.ServerID, e.Now.Hostname, e.Was.ServerID, e.Was.Hostname)
}

// Server is one server. It is safe for concurrent use.
type Server struct {
	endpoint Endpoint
	identity Identity
	plain    *sql.DB
	multi    *sql.DB // with CLIENT_MULTI_STATEMENTS
}

// Open connects to a server, learns its identity and closes the connection again. Errors: see ConnectError.
func Open(ctx context.Context, endpoint Endpoint) (*Server, error) {
	plain, err := openDB(endpoint, false)
	if err != nil {
		return nil, err
	}
	multi, err := openDB(endpoint, true)
	if err != nil {
		_ = plain.Close()
		return nil, err
	}
	s := &Server{endpoint: endpoint, plain: plain, multi: multi}
	for try := 0; ; try++ { // somebody may end the connection (KILL)
		if err = s.learnIdentity(ctx); try == mostReopened || !IsConnectionLost(err) || errors.As(err, new(*ConnectError)) {
			break
		}
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) learnIdentity(ctx context.Context) error {
	conn, err := s.connect(ctx, s.plain)
	if err != nil {
		return err
	}
	session := &Session{server: s, conn: conn}
	defer session.Close()
	return s.promptly(ctx, func(ctx context.Context) (err error) {
		s.identity, err = session.readIdentity(ctx)
		return err
	})
}

func openDB(endpoint Endpoint, multiStatements bool) (*sql.DB, error) {
	config, err := endpoint.driverConfig()
	if err != nil {
		return nil, err
	}
	config.MultiStatements = multiStatements
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", endpoint.Address, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(-1) // a session's connection is never reused
	return db, nil
}

// Address names the server in messages and reports: host:port or the socket's path.
func (s *Server) Address() string { return s.endpoint.Address }

// Endpoint is how the server was reached.
func (s *Server) Endpoint() Endpoint { return s.endpoint }

// Identity is what the server said of itself when it was opened.
func (s *Server) Identity() Identity { return s.identity }

// Close ends the server's connections that are still open.
func (s *Server) Close() error {
	return errors.Join(s.plain.Close(), s.multi.Close())
}

// Session opens a connection of its own with canonical settings. It fails with *ConnectError when the server
// cannot be reached, and with *IdentityChangedError when another server answers.
func (s *Server) Session(ctx context.Context, options SessionOptions) (session *Session, err error) {
	for try := 0; ; try++ { // somebody may end it (KILL) before it is of any use
		session, err = s.open(ctx, options)
		if try == mostReopened || !IsConnectionLost(err) || errors.As(err, new(*ConnectError)) {
			return session, err
		}
	}
}

func (s *Server) open(ctx context.Context, options SessionOptions) (*Session, error) {
	db := s.plain
	if options.MultiStatements {
		db = s.multi
	}
	holder := &wireHolder{}
	conn, err := s.connect(context.WithValue(ctx, wireKey{}, holder), db)
	if err != nil {
		return nil, err
	}
	session := &Session{server: s, conn: conn, link: holder.link, options: options}
	err = s.promptly(ctx, func(ctx context.Context) error {
		if err := session.prepareFor(ctx, options); err != nil || !options.Reader {
			return err
		}
		return session.readFromWire(ctx, holder.wire)
	})
	if err != nil {
		_ = session.Close()
		return nil, err
	}
	session.link.listen(session)
	return session, nil
}

// promptly does what belongs to connecting, before anybody listens for a connection that died: it has as long as that.
func (s *Server) promptly(ctx context.Context, do func(context.Context) error) error {
	allowed := s.endpoint.connectTimeout()
	limited, cancel := context.WithTimeout(ctx, allowed)
	defer cancel()
	err := do(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return newConnectError(s.endpoint, allowed, limited.Err())
	}
	return err
}

// connect opens one connection. The driver's own timeout ends with the dialing; a server that accepts the
// connection and then says nothing is caught here.
func (s *Server) connect(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	allowed := s.endpoint.connectTimeout()
	if deadline, ok := ctx.Deadline(); ok { // the caller has less patience than the endpoint's setting
		allowed = min(allowed, time.Until(deadline))
	}
	limited, cancel := context.WithTimeout(ctx, allowed)
	defer cancel()
	conn, err := db.Conn(limited)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, newConnectError(s.endpoint, allowed, err)
	}
	return conn, nil
}

// readFromWire lets StreamFields take rows from the wire where the connection is not encrypted.
func (s *Session) readFromWire(ctx context.Context, w *wire) error {
	record, err := s.One(ctx, "SHOW SESSION STATUS LIKE 'Ssl_cipher'")
	if err != nil {
		return err
	}
	if record.Text("Value") == "" {
		s.wire = w
	}
	return nil
}

// prepareFor checks the identity and applies the canonical settings.
func (s *Session) prepareFor(ctx context.Context, options SessionOptions) error {
	now, err := s.readIdentity(ctx)
	if err != nil {
		return err
	}
	if !s.server.identity.Matches(now) {
		return &IdentityChangedError{Address: s.server.Address(), Was: s.server.identity, Now: now}
	}
	return s.applySettings(ctx, options)
}

const (
	defaultWaitTimeout     = 8 * time.Hour
	defaultLockWaitTimeout = 5 * time.Second
)

package integration

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver of the tests' own statements

	"trueup/internal/sandbox"
	"trueup/server"
)

const statementLimit = time.Minute

// Node is one server of a topology. DB is a pool of the administrator's connections: statements that depend on a
// session (SET, LOCK, transactions) go into one Exec call or take a connection of their own from DB.
type Node struct {
	Server
	DB   *sql.DB
	Row  ServerRow
	name string
	host string // how other servers of the topology reach it
}

// Name is "source" or "replica N".
func (n *Node) Name() string { return n.name }

// Endpoint is the administrator's account over TCP.
func (n *Node) Endpoint() server.Endpoint { return n.AdminEndpoint() }

// start starts the server and opens the pool. network is the topology's, of containers.
func (n *Node) start(ctx context.Context, role role, network string) error {
	n.host = "127.0.0.1"
	if err := n.startServer(ctx, role, network); err != nil {
		return err
	}
	var err error
	n.DB, err = sql.Open("mysql", n.DSN()+"?multiStatements=true&interpolateParams=true"+n.unbounded())
	return err
}

// unbounded are settings with which a test's own statements do not fail under limits that are set for all sessions: SHOW ALL SLAVES STATUS of
// MariaDB 11.8 exceeds a small max_join_size, and a busy machine may take half a second for any query.
func (n *Node) unbounded() string {
	settings := "&sql_big_selects=1"
	switch {
	case n.Row.Flavor == server.MariaDB:
		settings += "&max_statement_time=0"
	case n.Row.IsMySQL(5, 7, 8):
		settings += "&max_execution_time=0"
	}
	return settings
}

func (n *Node) startServer(ctx context.Context, role role, network string) error {
	slow := ""
	if role.slowThreads {
		var err error
		if slow, err = slowThreads(); err != nil {
			return err
		}
	}
	if n.Row.Local() {
		instance, err := sandbox.Start(ctx, sandbox.Options{
			Name: n.hostName(), Runtime: n.Row.runtime, NoBinlog: role.format == "", BinlogFormat: role.format,
			GTIDDomain: uint32(role.domain), ParallelThreads: role.parallelThreads, Args: role.args,
			Env: slowEnvironment(slow),
		})
		if err == nil {
			n.Server = instance
		}
		return err
	}
	d, err := connectDocker()
	if err != nil {
		return err
	}
	n.host = n.hostName()
	c := &containerServer{docker: d, row: n.Row, host: n.host, network: network, further: role.args, slow: slow,
		args: func(port int, further []string) []string { return n.Row.programArgs(role, port, further) }}
	n.Server = c // also when it does not start: it must be removed
	return c.start(ctx)
}

func (n *Node) hostName() string { return strings.ReplaceAll(n.name, " ", "-") }

func (n *Node) stop() error {
	if n.Server == nil {
		return nil
	}
	var err error
	if n.DB != nil {
		err = n.DB.Close()
	}
	return errors.Join(err, n.Stop())
}

// Exec runs statements one after the other on one connection and fails the test on the first error.
func (n *Node) Exec(t testing.TB, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	if err := n.exec(ctx, statements...); err != nil {
		t.Fatal(err)
	}
}

// bounded gives a context that has no end of its own the time that a statement may take: a server may never answer.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, has := ctx.Deadline(); has {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, statementLimit)
}

func (n *Node) exec(ctx context.Context, statements ...string) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	conn, err := n.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("%s (%s): %w", n.name, n.Address(), err)
	}
	defer conn.Close()
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s (%s): %s: %w", n.name, n.Address(), statement, err)
		}
	}
	return nil
}

// Query returns all rows of a query as text, NULL as "NULL"; it fails the test on an error.
func (n *Node) Query(t testing.TB, query string, args ...any) [][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	_, rows, err := n.query(ctx, query, args...)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Value returns the first column of the only row of a query as text; NULL is "NULL".
func (n *Node) Value(t testing.TB, query string, args ...any) string {
	t.Helper()
	rows := n.Query(t, query, args...)
	if len(rows) != 1 {
		t.Fatalf("%s: %s: %d rows, expected one", n.name, query, len(rows))
	}
	return rows[0][0]
}

// Status returns the replica's status by column name, each column under the names of both term sets
// (Slave_SQL_Running and Replica_SQL_Running); nil when the server is no replica. Of several channels it is the first.
func (n *Node) Status(t testing.TB) map[string]string {
	t.Helper()
	if channels := n.Channels(t); len(channels) > 0 {
		return channels[0]
	}
	return nil
}

// Channels returns the status of every channel, named by Channel_Name ("" for the one without a name), as Status does.
func (n *Node) Channels(t testing.TB) []map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	channels, err := n.channels(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return channels
}

func (n *Node) status(ctx context.Context) (map[string]string, error) {
	channels, err := n.channels(ctx)
	if err != nil || len(channels) == 0 {
		return nil, err
	}
	return channels[0], nil
}

func (n *Node) channels(ctx context.Context) ([]map[string]string, error) {
	names, rows, err := n.query(ctx, n.Row.showReplicaStatus())
	if err != nil {
		return nil, err
	}
	channels := make([]map[string]string, len(rows))
	for row := range rows {
		status := make(map[string]string, len(names))
		for i, name := range names {
			status[name] = rows[row][i]
		}
		channels[row] = bothTerms(status)
	}
	return channels, nil
}

// channel returns the status of one channel; nil when there is none of that name.
func (n *Node) channel(ctx context.Context, name string) (map[string]string, error) {
	channels, err := n.channels(ctx)
	if err != nil {
		return nil, err
	}
	for _, status := range channels {
		if status["Channel_Name"] == name {
			return status, nil
		}
	}
	return nil, nil
}

func (n *Node) query(ctx context.Context, query string, args ...any) (names []string, all [][]string, err error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	rows, err := n.DB.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("%s (%s): %s: %w", n.name, n.Address(), query, err)
	}
	defer rows.Close()
	if names, err = rows.Columns(); err != nil {
		return nil, nil, err
	}
	for rows.Next() {
		values, targets := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, nil, err
		}
		texts := make([]string, len(names))
		for i, v := range values {
			if texts[i] = "NULL"; v.Valid {
				texts[i] = v.String
			}
		}
		all = append(all, texts)
	}
	return names, all, rows.Err()
}

// Account is 'name'@'host' for an account that may log in from this process: 127.0.0.1, or any host where the server is
// in a container, which sees its network's gateway.
func (n *Node) Account(name string) string {
	if n.Row.Local() {
		return "'" + name + "'@'127.0.0.1'"
	}
	return "'" + name + "'@'%'"
}

// CreateUser creates an account (see Account) with a password and the given grants ("SELECT ON *.*") and returns how
// to log in with it. It is logged like any statement: created on the source, it reaches the replicas.
func (n *Node) CreateUser(t testing.TB, name string, grants ...string) server.Endpoint {
	t.Helper()
	n.Exec(t, n.createUser(name, grants)...)
	return n.loginOf(name)
}

const userPassword = "s3cret pass,word"

func (n *Node) loginOf(name string) server.Endpoint {
	endpoint := n.AdminEndpoint()
	endpoint.User, endpoint.Password = name, userPassword
	return endpoint
}

// createUser are the statements that make an account anew.
func (n *Node) createUser(name string, grants []string) []string {
	account := n.Account(name)
	create := []string{fmt.Sprintf("CREATE OR REPLACE USER %s IDENTIFIED BY '%s'", account, userPassword)}
	switch {
	case n.Row.IsMySQL(5, 7, 8):
		create = []string{"DROP USER IF EXISTS " + account, fmt.Sprintf("CREATE USER %s IDENTIFIED BY '%s'", account, userPassword)}
	case n.Row.Flavor == server.MySQL:
		create = []string{fmt.Sprintf("GRANT USAGE ON *.* TO %s IDENTIFIED BY '%s'", account, userPassword), "REVOKE ALL PRIVILEGES, GRANT OPTION FROM " + account}
	}
	for _, grant := range grants {
		create = append(create, fmt.Sprintf("GRANT %s TO %s", grant, account))
	}
	return create
}

// Numbers is a FROM-able expression with one column, seq, from 1 to count, on a server of any family.
func (n *Node) Numbers(count int) string { return n.Row.Numbers(count) }

// CutOff separates the server from the others of its topology: replication to and from it breaks as with a pulled cable,
// this process still reaches it. Rejoin ends it. Only in containers: see Needs.Network.
func (n *Node) CutOff(t testing.TB) {
	t.Helper()
	if err := n.container(t).cutOff(); err != nil {
		t.Fatal(err)
	}
}

// Rejoin puts a server that was cut off back into the topology's network.
func (n *Node) Rejoin(t testing.TB) {
	t.Helper()
	if err := n.container(t).rejoin(); err != nil {
		t.Fatal(err)
	}
}

func (n *Node) container(t testing.TB) *containerServer {
	t.Helper()
	c, ok := n.Server.(*containerServer)
	if !ok {
		t.Fatalf("%s is a process of this machine and has no network of its own: the test lacks Needs{Network: true}", n.name)
	}
	return c
}

// Socket and Dir are the socket and the folder of a server on this machine, "" of one in a container: see Needs.Local.
func (n *Node) Socket() string {
	if instance, ok := n.Server.(*sandbox.Instance); ok {
		return instance.Socket()
	}
	return ""
}

// Dir is the server's folder: its data is in data/.
func (n *Node) Dir() string {
	if instance, ok := n.Server.(*sandbox.Instance); ok {
		return instance.Dir()
	}
	return ""
}

// CopyData copies a file of the server's data directory over another, both by their paths in it ("app/t.ibd").
func (n *Node) CopyData(t testing.TB, from, to string) {
	t.Helper()
	n.Shell(t, fmt.Sprintf("cp -p '%s' '%s'", from, to))
}

// Shell runs a script of sh in the server's data directory, where the server runs: in its container, or on this machine.
func (n *Node) Shell(t testing.TB, script string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), statementLimit)
	defer cancel()
	var err error
	if n.Row.Local() {
		command := exec.CommandContext(ctx, "sh", "-c", script)
		command.Dir = filepath.Join(n.Dir(), "data")
		err = command.Run()
	} else {
		err = n.container(t).run(ctx, "sh", "-c", "cd /trueup/data && "+script)
	}
	if err != nil {
		t.Fatalf("%s: in its data directory: %s: %v", n.name, script, err)
	}
}

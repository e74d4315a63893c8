package integration

import (
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"trueup/server"
)

// TestLongStatementIsWaitedFor: a server that works, or waits for a lock, and says nothing for many times the silence after which it
// is asked, is not given up; nor is one that sent more rows than were taken from it for as long.
func TestLongStatementIsWaitedFor(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v LONGTEXT)",
			"INSERT INTO app.t SELECT seq, REPEAT('x', 100000) FROM "+tp.Numbers(60))
		endpoint := tp.Source.Endpoint()
		endpoint.Silence = 100 * time.Millisecond
		opened, err := server.Open(t.Context(), endpoint)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		session, err := opened.Session(t.Context(), server.SessionOptions{Reader: true})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		for name, c := range map[string]struct {
			query string
			taken time.Duration // to take the first row
			rows  int
		}{
			"a sleep": {"SELECT SLEEP(1.5)", 0, 1},
			"a scan that finds nothing for long, then one row": {"SELECT id FROM app.t WHERE SLEEP(0.025) = 1 OR id = 60", 0, 1},
			"a sort that begins late":                          {"SELECT id, SLEEP(0.025) AS s FROM app.t ORDER BY s, id DESC", 0, 60},
			"a slow reader":                                    {"SELECT id, v FROM app.t", 1500 * time.Millisecond, 60},
		} {
			if got := streamSlowly(t, session, c.query, c.taken); got != c.rows {
				t.Errorf("%s: %d rows, want %d", name, got, c.rows)
			}
		}
	})
}

func streamSlowly(t *testing.T, session *server.Session, query string, taken time.Duration) (rows int) {
	t.Helper()
	statement, err := session.Prepare(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer statement.Close()
	err = statement.StreamFields(t.Context(), nil, func([]server.Field) error {
		if rows++; rows == 1 {
			time.Sleep(taken)
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", query, err)
	}
	return rows
}

// TestSilentConnectionIsGivenUp: where the question, the answer or the rest of the rows never comes, the statement fails within a
// known time, as a lost connection, and the session is ended on the server, with what it holds.
func TestSilentConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		tp.Source.Exec(t, "CREATE DATABASE app", "CREATE TABLE app.t (id INT PRIMARY KEY, v LONGTEXT)",
			"INSERT INTO app.t SELECT seq, REPEAT('x', 1000000) FROM "+tp.Numbers(30))
		proxy := NewProxy(t, tp.Source)
		endpoint := proxy.Endpoint()
		if !long() { // else as users have it
			endpoint.Silence, endpoint.ConnectTimeout = 100*time.Millisecond, 2*time.Second
		}
		opened, err := server.Open(t.Context(), endpoint)
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		for name, fall := range map[string]func(){
			"the question":     func() { proxy.When(ToServer, "FROM app.t", 0, func(c *Pipe) { c.Swallow(ToServer) }) },
			"the answer":       func() { proxy.When(ToServer, "FROM app.t", 0, func(c *Pipe) { c.Swallow(FromServer) }) },
			"half of the rows": func() { proxy.When(FromServer, "", 5_000_000, func(c *Pipe) { c.stall() }) },
			"everything":       func() { proxy.When(ToServer, "FROM app.t", 0, func(*Pipe) { proxy.Swallow(BothWays) }) },
		} {
			t.Run(name, func(t *testing.T) { givenUp(t, tp.Source, proxy, opened, fall) })
		}
	})
}

func givenUp(t *testing.T, node *Node, proxy *Proxy, opened *server.Server, fall func()) {
	session, err := opened.Session(t.Context(), server.SessionOptions{Reader: true})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	fall()
	began := time.Now()
	statement, err := session.Prepare(t.Context(), "SELECT id, v FROM app.t")
	if err == nil {
		err = statement.StreamFields(t.Context(), []driver.Value(nil), func([]server.Field) error { return nil })
	}
	took := time.Since(began)
	var silent *server.SilentError
	if !errors.As(err, &silent) || !server.IsConnectionLost(err) {
		t.Errorf("after %v: %v", took, err)
	}
	t.Logf("%v: %v", took.Round(time.Millisecond), err)
	if took > time.Duration(times(10, 50))*time.Second {
		t.Errorf("it was given up after %v", took)
	}
	proxy.Heal()
	eventually(t, "the session ends on the server", 30*time.Second, func() (bool, string) {
		return node.Value(t, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = ?", session.ID()) == "0", ""
	})
}

// TestConnectionCutBetweenStatements: a prepared statement that could not even be sent, or be closed, is that of a lost connection.
func TestConnectionCutBetweenStatements(t *testing.T) {
	t.Parallel()
	EachServer(t, func(t *testing.T, _ ServerRow) {
		tp := NewTopology(t, Options{Replicas: -1})
		proxy := NewProxy(t, tp.Source)
		opened, err := server.Open(t.Context(), proxy.Endpoint())
		if err != nil {
			t.Fatal(err)
		}
		defer opened.Close()
		session, err := opened.Session(t.Context(), server.SessionOptions{Reader: true})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		statement, err := session.Prepare(t.Context(), "SELECT 1")
		if err != nil {
			t.Fatal(err)
		}
		other, err := opened.Session(t.Context(), server.SessionOptions{Reader: true})
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		closed, err := other.Prepare(t.Context(), "SELECT 1")
		if err != nil {
			t.Fatal(err)
		}
		proxy.Cut()
		time.Sleep(100 * time.Millisecond) // the reset arrives
		err = statement.StreamFields(t.Context(), nil, func([]server.Field) error { return nil })
		if !server.IsConnectionLost(err) {
			t.Errorf("%v is not taken for a lost connection", err)
		}
		if err := closed.Close(); !server.IsConnectionLost(err) {
			t.Errorf("%v of closing is not taken for a lost connection", err)
		}
	})
}
